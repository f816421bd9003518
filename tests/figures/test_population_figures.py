"""Lines and words in the figures of populations, against numbers chosen here."""

import numpy as np
import pytest

from ratecore import figures

TIMES = np.arange(5) * 50.0


def words(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_explained_variance_adds_up():
    axis = figures.explained_variance(None, [np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1])])
    first, second = axis.get_lines()[:2]
    np.testing.assert_allclose(first.get_xydata(), [[1, 0.5], [2, 0.8], [3, 1]])
    np.testing.assert_allclose(second.get_ydata(), [0.9, 1])


def test_trajectories_end_with_the_trial():
    path = np.array([[0.0, 1, 5], [2, 3, 6], [4, 5, 7], [np.nan] * 3])
    axis = figures.trajectories(None, {"go": path, "nogo": -path}, np.array([0.6, 0.3, 0.1]), (0, 2))
    course, start, end = axis.get_lines()[:3]
    np.testing.assert_array_equal(course.get_xydata(), path[:3, [0, 2]])
    assert start.get_xydata().tolist() == [[0, 5]] and start.get_marker() == "o"
    assert end.get_xydata().tolist() == [[4, 7]] and end.get_marker() == "s"
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("PC 1 (60 %)", "PC 3 (10 %)") and words(axis) == ["go", "nogo"]


def test_projections_have_the_names_of_their_axes():
    axis = figures.projections(None, {"a": np.ones((3, 2))}, ("choice", "motion"), labelled=False)
    assert axis.get_xlabel() == "choice axis (SD)" and axis.get_ylabel() == "motion axis (SD)"
    assert axis.get_legend() is None


def test_lengths_are_marked_where_they_are_largest():
    axis = figures.lengths_over_time(None, TIMES, {"motion": np.array([0, 3, 1, np.nan, 0]), "no": np.full(5, np.nan)})
    (mark,) = [line for line in axis.get_lines() if line.get_marker() == "o"]
    assert mark.get_xydata().tolist() == [[50, 3]] and words(axis) == ["motion", "no"]


def test_components_and_shares():
    axis = figures.component_courses(None, TIMES, {f"c {k}": np.full(5, float(k)) for k in range(12)}, "time, 50.0 %")
    styles = {(line.get_color(), line.get_linestyle()) for line in axis.get_lines()[:12]}
    assert len(styles) == 12 and axis.get_title() == "time, 50.0 %"
    axis = figures.marginalisation_shares(None, [{"time": 0.7, "a": 0.3}, {"time": 0.5, "a": 0.5}])
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.6, 0.4])
    assert [text.get_text() for text in axis.get_yticklabels()] == ["time", "a"]


def test_decoding_has_the_mean_and_the_band_of_chance():
    courses = [np.array([0.5, 0.6, 1, 1, np.nan]), np.array([0.5, 0.8, 1, 1, 1])]
    axis = figures.decoding_over_time(None, TIMES, {"choice": courses}, 0.5, (0.4, 0.6))
    (mean,) = [line for line in axis.get_lines() if line.get_label() == "choice"]
    np.testing.assert_allclose(mean.get_ydata(), [0.5, 0.7, 1, 1, 1])
    band = axis.patches[0]
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.4, 0.6))
    assert words(axis) == ["95 % of\nshuffles", "chance", "choice"]
    assert words(figures.decoding_over_time(None, TIMES, {"a": courses}, None, (np.nan, np.nan))) == ["a"]


def test_cross_temporal_matrix_has_training_times_upwards():
    matrix = np.full((5, 5), 0.5)
    matrix[4, 1] = 1  # trained at 200 ms, tested at 50 ms
    axis = figures.cross_temporal(None, TIMES, matrix, 0.5, "choice")
    (image,) = axis.get_images()
    assert image.get_extent() == [-25, 225, -25, 225] and image.origin == "lower"
    np.testing.assert_array_equal(image.get_array(), matrix)
    assert image.get_clim() == (0, 1) and axis.get_ylabel() == "trained at (ms)"
    empty = figures.cross_temporal(None, TIMES[:1], np.full((1, 1), np.nan), 0.5, colorbar=True)
    assert len(empty.get_images()) == 1


def test_selectivity():
    shares = [{"none": 0.1, "pure": 0.4, "linear mixed": 0.3, "nonlinear mixed": 0.2}] * 2
    axis = figures.selectivity_kinds(None, shares, ["seed 0", "seed 1"])
    assert [bar.get_x() for bar in axis.patches[::2]] == pytest.approx([0, 0.1, 0.5, 0.8])
    assert words(axis) == list(shares[0])
    many = figures.selectivity_kinds(None, shares * 10, [f"seed {k}" for k in range(20)])
    assert many.get_ylabel() == "20 networks" and not many.get_yticks().size
    effects, kinds = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]), np.array([0, 1, 1])
    axis = figures.selectivity_scatter(None, effects, kinds, ["none", "pure"], ("motion", "color"))
    assert words(axis) == ["none: 1", "pure: 2"]
    np.testing.assert_array_equal(axis.get_lines()[1].get_xydata(), effects[:, 1:].T)
    axis = figures.selectivity_histogram(None, np.array([-1, 0, 2, np.inf]), np.array([True, False, True, True]), "d'")
    assert words(axis) == ["all units", "significant: 2"] and axis.get_xlabel() == "d'"
    assert figures.selectivity_histogram(None, np.full(2, np.nan), np.zeros(2, bool), "d'") is not None


def test_tuning():
    axis = figures.tuning(None, np.array([-1.0, 1]), np.ones((2, 3)), np.ones((2, 3)), "coherence", ["a", "b", "c"])
    assert len(axis.containers) == 3 and axis.get_xlabel() == "coherence" and words(axis) == ["a", "b", "c"]


def test_axes_that_are_given_are_drawn_into():
    _, axes = figures.style.new_figure(columns=2)
    assert figures.explained_variance(axes[1], [np.ones(1)]) is axes[1]

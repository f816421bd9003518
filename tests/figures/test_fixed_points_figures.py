"""Points, lines and words in the figures of fixed points, against numbers chosen here."""

import numpy as np
import pytest

from ratecore.figures.fixed_points import modes, selection, slow_points, speed_limits
from ratecore.figures.style import new_figure


def words(axis):
    return axis.get_legend_handles_labels()[1]


def drawn(axis, label):
    (line,) = (line for line in axis.get_lines() if line.get_label() == label)
    return line.get_xydata()


def test_points_are_where_they_are_said_to_be():
    paths = np.arange(16.0).reshape(2, 4, 2)
    paths[1, 3:] = np.nan  # of shorter trials
    slow, speed = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([1e-2, 1e-3, 1e-9])
    fixed, kinds = np.array([[0.0, 0.0], [9.0, 9.0], [1.0, 1.0]]), np.array(["saddle", "stable", "saddle"])
    axis = slow_points(new_figure()[1], paths, ["left", "right"], slow, speed, fixed, kinds)
    assert words(axis) == ["left", "right", "stable point", "saddle"]
    np.testing.assert_array_equal(drawn(axis, "right"), paths[1, :3])
    np.testing.assert_array_equal(drawn(axis, "saddle"), fixed[[0, 2]])
    np.testing.assert_array_equal(axis.collections[0].get_offsets(), slow)
    np.testing.assert_array_equal(axis.collections[0].get_array(), speed)
    assert axis.collections[0].norm.vmax == 1e-2
    assert [a.get_ylabel() for a in axis.figure.axes] == ["PC 2 of x", "speed (1/ms)"]


def test_a_plane_without_slow_points_has_no_colours():
    axis = slow_points(
        None, np.zeros((0, 5, 2)), [], np.zeros((0, 2)), np.zeros(0), np.zeros((0, 2)), np.zeros(0, "U8")
    )
    assert len(axis.figure.axes) == 1


def test_points_at_rest_do_not_take_up_the_colours():
    assert speed_limits(np.array([0.0] * 5 + [0.01] * 5)) == pytest.approx((1e-4, 0.01))
    assert speed_limits(np.full(9, 0.01)) == pytest.approx((0.005, 0.01))
    low, high = speed_limits(np.zeros(3))
    assert 0 < low < high


def test_modes_have_their_time_constants_and_frequencies():
    tau, hertz = np.array([50.0, -200.0]), np.array([0.0, 4.0])
    mu = np.exp(-5 / tau + 2j * np.pi * hertz * 5e-3)
    axis = modes(None, [mu, np.array([1.0 + 0j])], np.array(["saddle", "stable"]))
    assert words(axis) == ["saddle", "saddle, growing"]  # a mode that does neither has no place
    np.testing.assert_allclose(drawn(axis, "saddle"), [[50, 0]], atol=1e-9)
    np.testing.assert_allclose(drawn(axis, "saddle, growing"), [[200, 4]], atol=1e-9)


def test_selection_has_a_bar_at_the_mean_of_each_input():
    cosines = [np.array([[0.1, 0.5], [0.3, -0.1]]), np.zeros((0, 2)), np.array([[0.4, 0.0]])]
    axis = selection(None, cosines, ["a", "b", "c"], ["motion", "colour"])
    assert words(axis) == ["a", "c"]
    heights = [[segment[0, 1] for segment in bars.get_segments()] for bars in axis.collections]
    np.testing.assert_allclose(heights, [[0.2, 0.2], [0.4, 0.0]])
    assert [text.get_text() for text in axis.get_xticklabels()] == ["motion", "colour"]

"""Lines and bars in the figures of spike trains, against numbers chosen here."""

import numpy as np
import pytest

from ratecore import figures

TIMES = np.array([50.0, 100, 150])


def words(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_fano_is_the_median_over_units_and_the_mean_over_networks():
    one = np.array([[1.0, 2, 9], [np.nan, 4, 4], [np.nan] * 3])
    axis = figures.fano_over_time(None, TIMES, {"E": [one, one + 1], "I": []}, [np.ones(3)], np.array([[50.0, 100]]))
    (mean,) = [line for line in axis.get_lines() if line.get_label() == "E"]
    np.testing.assert_allclose(mean.get_ydata(), [2.5, 4.5, np.nan])
    assert words(axis) == ["Poisson", "E", "all, means\nmatched", "stimulus"]
    (shade,) = axis.patches
    assert (shade.get_x(), shade.get_width()) == (50, 50)


def test_rates_have_their_unit():
    axis = figures.rates_over_time(None, TIMES, {"E": [np.array([1.0, 2, 3])]})
    assert axis.get_ylabel() == "mean rate (1/s)" and axis.get_lines()[0].get_ydata().tolist() == [1, 2, 3]


def test_histograms_are_shares():
    axis = figures.variation_histogram(None, {"E": np.array([0.55, 0.55, 7, np.nan]), "I": np.array([np.nan])})
    filled = axis.patches[0].get_xy()
    assert filled[:, 1].max() == pytest.approx(2 / 3) and words(axis) == ["E (3 units)", "I (0 units)"]
    counts = {"E": np.array([0, 3, 1, 0]), "I": np.zeros(4, int)}
    axis = figures.interval_histogram(None, np.array([1.0, 10, 20, 40, 80]), counts)
    np.testing.assert_allclose(axis.patches[0].get_data().values, [0, 0.75, 0.25, 0])
    assert axis.get_xlim() == (10, 40) and words(axis) == ["E\n(4 intervals)", "I\n(0 intervals)"]
    assert figures.interval_histogram(None, np.array([1.0, 10]), {"E": np.zeros(1, int)}).get_xlim() == (1, 10)

"""What the figures of timescales show is what they are given."""

import numpy as np
import pytest

from ratecore import figures

LAGS = np.arange(21) * 5.0
TAUS = np.array([90.0, 10.0, 30.0, 50.0])
FITS = np.stack([TAUS, np.full(4, 0.8), np.full(4, 0.1)])
ACF = 0.8 * np.exp(-LAGS[:, None] / TAUS) + 0.1
USABLE = np.array([True, True, True, False])


def words(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_autocorrelations_are_those_of_a_fast_a_middle_and_a_slow_unit():
    axis = figures.autocorrelations(None, LAGS, ACF, FITS, USABLE, ACF.mean(1), np.full(3, np.nan))
    assert words(axis) == ["unit 1: 10 ms", "unit 2: 30 ms", "unit 0: 90 ms", "mean"]
    dots, line = axis.get_lines()[:2]
    np.testing.assert_array_equal(dots.get_xydata(), np.stack([LAGS[1:], ACF[1:, 1]], 1))
    x, y = line.get_xydata().T
    np.testing.assert_allclose(y, 0.8 * np.exp(-x / 10) + 0.1)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("lag (ms)", "autocorrelation")
    none = figures.autocorrelations(None, LAGS, ACF, FITS, np.zeros(4, bool))
    assert none.get_legend() is None and len(none.get_lines()) == 1


def test_the_distribution_ends_at_the_share_of_usable_fits():
    axis = figures.timescale_distribution(None, [TAUS], [USABLE], [TAUS / 2])
    synaptic, intrinsic = axis.get_lines()
    assert synaptic.get_ydata()[-1] == 1 and intrinsic.get_ydata()[-1] == 0.75
    np.testing.assert_array_equal(intrinsic.get_xdata(), [10, 10, 30, 90])
    assert words(axis) == ["synaptic", "intrinsic"] and axis.get_xscale() == "log"
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["5", "10", "20", "50"]
    several = figures.timescale_distribution(None, [TAUS, TAUS], [USABLE, USABLE], None, ["a", "b"])
    assert words(several) == ["a", "b"]


@pytest.mark.parametrize("n", [1, 2])
def test_units_are_where_both_time_constants_are(n):
    inhibitory = np.array([False, True, True, True])
    axis = figures.timescales_against_synapses(None, [TAUS] * n, [TAUS / 2] * n, [USABLE] * n, [inhibitory] * n)
    excitatory, others, equal = axis.get_lines()
    assert excitatory.get_xydata().tolist() == [[45, 90]] * n
    assert others.get_xydata().tolist() == [[5, 10], [15, 30]] * n
    assert equal.get_xydata().tolist() == [[5, 5], [45, 45]]
    assert words(axis) == ["excitatory", "inhibitory", "equal"]

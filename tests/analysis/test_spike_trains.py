"""Spike trains of renewal processes whose rates, histograms and irregularity have closed forms.

Bounds are 4 standard errors, of measured SDs over units.
"""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, expon, gamma, variation

from ratecore.analysis import spike_trains as st

RATE = 0.02  # 1/ms


def renewal(draw, n_units=60, duration=50_000.0, n_trials=2, seed=0):
    """Spikes of units whose intervals `draw(rng, size)` gives, ms, mixed in order."""
    rng = np.random.default_rng(seed)
    n = int(duration * RATE * 2)
    ends = draw(rng, (n_trials, n_units, n)).cumsum(2)
    assert ends[:, :, -1].min() > duration
    trials, units, _ = np.nonzero(ends < duration)
    times = ends[ends < duration]
    order = rng.permutation(len(times))
    return times[order], units[order], trials[order]


def poisson(rng, size):
    return rng.exponential(1 / RATE, size)


def gammas(k):
    def draw(rng, size):
        return rng.gamma(k, 1 / (RATE * k), size)

    return draw


def within_error(values, expected, bias=0.0):
    values = values[~np.isnan(values)]
    return abs(values.mean() - expected) < 4 * values.std(ddof=1) / np.sqrt(len(values)) + bias


@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_irregularity_of_gamma_processes(k):
    """CV = 1 / sqrt(k), LV = 3 / (2k + 1); a / (a + b) has a beta distribution (k, k), of which CV2 is a mean."""
    train = renewal(gammas(k))
    of_two = 2 * beta(k, k).expect(lambda x: abs(2 * x - 1))
    assert k != 1 or of_two == pytest.approx(1)
    n = 1000  # intervals in a trial; their SD and mean have a bias of the order 1 / n
    assert within_error(st.interval_cv(*train, 60), 1 / np.sqrt(k), 2 / n)
    assert within_error(st.cv2(*train, 60), of_two, 2 / n)
    assert within_error(st.local_variation(*train, 60), 3 / (2 * k + 1), 2 / n)


def test_regular_trains_do_not_vary():
    times = np.concatenate([np.arange(1, 40) * 25.0, np.arange(1, 20) * 50.0])
    train = times, np.repeat([0, 1], [39, 19]), np.zeros(58, int)
    for measure in (st.interval_cv, st.cv2, st.local_variation):
        np.testing.assert_allclose(measure(*train, 2), 0, atol=1e-12)


def test_a_refractory_period():
    """Intervals of R and an exponential time: CV = 1 / (1 + rR), and LV by integration over the sum of two times."""
    R, r = 10.0, RATE
    train = renewal(lambda rng, size: R + rng.exponential(1 / r, size))
    cv, lv, lvr = (
        st.interval_cv(*train, 60),
        st.local_variation(*train, 60),
        st.local_variation(*train, 60, refractory_ms=R),
    )

    def mean(f):
        return quad(lambda s: f(s, s + 2 * R) * gamma(2, scale=1 / r).pdf(s), 0, 3000, limit=200)[0]

    assert within_error(cv, 1 / (1 + r * R), 2e-3)
    assert within_error(lv, mean(lambda s, total: s**2 / total**2), 2e-3)
    assert within_error(lvr, mean(lambda s, total: s**2 / total**2 * (1 + 4 * R / total)), 2e-3)
    assert lv.mean() < lvr.mean() < 1 and 1 - lvr.mean() < (1 - lv.mean()) / 2  # it makes up for most of it
    lengths = st.intervals(*train).lengths
    assert lengths.min() >= R and lengths.min() == pytest.approx(R, abs=0.1)


def test_cv_is_that_of_scipy_and_pairs_are_within_trials():
    rng = np.random.default_rng(1)
    times = np.concatenate([rng.uniform(0, 500, 30), rng.uniform(0, 500, 12)])
    units, trials = np.zeros(42, int), np.repeat([0, 1], [30, 12])
    each = [np.diff(np.sort(times[trials == k])) for k in (0, 1)]
    np.testing.assert_allclose(st.intervals(times, units, trials).lengths, np.concatenate(each))
    assert st.interval_cv(times, units, trials, 1)[0] == pytest.approx(variation(np.concatenate(each), ddof=1))
    pairs = [(a, b) for own in each for a, b in itertools.pairwise(own)]
    assert len(pairs) == 28 + 10
    assert st.cv2(times, units, trials, 1)[0] == pytest.approx(np.mean([2 * abs(b - a) / (a + b) for a, b in pairs]))
    expected = np.mean([3 * ((b - a) / (a + b)) ** 2 for a, b in pairs])
    assert st.local_variation(times, units, trials, 1)[0] == pytest.approx(expected)


def test_slow_changes_of_the_rate_enter_cv_alone():
    """A Poisson process whose rate is r and 10 r in turn, for long: intervals are a mixture of two exponentials."""
    rng = np.random.default_rng(0)
    lengths = np.concatenate([rng.exponential(1, 20_000), rng.exponential(10, 2_000)])
    train = lengths.cumsum(), np.zeros(22_000, int), np.zeros(22_000, int)
    mean, square = (20_000 + 2_000 * 10) / 22_000, (20_000 * 2 + 2_000 * 200) / 22_000
    assert st.interval_cv(*train, 1)[0] == pytest.approx(np.sqrt(square / mean**2 - 1), rel=0.05)
    assert st.cv2(*train, 1)[0] == pytest.approx(1, abs=4 * 0.6 / np.sqrt(22_000))
    assert st.local_variation(*train, 1)[0] == pytest.approx(1, abs=4 * 1.0 / np.sqrt(22_000))


def test_units_with_few_intervals_have_none():
    times, units, trials = np.arange(7.0) ** 2, np.array([0] * 5 + [2, 2]), np.zeros(7, int)
    for measure, least in ((st.interval_cv, 4), (st.cv2, 3), (st.local_variation, 3)):
        assert np.isnan(measure(times, units, trials, 4, least)).tolist() == [False, True, True, True]
        assert np.isnan(measure(times, units, trials, 4, least + 1)).all()
    empty = np.zeros(0), np.zeros(0), np.zeros(0)
    assert np.isnan(st.interval_cv(*empty, 3)).all() and np.isnan(st.local_variation(*empty, 3)).all()
    assert st.interval_counts(*empty, 3, [0, 1]).sum() == 0 and st.firing_rates(*empty, 2, 3, 0, 10).sum() == 0


def test_counts_are_those_of_loops():
    rng = np.random.default_rng(3)
    steps = rng.integers(0, 2000, 400)  # of 0.05 ms; spikes are at the end of their step
    times, units, trials = (steps + 1) * 0.05, rng.integers(0, 4, 400), rng.integers(0, 3, 400)
    windows = np.array([[0, 20], [10, 30], [80, 100]])
    counts = st.spike_counts(times, units, trials, windows, 3, 4, [100, 100, 90])
    for b, k, n in np.ndindex(3, 3, 4):
        own = steps[(units == n) & (trials == b)]
        expected = ((own >= windows[k, 0] * 20) & (own < windows[k, 1] * 20)).sum()
        assert np.isnan(counts[b, k, n]) if (b, k) == (2, 2) else counts[b, k, n] == expected
    np.testing.assert_allclose(
        st.firing_rates(times, units, trials, 3, 4, 10, 30),
        st.spike_counts(times, units, trials, windows, 3, 4)[:, 1] / 0.02,
    )


def test_rates_of_a_poisson_process():
    train = renewal(poisson)
    rates = st.firing_rates(*train, 2, 60, 0, 50_000)
    assert rates.shape == (2, 60)
    assert abs(rates.mean() - 20) < 4 * np.sqrt(20 / (50 * 120))


def test_histogram_of_intervals_is_exponential():
    train, edges = renewal(poisson), np.linspace(0, 200, 21)
    counts = st.interval_counts(*train, 60, edges).sum(0)
    total = len(st.intervals(*train).lengths)
    expected = np.diff(expon(scale=1 / RATE).cdf(edges)) * total
    assert (abs(counts - expected) < 4 * np.sqrt(expected) + 2e-3 * expected).all()
    assert st.interval_counts([0, 5, 15, 40], [1] * 4, [0] * 4, 2, [5, 10, 25]).tolist() == [[0, 0], [1, 1]]


def test_sliding_windows():
    assert st.sliding_windows(100, 50, 25).tolist() == [[0, 50], [25, 75], [50, 100]]
    assert st.sliding_windows(99, 50, start_ms=10).tolist() == [[10, 60]]
    assert len(st.sliding_windows(0.3, 0.1)) == 3


@pytest.mark.parametrize(("call", "message"), [
    (lambda: st.interval_cv([1.0, np.nan], [0, 0], [0, 0], 1), "times: .*finite"),
    (lambda: st.interval_cv([1.0, 2], [0, 1], [0, 0], 1), "units: from 0 to 1; they must be from 0 to 0, since"),
    (lambda: st.interval_cv([1.0, 2], [0.0, 1], [0, 0], 2), "units: .*float64; it must be a whole number"),
    (lambda: st.interval_cv([1.0, 2], [0, 0], [0], 1), r"trials: shape \(1,\)"),
    (lambda: st.interval_cv([1.0, 2], [0, 0], [0, -1], 1), "trials: from -1 to 0; they must be from 0"),
    (lambda: st.interval_cv([1.0, 1], [0, 0], [0, 0], 1), "unit 0 has two spikes at 1 ms of trial 0"),
    (lambda: st.interval_cv([1.0], [0], [0], 1, least=1), "least = 1; it must be 2 or more"),
    (lambda: st.local_variation([1.0], [0], [0], 1, refractory_ms=-1), "refractory_ms = -1; it must be 0 or above"),
    (lambda: st.interval_counts([1.0], [0], [0], 1, [2, 1]), "edges_ms: .*ascending"),
    (lambda: st.spike_counts([1.0], [0], [0], [[2, 1]], 1, 1), "windows: .*a start in ms and a later end"),
    (lambda: st.spike_counts([1.0], [0], [0], [[1, 2]], 1, 1, [1, 2]), r"duration_ms: shape \(2,\)"),
    (lambda: st.sliding_windows(100, 0), "window_ms = 0; it must be above 0"),
    (lambda: st.sliding_windows(100, 10, -1), "step_ms = -1; it must be above 0"),
    (lambda: st.sliding_windows(100, 101), "window_ms = 101, start_ms = 0; a window must lie within the trial"),
], ids=range(14))  # fmt: skip
def test_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()

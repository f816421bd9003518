"""Counts whose variance and correlation are known: Poisson, doubly stochastic, regular, with common input."""

import numpy as np
import pytest

from ratecore.analysis import spike_variability as sv
from ratecore.analysis.spike_trains import spike_counts


def within_error(values, expected):
    values = values[~np.isnan(values)]
    return abs(values.mean() - expected) < 4 * values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("mean", [0.2, 2, 20])
@pytest.mark.parametrize("trials", [5, 40])
def test_poisson_counts_have_1(mean, trials):
    """Without bias for any mean and number of trials: given its sum, the index of dispersion has the mean 1."""
    counts = np.random.default_rng(0).poisson(mean, (trials, 4000))
    assert within_error(sv.fano_factor(counts), 1)


def test_doubly_stochastic_counts_have_more():
    """Poisson counts of a mean m G, G of a gamma distribution with mean 1 and variance c: Fano factor 1 + c m."""
    rng = np.random.default_rng(1)
    m, c = np.array([1.0, 4, 10])[:, None], 0.25
    gains = rng.gamma(1 / c, c, (400, 3, 300))
    found = sv.fano_factor(rng.poisson(m * gains))
    for row, expected in zip(found, 1 + c * m[:, 0], strict=True):
        assert abs(row.mean() - expected) < 4 * row.std() / np.sqrt(300) + 0.01 * expected  # of a ratio, to 1 / trials


def test_regular_and_renewal_trains():
    """No variance for a clock; for long windows of a renewal process, CV^2, here 1 / (1 + rR)^2 with a dead time R."""
    assert (sv.fano_factor(np.full((10, 3), 7)) == 0).all()
    rng = np.random.default_rng(2)
    r, R, n_trials, n_units = 0.05, 10.0, 60, 40
    ends = (R + rng.exponential(1 / r, (n_trials, n_units, 200))).cumsum(2)
    trials, units, _ = np.nonzero(ends < 3000)
    counts = spike_counts(ends[ends < 3000], units, trials, [[500, 3000]], n_trials, n_units)[:, 0]
    found, cv = sv.fano_factor(counts), 1 / (1 + r * R)
    mean = 2500 / (R + 1 / r)
    # Cox 1962, Renewal Theory, 4.5: of an equilibrium process, the variance has a constant besides what grows with time
    constant = 1 / 6 + cv**4 / 2 - 2 / r**3 / (3 * (R + 1 / r) ** 3)  # 2 / r^3: third central moment of an interval
    assert within_error(found, cv**2 + constant / mean)


def test_conditions_are_apart_and_rates_may_differ_between_them():
    rng = np.random.default_rng(3)
    conditions = np.array(["go", "nogo"])[np.arange(60) % 2]
    counts = rng.poisson(np.where(conditions == "go", 2, 12)[:, None, None], (60, 3, 800))
    assert within_error(sv.fano_factor(counts, conditions).ravel(), 1) and sv.fano_factor(counts).mean() > 3
    each = [counts[conditions == name].var(0, ddof=1) / counts[conditions == name].mean(0) for name in ("go", "nogo")]
    np.testing.assert_allclose(sv.fano_factor(counts, conditions), np.mean(each, 0))


def test_pooled_windows_count_by_their_spikes():
    """The sum of variances over that of means, in all windows and conditions that have enough trials."""
    rng = np.random.default_rng(4)
    conditions = np.array(["a"] * 12 + ["b"] * 20 + ["c"] * 4)  # too few trials of c
    counts = rng.poisson(3.0, (36, 5, 7)).astype(float) * rng.integers(0, 3, (5, 7))
    counts[:, :, 0] = 0
    counts[:10, 4] = np.nan  # two trials of a are left there
    parts = [counts[:12, :4], counts[12:32, :4], counts[12:32, 4:]]
    variances = sum(own.var(0, ddof=1).sum(0) for own in parts)
    means = sum(own.mean(0).sum(0) for own in parts)
    found = sv.pooled_fano(counts, conditions)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], variances[1:] / means[1:])
    assert within_error(sv.pooled_fano(rng.poisson(0.3, (20, 9, 2000))), 1)
    with pytest.raises(ValueError, match="least_trials = 1"):
        sv.pooled_fano(counts, least_trials=1)


@pytest.mark.parametrize("trials", [10, 40, 160])
def test_pooled_windows_with_rare_spikes_do_not_depend_on_the_number_of_trials(trials):
    """40 windows with Poisson counts of 0.02, and one with always 2 spikes: variances and means of 0.8 and 2.8."""
    rng = np.random.default_rng(5)
    counts = np.concatenate([rng.poisson(0.02, (trials, 40, 1500)), np.full((trials, 1, 1500), 2)], 1)
    assert sv.pooled_fano(counts).mean() == pytest.approx(0.8 / 2.8, rel=0.03)


def test_few_trials_and_spikes_and_the_end_of_trials():
    counts = np.ones((8, 3, 4))
    counts[::2] = 3
    counts[:, :, 1], counts[0, :, 2], counts[1:, :, 2] = 0, 2, 0
    counts[:, 2] = np.nan
    counts[:4, 1] = np.nan
    found = sv.fano_factor(counts, None, 5, 3)
    assert np.isnan(found).tolist() == [[False, True, True, False], [True] * 4, [True] * 4]
    assert np.isnan(sv.fano_factor(counts, None, 4, 3)[1]).tolist() == [False, True, True, False]
    conditions = ["a"] * 6 + ["b"] * 2  # of which b has too few
    expected = counts[:6, 0, 0].var(ddof=1) / counts[:6, 0, 0].mean()
    assert sv.fano_factor(counts, conditions)[0, 0] == pytest.approx(expected)
    assert np.isnan(sv.count_correlations(counts[:4])).all()


def test_means_are_matched():
    """Fano factors of 1 + c m, for means of 1, 2, 4 and then 2, 4, 8: without the change of rates, none is left."""
    rng = np.random.default_rng(4)
    c, each = 0.5, 200
    means = np.repeat([[1.0, 2, 4], [2, 4, 8]], each, axis=1)
    trials = 400
    gains = rng.gamma(1 / c, c, (trials, 2, 3 * each))
    counts = rng.poisson(means * gains).astype(float)
    found = sv.mean_matched_fano(counts)
    assert found.unmatched[0] == pytest.approx(1 + c * 7 / 3, rel=0.03)
    assert found.unmatched[1] == pytest.approx(1 + c * 14 / 3, rel=0.03)
    assert found.fano == pytest.approx([1 + c * 3] * 2, rel=0.06)
    assert found.mean[0] == pytest.approx(found.mean[1], rel=0.05) and 0.5 < found.kept <= 2 / 3 + 0.05
    assert found.mean == pytest.approx([3, 3], rel=0.05)


def test_points_are_dropped_until_means_are_as_frequent():
    """Means of 2 and 8 with 300 and 100 units, then 100 and 300: 100 of each remain."""
    rng = np.random.default_rng(8)
    means = np.array([np.repeat([2.0, 8], [300, 100]), np.repeat([2.0, 8], [100, 300])])
    counts = rng.poisson(means * rng.gamma(2, 0.5, (2000, 2, 400)))  # Fano factors of 2 and 5
    found = sv.mean_matched_fano(counts)
    assert found.unmatched == pytest.approx([2.75, 4.25], rel=0.05)
    assert found.fano == pytest.approx([3.5, 3.5], rel=0.06) and found.mean == pytest.approx([5, 5], rel=0.06)
    assert found.kept == pytest.approx(0.5, abs=0.12)  # means are spread over neighbouring bins


def test_matched_poisson_counts_stay_at_1_and_windows_after_the_end_do_not_count():
    rng = np.random.default_rng(5)
    counts = rng.poisson(rng.uniform(0.5, 4, (3, 500)) * np.array([1, 2, 1])[:, None], (30, 3, 500)).astype(float)
    counts[:, 2] = np.nan
    found = sv.mean_matched_fano(counts, ["a", "b"] * 15, seed=1)
    bound = 4 * np.sqrt(2 / 14 / 500)  # of at least 500 points with 14 degrees of freedom
    assert abs(found.fano[:2] - 1).max() < bound and np.isnan(found.fano[2]) and np.isnan(found.mean[2])
    assert abs(found.unmatched[:2] - 1).max() < bound
    apart = np.stack([np.full((6, 5), 1.0), np.full((6, 5), 100.0)], 1)
    nothing = sv.mean_matched_fano(apart)
    assert np.isnan(nothing.fano).all() and nothing.unmatched.tolist() == [0, 0] and nothing.kept == 0
    assert np.isnan(sv.mean_matched_fano(counts[:3]).fano).all() and sv.mean_matched_fano(counts * 0).kept == 0


def common_input(a, b, B=600, K=1, N=30, seed=0):
    """Poisson counts with a mean of their own, a, and spikes that all have, b: correlation b / (a + b)."""
    rng = np.random.default_rng(seed)
    return rng.poisson(a, (B, K, N)) + rng.poisson(b, (B, K, 1))


@pytest.mark.parametrize(("a", "b"), [(3, 0), (3, 1), (1, 3)])
def test_correlation_and_synchrony_of_common_input(a, b):
    counts, share, N = common_input(a, b), b / (a + b), 30
    r = sv.count_correlations(counts)
    assert np.isnan(np.diagonal(r)).all() and r.shape == (N, N)
    bound = 4 * (np.sqrt(2 / (N * (N - 1)) / 600) + share * np.sqrt(2 / 600) * 2)  # that of pairs, and of the input
    assert abs(np.nanmean(r) - share) < bound
    chi2 = sv.population_synchrony(counts)
    assert chi2 == pytest.approx((b + a / N) / (a + b), abs=4 * np.sqrt(2 / 600) * max(share, 1 / N))


def test_correlations_are_those_of_numpy():
    counts = common_input(2, 1, B=40, N=5)[:, 0]
    expected = np.corrcoef(counts.T)
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(sv.count_correlations(counts), expected)


def test_correlations_of_conditions_count_alike():
    """Counts are standardised in each condition: of equally many trials, r is the mean of their correlations."""
    rng = np.random.default_rng(9)
    conditions = np.arange(80) % 2
    counts = rng.poisson(np.where(conditions, 30, 2)[:, None], (80, 3)) + rng.poisson(5 * conditions)[:, None]
    expected = np.mean([np.corrcoef(counts[conditions == k].T) for k in (0, 1)], axis=0)
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(sv.count_correlations(counts, conditions), expected)


def test_what_the_condition_does_is_no_correlation():
    rng = np.random.default_rng(6)
    conditions = np.arange(400) % 2
    counts = rng.poisson(np.where(conditions, 1, 9)[:, None, None] * np.array([1, 2])[:, None], (400, 2, 20))
    pairs = 20 * 19 / 2
    apart = sv.count_correlations(counts, conditions)
    assert abs(np.nanmean(apart)) < 4 / np.sqrt(800 * pairs) and np.nanmean(sv.count_correlations(counts)) > 0.5
    assert sv.population_synchrony(counts, conditions) == pytest.approx(1 / 20, rel=0.25)
    assert sv.population_synchrony(counts) > 0.5


def test_synchrony_of_copies_is_1_and_of_silence_undefined():
    one = np.random.default_rng(7).poisson(2, (50, 3, 1))
    assert sv.population_synchrony(np.repeat(one, 8, axis=2)) == pytest.approx(1)
    assert np.isnan(sv.population_synchrony(np.zeros((5, 3)))) and np.isnan(
        sv.population_synchrony(np.full((5, 3), np.nan))
    )
    silent = np.concatenate([one[:, :, 0], 0 * one[:, :1, 0]], 1)
    r = sv.count_correlations(silent)
    assert np.isnan(r[3]).all() and np.isnan(r[:, 3]).all() and np.isfinite(r[0, 1])


@pytest.mark.parametrize(("call", "message"), [
    (lambda: sv.fano_factor(np.ones(3)), r"counts: shape \(3,\)"),
    (lambda: sv.fano_factor(-np.ones((3, 2))), "counts: from -1 to -1; they must be finite and >= 0"),
    (lambda: sv.fano_factor(np.ones((3, 2)), ["a"]), r"conditions: shape \(1,\)"),
    (lambda: sv.fano_factor(np.ones((3, 2)), None, 1), "least_trials = 1; it must be 2 or more"),
    (lambda: sv.count_correlations(np.ones((3, 2)), None, 2, 0), "least_spikes = 0; it must be 1 or more"),
    (lambda: sv.mean_matched_fano(np.ones((3, 2, 2)), draws=0), "draws = 0; it must be 1 or more"),
], ids=range(6))  # fmt: skip
def test_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()

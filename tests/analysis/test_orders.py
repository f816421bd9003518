"""Trends over ordered groups against scipy's Somers' D, and tests of groups against scipy."""

import numpy as np
import pytest
from scipy import stats

from ratecore.analysis.group_tests import group_test, published_mean_test, published_share_test, trend_test
from ratecore.analysis.intervals import TooFewError
from ratecore.analysis.orders import trend


def groups_of(rng, shift, n=(9, 6, 12)):
    return [np.round(rng.normal(k * shift, 1, size), 1) for k, size in enumerate(n)]


def test_the_value_is_somers_d_of_scipy():
    rng = np.random.default_rng(2)
    for shift in (0, 0.5, -2):
        groups = groups_of(rng, shift)
        x, y = np.repeat([0, 1, 2], [len(g) for g in groups]), np.concatenate(groups)
        assert trend(groups).value == pytest.approx(stats.somersd(x, y).statistic)
    assert trend([np.arange(5.0) + 10 * k for k in range(3)]).value == 1
    assert trend([np.full(5, 1502.0)] * 3).value == 0  # all tied


@pytest.mark.parametrize("n", [5, 20, 100])
def test_equal_values_leave_open_what_another_network_could_change(n):
    found = trend([np.full(n, 1502.0), np.full(n, 1502.0)])
    assert found.value == 0 and found.low == -found.high
    # Networks with another value, upwards in the later group and downwards in the earlier one, are in neither sample
    # with probability 2.5 % in each: D is then the probability that a pair has one of them.
    p = 1 - 0.025 ** (1 / n)
    assert (1 - p) ** n == pytest.approx(0.025) and found.high == pytest.approx(p * (1 - p) * 2 + p * p)


def test_with_two_groups_it_is_the_mann_whitney_statistic():
    a, b, _ = groups_of(np.random.default_rng(3), 0.7)
    u = stats.mannwhitneyu(b, a).statistic
    assert trend([a, b]).value == pytest.approx(2 * u / (len(a) * len(b)) - 1)


def test_the_interval_is_that_of_the_bootstrap_of_scipy():
    groups = groups_of(np.random.default_rng(4), 0.4)
    x = np.repeat([0, 1, 2], [len(g) for g in groups])

    def statistic(*resampled):
        return stats.somersd(x, np.concatenate(resampled)).statistic

    theirs = stats.bootstrap(groups, statistic, n_resamples=1000, method="percentile", vectorized=False, rng=1)
    found = trend(groups)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.035)
    assert trend(groups) == found and trend(groups, seed=1) != found  # seeded


def test_pairs_are_resampled_together():
    # What all groups of a network share cancels; resampled independently, it would not.
    rng = np.random.default_rng(6)
    own = rng.normal(0, 5, 30)
    groups = [own + k + rng.normal(0, 0.2, 30) for k in range(3)]
    paired, apart = trend(groups, paired=True), trend(groups)
    assert paired.value == apart.value
    assert paired.low > 0 and apart.low < 0


def test_the_interval_covers_the_true_trend(monkeypatch):
    monkeypatch.setattr("ratecore.analysis.orders.REPEATS", 500)
    rng, found = np.random.default_rng(7), []
    truth = trend([rng.normal(0.4 * k, 1, 4000) for k in range(3)]).value
    for k in range(80):
        e = trend([rng.normal(0.4 * j, 1, 12) for j in range(3)], seed=k)
        found.append(e.low <= truth <= e.high)
    assert np.mean(found) == pytest.approx(0.94, abs=0.055)


def test_few_networks_have_no_trend():
    with pytest.raises(TooFewError, match="a group has 4 networks with a value; the bootstrap needs 5 in each"):
        trend([np.arange(5.0), np.arange(4.0)])


def test_tests_of_groups_are_those_of_scipy():
    rng = np.random.default_rng(9)
    a, b, c = (rng.normal(k, 2, 15) for k in range(3))
    assert group_test([a, b]) == ("rank-sum", pytest.approx(stats.mannwhitneyu(a, b).pvalue))
    assert group_test([a, b], paired=True) == ("signed-rank", pytest.approx(stats.wilcoxon(a, b).pvalue))
    assert group_test([a, b, c]) == ("Kruskal-Wallis", pytest.approx(stats.kruskal(a, b, c).pvalue))
    friedman = stats.friedmanchisquare(a, b, c).pvalue
    assert group_test([a, b, c], paired=True) == ("Friedman", pytest.approx(friedman))
    x, y = np.repeat([1.0, 0], [13, 2]), np.repeat([1.0, 0], [6, 9])
    assert group_test([x, y], share=True) == ("Fisher", pytest.approx(stats.fisher_exact([[13, 2], [6, 9]]).pvalue))
    assert group_test([x, y], paired=True, share=True) == ("McNemar", pytest.approx(2 * 0.5**7))  # 7 changed, one way
    assert group_test([x, x], paired=True, share=True) == ("McNemar", 1.0)
    assert group_test([np.ones(4)] * 3) == ("Kruskal-Wallis", 1.0)


def test_tests_of_trends_are_jonckheeres_and_pages():
    # Jonckheere's statistic is the number of pairs with more, its variance without ties a published formula.
    groups = [np.random.default_rng(10).normal(k, 2, n) for k, n in enumerate((5, 6, 7))]
    sizes = np.array([len(g) for g in groups])
    pairs = (sizes.sum() ** 2 - (sizes**2).sum()) / 2
    j = (trend(groups).value + 1) / 2 * pairs
    n = sizes.sum()
    variance = (n**2 * (2 * n + 3) - (sizes**2 * (2 * sizes + 3)).sum()) / 72
    z = (j - pairs / 2) / np.sqrt(variance)
    name, p = trend_test(groups)
    assert name == "Jonckheere" and p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-6)
    rows = np.stack([g[:5] for g in groups], axis=1)
    page = stats.page_trend_test(rows, method="asymptotic").pvalue
    assert trend_test([g[:5] for g in groups], paired=True) == (
        "Page",
        pytest.approx(min(1, 2 * min(page, 1 - page)), rel=0.3),
    )
    assert trend_test([np.ones(5)] * 2) == ("Jonckheere", 1.0)


def test_tests_against_published_numbers_are_those_of_scipy():
    values = np.random.default_rng(11).normal(0.9, 0.1, 14)
    theirs = stats.zscore(np.random.default_rng(12).normal(size=30), ddof=1) * 0.05 + 0.95
    p = stats.ttest_ind(values, theirs, equal_var=False).pvalue
    assert published_mean_test(values, 0.95, 0.05, 30) == ("Welch", pytest.approx(p))
    assert published_mean_test(values, 0.95, None, None) == ("t", pytest.approx(stats.ttest_1samp(values, 0.95).pvalue))
    assert np.isnan(published_mean_test(np.ones(4), 1.0, None, None)[1])
    fisher = stats.fisher_exact([[6, 6], [94, 6]]).pvalue
    assert published_share_test(6, 12, 0.94, 100) == ("Fisher", pytest.approx(fisher))
    assert published_share_test(6, 12, 0.94, None) == ("binomial", pytest.approx(stats.binomtest(6, 12, 0.94).pvalue))

"""Tests of hypotheses about groups of networks, as publications report them. Claims are judged by intervals instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ratecore.analysis.rank_tests import rank_sum, signed_rank


def trend_test(groups: Sequence[Float[np.ndarray, " _"]], paired: bool = False) -> tuple[str, float]:
    """The test that belongs to `trend`: Jonckheere's, or Page's for the same networks in all groups.

    Args:
        groups: (n,) values of each group, in the order of the groups, in units of the measure.
        paired: whether value k of each group is of the same network.

    Returns:
        name of the test, and the two-sided p, in [0, 1].

    Source:
        Jonckheere 1954, Biometrika 41:133; Page 1963, J. Am. Stat. Assoc. 58:216.
    """
    from scipy.stats import kendalltau, page_trend_test

    name = "Page" if paired else "Jonckheere"
    y = np.concatenate(groups)
    if np.ptp(y) == 0:
        return name, 1.0
    if paired:
        rows = np.stack(groups, axis=1)
        ps = [page_trend_test(rows[:, ::step], method="asymptotic").pvalue for step in (1, -1)]
        return name, float(min(1.0, 2 * min(ps)))
    # Kendall's S of the number of the group and the value is Jonckheere's statistic.
    order = np.repeat(np.arange(len(groups)), [len(values) for values in groups])
    return name, float(kendalltau(order, y).pvalue)


def group_test(
    groups: Sequence[Float[np.ndarray, " _"]], paired: bool = False, share: bool = False
) -> tuple[str, float]:
    """A test of the hypothesis that groups do not differ, as publications report it.

    Args:
        groups: (n,) values of each group, in units of the measure; 0 or 1 for shares.
        paired: whether value k of each group is of the same network.
        share: whether the values are 0 or 1.

    Returns:
        name of the test, and the two-sided p, in [0, 1].

    Source:
        Wilcoxon 1945, Biometrics Bulletin 1:80; Kruskal & Wallis 1952, Friedman 1937, McNemar 1947, Fisher 1935.
    """
    name = _test_name(len(groups), paired, share)
    if np.ptp(np.concatenate(groups)) == 0 or (paired and all(np.array_equal(g, groups[0]) for g in groups)):
        return name, 1.0
    return name, float(_p(name, groups))


def _test_name(n: int, paired: bool, share: bool) -> str:
    if share and n == 2:
        return "McNemar" if paired else "Fisher"
    if n > 2:
        return "Friedman" if paired else "chi-squared" if share else "Kruskal-Wallis"
    return "signed-rank" if paired else "rank-sum"


def _p(name: str, groups: Sequence[Float[np.ndarray, " _"]]) -> float:
    from scipy import stats

    if name in ("Fisher", "chi-squared"):
        counts = np.array([[np.sum(values == 1), np.sum(values == 0)] for values in groups])
        found = stats.fisher_exact(counts) if name == "Fisher" else stats.chi2_contingency(counts)
        return float(found.pvalue)
    if name == "Kruskal-Wallis":
        return float(stats.kruskal(*groups).pvalue)
    if name == "Friedman":
        return float(stats.friedmanchisquare(*groups).pvalue)
    a, b = groups
    if name == "McNemar":
        more, less = int(np.sum(a > b)), int(np.sum(a < b))
        return float(stats.binomtest(more, more + less).pvalue)
    if name == "signed-rank":
        return signed_rank(a, b)
    return rank_sum(a, b)


def published_mean_test(
    values: Float[np.ndarray, " n"], mean: float, sd: float | None, n: int | None
) -> tuple[str, float]:
    """Test whether our mean and a published one differ.

    Args:
        values: (n,), of our networks, in units of the measure.
        mean: published, in units of the measure.
        sd: published, in units of the measure; None if the mean is taken as exact.
        n: number of networks in the publication; None likewise.

    Returns:
        name of the test, and the two-sided p, in [0, 1]; nan where the values do not differ from each other.

    Source:
        Welch 1947, Biometrika 34:28.
    """
    from scipy import stats

    if sd is None or n is None:
        name, constant = "t", np.ptp(values) == 0
        return name, float("nan") if constant else float(stats.ttest_1samp(values, mean).pvalue)
    own = 0.0 if np.ptp(values) == 0 else float(np.std(values, ddof=1))
    if own == 0 == sd:
        return "Welch", float("nan")
    found = stats.ttest_ind_from_stats(float(np.mean(values)), own, len(values), mean, sd, n, equal_var=False)
    return "Welch", float(found.pvalue)


def published_share_test(k: int, n: int, published: float, n_published: int | None) -> tuple[str, float]:
    """Test whether our share and a published one differ.

    Args:
        k: number of our networks that have something.
        n: number of our networks.
        published: share, in [0, 1].
        n_published: number of networks in the publication; None if the share is taken as exact.

    Returns:
        name of the test, and the two-sided p, in [0, 1].

    Source:
        Fisher 1935, J. R. Stat. Soc. 98:39; Clopper & Pearson 1934, Biometrika 26:404.
    """
    from scipy import stats

    if n_published is None:
        return "binomial", float(stats.binomtest(k, n, published).pvalue)
    theirs = round(published * n_published)
    return "Fisher", float(stats.fisher_exact(np.array([[k, n - k], [theirs, n_published - theirs]])).pvalue)

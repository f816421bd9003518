"""Tests of whether two groups of networks differ, and their correction for several comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def rank_sum(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> float:
    """Wilcoxon's rank-sum test (Mann-Whitney's U test) of two independent groups.

    Args:
        a: values (n,), any unit.
        b: values (m,), in the same unit.

    Returns:
        two-sided P: exact for small groups without ties, else by the normal approximation with correction for ties.

    Source:
        Mann & Whitney 1947, Ann Math Stat 18:50.
    """
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(a, b, alternative="two-sided").pvalue)


def signed_rank(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """Wilcoxon's signed-rank test of pairs.

    Args:
        a: values (n,), any unit.
        b: values (n,), in the same unit and order.

    Returns:
        two-sided P; 1 where no pair differs. Pairs that do not differ are left out.

    Source:
        Wilcoxon 1945, Biometrics Bull 1:80.
    """
    from scipy.stats import wilcoxon

    if np.array_equal(a, b):
        return 1.0
    return float(wilcoxon(a, b, alternative="two-sided").pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """Correct P values of several comparisons.

    Args:
        values: P of each comparison.

    Returns:
        corrected P in the same order, at most 1.

    Source:
        Holm 1979, Scand J Stat 6:65.
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, largest = [0.0] * len(values), 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[k]))
        corrected[k] = largest
    return corrected

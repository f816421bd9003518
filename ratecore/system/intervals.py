"""Confidence intervals."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(n_correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion.

    Args:
        n_correct: number of successes.
        n: number of trials.
        confidence: probability that the interval covers the true proportion, in (0, 1).

    Returns:
        Lower and upper end, in [0, 1].

    Source:
        Wilson, J. Am. Stat. Assoc. 22:209, 1927.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p, z2 = n_correct / n, z * z / n
    centre, half = p + z2 / 2, z * math.sqrt(p * (1 - p) / n + z2 / (4 * n))
    return max(0.0, (centre - half) / (1 + z2)), min(1.0, (centre + half) / (1 + z2))


def widened(confidence: float, n: int) -> float:
    """The confidence of each of several intervals that together have a confidence (Bonferroni).

    Args:
        confidence: of all, in (0, 1).
        n: number of intervals.

    Returns:
        that of each, in (0, 1).

    Source:
        Dunn 1961, Journal of the American Statistical Association 56:52.
    """
    return 1 - (1 - confidence) / n

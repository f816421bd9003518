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


def published_half_width(value: float, sd: float | None, n: int | None, confidence: float = 0.95) -> float:
    """What is left of the interval of a difference from a published number with any number of networks of ours.

    Args:
        value: published mean, in units of the measure, or share, in [0, 1].
        sd: of a mean, in units of the measure; None for a share.
        n: number of networks in the publication; None: the number is taken as exact.
        confidence: of the interval, in (0, 1).

    Returns:
        the larger half of the interval, in units of the measure.

    Source:
        Zou & Donner 2008, Statistics in Medicine 27:1693.
    """
    if n is None:
        return 0.0
    if sd is not None:
        from scipy.stats import t

        return float(t.ppf(0.5 + confidence / 2, n - 1)) * sd / math.sqrt(n)
    k = round(value * n)
    low, high = wilson_interval(k, n, confidence)
    return max(k / n - low, high - k / n)

"""What a published number, with its SD and n, leaves open."""

from __future__ import annotations

import math

from ratecore.system.intervals import wilson_interval


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
        from scipy.special import stdtrit  # every job reads claims, and scipy.stats takes half a second longer

        return float(stdtrit(n - 1, 0.5 + confidence / 2)) * sd / math.sqrt(n)
    k = round(value * n)
    low, high = wilson_interval(k, n, confidence)
    return max(k / n - low, high - k / n)

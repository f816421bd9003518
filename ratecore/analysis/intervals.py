"""Estimates from a sample of networks, with confidence intervals: means, shares, and their differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ratecore.system.intervals import wilson_interval
from ratecore.system.published import published_half_width

UNBOUNDED = (-math.inf, math.inf)
Bounds = tuple[float, float]
ROUNDING = 1e-12  # below which values do not differ


LEAST = 5  # networks below which nothing is decided: skewed values, such as accuracies, need more than normal ones


class TooFewError(ValueError):
    """A sample that gives no interval; the message says why."""


@dataclass(frozen=True)
class Estimate:
    """A number estimated from networks.

    Attributes:
        value: the estimate, in units of the measure.
        low: lower end of its confidence interval, in units of the measure.
        high: upper end, in units of the measure.
        n: number of networks, or of pairs; of two groups the smaller number.
        fixed: part of the squared half-width that further networks do not reduce, in squared units of the measure.
        power: the half-width falls as n to the power of minus this: 1/2, or 1 where all networks have the same value.
    """

    value: float
    low: float
    high: float
    n: int
    fixed: float = 0.0
    power: float = 0.5


def mean_interval(
    values: Float[np.ndarray, " n"], confidence: float = 0.95, bounds: Bounds = UNBOUNDED, least_sd: float = 0.0
) -> Estimate:
    """Student's interval of a mean; where all values are equal, a bound that needs no SD.

    The SD of equal values is 0, which says nothing about the next network. With n equal values, the probability that
    another one differs is below 1 - (a / 2)^(1 / n) at confidence 1 - a, and it differs at most up to the bounds.

    Args:
        values: (n,), of the networks, in units of the measure.
        confidence: of the interval, in (0, 1).
        bounds: smallest and largest possible value, in units of the measure.
        least_sd: SD that is assumed at least, in units of the measure.

    Returns:
        the mean; the interval does not exceed the bounds.

    Raises:
        TooFewError: fewer than two values, or equal values without bounds.

    Source:
        Student 1908, Biometrika 6:1; Clopper & Pearson 1934, Biometrika 26:404, for 0 of n.
    """
    n = len(values)
    if n < 2:
        raise TooFewError("no network has a value" if n == 0 else "1 network has a value; an interval needs 2")
    mean, sd = float(np.mean(values)), max(_sd(values), least_sd)
    if sd > 0:
        half = _t(confidence, n - 1) * sd / math.sqrt(n)
        return _clipped(Estimate(mean, mean - half, mean + half, n), bounds)
    if not all(map(math.isfinite, bounds)):
        raise TooFewError(f"all {n} values are {mean:g}, so that their SD is unknown; give least_sd")
    differs = unseen(n, confidence)
    low, high = mean - differs * (mean - bounds[0]), mean + differs * (bounds[1] - mean)
    return Estimate(mean, low, high, n, power=1.0)


def unseen(n: int, confidence: float = 0.95) -> float:
    """How probable at most something is that none of n networks has.

    Args:
        n: number of networks.
        confidence: of the interval, in (0, 1).

    Returns:
        the upper limit of the probability, in [0, 1].

    Source:
        Clopper & Pearson 1934, Biometrika 26:404, for 0 of n.
    """
    return float(1 - ((1 - confidence) / 2) ** (1 / n))


def mean_difference(
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " m"],
    confidence: float = 0.95,
    bounds: Bounds = UNBOUNDED,
    least_sd: float = 0.0,
) -> Estimate:
    """Welch's interval of the difference of two means.

    Where the values of a group are all equal, the intervals of both means are combined instead.

    Args:
        a: (n,), values of independent networks, in units of the measure.
        b: (m,), of the networks that they are compared with, in units of the measure.
        confidence: of the interval, in (0, 1).
        bounds: smallest and largest possible value of the measure, in its units.
        least_sd: SD that is assumed at least, in units of the measure.

    Returns:
        mean of `a` minus mean of `b`.

    Raises:
        TooFewError: fewer than two values in a group, or equal values without bounds.

    Source:
        Welch 1947, Biometrika 34:28; Zou & Donner 2008, Statistics in Medicine 27:1693, for equal values.
    """
    mean_a, mean_b = (mean_interval(values, confidence, bounds, least_sd) for values in (a, b))
    sds = [max(_sd(values), least_sd) for values in (a, b)]
    if min(sds) == 0:
        return _difference_of(mean_a, mean_b, _width(bounds))
    parts = [sd**2 / len(values) for sd, values in zip(sds, (a, b), strict=True)]
    df = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (a, b), strict=True))
    half, value = _t(confidence, df) * math.sqrt(sum(parts)), mean_a.value - mean_b.value
    return _clipped(Estimate(value, value - half, value + half, min(len(a), len(b))), _width(bounds))


def paired_difference(
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
    confidence: float = 0.95,
    bounds: Bounds = UNBOUNDED,
    least_sd: float = 0.0,
) -> Estimate:
    """Student's interval of the mean difference within pairs.

    Args:
        a: (n,), values of the networks, in units of the measure.
        b: (n,), what each of them is compared with, in units of the measure.
        confidence: of the interval, in (0, 1).
        bounds: smallest and largest possible value of the measure, in its units.
        least_sd: SD of the differences that is assumed at least, in units of the measure.

    Returns:
        mean of `a - b`.

    Raises:
        TooFewError: fewer than two pairs, or equal differences without bounds.

    Source:
        Student 1908, Biometrika 6:1.
    """
    return mean_interval(a - b, confidence, _width(bounds), least_sd)


def mean_minus_published(
    values: Float[np.ndarray, " n"],
    published: tuple[float, float | None, int | None],
    confidence: float = 0.95,
    bounds: Bounds = UNBOUNDED,
    least_sd: float = 0.0,
) -> Estimate:
    """Welch's interval of our mean minus a published one, from its SD and n; without these it is taken as exact.

    Args:
        values: (n,), of our networks, in units of the measure.
        published: mean, SD and n, in units of the measure.
        confidence: of the interval, in (0, 1).
        bounds: smallest and largest possible value of the measure, in its units.
        least_sd: SD of our values that is assumed at least, in units of the measure.

    Returns:
        the difference.

    Raises:
        TooFewError: fewer than two values, or equal values without bounds.

    Source:
        Welch 1947, Biometrika 34:28; Zou & Donner 2008, Statistics in Medicine 27:1693, for equal values.
    """
    mean, sd, n = published
    ours = mean_interval(values, confidence, bounds, least_sd)
    if sd is None or n is None:
        return replace(ours, value=ours.value - mean, low=ours.low - mean, high=ours.high - mean)
    theirs = published_half_width(mean, sd, n, confidence)
    own = max(_sd(values), least_sd)
    if own == 0:
        exact = Estimate(mean, mean - theirs, mean + theirs, n, power=1.0)
        found = _difference_of(ours, exact, _width(bounds))
    else:
        parts = (own**2 / len(values), sd**2 / n)
        df = sum(parts) ** 2 / (parts[0] ** 2 / (len(values) - 1) + parts[1] ** 2 / (n - 1))
        half, value = _t(confidence, df) * math.sqrt(sum(parts)), ours.value - mean
        found = _clipped(Estimate(value, value - half, value + half, ours.n), _width(bounds))
    return replace(found, n=ours.n, fixed=theirs**2)


def share_interval(k: int, n: int, confidence: float = 0.95) -> Estimate:
    """Wilson's interval of a share.

    Args:
        k: number of networks that have something.
        n: number of networks.
        confidence: of the interval, in (0, 1).

    Returns:
        the share.

    Raises:
        TooFewError: no network.

    Source:
        Wilson 1927, Journal of the American Statistical Association 22:209.
    """
    if n == 0:
        raise TooFewError("no network has a value")
    low, high = wilson_interval(k, n, confidence)  # which rounding can put a hair's breadth beside 0 and 1
    return Estimate(k / n, low if k else 0.0, high if k < n else 1.0, n, power=1.0 if k in (0, n) else 0.5)


def share_difference(a: tuple[int, int], b: tuple[int, int], confidence: float = 0.95) -> Estimate:
    """Newcombe's interval of the difference of two shares, from Wilson's intervals of both.

    Args:
        a: number of networks that have something, and of all.
        b: the same of independent networks.
        confidence: of the interval, in (0, 1).

    Returns:
        the share of `a` minus that of `b`.

    Raises:
        TooFewError: a group without networks.

    Source:
        Newcombe 1998, Statistics in Medicine 17:873, method 10.
    """
    return _difference_of(share_interval(*a, confidence), share_interval(*b, confidence), (-1.0, 1.0))


def share_minus_published(k: int, n: int, published: float, n_published: int | None, confidence: float) -> Estimate:
    """The interval of our share minus a published one: Newcombe's, or Wilson's where the published n is not known.

    Args:
        k: number of our networks that have something.
        n: number of our networks.
        published: share, in [0, 1].
        n_published: number of networks in the publication.
        confidence: of the interval, in (0, 1).

    Returns:
        the difference.

    Raises:
        TooFewError: no network of ours.

    Source:
        Newcombe 1998, Statistics in Medicine 17:873, method 10; Wilson 1927, J. Am. Stat. Assoc. 22:209.
    """
    ours = share_interval(k, n, confidence)
    if n_published is None:
        return replace(ours, value=k / n - published, low=ours.low - published, high=ours.high - published)
    theirs = share_interval(round(published * n_published), n_published, confidence)
    found = _difference_of(ours, theirs, (-1.0, 1.0))
    left = published_half_width(published, None, n_published, confidence)
    return replace(found, n=n, fixed=left**2)


def paired_share_difference(
    a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"], confidence: float = 0.95
) -> Estimate:
    """The interval of the difference of two shares of the same networks, by the method of Bonett and Price.

    Args:
        a: (n,), 1 or 0 for each network, unitless.
        b: (n,), 1 or 0 for the same networks under another condition, unitless.
        confidence: of the interval, in (0, 1).

    Returns:
        the share of `a` minus that of `b`.

    Raises:
        TooFewError: no network.

    Source:
        Bonett & Price 2012, Journal of Educational and Behavioral Statistics 37:479.
    """
    from scipy.stats import norm

    n = len(a)
    if n == 0:
        raise TooFewError("no network has a value")
    only_a, only_b = ((np.sum(a > b) + 1) / (n + 2), (np.sum(b > a) + 1) / (n + 2))
    middle = only_a - only_b
    half = norm.ppf(0.5 + confidence / 2) * math.sqrt((only_a + only_b - middle**2) / (n + 2))
    return _clipped(Estimate(float(np.mean(a - b)), float(middle - half), float(middle + half), n), (-1.0, 1.0))


def _difference_of(a: Estimate, b: Estimate, bounds: Bounds) -> Estimate:
    """The difference of two independent estimates, whose intervals need not be symmetric (Zou & Donner 2008)."""
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    high = value + math.hypot(a.high - a.value, b.value - b.low)
    return _clipped(Estimate(value, low, high, min(a.n, b.n), power=min(a.power, b.power)), bounds)


def _width(bounds: Bounds) -> Bounds:
    """The bounds of a difference of two values."""
    return bounds[0] - bounds[1], bounds[1] - bounds[0]


def _clipped(e: Estimate, bounds: Bounds) -> Estimate:
    return replace(e, low=max(e.low, bounds[0]), high=min(e.high, bounds[1]))


def _sd(values: Float[np.ndarray, " n"]) -> float:
    """The sample SD; exactly 0 where values are equal but for rounding."""
    equal = np.ptp(values) <= ROUNDING * max(1.0, float(np.max(np.abs(values))))
    return 0.0 if equal else float(np.std(values, ddof=1))


def _t(confidence: float, df: float) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + confidence / 2, df))

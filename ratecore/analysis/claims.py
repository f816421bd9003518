"""The rule that judges a claim: from an estimate, its confidence interval and a margin to one of three outcomes.

An interval that leaves open whether a claim holds is no evidence against it: the outcome is then 'too few seeds'.
docs/claims.md says why the rule is as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

from ratecore.analysis.intervals import Estimate


class Outcome(StrEnum):
    """What becomes of a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    TOO_FEW = "too few seeds"


def judge_within(e: Estimate, low: float, high: float) -> Outcome:
    """Judge a claim that a number lies between two limits.

    Args:
        e: the estimate.
        low: lower limit, in units of the measure; -inf for none.
        high: upper limit, in units of the measure; inf for none.

    Returns:
        reproduced if the whole interval is within the limits, not reproduced if all of it is outside.

    Source:
        Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657.
    """
    if low <= e.low and e.high <= high:
        return Outcome.REPRODUCED
    return Outcome.NOT_REPRODUCED if e.high < low or e.low > high else Outcome.TOO_FEW


def judge_greater(e: Estimate, margin: float = 0.0) -> Outcome:
    """Judge a claim that an effect is positive.

    Args:
        e: the estimate.
        margin: smallest effect that counts, in units of the measure.

    Returns:
        not reproduced if the whole interval is below the margin, so that the effect is smaller than what counts or has
        the other sign; or else reproduced if the whole interval is above 0.

    Source: none
    """
    if e.high < margin:
        return Outcome.NOT_REPRODUCED
    return Outcome.REPRODUCED if e.low > 0 else Outcome.TOO_FEW


def judge_differ(e: Estimate, margin: float = 0.0) -> Outcome:
    """Judge a claim that there is an effect of either sign.

    Args:
        e: the estimate.
        margin: smallest effect that counts, in units of the measure.

    Returns:
        not reproduced if the whole interval is within the margin to both sides of 0; or else reproduced if 0 is outside
        the interval.

    Source: none
    """
    if -margin < e.low and e.high < margin:
        return Outcome.NOT_REPRODUCED
    return Outcome.REPRODUCED if e.low > 0 or e.high < 0 else Outcome.TOO_FEW


def judge_all(outcomes: Iterable[Outcome]) -> Outcome:
    """Judge a claim that consists of several, such as one for each grid point.

    Args:
        outcomes: of each.

    Returns:
        reproduced if all are; not reproduced if at least one is not.
    """
    found = set(outcomes)
    if Outcome.NOT_REPRODUCED in found:
        return Outcome.NOT_REPRODUCED
    return Outcome.REPRODUCED if found == {Outcome.REPRODUCED} else Outcome.TOO_FEW


def factor_within(e: Estimate, low: float, high: float) -> float:
    """By which factor the networks must grow until `judge_within` decides, if the estimate and the SD stay.

    Args:
        e: the estimate.
        low: lower limit, in units of the measure.
        high: upper limit, in units of the measure.

    Returns:
        the factor, a fraction above 1 where it is undecided; inf where no number would do.

    Source: none
    """
    if low <= e.value <= high:
        return max(_factor(e, e.value - e.low, e.value - low), _factor(e, e.high - e.value, high - e.value))
    below = e.value < low
    return _factor(e, e.high - e.value if below else e.value - e.low, low - e.value if below else e.value - high)


def factor_greater(e: Estimate, margin: float = 0.0) -> float:
    """By which factor the networks must grow until `judge_greater` decides, if the estimate and the SD stay.

    Args:
        e: the estimate.
        margin: smallest effect that counts, in units of the measure.

    Returns:
        the factor, a fraction above 1 where it is undecided; inf where no number would do.

    Source: none
    """
    return min(_factor(e, e.value - e.low, e.value), _factor(e, e.high - e.value, margin - e.value))


def factor_differ(e: Estimate, margin: float = 0.0) -> float:
    """By which factor the networks must grow until `judge_differ` decides, if the estimate and the SD stay.

    Args:
        e: the estimate.
        margin: smallest effect that counts, in units of the measure.

    Returns:
        the factor, a fraction above 1 where it is undecided; inf where no number would do.

    Source: none
    """
    half = max(e.value - e.low, e.high - e.value)
    return min(_factor(e, half, abs(e.value)), _factor(e, half, margin - abs(e.value)))


def _factor(e: Estimate, half: float, wanted: float) -> float:
    """By which factor n must grow so that half an interval becomes as small as wanted."""
    if wanted == math.inf or half <= 0:
        return 1.0
    if wanted <= 0 or wanted**2 <= e.fixed:
        return math.inf
    return float(max(1.0, (half**2 - e.fixed) / (wanted**2 - e.fixed)) ** (0.5 / e.power))

"""What single units are tuned to: preferred conditions, indices and curves against graded evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.selectivity import rates_of
from ratecore.analysis.trials import categories, labels_of


def preferred_condition(
    rates: ArrayLike, conditions: Sequence[Any] | NDArray[Any]
) -> tuple[list[Any], Int[np.ndarray, " N"]]:
    """The condition in which each unit is most active on average.

    Args:
        rates: (B, N), unitless.
        conditions: of each trial (B,).

    Returns:
        The conditions in ascending order, and the index of the preferred one of each unit (N,).

    Raises:
        ValueError: there is not one condition for each trial.

    Source: none
    """
    names, means = _means(rates, conditions)
    return names, means.argmax(0)


def selectivity_index(rates: ArrayLike, conditions: Sequence[Any] | NDArray[Any]) -> Float[np.ndarray, " N"]:
    """How much more active a unit is in its preferred condition than in the one it prefers least.

    Args:
        rates: (B, N), >= 0, unitless or spikes/s.
        conditions: of each trial (B,).

    Returns:
        (largest - smallest) / (largest + smallest) of the condition means (N,), fractions; 0 for silent units.

    Raises:
        ValueError: a mean rate is negative, for which the index has no meaning, or there is one condition.

    Source:
        Hubel & Wiesel's direction index, as in Mazurek, Kager & Van Hooser 2014 (Frontiers in Neural Circuits 8:92).
    """
    names, means = _means(rates, conditions)
    if len(names) < 2:
        raise ValueError(f"conditions: all trials have {names[0]!r}; there must be at least two")
    if (means < 0).any():
        raise ValueError(f"rates: a mean of {means.min():.3g}; they must be >= 0, as r is, but not x")
    low, high = means.min(0), means.max(0)
    index: Float[np.ndarray, " N"] = np.divide(high - low, high + low, out=np.zeros_like(low), where=high + low > 0)
    return index


def _means(rates: ArrayLike, conditions: Sequence[Any] | NDArray[Any]) -> tuple[list[Any], Float[np.ndarray, "C N"]]:
    values = rates_of(rates)
    names, index = categories(labels_of(conditions, len(values), "conditions"))
    return names, np.stack([values[index == k].mean(0) for k in range(len(names))])


@dataclass(frozen=True)
class TuningCurves:
    """Mean activity of units at each level of graded evidence.

    Attributes:
        levels: evidence (L,), in units of the evidence, ascending: distinct values, or means of groups of trials.
        n: trials of each level (L,).
        mean: (L, N), unitless.
        sem: standard error of the mean (L, N), unitless; NaN for a single trial.
        slope: of the regression line over trials (N,), activity per unit of evidence, unitless.
        r2: variance of single trials that the line explains (N,), fractions.
        p: p value of the slope (N,), probabilities; 1 for units without variance.
    """

    levels: Float[np.ndarray, " L"]
    n: Int[np.ndarray, " L"]
    mean: Float[np.ndarray, "L N"]
    sem: Float[np.ndarray, "L N"]
    slope: Float[np.ndarray, " N"]
    r2: Float[np.ndarray, " N"]
    p: Float[np.ndarray, " N"]


def tuning_curves(rates: ArrayLike, evidence: Sequence[float] | NDArray[Any], max_levels: int = 12) -> TuningCurves:
    """Compute the tuning of each unit to graded evidence.

    Args:
        rates: (B, N), unitless.
        evidence: of each trial (B,), in any units of its own.
        max_levels: with more distinct values than this, trials form this number of groups of about equal size.

    Returns:
        Curves and regression lines.

    Raises:
        ValueError: evidence that is constant or not finite, or fewer than three trials.

    Source: none
    """
    from scipy import stats

    values = rates_of(rates)
    given = labels_of(evidence, len(values), "evidence")
    if given.dtype.kind not in "fiub" or not np.isfinite(given).all() or len(np.unique(given)) < 2 or len(given) < 3:
        raise ValueError(
            "evidence: it must be finite numbers, at least two of them different, of at least three trials"
        )
    x = given.astype(np.float64)
    groups = _grouped(x, max_levels)
    members = [groups == k for k in np.unique(groups)]
    n = np.array([int(own.sum()) for own in members])
    mean = np.stack([values[own].mean(0) for own in members])
    sem = np.stack([_standard_error(values[own]) for own in members])
    centred = x - x.mean()
    slope = centred @ (values - values.mean(0)) / np.square(centred).sum()
    variance = np.square(values - values.mean(0)).sum(0)
    explained = np.square(slope) * np.square(centred).sum()
    r2 = np.divide(explained, variance, out=np.zeros_like(slope), where=variance > 0)
    with np.errstate(divide="ignore"):
        F = np.clip(r2, 0, 1) * (len(x) - 2) / (1 - np.clip(r2, 0, 1))
    p = np.where(variance > 0, stats.f.sf(F, 1, len(x) - 2), 1.0)
    return TuningCurves(np.array([x[own].mean() for own in members]), n, mean, sem, slope, r2, p)


def _grouped(x: Float[np.ndarray, " B"], max_levels: int) -> Shaped[np.ndarray, " B"]:
    distinct, index = np.unique(x, return_inverse=True)
    if len(distinct) <= max_levels:
        return index.reshape(-1)
    edges = np.quantile(x, np.arange(1, max_levels) / max_levels)
    groups: Shaped[np.ndarray, " B"] = np.searchsorted(edges, x, side="right")
    return groups


def _standard_error(values: Float[np.ndarray, "n N"]) -> Float[np.ndarray, " N"]:
    n = len(values)
    if n < 2:
        return np.full(values.shape[1], np.nan)
    error: Float[np.ndarray, " N"] = values.std(0, ddof=1) / np.sqrt(n)
    return error

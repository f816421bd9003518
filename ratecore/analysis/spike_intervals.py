"""The intervals between the spikes of units, and how regular they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

LEAST_INTERVALS = 10  # of a unit whose intervals are measured


@dataclass(frozen=True)
class Spikes:
    """Checked spikes of B trials of N units.

    Attributes:
        times: of each spike (S,), ms.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_units: N.
    """

    times: Float[np.ndarray, " S"]
    units: Int[np.ndarray, " S"]
    trials: Int[np.ndarray, " S"]
    n_units: int


def checked_spikes(
    times: ArrayLike, units: ArrayLike, trials: ArrayLike, n_units: int, n_trials: int | None = None
) -> Spikes:
    """Check spikes.

    Args:
        times: of each spike (S,), ms.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_units: N.
        n_trials: B; any number when None.

    Returns:
        the spikes.

    Raises:
        ValueError: arrays do not fit together, or a number is outside of the units or trials.

    Source: none
    """
    t = np.asarray(times, np.float64)
    if t.ndim != 1 or not np.isfinite(t).all():
        raise ValueError(f"times: shape {t.shape}; they must be finite numbers of shape (spikes,), in ms")
    found = {}
    for name, given, n in (("units", units, n_units), ("trials", trials, n_trials)):
        values = np.asarray(given)
        if values.size == 0:
            values = values.astype(np.int64)
        if values.shape != t.shape or values.dtype.kind not in "iu":
            raise ValueError(
                f"{name}: shape {values.shape}, dtype {values.dtype}; it must be a whole number for each of the "
                f"{len(t)} spikes"
            )
        most = values.max(initial=-1)
        if values.min(initial=0) < 0 or (n is not None and most >= n):
            end = "" if n is None else f" to {n - 1}, since n_{name} = {n}"
            raise ValueError(f"{name}: from {values.min()} to {most}; they must be from 0{end}")
        found[name] = values.astype(np.int64)
    return Spikes(t, found["units"], found["trials"], n_units)


@dataclass(frozen=True)
class Intervals:
    """Intervals between the spikes of a unit in a trial, in the order of units, trials and time.

    Attributes:
        lengths: of each (S,), ms.
        units: of each (S,), from 0.
        follows: whether the interval before it in the list is the one before it in the same trial of the unit (S,).
    """

    lengths: Float[np.ndarray, " S"]
    units: Int[np.ndarray, " S"]
    follows: Bool[np.ndarray, " S"]


def intervals(times: ArrayLike, units: ArrayLike, trials: ArrayLike) -> Intervals:
    """Compute the intervals between the spikes of each unit within trials.

    Args:
        times: of each spike (S,), ms from the start of its trial, in any order.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.

    Returns:
        the intervals.

    Raises:
        ValueError: arrays do not fit together, or a unit fires twice at the same time.

    Source: none
    """
    given = np.asarray(units)
    found = checked_spikes(times, units, trials, int(given.max(initial=0)) + 1 if given.dtype.kind in "iu" else 0)
    trains = found.units * (int(found.trials.max(initial=0)) + 1) + found.trials
    small = trains.max(initial=0) <= np.iinfo(np.uint16).max  # which are sorted fastest
    order = np.argsort(trains.astype(np.uint16) if small else trains, kind="stable")
    if ((np.diff(found.times[order]) < 0) & (np.diff(trains[order]) == 0)).any():  # not in order in each train
        order = np.lexsort((found.times, trains))
    t, unit, trial = found.times[order], found.units[order], found.trials[order]
    same: Bool[np.ndarray, " S"] = np.diff(trains[order]) == 0
    before = np.concatenate([[False], same[:-1]])[: len(same)]
    if (twice := same & (np.diff(t) <= 0)).any():
        k = int(np.flatnonzero(twice)[0])
        raise ValueError(f"times: unit {unit[k]} has two spikes at {t[k]:g} ms of trial {trial[k]}; allowed: one")
    return Intervals(np.diff(t)[same], unit[1:][same], before[same])


def interval_cv(
    times: ArrayLike, units: ArrayLike, trials: ArrayLike, n_units: int, least: int = LEAST_INTERVALS
) -> Float[np.ndarray, " N"]:
    """Coefficient of variation of the intervals of each unit, over all its trials: SD (with n - 1) / mean.

    It is 1 for a Poisson process and 0 for a regular one. A rate that changes within or across trials makes it larger,
    and trials that are not much longer than the intervals make it smaller, since longer intervals do not fit in.

    Args:
        times: of each spike (S,), ms from the start of its trial.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_units: N.
        least: number of intervals below which it is NaN, at least 2.

    Returns:
        (N,), unitless.

    Raises:
        ValueError: arrays do not fit together.

    Source:
        Softky & Koch 1993 (Journal of Neuroscience 13:334).
    """
    _least(least)
    return _cv(_of_units(times, units, trials, n_units), n_units, least)


def _cv(found: Intervals, n_units: int, least: int) -> Float[np.ndarray, " N"]:
    mean = _mean_by_unit(found.lengths, found.units, n_units, least)
    squares = np.square(found.lengths - mean[found.units])
    n = np.bincount(found.units, minlength=n_units)
    variance = _mean_by_unit(squares, found.units, n_units, least) * n / np.maximum(n - 1, 1)
    cv: Float[np.ndarray, " N"] = np.sqrt(variance) / mean
    return cv


def cv2(
    times: ArrayLike, units: ArrayLike, trials: ArrayLike, n_units: int, least: int = LEAST_INTERVALS
) -> Float[np.ndarray, " N"]:
    """CV2 of each unit: mean of 2 |b - a| / (a + b) over adjacent intervals a and b.

    It is 1 for a Poisson process and 0 for a regular one, and a rate that changes slowly hardly changes it.

    Args:
        times: of each spike (S,), ms from the start of its trial.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_units: N.
        least: number of pairs of intervals below which it is NaN, at least 2.

    Returns:
        (N,), unitless.

    Raises:
        ValueError: arrays do not fit together.

    Source:
        Holt, Softky, Koch & Douglas 1996 (Journal of Neurophysiology 75:1806).
    """
    _least(least)
    return _cv2(_of_units(times, units, trials, n_units), n_units, least)


def _cv2(found: Intervals, n_units: int, least: int) -> Float[np.ndarray, " N"]:
    a, b, unit = _pairs(found)
    return _mean_by_unit(2 * np.abs(b - a) / (a + b), unit, n_units, least)


def local_variation(
    times: ArrayLike,
    units: ArrayLike,
    trials: ArrayLike,
    n_units: int,
    least: int = LEAST_INTERVALS,
    refractory_ms: float = 0.0,
) -> Float[np.ndarray, " N"]:
    """Local variation LV of each unit: mean of 3 ((b - a) / (a + b))^2 over adjacent intervals a and b.

    It is 1 for a Poisson process, 3 / (2k + 1) for intervals of a gamma distribution of order k, and 0 for a regular
    process. A rate that changes slowly hardly changes it.

    Args:
        times: of each spike (S,), ms from the start of its trial.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_units: N.
        least: number of pairs of intervals below which it is NaN, at least 2.
        refractory_ms: R; above 0, each term is multiplied by 1 + 4R / (a + b), which makes up for the refractory period
            to first order (LvR), ms.

    Returns:
        (N,), unitless.

    Raises:
        ValueError: arrays do not fit together, or the refractory period is negative.

    Source:
        Shinomoto, Shima & Tanji 2003 (Neural Computation 15:2823); Shinomoto et al. 2009 (PLOS Computational Biology
        5:e1000433), LvR.
    """
    _least(least)
    if not 0 <= refractory_ms < np.inf:
        raise ValueError(f"refractory_ms = {refractory_ms:g}; it must be 0 or above")
    return _lv(_of_units(times, units, trials, n_units), n_units, least, refractory_ms)


def _lv(found: Intervals, n_units: int, least: int, refractory_ms: float = 0.0) -> Float[np.ndarray, " N"]:
    a, b, unit = _pairs(found)
    terms = 3 * np.square((b - a) / (a + b)) * (1 + 4 * refractory_ms / (a + b))
    return _mean_by_unit(terms, unit, n_units, least)


def interval_counts(
    times: ArrayLike, units: ArrayLike, trials: ArrayLike, n_units: int, edges_ms: ArrayLike
) -> Int[np.ndarray, "N K"]:
    """Histogram of the intervals of each unit.

    Args:
        times: of each spike (S,), ms from the start of its trial.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_units: N.
        edges_ms: of the K bins (K + 1,), ascending, ms. An interval at the lower edge is in the bin.

    Returns:
        (N, K), numbers of intervals; those outside of the edges are left out.

    Raises:
        ValueError: arrays do not fit together, or edges do not ascend.

    Source: none
    """
    return _histogram(_of_units(times, units, trials, n_units), n_units, _edges(edges_ms))


def _edges(edges_ms: ArrayLike) -> Float[np.ndarray, " K1"]:
    edges = np.asarray(edges_ms, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"edges_ms: shape {edges.shape}; they must be at least two ascending numbers, in ms")
    return edges


def _histogram(found: Intervals, n_units: int, edges: Float[np.ndarray, " K1"]) -> Int[np.ndarray, "N K"]:
    place = np.searchsorted(edges, found.lengths, side="right") - 1
    K = len(edges) - 1
    inside = (place >= 0) & (place < K)
    flat = found.units[inside] * K + place[inside]
    return np.bincount(flat, minlength=n_units * K).reshape(n_units, K)


class IntervalMeasures(NamedTuple):
    """What `interval_measures` returns: cv, cv2 and lv (N,), unitless, and counts (N, K), as the functions of one."""

    cv: Float[np.ndarray, " N"]
    cv2: Float[np.ndarray, " N"]
    lv: Float[np.ndarray, " N"]
    counts: Int[np.ndarray, "N K"]


def interval_measures(
    times: ArrayLike,
    units: ArrayLike,
    trials: ArrayLike,
    n_units: int,
    edges_ms: ArrayLike,
    least: int = LEAST_INTERVALS,
) -> IntervalMeasures:
    """`interval_cv`, `cv2`, `local_variation` and `interval_counts` of the same spikes, whose intervals are found once.

    Args:
        times: of each spike (S,), ms from the start of its trial.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_units: N.
        edges_ms: of the K bins of the histogram (K + 1,), ascending, ms.
        least: number of intervals, or of pairs, below which a measure is NaN, at least 2.

    Returns:
        the measures.

    Raises:
        ValueError: arrays do not fit together, or edges do not ascend.

    Source:
        as of these functions.
    """
    _least(least)
    edges, found = _edges(edges_ms), _of_units(times, units, trials, n_units)
    counts = _histogram(found, n_units, edges)
    return IntervalMeasures(_cv(found, n_units, least), _cv2(found, n_units, least), _lv(found, n_units, least), counts)


def _least(least: int) -> None:
    if least < 2:
        raise ValueError(f"least = {least}; it must be 2 or more")


def _of_units(times: ArrayLike, units: ArrayLike, trials: ArrayLike, n_units: int) -> Intervals:
    checked_spikes(times, units, trials, n_units)
    return intervals(times, units, trials)


def _pairs(found: Intervals) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Adjacent intervals of a trial, and their unit."""
    second = np.flatnonzero(found.follows)
    return found.lengths[second - 1], found.lengths[second], found.units[second]


def _mean_by_unit(
    values: Float[np.ndarray, " S"], units: Int[np.ndarray, " S"], n_units: int, least: int
) -> Float[np.ndarray, " N"]:
    n = np.bincount(units, minlength=n_units)
    sums = np.bincount(units, values, minlength=n_units)
    return sums / np.where(n >= least, n, np.nan)

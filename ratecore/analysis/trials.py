"""What the analyses of populations share: checked activity, time bins, windows and means over conditions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import ArrayLike, NDArray

STEP_MS = 5.0


def activity_of(activity: ArrayLike, name: str = "activity") -> Float[np.ndarray, "B T N"]:
    """Check the activity of a population.

    Args:
        activity: (B, T, N) over trials, time and units, unitless; NaN after the end of shorter trials, and for units
            that do not exist. An xarray DataArray in this order of dimensions is one, too.
        name: of the argument, for messages.

    Returns:
        the activity (B, T, N) in float64, unitless: the given array where it is one already, so that nothing may
        change it.

    Raises:
        ValueError: it has another shape, is empty or infinite.

    Source: none
    """
    values: Float[np.ndarray, "B T N"] = np.asarray(checked_activity(activity, name), np.float64)
    return values


def checked_activity(activity: ArrayLike, name: str = "activity") -> Shaped[np.ndarray, "B T N"]:
    """Check the activity of a population, and leave its type as it is: float32 takes half of the memory of float64.

    Args:
        activity: as for `activity_of`, (B, T, N), unitless.
        name: of the argument, for messages.

    Returns:
        the activity (B, T, N), unitless.

    Raises:
        ValueError: it has another shape, is empty or infinite.

    Source: none
    """
    given = np.asarray(activity)
    if given.ndim != 3 or 0 in given.shape or given.dtype.kind not in "fiub":
        raise ValueError(
            f"{name}: shape {given.shape}, dtype {given.dtype}; it must be numbers of shape (trials, time, units), "
            "with at least one of each"
        )
    if given.dtype.kind == "f" and np.isinf(given).any():
        raise ValueError(f"{name}: it has infinite numbers; allowed: finite ones, and NaN after the end of a trial")
    return given


def labels_of(labels: Sequence[Any] | NDArray[Any], n: int, name: str = "labels") -> Shaped[np.ndarray, " B"]:
    """Check one label for each trial.

    Args:
        labels: (B,), numbers or words.
        n: B, the number of trials.
        name: of the argument, for messages.

    Returns:
        (B,), numbers or words.

    Raises:
        ValueError: there is another number of them.

    Source: none
    """
    given = np.asarray(labels)
    if given.shape != (n,):
        raise ValueError(f"{name}: shape {given.shape}; it must be one value for each of the {n} trials, ({n},)")
    return given


def units_there(activity: Float[np.ndarray, "B T N"]) -> Bool[np.ndarray, " N"]:
    """Find the units that exist: their activity is not NaN throughout.

    Args:
        activity: (B, T, N), unitless.

    Returns:
        (N,).

    Source: none
    """
    there: Bool[np.ndarray, " N"] = ~np.isnan(activity).all((0, 1))
    return there


def bin_times(T: int, bin_ms: float, step_ms: float = STEP_MS) -> Float[np.ndarray, " K"]:
    """The centres of time bins.

    Args:
        T: number of steps of the activity.
        bin_ms: length of a bin, ms.
        step_ms: time step of the activity, ms.

    Returns:
        (K,), ms. Step t is at t times step_ms.

    Raises:
        ValueError: the bin is shorter than a step or longer than the trial.

    Source: none
    """
    width = _steps_of_bin(T, bin_ms, step_ms)
    centres: Float[np.ndarray, " K"] = (np.arange(T // width) * width + (width - 1) / 2) * step_ms
    return centres


def binned(activity: ArrayLike, bin_ms: float, step_ms: float = STEP_MS) -> Float[np.ndarray, "B K N"]:
    """Mean activity in time bins.

    Args:
        activity: (B, T, N) over trials, time and units, unitless; NaN after the end of shorter trials.
        bin_ms: length of a bin, ms; rounded to whole steps.
        step_ms: time step of the activity, ms.

    Returns:
        (B, K, N), unitless. A bin in which a trial ends is the mean of what is there, one after its end is NaN. Steps
        at the end that do not fill a bin are left out. For bins of a step, it is the given array where that is of
        float64.

    Raises:
        ValueError: the bin is shorter than a step or longer than the trial.

    Source: none
    """
    given = checked_activity(activity, "activity")
    B, T, N = given.shape
    width = _steps_of_bin(T, bin_ms, step_ms)
    if width == 1:
        return activity_of(given)
    bins = given[:, : T // width * width].reshape(B, T // width, width, N)
    if given.dtype.kind == "f" and not np.isnan(given).any():  # without a copy of all in float64
        means: Float[np.ndarray, "B K N"] = bins.mean(2, dtype=np.float64)
        return means
    return mean_there(bins.astype(np.float64), 2)


def _steps_of_bin(T: int, bin_ms: float, step_ms: float) -> int:
    if not (step_ms > 0 and 0.5 * step_ms < bin_ms <= T * step_ms):
        raise ValueError(f"bin_ms = {bin_ms:g}; it must be from {step_ms:g} (one step) to {T * step_ms:g} (the trial)")
    return max(1, min(round(bin_ms / step_ms), T))


def mean_there(values: NDArray[np.float64], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    """Mean of the numbers that are not NaN.

    Args:
        values: of any shape, in any units of activity.
        axis: over which the mean is taken.

    Returns:
        any shape, the shape of the values without these axes, in the same units of activity; NaN where there is none.

    Source: none
    """
    there = ~np.isnan(values)
    if there.all():
        mean: NDArray[np.float64] = values.mean(axis)
        return mean
    n = there.sum(axis)
    sums: NDArray[np.float64] = np.where(there, values, 0).sum(axis)
    return sums / np.where(n > 0, n, np.nan)


def window_mean(
    activity: ArrayLike, start_ms: float = 0.0, stop_ms: float | None = None, step_ms: float = STEP_MS
) -> Float[np.ndarray, "B N"]:
    """Mean activity of each trial in a window of time.

    Args:
        activity: (B, T, N) over trials, time and units, unitless; NaN after the end of shorter trials.
        start_ms: first time of the window, ms.
        stop_ms: end of the window, ms, itself not in it; that of the trial when None.
        step_ms: time step of the activity, ms.

    Returns:
        (B, N), unitless; NaN for a trial that has ended before.

    Raises:
        ValueError: there is no step in the window.

    Source: none
    """
    values = activity_of(activity)
    T = values.shape[1]
    start = round(start_ms / step_ms)
    stop = T if stop_ms is None else min(round(stop_ms / step_ms), T)
    if not 0 <= start < stop:
        end = "the end" if stop_ms is None else f"{stop_ms:g} ms"
        raise ValueError(
            f"window from {start_ms:g} ms to {end}; it must have at least one step of {step_ms:g} ms within a trial of "
            f"{T * step_ms:g} ms"
        )
    return mean_there(values[:, start:stop], 1)


def categories(labels: Shaped[np.ndarray, " B"]) -> tuple[list[Any], Int[np.ndarray, " B"]]:
    """The distinct values of labels, and which of them each trial has.

    Args:
        labels: (B,), numbers or words.

    Returns:
        the values in ascending order, and for each trial the index of its own (B,).

    Source: none
    """
    values, index = np.unique(labels, return_inverse=True)
    return values.tolist(), index.reshape(-1)


def combinations_of(
    variables: Mapping[str, Sequence[Any] | NDArray[Any]], n: int
) -> tuple[list[tuple[Any, ...]], Int[np.ndarray, " B"]]:
    """Number the combinations of the values of variables that occur in trials.

    Args:
        variables: by name, a value for each trial (B,).
        n: B, the number of trials.

    Returns:
        the combinations in ascending order, and for each trial the index of its own (B,).

    Raises:
        ValueError: a variable has not one value for each trial.

    Source: none
    """
    indices, values = [], []
    for name, given in variables.items():
        own, index = categories(labels_of(given, n, name))
        values.append(own)
        indices.append(index)
    found, index = np.unique(np.array(indices), axis=1, return_inverse=True)
    combinations = [tuple(own[k] for own, k in zip(values, column, strict=True)) for column in found.T]
    return combinations, index.reshape(-1)


def condition_means(
    activity: ArrayLike, conditions: Sequence[Any] | NDArray[Any]
) -> tuple[list[Any], Float[np.ndarray, "C T N"]]:
    """Mean activity of each condition.

    Args:
        activity: (B, T, N) over trials, time and units, unitless; NaN after the end of shorter trials.
        conditions: of each trial (B,).

    Returns:
        the conditions in ascending order, and the means (C, T, N) of the trials that last that long, unitless.

    Raises:
        ValueError: there is not one condition for each trial.

    Source: none
    """
    values = activity_of(activity)
    names, index = categories(labels_of(conditions, len(values), "conditions"))
    return names, np.stack([mean_there(values[index == k], 0) for k in range(len(names))])


def full_design(
    variables: Mapping[str, Sequence[Any] | NDArray[Any]], n: int, least: int = 1
) -> tuple[list[list[Any]], Int[np.ndarray, "P B"]]:
    """Check that every combination of the values of variables occurs often enough.

    Args:
        variables: by name, a value for each trial (B,).
        n: B, the number of trials.
        least: trials that each combination needs.

    Returns:
        the values of each variable in ascending order, and which of them each trial has (P, B).

    Raises:
        ValueError: a variable has one value only, or a combination has too few trials.

    Source: none
    """
    names = list(variables)
    values, rows = [], []
    for name in names:
        own, index = categories(labels_of(variables[name], n, name))
        if len(own) < 2:
            raise ValueError(f"{name}: all trials have {own[0]!r}; a variable needs at least two values")
        values.append(own)
        rows.append(index)
    indices = np.array(rows)
    for combination in itertools.product(*(range(len(own)) for own in values)):
        there = int((indices == np.array(combination)[:, None]).all(0).sum())
        if there < least:
            what = ", ".join(f"{name} = {own[k]}" for name, own, k in zip(names, values, combination, strict=True))
            raise ValueError(
                f"{there} trials with {what}; every combination of {', '.join(names)} needs at least {least}"
            )
    return values, indices

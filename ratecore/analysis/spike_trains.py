"""Spike trains: counts in windows and firing rates, and by their names, the intervals between spikes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.analysis.spike_intervals import (
    IntervalMeasures,
    Intervals,
    Spikes,
    checked_spikes,
    cv2,
    interval_counts,
    interval_cv,
    interval_measures,
    intervals,
    local_variation,
)

__all__ = [
    "IntervalMeasures",
    "Intervals",
    "Spikes",
    "cv2",
    "firing_rates",
    "interval_counts",
    "interval_cv",
    "interval_measures",
    "intervals",
    "local_variation",
    "sliding_windows",
    "spike_counts",
]
TOLERANCE = 1e-6  # ms, by which the time of a spike may be off the end of its step


def sliding_windows(
    duration_ms: float, window_ms: float, step_ms: float | None = None, start_ms: float = 0.0
) -> Float[np.ndarray, "K 2"]:
    """Windows of one length that lie within a trial.

    Args:
        duration_ms: end of the trial, ms.
        window_ms: length of each window, ms.
        step_ms: from the start of one to that of the next, ms; `window_ms`, without overlap, when None.
        start_ms: start of the first one, ms.

    Returns:
        start and end of each (K, 2), ms.

    Raises:
        ValueError: a length is not positive, or not a single window lies within the trial.

    Source: none
    """
    step = window_ms if step_ms is None else step_ms
    for name, value in (("window_ms", window_ms), ("step_ms", step)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} = {value:g}; it must be above 0")
    n = int(np.floor((duration_ms - start_ms - window_ms) / step + TOLERANCE)) + 1
    if n < 1 or start_ms < 0:
        raise ValueError(
            f"window_ms = {window_ms:g}, start_ms = {start_ms:g}; a window must lie within the trial, from 0 to "
            f"{duration_ms:g} ms"
        )
    starts = start_ms + float(step) * np.arange(n)
    return np.stack([starts, starts + window_ms], 1)


def spike_counts(
    times: ArrayLike,
    units: ArrayLike,
    trials: ArrayLike,
    windows: ArrayLike,
    n_trials: int,
    n_units: int,
    duration_ms: ArrayLike | None = None,
) -> Float[np.ndarray, "B K N"]:
    """Count the spikes of each unit in windows of time.

    Args:
        times: of each spike (S,), ms from the start of its trial, in any order.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        windows: start and end of each (K, 2), ms. A spike at the start is not in it, one at the end is: spikes of
            `SpikeTrials` are at the end of their simulated step.
        n_trials: B.
        n_units: N.
        duration_ms: of each trial (B,), ms; none has ended when None.

    Returns:
        (B, K, N), numbers of spikes; NaN in windows that a trial's end cuts.

    Raises:
        ValueError: arrays do not fit together, or a window ends before it starts.

    Source: none
    """
    found = checked_spikes(times, units, trials, n_units, n_trials)
    bounds = np.asarray(windows, np.float64)
    if bounds.ndim != 2 or bounds.shape[1] != 2 or not (bounds[:, 0] < bounds[:, 1]).all():
        raise ValueError(f"windows: shape {bounds.shape}; they must be (windows, 2): a start in ms and a later end")
    order = np.argsort(found.times, kind="stable")
    sorted_times = found.times[order]
    flat = (found.trials * n_units + found.units)[order]
    counts = np.empty((n_trials, len(bounds), n_units))
    for k, (first, last) in enumerate(np.searchsorted(sorted_times, bounds + TOLERANCE, side="right")):
        counts[:, k] = np.bincount(flat[first:last], minlength=n_trials * n_units).reshape(n_trials, n_units)
    if duration_ms is not None:
        ends = np.asarray(duration_ms, np.float64)
        if ends.shape != (n_trials,):
            raise ValueError(f"duration_ms: shape {ends.shape}; it must be one for each trial, ({n_trials},)")
        counts[ends[:, None] < bounds[:, 1] - TOLERANCE] = np.nan
    return counts


def firing_rates(
    times: ArrayLike,
    units: ArrayLike,
    trials: ArrayLike,
    n_trials: int,
    n_units: int,
    start_ms: float,
    stop_ms: float,
) -> Float[np.ndarray, "B N"]:
    """Firing rates of each unit in each trial, in one window.

    Args:
        times: of each spike (S,), ms from the start of its trial.
        units: of each spike (S,), from 0.
        trials: of each spike (S,), from 0.
        n_trials: B.
        n_units: N.
        start_ms: start of the window, ms.
        stop_ms: its end, ms.

    Returns:
        (B, N), 1/s.

    Raises:
        ValueError: arrays do not fit together, or the window ends before it starts.

    Source: none
    """
    counts = spike_counts(times, units, trials, [[start_ms, stop_ms]], n_trials, n_units)
    return counts[:, 0] / ((stop_ms - start_ms) / 1000)

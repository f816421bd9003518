"""Excitatory and inhibitory synaptic currents of spiking networks, computed again from their spikes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.currents import Currents, weights_of
from ratecore.analysis.trials import STEP_MS

AT_ONCE = 50  # receiving units whose currents of every step are in memory together


def synaptic_currents(
    times: ArrayLike,
    units: ArrayLike,
    trials: ArrayLike,
    W: ArrayLike,
    tau: ArrayLike,
    duration: ArrayLike,
    inhibitory: ArrayLike | None = None,
    *,
    dt: float = 0.05,
    tau_rise: float = 2.0,
    bin_ms: float = STEP_MS,
) -> Currents:
    """Compute the synaptic currents onto each unit from all spikes, as means in bins of time.

    Excitatory and inhibitory spikes go through the filters of the receiving unit, so that both currents add up to IPSC
    of the simulation. `ratecore.spiking.results.SpikeTrials` has the arguments under the same names.

    Args:
        times: time of each spike (S,), ms from the start of its trial: the end of the step in which the unit fired.
        units: unit of each spike (S,), from 0.
        trials: trial of each spike (S,), unitless, from 0.
        W: weights of the spiking network (N, N), mV s: effective weights over lambda.
        tau: synaptic decay time constant of each unit (N,), ms.
        duration: of each trial (B,), ms.
        inhibitory: which units are inhibitory (N,), unitless; None without Dale's law.
        dt: step of the simulation, ms.
        tau_rise: synaptic rise time, ms; 0 for the single-exponential filter.
        bin_ms: length of a bin, ms.

    Returns:
        the currents (B, T, N), mV, in all bins that the longest trial fills; NaN after the end of shorter trials. There
        are no external currents: they are `Simulator.drive`.

    Raises:
        ValueError: shapes do not fit, or a time, unit, trial, time constant or bin is out of range.

    Source:
        docs/model.md 5.1, equation 7, and 5.3, equations 9 and 10.
    """
    decay_ms = np.asarray(tau, np.float64)
    N = len(np.atleast_1d(decay_ms))
    weights = weights_of(W, N, inhibitory)
    steps, senders, own, ends = _spikes(times, units, trials, duration, dt, N)
    width = round(bin_ms / dt)
    if decay_ms.shape != (N,) or not (decay_ms > 0).all() or tau_rise < 0:
        raise ValueError(f"tau has shape {decay_ms.shape} and tau_rise = {tau_rise:g}; tau must be ({N},) of times > 0")
    T = int(ends.max()) // max(width, 1)
    if width < 1 or T < 1:
        raise ValueError(f"bin_ms = {bin_ms:g}; it must be from {dt:g} (one step) to {ends.max() * dt:g} (the trial)")
    found = np.full((2, len(ends), T, N), np.nan)
    for k, nt in enumerate(ends):
        fired, bins = own == k, nt // width
        for first in range(0, N, AT_ONCE):
            some = slice(first, first + AT_ONCE)
            for kind, part in enumerate((np.maximum, np.minimum)):
                arriving = _arriving(steps[fired], senders[fired], part(weights[some], 0), int(nt))
                current = _filtered(arriving, decay_ms[some], dt, tau_rise)[: bins * width]
                found[kind, k][:bins, some] = current.reshape(bins, width, -1).mean(1)
    return Currents(found[0], found[1], np.where(np.isnan(found[0]), np.nan, 0.0))


def _spikes(
    times: ArrayLike, units: ArrayLike, trials: ArrayLike, duration: ArrayLike, dt: float, N: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Step, unit and trial of each spike, and the number of steps of each trial."""
    if not 0 < dt < float("inf"):
        raise ValueError(f"dt = {dt}; it must be a time above 0")
    ends = np.rint(np.asarray(duration, np.float64) / dt).astype(np.int64)
    steps = np.rint(np.asarray(times, np.float64) / dt).astype(np.int64) - 1
    senders, own = np.asarray(units), np.asarray(trials)
    if ends.ndim != 1 or not ends.size or not steps.shape == senders.shape == own.shape == (steps.size,):
        raise ValueError(
            f"times, units, trials and duration have shapes {steps.shape}, {senders.shape}, {own.shape} and "
            f"{ends.shape}; they must be (S,), (S,), (S,) and (B,)"
        )
    if steps.size:
        for name, given, stop in (("units", senders, N), ("trials", own, len(ends))):
            if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= stop:
                raise ValueError(
                    f"{name}: from {given.min()} to {given.max()}; they must be whole, from 0 to {stop - 1}"
                )
        if (steps < 0).any() or (steps >= ends[own]).any():
            raise ValueError("times: there are spikes before the start or after the end of their trial")
    return steps, senders.astype(np.int64), own.astype(np.int64), ends


def _arriving(
    steps: Int[np.ndarray, " S"], senders: Int[np.ndarray, " S"], W: Float[np.ndarray, "M N"], nt: int
) -> Float[np.ndarray, "nt M"]:
    """Sum of the weights of the units that fire in each step."""
    from scipy.sparse import csr_array

    fired = csr_array((np.ones(len(steps)), (steps, senders)), shape=(nt, W.shape[1]))
    arriving: Float[np.ndarray, "nt M"] = np.asarray(fired @ W.T)
    return arriving


def _filtered(
    arriving: Float[np.ndarray, "nt M"], tau: Float[np.ndarray, " M"], dt: float, tau_rise: float
) -> Float[np.ndarray, "nt M"]:
    """IPSC before each step, by equation 9, or 10 without a rise time."""
    from scipy.signal import lfilter

    seconds, rise_seconds, step = tau / 1000, tau_rise / 1000, dt / 1000
    decay = np.exp(-dt / tau)
    if tau_rise:
        jumps = arriving / (rise_seconds * seconds)
        rising, size = lfilter([0, 1], [1, -np.exp(-dt / tau_rise)], jumps, axis=0), step
    else:
        rising, size = arriving / seconds, 1.0
    columns = [lfilter([0, size], [1, -d], column) for d, column in zip(decay, rising.T, strict=True)]
    return np.array(columns).T

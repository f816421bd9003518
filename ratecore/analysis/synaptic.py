"""Excitatory and inhibitory synaptic currents of spiking networks, computed again from their spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.currents import Currents, units_mask, weights_of
from ratecore.analysis.trials import STEP_MS

AT_ONCE = 50  # receiving units whose currents by single spikes are in memory together


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
    onto: ArrayLike | None = None,
) -> Currents:
    """Compute the synaptic currents onto each unit from all spikes, as means in bins of time.

    Excitatory and inhibitory spikes go through the filters of the receiving unit, so that both currents add up to IPSC
    of the simulation. Between spikes the filters are linear: a bin follows from the state at its start and from its
    spikes, and no single step is computed. `ratecore.spiking.results.SpikeTrials` has the arguments under the same
    names.

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
        onto: which units receive them (N,), bool, unitless; all by default. Some at a time take less memory.

    Returns:
        the currents (B, T, N), mV, in all bins that the longest trial fills; NaN after the end of shorter trials. They
        are of M units if `onto` names M. There are no external currents: they are `Simulator.drive`.

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
    receiving = np.flatnonzero(np.ones(N, bool) if onto is None else units_mask(onto, N, "onto"))
    found = np.full((2, len(ends), T, len(receiving)), np.nan)
    for first in range(0, len(receiving), AT_ONCE):
        chosen = receiving[first : first + AT_ONCE]
        filters = _filters(decay_ms[chosen], dt, tau_rise, width)
        for kind, part in enumerate((np.maximum, np.minimum)):
            W_kind = part(weights[chosen], 0)
            sends = W_kind.any(0)
            for k, nt in enumerate(ends):
                counted = (own == k) & sends[senders] & (steps < nt // width * width)
                mean = _binned(steps[counted], senders[counted], W_kind, filters, int(nt) // width)
                found[kind, k, : len(mean), first : first + AT_ONCE] = mean
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


@dataclass(frozen=True)
class _Filters:
    """What a spike, and the state at the start of a bin of K steps, do in the bin and leave at its end.

    Attributes:
        jump: by which a spike of weight 1 changes the first state of the filter (M,): 1 / (tau_rise tau), or 1 / tau.
        mean: of the current over the bin by a spike in each of its steps (K, M), unitless, per jump.
        end: the current at the end of the bin by it (K, M).
        rising: the rising state at the end of the bin by it (K,); none without a rise time.
        from_current: mean and end of the current by a current of 1 at the start (2, M).
        from_rising: the same by a rising state of 1 (2, M).
        keep: what is left of the rising state after the bin.
    """

    jump: Float[np.ndarray, " M"]
    mean: Float[np.ndarray, "K M"]
    end: Float[np.ndarray, "K M"]
    rising: Float[np.ndarray, " K"]
    from_current: Float[np.ndarray, "2 M"]
    from_rising: Float[np.ndarray, "2 M"]
    keep: float


def _filters(tau: Float[np.ndarray, " M"], dt: float, tau_rise: float, width: int) -> _Filters:
    """The filters of equation 9, or 10 without a rise time, over a bin, by going through its steps once."""
    seconds, step = tau / 1000, dt / 1000
    decay, rise = np.exp(-dt / tau), float(np.exp(-dt / tau_rise)) if tau_rise else 0.0
    current = np.zeros((width + 1, len(tau)))  # before each step, by a rising state of 1 before the first
    for k in range(width):
        current[k + 1] = current[k] * decay + rise**k * step
    alone = decay ** np.arange(width + 1)[:, None]  # before each step, by a current of 1 before the first
    # A spike in a step changes the state before the next one; without a rise time, that is the current itself.
    response = current if tau_rise else alone
    left = width - 1 - np.arange(width)  # steps of the bin after each step
    summed = np.concatenate([np.zeros((1, len(tau))), np.cumsum(response[:width], 0)])
    return _Filters(
        jump=1 / (tau_rise / 1000 * seconds) if tau_rise else 1 / seconds,
        mean=summed[left] / width,
        end=response[left],
        rising=rise**left if tau_rise else np.zeros(width),
        from_current=np.stack([alone[:width].mean(0), alone[width]]),
        from_rising=np.stack([current[:width].mean(0), current[width]]),
        keep=rise**width if tau_rise else 0.0,
    )


def _binned(
    steps: Int[np.ndarray, " S"],
    senders: Int[np.ndarray, " S"],
    W: Float[np.ndarray, "M N"],
    filters: _Filters,
    bins: int,
) -> Float[np.ndarray, "bins M"]:
    """Mean current in each bin by the spikes of one trial."""
    f, width = filters, len(filters.mean)
    order = np.argsort(steps, kind="stable")
    steps, jumps = steps[order], (W * f.jump[:, None]).T[senders[order]]
    own, inside = steps // width, steps % width
    mean, end, rising = np.zeros((3, bins, len(W)))
    if len(steps):
        starts = np.flatnonzero(np.diff(own, prepend=-1))  # of the bins that have spikes
        there = own[starts]
        mean[there] = np.add.reduceat(jumps * f.mean[inside], starts)
        end[there] = np.add.reduceat(jumps * f.end[inside], starts)
        rising[there] = np.add.reduceat(jumps * f.rising[inside, None], starts)
    current, state = np.zeros((2, len(W)))
    for k in range(bins):
        mean[k] += f.from_current[0] * current + f.from_rising[0] * state
        current = f.from_current[1] * current + f.from_rising[1] * state + end[k]
        state = f.keep * state + rising[k]
    return mean

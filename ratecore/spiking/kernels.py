"""Compiled loops of a spiking network (docs/model.md 5): one trial, at several values of lambda side by side.

All arithmetic of the network is in float64, so that a trial within a search and the same trial on its own have
identical spikes. Noise is drawn for one rate step at a time, and once for all values of lambda: common random numbers
cost less than independent ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt

from ratecore.spiking.membrane_kernels import LANES, run_steps
from ratecore.spiking.noise_kernels import PADDING, WARM_UP, fill_noise
from ratecore.spiking.step_kernels import LIF, NOTHING, QIF, Cell, Traces, Wiring, forget, kick, read_out, spread
from ratecore.system.compilation import compiled

__all__ = [
    "LIF",
    "PADDING",
    "QIF",
    "WARM_UP",
    "Cell",
    "Inputs",
    "State",
    "Traces",
    "Wiring",
    "advance",
    "fill_noise",
    "filtered_by_bin",
    "keep",
    "trial",
]


class Inputs(NamedTuple):
    """What acts on a network from outside.

    Attributes:
        drive: W_in u + bias for each column of u (columns, units), mV, padded.
        kicks: stimulation at each step (nt,), mV.
        kicked: whether there is any.
        hit: 1 for units that are stimulated (N,), unitless.
    """

    drive: Float[np.ndarray, "columns units"]
    kicks: Float[np.ndarray, " nt"]
    kicked: bool
    hit: Float[np.ndarray, " N"]


class State(NamedTuple):
    """A network at one lambda, updated in place.

    Attributes:
        filters: v, ipsc, h, r, hr and what came to r and hr since the last output (7, units), mV, mV/s, spikes/s,
            padded.
        ready: last step of each unit's refractory period (units,), steps, padded.
        count: spikes of each unit so far (N,).
    """

    filters: Float[np.ndarray, "7 units"]
    ready: Float[np.ndarray, " units"]
    count: Int[np.ndarray, " N"]  # type: ignore[assignment]  # hides tuple.count, which nothing needs


@compiled
def keep(record: Traces, cell: Cell, k: int, v: Float[np.ndarray, " N"], ipsc: Float[np.ndarray, " N"]) -> None:
    """Record the states of a step.

    Args:
        record: updated.
        cell: numbers that all units share.
        k: step, from 0.
        v: membrane potentials after the step and before the reset (N,), mV.
        ipsc: synaptic currents before the step (N,), mV.

    Source: none
    """
    for j in range(v.size):
        record.v[k, j] = cell.peak if v[j] >= cell.threshold else v[j]
        record.ipsc[k, j] = ipsc[j]


@compiled
def with_room(record: Traces, more: int) -> Traces:
    """Make room for further spikes.

    Args:
        record: of a trial.
        more: spikes.

    Returns:
        the record, with longer lists if these were too short.

    Source: none
    """
    n = record.n[0]
    if n + more <= record.steps.size:
        return record
    steps, units = np.empty(2 * n + more, np.int32), np.empty(2 * n + more, np.int32)
    steps[:n], units[:n] = record.steps[:n], record.units[:n]
    return Traces(True, steps, units, record.n, record.v, record.ipsc, record.r)


@compiled
def advance(
    cell: Cell,
    wiring: Wiring,
    inverse: float,
    inputs: Inputs,
    noise: Float[np.ndarray, "steps units"],
    first: int,
    last: int,
    state: State,
    out: Float[np.ndarray, "n_out n"],
    record: Traces,
) -> None:
    """Run the steps first .. last-1 of a trial at one lambda.

    Args:
        cell: numbers that all units share.
        wiring: the network, `decay` padded.
        inverse: 1 / lambda, unitless.
        inputs: of the trial, `drive` padded.
        noise: of these steps (last - first, units), padded, mV.
        first: first step, from 0.
        last: first step after them.
        state: of the network, updated.
        out: receives outputs (n_out, n), unitless, n = nt / every.
        record: updated, where it lists spikes or has rows.

    Source:
        docs/model.md 5.2 and 5.3, equations 8-10.
    """
    drive, kicks, hit, ready, count = inputs.drive, inputs.kicks, inputs.hit, state.ready, state.count
    N, columns, every = hit.size, cell.columns, cell.every
    v, ipsc, h, r = state.filters[0, :N], state.filters[1, :N], state.filters[2, :N], state.filters[3, :N]
    hr, in_r, in_hr = state.filters[4, :N], state.filters[5, :N], state.filters[6, :N]
    numbers = cell.gain, cell.dt, cell.rise, cell.threshold
    recorded = record.v.shape[0] > 0
    jump = h if cell.rise > 0.0 else ipsc  # a single filter has no rising part
    before, fired = np.empty(N if recorded else 0), np.zeros(ready.size // LANES, np.uint8)
    k = first
    while k < last:
        column = (k + 1 + columns // 2) // columns
        # Up to the next output, or to the next column of the input
        stop = min(last, (k // every + 1) * every, (column + 1) * columns - columns // 2 - 1)
        if recorded:
            before[:] = ipsc
            stop = k + 1
        if inputs.kicked:
            stop = k + 1
        done = run_steps(
            cell.model == QIF, state.filters, ready, wiring.decay, drive, noise, fired, numbers,
            column, k - first, k, stop,
        )  # fmt: skip
        k, step = abs(done) - 1, abs(done)
        some = done < 0
        if kicks[k] != 0.0:
            some = kick(v, hit, kicks[k], cell.threshold, fired)
        if recorded:
            keep(record, cell, k, v, before)
        if some:
            spread(cell, wiring, inverse, v, ready, jump, in_r, in_hr, step, count, fired, record)
        if step % every == 0:
            read_out(wiring, inverse, r, hr, in_r, in_hr, out, step // every - 1)
            if record.r.shape[0]:
                record.r[k] = r
        k += 1


@compiled
def trial(
    cell: Cell,
    wiring: Wiring,
    inverses: Float[np.ndarray, " L"],
    inputs: Inputs,
    v0: Float[np.ndarray, " units"],
    seeds: UInt[np.ndarray, "3 units"],
    out: Float[np.ndarray, "L n_out n"],
    count: Int[np.ndarray, "L N"],
    record: Traces,
) -> Traces:
    """Run one trial at L values of lambda.

    Args:
        cell: numbers that all units share.
        wiring: the network.
        inverses: 1 / lambda (L,), unitless.
        inputs: of the trial.
        v0: initial membrane potentials (units,), mV, padded with values below every threshold.
        seeds: of the units' noise (3, units), padded, updated.
        out: receives outputs (L, n_out, n), unitless, n = nt / every.
        count: receives spikes of each unit (L, N).
        record: of the only lambda, or without spikes and rows.

    Returns:
        the record, with all spikes.

    Source:
        docs/model.md 5.
    """
    N, units, nt = inputs.hit.size, v0.size, inputs.kicks.size
    filters, ready = np.zeros((inverses.size, 7, units)), np.full((inverses.size, units), np.inf)
    ready[:, :N] = np.float64(cell.dead)  # units of the padding never integrate
    for l in range(inverses.size):
        filters[l, 0] = v0
    noise, counter = np.zeros((cell.columns, units), np.float32), 1
    if cell.noise_sd > 0.0:
        counter = fill_noise(seeds, counter, 0.0, np.zeros((WARM_UP, units), np.float32))
    for first in range(0, nt, cell.columns):
        last = min(first + cell.columns, nt)
        if record.listed:
            record = with_room(record, N * (last - first))
        if cell.noise_sd > 0.0:
            counter = fill_noise(seeds, counter, cell.noise_sd, noise)
        for l in range(inverses.size):
            state = State(filters[l], ready[l], count[l])
            advance(cell, wiring, inverses[l], inputs, noise, first, last, state, out[l], record)
            forget(state.filters)
    return record


@compiled
def filtered_by_bin(
    cell: Cell,
    wiring: Wiring,
    spike_steps: Int[np.ndarray, " S"],
    spike_units: Int[np.ndarray, " S"],
    bins: Int[np.ndarray, " _"],
    means: Float[np.ndarray, "B N"],
) -> None:
    """Average the filtered rates of a trial over bins of steps.

    They are recomputed from the spikes, so that those of all steps are never in memory together.

    Args:
        cell: numbers that all units share.
        wiring: the network.
        spike_steps: LIF step of each spike (S,), in the order of time.
        spike_units: unit of each spike (S,).
        bins: bin of the start, where all rates are 0, and of each step (nt + 1,), increasing from 0 to B - 1.
        means: receives the averages (B, N), spikes/s.

    Source:
        docs/model.md 5.3.
    """
    B, N = means.shape
    decay, dt, rise = wiring.decay, cell.dt, cell.rise
    r, hr, steps = np.zeros(N), np.zeros(N), np.zeros(B)
    means[:] = 0.0
    steps[bins[0]] = 1.0
    s = 0
    for k in range(bins.size - 1):
        row = means[bins[k + 1]]
        steps[bins[k + 1]] += 1.0
        for j in range(N):
            r[j] = r[j] * decay[j] + hr[j] * dt
            hr[j] = hr[j] * rise if hr[j] > NOTHING else 0.0  # see `forget`
        while s < spike_steps.size and spike_steps[s] == k:
            j = spike_units[s]
            r[j] += wiring.to_r[0, j]
            hr[j] += wiring.to_hr[0, j]
            s += 1
        for j in range(N):
            row[j] += r[j]
    for b in range(B):
        for j in range(N):
            means[b, j] /= steps[b]

"""Compiled loops of one step of a spiking network: membranes, spikes and readout (docs/model.md 5.2 and 5.3).

Spikes are rare, at most a few per thousand steps of a unit, so a step is plain arithmetic along the units, and only
units that fired touch their outgoing connections.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt

from ratecore.spiking.membrane_kernels import LANES
from ratecore.system.compilation import compiled

LIF, QIF = 0, 1
NOTHING = 1e-200  # below it a filter's state is 0


class Cell(NamedTuple):
    """Numbers that all units and steps share.

    Attributes:
        model: LIF or QIF.
        gain: dt / tau_m, unitless.
        dead: refractory steps.
        threshold: of the membrane potential, mV.
        reset: membrane potential after a spike, mV.
        peak: membrane potential that is recorded at a spike, mV.
        dt: LIF step, s.
        rise: factor of a synapse's rising part per step; 0 for the single filter.
        noise_sd: SD of the noise per step, mV.
        columns: steps per column of the input.
        every: steps between outputs, a divisor of `columns`.
        skip: first steps whose spikes are not counted.
    """

    model: int
    gain: float
    dead: int
    threshold: float
    reset: float
    peak: float
    dt: float
    rise: float
    noise_sd: float
    columns: int
    every: int
    skip: int


class Wiring(NamedTuple):
    """A network at lambda = 1, by its live connections.

    Attributes:
        start: of unit j the connections start[j] to start[j + 1] - 1 leave it (N+1,).
        index: receiving unit of each connection (C,).
        value: what a spike adds there (C,), mV/s with a double filter, else mV.
        decay: factor of synapses onto a unit and of its filtered rate (units,), per step, padded.
        to_r: what a spike adds to r d steps later (every, N), spikes/s.
        to_hr: the same for the rising part hr of r (every, N), spikes/s^2.
        keep_r: over `every` steps r becomes keep_r r + from_hr hr (N,), unitless.
        from_hr: see `keep_r` (N,), s.
        keep_hr: over `every` steps hr becomes keep_hr hr (N,), unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout biases (n_out,), unitless; 0 when they are not used.
    """

    start: Int[np.ndarray, " _"]
    index: Int[np.ndarray, " C"]  # type: ignore[assignment]  # hides tuple.index, which nothing needs
    value: Float[np.ndarray, " C"]
    decay: Float[np.ndarray, " units"]
    to_r: Float[np.ndarray, "every N"]
    to_hr: Float[np.ndarray, "every N"]
    keep_r: Float[np.ndarray, " N"]
    from_hr: Float[np.ndarray, " N"]
    keep_hr: Float[np.ndarray, " N"]
    w_out: Float[np.ndarray, "n_out N"]
    b_out: Float[np.ndarray, " n_out"]


@compiled
def spread(
    cell: Cell,
    wiring: Wiring,
    inverse: float,
    v: Float[np.ndarray, " N"],
    ready: Float[np.ndarray, " N"],
    h: Float[np.ndarray, " N"],
    in_r: Float[np.ndarray, " N"],
    in_hr: Float[np.ndarray, " N"],
    step: int,
    count: Int[np.ndarray, " N"],
    fired: UInt[np.ndarray, " vectors"],
) -> None:
    """Reset the units above threshold, begin their refractory period and send their spikes.

    Args:
        cell: numbers that all units share.
        wiring: the network.
        inverse: 1 / lambda, unitless.
        v: membrane potentials (N,), mV, updated.
        ready: last step of each unit's refractory period (N,), steps, updated.
        h: rising part of the currents (N,), mV/s, or the currents, mV, with a single filter; updated.
        in_r: what came to r since the last output (N,), spikes/s, updated.
        in_hr: what came to hr since the last output (N,), spikes/s^2, updated.
        step: from 1.
        count: spikes of each unit so far (N,), updated.
        fired: 0 for each vector of units in which none is above threshold (vectors,).

    Source:
        docs/model.md 5.2 and 5.3.
    """
    left = (cell.every - step % cell.every) % cell.every  # steps from here to the next output
    for vector in range(fired.size):
        if fired[vector]:
            for j in range(LANES * vector, min(LANES * (vector + 1), v.size)):
                if v[j] >= cell.threshold:
                    v[j] = cell.reset
                    ready[j] = step + cell.dead
                    in_r[j] += wiring.to_r[left, j]
                    in_hr[j] += wiring.to_hr[left, j]
                    if step > cell.skip:
                        count[j] += 1
                    for k in range(wiring.start[j], wiring.start[j + 1]):
                        h[wiring.index[k]] += inverse * wiring.value[k]


@compiled
def list_spikes(
    threshold: float,
    v: Float[np.ndarray, " N"],
    fired: UInt[np.ndarray, " vectors"],
    k: int,
    steps: Int[np.ndarray, " room"],
    units: Int[np.ndarray, " room"],
    n: Int[np.ndarray, " 1"],
) -> None:
    """Append the spikes of a step to those of the steps before.

    Args:
        threshold: mV.
        v: membrane potentials before the reset (N,), mV.
        fired: 0 for each vector of units in which none is above threshold (vectors,).
        k: step, from 0.
        steps: step of each spike (room,), int32, updated.
        units: unit of each spike (room,), int32, updated.
        n: number of spikes (1,), updated.

    Source: none
    """
    for vector in range(fired.size):
        if fired[vector]:
            for j in range(LANES * vector, min(LANES * (vector + 1), v.size)):
                if v[j] >= threshold:
                    steps[n[0]], units[n[0]] = k, j
                    n[0] += 1


@compiled
def read_out(
    wiring: Wiring,
    inverse: float,
    r: Float[np.ndarray, " N"],
    hr: Float[np.ndarray, " N"],
    in_r: Float[np.ndarray, " N"],
    in_hr: Float[np.ndarray, " N"],
    out: Float[np.ndarray, "n_out n"],
    at: int,
) -> None:
    """Advance the filtered rates by `every` steps and compute the outputs.

    Args:
        wiring: the network.
        inverse: 1 / lambda, unitless.
        r: filtered rates (N,), spikes/s, updated.
        hr: their rising part (N,), spikes/s^2, updated.
        in_r: what came to r since the last output (N,), spikes/s, set to 0.
        in_hr: what came to hr since the last output (N,), spikes/s^2, set to 0.
        out: receives the outputs in column `at` (n_out, n), unitless.
        at: column.

    Source:
        docs/model.md 5.3.
    """
    w_out, total = wiring.w_out[0], 0.0
    for j in range(r.size):
        r[j] = wiring.keep_r[j] * r[j] + wiring.from_hr[j] * hr[j] + in_r[j]
        hr[j] = wiring.keep_hr[j] * hr[j] + in_hr[j]
        in_r[j] = 0.0
        in_hr[j] = 0.0
        total += w_out[j] * r[j]
    out[0, at] = inverse * total + wiring.b_out[0]
    for i in range(1, out.shape[0]):
        w_out, total = wiring.w_out[i], 0.0
        for j in range(r.size):
            total += w_out[j] * r[j]
        out[i, at] = inverse * total + wiring.b_out[i]


@compiled
def kick(
    v: Float[np.ndarray, " N"],
    hit: Float[np.ndarray, " N"],
    size: float,
    threshold: float,
    fired: UInt[np.ndarray, " vectors"],
) -> bool:
    """Move the membranes of stimulated units, and find those above threshold.

    Args:
        v: membrane potentials (N,), mV, updated.
        hit: 1 for units that are stimulated (N,), unitless.
        size: of the kick, mV.
        threshold: mV.
        fired: receives a number above 0 for each vector of units in which one reaches the threshold
            (vectors,).

    Returns:
        whether any does.

    Source:
        docs/model.md 5.4.
    """
    fired[:] = 0
    some = False
    for j in range(v.size):
        v[j] += size * hit[j]
        if v[j] >= threshold:
            fired[j // LANES] = 1
            some = True
    return some


@compiled
def forget(state: Float[np.ndarray, "7 N"]) -> None:
    """Set entries of h and hr that have decayed to almost nothing to 0.

    Without spikes they would become denormal numbers after 1.4 s, which make processors many times slower.

    Args:
        state: `filters` of `ratecore.spiking.kernels.State` (7, N), mV, mV/s, spikes/s; updated.

    Source: none
    """
    for row in (2, 4):
        values = state[row]
        for j in range(values.size):
            if abs(values[j]) < NOTHING:
                values[j] = 0.0

"""Compiled loops of a spiking network (docs/model.md 5): one trial, at several values of lambda side by side.

All arithmetic of the network is in float64, so that a trial within a search and the same trial on its own have
identical spikes. Noise is drawn for one rate step at a time, and once for all values of lambda: common random numbers
cost less than independent ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt

from ratecore.spiking.step_kernels import (
    LIF,
    NOTHING,
    QIF,
    Cell,
    Wiring,
    forget,
    move_leaky,
    move_quadratic,
    read_out,
    spread,
)
from ratecore.system.compilation import compiled
from ratecore.system.noise import normal_of_word

__all__ = [
    "LIF",
    "QIF",
    "WARM_UP",
    "Cell",
    "Inputs",
    "State",
    "Traces",
    "Wiring",
    "advance",
    "draw_words",
    "filtered_by_bin",
    "keep",
    "scaled_normals",
    "trial",
]

WARM_UP = 16  # words of a generator that are discarded, so that similar seeds give unrelated noise


class Inputs(NamedTuple):
    """What acts on a network from outside.

    Attributes:
        drive: W_in u + bias for each column of u (columns, N), mV.
        kicks: stimulation at each step (nt,), mV.
        hit: 1 for units that are stimulated (N,), unitless.
    """

    drive: Float[np.ndarray, "columns N"]
    kicks: Float[np.ndarray, " nt"]
    hit: Float[np.ndarray, " N"]


class State(NamedTuple):
    """A network at one lambda, updated in place.

    Attributes:
        filters: v, ipsc, h, r, hr and what came to r and hr since the last output (7, N), mV, mV/s, spikes/s.
        ready: last step of each unit's refractory period (N,), steps.
        count: spikes of each unit so far (N,).
    """

    filters: Float[np.ndarray, "7 N"]
    ready: Float[np.ndarray, " N"]
    count: Int[np.ndarray, " N"]  # type: ignore[assignment]  # hides tuple.count, which nothing needs


class Traces(NamedTuple):
    """States of every step where they are asked for; otherwise arrays without rows.

    Attributes:
        spikes: 1 where a unit fired (nt, N).
        v: membrane potential (nt, N), mV.
        ipsc: synaptic current (nt, N), mV.
        r: filtered rate (nt, N), spikes/s, which needs `every` = 1.
    """

    spikes: UInt[np.ndarray, "nt N"]
    v: Float[np.ndarray, "nt N"]
    ipsc: Float[np.ndarray, "nt N"]
    r: Float[np.ndarray, "nt N"]


@compiled
def draw_words(state: UInt[np.ndarray, "3 N"], counter: int, words: UInt[np.ndarray, "steps N"]) -> int:
    """Draw the next words of N generators.

    The generator is SFC32, the 32-bit variant of numpy's SFC64: additions, shifts and one rotation, so that many run
    side by side in a vector.

    Args:
        state: 96 bits per generator (3, N), updated.
        counter: shared by all generators.
        words: receives the words (steps, N).

    Returns:
        the counter for the next call.

    Source:
        docs/model.md 5.2; C. Doty-Humphrey, PractRand.
    """
    steps, N = words.shape
    a, b, c = state[0], state[1], state[2]
    for t in range(steps):
        row, count = words[t], np.uint32(counter)
        for j in range(N):
            word = np.uint32(np.uint32(a[j] + b[j]) + count)
            row[j] = word
            a[j] = b[j] ^ (b[j] >> np.uint32(9))
            b[j] = c[j] + np.uint32(c[j] << np.uint32(3))
            c[j] = np.uint32(np.uint32(c[j] << np.uint32(21)) | (c[j] >> np.uint32(11))) + word
        counter += 1
    return counter


@compiled
def scaled_normals(words: UInt[np.ndarray, " n"], scale: float | np.float32, noise: Float[np.ndarray, " n"]) -> None:
    """Convert random words to normal numbers.

    Args:
        words: random words (n,).
        scale: SD, mV.
        noise: receives the numbers (n,), mV.

    Source:
        docs/model.md 5.2.
    """
    for j in range(noise.size):
        noise[j] = scale * normal_of_word(words[j])


@compiled
def keep(record: Traces, cell: Cell, k: int, v: Float[np.ndarray, " N"], ipsc: Float[np.ndarray, " N"]) -> None:
    """Record a step.

    Args:
        record: updated.
        cell: numbers that all units share.
        k: step, from 0.
        v: membrane potentials after the step and before the reset (N,), mV.
        ipsc: synaptic currents before the step (N,), mV.

    Source: none
    """
    for j in range(v.size):
        fired = v[j] >= cell.threshold
        record.spikes[k, j] = fired
        if record.v.shape[0]:
            record.v[k, j] = cell.peak if fired else v[j]
            record.ipsc[k, j] = ipsc[j]


@compiled
def advance(
    cell: Cell,
    wiring: Wiring,
    inverse: float,
    inputs: Inputs,
    noise: Float[np.ndarray, "steps N"],
    first: int,
    last: int,
    state: State,
    out: Float[np.ndarray, "n_out n"],
    record: Traces,
) -> None:
    """Run the steps first .. last-1 of a trial at one lambda.

    Args:
        cell: numbers that all units share.
        wiring: the network.
        inverse: 1 / lambda, unitless.
        inputs: of the trial.
        noise: of these steps (last - first, N), mV.
        first: first step, from 0.
        last: first step after them.
        state: of the network, updated.
        out: receives outputs (n_out, n), unitless, n = nt / every.
        record: updated, where it has rows.

    Source:
        docs/model.md 5.2 and 5.3, equations 8-10.
    """
    drive, kicks, hit, ready, count = inputs.drive, inputs.kicks, inputs.hit, state.ready, state.count
    v, ipsc, h, r = state.filters[0], state.filters[1], state.filters[2], state.filters[3]
    hr, in_r, in_hr = state.filters[4], state.filters[5], state.filters[6]
    decay, gain, dt, rise, threshold = wiring.decay, cell.gain, cell.dt, cell.rise, cell.threshold
    recorded = record.spikes.shape[0] > 0
    jump = h if rise > 0.0 else ipsc  # a single filter has no rising part
    before = np.empty(v.size if recorded else 0)
    quadratic = cell.model == QIF
    for k in range(first, last):
        step, time = k + 1, np.float64(k + 1)
        now, eta = drive[(step + cell.columns // 2) // cell.columns], noise[k - first]
        if recorded:
            before[:] = ipsc
        # Loops of few arrays each: LLVM vectorises only loops in which it can prove that arrays do not overlap.
        if quadratic:
            fired = move_quadratic(v, ipsc, now, ready, eta, gain, time, threshold)
        else:
            fired = move_leaky(v, ipsc, now, ready, eta, gain, time, threshold)
        for j in range(v.size):
            ipsc[j] = ipsc[j] * decay[j] + h[j] * dt
            h[j] = h[j] * rise
        if kicks[k] != 0.0:
            fired = 0
            for j in range(v.size):
                v[j] += kicks[k] * hit[j]
                fired += v[j] >= threshold
        if recorded:
            keep(record, cell, k, v, before)
        if fired > 0:
            spread(cell, wiring, inverse, v, ready, jump, in_r, in_hr, step, count)
        if step % cell.every == 0:
            read_out(wiring, inverse, r, hr, in_r, in_hr, out, step // cell.every - 1)
            if record.r.shape[0]:
                record.r[k] = r


@compiled
def trial(
    cell: Cell,
    wiring: Wiring,
    inverses: Float[np.ndarray, " L"],
    inputs: Inputs,
    v0: Float[np.ndarray, " N"],
    seeds: UInt[np.ndarray, "3 N"],
    out: Float[np.ndarray, "L n_out n"],
    count: Int[np.ndarray, "L N"],
    record: Traces,
) -> None:
    """Run one trial at L values of lambda.

    Args:
        cell: numbers that all units share.
        wiring: the network.
        inverses: 1 / lambda (L,), unitless.
        inputs: of the trial.
        v0: initial membrane potentials (N,), mV.
        seeds: of the units' noise (3, N), updated.
        out: receives outputs (L, n_out, n), unitless, n = nt / every.
        count: receives spikes of each unit (L, N).
        record: of the only lambda, or without rows.

    Source:
        docs/model.md 5.
    """
    N, nt = v0.size, inputs.kicks.size
    filters, ready = np.zeros((inverses.size, 7, N)), np.full((inverses.size, N), np.float64(cell.dead))
    for l in range(inverses.size):
        filters[l, 0] = v0
    words, noise = np.zeros((cell.columns, N), np.uint32), np.zeros((cell.columns, N), np.float32)
    counter = 1
    if cell.noise_sd > 0.0:
        counter = draw_words(seeds, counter, np.zeros((WARM_UP, N), np.uint32))
    for first in range(0, nt, cell.columns):
        last = min(first + cell.columns, nt)
        if cell.noise_sd > 0.0:
            counter = draw_words(seeds, counter, words)
            scaled_normals(words.reshape(-1), np.float32(cell.noise_sd), noise.reshape(-1))
        for l in range(inverses.size):
            state = State(filters[l], ready[l], count[l])
            advance(cell, wiring, inverses[l], inputs, noise, first, last, state, out[l], record)
            forget(state.filters)


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

"""Compiled loops of a spiking network (docs/model.md 5): one trial, at several values of lambda side by side.

All arithmetic of the network is in float64, so that a trial of a search and the same trial alone are the same to the
last spike. Noise is drawn a rate step at a time, as it is used, and once for all values of lambda: common random
numbers cost less than independent ones. Spikes are rare, at most a few in a thousand steps of a unit, so a step is
plain arithmetic along the units, and only units that fired touch their outgoing connections.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ratecore.system.compilation import compiled
from ratecore.system.noise import normal_of_word

LIF, QIF = 0, 1
NOTHING = 1e-200  # below it a filter's state is 0
WARM_UP = 16  # words of a generator that are thrown away, so that near seeds have nothing in common


class Cell(NamedTuple):
    """Numbers that all units and steps share.

    Attributes:
        model: LIF or QIF.   gain: dt / tau_m.   dead: refractory steps.   threshold, reset, peak: mV.
        dt: s.   rise: decay of the rising part of a synapse in a step; 0 for the single filter.
        noise_sd: mV.   columns: steps that a column of the input lasts.
        every: steps between outputs, a divisor of `columns`.   skip: first steps whose spikes are not counted.
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
        start (N+1,), index, value: connections leaving each unit, the unit they go to and what a spike adds there.
        decay (N,): of synapses onto a unit and of its filtered rate, in a step.
        to_r, to_hr (every, N): what a spike adds to r and its rising part, d steps after the spike's own.
        keep_r, from_hr, keep_hr (N,): r = keep_r r + from_hr hr and hr = keep_hr hr over `every` steps.
        w_out (N,), b_out: readout; b_out is 0 when it is not used.
    """

    start: np.ndarray
    index: np.ndarray
    value: np.ndarray
    decay: np.ndarray
    to_r: np.ndarray
    to_hr: np.ndarray
    keep_r: np.ndarray
    from_hr: np.ndarray
    keep_hr: np.ndarray
    w_out: np.ndarray
    b_out: float


class Record(NamedTuple):
    """What is kept of every step when asked for; arrays without rows otherwise.

    Attributes:
        spikes: (nt, N) uint8.   v, ipsc, r: (nt, N) float64; r at every step, so `every` must be 1.
    """

    spikes: np.ndarray
    v: np.ndarray
    ipsc: np.ndarray
    r: np.ndarray


@compiled
def draw_words(state, counter, words):
    """The next words (steps, N) uint32 of N generators, each with 96 bits of state (3, N) and a common counter.

    The generator is SFC32, the 32-bit kind of numpy's SFC64 (C. Doty-Humphrey, PractRand): additions, shifts and one
    rotation, so that many run side by side in a vector. Returns the counter.
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
def scaled_normals(words, scale, noise):
    """noise (n,) float32 = scale times the normal numbers of words (n,)."""
    for j in range(noise.size):
        noise[j] = scale * normal_of_word(words[j])


@compiled
def spread(cell, wiring, inverse, v, ready, h, in_r, in_hr, step, count):
    """What the units that are above threshold do at `step`: reset, refractory period, their column of W.

    v, in_r, in_hr, h (N,).   ready (N,): last step of the refractory period.   count (N,): spikes so far.
    """
    left = (cell.every - step % cell.every) % cell.every  # steps from here to the next output
    for j in range(v.size):
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
def keep(record, cell, k, v, ipsc):
    """Records step k (from 0): v (N,) after the step, before the reset, and ipsc (N,) before it."""
    for j in range(v.size):
        fired = v[j] >= cell.threshold
        record.spikes[k, j] = fired
        if record.v.shape[0]:
            record.v[k, j] = cell.peak if fired else v[j]
            record.ipsc[k, j] = ipsc[j]


@compiled
def read_out(wiring, inverse, r, hr, in_r, in_hr):
    """Brings the filtered rates r, hr (N,) to this step, `every` steps on, and returns the output."""
    total = 0.0
    for j in range(r.size):
        r[j] = wiring.keep_r[j] * r[j] + wiring.from_hr[j] * hr[j] + in_r[j]
        hr[j] = wiring.keep_hr[j] * hr[j] + in_hr[j]
        in_r[j] = 0.0
        in_hr[j] = 0.0
        total += wiring.w_out[j] * r[j]
    return inverse * total + wiring.b_out


@compiled
def move_leaky(v, ipsc, now, ready, eta, gain, time, threshold):
    """A step of the membranes v (N,) of LIF units; arguments as in `advance`. Returns how many reach the threshold."""
    fired = 0
    for j in range(v.size):
        slope = gain * ((ipsc[j] + now[j]) - v[j]) if time > ready[j] else 0.0
        v[j] = v[j] + slope + np.float64(eta[j])
        fired += v[j] >= threshold
    return fired


@compiled
def move_quadratic(v, ipsc, now, ready, eta, gain, time, threshold):
    """As `move_leaky`, of QIF units."""
    fired = 0
    for j in range(v.size):
        slope = gain * (v[j] * v[j] + (ipsc[j] + now[j])) if time > ready[j] else 0.0
        v[j] = v[j] + slope + np.float64(eta[j])
        fired += v[j] >= threshold
    return fired


@compiled
def advance(cell, wiring, inverse, drive, kicks, hit, noise, first, last, state, ready, count, out, record):
    """Steps first .. last-1 (from 0) of a trial at one lambda.

    inverse: 1 / lambda.   drive (columns of u, N): W_in u + bias.   kicks (nt,): mV, to the units with hit (N,) 1.
    noise (last - first, N) float32.   state (7, N): v, ipsc, h, r, hr and what came to r and hr since the last output.
    out (nt / every,).   count, ready: as in `spread`.
    """
    v, ipsc, h, r, hr, in_r, in_hr = state[0], state[1], state[2], state[3], state[4], state[5], state[6]
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
        # In loops of few arrays each: LLVM makes vectors only of loops in which it can tell the arrays apart.
        fired = move_quadratic(v, ipsc, now, ready, eta, gain, time, threshold) if quadratic else (
            move_leaky(v, ipsc, now, ready, eta, gain, time, threshold))  # fmt: skip
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
            out[step // cell.every - 1] = read_out(wiring, inverse, r, hr, in_r, in_hr)
            if record.r.shape[0]:
                record.r[k] = r


@compiled
def forget(state):
    """Sets what has decayed to nothing in h and hr, rows of state (7, N), to 0.

    Without spikes they would reach denormal numbers after 1.4 s, with which processors are many times slower.
    """
    for row in (2, 4):
        values = state[row]
        for j in range(values.size):
            if abs(values[j]) < NOTHING:
                values[j] = 0.0


@compiled
def trial(cell, wiring, inverses, drive, kicks, hit, v0, seeds, out, count, record):
    """One trial at L values of lambda.

    inverses (L,): 1 / lambda.   v0 (N,).   seeds (3, N) uint32: of the units' noise, used up.
    out (L, nt / every) and count (L, N) receive outputs and spikes.   record: of the only lambda, or empty.
    """
    N, nt = v0.size, kicks.size
    state, ready = np.zeros((inverses.size, 7, N)), np.full((inverses.size, N), np.float64(cell.dead))
    for l in range(inverses.size):
        state[l, 0] = v0
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
            advance(cell, wiring, inverses[l], drive, kicks, hit, noise, first, last, state[l], ready[l], count[l],
                    out[l], record)  # fmt: skip
            forget(state[l])


@compiled
def filtered_by_bin(cell, wiring, spike_steps, spike_units, bins, means):
    """means (B, N) = the filtered rates of a trial, averaged over the steps of each bin.

    Spikes say all of a trial's filtered rates; made again from them, those of every step are never in memory together.
    spike_steps, spike_units (S,): as in `lif.Trial`.
    bins (nt + 1,): of the start, with all rates 0, and of each step, increasing from 0 to B - 1.
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

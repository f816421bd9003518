"""Compiled loop that adds up the synaptic currents of a spiking network from its spikes (docs/model.md 5.3)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ratecore.system.compilation import compiled


class Filters(NamedTuple):
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


@compiled
def add_currents(
    steps: Int[np.ndarray, " S"],
    senders: Int[np.ndarray, " S"],
    trials: Int[np.ndarray, " S"],
    weights: Float[np.ndarray, "N M"],
    filters: Filters,
    mean: Float[np.ndarray, "B T M"],
) -> None:
    """Add up the mean current in each bin by spikes.

    Args:
        steps: step of each spike (S,), from 0, before the last whole bin of its trial ends.
        senders: unit of each spike (S,).
        trials: trial of each spike (S,), ascending, and within a trial in any order.
        weights: from each unit (row) onto M others, times `filters.jump` (N, M).
        filters: of the M units.
        mean: 0, receives the currents (B, T, M), mV.

    Source:
        docs/model.md 5.3, equations 9 and 10.
    """
    (B, T, M), width = mean.shape, filters.mean.shape[0]
    end, rising, current, state = np.zeros((T, M)), np.zeros((T, M)), np.zeros(M), np.zeros(M)
    s = 0
    for b in range(B):
        end[:], rising[:], current[:], state[:] = 0.0, 0.0, 0.0, 0.0
        while s < steps.size and trials[s] == b:
            k, inside, jump = steps[s] // width, steps[s] % width, weights[senders[s]]
            for i in range(M):
                mean[b, k, i] += jump[i] * filters.mean[inside, i]
            for i in range(M):
                end[k, i] += jump[i] * filters.end[inside, i]
            for i in range(M):
                rising[k, i] += jump[i] * filters.rising[inside]
            s += 1
        for k in range(T):
            for i in range(M):
                mean[b, k, i] += filters.from_current[0, i] * current[i] + filters.from_rising[0, i] * state[i]
                current[i] = filters.from_current[1, i] * current[i] + filters.from_rising[1, i] * state[i] + end[k, i]
                state[i] = filters.keep * state[i] + rising[k, i]

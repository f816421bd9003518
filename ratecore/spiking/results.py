"""What comparing a rate network with its spiking network gave, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Example:
    """One trial of a spiking network, to be drawn.

    Attributes:
        u: (n_in, T) stimulus, in rate steps of 5 ms.   dt: LIF step in s.
        spike_steps, spike_units: (S,) of every spike, in the order of time; steps from 0.
        out: (n,) output, every `out_dt` s, the first one `out_dt` after the start.
    """

    u: np.ndarray
    dt: float
    spike_steps: np.ndarray
    spike_units: np.ndarray
    out: np.ndarray
    out_dt: float

    @classmethod
    def of(cls, trial, u) -> Example:
        """A `ratecore.spiking.Trial` on the stimulus u (n_in, T)."""
        out_dt = trial.nt // len(trial.out) * trial.dt
        return cls(np.asarray(u, float), trial.dt, trial.spike_steps, trial.spike_units, trial.out, out_dt)


@dataclass
class Components:
    """Principal components of the condition-averaged activity of a network.

    Attributes:
        projections: (C, T, 3), in the unit of the activity; 0 for components beyond the rank.
        explained: (3,) share of the variance over units that each has, in [0, 1]; 0 without any variance.
    """

    projections: np.ndarray
    explained: np.ndarray


@dataclass
class Comparison:
    """A rate network and its spiking network on the same trials; C conditions in alphabetical order.

    Rate step t is the time from t * 5 ms on and before (t + 1) * 5 ms. What a spiking network has in it is a mean: of
    activity over the LIF steps, of the output over those that are scored too, at most half a millisecond apart.
    Activity is r of model.md 1 in the rate network (no unit), and in the spiking network the filtered rate r of
    model.md 5 in spikes/s, which is lambda times the former in a perfect conversion.

    Attributes:
        scaling_factor: lambda.   conditions: C names.   n_trials: (C,) of each.
        rate_mean, rate_sd, lif_mean, lif_sd: (C, T) outputs, mean and SD over trials.
        examples: C Examples, the first trial of each condition.
        rates: (N,) spikes/s of each unit, over all trials.
        rate_activity, lif_activity: (C, N) mean of each unit in the response window.
        rate_components, lif_components: Components. The sign of each is free: that of the rate network's has its
            farthest projection positive, and that of the spiking network's is the one more like the former.
        inh, som: (N,) bool, inhibitory units and the SST units among them.
        stimulus_windows: (K, 2) first step and first step after each stimulus.   response: (2,) the same of the
            response window; in rate steps.
    """

    scaling_factor: float
    conditions: list[str]
    n_trials: np.ndarray
    rate_mean: np.ndarray
    rate_sd: np.ndarray
    lif_mean: np.ndarray
    lif_sd: np.ndarray
    examples: list[Example]
    rates: np.ndarray
    rate_activity: np.ndarray
    lif_activity: np.ndarray
    rate_components: Components
    lif_components: Components
    inh: np.ndarray
    som: np.ndarray
    stimulus_windows: np.ndarray
    response: np.ndarray

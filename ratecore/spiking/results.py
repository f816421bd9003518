"""What comparing a rate network with its spiking network gave, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypedDict, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, Real

# `SearchResult.summary()`: accuracies are fractions, rates spikes/s or None where no unit has the type.
SearchSummary = TypedDict(
    "SearchSummary",
    {
        "lambda": float,
        "opt_scaling_factor": float,
        "all_perfs": list[float],
        "scaling_factors": list[float],
        "n_trials": list[int],
        "scored": str,
        "confidence": float,
        "spiking_accuracy": float,
        "ci_low": float,
        "ci_high": float,
        "mean_rate_exc": float | None,
        "mean_rate_inh": float | None,
    },
)


@runtime_checkable
class RecordedTrial(Protocol):
    """A trial whose spikes and output were kept, such as `ratecore.spiking.Trial`."""

    @property
    def nt(self) -> int:
        """Number of LIF steps."""

    @property
    def dt(self) -> float:
        """LIF step, s."""

    @property
    def out(self) -> Float[np.ndarray, "*out n"]:
        """Output (n,), or (n_out, n) of several outputs, unitless."""

    @property
    def spike_steps(self) -> Int[np.ndarray, " S"]:
        """LIF step of each spike (S,)."""

    @property
    def spike_units(self) -> Int[np.ndarray, " S"]:
        """Unit of each spike (S,)."""


@dataclass
class Example:
    """One trial of a spiking network, to be drawn.

    Attributes:
        u: stimulus (n_in, T), unitless, in rate steps of 5 ms.
        dt: LIF step, s.
        spike_steps: LIF step, from 0, of each spike (S,), in the order of time.
        spike_units: unit of each spike (S,).
        out: output (n,), or (n_out, n) of several outputs, unitless, every `out_dt`, first at `out_dt` after the start.
        out_dt: time between outputs, s.
    """

    u: Float[np.ndarray, "n_in T"]
    dt: float
    spike_steps: Int[np.ndarray, " S"]
    spike_units: Int[np.ndarray, " S"]
    out: Float[np.ndarray, "*out n"]
    out_dt: float

    @classmethod
    def from_trial(cls, trial: RecordedTrial, u: Real[np.ndarray, "n_in T"]) -> Example:
        """Take what is drawn from a trial.

        Args:
            trial: with its spikes.
            u: the stimulus that it was run on (n_in, T), unitless.

        Returns:
            the example.

        Source: none
        """
        out_dt = trial.nt // trial.out.shape[-1] * trial.dt
        return cls(np.asarray(u, float), trial.dt, trial.spike_steps, trial.spike_units, trial.out, out_dt)


@dataclass
class SpikeTrials:
    """The spikes of B trials of a spiking network at one lambda.

    Attributes:
        times: time of each spike (S,), ms from the start of its trial: the end of the LIF step in which the unit fired.
            They are in the order of the trials, then of time.
        units: unit of each spike (S,), from 0.
        trials: position of its trial in this batch (S,), from 0.
        numbers: number of each trial in the stream that it was drawn from (B,).
        counts: spikes of each unit (B, N), without those of the first steps, as the conversion counts them.
        o: output by rate step of 5 ms (B, T), or (B, n_out, T) of several outputs, unitless, as it was scored; NaN
            after the end of a trial shorter than others.
        condition: name of each trial's condition (B,).
        choice: sign, 1 or -1, of the mean of the (first) output in the window in which spiking networks are scored
            (B,).
        correct: whether the trial is correct (B,).
        dt: LIF step, ms.
        duration: simulated time of each trial (B,), ms: one rate step less than its stimulus has.
        unit_type: 'E', 'I' or 'SST' of each unit (N,).
        tau: synaptic decay time constant of each unit (N,), ms.
        scaling_factor: lambda, unitless.
    """

    times: Float[np.ndarray, " S"]
    units: Int[np.ndarray, " S"]
    trials: Int[np.ndarray, " S"]
    numbers: Int[np.ndarray, " B"]
    counts: Int[np.ndarray, "B N"]
    o: Float[np.ndarray, "B *out T"]
    condition: list[str]
    choice: Int[np.ndarray, " B"]
    correct: Bool[np.ndarray, " B"]
    dt: float
    duration: Float[np.ndarray, " B"]
    unit_type: list[str]
    tau: Float[np.ndarray, " N"]
    scaling_factor: float

    @property
    def rates(self) -> Float[np.ndarray, "B N"]:
        """Firing rate of each unit (B, N), spikes/s, as in `Trial.rates`."""
        return np.asarray(self.counts / self.seconds[:, None])

    @property
    def seconds(self) -> Float[np.ndarray, " B"]:
        """Simulated time of each trial (B,), s, as the simulation computes it: steps times the length of a step."""
        return np.asarray(np.rint(self.duration / self.dt) * (self.dt / 1000))

    def of_trial(self, k: int) -> tuple[Float[np.ndarray, " S"], Int[np.ndarray, " S"]]:
        """Take the spikes of one trial.

        Args:
            k: position of the trial in this batch, from 0.

        Returns:
            times (S,), ms, and units (S,).

        Raises:
            IndexError: there is no such trial.

        Source: none
        """
        if not 0 <= k < len(self.numbers):
            raise IndexError(f"trial {k}: it must be from 0 to {len(self.numbers) - 1}")
        there = slice(*np.searchsorted(self.trials, [k, k + 1]))
        return self.times[there], self.units[there]

    def binned(self, bin_ms: float) -> Int[np.ndarray, "B bins N"]:
        """Count spikes in bins of time.

        Args:
            bin_ms: width of a bin, ms. The last bin may reach beyond the end of the longest trial.

        Returns:
            spikes of each unit (B, bins, N); bin k is the time after k * bin_ms, up to and with (k + 1) * bin_ms, since
            a spike has the time of the end of its step.

        Raises:
            ValueError: `bin_ms` is no whole number of LIF steps.

        Source: none
        """
        steps = steps_per_bin(bin_ms, self.dt)
        n_steps = round(float(self.duration.max()) / self.dt)
        counts = np.zeros((len(self.numbers), -(-n_steps // steps), self.counts.shape[1]), np.int32)
        # In integers, so that no rounding moves a spike into a neighbouring bin
        bins = (np.rint(self.times / self.dt).astype(np.int64) - 1) // steps
        np.add.at(counts, (self.trials, bins, self.units), 1)
        return counts


def steps_per_bin(bin_ms: float, dt: float) -> int:
    """Check the width of a bin in which spikes are counted.

    Args:
        bin_ms: width of a bin, ms.
        dt: LIF step, ms.

    Returns:
        its number of LIF steps.

    Raises:
        ValueError: it is no whole number of LIF steps.
    """
    steps = bin_ms / dt if isinstance(bin_ms, int | float) and math.isfinite(bin_ms) else 0.0
    if steps < 1 - 1e-9 or abs(steps - round(steps)) > 1e-9 * steps:
        raise ValueError(f"bin_ms = {bin_ms}: it must be a whole number of LIF steps of {dt:g} ms")
    return round(steps)


@dataclass
class Components:
    """Principal components of the condition-averaged activity of a network.

    Attributes:
        projections: (C, T, 3), in the unit of the activity (unitless or spikes/s); 0 for components beyond the rank,
            NaN after the longest trial of a condition.
        explained: fraction of the variance over units that each component has (3,), in [0, 1]; 0 without variance.
    """

    projections: Float[np.ndarray, "C T 3"]
    explained: Float[np.ndarray, " 3"]


@dataclass
class Comparison:
    """A rate network and its spiking network on the same trials; C conditions in alphabetical order.

    Rate step t is the time from t * 5 ms up to (t + 1) * 5 ms. Values of the spiking network are means within it: of
    activity over all LIF steps, of the output over those that are scored, at most half a millisecond apart. Activity
    is r of docs/model.md 1.1 in the rate network (unitless), and in the spiking network the filtered rate r of
    docs/model.md 5.3 (spikes/s), which in a perfect conversion is lambda times the former. Several outputs have an axis
    of their own, (C, n_out, T). Where trials differ in length, means are over those that last that long, NaN after all.

    Attributes:
        scaling_factor: lambda, unitless.
        conditions: C names.
        n_trials: trials of each condition (C,).
        rate_mean: output of the rate network (C, T), unitless, mean over trials.
        rate_sd: its SD (C, T), unitless.
        lif_mean: output of the spiking network (C, T), unitless, mean over trials.
        lif_sd: its SD (C, T), unitless.
        examples: the first trial of each condition.
        rates: firing rate of each unit (N,), spikes/s, over all trials.
        rate_activity: mean activity in the response window (C, N), unitless, of the rate network.
        lif_activity: the same of the spiking network (C, N), spikes/s.
        rate_components: of the rate network. Signs are free: the projection farthest from 0 is positive.
        lif_components: of the spiking network, with the sign that agrees more with `rate_components`.
        inh: inhibitory units (N,).
        som: SST units among them (N,).
        stimulus_windows: first step and first step after each stimulus (K, 2), rate steps.
        response: the same for the response window (2,), rate steps.
    """

    scaling_factor: float
    conditions: list[str]
    n_trials: Int[np.ndarray, " C"]
    rate_mean: Float[np.ndarray, "C *out T"]
    rate_sd: Float[np.ndarray, "C *out T"]
    lif_mean: Float[np.ndarray, "C *out T"]
    lif_sd: Float[np.ndarray, "C *out T"]
    examples: list[Example]
    rates: Float[np.ndarray, " N"]
    rate_activity: Float[np.ndarray, "C N"]
    lif_activity: Float[np.ndarray, "C N"]
    rate_components: Components
    lif_components: Components
    inh: Bool[np.ndarray, " N"]
    som: Bool[np.ndarray, " N"]
    stimulus_windows: Int[np.ndarray, "K 2"]
    response: Int[np.ndarray, " 2"]

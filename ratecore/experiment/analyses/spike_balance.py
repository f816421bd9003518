"""Analysis 'spike_balance': excitatory and inhibitory currents in a converted network, and their balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from ratecore.experiment.analyses.balance_measures import arrays_of, balance_figures, measured, numbers_of, window_steps
from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import SpikeBalanceSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.analysis.currents import Currents
    from ratecore.experiment.analyses.spiking import Converted

RATE_STEP_MS = 5.0


def analyse(material: Material, settings: SpikeBalanceSettings) -> AnalysisResult:
    """Compute the synaptic currents in a converted network from its spikes, and their balance.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says; none of a network that was not converted.

    Raises:
        ValueError: the window has no bins after `skip_ms`, or is too short for `max_lag_ms`.

    Source:
        docs/model.md 5.1 to 5.3, equations 7 to 10; `ratecore.analysis.synaptic` and `ratecore.analysis.balance`.
    """
    from dataclasses import replace

    from ratecore.analysis.currents import units_by_type
    from ratecore.analysis.synaptic import synaptic_currents
    from ratecore.experiment.analyses.spiking import converted  # not for figures: it imports compiled loops

    if material.not_converted:
        return AnalysisResult(skipped=f"there are no spikes: {material.not_converted}")
    drawn, own = material.spikes(settings.n_trials), converted(material.settings, material.converted_from)
    W = own.model.weights(own.settings.use_initial_weights) / drawn.scaling_factor
    dale = material.settings.network.apply_dale
    inh = np.array(drawn.unit_type) != "E" if dale else None
    groups, conditions = units_by_type(inh, len(W)), np.array(drawn.condition)
    bin_ms = bin_of(own)
    T = round(float(drawn.duration.max()) / bin_ms)
    inputs = external_currents(own, material.settings.seed, len(drawn.numbers), T, bin_ms)
    window = window_steps(own.task, settings, T, bin_ms, "spike_balance")

    def onto(units: Bool[np.ndarray, " N"]) -> Currents:
        train = drawn.times, drawn.units, drawn.trials
        filters = {"dt": drawn.dt, "tau_rise": own.settings.tau_rise, "bin_ms": bin_ms}
        recurrent = synaptic_currents(*train, W, drawn.tau, drawn.duration, inh, onto=units, **filters)
        return replace(recurrent, external=recurrent.external + inputs[..., units])

    found = measured(onto, groups, conditions, window, settings, bin_ms)
    arrays = {
        **arrays_of(found, groups, W, T, bin_ms),
        "stimulus": np.array(own.task.stimulus_windows, float).reshape(-1, 2) * RATE_STEP_MS,
        "window": np.array(window, float) * bin_ms,
        "conditions": np.unique(conditions),
    }
    return AnalysisResult(numbers_of({**found, "weights": arrays["weights"]}, groups), arrays)


def bin_of(own: Converted) -> float:
    """The bins in which currents are averaged: the steps of rate networks, or columns of the input where these are
    longer or have no whole number of steps.

    Args:
        own: the network.

    Returns:
        their length, ms.

    Source:
        docs/model.md 5.2.
    """
    s = own.settings
    whole = s.steps_per_column % s.downsample == 0
    return RATE_STEP_MS if whole else s.steps_per_column * s.step


def external_currents(own: Converted, seed: int, n_trials: int, T: int, bin_ms: float) -> Float[np.ndarray, "B T N"]:
    """The currents from inputs and of a stimulation, without the constant current of all units.

    Args:
        own: the network with its task.
        seed: of the run.
        n_trials: number of trials.
        T: bins of the longest trial.
        bin_ms: length of a bin, ms.

    Returns:
        (B, T, N), mV; NaN after the end of shorter trials.

    Source:
        docs/model.md 5.2, equation 8.
    """
    from ratecore.experiment.analyses.spiking import stimuli_of
    from ratecore.spiking.lif import Simulator

    simulator, s = Simulator(own.model, own.settings), own.settings
    bins = round(s.steps_per_column * s.step / bin_ms)  # of each column that downsampling keeps
    found = np.full((n_trials, T, own.model.N), np.nan)
    for row, (u, _) in zip(found, stimuli_of(own, seed, n_trials), strict=True):
        own_bins = round(simulator.steps(u.shape[1]) * s.step / bin_ms)
        row[:own_bins] = np.repeat(simulator.drive(u) - s.constant_current, bins, 0)[:own_bins]
    return found


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw currents over time of the first network, and the balance of the units of all of them.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    return balance_figures(networks, "spike_balance", "mV")

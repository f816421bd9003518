"""The spikes that analyses share. A module of its own, so that the simulation is no code of other analyses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratecore.spiking.activity import trial_spikes
from ratecore.spiking.conversion import scored_network
from ratecore.spiking.source import model_of
from ratecore.spiking.testing import tested

if TYPE_CHECKING:
    from ratecore.rate.results import TrainingResult
    from ratecore.settings.run import RunSettings
    from ratecore.spiking.results import SpikeTrials


def spikes_of(settings: RunSettings, result: TrainingResult, scaling_factor: float, n_trials: int) -> SpikeTrials:
    """Simulate the first trials of a conversion again, with the network as it was scored.

    Args:
        settings: of the run.
        result: of its training.
        scaling_factor: lambda, unitless.
        n_trials: number of trials.

    Returns:
        the spikes.

    Source:
        docs/model.md 5.
    """
    s = settings
    task, model, spiking = tested(s, model_of(result.net, result.initial), result.net)
    model = scored_network(model, s.conversion, s.seed, spiking.use_initial_weights)
    numbers, output_of_step = range(n_trials), s.conversion.output_of_step
    return trial_spikes(task, model, spiking, scaling_factor, s.seed, numbers, output_of_step=output_of_step)

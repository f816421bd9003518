"""The spikes that analyses share. A module of its own, so that the simulation is no code of other analyses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ratecore.rate.saved import SavedNetwork
from ratecore.spiking.activity import trial_spikes
from ratecore.spiking.conversion import scored_network
from ratecore.spiking.scoring import TrialsOfTask
from ratecore.spiking.source import model_of
from ratecore.spiking.testing import tested
from ratecore.tasks.trials import Trial

if TYPE_CHECKING:
    from ratecore.rate.results import TrainingResult
    from ratecore.settings.run import RunSettings
    from ratecore.settings.spiking import SpikingSettings
    from ratecore.spiking.results import SpikeTrials
    from ratecore.spiking.source import RateModel
    from ratecore.tasks.base import AbstractTask


@dataclass(frozen=True)
class Converted:
    """What a conversion scores.

    Attributes:
        task: as it tests it.
        model: the network, with what the conversion changes.
        settings: of the simulation.
    """

    task: AbstractTask
    model: RateModel
    settings: SpikingSettings


def converted(settings: RunSettings, result: TrainingResult | SavedNetwork) -> Converted:
    """Make the network that a conversion scores again.

    Args:
        settings: of the run.
        result: of its training, or its network as arrays, see `Material.converted_from`.

    Returns:
        the network with its task.

    Source:
        docs/model.md 5.
    """
    s, net = settings, None if isinstance(result, SavedNetwork) else result.net
    model = model_of(result if isinstance(result, SavedNetwork) else result.net, result.initial)
    task, model, spiking = tested(s, model, net)
    return Converted(task, scored_network(model, s.conversion, s.seed, spiking.use_initial_weights), spiking)


def spikes_of(
    settings: RunSettings, result: TrainingResult | SavedNetwork, scaling_factor: float, n_trials: int
) -> SpikeTrials:
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
    own = converted(settings, result)
    numbers, output_of_step = range(n_trials), settings.conversion.output_of_step
    return trial_spikes(
        own.task, own.model, own.settings, scaling_factor, settings.seed, numbers, output_of_step=output_of_step
    )


def first_spikes(drawn: SpikeTrials, n: int) -> SpikeTrials:
    """Take the first trials of several.

    Args:
        drawn: at least n trials.
        n: number of trials.

    Returns:
        the same as if only these had been simulated, but for outputs as long as those of all trials.

    Source: none
    """
    if len(drawn.numbers) == n:
        return drawn
    spikes = slice(int(np.searchsorted(drawn.trials, n)))
    of_spikes = {name: getattr(drawn, name)[spikes] for name in ("times", "units", "trials")}
    names = ("numbers", "counts", "o", "condition", "choice", "correct", "duration")
    return replace(drawn, **of_spikes, **{name: getattr(drawn, name)[:n] for name in names})


def stimuli_of(own: Converted, seed: int, n_trials: int) -> list[tuple[Float[np.ndarray, "n_in T"], Trial | None]]:
    """Draw the stimuli of the first trials of a conversion again.

    Args:
        own: the network with its task.
        seed: of the run.
        n_trials: number of trials.

    Returns:
        stimulus u (n_in, T), unitless, with the noise of the inputs, and the trial of a task that draws a Trial, of
        each.

    Source:
        docs/model.md 5.2.
    """
    trials = TrialsOfTask(own.model, own.task, own.settings, seed)
    drawn: list[tuple[Any, Any, Any]] = [trials.draw(k) for k in range(n_trials)]
    return [(u, scored_by if isinstance(scored_by, Trial) else None) for u, scored_by, _ in drawn]

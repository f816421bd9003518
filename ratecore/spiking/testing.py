"""What is converted: the task and the network, as a run's settings of the conversion change them."""

from __future__ import annotations

from dataclasses import replace

from ratecore.settings.run import RunSettings
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.source import RateModel
from ratecore.tasks import AbstractTask


def tested(settings: RunSettings, model: RateModel) -> tuple[AbstractTask, RateModel, SpikingSettings]:
    """Make the task, the network and the simulation of a conversion from those of training.

    Args:
        settings: of the run; its section `conversion` says where the network is tested.
        model: the trained network, which stays as it is.

    Returns:
        the task, with `conversion.task_settings` over the settings of training; the network, with
        `conversion.input_gain`: `model` itself where nothing changes it; and the settings `spiking`.

    Raises:
        ValueError: settings that the task cannot have.

    Source: none
    """
    chosen = settings.conversion
    task = settings.tested_task("conversion")
    return task, changed(model, chosen.input_gain, elsewhere=bool(chosen.task_settings)), settings.spiking


def changed(model: RateModel, input_gain: float = 1.0, *, elsewhere: bool = False) -> RateModel:
    """Copy a network with other input weights.

    Args:
        model: any, which stays as it is.
        input_gain: factor of the input weights, unitless.
        elsewhere: whether the network is tested with other settings of its task on purpose, so that nothing says that
            they differ from those in its file.

    Returns:
        the copy; `model` itself where nothing changes.

    Raises:
        ValueError: a negative gain.

    Source:
        docs/model.md 5.1.
    """
    if not 0 <= input_gain < float("inf"):
        raise ValueError(f"input_gain = {input_gain!r}; it must be a finite number >= 0")
    other = model if input_gain == 1 else replace(model, w_in=input_gain * model.w_in)
    return replace(other, task=None) if elsewhere and other.task is not None else other

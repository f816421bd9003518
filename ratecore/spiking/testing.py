"""What is converted: the task and the network, as a run's settings of the conversion change them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ratecore.settings.run import RunSettings
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.source import RateModel
from ratecore.tasks import AbstractTask

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork


def tested(
    settings: RunSettings,
    model: RateModel,
    net: RateNetwork | None = None,  # noqa: PT028  # no test
) -> tuple[AbstractTask, RateModel, SpikingSettings]:
    """Make the task, the network and the simulation of a conversion from those of training.

    Args:
        settings: of the run; its section `conversion` says where the network is tested.
        model: the trained network, which stays as it is.
        net: the same as a rate network, in which the named sets of units are found; needed if the settings use some.

    Returns:
        the task, with `conversion.task_settings` over the settings of training; the network in which lambda is
        searched, with `conversion.input_gain` and the sets of units: `model` itself where nothing changes it; and the
        settings `spiking`. `ratecore.spiking.conversion.scored_network` makes the network that is then scored, with
        `conversion.lesion` and `conversion.perturbation`, from these.

    Raises:
        ValueError: settings that the task cannot have, or a set of units that the network cannot have.

    Source: none
    """
    chosen, sections = settings.conversion, ("spiking", "conversion")
    task = settings.tested_task("conversion")
    if model.sets is None and (settings.network.areas or settings.sets_used_in(*sections)):
        if net is None:
            raise ValueError("net is None; it must be the rate network, in which the sets of units are found")
        from ratecore.rate.tuning import unit_sets_of  # with PyTorch

        model = replace(model, sets=unit_sets_of(settings, net, sections))
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

"""What is tested after training: the task and the network, as a run's settings of the evaluation change them."""

from __future__ import annotations

import copy

import torch

from ratecore.rate.network import RateNetwork
from ratecore.rate.perturbation import perturbed
from ratecore.rate.tuning import unit_sets_of
from ratecore.settings.run import RunSettings
from ratecore.tasks import AbstractTask


def tested(settings: RunSettings, net: RateNetwork) -> tuple[AbstractTask, RateNetwork]:
    """Make the task and the network of the evaluation from those of training.

    Args:
        settings: of the run; its section `evaluation` says where the network is tested.
        net: the trained network, which stays as it is.

    Returns:
        the task, with `evaluation.task_settings` over the settings of training, and the network, with
        `evaluation.noise_sd`, `evaluation.input_gain` and `evaluation.perturbation`: `net` itself where nothing changes
        it.

    Raises:
        ValueError: settings that the task cannot have, or a set of units that the network cannot have.

    Source: none
    """
    chosen = settings.evaluation
    task = settings.tested_task("evaluation")
    other = changed(net, chosen.noise_sd, chosen.input_gain, elsewhere=bool(chosen.task_settings))
    if chosen.perturbation.changes_nothing:
        return task, other
    # Tuning is that of the network as it was trained, on its own task.
    return task, perturbed(other, chosen.perturbation, settings.seed, unit_sets_of(settings, net, ("evaluation",)))


def changed(
    net: RateNetwork, noise_sd: float | None = None, input_gain: float = 1.0, *, elsewhere: bool = False
) -> RateNetwork:
    """Copy a network with another noise or other input weights.

    Args:
        net: any, which stays as it is.
        noise_sd: standard deviation of the noise that is added to each unit at every step, unitless; that of the
            network when None.
        input_gain: factor of the input weights, unitless.
        elsewhere: whether the network is tested with other settings of its task on purpose, so that nothing says that
            they differ from those in its file.

    Returns:
        the copy; `net` itself where nothing changes.

    Raises:
        ValueError: a negative number.

    Source:
        docs/model.md 1.1, equation 1.
    """
    for name, value in (("noise_sd", noise_sd or 0.0), ("input_gain", input_gain)):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} = {value!r}; it must be a finite number >= 0")
    elsewhere = elsewhere and getattr(net, "saved_task", None) is not None
    if noise_sd is None and input_gain == 1 and not elsewhere:
        return net
    other = copy.deepcopy(net)
    if noise_sd is not None:
        other.settings = net.settings.model_copy(update={"noise_sd": float(noise_sd)})
    if input_gain != 1:
        with torch.no_grad():
            other.w_in.mul_(input_gain)
    if elsewhere:
        other.saved_task = None
    return other

"""The network of a file as the start of a training (`training.start_from`)."""

from __future__ import annotations

import copy

from ratecore.formats.errors import FormatError
from ratecore.formats.pth import Device
from ratecore.formats.reading import load_network
from ratecore.rate.network import RateNetwork
from ratecore.rate.results import TrainingResult
from ratecore.settings.base import SettingsError, shown
from ratecore.settings.reading import local_path
from ratecore.settings.run import RunSettings

# The other settings only say how a network is drawn, or what of it is trained.
_SAME = (
    *("N", "som_N", "apply_dale", "activation", "taus"),
    *("autapses", "areas", "has_mask", "input_units", "output_units", "readout_dale"),
)


def start_of(settings: RunSettings, device: Device = "cpu") -> TrainingResult | None:
    """Read the network that a training starts from.

    Args:
        settings: of the run.
        device: of the network.

    Returns:
        a result without any trial, whose network has the weights, masks, types and time constants of the file; None if
        training starts from a new network.

    Raises:
        SettingsError: the file cannot be read, or its network does not fit the settings or the task.
    """
    path = settings.training.start_from
    if path is None:
        return None
    try:
        net: RateNetwork = load_network(local_path(path) or path, device)
    except FormatError as error:
        raise _refused(str(error)) from None
    task, own = settings.create_task(0), net.settings
    for name in _SAME:
        given, wanted = getattr(own, name), getattr(settings.network, name)
        if given != wanted or (isinstance(given, dict) and list(given) != list(wanted)):  # the order of areas counts
            raise _refused(f"{path}: its network has {name} = {shown(given)}; network.{name} is {shown(wanted)}")
    if net.x0_mean is not None and "x0" not in settings.network.trained:
        raise _refused(f"{path}: its network has a trained first state; network.trained must have x0, too")
    shapes = (("inputs", net.w_in.shape[1], task.n_inputs), ("outputs", net.n_out, task.n_outputs))
    for what, n, wanted in shapes:
        if n != wanted:
            raise _refused(f"{path}: its network has {n} {what}; task {task.name} has {wanted}")
    state = net.state_dict() | {"_extra_state": settings.network.model_dump(mode="json")}
    net.load_state_dict(state)
    return TrainingResult(net, copy.deepcopy(net.state_dict()))


def _refused(message: str) -> SettingsError:
    return SettingsError([(("training", "start_from"), f": {message}")])

"""The network of a file as the start of a training (`training.start_from`)."""

from __future__ import annotations

import copy
from collections.abc import Callable

from ratecore.formats.containers import StrPath
from ratecore.formats.errors import FormatError
from ratecore.formats.pth import Device
from ratecore.formats.reading import load_network
from ratecore.rate.network import RateNetwork
from ratecore.rate.results import TrainingResult
from ratecore.settings.reading import local_path
from ratecore.settings.run import RunSettings
from ratecore.settings.starts import as_text, check_sizes, check_start, refused


def start_of(
    settings: RunSettings, device: Device = "cpu", network_of: Callable[[RunSettings], StrPath] | None = None
) -> TrainingResult | None:
    """Read the network that a training starts from.

    Args:
        settings: of the run.
        device: of the network.
        network_of: gives the file of another run's network, for a training that starts from another point of a grid.

    Returns:
        a result without any trial, whose network has the weights, masks, types and time constants of the file; None if
        training starts from a new network.

    Raises:
        SettingsError: the file cannot be read, or its network does not fit the settings or the task.
    """
    given = settings.training.start_from
    if given is None:
        return None
    if isinstance(given, str):
        path: StrPath = local_path(given) or given
    elif network_of is None or settings.start is None:
        raise refused(f"{as_text(given)}: it is a point of a grid; for a network alone, give the file of the other")
    else:
        path = network_of(settings.start)
    try:
        net: RateNetwork = load_network(path, device)
    except FormatError as error:
        raise refused(str(error)) from None
    name = given if isinstance(given, str) else str(path)
    check_start(name, net.settings, settings.network)
    check_sizes(name, (net.w_in.shape[1], net.n_out), settings.create_task(0))
    state = net.state_dict() | {"_extra_state": settings.network.model_dump(mode="json")}
    net.load_state_dict(state)
    return TrainingResult(net, copy.deepcopy(net.state_dict()))

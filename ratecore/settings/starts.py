"""The network that a training starts from: of a file, or of another point of the grid (`training.start_from`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratecore.settings.base import SettingsError, shown
from ratecore.settings.network import NetworkSettings

KEY = ("training", "start_from")
# The other settings only say how a network is drawn, or what of it is trained.
_SAME = (
    *("N", "som_N", "apply_dale", "activation", "taus"),
    *("autapses", "areas", "has_mask", "input_units", "output_units", "named_units", "readout_dale"),
)


def refused(message: str) -> SettingsError:
    """The error for a start that cannot be used.

    Args:
        message: after the key and a colon.

    Returns:
        an error, not yet raised.
    """
    return SettingsError([(KEY, f": {message}")])


def check_start(name: str, own: NetworkSettings, wanted: NetworkSettings) -> None:
    """Check that a training can start from a network with other settings.

    Args:
        name: of the file or of the point of the grid.
        own: settings of the network that it starts from.
        wanted: settings of the network that is trained.

    Raises:
        SettingsError: names the setting that must be the same.
    """
    for key in _SAME:
        given, needed = getattr(own, key), getattr(wanted, key)
        if given != needed or (isinstance(given, dict) and list(given) != list(needed)):  # the order of areas counts
            raise refused(f"{name}: its network has {key} = {shown(given)}; network.{key} is {shown(needed)}")
    if "x0" in own.trained and "x0" not in wanted.trained:
        raise refused(f"{name}: its network has a trained first state; network.trained must have x0, too")


def check_sizes(name: str, sizes: tuple[int, int], task: Any) -> None:
    """Check that a network that a training starts from has the inputs and outputs of the task.

    Args:
        name: of the file or of the point of the grid.
        sizes: its numbers of inputs and outputs.
        task: of the training.

    Raises:
        SettingsError: it has not.
    """
    for what, n, needed in zip(("inputs", "outputs"), sizes, (task.n_inputs, task.n_outputs), strict=True):
        if n != needed:
            raise refused(f"{name}: its network has {n} {what}; task {task.name} has {needed}")


def with_changes(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run with those by which the run that it starts from differs.

    Args:
        values: sections and values, which are changed.
        changes: 'task', or the section and the name of a setting: value.

    Returns:
        the settings.

    Raises:
        SettingsError: a name is no setting that a trained network depends on.
    """
    if changes.get("task", values["task"]) != values["task"]:
        values["task_settings"] = {}  # those of another task
    for name, value in changes.items():
        section, *keys = name.split(".", 1) if name.startswith("task_settings.") else name.split(".")
        place: Any = values
        path = (section, *keys)
        for key in path[:-1]:
            place = place.get(key) if isinstance(place, dict) else None
        known = isinstance(place, dict) and (section == "task_settings" or path[-1] in place)
        if (
            not known
            or section not in ("task", "task_settings", "network", "training")
            or (not keys and name != "task")
        ):
            allowed = "task, task_settings.<key>, and network.<key> and training.<key> of a setting"
            raise refused(f"unknown setting {shown(name)}; allowed: {allowed}")
        place[path[-1]] = value
    return values


def as_text(changes: Mapping[str, Any]) -> str:
    """The settings by which the run that a training starts from differs, as messages and paths show them.

    Args:
        changes: name: value.

    Returns:
        'delay=10, N=200'.
    """
    return ", ".join(f"{name.rpartition('.')[2]}={value}" for name, value in changes.items())

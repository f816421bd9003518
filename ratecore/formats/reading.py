"""The network in a file, whoever wrote it: one way for all readers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ratecore.formats.conform import BEFORE_TRAINING, OPTIONAL, REQUIRED, conform, port_inputs
from ratecore.formats.errors import FormatError, first_line, say_once
from ratecore.formats.mat import network_from_arrays, read_variables
from ratecore.formats.pth import content_of_pth, network_from_state, port_state
from ratecore.formats.task_settings import VARIABLES, SavedTask, fields_of, task_in, task_in_pth
from ratecore.rate.network import RateNetwork
from ratecore.settings.network import ACTIVATIONS

_NAMES = (*REQUIRED, *OPTIONAL, *BEFORE_TRAINING, *VARIABLES, "x")


@dataclass(frozen=True)
class NetworkFile:
    """What a file holds.

    Attributes:
        path.   task: what it says of its task.
        arrays: as `conform` gives them, of a `.mat` file.   content: of a `.pth` file of ratecore; one of them is None.
    """

    path: Path
    task: SavedTask
    arrays: dict | None = None
    content: dict | None = None


def read_network(path) -> NetworkFile:
    """Reads the `.mat` or `.pth` file of a network. What is assumed or converted is said in one line on stderr.

    Raises:
        FormatError: not there, damaged, or not the file of a network.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path}: there is no such file")
    if path.suffix.lower() not in (".mat", ".pth", ".pt"):
        raise FormatError(f"{path}: a network is saved as .mat or .pth, not {path.suffix or 'without a suffix'}")
    try:
        return _of_mat(path) if path.suffix.lower() == ".mat" else _of_pth(path)
    except FormatError:
        raise
    except Exception as error:  # of many kinds for a file that is not what it should be: every one is named
        raise FormatError(f"{path}: {first_line(error)}") from error


def load_network(path, device="cpu", dtype=torch.float32) -> RateNetwork:
    """The trained network in a `.mat` or `.pth` file.

    Returns:
        the network; its `saved_task` is what the file says of its task.

    Raises:
        FormatError: not there, damaged, or not the file of a network.
    """
    file = read_network(path)
    try:
        if file.content is not None:
            net = network_from_state(file.content["model_state_dict"], device, dtype)
        else:
            net = network_from_arrays(file.arrays, device, dtype)
        net.saved_task = file.task
        return net
    except Exception as error:  # as above
        raise FormatError(f"{path}: {first_line(error)}") from error


def load_task(path, name: str | None = None, settings: dict | None = None):
    """The task that a saved network was trained on, with its settings.

    Args:
        path: of a `.mat` or `.pth` file.
        name: of a registered task; by default the one in the file.
        settings: settings of the task in place of those in the file.

    Returns:
        an AbstractTask. Where the file holds no settings, those that its example stimulus shows are taken, the
        defaults for the rest, and one line on stderr says so.

    Raises:
        FormatError: the file cannot be read, or the network was trained on another task.   ValueError: unknown names.
    """
    return read_network(Path(path)).task.create(name, settings)


def _of_mat(path: Path) -> NetworkFile:
    notes = []
    content = _unpacked(read_variables(path, _NAMES, nested=True), path, notes)
    if "activation" not in content and (named := _named_activation(path)):
        content["activation"] = np.array([named])
        notes.append(f"it has no activation: {named} by its name")
    arrays = conform(content, notes)
    n_in = arrays["w_in"].shape[1]
    task = task_in(content, str(path), n_in)
    if task.u is not None and port_inputs(task.u, n_in):
        notes.append(
            "a mante network of the PyTorch port: its inputs are context, colour and motion, those of task mante here "
            "are motion, colour and a context each; scores on the task here mean nothing"
        )
    if task.settings is None:
        task = _task_beside(path, task) or task
    say_once(path, notes)
    return NetworkFile(path, task, arrays=arrays)


def _unpacked(content: dict, path: Path, notes: list[str]) -> dict:
    """The variables of a file, or those in the one structure of it that holds a network."""
    if "w" in content:
        return content
    found = {}
    for name, value in read_variables(path, None, nested=True).items():
        try:
            fields = fields_of(value)
        except ValueError:
            continue
        if {"w", "w_in", "w_out"} <= fields.keys():
            found[name] = fields
    if len(found) > 1:
        raise ValueError(f"it has no w, and {len(found)} structures that have one: {', '.join(found)}; save one alone")
    for name, fields in found.items():
        notes.append(f"its network is in the structure {name}")
        return {key: value for key, value in fields.items() if key in _NAMES}
    return content


def _named_activation(path: Path) -> str | None:
    found = re.search(r"_Act_([a-z_]+?)_\d{4}_\d{2}_\d{2}", path.name)
    return found[1] if found and found[1] in ACTIVATIONS else None


def _task_beside(path: Path, task: SavedTask) -> SavedTask | None:
    """The task in the `.pth` that the PyTorch port saves with a `.mat`, where there is one."""
    beside = path.with_suffix(".pth")
    try:
        content = content_of_pth(beside) if beside.is_file() else None
        if port_state(content) is None or not isinstance(content.get("settings"), dict):
            return None
        found = task_in_pth(content["settings"], str(path), task.n_in, ours=False)
        return found if found.settings is not None and (task.name or found.name) == found.name else None
    except (FormatError, ValueError, TypeError):
        return None


def _of_pth(path: Path) -> NetworkFile:
    content = content_of_pth(path)
    if (state := port_state(content)) is None:
        n_in = content["model_state_dict"]["w_in"].shape[1]
        settings = content.get("settings")
        return NetworkFile(path, task_in_pth(settings if isinstance(settings, dict) else {}, str(path), n_in),
                           content=content)  # fmt: skip
    mat = path.with_suffix(".mat")
    if not mat.is_file():
        raise FormatError(
            f"{path}: a network of the PyTorch port, whose .pth cannot be run alone: it holds w, w_out and b_out, but "
            f"not the masks and input weights; put the {mat.name} that was saved with it beside it, or save one"
        )
    file = _of_mat(mat)
    for name, value in state.items():
        of_mat, rounding = file.arrays[name], max(1e-4, torch.finfo(value.dtype).eps)  # of half precision it is more
        value = value.detach().double().numpy().ravel()
        if value.size != of_mat.size or not np.allclose(value, of_mat.ravel(), rounding, 1e-6):
            raise FormatError(f"{path}: {mat.name} beside it is of another network, its {name} differs")
    say_once(path, [f"a network of the PyTorch port: masks, input weights and time constants are those of {mat.name}"])
    return NetworkFile(path, file.task, arrays=file.arrays)

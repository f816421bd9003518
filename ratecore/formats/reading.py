"""Reads the network in a file of ratecore or of the existing packages. All readers use this module."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratecore.formats.conform import BEFORE_TRAINING, OPTIONAL, REQUIRED, conform, port_inputs
from ratecore.formats.containers import Content, StrPath
from ratecore.formats.errors import FormatError, first_line, say_once
from ratecore.formats.mat import network_from_arrays, read_variables
from ratecore.formats.pth import content_of_pth, network_from_state, port_state
from ratecore.formats.task_settings import VARIABLES, SavedTask, fields_of, task_in, task_in_pth
from ratecore.rate.network import RateNetwork
from ratecore.settings.network import ACTIVATIONS
from ratecore.tasks import AbstractTask

_NAMES = (*REQUIRED, *OPTIONAL, *BEFORE_TRAINING, *VARIABLES, "x")


@dataclass(frozen=True)
class NetworkFile:
    """The network in a file. Either `arrays` or `content` is None.

    Attributes:
        path: of the file.
        task: what the file says about its task.
        arrays: from a `.mat` file, as `conform` returns them.
        content: of a `.pth` file of ratecore.
        notes: the file that they are about, and what was assumed or converted in it.
    """

    path: Path
    task: SavedTask
    arrays: Content | None = None
    content: Content | None = None
    notes: tuple[tuple[Path, list[str]], ...] = ()


def read_network(path: StrPath, quiet: bool = False) -> NetworkFile:
    """Read the `.mat` or `.pth` file of a network. One line on stderr tells what was assumed or converted.

    Args:
        path: of the file.
        quiet: whether there is no such line, since the caller tells it.

    Returns:
        the network and what the file says about its task.

    Raises:
        FormatError: missing, damaged, or not the file of a network.
    """
    path = Path(path)
    if not path.is_file():
        what = "it is a folder, not the file of a network" if path.is_dir() else "there is no such file"
        raise FormatError(f"{path}: {what}")
    if path.suffix.lower() not in (".mat", ".pth", ".pt"):
        raise FormatError(f"{path}: a network is saved as .mat or .pth, not {path.suffix or 'without a suffix'}")
    try:
        file = _of_mat(path) if path.suffix.lower() == ".mat" else _of_pth(path)
    except FormatError:
        raise
    except Exception as error:  # other files raise errors of many kinds
        raise FormatError(f"{path}: {first_line(error)}") from error
    for source, notes in () if quiet else file.notes:
        say_once(source, notes)
    return file


def load_network(
    path: StrPath, device: str | torch.device | None = "cpu", dtype: torch.dtype | None = torch.float32
) -> RateNetwork:
    """Load the trained network in a `.mat` or `.pth` file.

    Args:
        path: of the file.
        device: of the network.
        dtype: of its numbers.

    Returns:
        the network; its `saved_task` is what the file says about its task.

    Raises:
        FormatError: missing, damaged, or not the file of a network.
    """
    file = read_network(path)
    try:
        if file.content is not None:
            net = network_from_state(file.content["model_state_dict"], device, dtype)
        else:
            net = network_from_arrays(file.arrays or {}, device, dtype)
        net.saved_task = file.task
        return net
    except Exception as error:  # as above
        raise FormatError(f"{path}: {first_line(error)}") from error


def load_task(
    path: StrPath, name: str | None = None, settings: dict[str, Any] | None = None, *, elsewhere: bool = False
) -> AbstractTask:
    """Load the task that a saved network was trained on, with its settings.

    Args:
        path: of a `.mat` or `.pth` file.
        name: of a registered task; by default the one in the file.
        settings: settings of the task that replace those in the file; a line on stderr names those that differ.
        elsewhere: whether the network is tested with them on purpose, so that there is no such line.

    Returns:
        the task. Where the file has no settings, they are inferred from its example stimulus, with defaults for the
        rest, and one line on stderr says so.

    Raises:
        FormatError: the file cannot be read, or the network was trained on another task.
        ValueError: unknown names.
    """
    return read_network(Path(path)).task.create(name, settings, elsewhere)


def _of_mat(path: Path) -> NetworkFile:
    notes: list[str] = []
    content = unpacked(read_variables(path, _NAMES, nested=True), path, _NAMES, notes)
    if "activation" not in content and (named := _named_activation(path)):
        content["activation"] = np.array([named])
        notes.append(f"it has no activation: {named} by its name")
    arrays = conform(content, notes)
    n_in = arrays["w_in"].shape[1]
    task = task_in(content, str(path), n_in, len(arrays["w_out"]))
    if task.u is not None and port_inputs(task.u, n_in):
        notes.append(
            "a mante network of the PyTorch port: its inputs are context, colour and motion, those of task mante here "
            "are motion, colour and one per context; scores on the task here mean nothing"
        )
    if task.settings is None:
        task = _task_beside(path, task) or task
    return NetworkFile(path, task, arrays=arrays, notes=((path, notes),))


def unpacked(content: Content, path: StrPath, names: Collection[str], notes: list[str]) -> Content:
    """Find the variables of a network in a file, or in the only structure in it that holds one.

    Args:
        content: variables of the file, with `w` if it has that.
        path: of the file.
        names: of the variables that are wanted.
        notes: extended by the name of the structure.

    Returns:
        variables by name.

    Raises:
        ValueError: there are several such structures.
    """
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
        raise ValueError(f"it has no w, and {len(found)} structures that have one: {', '.join(found)}; save only one")
    for name, fields in found.items():
        notes.append(f"its network is in the structure {name}")
        return {key: value for key, value in fields.items() if key in names}
    return content


def _named_activation(path: Path) -> str | None:
    found = re.search(r"_Act_([a-z_]+?)_\d{4}_\d{2}_\d{2}", path.name)
    return found[1] if found and found[1] in ACTIVATIONS else None


def _task_beside(path: Path, task: SavedTask) -> SavedTask | None:
    """The task in the `.pth` that the PyTorch port saves with a `.mat`, where there is one."""
    beside = path.with_suffix(".pth")
    try:
        content = content_of_pth(beside) if beside.is_file() else None
        if content is None or port_state(content) is None or not isinstance(content.get("settings"), dict):
            return None
        found = task_in_pth(content["settings"], str(path), task.n_in, task.n_out, ours=False)
        return found if found.settings is not None and (task.name or found.name) == found.name else None
    except (FormatError, ValueError, TypeError):
        return None


def _of_pth(path: Path) -> NetworkFile:
    content = content_of_pth(path)
    if (state := port_state(content)) is None:
        state_dict, settings = content["model_state_dict"], content.get("settings")
        n_in, n_out = state_dict["w_in"].shape[1], state_dict["w_out"].shape[0]
        task = task_in_pth(settings if isinstance(settings, dict) else {}, str(path), n_in, n_out)
        return NetworkFile(path, task, content=content)
    mat = path.with_suffix(".mat")
    if not mat.is_file():
        raise FormatError(
            f"{path}: a network of the PyTorch port, whose .pth cannot be run alone: it has w, w_out and b_out, but "
            f"not the masks and input weights; put the {mat.name} that was saved with it beside it, or save one"
        )
    file = _of_mat(mat)
    arrays = file.arrays or {}
    for name, tensor in state.items():
        expected, rounding = arrays[name], max(1e-4, torch.finfo(tensor.dtype).eps)  # half precision rounds more
        value = tensor.detach().double().numpy().ravel()
        if value.size != expected.size or not np.allclose(value, expected.ravel(), rounding, 1e-6):
            raise FormatError(f"{path}: {mat.name} beside it is of another network, its {name} differs")
    note = f"a network of the PyTorch port: masks, input weights and time constants are those of {mat.name}"
    return NetworkFile(path, file.task, arrays=file.arrays, notes=(*file.notes, (path, [note])))

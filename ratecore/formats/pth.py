"""`.pth` files: a trained network, or the saved state of a training (a checkpoint)."""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray

from ratecore.formats.containers import LARGEST, Content, StrPath, checked_zip
from ratecore.formats.errors import DamagedError, FormatError, bytes_of, first_line
from ratecore.rate import network
from ratecore.rate.results import TrainingResult
from ratecore.settings.network import NetworkSettings
from ratecore.settings.run import NOT_OF_THE_NETWORK, RunSettings
from ratecore.system.files import read_bounded, write_atomic
from ratecore.tasks.base import ACCURACY_AMPLITUDE  # `eval_amp_threh` of the `rate` package (docs/migrating.md)

PTH_FORMAT = "ratecore-1"
CHECKPOINT_FORMAT = b"ratecore-checkpoint-1"

Device = str | torch.device | None


def training_params(settings: RunSettings) -> Content:
    """The settings of a training under the names of the `rate` package's `training_params`.

    Args:
        settings: of the run.

    Returns:
        by name.
    """
    t = settings.training.last
    return {
        "learning_rate": t.learning_rate,
        "loss_threshold": t.loss_threshold,
        "eval_freq": t.eval_freq,
        "eval_tr": t.eval_tr,
        "eval_amp_threh": ACCURACY_AMPLITUDE,
        "activation": settings.network.activation,
        "loss_fn": t.loss_fn,
        "P_rec": settings.network.P_rec,
    }


def pth_bytes(settings: RunSettings, result: TrainingResult, **extra: object) -> bytes:
    """Make the `.pth` file of a training, which holds only plain values and tensors.

    Args:
        settings: of the run.
        result: of the training.
        **extra: further plain values.

    Returns:
        the file (docs/model.md 4).
    """
    task = {**settings.create_task().settings, "DeltaT": 1, "taus": list(settings.network.taus), "task": settings.task}
    content = {
        "format": PTH_FORMAT,
        "model_state_dict": result.net.state_dict(),
        "optimizer_state_dict": result.optimizer,
        "initial_state_dict": result.initial,
        "settings": task,
        "training_params": training_params(settings),
        "losses": torch.tensor(result.losses, dtype=torch.float64),
        "final_loss": result.losses[-1] if result.losses else math.nan,  # none for networks of some files
        "trial": result.n_trials,
        "tests": result.tests,
        "trained": result.trained,
        # Without the settings of later stages: the same network is the same file, however it is scored and converted.
        "run_settings": settings.model_dump(mode="json", exclude=set(NOT_OF_THE_NETWORK)),
        "finished": result.finished,
    }
    if settings.training.stages:
        content["stages_ended"] = result.ended
    buffer = io.BytesIO()
    torch.save(content | extra, buffer)
    return buffer.getvalue()


def save_pth(path: StrPath, settings: RunSettings, result: TrainingResult) -> str:
    """Write a trained network atomically.

    Args:
        path: of the file.
        settings: of the run.
        result: of the training.

    Returns:
        SHA-256 of the file, 64 hexadecimal digits.
    """
    return write_atomic(path, pth_bytes(settings, result))


def load_pth(path: StrPath, device: Device = "cpu") -> Content:
    """Read a `.pth` file of ratecore.

    Args:
        path: of the file.
        device: of its tensors.

    Returns:
        the content (docs/model.md 4).

    Raises:
        FormatError: it cannot be read, or another program wrote it.
    """
    return _ours(path, _read_pth(path, bytes_of(path), device))


def content_of_pth(path: StrPath, device: Device = "cpu") -> Content:
    """Read a `.pth` file of ratecore or of the PyTorch port.

    Args:
        path: of the file.
        device: of its tensors.

    Returns:
        the content.

    Raises:
        FormatError: it cannot be read, or another program wrote it.
    """
    content = _read_pth(path, bytes_of(path), device)
    return content if _is_of_port(content) else _ours(path, content)


def _is_of_port(content: object) -> TypeGuard[Content]:
    return port_state(content) is not None


def port_state(content: object) -> dict[str, torch.Tensor] | None:
    """Get w, w_out and b_out of a file of the PyTorch port, which is a training's content or a bare state dict.

    Args:
        content: of a `.pth` file.

    Returns:
        w (N, N), w_out (1, N) and b_out (1,), or None for another file.

    Source:
        docs/model.md 4.
    """
    if not isinstance(content, dict) or "format" in content:
        return None
    state = content.get("model_state_dict", content)
    if isinstance(state, dict):  # torch.nn.DataParallel prefixes each name
        state = {str(key).removeprefix("module."): value for key, value in state.items()}
    if not isinstance(state, dict) or not {"w", "w_out", "b_out"} <= state.keys():
        return None
    state = {key: state[key] for key in ("w", "w_out", "b_out")}
    of_numbers = all(isinstance(value, torch.Tensor) and value.is_floating_point() for value in state.values())
    return state if of_numbers else None


class _Array(np.ndarray[Any, np.dtype[Any]]):
    """Replaces numpy.ndarray in a pickle: it cannot be allocated with a size before its numbers are read."""

    def __new__(cls, *arguments: object) -> _Array:
        raise ValueError(f"an array that says it has shape {arguments[:1]} and holds nothing")


def _empty_array(kind: type, shape: tuple[int, ...], dtype: object) -> NDArray[Any]:
    """The empty array that NumPy begins unpickling with."""
    if kind is not _Array or tuple(shape) != (0,):
        raise ValueError(f"an array that says it has shape {tuple(shape)} and holds nothing")
    return np.empty(0, "i1").view(_Array)


def _scalar(dtype: np.dtype[Any], data: bytes) -> Any:
    """A number of NumPy."""
    if dtype.kind not in "fiub":
        raise ValueError(f"a value of type {dtype}")
    return np.frombuffer(data, dtype, 1)[0]


def _plain_numpy() -> list[Any]:
    """Replacements for the constructors in pickled NumPy arrays and numbers (the port's losses); none runs code."""
    makers: dict[str, Callable[..., Any]] = {"_reconstruct": _empty_array, "scalar": _scalar}
    made = [(make, f"numpy.{core}.multiarray.{name}") for name, make in makers.items() for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "u1", "?")]
    return [*made, (_Array, "numpy.ndarray"), np.dtype, *kinds]


def _read_pth(path: StrPath, data: bytes, device: Device) -> object:
    try:
        checked_zip(data, packed=False)  # torch.load itself compares no checksums
        with torch.serialization.safe_globals(_plain_numpy()):
            content: object = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
        _refuse_repeated(content)
        return content
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({found[1]})" if found else ""
        raise FormatError(
            f"{path}: not a readable .pth file: it holds more than tensors and plain values{what}, which could run code"
        ) from error
    except zipfile.BadZipFile as error:
        old = "no file as torch saves it since version 1.6"
        what = "it is cut off or no file of torch" if data[:2] == b"PK" else old
        raise FormatError(f"{path}: not a readable .pth file: {what}") from error
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable .pth file: {first_line(error)}") from error


def _ours(path: StrPath, content: object) -> Content:
    if not isinstance(content, dict) or content.get("format") != PTH_FORMAT:
        raise FormatError(
            f"{path}: not a network saved by ratecore (its 'format' is not '{PTH_FORMAT}'); the .mat file of a network "
            "trained elsewhere can be read"
        )
    return content


def _refuse_repeated(content: object) -> None:
    """Raise ValueError for a tensor that repeats its numbers (a stride of 0): a few bytes could fill any memory."""
    left: list[object] = [content]
    seen: set[int] = set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.numel() * value.itemsize > value.untyped_storage().nbytes():
                raise ValueError(f"a tensor of shape {tuple(value.shape)} has more numbers than the file")
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple | set):
            left += value


def result_from_pth(path: StrPath, device: Device = "cpu") -> TrainingResult:
    """Read the result of a training from a `.pth` file. A task file named in it is not run.

    Args:
        path: of the file.
        device: of the network.

    Returns:
        the result.

    Raises:
        FormatError: it cannot be read, or another program wrote it.
    """
    return result_of_content(path, load_pth(path, device), device)


def result_of_content(path: StrPath, content: Content, device: Device = "cpu") -> TrainingResult:
    """Make the result of a training from the content of its `.pth` file.

    Args:
        path: of the file, for messages.
        content: from `load_pth`.
        device: of the network.

    Returns:
        the result.

    Raises:
        FormatError: the content is not that of a training.
    """
    try:
        _check_types(content)
        return TrainingResult(
            net=network_from_state(content["model_state_dict"], device),
            initial=content["initial_state_dict"],
            optimizer=content["optimizer_state_dict"],
            losses=content["losses"].tolist(),
            tests=content["tests"],
            trained=content["trained"],
            n_trials=content["trial"],
            seconds=content.get("seconds", 0.0),
            finished=content["finished"],
            ended=content.get("stages_ended", []),
        )
    except Exception as error:  # a file of another kind raises errors of many kinds
        raise FormatError(f"{path}: {first_line(error)}") from error


_KINDS: dict[str, type] = {
    "losses": torch.Tensor,
    "tests": list,
    "trained": bool,
    "trial": int,
    "finished": float,
    "initial_state_dict": dict,
    "optimizer_state_dict": dict,
}


def _check_types(content: Content) -> None:
    """Raise ValueError for a part of a training result that has the wrong type."""
    for key, kind in _KINDS.items():
        if not isinstance(content.get(key), kind):
            raise ValueError(f"'{key}' is {type(content.get(key)).__name__}; it must be {kind.__name__}")
    ended = content.get("stages_ended", [])
    if not isinstance(ended, list) or not all(isinstance(trial, int) for trial in ended):
        raise ValueError("'stages_ended' must be a list of integers")
    for test in content["tests"]:
        if not isinstance(test, dict) or not all(isinstance(value, int | float) for value in test.values()):
            raise ValueError("'tests' must be dicts of numbers")


def checkpoint_bytes(settings: RunSettings, result: TrainingResult, code: str) -> bytes:
    """Make a checkpoint: a line with the SHA-256 of the rest, and a `.pth` file with the identity of the run.

    Args:
        settings: of the run.
        result: of the training so far.
        code: hash of the code that trains it.

    Returns:
        the file.
    """
    data = pth_bytes(settings, result, seconds=result.seconds, identity=settings.identity("training"), code=code)
    return CHECKPOINT_FORMAT + b" " + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def result_from_checkpoint(path: StrPath, settings: RunSettings, code: str, device: Device = "cpu") -> TrainingResult:
    """Read a checkpoint.

    Args:
        path: of the file.
        settings: of the run, which the checkpoint must have, too.
        code: hash of the code that trains it.
        device: of the network.

    Returns:
        the result of the training so far.

    Raises:
        DamagedError: incomplete, or written by another version, whose next update might differ.
        FormatError: intact, and of other settings.
    """
    try:
        head, _, data = read_bounded(path, LARGEST).partition(b"\n")
    except ValueError as error:
        raise DamagedError(str(error)) from None
    if head != CHECKPOINT_FORMAT + b" " + hashlib.sha256(data).hexdigest().encode():
        raise DamagedError(f"{path}: a damaged checkpoint, its checksum does not match")
    content = _ours(path, _read_pth(path, data, device))
    if content.get("identity") != settings.identity("training"):
        raise FormatError(
            f"{path}: a checkpoint of other settings than this run's; move it away to train from the start"
        )
    if content.get("code") != code:
        raise DamagedError(f"{path}: a checkpoint of another version of ratecore")
    return result_of_content(path, content, device)


def network_from_state(
    state: Mapping[str, Any], device: Device, dtype: torch.dtype | None = None
) -> network.RateNetwork:
    """Make the network of a `state_dict`.

    Args:
        state: of a rate network.
        device: of the network.
        dtype: of its numbers; None keeps that of `w`.

    Returns:
        the network.

    Raises:
        ValueError: the state is not that of a network.
    """
    settings = NetworkSettings(**state["_extra_state"])
    arrays = {k: v.cpu() for k, v in state.items() if isinstance(v, torch.Tensor)}
    net: network.RateNetwork = network.RateNetwork.from_arrays(settings, arrays, device, dtype or arrays["w"].dtype)
    return net

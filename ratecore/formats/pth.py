"""`.pth` files: a trained network, or a training under way (a checkpoint)."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import zipfile

import numpy as np
import torch

from ratecore.formats.containers import LARGEST, checked_zip
from ratecore.formats.errors import DamagedError, FormatError, bytes_of, first_line
from ratecore.rate import network
from ratecore.rate.results import TrainingResult
from ratecore.settings.network import NetworkSettings
from ratecore.settings.run import AFTER_TRAINING, RunSettings
from ratecore.system.files import read_bounded, write_atomic
from ratecore.tasks.base import ACCURACY_AMPLITUDE  # `eval_amp_threh` of the `rate` package (docs/migrating.md)
from ratecore.tracking.provenance import code_hash

PTH_FORMAT = "ratecore-1"
CHECKPOINT_FORMAT = b"ratecore-checkpoint-1"


def training_params(settings: RunSettings) -> dict:
    """The seed package's `training_params` of a run."""
    t = settings.training
    return {"learning_rate": t.learning_rate, "loss_threshold": t.loss_threshold, "eval_freq": t.eval_freq,
            "eval_tr": t.eval_tr, "eval_amp_threh": ACCURACY_AMPLITUDE, "activation": settings.network.activation,
            "loss_fn": t.loss_fn, "P_rec": settings.network.P_rec}  # fmt: skip


def pth_bytes(settings: RunSettings, result, **extra) -> bytes:
    """A `.pth` file of plain values and tensors alone; a `TrainingResult` and the settings that led to it."""
    task = {**settings.create_task().settings, "DeltaT": 1, "taus": list(settings.network.taus), "task": settings.task}
    content = {
        "format": PTH_FORMAT,
        "model_state_dict": result.net.state_dict(),
        "optimizer_state_dict": result.optimizer,
        "initial_state_dict": result.initial,
        "settings": task,
        "training_params": training_params(settings),
        "losses": torch.tensor(result.losses, dtype=torch.float64),
        "final_loss": result.losses[-1],
        "trial": result.n_trials,
        "tests": result.tests,
        "trained": result.trained,
        # Without what comes after training: the same network is the same file, however it is scored and converted.
        "run_settings": settings.model_dump(mode="json", exclude=set(AFTER_TRAINING)),
        "finished": result.finished,
    }
    buffer = io.BytesIO()
    torch.save(content | extra, buffer)
    return buffer.getvalue()


def save_pth(path, settings: RunSettings, result) -> str:
    """Writes a trained network whole. Returns the file's SHA-256."""
    return write_atomic(path, pth_bytes(settings, result))


def load_pth(path, device="cpu") -> dict:
    """The content of a `.pth` file as written here. Raises FormatError for any other."""
    return _ours(path, _read_pth(path, bytes_of(path), device))


def content_of_pth(path, device="cpu") -> dict:
    """The content of a `.pth` file of ratecore or of the PyTorch port. Raises FormatError for any other."""
    content = _read_pth(path, bytes_of(path), device)
    return content if port_state(content) is not None else _ours(path, content)


def port_state(content) -> dict | None:
    """w, w_out and b_out of a file of the PyTorch port, or None: a training's content, or a bare state dict."""
    if not isinstance(content, dict) or "format" in content:
        return None
    state = content.get("model_state_dict", content)
    if isinstance(state, dict):  # torch.nn.DataParallel puts a word before each name
        state = {str(key).removeprefix("module."): value for key, value in state.items()}
    if not isinstance(state, dict) or not {"w", "w_out", "b_out"} <= state.keys():
        return None
    state = {key: state[key] for key in ("w", "w_out", "b_out")}
    of_numbers = all(isinstance(value, torch.Tensor) and value.is_floating_point() for value in state.values())
    return state if of_numbers else None


class _Array(np.ndarray):
    """What stands for an array in a pickle: it cannot be made with a size, before a number of it is read."""

    def __new__(cls, *of):
        raise ValueError(f"an array that says it has shape {of[:1]} and holds nothing")


def _empty_array(kind, shape, dtype) -> np.ndarray:
    """What NumPy begins an unpickled array with."""
    if kind is not _Array or tuple(shape) != (0,):
        raise ValueError(f"an array that says it has shape {tuple(shape)} and holds nothing")
    return np.empty(0, "i1").view(_Array)


def _scalar(dtype, data: bytes):
    """A number of NumPy."""
    if dtype.kind not in "fiub":
        raise ValueError(f"a value of type {dtype}")
    return np.frombuffer(data, dtype, 1)[0]


def _plain_numpy() -> list:
    """What pickles of NumPy's arrays and numbers are made with, as the port's losses are; none of it runs code."""
    makers = {"_reconstruct": _empty_array, "scalar": _scalar}
    made = [(make, f"numpy.{core}.multiarray.{name}") for name, make in makers.items() for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "u1", "?")]
    return [*made, (_Array, "numpy.ndarray"), np.dtype, *kinds]


def _read_pth(path, data: bytes, device):
    try:
        checked_zip(data, packed=False)  # torch.load itself compares no checksums
        with torch.serialization.safe_globals(_plain_numpy()):
            content = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
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
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable .pth file: {first_line(error)}") from error


def _ours(path, content) -> dict:
    if not isinstance(content, dict) or content.get("format") != PTH_FORMAT:
        raise FormatError(
            f"{path}: not a network saved by ratecore (its 'format' is not '{PTH_FORMAT}'); the .mat file of a network "
            "trained elsewhere can be read"
        )
    return content


def _refuse_repeated(content) -> None:
    """Raises ValueError for a tensor that repeats its numbers (a stride of 0): a few bytes could fill any memory."""
    left, seen = [content], set()
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


def result_from_pth(path, device="cpu"):
    """The `TrainingResult` in a `.pth` file. Settings in it stay data: a task file that they name is not run."""
    return result_of_content(path, load_pth(path, device), device)


def result_of_content(path, content: dict, device="cpu"):
    """The `TrainingResult` in the content of a `.pth` file."""
    try:
        _check_types(content)
        return TrainingResult(
            network_from_state(content["model_state_dict"], device), content["initial_state_dict"],
            content["optimizer_state_dict"], content["losses"].tolist(), content["tests"],
            trained=content["trained"], n_trials=content["trial"], seconds=content.get("seconds", 0.0),
            finished=content["finished"],
        )  # fmt: skip
    except Exception as error:  # of many kinds for a file that is not what it should be: every one is named
        raise FormatError(f"{path}: {first_line(error)}") from error


def _check_types(content: dict) -> None:
    """Raises ValueError for a part of a training result that is of another kind than it should be."""
    kinds = {"losses": torch.Tensor, "tests": list, "trained": bool, "trial": int, "finished": float,
             "initial_state_dict": dict, "optimizer_state_dict": dict}  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            raise ValueError(f"'{key}' is {type(content.get(key)).__name__}; it must be {kind.__name__}")
    for test in content["tests"]:
        if not isinstance(test, dict) or not all(isinstance(value, int | float) for value in test.values()):
            raise ValueError("'tests' must be dicts of numbers")


def checkpoint_bytes(settings: RunSettings, result) -> bytes:
    """A training under way: a line with the SHA-256 of the rest, and a `.pth` file with the identity of the run."""
    data = pth_bytes(settings, result, seconds=result.seconds, identity=settings.identity("training"), code=code_hash())
    return CHECKPOINT_FORMAT + b" " + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def result_from_checkpoint(path, settings: RunSettings, device="cpu"):
    """The `TrainingResult` in a checkpoint of these settings.

    Raises:
        DamagedError: not whole, or written by other code, whose next update might be another.
        FormatError: it is whole, and of other settings.
    """
    try:
        head, _, data = read_bounded(path, LARGEST).partition(b"\n")
    except ValueError as error:
        raise DamagedError(str(error)) from None
    if head != CHECKPOINT_FORMAT + b" " + hashlib.sha256(data).hexdigest().encode():
        raise DamagedError(f"{path}: not a whole checkpoint, its checksum does not match")
    content = _ours(path, _read_pth(path, data, device))
    if content.get("identity") != settings.identity("training"):
        raise FormatError(
            f"{path}: a checkpoint of other settings than this run's; move it away to train from the start"
        )
    if content.get("code") != code_hash():
        raise DamagedError(f"{path}: a checkpoint of another version of ratecore")
    return result_of_content(path, content, device)


def network_from_state(state, device, dtype=None) -> network.RateNetwork:
    """The network of a `state_dict`, in its own type of numbers or `dtype`. Raises ValueError for what is none."""
    settings = NetworkSettings(**state["_extra_state"])
    arrays = {k: v.cpu() for k, v in state.items() if isinstance(v, torch.Tensor)}
    return network.RateNetwork.from_arrays(settings, arrays, device, dtype or arrays["w"].dtype)

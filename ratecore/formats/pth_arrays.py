"""`.pth` files of ratecore as arrays, read without PyTorch, whose import takes longer than most jobs.

A `.pth` file is a zip archive of a pickle and of the numbers of its tensors. The pickle can make only what is listed
here, so that nothing in it runs; checksums are compared first, as for all files.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratecore.formats.containers import Content, StrPath, checked_zip
from ratecore.formats.errors import FormatError, bytes_of, first_line
from ratecore.rate.saved import SavedNetwork
from ratecore.settings.network import NetworkSettings

PTH_FORMAT = "ratecore-1"
_TYPES = {
    "HalfStorage": "<f2",
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "BoolStorage": "?",
    "ByteStorage": "u1",
}
_ARRAYS = ("w", "w_in", "w_out", "b_out", "taus_gaus", "m", "som_m")


class _Unpickler(pickle.Unpickler):
    """Reads plain values, ordered dicts and tensors, the latter as arrays."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for.

        Args:
            module: of the name.
            name: in it.

        Returns:
            a class or function that makes a plain value.

        Raises:
            UnpicklingError: any other name.
        """
        if (module, name) == ("collections", "OrderedDict"):
            return _Plain
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _TYPES:
            return np.dtype(_TYPES[name])
        raise pickle.UnpicklingError(
            f"it holds more than tensors and plain values ({module}.{name}), which could run code"
        )

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        """The numbers of a tensor.

        Args:
            pid: ('storage', type, name, device, number of elements).

        Returns:
            the numbers, any unit.

        Raises:
            UnpicklingError: it is none of this form.

        Source: none
        """
        kind, dtype, name, _, n = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"it holds {kind!s:.60}")
        numbers = np.frombuffer(self._archive.read(f"{self._folder}/data/{name}"), dtype)
        if numbers.size != n:
            raise pickle.UnpicklingError(f"{n} numbers of which the file has {numbers.size}")
        return numbers


class _Plain(OrderedDict[Any, Any]):
    """An ordered dict whose attributes in the pickle are left out."""

    def __setstate__(self, state: object) -> None:
        pass


def _tensor(numbers: NDArray[Any], first: int, shape: Any, strides: Any, *rest: object) -> NDArray[Any]:
    """A tensor as an array of its own. Raises UnpicklingError unless its numbers are there, each once."""
    if (
        len(shape) != len(strides)
        or min((*shape, *strides, first), default=0) < 0
        or not isinstance(numbers, np.ndarray)
    ):
        raise pickle.UnpicklingError(f"a tensor of shape {shape}")
    last = first + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) > numbers.size or (math.prod(shape) and last >= numbers.size):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} has more numbers than the file")
    steps = [step * numbers.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(numbers[first:], shape, steps).copy()


def content_of(path: StrPath) -> Content:
    """Read a `.pth` file of ratecore.

    Args:
        path: of the file.

    Returns:
        the content (docs/model.md 4), its tensors as arrays.

    Raises:
        FormatError: it cannot be read, or another program wrote it.
    """
    data = bytes_of(path)
    try:
        content = _unpickled(data)
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable .pth file: {first_line(error)}") from error
    if not isinstance(content, dict) or content.get("format") != PTH_FORMAT:
        raise FormatError(f"{path}: not a network saved by ratecore (its 'format' is not '{PTH_FORMAT}')")
    return content


def _unpickled(data: bytes) -> Any:
    archive = checked_zip(data, packed=False)
    (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
    folder = pickled.partition("/")[0]
    if f"{folder}/byteorder" in archive.namelist() and archive.read(f"{folder}/byteorder") != b"little":
        raise ValueError("its numbers are not little-endian")
    return _Unpickler(archive, folder).load()


def saved_network(path: StrPath) -> SavedNetwork:
    """Read a trained network from a `.pth` file of ratecore. A task file named in it is not run.

    Args:
        path: of the file.

    Returns:
        the network.

    Raises:
        FormatError: it cannot be read, or another program wrote it.
    """
    content = content_of(path)
    try:
        return _network(content)
    except Exception as error:  # a file of another kind raises errors of many kinds
        raise FormatError(f"{path}: {first_line(error)}") from error


def _network(content: Content) -> SavedNetwork:
    state, initial = content["model_state_dict"], content["initial_state_dict"]
    settings = NetworkSettings(**state["_extra_state"])
    arrays = {name: state[name] for name in _ARRAYS}
    more = {name: state[name] for name in ("conn_m", "x0_mean") if state.get(name) is not None}
    types = {name: state[name].astype(bool) for name in ("inh", "exc")}
    _check(settings, arrays | more | types)
    trained, n_trials = content["trained"], content["trial"]
    if not isinstance(trained, bool) or not isinstance(n_trials, int):
        raise ValueError(f"'trained' is {trained!r}, 'trial' is {n_trials!r}; they must be true or false, and whole")
    return SavedNetwork(settings, **arrays, **types, **more, initial=initial, trained=trained, n_trials=n_trials)


def _check(settings: NetworkSettings, arrays: dict[str, NDArray[Any]]) -> None:
    """Raise ValueError for an array that the network cannot have."""
    N, n_in, n_out = settings.N, arrays["w_in"].shape[-1], arrays["w_out"].shape[0]
    shapes = {
        **dict.fromkeys(("w", "m", "som_m", "conn_m"), (N, N)),
        **dict.fromkeys(("inh", "exc", "x0_mean"), (N,)),
        "w_in": (N, n_in),
        "w_out": (n_out, N),
        "b_out": (n_out,),
        "taus_gaus": (N, 1),
    }
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ValueError(f"{name} has shape {array.shape}; it must be {shapes[name]}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")
    if not (np.abs(arrays["m"]) == np.eye(N)).all():
        raise ValueError("m is not a diagonal of +1 and -1")

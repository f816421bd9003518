"""Files of MATLAB 7.3, which are HDF5, read by h5py, an optional dependency (`pip install 'ratecore[matlab73]'`).

MATLAB stores columns contiguously, so arrays are transposed; the class of each is in its attribute MATLAB_class.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ratecore.formats.containers import LARGEST, MOST_LETTERS, MOST_UNPACKED, Content
from ratecore.formats.errors import UnusableError

_DEEPEST = 8  # structures in structures that are read
_MOST_CELLS, _MOST_IN_A_CELL = 1000, 1000  # elements of a cell array of several, and numbers or letters of each
_NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))


def _h5py() -> ModuleType:
    try:
        import h5py
    except ModuleNotFoundError:
        raise ValueError(
            "this is the format of MATLAB 7.3 (HDF5), which needs h5py: pip install 'ratecore[matlab73]'; "
            "or save it again in MATLAB with '-v7'"
        ) from None
    return h5py  # type: ignore[no-any-return]  # has no types


@contextlib.contextmanager
def _opened(data: bytes, buffer: io.BytesIO | None = None, mode: str = "r") -> Iterator[Any]:
    buffer = buffer or io.BytesIO(data)
    with _h5py().File(buffer, mode) as file:
        yield file


def read_hdf5(data: bytes, names: Collection[str] | None = None, nested: bool = False) -> Content:
    """Read variables of a MATLAB 7.3 file, in the form in which `scipy.io.loadmat` returns those of older formats.

    Args:
        data: the file.
        names: variables to read if present; None for all, without those that are not numbers or text.
        nested: whether cell arrays and structures are read too; an unreadable variable is then returned as the error
            that says why.

    Returns:
        variables by name.

    Raises:
        UnusableError: one of `names` is of another kind.
        ValueError: it is damaged, or h5py is not installed.
        OSError: it is damaged.
        KeyError: it is damaged.
    """
    found: Content = {}
    with _opened(data) as file:
        for name in file:
            if name.startswith("#") or (names is not None and name not in names):
                continue  # '#refs#' has the elements of cell arrays
            try:
                found[name] = _value(file, name, file, nested)
            except UnusableError as error:
                if nested:
                    found[name] = error
                elif names is not None:
                    raise
    return found


def _value(group: Any, name: str, file: Any, nested: bool, depth: int = 0) -> Any:
    h5py = _h5py()
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UnusableError(f"{name} is a link to another place; it must be an array of numbers")
    item = group[name]
    kind = item.attrs.get("MATLAB_class", b"")
    kind = kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)
    if "MATLAB_sparse" in item.attrs:
        return _sparse(item, name, int(item.attrs["MATLAB_sparse"]))
    if isinstance(item, h5py.Group):
        if nested and depth < _DEEPEST and kind in ("struct", ""):
            return {field: _field(item, field, file, depth) for field in item}
        raise UnusableError(f"{name} is a structure; it must be an array of numbers")
    if kind == "cell":
        if nested and item.dtype == h5py.ref_dtype and depth < _DEEPEST:
            if item.size == 1:
                return _referenced(file, item[()].item(), depth)
            if item.size <= _MOST_CELLS:
                return _cells(file, item[()].ravel(), depth)
        elif nested and item.attrs.get("MATLAB_empty"):
            return np.empty(0, object)
        raise UnusableError(f"{name} is a cell array; it must be an array of numbers")
    if kind not in (*_NUMBERS, "char", "") or item.dtype.kind not in "fiubV":
        what = f"an object of MATLAB ({kind}; char or double converts it)"
        raise UnusableError(f"{name} is {what}; it must be an array of numbers")
    return _array(item, name, kind)


def _referenced(file: Any, reference: Any, depth: int) -> Any:
    target = file[reference]
    return _value(target.parent, target.name.rpartition("/")[2], file, True, depth + 1)


def _cells(file: Any, references: NDArray[Any], depth: int) -> NDArray[Any]:
    """The elements of a cell array, small ones: all of them may be references to one."""
    cells = np.empty(len(references), object)
    for k, reference in enumerate(references):
        if getattr(file[reference], "size", 0) > _MOST_IN_A_CELL:
            raise UnusableError(f"element {k + 1} of a cell array has more than {_MOST_IN_A_CELL:,} numbers or letters")
        cells[k] = _referenced(file, reference, depth)
    return cells


def _field(group: Any, name: str, file: Any, depth: int) -> Any:
    try:
        return _value(group, name, file, True, depth + 1)
    except UnusableError as error:
        return error  # the field may not be needed


def _numbers_of(item: Any, name: str, most: int = LARGEST) -> Any:
    """The numbers of a dataset, which must be in this file. Raises ValueError when they are too many."""
    if item.is_virtual or item.external:
        raise UnusableError(f"{name} is in another file; it must be an array of numbers")
    if item.size and math.prod(item.shape) * item.dtype.itemsize > most:
        raise ValueError(f"{name} has shape {item.shape}; at most {most:,} bytes are read")
    return item[()]


def _array(item: Any, name: str, kind: str) -> NDArray[Any]:
    if item.attrs.get("MATLAB_empty"):
        shape = tuple(np.ravel(_numbers_of(item, name, 1024)).astype(int).tolist())
        if not shape or math.prod(shape):
            raise ValueError(f"{name} is empty and has shape {shape}")
        return np.zeros(shape, "U1" if kind == "char" else float)
    if kind == "char" and item.size > MOST_LETTERS:
        raise UnusableError(f"{name} is text of {item.size:,} letters; at most {MOST_LETTERS:,} are read")
    value = np.asarray(_numbers_of(item, name)).T
    if value.dtype.kind == "V":
        if value.dtype.names != ("real", "imag"):
            raise UnusableError(f"{name} is an object; it must be an array of numbers")
        return np.asarray(value["real"] + 1j * value["imag"])
    if kind == "char":
        rows = np.atleast_2d(value.astype("<u2"))
        return np.array([row.tobytes().decode("utf-16-le", "replace") for row in rows])
    if value.ndim < 2:
        value = value.reshape(1, -1)
    return value.astype(bool) if kind == "logical" else value.astype(value.dtype.newbyteorder("="))


def _sparse(item: Any, name: str, rows: int) -> Any:
    import scipy.sparse

    parts = {key: _numbers_of(item[key], f"{name}/{key}", MOST_UNPACKED) for key in ("data", "ir", "jc") if key in item}
    if "jc" not in parts or rows < 0:
        raise ValueError(f"{name} is an incomplete sparse matrix")
    data, row = parts.get("data", np.zeros(0)), parts.get("ir", np.zeros(0, np.int64))
    column = parts["jc"].astype(np.int64)
    if data.dtype.kind == "V":
        data = data["real"] + 1j * data["imag"]
    matrix = scipy.sparse.csc_matrix((data, row.astype(np.int64), column), shape=(rows, len(column) - 1))
    matrix.check_format(full_check=True)
    return matrix


def with_variables_hdf5(data: bytes, values: Mapping[str, ArrayLike]) -> bytes:
    """Add variables to a file, replacing those of the same names.

    Args:
        data: the file.
        values: numbers by name, any shape.

    Returns:
        the new file.

    Raises:
        ValueError: it is damaged, or h5py is not installed.
        OSError: it is damaged.
        KeyError: it is damaged.

    Source: none
    """
    buffer = io.BytesIO(data)
    with _opened(data, buffer, "r+") as file:
        for name, value in values.items():
            if name in file:
                del file[name]
            array = np.asarray(value, float)
            rows = array.reshape(1, -1) if array.ndim < 2 else array
            file.create_dataset(name, data=rows.T).attrs["MATLAB_class"] = np.bytes_("double")
    return buffer.getvalue()

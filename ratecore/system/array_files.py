"""Arrays of numbers from files that users name: .npy, .npz, .mat (to version 7) and .csv. No file can run code."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.system.files import read_bounded

SUFFIXES = (".npy", ".npz", ".mat", ".csv")
_ROOM = 2**20  # bytes beside the numbers
_LONGEST = 32  # characters of a number in a .csv


def read_array(path: str | os.PathLike[str], shape: tuple[int, ...]) -> Float[np.ndarray, "*shape"]:
    """Read the array of a given shape from a file.

    Args:
        path: .npy or .csv with this array, .npz or .mat with one of this shape; (N, 1) and (1, N) count as (N,).
        shape: of the array.

    Returns:
        float64, not writable, in the unit of the file (unitless for masks, steps for time constants).

    Raises:
        ValueError: there is no such file, it cannot be read, or it has no such array of finite real numbers.

    Source: none
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"it must be a file {', '.join(SUFFIXES)}")
    try:
        status = path.stat()
        return _read(str(path), shape, status.st_mtime_ns, status.st_size)
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None


def read_indices(path: str | os.PathLike[str]) -> tuple[int, ...]:
    """Read a list of indices, of any length, from a file.

    Args:
        path: .csv with whole numbers in a row or a column, which may have a heading, or .npy with one of them.

    Returns:
        the indices, from 0, in the order of the file.

    Raises:
        ValueError: there is no such file, it cannot be read, or it has other things than different indices.
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".npy"):
        raise ValueError("it must be a file .csv or .npy")
    try:
        status = path.stat()
        return _indices(str(path), status.st_mtime_ns, status.st_size)
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)  # a grid asks for the same file at every point
def _indices(path: str, changed: int, size: int) -> tuple[int, ...]:
    """`read_indices`; the time of the last change and the size tell whether the file is still the same."""
    data = read_bounded(path, 16 * _ROOM)
    try:
        if path.lower().endswith(".npy"):
            found = np.load(io.BytesIO(data), allow_pickle=False)
        else:
            lines = data.decode("utf-8-sig").splitlines()
            lines = lines[1:] if lines and not _is_number(lines[0].partition(",")[0]) else lines
            found = np.loadtxt(lines, delimiter=",", ndmin=1) if any(map(str.strip, lines)) else np.zeros(0)
    except Exception as error:  # damaged files raise errors of many kinds
        first = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"it cannot be read: {first}") from None
    if found.size != max(found.shape, default=1) or found.dtype.kind not in "fiu":
        raise ValueError(f"its array has shape {found.shape} and type {found.dtype}; it must be one list of indices")
    values = found.ravel().astype(np.float64)
    if not ((values >= 0) & (values == np.floor(values)) & (values < 2**53)).all():
        raise ValueError("it has numbers that are no indices; they must be whole numbers from 0")
    indices = tuple(int(k) for k in values)
    if not indices:
        raise ValueError("it has no index")
    if len(set(indices)) < len(indices):
        raise ValueError("it has an index twice")
    return indices


def hash_of_array(array: Float[np.ndarray, "*shape"]) -> str:
    """Hash the numbers of an array, whatever file they are from.

    Args:
        array: float64, any shape, unitless here.

    Returns:
        64 hexadecimal digits.

    Source: none
    """
    return hashlib.sha256(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


@lru_cache(maxsize=8)  # a grid asks for the same file at every point
def _read(path: str, shape: tuple[int, ...], changed: int, size: int) -> NDArray[np.float64]:
    """`read_array`; the time of the last change and the size tell whether the file is still the same."""
    most = _ROOM + (_LONGEST if path.lower().endswith(".csv") else 16) * int(np.prod(shape))
    data = read_bounded(path, most)
    kind = {".npy": _of_npy, ".npz": _of_npz, ".mat": _of_mat, ".csv": _of_csv}[Path(path).suffix.lower()]
    try:
        found = kind(data, shape)
    except Exception as error:  # damaged files raise errors of many kinds
        first = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"it cannot be read: {first}") from None
    if isinstance(found, str):
        raise ValueError(found)
    if found.dtype.kind not in "fiub":
        raise ValueError(f"its array is of type {found.dtype}; it must be of real numbers")
    array: NDArray[np.float64] = np.array(found, np.float64).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("its array has NaN or infinity")
    array.setflags(write=False)
    return array


def _fits(found: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return found == shape or (len(shape) == 1 and found in ((*shape, 1), (1, *shape)))


def _wrong(found: object, shape: tuple[int, ...]) -> str:
    return f"its array has shape {found}; it must be {shape}"


def _of_npy(data: bytes, shape: tuple[int, ...]) -> NDArray[Any] | str:
    header = io.BytesIO(data)
    version = np.lib.format.read_magic(header)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    given = read(header)[0]
    # Before anything of that size is allocated
    return np.load(io.BytesIO(data), allow_pickle=False) if _fits(given, shape) else _wrong(given, shape)


def _of_npz(data: bytes, shape: tuple[int, ...]) -> NDArray[Any] | str:
    most, wrong = _ROOM + 16 * int(np.prod(shape)), []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.file_size > most:
                wrong.append(f"{member.filename} of {member.file_size:,} bytes")
                continue
            found = _of_npy(archive.read(member), shape)
            if not isinstance(found, str):
                return found
            wrong.append(f"{member.filename}: {found}")
    return f"it has no array of shape {shape}: {'; '.join(wrong[:3])}"


def _of_mat(data: bytes, shape: tuple[int, ...]) -> NDArray[Any] | str:
    import scipy.io

    # Shapes, before anything of that size is allocated
    listed = scipy.io.whosmat(io.BytesIO(data))  # type: ignore[arg-type]  # takes files, too
    names = [name for name, given, _ in listed if _fits(tuple(given), shape)]
    if not names:
        return f"it has no array of shape {shape}, but {', '.join(f'{name} {given}' for name, given, _ in listed[:5])}"
    found = scipy.io.loadmat(io.BytesIO(data), variable_names=names[:1])[names[0]]  # type: ignore[arg-type]  # as above
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def _of_csv(data: bytes, shape: tuple[int, ...]) -> NDArray[Any] | str:
    found = np.loadtxt(io.BytesIO(data), delimiter=",", ndmin=2)
    return found if _fits(found.shape, shape) else _wrong(found.shape, shape)

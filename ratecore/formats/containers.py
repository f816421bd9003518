"""What all containers share, and zip archives (`.pth`, `.npz`): no claim in them is trusted.

A file's headers are whatever its author wrote. So sizes are compared with the bytes present before memory is
allocated, checksums before numbers are used, and only arrays of numbers and text are built.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

StrPath = str | os.PathLike[str]
# What a file holds, by name. Values are of any kind until they are checked: arrays, text, sparse matrices, structures.
Content = dict[str, Any]
Bytes = bytes | bytearray

LARGEST = 4 * 2**30  # bytes that a file may have, and unpack to; a network of 10,000 units has less
MOST_UNPACKED = 2**28  # bytes that a cell array, structure or sparse matrix may unpack to
MOST_LETTERS = 10_000_000


@dataclass(frozen=True)
class Variable:
    """A variable of a file, before its values are read.

    Attributes:
        name: of the variable.
        kind: 'numbers', 'text', 'a sparse matrix', 'a structure', 'an object' ...
        shape: according to the file.
        start: first of its bytes in the file, headers included.
        end: first byte after it.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


def checked_zip(data: bytes, packed: bool) -> zipfile.ZipFile:
    """Open a zip archive after comparing every entry with its checksum.

    Args:
        data: the archive.
        packed: whether entries may be compressed.

    Returns:
        the archive.

    Raises:
        ValueError: it is damaged, or unpacks to too much.
        zipfile.BadZipFile: it is damaged.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = archive.infolist()
    if not packed and any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("it is compressed, which files of PyTorch are not")
    size, most = sum(entry.file_size for entry in entries), LARGEST if packed else len(data)
    if size > most:
        raise ValueError(f"it says that it unpacks to {size:,} bytes; at most {most:,} are read")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("two entries have the same name")
    for entry in entries:  # of which PyTorch's reader would return whatever is in memory
        if entry.external_attr & 0x10 and entry.file_size:
            raise ValueError(f"'{entry.filename}' in it is marked as a folder: the file was damaged")
    if damaged := archive.testzip():
        raise ValueError(f"the checksum of '{damaged}' in it does not match: the file was damaged")
    return archive


def read_npz(data: bytes, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read arrays of an `.npz` file.

    Args:
        data: the file.
        names: of the arrays; all by default.

    Returns:
        by name, any shape.

    Raises:
        ValueError: it is damaged.
        KeyError: it has no such array.
        zipfile.BadZipFile: it is damaged.

    Source: none
    """
    archive = checked_zip(data, packed=True)
    if names is None:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    return {name: _npy(name, archive.read(f"{name}.npy")) for name in names}


def _npy(name: str, data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{name}: an unknown version of the .npy format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects, not numbers or text; they could run code")
    rest = len(data) - stream.tell()
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"{name} has shape {shape} of {dtype} and {rest:,} bytes")
    array = np.frombuffer(data, dtype, math.prod(shape), stream.tell()) if rest else np.empty(0, dtype)
    return array.reshape(shape, order="F" if fortran else "C").copy()

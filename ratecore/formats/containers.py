"""Zip archives (`.pth`, `.npz`) as containers: nothing in them is taken at its word.

Whoever wrote a file decides what it says of itself. So sizes are compared with what is there before memory is taken,
checksums before numbers are used, and nothing but arrays of numbers and text is made.
"""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np

LARGEST = 4 * 2**30  # bytes that a file may have, and unpack to; a network of 10,000 units has less


def checked_zip(data: bytes, packed: bool) -> zipfile.ZipFile:
    """A zip archive of which every entry matches its checksum.

    Args:
        packed: whether entries may be compressed.

    Raises:
        ValueError, zipfile.BadZipFile ...: it is damaged, or unpacks to too much.
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
    if damaged := archive.testzip():
        raise ValueError(f"the checksum of '{damaged}' in it does not match: the file was damaged")
    return archive


def read_npz(data: bytes, names) -> dict[str, np.ndarray]:
    """Arrays of an `.npz` file by name. Raises errors of many kinds when it is damaged or has no such array."""
    archive = checked_zip(data, packed=True)
    return {name: _npy(name, archive.read(f"{name}.npy")) for name in names}


def _npy(name: str, data: bytes) -> np.ndarray:
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

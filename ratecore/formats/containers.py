"""Zip archives (`.pth`, `.npz`) and MATLAB files as containers: nothing in them is taken at its word.

Whoever wrote a file decides what it says of itself. So sizes are compared with what is there before memory is taken,
checksums before numbers are used, and nothing but arrays of numbers and text is made.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import struct
import zipfile
import zlib

import numpy as np

LARGEST = 4 * 2**30  # bytes that a file may have, and unpack to; a network of 10,000 units has less

# ----------------------------------------------------------------------------------------------------------- zip


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


# -------------------------------------------------------------------------------------------------------- MATLAB

HEADER = 128  # bytes before the first variable of a MATLAB file
_SEALED = b"MATLAB 5.0 MAT-file, ratecore "
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CLASSES = {
    1: "a cell array",
    2: "a structure",
    3: "an object",
    5: "a sparse matrix",
    16: "a function",
    17: "an object",
}
_CHAR, _NUMERIC = 4, range(6, 16)
_HEAD = 1024  # bytes in which an array's name and shape must be


def sealed_mat(data: bytes) -> bytes:
    """A MATLAB file with its length and SHA-256 in the text of its header, which is free and which MATLAB ignores."""
    text = _SEALED + f"{len(data)} {hashlib.sha256(data[116:]).hexdigest()}".encode()
    return text.ljust(116) + data[116:]


def sealed_length(data: bytes) -> int | None:
    """Bytes of a MATLAB file that were written and sealed here; what follows was appended. None for files of others."""
    seal = re.match(rb"(\d{1,12}) ", data[len(_SEALED) : 116]) if data.startswith(_SEALED) else None
    return int(seal[1]) if seal else None


def _check_seal(data: bytes) -> None:
    """Raises ValueError for a sealed file that was changed; variables may have been appended to it."""
    if not data.startswith(_SEALED):
        return  # written by others, or again by MATLAB
    seal = re.match(rb"(\d{1,12}) ([0-9a-f]{64}) *\Z", data[len(_SEALED) : 116])
    length = int(seal[1]) if seal else 0
    if not seal or len(data) < length or hashlib.sha256(data[116:length]).hexdigest().encode() != seal[2]:
        raise ValueError("its bytes are not those that ratecore wrote, its checksum does not match: it was damaged")


def read_mat(data: bytes, names=None) -> dict[str, np.ndarray]:
    """Arrays of numbers and text of a MATLAB file (format 5, that of MATLAB 5 to 7).

    Args:
        names: of those that are wanted if they are there; None for all, and then what else is there is passed over.

    Raises:
        ValueError, zlib.error, struct.error: it is damaged, of another format, or one of `names` is of another kind.
    """
    if data[:10] == b"MATLAB 7.3":
        raise ValueError("this is the format of MATLAB 7.3 (HDF5); save it again with '-v7'")
    _check_seal(data)
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack_from(f"{order}H", data, 124)[0] != 0x0100:
        raise ValueError("this is no MATLAB file of format 5 (MATLAB 5 to 7)")
    found, place = {}, 128
    while place < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        place += 8
        if size > len(data) - place:
            raise ValueError(f"it is cut off at byte {len(data):,}: {size:,} bytes should follow byte {place:,}")
        if kind in (_MATRIX, _COMPRESSED):
            name, array = _variable(data[place : place + size], kind == _COMPRESSED, order, names)
            if name in found:
                raise ValueError(f"{name} is there twice")
            if array is not None:
                found[name] = array
        place += size
    return found


def _variable(body: bytes, compressed: bool, order: str, names) -> tuple[str, np.ndarray | None]:
    """Name and array of one variable; no array, and nothing unpacked, when the name is not one of `names`."""
    inflater, size = zlib.decompressobj(), len(body)
    head = inflater.decompress(body, _HEAD) if compressed else body[:_HEAD]
    if compressed:
        kind, size = struct.unpack_from(f"{order}II", head)
        if kind != _MATRIX:
            return "", None
        head = head[8:]
    _, flags, place = _part(head, 0, order)
    _, dims, place = _part(head, place, order)
    _, name, place = _part(head, place, order)
    name = name.decode("latin-1")
    of_class = struct.unpack(f"{order}I", flags[:4])[0] & 0xFF
    if name not in names if names is not None else of_class != _CHAR and of_class not in _NUMERIC:
        return name, None
    shape = struct.unpack(f"{order}{len(dims) // 4}i", dims)
    kind, begin, length = _numbers_at(name, head, place, order, struct.unpack(f"{order}I", flags[:4])[0], shape)
    if begin + length > size or size > begin + length + 8:
        raise ValueError(f"{name} has {size:,} bytes; {begin + length:,} are its shape's")
    if not compressed:
        values = body[begin : begin + length]
    else:
        values = head + (inflater.decompress(inflater.unconsumed_tail, size - len(head)) if size > len(head) else b"")
        if inflater.decompress(inflater.unconsumed_tail, 1) or not inflater.eof:  # only at the end is its checksum seen
            raise ValueError(f"{name} is cut off, or more follows it")
        values = values[begin : begin + length]
    if kind in _NUMBERS.values():
        return name, np.frombuffer(values, np.dtype(kind).newbyteorder(order)).reshape(shape, order="F").astype(kind)
    wide = {"<": "-le", ">": "-be"}[order] if kind in ("utf-16", "utf-32") else ""
    return name, np.array([values.decode(kind + wide)])


def _numbers_at(name: str, head: bytes, place: int, order: str, flags: int, shape: tuple) -> tuple[str, int, int]:
    """Kind of an array's values, where they begin, how many bytes. Raises ValueError: the shape has others."""
    kind, begin, length = _tag(head, place, order)
    of_class, count = flags & 0xFF, math.prod(shape)
    if of_class != _CHAR and of_class not in _NUMERIC:
        raise ValueError(f"{name} is {_CLASSES.get(of_class, 'of an unknown kind')}; it must be an array of numbers")
    if flags & 0x0800:
        raise ValueError(f"{name} is complex; it must be real")
    if any(n < 0 for n in shape) or count * 8 > LARGEST:
        raise ValueError(f"{name} has shape {shape}; at most {LARGEST:,} bytes are read")
    if of_class == _CHAR:
        if kind not in _TEXT or length > 4 * count or count > 100_000:
            raise ValueError(f"{name} has shape {shape} and {length:,} bytes of text; at most 100,000 letters are read")
        return _TEXT[kind], begin, length
    if kind not in _NUMBERS or count * int(_NUMBERS[kind][1]) != length:
        raise ValueError(f"{name} has shape {shape} and {length:,} bytes of data")
    return _NUMBERS[kind], begin, length


def _tag(head: bytes, place: int, order: str) -> tuple[int, int, int]:
    """Kind of a part, where its data begin, how many bytes they have."""
    kind, size = struct.unpack_from(f"{order}II", head, place)
    return (kind & 0xFFFF, place + 4, kind >> 16) if kind >> 16 else (kind, place + 8, size)


def _part(head: bytes, place: int, order: str) -> tuple[int, bytes, int]:
    """Kind and data of a part, and where the next one begins."""
    kind, begin, size = _tag(head, place, order)
    if begin + size > len(head):
        raise ValueError(f"a name or a shape has {size:,} bytes")
    return kind, head[begin : begin + size], begin + -(-size // 8) * 8 if begin == place + 8 else place + 8

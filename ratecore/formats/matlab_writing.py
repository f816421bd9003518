"""Variables in MATLAB files of others: put in place of those of the same names, in the file's own format and order."""

from __future__ import annotations

import io
import struct

import numpy as np

from ratecore.formats.matlab import HEADER, MATRIX, Variable, is_format_4, order_4, order_of, sealed_length, variables


def with_variables(data: bytes, values: dict) -> bytes:
    """A file with these variables, numbers all, in place of those of the same names; all else in it stays as it is.

    What is sealed stays, too: variables of the same names follow it, and the last of two counts.

    Raises:
        ValueError, zlib.error, struct.error: the file is damaged or of another format.
    """
    kept, sealed = bytearray(data), sealed_length(data) or 0
    for variable in reversed(variables(data)):
        if variable.name in values and variable.start >= sealed:
            del kept[variable.start : variable.end]
            _move_objects(kept, variable)
    if is_format_4(data):
        return bytes(kept) + b"".join(_element_4(name, v, order_4(data, 0)) for name, v in values.items())
    if order_of(data) == ">":
        return bytes(kept) + b"".join(_element_big(name, v) for name, v in values.items())
    import scipy.io

    buffer = io.BytesIO()
    scipy.io.savemat(buffer, values, do_compression=True, oned_as="row")
    return bytes(kept) + buffer.getvalue()[HEADER:]


def _move_objects(kept: bytearray, removed: Variable) -> None:
    """Corrects the place, held in the header, of the data of MATLAB's objects after a variable was removed."""
    if is_format_4(kept):
        return
    order = order_of(kept)
    place = struct.unpack_from(f"{order}Q", kept, 116)[0]
    if removed.end <= place <= len(kept) + removed.end - removed.start:
        struct.pack_into(f"{order}Q", kept, 116, place - (removed.end - removed.start))


def _rows(value) -> np.ndarray:
    value = np.asarray(value, float)
    return value.reshape(1, -1) if value.ndim < 2 else value


def _element_big(name: str, value) -> bytes:
    """A variable of a file of format 5 in big-endian order, which SciPy does not write."""

    def part(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    value = _rows(value)
    body = part(6, struct.pack(">II", 6, 0)) + part(5, struct.pack(f">{value.ndim}i", *value.shape))
    return part(MATRIX, body + part(1, name.encode()) + part(9, value.astype(">f8").tobytes("F")))


def _element_4(name: str, value, order: str) -> bytes:
    value, text = _rows(value), name.encode() + b"\0"
    head = struct.pack(f"{order}5i", 0 if order == "<" else 1000, *value.shape, 0, len(text))
    return head + text + value.astype(f"{order}f8").tobytes("F")

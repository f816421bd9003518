"""Adds variables to MATLAB files of others, in the file's own format and byte order."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ratecore.formats.containers import Variable
from ratecore.formats.matlab import is_format_4, order_4, sealed_length, variables
from ratecore.formats.matlab5 import HEADER, MATRIX, order_5


def with_variables(data: bytes, values: Mapping[str, ArrayLike]) -> bytes:
    """Add variables to a file, replacing those of the same names; the rest of the file stays as it is.

    Sealed variables stay, too: new ones of the same names follow them, and the last of two counts.

    Args:
        data: the file.
        values: numbers by name, any shape.

    Returns:
        the new file.

    Raises:
        ValueError: the file is damaged or of another format.
        zlib.error: the file is damaged.
        struct.error: the file is damaged.

    Source: none
    """
    kept, sealed = bytearray(data), sealed_length(data) or 0
    for variable in reversed(variables(data)):
        if variable.name in values and variable.start >= sealed:
            del kept[variable.start : variable.end]
            _move_objects(kept, variable)
    if is_format_4(data):
        return bytes(kept) + b"".join(_element_4(name, v, order_4(data, 0)) for name, v in values.items())
    if order_5(data) == ">":
        return bytes(kept) + b"".join(_element_big(name, v) for name, v in values.items())
    import scipy.io

    buffer = io.BytesIO()
    scipy.io.savemat(buffer, dict(values), do_compression=True, oned_as="row")  # type: ignore[arg-type]  # takes files, too
    return bytes(kept) + buffer.getvalue()[HEADER:]


def _move_objects(kept: bytearray, removed: Variable) -> None:
    """Correct the offset in the header to the data of MATLAB's objects, after a variable was removed."""
    if is_format_4(kept):
        return
    order = order_5(kept)
    offset = struct.unpack_from(f"{order}Q", kept, 116)[0]
    if removed.end <= offset <= len(kept) + removed.end - removed.start:
        struct.pack_into(f"{order}Q", kept, 116, offset - (removed.end - removed.start))


def _rows(value: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(value, np.float64)
    return array.reshape(1, -1) if array.ndim < 2 else array


def _element_big(name: str, value: ArrayLike) -> bytes:
    """A variable of a file of format 5 in big-endian order, which SciPy does not write."""

    def part(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    rows = _rows(value)
    body = part(6, struct.pack(">II", 6, 0)) + part(5, struct.pack(f">{rows.ndim}i", *rows.shape))
    return part(MATRIX, body + part(1, name.encode()) + part(9, rows.astype(">f8").tobytes("F")))


def _element_4(name: str, value: ArrayLike, order: str) -> bytes:
    rows, text = _rows(value), name.encode() + b"\0"
    head = struct.pack(f"{order}5i", 0 if order == "<" else 1000, *rows.shape, 0, len(text))
    return head + text + rows.astype(f"{order}f8").tobytes("F")

"""MATLAB files of format 5 (MATLAB 5 to 7): headers and elements, checked before memory is allocated."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from ratecore.formats.containers import LARGEST, MOST_LETTERS, MOST_UNPACKED, Bytes, Variable
from ratecore.formats.errors import UnusableError

HEADER = 128  # bytes before the first variable of a file of format 5
MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = (1, 2, 4, 16, 17, 18)  # data types of text
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_NUMERIC = range(6, 16)
_KINDS = {
    _CELL: "a cell array",
    _STRUCT: "a structure",
    _OBJECT: "an object",
    _CHAR: "text",
    _SPARSE: "a sparse matrix",
    _FUNCTION: "a function",
    _OPAQUE: "an object of MATLAB (a string, a table ...; char or double converts it)",
}
_HEAD = 1024  # bytes within which an array's name and shape must be
_DEEPEST = 32  # structures in structures


def order_5(data: Bytes) -> str:
    """Byte order of a file of format 5.

    Args:
        data: the file.

    Returns:
        '<' or '>'.

    Raises:
        ValueError: it is not a file of format 5.
    """
    order = {b"IM": "<", b"MI": ">"}.get(bytes(data[126:128]))
    if order is None or struct.unpack_from(f"{order}H", data, 124)[0] != 0x0100:
        raise ValueError("this is no MATLAB file (format 4, or 5: MATLAB 5 to 7)")
    return order


def variables_5(data: bytes) -> Iterator[Variable]:
    """List the variables of a file of format 5.

    Args:
        data: the file.

    Yields:
        in the order of the file; a name may occur more than once.

    Raises:
        ValueError: it is damaged or of another format.
        zlib.error: it is damaged.
        struct.error: it is damaged.
    """
    order, start = order_5(data), HEADER
    while start < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, start)
        end = start + 8 + size
        if end > len(data):
            raise ValueError(f"it is cut off at byte {len(data):,}: {size:,} bytes should follow byte {start + 8:,}")
        if kind in (MATRIX, _COMPRESSED):
            head, _, _ = _head_of(data, start, end, order)
            if head is not None:
                array_class, _, shape, name, _, _ = _header(head, order)
                what = "numbers" if array_class in _NUMERIC else _KINDS.get(array_class, "of an unknown kind")
                yield Variable(name, what, shape, start, end)
        start = end


def _head_of(data: bytes, start: int, end: int, order: str, most: int = 4 * _HEAD) -> tuple[bytes | None, int, Any]:
    """The first bytes of an element of the file (None where it is no array), its stated size, what unpacks the rest.

    At most `most` packed bytes are read.
    """
    start += 8
    if struct.unpack_from(f"{order}I", data, start - 8)[0] != _COMPRESSED:
        return data[start : min(end, start + _HEAD)], end - start, None
    inflater = zlib.decompressobj()
    head = inflater.decompress(data[start : min(end, start + most)], _HEAD)
    kind, size = struct.unpack_from(f"{order}II", head)
    return head[8:] if kind == MATRIX else None, size, inflater


def _header(head: bytes, order: str) -> tuple[int, bool, tuple[int, ...], str, int, int]:
    """Class, whether it is complex, shape, name, and where the name begins and ends."""
    _, word, start = _part(head, 0, order)
    flags = struct.unpack(f"{order}I", word[:4])[0]
    array_class, shape = flags & 0xFF, ()
    kind, dims, after = _part(head, start, order)
    if array_class != _OPAQUE or kind in (5, 6):  # an object of MATLAB has no shape
        shape, start = struct.unpack(f"{order}{len(dims) // 4}i", dims[: len(dims) // 4 * 4]), after
    _, name, end = _part(head, start, order)
    return array_class, bool(flags & 0x0800), shape, _text(name), start, end


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def single_variable_file(data: bytes, variable: Variable, order: str) -> tuple[bytes, str]:
    """Make a file with one variable only, unpacked and checked.

    Args:
        data: the file.
        variable: one of the file.
        order: byte order of the file.

    Returns:
        the new file, and the variable's name in it.

    Raises:
        UnusableError: it would unpack to too much.
        ValueError: it is damaged.
        zlib.error: it is damaged.
        struct.error: it is damaged.
    """
    head, size, inflater = _head_of(data, variable.start, variable.end, order, most=len(data))
    assert head is not None  # only arrays become a Variable
    array_class, _, _, _, begin, end = _header(head, order)
    if array_class == _CHAR or array_class in _NUMERIC:
        _check_array(head, size, order, variable.name)
    elif size > MOST_UNPACKED:
        raise UnusableError(f"{variable.name} is {variable.kind} of {size:,} bytes; at most {MOST_UNPACKED:,} are read")
    if inflater is not None:
        rest = inflater.decompress(inflater.unconsumed_tail, size - len(head)) if size > len(head) else b""
        if (
            inflater.decompress(inflater.unconsumed_tail, 1) or not inflater.eof
        ):  # zlib compares the checksum at the end
            raise ValueError(f"{variable.name} is cut off, or more follows it")
        body = head + rest
    else:
        body = data[variable.start + 8 : variable.end]
    _check_matrix(body, order, variable.name)
    # Renamed, since SciPy gives some names a meaning
    parts = body[:begin] + struct.pack(f"{order}II", 1, 1) + b"v".ljust(8, b"\0"), body[end:]
    tag = struct.pack(f"{order}II", MATRIX, sum(map(len, parts)))
    return b"".join((_file_header(order), tag, *parts)), "v"


def _file_header(order: str) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100) + {"<": b"IM", ">": b"MI"}[order]


def _check_array(head: bytes, size: int, order: str, name: str) -> None:
    """Raise ValueError where the size of an array of numbers or text does not match its shape."""
    array_class, is_complex, shape, _, _, start = _header(head, order)
    kind, begin, length = _tag(head, start, order)
    count = math.prod(shape)
    if any(n < 0 for n in shape) or count * 8 > LARGEST:
        raise ValueError(f"{name} has shape {shape}; at most {LARGEST:,} bytes are read")
    if array_class == _CHAR:
        if count > MOST_LETTERS:
            raise UnusableError(f"{name} is text of {count:,} letters; at most {MOST_LETTERS:,} are read")
        fits = kind in _TEXT and length <= 4 * count
    else:
        fits = kind in _NUMBERS and count * int(_NUMBERS[kind][1]) == length
    if not fits:
        raise ValueError(f"{name} has shape {shape} and {length:,} bytes of data")
    end = begin + length if begin == start + 8 else start + 8
    if is_complex:
        end += -end % 8 + 8 + 8 * count  # the imaginary part, in the largest type
    elif end > size:
        raise ValueError(f"{name} has {size:,} bytes; its shape needs {end:,}")
    if size > end + 8:
        raise ValueError(f"{name} has {size:,} bytes; its shape needs {end:,}")


def _check_matrix(body: bytes, order: str, name: str, depth: int = 0) -> None:
    """Raise ValueError where an array, or one in it, has fewer values than it states."""
    if not body:
        return  # an empty element of a cell array
    if depth > _DEEPEST:
        raise ValueError(f"{name} has more than {_DEEPEST} structures nested in one another")
    array_class, is_complex, shape, _, _, start = _header(body, order)
    if array_class == _CHAR or array_class in _NUMERIC:
        _check_array(body, len(body), order, name)
        if is_complex:
            _, _, start = _part(body, start, order)
            kind, _, length = _tag(body, start, order)
            if kind not in _NUMBERS or math.prod(shape) * int(_NUMBERS[kind][1]) != length:
                raise ValueError(f"{name} has shape {shape} and {length:,} bytes of imaginary parts")
        return
    plain: list[bytes] = []
    within = 0
    while start < len(body):
        kind, part, start = _part(body, start, order)
        if kind == MATRIX:
            _check_matrix(part, order, name, depth + 1)
            within += 1
        else:
            plain.append(part)
    fields = 1
    if array_class == _STRUCT:  # bytes per name of a field, and the names
        fields = len(plain[1]) // max(struct.unpack(f"{order}i", plain[0][:4])[0], 1)
    if any(n < 0 for n in shape) or (array_class in (_CELL, _STRUCT) and within != math.prod(shape) * fields):
        raise ValueError(f"{name} has shape {shape} and {within:,} elements")


def _tag(head: bytes, start: int, order: str) -> tuple[int, int, int]:
    """Kind of a part, where its data begin, and their size in bytes."""
    kind, size = struct.unpack_from(f"{order}II", head, start)
    return (kind & 0xFFFF, start + 4, kind >> 16) if kind >> 16 else (kind, start + 8, size)


def _part(head: bytes, start: int, order: str) -> tuple[int, bytes, int]:
    """Kind and data of a part, and where the next one begins."""
    kind, begin, size = _tag(head, start, order)
    if begin + size > len(head):
        raise ValueError(f"a name or a shape has {size:,} bytes")
    return kind, head[begin : begin + size], begin + -(-size // 8) * 8 if begin == start + 8 else start + 8

"""MATLAB files as containers: their headers are checked before memory is allocated, then SciPy reads them.

Formats 4 and 5 (MATLAB 5 to 7) are read here; format 7.3 is HDF5 and is read in `ratecore.formats.hdf5`.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ratecore.formats.containers import LARGEST, Content

Bytes = bytes | bytearray

HEADER = 128  # bytes before the first variable of a file of format 5
MOST_UNPACKED = 2**28  # bytes that a cell array, structure or sparse matrix may unpack to
MOST_LETTERS = 10_000_000
_SEALED = b"MATLAB 5.0 MAT-file, ratecore "
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
_NESTED = ("a cell array", "a structure")
_HEAD = 1024  # bytes within which an array's name and shape must be
_DEEPEST = 32  # structures in structures


class UnusableError(ValueError):
    """A variable of a kind that is not read; its file may still be usable."""


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


# ---------------------------------------------------------------------------------------------------------- seals


def sealed_mat(data: bytes) -> bytes:
    """Seal a MATLAB file: its length and SHA-256 go into the header's text, which MATLAB ignores.

    Args:
        data: the file.

    Returns:
        the sealed file, of the same length.
    """
    text = _SEALED + f"{len(data)} {hashlib.sha256(data[116:]).hexdigest()}".encode()
    return text.ljust(116) + data[116:]


def sealed_length(data: bytes) -> int | None:
    """Number of bytes of a MATLAB file that were sealed here; what follows was appended.

    Args:
        data: the file.

    Returns:
        bytes, or None for files that were not sealed.
    """
    seal = re.match(rb"(\d{1,12}) ", data[len(_SEALED) : 116]) if data.startswith(_SEALED) else None
    return int(seal[1]) if seal else None


def check_seal(data: bytes) -> None:
    """Check that the sealed part of a file is unchanged; variables may have been appended to it.

    Args:
        data: the file.

    Raises:
        ValueError: the sealed part was changed.
    """
    if not data.startswith(_SEALED):
        return  # written by others, or again by MATLAB
    seal = re.match(rb"(\d{1,12}) ([0-9a-f]{64}) *\Z", data[len(_SEALED) : 116])
    length = int(seal[1]) if seal else 0
    if not seal or len(data) < length or hashlib.sha256(data[116:length]).hexdigest().encode() != seal[2]:
        raise ValueError("its bytes are not those that ratecore wrote, its checksum does not match: it was damaged")


# -------------------------------------------------------------------------------------------------------- reading


def is_hdf5(data: bytes) -> bool:
    """Whether a file has the format of MATLAB 7.3.

    Args:
        data: the file.

    Returns:
        whether it has.
    """
    return data[:10] == b"MATLAB 7.3" or b"\x89HDF\r\n\x1a\n" in (data[:8], data[512:520])


def is_format_4(data: Bytes) -> bool:
    """Whether a file may have the format of MATLAB 4, which has no header.

    Args:
        data: the file.

    Returns:
        whether it may.
    """
    return len(data) >= 20 and 0 in data[:4]


def variables(data: bytes) -> list[Variable]:
    """List the variables of a file of format 4 or 5.

    Args:
        data: the file.

    Returns:
        in the order of the file; a name may occur more than once.

    Raises:
        ValueError: it is damaged or of another format.
        zlib.error: it is damaged.
        struct.error: it is damaged.
    """
    if data.startswith((b"# Created by Octave", b"Octave-1-")):
        raise ValueError("this is a format of Octave's own; save it again with '-v7'")
    return list(_variables_4(data) if is_format_4(data) else _variables_5(data))


def read_mat(data: bytes, names: Collection[str] | None = None, nested: bool = False) -> Content:
    """Read variables of a MATLAB file (format 4, or 5: MATLAB 5 to 7) as `scipy.io.loadmat` returns them.

    Of two variables with one name the last one counts, as in MATLAB and SciPy.

    Args:
        data: the file.
        names: variables to read if present; None for all, without those that are not numbers or text.
        nested: whether cell arrays and structures are read too; an unreadable variable is then returned as the error
            that says why.

    Returns:
        variables by name.

    Raises:
        UnusableError: one of `names` is of another kind.
        ValueError: it is damaged or of another format.
        zlib.error: it is damaged.
        struct.error: it is damaged.
    """
    check_seal(data)
    found: Content = {}
    for variable in {v.name: v for v in variables(data)}.values():
        if not variable.name or (names is not None and variable.name not in names):
            continue
        try:
            found[variable.name] = _value(data, variable, nested)
        except (UnusableError, UnicodeError) as error:
            what = f"{variable.name}: {error}" if isinstance(error, UnicodeError) else str(error)
            if nested:
                found[variable.name] = UnusableError(what)
            elif names is not None:
                raise UnusableError(what) from None
    return found


def _value(data: bytes, variable: Variable, nested: bool) -> Any:
    if variable.kind not in ("numbers", "text", "a sparse matrix", *(_NESTED if nested else ())):
        raise UnusableError(f"{variable.name} is {variable.kind}; it must be an array of numbers")
    if is_format_4(data):
        if variable.kind == "a sparse matrix":
            _check_sparse_4(data, variable)
        value = _by_scipy(data[variable.start : variable.end], variable.name)
    else:
        value = _by_scipy(*_file_of(data, variable, order_of(data)))
    if variable.kind == "a sparse matrix":
        if value.format == "csc":  # SciPy has checked that of format 4
            value.check_format(full_check=True)  # making it dense would write to an index out of range
        return value
    return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))


def _by_scipy(file: bytes, name: str) -> Any:
    import scipy.io

    return scipy.io.loadmat(io.BytesIO(file))[name]  # type: ignore[arg-type]  # reads open files, too


# ------------------------------------------------------------------------------------------------------- format 4

_SIZES_4 = (8, 4, 4, 2, 2, 1)  # bytes of a number, by the tens of the type


def _variables_4(data: bytes) -> Iterator[Variable]:
    start = 0
    while start < len(data):
        order = order_4(data, start)
        kind, rows, columns, imaginary, letters = struct.unpack_from(f"{order}5i", data, start)
        if not (0 <= kind % 10 <= 2 and kind // 10 % 10 < 6 and kind // 100 % 10 == 0 and 0 < letters <= 256):
            raise ValueError("this is no MATLAB file (format 4, or 5: MATLAB 5 to 7)")
        begin = start + 20 + letters
        complex_numbers = 2 if imaginary == 1 and kind % 10 != 2 else 1
        end = begin + rows * columns * _SIZES_4[kind // 10 % 10] * complex_numbers
        if rows < 0 or columns < 0 or end > len(data):
            raise ValueError(f"it is cut off at byte {len(data):,}: a matrix of {rows} x {columns} begins at {begin:,}")
        name = data[start + 20 : begin].strip(b"\0").decode("latin-1")
        yield Variable(name, ("numbers", "text", "a sparse matrix")[kind % 10], (rows, columns), start, end)
        start = end


def _check_sparse_4(data: bytes, variable: Variable) -> None:
    """Raise UnusableError for a sparse matrix that would fill the memory; its last row has its size."""
    order, (rows, columns) = order_4(data, variable.start), variable.shape
    kind = struct.unpack_from(f"{order}i", data, variable.start)[0]
    if kind // 10 % 10 != 0 or columns not in (3, 4) or rows < 1:
        raise ValueError(f"{variable.name} is a sparse matrix of another layout than MATLAB's")
    begin = variable.end - 8 * rows * columns
    for column in (0, 1):
        size = struct.unpack_from(f"{order}d", data, begin + 8 * (rows * column + rows - 1))[0]
        if not 0 <= size <= MOST_UNPACKED / 8:
            raise UnusableError(f"{variable.name} is a sparse matrix with {size:g} rows or columns")


def order_4(data: Bytes, start: int) -> str:
    """Byte order of a variable of format 4, from its first word, which is its type.

    Args:
        data: the file.
        start: first byte of the variable.

    Returns:
        '<' or '>'.
    """
    return "<" if 0 <= struct.unpack_from("<i", data, start)[0] <= 5000 else ">"


# ------------------------------------------------------------------------------------------------------- format 5


def order_of(data: Bytes) -> str:
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


def _variables_5(data: bytes) -> Iterator[Variable]:
    order, start = order_of(data), HEADER
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


def _file_of(data: bytes, variable: Variable, order: str) -> tuple[bytes, str]:
    """A file with this variable only, unpacked and checked, and the variable's name there."""
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

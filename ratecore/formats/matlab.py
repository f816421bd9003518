"""MATLAB files as containers: their headers are checked before memory is allocated, then SciPy reads them.

Formats 4 and 5 (MATLAB 5 to 7) are read here; format 7.3 is HDF5 and is read in `ratecore.formats.hdf5`.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
from collections.abc import Collection, Iterator
from typing import Any

from ratecore.formats.containers import MOST_UNPACKED, Bytes, Content, Variable
from ratecore.formats.errors import UnusableError
from ratecore.formats.matlab5 import order_5, single_variable_file, variables_5

_SEALED = b"MATLAB 5.0 MAT-file, ratecore "
_NESTED = ("a cell array", "a structure")


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
    # MATLAB puts its header into 512 bytes before the HDF5 file.
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
    return list(_variables_4(data) if is_format_4(data) else variables_5(data))


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
        value = _by_scipy(*single_variable_file(data, variable, order_5(data)))
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

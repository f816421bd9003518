"""Single variables of a file as numbers and words, in whatever form the file has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratecore.formats.containers import Content
from ratecore.formats.errors import UnusableError

MOST_DENSE = 2**30  # bytes that a sparse matrix may have once dense


def unwrapped(content: Content, key: str) -> Any:
    """Take a variable out of a cell array of one element.

    Args:
        content: variables by name.
        key: of the variable.

    Returns:
        the variable, any type.

    Raises:
        ValueError: it cannot be an array.
    """
    value = content[key]
    while isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.size == 1:
        value = value.ravel()[0]
    if isinstance(value, UnusableError):
        raise value
    if isinstance(value, dict):
        raise ValueError(f"{key} is a structure; it must be an array of numbers")
    return value


def numbers(content: Content, key: str) -> NDArray[np.float64]:
    """Convert a variable to float64.

    Args:
        content: variables by name.
        key: of the variable.

    Returns:
        the variable, any shape, unitless as all in these files.

    Raises:
        ValueError: it is not an array of finite real numbers.

    Source: none
    """
    value = unwrapped(content, key)
    if hasattr(value, "toarray"):
        if value.shape[0] * value.shape[1] * 8 > MOST_DENSE:
            raise ValueError(f"{key} is a sparse matrix of shape {value.shape}; at most {MOST_DENSE:,} bytes are read")
        if hasattr(value, "check_format"):
            value.check_format(full_check=True)  # toarray() would write to an index out of range
        value = value.toarray()
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    value = np.asarray(value)
    if value.dtype.kind == "O":
        raise ValueError(f"{key} is a cell array; it must be an array of numbers")
    if value.dtype.names:
        raise ValueError(f"{key} is a structure; it must be an array of numbers")
    if value.dtype.kind == "c":
        if value.imag.any():
            raise ValueError(f"{key} is complex; it must be real")
        value = value.real
    if value.dtype.kind not in "fiub":
        raise ValueError(f"{key} is not numeric")
    if not value.size:
        raise ValueError(f"{key} is empty")
    value = value.astype(float)
    if not np.isfinite(value).all():
        raise ValueError(f"{key} holds NaN or infinity: all of {key} must be finite numbers")
    return value


def number(content: Content, key: str) -> float:
    """Read a variable that is one number.

    Args:
        content: variables by name.
        key: of the variable.

    Returns:
        the number, in the variable's own unit.

    Raises:
        ValueError: it is not one finite real number.

    Source: none
    """
    value = numbers(content, key)
    if value.size != 1:
        raise ValueError(f"{key} has shape {value.shape}; it must be one number")
    return float(value.item())


def word(content: Content, key: str) -> str:
    """Read a variable that is one word.

    Args:
        content: variables by name.
        key: of the variable.

    Returns:
        the word without spaces around it.

    Raises:
        ValueError: it is not one word.
    """
    value = np.asarray(unwrapped(content, key))
    if value.dtype.kind == "U" and value.size > 1 and (np.char.str_len(value) == 1).all():
        value = np.array("".join(value.ravel().tolist()))  # letters in a column
    if value.dtype.kind != "U" or value.size != 1:
        what = "a cell array" if value.dtype.kind == "O" else f"of shape {value.shape} and type {value.dtype}"
        raise ValueError(f"{key} is {what}; it must be a word")
    return str(value.ravel()[0]).strip()


def vector(content: Content, key: str, N: int) -> NDArray[np.float64]:
    """Read a variable that is a row or a column of numbers.

    Args:
        content: variables by name.
        key: of the variable.
        N: how many numbers.

    Returns:
        (N,), in the variable's own unit.

    Raises:
        ValueError: another shape, or not finite real numbers.

    Source: none
    """
    value = numbers(content, key)
    if value.size != N or max(value.shape, default=1) != N:
        raise ValueError(f"{key} has shape {value.shape}; it must be ({N}, 1)")
    return value.ravel()


def matrix(content: Content, key: str, N: int) -> NDArray[np.float64]:
    """Read a variable that is a square matrix.

    Args:
        content: variables by name.
        key: of the variable.
        N: rows and columns.

    Returns:
        (N, N), in the variable's own unit.

    Raises:
        ValueError: another shape, or not finite real numbers.

    Source: none
    """
    value = numbers(content, key)
    if value.shape != (N, N):
        raise ValueError(f"{key} has shape {value.shape}; it must be ({N}, {N})")
    return value

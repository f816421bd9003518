"""`.npz` files of single analyses, which a stage that is still running keeps until it has all of them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratecore.formats.containers import StrPath, read_npz
from ratecore.formats.errors import FormatError, bytes_of, first_line

WORDS = "values"  # the array with everything that is no array


def part_bytes(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> bytes:
    """Make the `.npz` file of one analysis. It is not compressed, since it is soon removed.

    Args:
        arrays: by name, of any shape, of numbers or text, in the units of docs/analysis.md.
        values: can be written as JSON.

    Returns:
        the file.

    Source: none
    """
    buffer = io.BytesIO()
    named: dict[str, Any] = {f"array/{name}": array for name, array in arrays.items()}
    np.savez(buffer, **named, **{WORDS: np.array(json.dumps(values))})
    return buffer.getvalue()


def load_part(path: StrPath) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read the file of one analysis.

    Args:
        path: of the file.

    Returns:
        the arrays by name, of any shape, and the values, in the units of docs/analysis.md.

    Raises:
        FormatError: it cannot be read.
        OSError: it cannot be opened.

    Source: none
    """
    data = bytes_of(path)
    try:
        found = read_npz(data)
        values: dict[str, Any] = json.loads(str(found.pop(WORDS)))
        return {name.removeprefix("array/"): array for name, array in found.items()}, values
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable part of the analyses: {first_line(error)}") from error

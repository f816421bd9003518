"""Errors for files that cannot be used, always with the file's name, and notes on how others were read."""

from __future__ import annotations

import re
import sys

from ratecore.formats.containers import LARGEST, StrPath
from ratecore.system.files import read_bounded

_said: set[str] = set()


class FormatError(ValueError):
    """A file that is damaged or of the wrong kind; the message names the file and what is wrong."""


class DamagedError(FormatError):
    """A checkpoint that training cannot resume from; the message names the file and why."""


class UnusableError(ValueError):
    """A variable of a kind that is not read; its file may still be usable."""


def first_line(error: BaseException) -> str:
    """An error in one line without colours, with its class unless that is a generic one.

    Args:
        error: any.

    Returns:
        at most 300 letters.
    """
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", f"{type(error).__name__}: {error}")
    text = next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]
    for kind in ("ValueError", "SettingsError", "UnusableError"):
        text = text.removeprefix(f"{kind}: ")
    return text


def say_once(source: StrPath, notes: list[str]) -> None:
    """Print one line on stderr about how a file was read, once per process.

    Args:
        source: the file.
        notes: what was assumed or converted; nothing is printed for none.
    """
    text = re.sub(r"[\x00-\x1f\x7f]", "?", f"note: {source}: {'; '.join(notes)}")  # names in files may hold anything
    if notes and text not in _said:
        _said.add(text)
        print(text, file=sys.stderr, flush=True)


def bytes_of(path: StrPath) -> bytes:
    """Read a file.

    Args:
        path: of the file.

    Returns:
        its bytes.

    Raises:
        FormatError: it is not a file, or too large.
    """
    try:
        return read_bounded(path, LARGEST)
    except ValueError as error:
        raise FormatError(str(error)) from None

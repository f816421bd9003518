"""Errors of files that cannot be used, always with the file's name, and notes on how the others were read."""

from __future__ import annotations

import re
import sys

from ratecore.formats.containers import LARGEST
from ratecore.system.files import read_bounded

_said: set[str] = set()


class FormatError(ValueError):
    """A file that is damaged or is not what it should be; the message names the file and what is wrong."""


class DamagedError(FormatError):
    """A checkpoint that cannot be gone on from; the message names the file and why."""


def first_line(error) -> str:
    """An error in one line without colours, with its kind unless that says nothing."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", f"{type(error).__name__}: {error}")
    text = next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]
    for kind in ("ValueError", "SettingsError", "UnusableError"):
        text = text.removeprefix(f"{kind}: ")
    return text


def say_once(source, notes: list[str]) -> None:
    """Prints one line on stderr about how a file was read, once in a process."""
    text = re.sub(r"[\x00-\x1f\x7f]", "?", f"note: {source}: {'; '.join(notes)}")  # names in files may hold anything
    if notes and text not in _said:
        _said.add(text)
        print(text, file=sys.stderr, flush=True)


def bytes_of(path) -> bytes:
    """The bytes of a file. Raises FormatError when it is no file or too large to be read."""
    try:
        return read_bounded(path, LARGEST)
    except ValueError as error:
        raise FormatError(str(error)) from None

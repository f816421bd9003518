"""What is raised for a file that cannot be used, always with its name."""

from __future__ import annotations

from ratecore.files import read_bounded
from ratecore.formats.containers import LARGEST


class FormatError(ValueError):
    """A file that is damaged or is not what it should be; the message names the file and what is wrong."""


class DamagedError(FormatError):
    """A checkpoint that cannot be gone on from; the message names the file and why."""


def first_line(error) -> str:
    """An error in one line, with its kind unless that says nothing."""
    text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return text.removeprefix("ValueError: ").removeprefix("SettingsError: ")


def bytes_of(path) -> bytes:
    """The bytes of a file. Raises FormatError when it is no file or too large to be read."""
    try:
        return read_bounded(path, LARGEST)
    except ValueError as error:
        raise FormatError(str(error)) from None

"""The part of an error's traceback that is in a user's own code."""

from __future__ import annotations

import linecache
import os
import re
import traceback
from pathlib import Path

SHOWN_FRAMES = 6  # of a traceback, in an error
PACKAGE = str(Path(__file__).parents[1]) + os.sep


def user_frames(error: BaseException) -> str:
    """The frames of a traceback that are in the user's code.

    Args:
        error: an exception that was raised.

    Returns:
        Two indented lines for each of the last frames.
    """
    linecache.checkcache()
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((PACKAGE, "<frozen"))
        and f"{os.sep}site-packages{os.sep}" not in frame.filename
    ]
    lines = [
        f"\n    File {frame.filename!r}, line {frame.lineno}, in {frame.name}\n      {frame.line}"
        for frame in frames[-SHOWN_FRAMES:]
    ]
    return "".join(lines)


def is_raised_on_purpose(error: BaseException) -> bool:
    """Whether a `raise` in ratecore or in the user's code made an exception, and not an accident such as numpy's.

    Args:
        error: an exception that was raised.

    Returns:
        True when its message is written for the reader.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return (
        bool(frames) and bool(re.search(r"\braise\b", frames[-1].line or "")) and not _is_foreign(frames[-1].filename)
    )


def _is_foreign(file: str) -> bool:
    """Whether a file belongs to Python or an installed package other than ratecore."""
    folders = (str(Path(os.__file__).parent), f"{os.sep}site-packages{os.sep}", "<frozen")
    return not file.startswith(PACKAGE) and any(folder in file for folder in folders)

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
    """The part of a traceback that is in the user's code, one indented pair of lines a frame."""
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


def is_said_by_user(error: BaseException) -> bool:
    """Whether an exception is a sentence for the reader, by `raise` in ratecore or in the user's code, and no accident
    such as a ValueError of numpy's.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return (
        bool(frames) and bool(re.search(r"\braise\b", frames[-1].line or "")) and not _is_foreign(frames[-1].filename)
    )


def _is_foreign(file: str) -> bool:
    """Whether a file is Python's or an installed package's, and not the user's or ratecore's."""
    folders = (str(Path(os.__file__).parent), f"{os.sep}site-packages{os.sep}", "<frozen")
    return not file.startswith(PACKAGE) and any(folder in file for folder in folders)

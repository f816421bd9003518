"""The part of an error's traceback that is in a user's own code."""

from __future__ import annotations

import linecache
import os
import traceback
from pathlib import Path

SHOWN_FRAMES = 6  # of a traceback, in an error


def user_frames(error: BaseException) -> str:
    """The part of a traceback that is in the user's code, one indented pair of lines a frame."""
    package = str(Path(__file__).parents[1]) + os.sep
    linecache.checkcache()
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((package, "<frozen"))
        and f"{os.sep}site-packages{os.sep}" not in frame.filename
    ]
    lines = [
        f"\n    File {frame.filename!r}, line {frame.lineno}, in {frame.name}\n      {frame.line}"
        for frame in frames[-SHOWN_FRAMES:]
    ]
    return "".join(lines)

"""A second name for a file, which appears at once or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ratecore.system.files import AnyPath, sync_folder, write_atomic


def link_or_copy(source: AnyPath, path: AnyPath) -> None:
    """Give a file a second name, without a second copy on the disk where the file system allows it.

    Files that are replaced rather than changed, as by `write_atomic`, stay independent of each other.

    Args:
        source: the file. A symbolic link is followed.
        path: its second name; a file of this name is replaced.

    Raises:
        OSError: the file cannot be read, or the other one not be written.

    Source: none
    """
    path, source = Path(path), os.path.realpath(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        os.link(source, temporary)
    except OSError:  # no links here, on another file system, or too many of them
        write_atomic(path, Path(source).read_bytes())
        return
    try:
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # also where `path` was this file already
    sync_folder(path.parent)

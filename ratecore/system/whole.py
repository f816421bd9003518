"""Files and folders that other libraries write, which appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ratecore.system.files import AnyPath, check_writable


def check_free(path: AnyPath, overwrite: bool, ours: Callable[[Path], bool] | None = None) -> None:
    """Check, before any work, that a file or folder can be written.

    Args:
        path: of the file or folder.
        overwrite: whether one that exists is replaced.
        ours: for a folder, tells whether one that exists may be replaced; None for a file.

    Raises:
        FileExistsError: it exists and is not to be replaced.
        IsADirectoryError: a folder is where a file is to be.
        NotADirectoryError: a file is where a folder is to be.
        PermissionError: the folder around it cannot be written in.
    """
    path = Path(path)
    check_writable(path.absolute().parent)
    if not (path.exists() or path.is_symlink()):
        return
    if ours is None and path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder; name a file", str(path))
    if ours is not None and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file; a folder is written here", str(path))
    if not overwrite:
        raise FileExistsError(errno.EEXIST, "it exists already; overwrite (--overwrite) replaces it", str(path))
    if ours is not None and not ours(path):
        raise FileExistsError(errno.EEXIST, "this folder has other files, too, and is not replaced", str(path))


@contextlib.contextmanager
def whole_file(path: AnyPath, overwrite: bool = False) -> Iterator[Path]:
    """Write a file beside its place, sync it to disk and move it there when it is complete.

    Args:
        path: file to write.
        overwrite: whether a file that exists is replaced.

    Yields:
        path of a file that does not exist yet, in the same folder; to be written and closed within the block.

    Raises:
        FileExistsError: `path` exists and is not to be replaced, also if it was made in the meantime.
        OSError: the disk is full, the folder is not writable ...
    """
    path = Path(path)
    check_free(path, overwrite)
    temporary = _beside(path)
    try:
        yield temporary
        _sync(temporary)
        if overwrite:
            os.replace(temporary, path)
        else:
            try:
                os.link(temporary, path)  # unlike a rename, fails when the name is taken
            except FileExistsError:
                check_free(path, overwrite)
                raise
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: AnyPath, ours: Callable[[Path], bool], overwrite: bool = False) -> Iterator[Path]:
    """Write a folder beside its place, sync its files to disk and move it there when it is complete.

    Args:
        path: folder to write.
        ours: tells whether a folder that exists may be replaced.
        overwrite: whether a folder that exists is replaced.

    Yields:
        path of an empty folder beside `path`.

    Raises:
        FileExistsError: `path` exists and is not to be replaced.
        OSError: the disk is full, the folder is not writable ...
    """
    path = Path(path)
    check_free(path, overwrite, ours)
    temporary, old = _beside(path), _beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in (*names, "."):
                _sync(Path(folder, name))
        if path.exists():  # a folder cannot be renamed onto another one with files
            check_free(path, overwrite, ours)
            os.rename(path, old)
        try:
            os.rename(temporary, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
        _sync(path.parent)
    finally:
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _beside(path: Path) -> Path:
    """Name of a temporary file or folder; `files.remove_leftovers` knows it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path


def write_atomic(path, data: bytes, keep=None) -> str:
    """Writes a file beside its place, syncs it to disk and renames it there. Returns the SHA-256 of its bytes.

    Args:
        keep: where to move what stood at `path`, once the new file is whole on disk.

    Raises:
        OSError: the disk is full, the folder unwritable ...; it names `path`, and what stood there is as it was.
    """
    path = Path(path)
    temporary = _written_beside(path, data)
    try:
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def write_new(path, data: bytes) -> str:
    """As `write_atomic`, but never over a file that is there, also with other processes at the same name.

    Raises:
        FileExistsError: something is there.
    """
    path = Path(path)
    temporary = _written_beside(path, data)
    try:
        os.link(temporary, path)  # unlike a rename, fails when the name is taken
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def remove_leftovers(folder, but: str = "") -> None:
    """Removes what processes that were killed while they wrote have left in a folder, and in those in it.

    Args:
        but: name of a file that another process may be writing.
    """
    for path in Path(folder).rglob(".*.part"):
        if not but or not path.name.startswith(f".{but}."):
            path.unlink(missing_ok=True)


def ensure_writable(folder) -> None:
    """Makes the folder and sees that a file can be written in it.

    Raises:
        OSError: names the folder and why not.
    """
    try:
        _written_beside(Path(folder, "probe"), b"").unlink()
    except OSError as error:
        raise type(error)(error.errno, f"cannot write in this folder ({error.strerror})", str(folder)) from error


def check_writable(folder) -> None:
    """Sees, without touching anything, that the folder is or can be made a folder to write in.

    Raises:
        OSError: names what stands in the way.
    """
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file, not a folder to write in", str(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "cannot write in this folder", str(place))


@contextlib.contextmanager
def locked(path, wait: bool = True):
    """Holds a lock on a file made for it; the lock ends with the process, however it ends.

    Raises:
        BlockingIOError: without `wait`, when another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def sha256_of(path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written_beside(path: Path, data: bytes) -> Path:
    try:
        return _synced_beside(path, data)
    except OSError as error:  # of a full disk it does not name the file
        raise OSError(error.errno, error.strerror, str(path)) from error


def _synced_beside(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

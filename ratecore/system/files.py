"""Files that appear complete or not at all; locks, and checks of paths and folders."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ABANDONED = 3600.0  # age in seconds after which an unlocked temporary file counts as abandoned
LONG_ABANDONED = 24 * ABANDONED  # the same where the file system has no locks

AnyPath = str | os.PathLike[str]


def write_atomic(path: AnyPath, data: bytes, keep: AnyPath | None = None) -> str:
    """Write a temporary file in the same folder, sync it to disk and rename it to `path`.

    Args:
        path: file to write.
        data: its contents.
        keep: where to move the file that is at `path` now, once the new one is on disk.

    Returns:
        SHA-256 of `data`.

    Raises:
        OSError: the disk is full, the folder is not writable ...; it names `path`, whose old contents are unchanged.
    """
    path = Path(path)
    with _written_beside(path, data) as temporary:
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(temporary, path)
    sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def write_new(path: AnyPath, data: bytes) -> str:
    """As `write_atomic`, but never over an existing file, even when several processes write at once.

    Args:
        path: file to write.
        data: its contents.

    Returns:
        SHA-256 of `data`.

    Raises:
        FileExistsError: `path` exists.
    """
    path = Path(path)
    with _written_beside(path, data) as temporary:
        os.link(temporary, path)  # unlike a rename, fails when the name is taken
    sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def remove_leftovers(folder: AnyPath, but: str = "") -> None:
    """Remove the temporary files of killed processes from a folder and all folders in it.

    Args:
        folder: where to look.
        but: name of a file that another process may be writing; its temporary files are kept.
    """
    for path in Path(folder).rglob(".*.part"):
        if not but or not path.name.startswith(f".{but}."):
            path.unlink(missing_ok=True)


def remove_abandoned(root: AnyPath) -> list[Path]:
    """Remove the temporary files of killed processes from the folders of an experiment, except those of its runs.

    There are too many runs to search; their leftovers are removed by the next job that works on them.

    Args:
        root: folder of the experiment.

    Returns:
        The files removed.
    """
    removed = []
    for folder, folders, names in os.walk(root):
        if folder == os.fspath(root) and "runs" in folders:
            folders.remove("runs")
        parts = [Path(folder, name) for name in names if name.startswith(".") and name.endswith(".part")]
        removed += [path for path in parts if _remove_if_abandoned(path)]
    return removed


def _remove_if_abandoned(path: Path) -> bool:
    """Judge by age and lock: a writer holds the lock until it has renamed the file, on any machine that knows locks."""
    try:
        age = time.time() - path.lstat().st_mtime
        if age < ABANDONED:
            return False
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            if age < LONG_ABANDONED:
                return False
        finally:
            os.close(handle)
        path.unlink()
    except OSError:  # already removed, or another user's
        return False
    return True


def ensure_writable(folder: AnyPath) -> None:
    """Make the folder and check that files can be written in it.

    Args:
        folder: made when it is missing.

    Raises:
        OSError: names the folder and the reason.
    """
    try:
        with _written_beside(Path(folder, "probe"), b""):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write in this folder ({error.strerror})", str(folder)) from error


def check_writable(folder: AnyPath) -> None:
    """Check, without changing anything, that files can be written in a folder or that it can be made.

    Args:
        folder: need not exist.

    Raises:
        NotADirectoryError: the folder or one above it is a file.
        PermissionError: the folder, or the one to make it in, is not writable.
    """
    existing = Path(folder).absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file, not a folder to write in", str(existing))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "cannot write in this folder", str(existing))


@contextlib.contextmanager
def locked(path: AnyPath, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a lock file; the kernel frees it when the process ends.

    Args:
        path: lock file, made when it is missing.
        wait: whether to wait for another process that holds the lock.

    Yields:
        Nothing, while the lock is held.

    Raises:
        BlockingIOError: without `wait`, when another process holds the lock.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = open_to_lock(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def open_to_lock(path: AnyPath, create: bool = True, links: bool = True) -> int:
    """Open a file in order to lock it, also one of another user that can only be read.

    Args:
        path: file to lock; its contents are never changed.
        create: whether a missing file is made.
        links: whether symbolic links are followed; they must not be in a folder that anybody can write to.

    Returns:
        File descriptor, which the caller closes.

    Raises:
        FileNotFoundError: there is no such file and `create` is false, or others remove it all the time.
        OSError: any other error; it names the file.
    """
    path, flags = os.fspath(path), os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    for _ in range(100):  # the file may come and go between two attempts
        try:
            return os.open(path, os.O_RDWR | flags)  # some network file systems lock only files open for writing
        except PermissionError:
            return os.open(path, os.O_RDONLY | flags)
        except FileNotFoundError:
            if not create:
                raise
        with contextlib.suppress(FileExistsError):
            # O_EXCL, because Linux refuses O_CREAT alone for another user's file in a shared folder such as /tmp.
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
    raise FileNotFoundError(errno.ENOENT, "it is removed again and again", path)


NETWORK_FILE_SYSTEMS = (
    "nfs",
    "nfs4",
    "lustre",
    "gpfs",
    "beegfs",
    "cifs",
    "smb3",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "9p",
)


def network_file_system(path: AnyPath, mounts: str | None = None) -> str | None:
    """The type of the network file system that a path is on (Linux only).

    Args:
        path: need not exist.
        mounts: the text of /proc/mounts, read when None.

    Returns:
        'nfs', 'lustre' ...; None for a local file system or where the type is unknown.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text()
        except OSError:
            return None
    absolute = Path(path).absolute()
    nearest, kind = Path("/"), ""
    for line in mounts.splitlines():
        _, mounted_on, its_kind, *_ = line.split(" ")
        point = Path(mounted_on.encode().decode("unicode_escape"))  # a space is written as \\040
        if absolute.is_relative_to(point) and len(point.parts) >= len(nearest.parts):
            nearest, kind = point, its_kind
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def read_bounded(path: AnyPath, most: int) -> bytes:
    """Read a file of unknown origin.

    Args:
        path: file to read.
        most: largest size that is read, in bytes.

    Returns:
        The file's contents.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a regular file, or larger than `most` bytes.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe without a writer would block
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path}: this is no regular file")
        if status.st_size > most:
            raise ValueError(f"{path}: it has {status.st_size:,} bytes; at most {most:,} are read")
        with open(handle, "rb", closefd=False) as file:
            return file.read()  # not read(most), which would allocate `most` bytes at once
    finally:
        os.close(handle)


def sealed_json(values: dict[str, Any], indent: int | None = None) -> bytes:
    """The contents of a small JSON file that includes a checksum of its values.

    Args:
        values: can be written as JSON; 'checksum' is not among the keys.
        indent: as in `json.dumps`.

    Returns:
        JSON text, encoded.
    """
    return json.dumps({**values, "checksum": _checksum(values)}, indent=indent).encode()


def read_sealed_json(path: AnyPath, most: int = 2**16) -> dict[str, Any]:
    """Read a file that `sealed_json` made.

    Args:
        path: file to read.
        most: largest size that is read, in bytes.

    Returns:
        The values, without the checksum.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, too large or not such a file.
    """
    try:
        values = json.loads(read_bounded(path, most))
        if isinstance(values, dict) and values.pop("checksum", None) == _checksum(values):
            return values
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: it cannot be read: {error}") from error
    raise ValueError(f"{path}: its checksum does not match: it was damaged")


def _checksum(values: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def inside(root: AnyPath, path: AnyPath, links: bool = True) -> Path:
    """Join a path that was read from a file to `root`, and check that it stays in there.

    Args:
        root: folder that the path must not leave.
        path: relative to `root`.
        links: whether symbolic links are resolved before the check.

    Returns:
        `root` / `path`.

    Raises:
        ValueError: the path leads out of `root`.
    """
    if not links and not os.path.isabs(path) and ".." not in os.fspath(path).split(os.sep):
        return Path(root, path)  # the usual case, fast: a table of 100,000 networks asks two million times
    resolve = os.path.realpath if links else os.path.abspath
    full, top = resolve(os.path.join(root, path)), resolve(root)
    if full != top and not full.startswith(top.rstrip(os.sep) + os.sep):
        raise ValueError(f"the path {str(path)[:200]!r} leads out of {root}")
    return Path(root, path)


def sha256_of(path: AnyPath) -> str:
    """SHA-256 of a file's contents.

    Args:
        path: file to read.

    Returns:
        64 hexadecimal digits.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A temporary file in the folder of `path`, complete and on disk; removed afterwards unless it was renamed."""
    with contextlib.ExitStack() as stack:
        try:
            temporary = _synced_beside(path, data, stack)
        except OSError as error:  # on a full disk it does not name the file
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield temporary


def _synced_beside(path: Path, data: bytes, stack: contextlib.ExitStack) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    # Not by tempfile: the umask, the folder's group and its default ACL decide the mode.
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    stack.callback(os.close, handle)
    stack.callback(temporary.unlink, missing_ok=True)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells `remove_abandoned` that the writer is alive
    with open(handle, "wb", closefd=False) as file:
        file.write(data)
    os.fsync(handle)
    return temporary


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk.

    Args:
        folder: to sync.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

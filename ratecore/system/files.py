"""Files that appear whole or not at all."""

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
from pathlib import Path

ABANDONED = 3600.0  # seconds after which a file that nobody holds a lock on is no longer being written
LONG_ABANDONED = 24 * ABANDONED  # where the file system has no locks


def write_atomic(path, data: bytes, keep=None) -> str:
    """Writes a file beside its place, syncs it to disk and renames it there. Returns the SHA-256 of its bytes.

    Args:
        keep: where to move what stood at `path`, once the new file is whole on disk.

    Raises:
        OSError: the disk is full, the folder unwritable ...; it names `path`, and what stood there is as it was.
    """
    path = Path(path)
    with _written_beside(path, data) as temporary:
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(temporary, path)
    _sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def write_new(path, data: bytes) -> str:
    """As `write_atomic`, but never over a file that is there, also with other processes at the same name.

    Raises:
        FileExistsError: something is there.
    """
    path = Path(path)
    with _written_beside(path, data) as temporary:
        os.link(temporary, path)  # unlike a rename, fails when the name is taken
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


def remove_abandoned(root) -> list[Path]:
    """Removes what killed writers have left in the folders of an experiment, but for those of its runs.

    These are too many to be searched; what is left in one is removed by who works on it next.

    Returns:
        what was removed.
    """
    removed = []
    for folder, folders, names in os.walk(root):
        if folder == os.fspath(root) and "runs" in folders:
            folders.remove("runs")
        parts = [Path(folder, name) for name in names if name.startswith(".") and name.endswith(".part")]
        removed += [path for path in parts if _remove_if_abandoned(path)]
    return removed


def _remove_if_abandoned(path: Path) -> bool:
    """By age and lock: a writer holds one, on any machine if the file system knows locks, until it has renamed it."""
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
    except OSError:  # it is gone, or not ours to remove
        return False
    return True


def ensure_writable(folder) -> None:
    """Makes the folder and sees that a file can be written in it.

    Raises:
        OSError: names the folder and why not.
    """
    try:
        with _written_beside(Path(folder, "probe"), b""):
            pass
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
    handle = open_to_lock(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def open_to_lock(path, create: bool = True, links: bool = True) -> int:
    """A handle of a file to lock, also when the file belongs to another user who lets us read it but not write to it.

    Args:
        create: whether the file is made when it is missing; its contents are never touched.
        links: whether a symbolic link is followed, which in a folder that anybody can write to it must not be.

    Raises:
        OSError: names the file.
    """
    path, flags = os.fspath(path), os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    for _ in range(100):  # the file may come and go between two attempts
        try:
            return os.open(path, os.O_RDWR | flags)  # some network file systems lock only what could be written to
        except PermissionError:
            return os.open(path, os.O_RDONLY | flags)
        except FileNotFoundError:
            if not create:
                raise
        with contextlib.suppress(FileExistsError):
            # Exclusive, because Linux refuses O_CREAT for a file of another user in a shared folder such as /tmp.
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


def network_file_system(path, mounts: str | None = None) -> str | None:
    """Kind of the network file system that a path is on (Linux); None for a local one, or where that is not known.

    Args:
        mounts: the text of /proc/mounts, read when None.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text()
        except OSError:
            return None
    place = Path(path).absolute()
    found = Path("/"), ""
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        point = Path(point.encode().decode("unicode_escape"))  # a space is written as \\040
        if place.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = point, kind
    return found[1] if found[1] in NETWORK_FILE_SYSTEMS else None


def read_bounded(path, most: int) -> bytes:
    """The bytes of a file that may be anybody's.

    Raises:
        FileNotFoundError: there is none.   ValueError: it is no regular file or has more than `most` bytes.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody writes to would be waited for
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path}: this is no regular file")
        if status.st_size > most:
            raise ValueError(f"{path}: it has {status.st_size:,} bytes; at most {most:,} are read")
        with open(handle, "rb", closefd=False) as file:
            return file.read()  # not read(most), which would take so much memory at once
    finally:
        os.close(handle)


def sealed_json(values: dict, indent: int | None = None) -> bytes:
    """A small JSON file with a checksum of its values in it."""
    return json.dumps({**values, "checksum": _checksum(values)}, indent=indent).encode()


def read_sealed_json(path, most: int = 2**16) -> dict:
    """The values in a file of `sealed_json`.

    Args:
        most: bytes that are read.

    Raises:
        FileNotFoundError: there is none.   ValueError: it is damaged or something else.
    """
    try:
        values = json.loads(read_bounded(path, most))
        if isinstance(values, dict) and values.pop("checksum", None) == _checksum(values):
            return values
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: it cannot be read: {error}") from error
    raise ValueError(f"{path}: its checksum does not match: it was damaged")


def _checksum(values: dict) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def inside(root, path, links: bool = True) -> Path:
    """A path that a file names, seen from `root`.

    Args:
        links: whether symbolic links are followed, too.

    Raises:
        ValueError: it leads out of `root`.
    """
    if not links and not os.path.isabs(path) and ".." not in os.fspath(path).split(os.sep):
        return Path(root, path)  # the usual case: a table of 100,000 networks asks two million times
    place = os.path.realpath if links else os.path.abspath
    whole, top = place(os.path.join(root, path)), place(root)
    if whole != top and not whole.startswith(top.rstrip(os.sep) + os.sep):
        raise ValueError(f"the path {str(path)[:200]!r} leads out of {root}")
    return Path(root, path)


def sha256_of(path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes):
    """A new file beside `path`, whole and on disk; gone in the end unless it was renamed."""
    with contextlib.ExitStack() as stack:
        try:
            temporary = _synced_beside(path, data, stack)
        except OSError as error:  # of a full disk it does not name the file
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield temporary


def _synced_beside(path: Path, data: bytes, stack: contextlib.ExitStack) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    # Unlike tempfile's, the mode is what the umask, the folder's group and its default ACL make of it.
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    stack.callback(os.close, handle)
    stack.callback(temporary.unlink, missing_ok=True)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells `remove_abandoned` that its writer lives
    with open(handle, "wb", closefd=False) as file:
        file.write(data)
    os.fsync(handle)
    return temporary


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

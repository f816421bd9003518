"""Compiles loops with Numba on first use; later processes read them from a cache on disk."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

from ratecore.system.files import locked

F = TypeVar("F", bound=Callable[..., Any])

_numba: Any = config  # filled from the environment when Numba is imported

# Numba's own switch, NUMBA_BOUNDSCHECK=1: every index is checked, at some cost. It overrules `boundscheck` below.
BOUNDS_CHECKED = bool(_numba.BOUNDSCHECK)

# `fastmath` without `nnan` and `ninf`: sums may be reordered, but NaN and infinity keep their meaning, so that a
# diverged network is seen and not hidden.
FAST = {"reassoc", "contract", "arcp", "nsz"}
# Callees are inlined (`forceinline`); otherwise LLVM may reuse a copy compiled earlier that sums in another order, and
# the numbers would depend on what was compiled, loaded or run before.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": FAST,
    "error_model": "numpy",
    "boundscheck": False,
    "forceinline": True,
}


def compiled(function: F) -> F:
    """Compile a function on first use, for each combination of argument types.

    On its own, Numba checks only the file of this function: its cache would keep machine code whose callees, in another
    file, have changed since. And two processes that fill an empty cache at once could mix up the code for two types.
    Here the cache belongs to one version of all sources, and one process at a time writes to it.

    Args:
        function: what Numba can compile.

    Returns:
        Numba's dispatcher, which is called as the function is.
    """
    folder = cache_folder()
    if folder is None:
        return cast(F, njit(**OPTIONS)(function))
    before, _numba.CACHE_DIR = _numba.CACHE_DIR, str(folder)  # read while the function is decorated
    try:
        dispatcher: Any = njit(cache=True, **OPTIONS)(function)
    finally:
        _numba.CACHE_DIR = before
    save = dispatcher._cache.save_overload

    def save_alone(*args: Any) -> None:
        try:
            with locked(folder / "lock"):
                save(*args)
        except OSError as error:  # the disk is full, the folder was made read-only: the code in memory works anyway
            _print_once(
                f"compiled loops are not kept in {folder} ({error.strerror}); the next process compiles them again"
            )

    dispatcher._cache.save_overload = save_alone
    return cast(F, dispatcher)


@functools.cache
def cache_folder() -> Path | None:
    """The folder for the machine code of this version of the sources.

    Returns:
        A folder in the first of NUMBA_CACHE_DIR, the folder of the sources and the user's cache that is writable; None
        when none is.
    """
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for pattern in ("compilation.py", "noise.py", "scalar.py", "../rate/dynamics/*.py", "../spiking/*kernels.py"):
        for source in sorted(here.glob(pattern)):
            digest.update(source.read_bytes())
    candidates = (os.environ.get("NUMBA_CACHE_DIR"), here / "__pycache__", _user_cache())
    parents = [Path(parent) for parent in candidates if parent]
    for parent in parents:
        folder = Path(parent, f"kernels-{digest.hexdigest()[:16]}" + "-checked" * BOUNDS_CHECKED)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue  # a read-only installation or home
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    tried = ", ".join(map(str, parents))
    _print_once(
        f"compiled loops are not kept: none of these folders is writable: {tried}. NUMBA_CACHE_DIR can name another"
    )
    return None


def _user_cache() -> Path | None:
    """The user's cache folder; None for a user without a home, such as a bare user id in a container."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ratecore")
    except RuntimeError:
        return None


@functools.cache
def _print_once(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

"""How the loops are compiled: by Numba on first use, then read from a cache on disk by every later process."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from pathlib import Path

from numba import config, njit

from ratecore.system.files import locked

# Numba's own switch, NUMBA_BOUNDSCHECK=1: every index is checked, at some cost. It overrules `boundscheck` below.
BOUNDS_CHECKED = bool(config.BOUNDSCHECK)

# `fastmath` without `nnan` and `ninf`: sums may be reordered, but NaN and infinity keep their meaning, so that a
# diverged network is seen and not hidden.
FAST = {"reassoc", "contract", "arcp", "nsz"}
# A loop that another one calls is made a part of it. Left on its own, LLVM may take the code of the first copy in the
# process, which sums in another order: the numbers would depend on what was compiled, loaded or run before.
OPTIONS = {"nogil": True, "fastmath": FAST, "error_model": "numpy", "boundscheck": False, "forceinline": True}


def compiled(function):
    """The function, compiled on first use for the types that it is called with.

    Numba alone would look at the file of this function only and take machine code from its cache whose inner loops,
    of another file, have changed since; and two processes that fill a fresh cache at once could mix up the code for
    two types. Here the cache is one of these very sources, and is written by one process at a time.
    """
    folder = cache_folder()
    if folder is None:
        return njit(**OPTIONS)(function)
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)  # read by numba now, while the function is decorated
    try:
        dispatcher = njit(cache=True, **OPTIONS)(function)
    finally:
        config.CACHE_DIR = before
    save = dispatcher._cache.save_overload

    def save_alone(*args):
        try:
            with locked(folder / "lock"):
                save(*args)
        except OSError as error:  # the disk is full, the folder was made read-only: the code in memory is as good
            _say_once(
                f"compiled loops are not kept in {folder} ({error.strerror}); the next process compiles them again"
            )

    dispatcher._cache.save_overload = save_alone
    return dispatcher


@functools.cache
def cache_folder() -> Path | None:
    """Where the machine code of these sources is kept: under NUMBA_CACHE_DIR, beside the sources or in the user's
    cache, the first of them that can be written; None when none can.
    """
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for pattern in ("compilation.py", "noise.py", "scalar.py", "../rate/dynamics/*.py", "../spiking/kernels.py"):
        for source in sorted(here.glob(pattern)):
            digest.update(source.read_bytes())
    places = (os.environ.get("NUMBA_CACHE_DIR"), here / "__pycache__", _user_cache())
    for place in filter(None, places):
        folder = Path(place, f"kernels-{digest.hexdigest()[:16]}" + "-checked" * BOUNDS_CHECKED)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue  # a read-only installation or home; the next place may do
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    tried = ", ".join(str(place) for place in filter(None, places))
    _say_once(
        f"compiled loops are not kept: none of these can be written: {tried}. NUMBA_CACHE_DIR can name another place"
    )
    return None


def _user_cache() -> Path | None:
    """The user's folder for caches; None for one without a home, as a user id in a container without a name."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ratecore")
    except RuntimeError:
        return None


@functools.cache
def _say_once(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

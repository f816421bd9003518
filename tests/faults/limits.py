"""Limits of time and memory for what a fault makes the package do."""

from __future__ import annotations

import contextlib
import resource
import signal


class TooLongError(Exception):
    """The code did not finish in time."""


@contextlib.contextmanager
def at_most(seconds: float):
    """Raises TooLongError in the block if it takes longer."""

    def ring(number, frame):
        raise TooLongError(f"it did not end within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def more_memory(most: int):
    """In the block, this process may allocate at most the given number of additional bytes."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)

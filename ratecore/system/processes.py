"""Runs work in parallel processes that share what is already in memory."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeVar, cast

Item = TypeVar("Item")
Value = TypeVar("Value")

PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


def side_by_side(
    do: Callable[[Item], tuple[Value, str]], items: Sequence[Item], workers: int
) -> list[tuple[Value | None, str]]:
    """Call a function on every item, each in a process of its own, at most `workers` at a time.

    Processes are forked: they start in milliseconds with everything imported and compiled, and their memory is freed
    when they end. They end with their parent, however that ends.

    Args:
        do: returns (value, error message) that can be pickled.
        items: one argument of `do` for each process.
        workers: largest number of processes at a time.

    Returns:
        What `do` returned, in the order of the items; (None, message) for a process that was killed.
    """
    fork, waiting = multiprocessing.get_context("fork"), list(enumerate(items))
    under_way: dict[Connection, tuple[int, ForkProcess]] = {}
    results: dict[int, tuple[Value | None, str]] = {}
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        while waiting or under_way:
            while waiting and len(under_way) < workers:
                k, item = waiting.pop(0)
                receive, send = fork.Pipe(duplex=False)
                process = fork.Process(target=_child, args=(do, item, send, os.getpid()))
                with warnings.catch_warnings():  # Python 3.12 warns of threads; those of dask and zarr are idle here
                    warnings.filterwarnings(
                        "ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning
                    )
                    process.start()
                send.close()
                under_way[receive] = k, process
            for ready in wait(list(under_way)):
                connection = cast(Connection, ready)
                k, process = under_way.pop(connection)
                try:
                    results[k] = connection.recv()
                except EOFError:
                    process.join()
                    results[k] = None, f"item {k + 1}: its process ended with exit code {process.exitcode}"
                process.join()
    finally:
        for _, process in under_way.values():
            process.terminate()
        for _, process in under_way.values():
            process.join()
    return [results[k] for k in range(len(items))]


def _child(do: Callable[[Item], tuple[Value, str]], item: Item, send: Connection, parent: int) -> None:
    _end_with(parent)
    try:
        send.send(do(item))
    except Exception:  # from sending: `do` returns its own errors as messages
        traceback.print_exc()
        raise


def _end_with(parent: int) -> None:
    """Ask the kernel to send this process SIGTERM when its parent ends, also when that is killed (Linux only)."""
    with contextlib.suppress(OSError, AttributeError):  # elsewhere it finishes its item
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it had already ended
        sys.exit(1)

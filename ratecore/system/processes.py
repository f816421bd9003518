"""Work side by side in processes that share what is in memory already."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import wait

PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


def side_by_side(do: Callable, items: list, workers: int) -> list:
    """[do(item) for item in items], at most `workers` at once, each item in a process of its own.

    A process is forked for each item: it starts in milliseconds, with all that is imported and compiled, and its memory
    is given back when it ends. Processes end with their parent, however that ends.

    Args:
        do: returns (value, error message) that can be pickled.

    Returns:
        what `do` returned, in the order of the items; (None, message) for a process that was killed.
    """
    fork, waiting, under_way = multiprocessing.get_context("fork"), list(enumerate(items)), {}
    results = [None] * len(items)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        while waiting or under_way:
            while waiting and len(under_way) < workers:
                k, item = waiting.pop(0)
                receive, send = fork.Pipe(duplex=False)
                process = fork.Process(target=_child, args=(do, item, send, os.getpid()))
                process.start()
                send.close()
                under_way[receive] = k, process
            for connection in wait(list(under_way)):
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
    return results


def _child(do, item, send, parent: int) -> None:
    _end_with(parent)
    try:
        send.send(do(item))
    except Exception:  # of sending: `do` passes its own on as a message
        traceback.print_exc()
        raise


def _end_with(parent: int) -> None:
    """Has the kernel end this process as SIGTERM does when its parent is gone, killed or not (Linux)."""
    with contextlib.suppress(OSError, AttributeError):  # elsewhere it works on to the end of its run
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before
        sys.exit(1)

"""Parallel work: results in order, processes end independently, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time

from conftest import PATIENCE

from ratecore.system.processes import side_by_side


def test_results_come_in_order_and_as_many_at_once_as_asked(tmp_path):
    def do(k):
        (tmp_path / f"{k}-starts").touch()
        if k == 0:  # ends only when the second one runs beside it
            while not (tmp_path / "1-starts").exists():
                time.sleep(0.005)
            assert not (tmp_path / "3-starts").exists() or (tmp_path / "2-starts").exists()
        return k * k, ""

    assert side_by_side(do, list(range(5)), 2) == [(k * k, "") for k in range(5)]


def test_a_killed_process_is_named_and_takes_no_other_along():
    def do(k):
        if k == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return k, ""

    assert side_by_side(do, [0, 1, 2], 2) == [(0, ""), (None, "item 2: its process ended with exit code -9"), (2, "")]


PARENT = """
import os, sys, time
from ratecore.system.processes import side_by_side
def do(k):
    open(f"{sys.argv[1]}/{os.getpid()}", "w").close()
    time.sleep(3600)
side_by_side(do, [0, 1], 2)
"""


def test_no_process_outlives_a_killed_parent(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    end = time.monotonic() + PATIENCE
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    children = [int(path.name) for path in tmp_path.iterdir()]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    while any(_runs(pid) for pid in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in children)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_idle_threads_of_other_libraries_give_no_warning():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert side_by_side(doubled, [1, 2], 2) == [(2, ""), (4, "")]
    finally:
        done.set()
        thread.join()


def doubled(item):
    return 2 * item, ""

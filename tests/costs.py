"""A pytest plugin that prints the CPU seconds of files and tests: `make costs`, or `make costs TESTS=tests/rate`.

Seconds by the clock depend on what else the machine does; these hardly do. Counted are the worker, the programs that a
test starts and those of the warm Python. What a fixture of a file or a session costs is in the first test that uses it.
"""

import contextlib
import os
from collections import Counter
from pathlib import Path

import pytest

SHOWN = 30
TICKS = os.sysconf("SC_CLK_TCK")
BEFORE = pytest.StashKey[float]()


def cpu_seconds() -> float:
    """Of this process, of its children that have ended, and of all its descendants."""
    times = os.times()
    ticks, left = 0, _children(os.getpid())
    while left:
        pid = left.pop()
        with contextlib.suppress(OSError):  # it has just ended
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
            left += _children(pid)
    return sum(times[:4]) + ticks / TICKS


def _children(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


class Costs:
    """Takes the costs with the reports of tests, also from workers."""

    def __init__(self):
        self.tests, self.processes = {}, []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        item.stash[BEFORE] = cpu_seconds()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if call.when == "teardown":
            report.user_properties.append(("cpu", cpu_seconds() - item.stash[BEFORE]))
        return report

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            self.tests[report.nodeid] = dict(report.user_properties)["cpu"]

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["cpu"] = cpu_seconds()
        else:
            self.processes.append(cpu_seconds())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        if hasattr(node, "workeroutput"):  # it has not crashed
            self.processes.append(node.workeroutput["cpu"])

    def pytest_terminal_summary(self, terminalreporter):
        files, counts = Counter(), Counter()
        for name, seconds in self.tests.items():
            files[name.partition("::")[0]] += seconds
            counts[name.partition("::")[0]] += 1
        # Workers that have ended are children of this process.
        everything, tests = max(self.processes, default=0.0), sum(files.values())
        terminalreporter.section("CPU seconds")
        terminalreporter.line(f"{everything:8.1f}  all, of which imports and collection {everything - tests:.1f}")
        for name, seconds in files.most_common(SHOWN):
            terminalreporter.line(f"{seconds:8.1f}  {name} ({counts[name]})")
        terminalreporter.section("CPU seconds of single tests")
        for name, seconds in Counter(self.tests).most_common(SHOWN):
            terminalreporter.line(f"{seconds:8.1f}  {name}")


def pytest_configure(config):
    config.pluginmanager.register(Costs(), "costs of tests")

"""Times the parts of a training job from inside. Python imports this module if its folder is on PYTHONPATH.

It is active only in the job of the rule `train`, in the processes that the job starts and in the follower, and only if
the environment has `RATECORE_PROBE`, the folder for the report of each process (`<role>-<pid>.json`). The package does
not know about it: functions are looked up by name and wrapped with timers as soon as their module is imported.

The time of a part excludes other parts that it calls. Both wall time and CPU time are kept, so that waiting for the
core is not counted as the cost of a part.
"""

import _thread
import atexit
import functools
import importlib
import json
import os
import resource
import sys
import time

BORN = time.time() - time.process_time()  # start of the process, without the time that it has waited so far

# Module: the functions that are timed in it, and their parts. A part's name may have details after a slash.
TIMED = {
    "numba.core.dispatcher": {"Dispatcher.compile": "compilation"},  # includes reading the cache on disk
    "ratecore.tasks.base": {"AbstractTask.generate_batch": "stimuli/tasks"},
    "ratecore.rate.dynamics.noise": {"trial_noise": "noise"},
    "ratecore.rate.training": {
        "initial_network": "other/initial networks",
        "Training.draw": "stimuli/streams and tensors",
        "Training.test": "evaluation/scores",
    },
    "ratecore.rate.fused_updates": {
        "FusedUpdates.update": "gradients",  # forward and backward are one kernel; the benchmark splits its time
        "FusedUpdates._products": "product",
        "FusedUpdates._adam": "optimizer",
    },
    "ratecore.tracking.record": {"Record.append": "records/record"},
    "ratecore.experiment.stages.table": {"code_hash": "records/code hash"},
    "ratecore.tracking.provenance": {"provenance": "records/git and versions"},
    "ratecore.formats.pth": {"save_pth": "records/pth"},
    "ratecore.experiment.stages.running": {"run_block": "other/blocks"},
}
WITHIN_EVALUATION = ("stimuli", "noise")  # the trials of a test are part of the test


class Clock:
    """Time of nested parts, on one thread: {name: [wall seconds, CPU seconds, number of calls]}."""

    def __init__(self):
        self.parts, self.first, self._open = {}, {}, []

    def enter(self, name):
        if self._open and self._open[-1][0].startswith("evaluation") and name.startswith(WITHIN_EVALUATION):
            name = f"evaluation/{name.partition('/')[0]}"
        self.first.setdefault(name, time.time())
        # Wall time is read last here and first in `leave`: reading CPU time is a system call, during which the core is
        # often given to another process.
        core = time.thread_time()
        self._open.append([name, time.perf_counter(), core, 0.0, 0.0])

    def leave(self):
        wall = time.perf_counter()
        core = time.thread_time()
        name, start, core_start, inner, inner_core = self._open.pop()
        wall, core = wall - start, core - core_start
        part = self.parts.setdefault(name, [0.0, 0.0, 0])
        part[0] += wall - inner
        part[1] += core - inner_core
        part[2] += 1
        if self._open:
            self._open[-1][3] += wall
            self._open[-1][4] += core


class Probe:
    """The clock of a process and the functions that it times. A forked child has its own clock and report."""

    def __init__(self, role, folder):
        self.role, self.folder, self.born, self.clock = role, folder, BORN, Clock()
        self.thread, self.timed = _thread.get_ident(), dict(TIMED) if role != "follower" else {}
        self.clock.parts["imports/python"] = [time.time() - BORN, time.process_time(), 1]
        self._time_imports()
        if role == "follower":
            self._report_at_hard_exit()
        else:
            atexit.register(self.report)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self):
        self.role, self.born, self.clock, self.thread = "worker", time.time(), Clock(), _thread.get_ident()
        self._report_at_hard_exit()

    def _report_at_hard_exit(self):
        """Writes a report for the follower and forked children, which end without Python's exit functions."""
        leave = os._exit

        def exit_with_report(code):
            self.report()
            leave(code)

        os._exit = exit_with_report

    def wrap(self, function, name):
        """Returns `function`, timed as `name` on the main thread."""

        @functools.wraps(function)
        def timed(*args, **kwargs):
            if _thread.get_ident() != self.thread:
                return function(*args, **kwargs)
            clock = self.clock
            clock.enter(name)
            try:
                return function(*args, **kwargs)
            finally:
                clock.leave()

        return timed

    def _time_imports(self):
        """Times every import, by package. Functions in TIMED are wrapped as soon as their module is imported."""
        bootstrap, loading = importlib._bootstrap, set()
        load = bootstrap._find_and_load  # called for modules that are not imported yet

        def find_and_load(name, *rest):
            if name in loading or _thread.get_ident() != self.thread:
                return load(name, *rest)
            loading.add(name)
            clock = self.clock
            clock.enter(f"imports/{name.partition('.')[0]}")
            try:
                module = load(name, *rest)
            finally:
                clock.leave()
                loading.discard(name)
            for path, part in self.timed.pop(name, {}).items():
                self._fit_out(module, path, part)
            return module

        bootstrap._find_and_load = find_and_load

    def _fit_out(self, module, path, part):
        *owners, name = path.split(".")
        try:
            owner = functools.reduce(getattr, owners, module)
            found = vars(owner)[name]
        except (AttributeError, KeyError):
            raise RuntimeError(
                f"{__file__}: {module.__name__} has no '{path}' any more, which is timed as '{part}'; "
                "name in TIMED what does this now"
            ) from None
        static = isinstance(found, staticmethod)
        timed = self.wrap(found.__func__ if static else found, part)
        setattr(owner, name, staticmethod(timed) if static else timed)

    def report(self):
        """Writes the times of this process, without parts that are still running."""
        ended = time.time()
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        content = {
            "role": self.role, "born": self.born, "ended": ended, "core_s": time.process_time(),
            "waited_for_core_s": _waited_for_core(), "peak_memory_mb": _peak_memory(own),
            "children": {"core_s": children.ru_utime + children.ru_stime, "peak_memory_mb": children.ru_maxrss / 1024},
            "parts": self.clock.parts, "first": self.clock.first, "timers_s": self._cost_of_timers(),
        }  # fmt: skip
        with open(os.path.join(self.folder, f"{self.role}-{os.getpid()}.json"), "w") as file:
            json.dump(content, file)

    def _cost_of_timers(self):
        """Returns approximately how much time was spent on timing itself."""
        entries, self.clock, n = sum(part[2] for part in self.clock.parts.values()), Clock(), 1000
        nothing = self.wrap(lambda: None, "nothing")
        start = time.perf_counter()
        for _ in range(n):
            nothing()
        return entries * (time.perf_counter() - start) / n


def _waited_for_core():
    """Returns the seconds that the main thread waited for a core; None if the kernel does not report it."""
    try:
        with open("/proc/self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return None


def _peak_memory(usage):
    """Returns the peak memory in MiB, from /proc if possible, because `ru_maxrss` includes the parent of a fork."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return usage.ru_maxrss / 1024


def _trains(script):
    """Returns whether a script, as Snakemake copies it with the paths of its job, is of a training job."""
    with open(script, "rb") as file:
        return b"/logs/train/" in file.read()


def _role():
    """Returns 'job', 'follower', 'worker' (another Python process that the job starts), or None (not timed)."""
    if "ratecore.tracking.mlflow.follow" in sys.orig_argv:
        return "follower"
    if any(argument.endswith(".stage.py") and _trains(argument) for argument in sys.orig_argv):
        return "job"
    return "worker" if "RATECORE_PROBE_JOB" in os.environ else None


if "RATECORE_PROBE" in os.environ and _role():
    probe = Probe(_role(), os.environ["RATECORE_PROBE"])
    os.environ["RATECORE_PROBE_JOB"] = str(os.getpid())

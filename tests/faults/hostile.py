"""Hostile files, configurations and environments: each is refused with a clear error before any harm.

Each case runs in a separate process, which may use one more gigabyte of memory and a minute. The cases are in
`hostile_files` and `hostile_settings`.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

from faults.data import CONFIG, small_experiment
from faults.harness import fault
from faults.limits import at_most, more_memory
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run

MEMORY, SECONDS = 2**30, 600
CASES: dict[str, Callable[[Place], None]] = {}


class Place:
    """The folders of a case.

    Attributes:
        folder: folder of this case.   results: results of `small_experiment` in it.   outside: a folder next to the
            results.   ran: a file that hostile code creates.   laid: files that the case itself puts outside.
    """

    def __init__(self, folder: Path, staged):
        self.folder, (self.experiment, self.runs) = folder, staged
        self.outside, self.ran = folder / "outside", folder / "ran"
        self.outside.mkdir(parents=True)
        self.laid: list[Path] = []

    def refused(self, act: Callable, kind: type[Exception], *words: str) -> None:
        """Calls a function that must raise this error with these words."""
        try:
            result = act()
        except kind as error:
            missing = [word for word in words if word not in str(error)]
            assert not missing, f"the error does not say {missing}: {error}"
            assert "MemoryError" not in str(error), f"memory was filled: {error}"
            assert "sesame" not in str(error) and len(str(error)) < 5000, f"too long, or with a password: {error}"
            return
        raise AssertionError(f"it was not refused: {result!r:.300}")

    def pickle(self) -> object:
        """Returns a pickle that creates the file `ran` when it is loaded."""
        return _Hostile(f"touch {self.ran}")


class _Hostile:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def case(function):
    """Registers a hostile case by the function's name."""
    CASES[function.__name__] = function
    return function


def _do(name: str, folder: Path, template: Path, connection) -> None:
    """Runs one case in a separate process."""
    problem = "it says nothing"
    try:
        os.chdir(folder)
        place = Place(folder, small_experiment_again(folder, template))
        with more_memory(MEMORY), at_most(SECONDS):
            CASES[name](place)
        there = set(place.outside.rglob("*")) - set(place.laid)
        problem = f"written outside the results: {there}" if there else None
        if place.ran.exists():
            problem = "code in the file was run"
    except MemoryError:
        problem = f"it took more than {MEMORY:,} bytes of memory: {traceback.format_exc()}"
    except BaseException:
        problem = traceback.format_exc()
    connection.send(problem)


def small_experiment_again(folder: Path, template: Path):
    """Returns a copy of the experiment of `small_experiment`."""
    shutil.copytree(template, folder / "results")
    experiment = Experiment.from_config({**CONFIG, "results": str(folder / "results")})
    return experiment, [Run.at(experiment, experiment.grid_points[0], seed) for seed in experiment.seeds]


@fault(
    "hostile-files",
    32,
    30,
    "refused with a clear error; no code runs, nothing is written outside the results, memory and time are bounded",
)
def hostile_files(times, rng, folder):
    template = folder / "template"
    small_experiment(template)
    context = multiprocessing.get_context("fork")
    for k in range(times):
        name = list(CASES)[k % len(CASES)]
        place = folder / f"case{k}"
        place.mkdir()
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=_do, args=(name, place, template, send))
        process.start()
        send.close()
        try:
            problem = receive.recv()
        except EOFError:
            problem = "its process died"
        process.join()
        yield problem and f"{name}: {problem}"

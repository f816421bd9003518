"""Mirroring while a workflow runs: one process of its own, so that no tracking server holds up or breaks the work."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from ratecore.system.redaction import redact_output

INTERVAL = 5.0  # seconds between two looks at the open runs
STATISTICS = 600.0  # seconds between two looks of SQLite at its tables, for who looks at a grid that is under way


class Follower:
    """Mirrors the open runs of an experiment in a process beside the work, from `start` to `stop`.

    What it does not bring is brought by the next one, or by `ratecore replay`.

    Args:
        uri: tracking URI; handed on in the environment, where no process list shows it.
        experiment: name of the MLflow experiment.   results: folder of all results.
        whole: whether all runs are looked at once in the end, and not the open ones alone.
        runs: gives the names of the folders of the grid's runs, asked at the start, see `Mirror`; None for all runs.
    """

    def __init__(self, uri: str, experiment: str, results, whole: bool = False, runs=None):
        self._job = {"experiment": experiment, "results": str(results), "whole": whole}
        self._runs = runs
        self._uri, self._process = uri, None
        self._stopping, self._saying, self._said = threading.Event(), threading.Lock(), False

    def start(self) -> Follower:
        """Starts the process. Should it end before it is told to, this is said at once."""
        runs = {"runs": list(self._runs())} if self._runs else {}
        try:
            self._process = subprocess.Popen(
                # -P: a file `random.py` in the folder of the launch is not Python's own.
                [sys.executable, "-P", "-m", "ratecore.tracking.mlflow.follow"], stdin=subprocess.PIPE, text=True,
                env={**os.environ, "MLFLOW_TRACKING_URI": self._uri, "PYTHONPATH": self._python_path()},
            )  # fmt: skip
            threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()
            self._process.stdin.write(json.dumps(self._job | runs) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):  # of which `_watch` says why
                self._say_once(f"the process that mirrors does not start ({error})")
        return self

    def _watch(self, process: subprocess.Popen) -> None:
        """Says so when the process ends although nobody has told it to."""
        code = process.wait()
        if not self._stopping.is_set():
            how = f"was killed by signal {-code}" if code < 0 else f"ended by itself with exit status {code}"
            self._say_once(f"the process that mirrors {how}")

    def _say_once(self, what: str) -> None:
        with self._saying:
            if not self._said:
                self._said = True
                later = f"the rest is replayed later: `ratecore replay {shlex.quote(self._job['results'])}`"
                print(f"tracking: {what}; {later}", file=sys.stderr, flush=True)

    @property
    def pid(self) -> int | None:
        """The process, once it was started."""
        return self._process and self._process.pid

    @staticmethod
    def _python_path() -> str:
        """Where the process finds this very ratecore, installed or not. An empty entry would be the working folder."""
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        return os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, given)])

    def stop(self, grace: float = 60.0) -> bool:
        """Has the process bring what is left, within `grace` seconds. Returns whether it has."""
        if self._process is None:
            return False
        if self._process.poll() is None:
            self._stopping.set()
        try:
            self._process.stdin.close()  # the sign to finish
        except BrokenPipeError:
            pass  # it ended by itself, which its exit status tells
        code = self._wait(grace)
        if code is None:
            self._process.terminate()  # upon which it says that it is not done, unless it has said so before
            code = self._wait(10.0)
        if code is None:
            self._process.kill()
            self._process.wait()
        if code not in (0, 1):
            self._say_once("the process that mirrors was killed")
        return code == 0

    def _wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def follow(job: dict, uri: str, finished, said: set | None = None) -> bool:
    """Mirrors open runs as they grow until `finished(seconds)`, which waits at most so long, says that no more comes.

    Args:
        job: experiment, results, whole, as in `Follower`; `runs`, a list, where they are not all runs.
        said: what has been said already and is not said again; grows.

    Returns:
        whether all was mirrored in the end.
    """
    from ratecore.tracking.mlflow.mirror import GoneError, Mirror, RefusedError
    from ratecore.tracking.mlflow.sqlite import refresh_statistics
    from ratecore.tracking.queue import close, note_open, open_runs
    from ratecore.tracking.record import RecordError

    root, mirror = Path(job["results"], job["experiment"]), None
    due = time.monotonic() + STATISTICS
    said = set() if said is None else said
    while True:
        last, whole = finished(INTERVAL), True
        notes = open_runs(root)
        every = sorted(path.parent for path in root.glob("runs/**/record.jsonl")) if last and job["whole"] else []
        try:
            if mirror is None and (notes or every):
                mirror = Mirror(uri, job["experiment"], job["results"], job.get("runs"))
                for note in mirror.notes:
                    _say(said, note, note)
                mirror.restoring.note_deleted()
            missed = [folder for folder in every if folder not in notes and not mirror.has_all(folder)]
            for folder in missed:
                note_open(root, folder)  # so that the next one brings it, if this one cannot
            notes = open_runs(root) if missed else notes
            for folder in dict.fromkeys([*notes, *missed]):
                try:
                    if mirror.replay(folder) and folder in notes and mirror.has_all(folder):
                        close(root, folder, notes[folder])
                except (RecordError, GoneError, RefusedError, OSError) as error:  # of this run alone: the others go on
                    if isinstance(error, OSError) and error.filename is None:
                        raise  # of a connection
                    _say(said, folder, f"{folder} is not mirrored: {error}")
                    whole = False
            if last and mirror is not None:
                mirror.restoring.note_deleted()
        except Exception as error:  # whatever is wrong with a server, the work goes on and this is said once
            whole, mirror = False, None  # what answers next may be another store
            _say(said, "server", _trouble(error, uri))
        if mirror is not None and (last or time.monotonic() > due):
            try:
                mirror.mirrored.write()
            except OSError as error:  # the next look at all runs takes longer
                _say(said, "mirrored", str(error))
            refresh_statistics(uri)
            due = time.monotonic() + STATISTICS
        if last:
            return whole


def _trouble(error: Exception, uri: str) -> str:
    """One sentence about a store that cannot be used."""
    from ratecore.system.redaction import without_secrets
    from ratecore.tracking.mlflow.sqlite import problem_of_version

    if found := re.search(r"database schema \(found version (\w+)", str(error)):
        problem = problem_of_version(found[1], uri) or "its schema is not that of the MLflow installed"
        return without_secrets(f"MLflow cannot be used, the runs go on and are mirrored later: {problem}", uri)
    message = without_secrets(f"{type(error).__name__}: {error}".splitlines()[0], uri)
    return f"MLflow cannot be reached, the runs go on and are mirrored later ({message})"


def _say(said: set, about, text: str) -> None:
    if about not in said:
        said.add(about)
        print(f"tracking: {text}", file=sys.stderr, flush=True)


def _standard_input_closed(seconds: float) -> bool:
    return bool(select.select([sys.stdin], [], [], seconds)[0]) and not sys.stdin.read(1)


def main() -> int:
    """Reads the job from the first line of standard input; its end is the sign to finish."""
    os.nice(10)  # the training beside it comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the jobs, whose end is still to be mirrored
    redact_output()  # MLflow and what it imports write to standard error, too
    said = set()

    def give_up(number, frame):
        _say(said, "server", "MLflow is slow, not all is mirrored yet; the rest is later")
        os._exit(1)

    signal.signal(signal.SIGTERM, give_up)
    line = sys.stdin.readline()
    if not line:
        return 0
    whole = follow(json.loads(line), os.environ["MLFLOW_TRACKING_URI"], _standard_input_closed, said)
    return 0 if whole else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking down all that MLflow has imported takes most of a second

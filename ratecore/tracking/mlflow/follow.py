"""The follower: mirrors records while a workflow runs, in a process of its own that a slow server cannot hold up."""

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
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ratecore.system.files import AnyPath
from ratecore.system.redaction import redact_output

if TYPE_CHECKING:
    from ratecore.tracking.mlflow.mirror import Mirror
    from ratecore.tracking.queue import Note

INTERVAL = 5.0  # seconds between two looks at the open runs
STATISTICS = 600.0  # seconds between two updates of SQLite's statistics, which keep the UI fast while a grid grows


class Follower:
    """Mirrors the open runs of an experiment in a process next to the workflow, from `start` to `stop`.

    What it cannot send is sent by the next follower, or by `ratecore replay`.

    Args:
        uri: tracking URI; passed on in the environment, where no list of processes shows it.
        experiment: name of the MLflow experiment.
        results: folder of all results.
        all_runs: whether the end covers all runs and not only the open ones.
        runs: called at the start for the names of the folders of the grid's runs, see `Mirror`; None for all runs.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        results: AnyPath,
        all_runs: bool = False,
        runs: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._job = {"experiment": experiment, "results": str(results), "all_runs": all_runs}
        self._runs, self._uri = runs, uri
        self._process: subprocess.Popen[str] | None = None
        self._stopping, self._warning, self._warned = threading.Event(), threading.Lock(), False

    def start(self) -> Follower:
        """Start the process. A warning is printed if it ends before `stop`.

        Returns:
            This object.
        """
        runs = {"runs": list(self._runs())} if self._runs else {}
        try:
            self._process = subprocess.Popen(
                # -P: the working folder may have a file such as `random.py`, which must not hide Python's own.
                [sys.executable, "-P", "-m", "ratecore.tracking.mlflow.follow"],
                stdin=subprocess.PIPE,
                text=True,
                env={**os.environ, "MLFLOW_TRACKING_URI": self._uri, "PYTHONPATH": self._python_path()},
            )
            threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()
            if self._process.stdin:
                self._process.stdin.write(json.dumps(self._job | runs) + "\n")
                self._process.stdin.flush()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):  # which `_watch` explains
                self._warn_once(f"the follower does not start ({error})")
        return self

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Warn when the process ends before `stop`."""
        code = process.wait()
        if not self._stopping.is_set():
            how = f"was killed by signal {-code}" if code < 0 else f"ended by itself with exit status {code}"
            self._warn_once(f"the follower {how}")

    def _warn_once(self, what: str) -> None:
        with self._warning:
            if not self._warned:
                self._warned = True
                later = f"the rest is replayed later: `ratecore replay {shlex.quote(str(self._job['results']))}`"
                print(f"tracking: {what}; {later}", file=sys.stderr, flush=True)

    @property
    def pid(self) -> int | None:
        """Id of the process; None before the start."""
        return self._process.pid if self._process else None

    @staticmethod
    def _python_path() -> str:
        """The path on which the process imports this same ratecore, whether it is installed or not."""
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        # An empty entry would mean the working folder.
        return os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, given)])

    def stop(self, grace: float = 60.0) -> bool:
        """Let the process send the rest, then end it.

        Args:
            grace: how long it may take, s.

        Returns:
            Whether everything was sent.
        """
        process = self._process
        if process is None:
            return False
        if process.poll() is None:
            self._stopping.set()
        try:
            if process.stdin:
                process.stdin.close()  # tells it to finish
        except BrokenPipeError:
            pass  # it has ended by itself, which its exit status shows
        code = _wait(process, grace)
        if code is None:
            process.terminate()  # it then prints that it is not done, unless it has warned before
            code = _wait(process, 10.0)
        if code is None:
            process.kill()
            process.wait()
        if code not in (0, 1):
            self._warn_once("the follower was killed")
        return code == 0


def _wait(process: subprocess.Popen[str], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def follow(job: dict[str, Any], uri: str, finished: Callable[[float], bool], warned: set[object] | None = None) -> bool:
    """Mirror open runs as they grow, until no more is to come.

    Args:
        job: `experiment`, `results` and `all_runs`, as in `Follower`; `runs`, a list, unless it is all runs.
        uri: tracking URI.
        finished: called with the longest time to wait, s; whether no more is to come.
        warned: subjects of warnings that have been printed and are not printed again; new ones are added.

    Returns:
        Whether everything was mirrored at the end.
    """
    session = _Session(job, uri, set() if warned is None else warned)
    while True:
        last = finished(INTERVAL)
        complete = session.mirror_open_runs(last)
        session.write_state(last)
        if last:
            return complete


class _Session:
    """The state of a follower: its mirror, as long as the store answers, and the warnings it has printed."""

    def __init__(self, job: dict[str, Any], uri: str, warned: set[object]) -> None:
        self.job, self.uri, self.warned = job, uri, warned
        self.root = Path(job["results"], job["experiment"])
        self.mirror: Mirror | None = None
        self.due = time.monotonic() + STATISTICS

    def mirror_open_runs(self, last: bool) -> bool:
        """Send what is new; `last`: nothing will follow. Returns whether MLflow has everything."""
        from ratecore.tracking.queue import note_open, open_runs

        root = self.root
        notes = open_runs(root)
        folders: list[Path] = []
        if last and self.job["all_runs"]:
            folders = sorted(path.parent for path in root.glob("runs/**/record.jsonl"))
        try:
            if self.mirror is None and (notes or folders):
                self.mirror = self._connect()
            if self.mirror is None:
                return True  # nothing to send
            mirror = self.mirror
            missed = [folder for folder in folders if folder not in notes and not mirror.is_complete(folder)]
            for folder in missed:
                note_open(root, folder)  # so that the next follower sends it if this one cannot
            notes = open_runs(root) if missed else notes
            complete = True
            for folder in dict.fromkeys([*notes, *missed]):
                complete = self._replay(mirror, folder, notes) and complete
            if last:
                mirror.restorer.note_deleted()
            return complete
        except Exception as error:  # whatever is wrong with a server, the workflow goes on; one warning
            self.mirror = None  # what answers next may be another store
            _warn(self.warned, "server", _store_error(error, self.uri))
            return False

    def _connect(self) -> Mirror:
        from ratecore.tracking.mlflow.mirror import Mirror

        mirror = Mirror(self.uri, self.job["experiment"], self.job["results"], self.job.get("runs"))
        for note in mirror.notes:
            _warn(self.warned, note, note)
        mirror.restorer.note_deleted()
        return mirror

    def _replay(self, mirror: Mirror, folder: Path, notes: dict[Path, Note]) -> bool:
        """Send one run, and close it if it is complete. Returns False after an error of this run alone."""
        from ratecore.tracking.mlflow.mirror import DeletedRunError, RefusedError
        from ratecore.tracking.queue import close_run
        from ratecore.tracking.record import RecordError

        try:
            if mirror.replay(folder) and folder in notes and mirror.is_complete(folder):
                close_run(self.root, folder, notes[folder])
        except (RecordError, DeletedRunError, RefusedError, OSError) as error:
            if isinstance(error, OSError) and error.filename is None:
                raise  # an error of the connection
            _warn(self.warned, folder, f"{folder} is not mirrored: {error}")
            return False
        return True

    def write_state(self, last: bool) -> None:
        """Write the list of mirrored runs and SQLite's statistics, every ten minutes and at the end."""
        from ratecore.tracking.mlflow.sqlite import refresh_statistics

        if self.mirror is not None and (last or time.monotonic() > self.due):
            try:
                self.mirror.mirrored.write()
            except OSError as error:  # only makes the next look at all runs slower
                _warn(self.warned, "mirrored", str(error))
            refresh_statistics(self.uri)
            self.due = time.monotonic() + STATISTICS


def _store_error(error: Exception, uri: str) -> str:
    """One sentence about a store that cannot be used."""
    from ratecore.system.redaction import without_secrets
    from ratecore.tracking.mlflow.sqlite import version_problem

    if found := re.search(r"database schema \(found version (\w+)", str(error)):
        problem = version_problem(found[1], uri) or "its schema is not that of the installed MLflow"
        return without_secrets(f"MLflow cannot be used, the runs go on and are mirrored later: {problem}", uri)
    message = without_secrets(f"{type(error).__name__}: {error}".splitlines()[0], uri)
    return f"MLflow cannot be reached, the runs go on and are mirrored later ({message})"


def _warn(warned: set[object], subject: object, text: str) -> None:
    """Print a warning, once for each subject."""
    if subject not in warned:
        warned.add(subject)
        print(f"tracking: {text}", file=sys.stderr, flush=True)


def _standard_input_closed(seconds: float) -> bool:
    return bool(select.select([sys.stdin], [], [], seconds)[0]) and not sys.stdin.read(1)


def main() -> int:
    """Run the follower: the first line of standard input is the job, and its end tells it to finish.

    Returns:
        Exit status: 0 when everything was mirrored.
    """
    os.nice(10)  # training takes precedence
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the jobs, and their end has to be mirrored
    redact_output()  # MLflow and what it imports write to standard error, too
    warned: set[object] = set()

    def give_up(number: int, frame: FrameType | None) -> NoReturn:
        _warn(warned, "server", "MLflow is slow and does not have everything yet; the rest is replayed later")
        os._exit(1)

    signal.signal(signal.SIGTERM, give_up)
    line = sys.stdin.readline()
    if not line:
        return 0
    complete = follow(json.loads(line), os.environ["MLFLOW_TRACKING_URI"], _standard_input_closed, warned)
    return 0 if complete else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # without tearing down what MLflow has imported, which takes most of a second

"""Mirroring while a workflow runs: one process of its own, so that no tracking server holds up or breaks the work."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from ratecore.redaction import redact_output

INTERVAL = 5.0  # seconds between two looks at the open runs


class Follower:
    """Mirrors the open runs of an experiment in a process beside the work, from `start` to `stop`.

    What it does not bring is brought by the next one, or by `ratecore replay`.

    Args:
        uri: tracking URI; handed on in the environment, where no process list shows it.
        experiment: name of the MLflow experiment.   results: folder of all results.
        whole: whether all runs are looked at once in the end, and not the open ones alone.
    """

    def __init__(self, uri: str, experiment: str, results, whole: bool = False):
        self._job = {"experiment": experiment, "results": str(results), "whole": whole}
        self._uri, self._process = uri, None

    def start(self) -> Follower:
        """Starts the process."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ratecore.tracking.follow"], stdin=subprocess.PIPE, text=True,
                env={**os.environ, "MLFLOW_TRACKING_URI": self._uri, "PYTHONPATH": self._python_path()},
            )  # fmt: skip
            self._process.stdin.write(json.dumps(self._job) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            print(f"tracking: not mirrored now, but replayed later: {error}", file=sys.stderr)
        return self

    @staticmethod
    def _python_path() -> str:
        """Where the process finds this very ratecore, installed or not."""
        return os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))

    def stop(self, grace: float = 60.0) -> bool:
        """Has the process bring what is left, within `grace` seconds. Returns whether it has."""
        if self._process is None:
            return False
        try:
            self._process.stdin.close()  # the sign to finish
        except BrokenPipeError:
            pass  # it ended by itself and has said why
        try:
            return self._process.wait(grace) == 0
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            print(f"tracking: not done after {grace:g} s; the rest is replayed later", file=sys.stderr)
            return False


def follow(job: dict, uri: str, finished) -> bool:
    """Mirrors open runs as they grow until `finished(seconds)`, which waits at most so long, says that no more comes.

    Args:
        job: experiment, results, whole, as in `Follower`.

    Returns:
        whether all was mirrored in the end.
    """
    from ratecore.redaction import without_secrets
    from ratecore.tracking.mlflow import GoneError, Mirror
    from ratecore.tracking.queue import close, open_runs
    from ratecore.tracking.record import RecordError

    root, mirror, said = Path(job["results"], job["experiment"]), None, set()

    def say(about, text: str) -> None:
        if about not in said:
            said.add(about)
            print(f"tracking: {text}", file=sys.stderr, flush=True)

    while True:
        last, whole = finished(INTERVAL), True
        notes = open_runs(root)
        every = sorted(path.parent for path in root.glob("runs/**/record.jsonl")) if last and job["whole"] else []
        try:
            if mirror is None and (notes or every):
                mirror = Mirror(uri, job["experiment"], job["results"])
            for folder in dict.fromkeys([*notes, *every]):
                try:
                    if mirror.replay(folder) and folder in notes and mirror.has_all(folder):
                        close(root, folder, notes[folder])
                except (RecordError, GoneError) as error:  # of this run alone: the others go on
                    say(folder, f"{folder} is not mirrored: {error}")
                    whole = False
        except Exception as error:  # whatever is wrong with a server, the work goes on and this is said once
            whole = False
            message = without_secrets(f"{type(error).__name__}: {error}".splitlines()[0], uri)
            say("server", f"MLflow cannot be reached, the runs go on and are mirrored later ({message})")
        if last:
            return whole


def _standard_input_closed(seconds: float) -> bool:
    return bool(select.select([sys.stdin], [], [], seconds)[0]) and not sys.stdin.read(1)


def main() -> int:
    """Reads the job from the first line of standard input; its end is the sign to finish."""
    os.nice(10)  # the training beside it comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the jobs, whose end is still to be mirrored
    redact_output()  # MLflow and what it imports write to standard error, too
    line = sys.stdin.readline()
    if not line:
        return 0
    whole = follow(json.loads(line), os.environ["MLFLOW_TRACKING_URI"], _standard_input_closed)
    return 0 if whole else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking down all that MLflow has imported takes most of a second

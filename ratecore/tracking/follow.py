"""Mirroring while a job runs: a process of its own, so that no tracking server can hold up or break the work."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

INTERVAL = 5.0  # seconds between two looks at the records


class Follower:
    """Mirrors runs in a process beside the job, from `with` to its end.

    At the end the process gets `grace` seconds to bring what is left; what it does not is replayed by a later stage.

    Args:
        uri: tracking URI; handed on in the environment, where no process list shows it.
        experiment: name of the MLflow experiment.   results: folder of all results.   folders: of the runs.
        grace: seconds.
    """

    def __init__(self, uri: str, experiment: str, results, folders, grace: float = 20.0):
        self._job = {"experiment": experiment, "results": str(results), "folders": [str(f) for f in folders]}
        self._uri, self._grace, self._process = uri, grace, None

    def __enter__(self):
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

    def __exit__(self, *error):
        if self._process is None:
            return
        try:
            self._process.stdin.close()  # the sign to finish
        except BrokenPipeError:
            pass  # it ended by itself and has said why
        try:
            self._process.wait(self._grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            print(f"tracking: not done after {self._grace:g} s; the rest is replayed later", file=sys.stderr)


def follow(job: dict, uri: str, finished) -> bool:
    """Mirrors records as they grow until `finished(seconds)`, which waits at most so long, says that no more comes.

    Returns:
        whether all was mirrored in the end.
    """
    from ratecore.tracking.mlflow import GoneError, Mirror, without_secrets
    from ratecore.tracking.record import RecordError

    mirror, said = None, set()

    def say(about, text: str) -> None:
        if about not in said:
            said.add(about)
            print(f"tracking: {text}", file=sys.stderr, flush=True)

    while True:
        last, whole = finished(INTERVAL), True
        try:
            mirror = mirror or Mirror(uri, job["experiment"], job["results"])
            for folder in job["folders"]:
                try:
                    mirror.replay(folder)
                except (RecordError, GoneError) as error:  # of this run alone: the others go on
                    say(folder, f"{folder} is not mirrored: {error}")
                    whole = False
        except Exception as error:  # whatever is wrong with a server, the run goes on and this is said once
            whole = False
            message = without_secrets(f"{type(error).__name__}: {error}".splitlines()[0])
            say("server", f"MLflow cannot be reached, the run goes on and is mirrored later ({message})")
        if last:
            return whole


def _standard_input_closed(seconds: float) -> bool:
    return bool(select.select([sys.stdin], [], [], seconds)[0]) and not sys.stdin.read(1)


def main() -> int:
    """Reads the job from the first line of standard input; its end is the sign to finish."""
    os.nice(10)  # the training beside it comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the job, whose end is still to be mirrored
    line = sys.stdin.readline()
    if not line:
        return 0
    whole = follow(json.loads(line), os.environ["MLFLOW_TRACKING_URI"], _standard_input_closed)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())

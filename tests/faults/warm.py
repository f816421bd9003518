"""Training jobs that start in milliseconds.

`Warm` is a process with torch and the compiled loops in memory. For each job, it forks a child that runs
`scripts/stage.py` as Snakemake does. It can send the child a signal at a given instant.
"""

from __future__ import annotations

import functools
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[2]
OFTEN = 0.06  # seconds between checkpoints, so that a training of one second saves many


class Warm:
    """A process that runs jobs one after another.

    Args:
        errors: file for the jobs' standard error.   under: command to which the process's own command is appended.
    """

    def __init__(self, errors, under=()):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        self._errors = open(errors, "ab")
        self.process = subprocess.Popen(
            [*under, sys.executable, "-m", "faults.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=env,
        )
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the process for jobs did not start: {Path(errors).read_text()}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self._errors.close()

    def run(self, experiment, block: str, folder, **job) -> dict:
        """Runs the training job of a block in the folder and waits until it has ended.

        Args:
            experiment: an `Experiment` with one grid point.   block: name of its seeds.
            job: `threads`; `every`, seconds between checkpoints; `count`, a file to which each update appends a byte;
                `signal`, sent to the job or, with `group`, to all its processes, `after` seconds from its start, or
                from when a new file whose name starts with `seen[1]` appears in the folder `seen[0]`.

        Returns:
            status: exit status, negative for a signal.   seconds: duration.   told: whether the signal was sent.
        """
        config = experiment.settings.model_dump(mode="json")
        grid_point = experiment.grid_points[0]
        place = {"config": config, "seeds": block, "wildcards": grid_point.values, "folder": str(folder)}
        self.process.stdin.write(json.dumps(place | job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def output_of(folder, block: str) -> Path:
    """Returns the path of the output that the job of a block writes at its end."""
    return Path(folder, "jobs", f"{block}.json")


def _child(job: dict) -> int:
    """Runs the job in a new process and process group. Returns its exit status."""
    from ratecore.experiment import checkpoints
    from ratecore.rate import updates

    os.setsid()
    os.chdir(job["folder"])
    Path("jobs").mkdir(exist_ok=True)
    os.dup2(2, 1)
    checkpoints.SHARE = 0.5
    checkpoints.Checkpoints = functools.partial(checkpoints.Checkpoints, every=job.get("every", OFTEN))
    if job.get("count"):
        count, update = os.open(job["count"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), updates.FusedUpdates.update

        def counted(self, *args, **more):
            loss = update(self, *args, **more)
            os.write(count, b".")
            return loss

        updates.FusedUpdates.update = counted
    snakemake = SimpleNamespace(
        config=job["config"],
        threads=job.get("threads", 1),
        output=[str(output_of(job["folder"], job["seeds"]))],
        wildcards=type("", (dict,), {"seeds": job["seeds"]})(job["wildcards"]),
        log=[f"jobs/{job['seeds']}.log"],
        params=SimpleNamespace(stage="train"),
    )
    try:
        runpy.run_path(str(ROOT / "scripts/stage.py"), {"snakemake": snakemake})
    except SystemExit as end:
        return end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _watch(pid: int, job: dict) -> dict:
    """Waits for a job and sends it the signal at the given instant."""
    start, seen = time.monotonic(), job.get("seen")
    before = _names(*seen) if seen else set()
    from_here, told = None if seen else start, False
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        now = time.monotonic()
        if ended:
            return {"status": os.waitstatus_to_exitcode(status), "seconds": now - start, "told": told}
        if from_here is None and not _names(*seen) <= before:
            from_here = now
        if job.get("signal") and not told and from_here is not None and now - from_here >= job["after"]:
            (os.killpg if job.get("group") and os.getpgid(pid) == pid else os.kill)(pid, job["signal"])
            told = True
        time.sleep(0.0003)


def _names(folder: str, prefix: str) -> set[str]:
    try:
        return {name for name in os.listdir(folder) if name.startswith(prefix)}
    except FileNotFoundError:
        return set()


def main() -> None:
    """Runs the jobs read from standard input, one per line."""
    from ratecore.experiment import checkpoints, progress, stages  # noqa: F401  # what every child would import
    from ratecore.rate.training import warm_up
    from ratecore.settings.run import RunSettings

    sys.path.insert(0, str(ROOT / "scripts"))
    for batch_size in (1, 4):
        warm_up(RunSettings(network={"N": 12, "P_inh": 0.3}, training={"batch_size": batch_size}))
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            status = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                status = _child(job)
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(json.dumps(_watch(pid, job)), flush=True)


if __name__ == "__main__":
    main()

"""Faults under a real Snakemake: its jobs are killed, or it is killed while its jobs live on."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from faults.harness import fault
from faults.lives import Life, Truth
from faults.warm import ROOT
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.tracking.record import Record

GRID = {
    "experiment": "grid",
    "grid": {"seed": [0, 1, 2, 3]},
    "seeds_per_job": 1,
    "threads_per_job": 1,
    "network": {"N": 50, "P_inh": 0.3},
    "training": {"n_trials": 4000, "eval_freq": 200, "eval_tr": 20, "loss_threshold": 1e-6},
    "evaluation": {"n_trials": 20},
    "figures": {"grid_points": 0},
    "results": "results",
}


class Checkout:
    """A copy of the workflow in which `snakemake` runs as for a user."""

    def __init__(self, folder, config: dict):
        self.folder, self.config = Path(folder), config
        for name in ("workflow", "scripts"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "config").mkdir()
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config))
        self.printed = self.folder / "printed.txt"

    def start(self, *arguments) -> subprocess.Popen:
        env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        env["PYTHONPATH"] = str(ROOT)
        with open(self.printed, "w") as printed:
            command = [sys.executable, "-m", "snakemake", *(arguments or ("--cores", "2"))]
            # In a new process group, as in a shell: Ctrl-C goes to the group.
            return subprocess.Popen(
                command, cwd=self.folder, stdout=printed, stderr=printed, env=env, start_new_session=True
            )

    def call(self, *arguments) -> tuple[int, str]:
        """Runs a command and returns its exit status and output."""
        return self.start(*arguments).wait(500), self.printed.read_text()

    def jobs(self) -> list[int]:
        """Returns the processes that run a script of the workflow."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if place.joinpath("cwd").resolve() == self.folder.resolve():
                    command = place.joinpath("cmdline").read_bytes().split(b"\0")
                    found += [int(place.name)] * any(b".snakemake/scripts/" in word for word in command[1:2])
            except OSError:
                pass  # it has just ended
        return found


def under_way(records: list[Path]) -> int:
    """Returns the number of runs whose record says that a stage is running."""
    last = [[e["event"] for e in Record(path).events() if e["event"] != "metrics"] for path in records]
    return sum(events[-1:] == ["start"] for events in last)


def wait_for(condition, seconds: float = 1800.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


def kill_a_job(truth: Truth, rng: random.Random, folder: Path) -> str | None:
    """Kills the training job under a Snakemake and runs the same command again. Returns what did not hold."""
    life = Life(truth.life.variant, folder, 1, folder / "results")
    checkout = Checkout(folder, life.config)
    until = ("--cores", "2", "--until", "train")
    (run,) = life.runs
    snakemake = checkout.start(*until)
    # Every second time after the first checkpoint, that is, after five seconds of training.
    first = run.folder / "checkpoint.pth" if rng.random() < 0.5 else run.record.path
    if not wait_for(lambda: first.exists() or snakemake.poll() is not None):
        return f"no {first}"
    time.sleep(rng.uniform(0, 1.0))
    jobs = checkout.jobs()
    for pid in jobs:
        os.kill(pid, signal.SIGKILL)
    if not snakemake.wait(200) or not jobs:
        return f"the job was not killed: {checkout.printed.read_text()}"
    (output,) = [folder / f"results/life-1/jobs/train/{life.experiment.grid_points[0].path}/seeds~{life.block}.json"]
    if problem := truth.on_the_way(life, output):
        return problem
    status, printed = checkout.call(*until)
    return printed if status else truth.in_the_end(life, output) or _mirrored(truth, life, folder)


def _mirrored(truth: Truth, life: Life, folder: Path) -> str | None:
    from ratecore.tracking.mlflow.mirror import Mirror

    return truth.in_mlflow(life, Mirror(f"sqlite:///{folder}/results/mlflow.db", "life-1", folder / "results"))


@fault(
    "kill-snakemake",
    10,
    1,
    "the same command, after the --unlock that it asks for, completes the grid; each network is trained once",
)
def kill_snakemake(times: int, rng: random.Random, folder: Path) -> Iterator[str | None]:
    """Kills Snakemake while two jobs run, which live on. Every second time, restarts it while they still run.

    Runs the complete grid twice, since that takes a minute; otherwise only the training.
    """
    for k in range(times):
        whole = times > 1 and k in (0, 1)
        yield _kill_snakemake(rng, folder / str(k), () if whole else ("--until", "train"), k % 2 == 0)


def _kill_snakemake(rng: random.Random, folder: Path, until: tuple, at_once: bool) -> str | None:
    checkout = Checkout(folder, GRID)
    experiment = Experiment.from_config({**GRID, "results": str(folder / "results")})
    runs = [Run.at(experiment, experiment.grid_points[0], seed) for seed in experiment.seeds]
    records, command = [run.record.path for run in runs], ("--cores", "2", *until)
    snakemake = checkout.start(*command)
    if not wait_for(lambda: under_way(records) == 2 or snakemake.poll() is not None):
        return f"no two jobs under way: {checkout.printed.read_text()}"
    time.sleep(rng.uniform(0, 1.0))
    snakemake.kill()
    snakemake.wait()
    beside = checkout.jobs()
    if not at_once and not wait_for(lambda: not checkout.jobs()):
        return "its jobs do not end"
    status, printed = checkout.call(*command)
    if status:
        if "--unlock" not in printed or "cannot be locked" not in printed:
            return f"the message does not help: {printed}"
        status, printed = checkout.call("--unlock")
        if not status:
            status, printed = checkout.call(*command)
    if status:
        return f"the same command again ends with {status}: {printed}"
    if not at_once and not beside:
        return "no job was under way"
    return _each_once(checkout, runs, bool(until))


def _each_once(checkout: Checkout, runs: list[Run], training_alone: bool) -> str | None:
    from ratecore.tracking.mlflow.mirror import Mirror

    mirror = Mirror(f"sqlite:///{checkout.folder}/results/mlflow.db", "grid", checkout.folder / "results")
    if len(mirror.client.search_runs([mirror.experiment_id])) != len(runs):
        return "not one run a network in MLflow"
    for run in runs:
        for stage in ("train",) if training_alone else ("train", "evaluate", "export"):
            if run.outcome(stage) is None:
                return f"{run.folder}: {stage} is not whole"
            did = [e["event"] for e in run.record.events() if e["event"] in ("start", "end") and e["stage"] == stage]
            if did != ["start", "end"]:
                return f"{run.folder}: {stage} was done as {did}"
        status = mirror.client.get_run(mirror.replay(run.folder)).info.status
        if status != "FINISHED":
            return f"{run.folder}: {status} in MLflow"
    if not training_alone and not (checkout.folder / "results/grid/summary.csv").exists():
        return "no summary.csv"
    return None


@fault(
    "ctrl-c",
    10,
    1,
    "Ctrl-C while two trainings run: records say interrupted, MLflow KILLED; the same command continues",
)
def ctrl_c(times: int, rng: random.Random, folder: Path) -> Iterator[str | None]:
    """Sends SIGINT to all processes of the command, like a terminal; every fourth time, again after a second."""
    for k in range(times):
        yield _ctrl_c(rng, folder / str(k), k % 4 == 3)


def _ctrl_c(rng: random.Random, folder: Path, twice: bool) -> str | None:
    checkout = Checkout(folder, GRID | {"grid": {"seed": [0, 1]}})
    experiment = Experiment.from_config({**checkout.config, "results": str(folder / "results")})
    runs = [Run.at(experiment, experiment.grid_points[0], seed) for seed in experiment.seeds]
    command = ("--cores", "2", "--until", "train")
    snakemake = checkout.start(*command)
    if not wait_for(lambda: under_way([run.record.path for run in runs]) == 2 or snakemake.poll() is not None):
        return f"no two trainings under way: {checkout.printed.read_text()}"
    time.sleep(rng.uniform(0, 1.0))
    os.killpg(snakemake.pid, signal.SIGINT)
    if twice:
        time.sleep(1.0)
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(snakemake.pid, signal.SIGINT)
    if snakemake.wait(200) == 0:
        return "it says that all went well"
    if not wait_for(lambda: not checkout.jobs()):
        return "its jobs do not end"
    printed = checkout.printed.read_text()
    if not twice and (
        "Stopped. Run the same command to continue." not in printed or re.search("Traceback|Error in rule", printed)
    ):
        return f"it does not end in a sentence: {printed}"
    if problem := _interrupted(checkout, runs, mirrored=not twice):  # the second Ctrl-C ends the waiting for MLflow
        return problem
    status, printed = checkout.call(*command)
    if status:
        return f"the same command again ends with {status}: {printed}"
    for run in runs:
        ends = [event["status"] for event in run.record.events() if event["event"] == "end"]
        if run.outcome("train") is None or ends not in (["done"], ["interrupted", "done"]):
            return f"{run.folder}: in the end its record says {ends}"
    return None


def _interrupted(checkout: Checkout, runs: list[Run], mirrored: bool) -> str | None:
    """Returns what is wrong in records and, if Snakemake waited for it, in MLflow after Ctrl-C."""
    from ratecore.tracking.mlflow.mirror import Mirror

    mirror = Mirror(f"sqlite:///{checkout.folder}/results/mlflow.db", "grid", checkout.folder / "results")
    found = {
        run.data.tags["ratecore.run"]: run.info.status for run in mirror.client.search_runs([mirror.experiment_id])
    }
    for run in runs:
        last = run.record.events()[-1]
        if last["event"] != "end" or last["status"] not in ("interrupted", "done"):
            return f"{run.folder}: its record says {last['event']} {last.get('status')}"
        expected = {"interrupted": "KILLED", "done": "FINISHED"}[last["status"]]
        if mirrored and found.get(run.folder.name) != expected:
            return (
                f"{run.folder}: {found.get(run.folder.name)} in MLflow, not {expected}: {checkout.printed.read_text()}"
            )
    return None

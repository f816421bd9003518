"""The slurm profile on a real SLURM cluster of two nodes: a complete grid, and one with every kind of trouble.

`make cluster-test` installs SLURM and PostgreSQL and runs this; it is not part of `make test`.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import yaml
from faults.stores import Postgresql, Server, postgresql_programs
from faults.stores import missing as missing_in_store

from cluster.slurm import NODES, Slurm, missing
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.rate.training import train
from ratecore.system.processes import side_by_side

ROOT = Path(__file__).parents[2]
ABSENT = missing() + ([] if postgresql_programs() else ["postgresql"])
pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(bool(ABSENT), reason=f"a SLURM cluster needs {', '.join(ABSENT)}"),
]
QUICK = (
    "--slurm-no-account",
    "--slurm-status-command",
    "squeue",
    "--slurm-init-seconds-before-status-checks",
    "3",
    "--latency-wait",
    "5",
)


class Cluster(Slurm):
    """The cluster, `mlflow server` on PostgreSQL, and checkouts on this machine's file system, shared by all nodes."""

    server = postgresql = database = None

    def checkout(self, name: str, **changes) -> Path:
        folder = self.folder / name
        for part in ("workflow", "scripts", "config"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump({**config, **changes}))
        return folder

    def workflow(self, folder: Path, *arguments: str) -> subprocess.Popen:
        """Runs `snakemake` on the login node; its output goes to a file in the folder."""
        # A login node with GPUs like the nodes, so that `auto` requests them.
        env = {
            **self.env,
            "CUDA_VISIBLE_DEVICES": "0,1",
            "PYTHONPATH": str(ROOT),
            "MLFLOW_TRACKING_URI": self.server.uri,
        }
        command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/slurm", *QUICK, *arguments]
        with open(folder / "snakemake.out", "ab") as out:
            return subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out, start_new_session=True)

    def finish(self, process: subprocess.Popen, folder: Path, seconds: float = 3600) -> int:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            pytest.fail(f"not done after {seconds} s\n{printed(folder)}\n{self.jobs()}\n{self.last_words()}")

    def training(self) -> dict[str, dict]:
        """Returns {wildcards: job} of every training job that SLURM is running."""
        jobs = [job for job in self.jobs() if job["state"] == "RUNNING" and "rule_train" in job["comment"]]
        return {job["comment"]: job for job in jobs}


def printed(folder: Path) -> str:
    return (folder / "snakemake.out").read_text(errors="replace")[-6000:]


def experiment_of(folder: Path) -> Experiment:
    config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
    return Experiment.from_config({**config, "results": str(folder / config.get("results", "results"))})


def events(run: Run, event: str, stage: str) -> list[dict]:
    return [e for e in run.record.events() if (e["event"], e["stage"]) == (event, stage)]


def assert_as_trained_here(runs) -> None:
    """Asserts that every network is bit-identical to one trained here without SLURM from the same settings."""
    longest_first = sorted(runs, key=lambda run: -run.settings.training.n_trials)
    assert side_by_side(as_trained_here, longest_first, workers=2) == [(True, "")] * len(longest_first)


def as_trained_here(run: Run) -> tuple[bool, str]:
    """Returns whether a network trained here is the same, and what differs."""
    here, there = train(run.settings), torch.load(run.network, weights_only=True)
    weights = {name: value for name, value in here.net.state_dict().items() if name != "_extra_state"}
    other = [name for name, value in weights.items() if not torch.equal(there["model_state_dict"][name], value)]
    other += ["losses"] if there["losses"].tolist() != here.losses else []
    other += ["tests"] if there["tests"] != here.tests else []
    return not other, f"{run.folder}: {other}" if other else ""


def assert_mlflow_has(cluster, runs) -> None:
    connection = cluster.postgresql.connect(cluster.database)
    experiment = runs[0].labels["grid"]
    assert missing_in_store(connection, experiment, [run.folder for run in runs], cluster.server.artifacts) is None


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    place = tmp_path_factory.mktemp("mlflow")
    with Postgresql() as postgresql:
        name, uri = postgresql.fresh()
        with Server(place, uri) as server, Cluster(tmp_path_factory.mktemp("slurm")) as cluster:
            cluster.server, cluster.postgresql, cluster.database = server, postgresql, name
            yield cluster


def test_the_demo_on_both_nodes_at_most_one_job_on_a_gpu(cluster):
    # Half of it; `make paper-test` runs all.
    grid = {"task": ["go-nogo", "xor", "mante"], "taus": [[4, 30]], "seed": [0, 1]}
    folder = cluster.checkout("grid", device="auto", grid=grid, seeds_per_job=1)
    process, seen, together = cluster.workflow(folder), set(), 0

    def look():
        nonlocal together
        while process.poll() is None:
            nodes = [job["node"] for job in cluster.training().values()]
            seen.update(nodes)
            together = max(together, max((nodes.count(node) for node in NODES), default=0))
            time.sleep(0.5)

    watch = threading.Thread(target=look)
    watch.start()
    code = cluster.finish(process, folder)
    watch.join()
    assert code == 0, printed(folder)
    assert seen == set(NODES) and together == 1
    with open(folder / "results/demo/summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and all(row["mlflow_run_id"] for row in rows)
    # As the README promises for the demo.
    assert all(row["status"] == "trained" and float(row["spiking_accuracy"]) > 0.9 for row in rows)
    experiment = experiment_of(folder)
    runs = [Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in experiment.seeds]
    # There is no real GPU: the jobs have reported this and trained on the CPU.
    assert all("cannot use GPU 0" in events(run, "end", "train")[-1]["no_gpu"] for run in runs)
    assert_as_trained_here(runs[::5])
    assert_mlflow_has(cluster, runs)


def test_a_grid_in_which_everything_happens(cluster):
    """A requeued job, a cancelled one, one over its time limit and a dead node; then the same command."""
    # No network meets this criterion, so that all keep training. A training takes a quarter of an hour until something
    # has happened to it, and seconds afterwards, as do the trainings here that it is compared with.
    training = {"n_trials": 8000, "eval_freq": 2000, "eval_tr": 20, "accuracy_threshold": 1.0, "loss_threshold": 1e-9}
    numbers = ["901", "902", "903", "904"]
    folder = cluster.checkout(
        "faults",
        experiment="faults",
        task="paced-go-nogo",
        task_file=str(cluster.folder / "faults/paced.py"),
        grid={"task_settings.number": [int(number) for number in numbers], "seed": [0]},
        training=training,
        network={"N": 50},
        device="auto",
        convert=False,
        figures={"grid_points": 0},
    )
    shutil.copy(ROOT / "tests/cluster/paced.py", folder)
    for number in numbers:
        (folder / f"pace-{number}").touch()
    process, experiment = cluster.workflow(folder), experiment_of(folder)
    points = {str(int(point.run(0).task_settings["number"])): point for point in experiment.grid_points}
    runs = {number: Run.at(experiment, point, 0) for number, point in points.items()}

    def let_go():
        """Networks that have been begun again need no more trouble. Returns those that have not."""
        waiting = [number for number in numbers if len(events(runs[number], "start", "train")) < 2]
        for number in set(numbers) - set(waiting):
            (folder / f"pace-{number}").unlink(missing_ok=True)
        return waiting

    def under_way():
        """Returns a training job to which nothing has happened and that has saved a checkpoint."""
        let_go()
        for comment, job in cluster.training().items():
            found = next((number for number in untroubled if f"_{number}_" in comment), None)
            if found and (runs[found].folder / "checkpoint.pth").exists():
                untroubled.remove(found)
                return job
        return None

    def next_job():
        return cluster.wait_for(under_way, f"training of one of {untroubled}", 1800)

    untroubled = list(numbers)
    cluster.run("scontrol", "update", f"JobId={next_job()['id']}", "TimeLimit=1")
    cluster.run("scontrol", "requeue", next_job()["id"])
    cluster.run("scancel", next_job()["id"])
    job = next_job()
    kill_node(cluster, job)
    cluster.wait_for(lambda: cluster.nodes()[job["node"]].startswith("down"), "the node is seen to be down", 1800)
    cluster.start_node(job["node"])
    cluster.wait_for(lambda: not let_go() or process.poll() is not None, "every network is begun again", 1800)
    code = cluster.finish(process, folder)
    if code != 0:  # jobs that were lost more often than they are retried
        code = cluster.finish(cluster.workflow(folder), folder)
    assert code == 0, printed(folder)
    for name, run in runs.items():
        assert [e["status"] for e in events(run, "end", "train")][-1] == "done"
        assert len(events(run, "start", "train")) >= 2, f"nothing happened to {name}"
    assert_as_trained_here(runs.values())
    assert_mlflow_has(cluster, list(runs.values()))


def kill_node(cluster, job: dict) -> None:
    """Kills the node's daemon and all its processes at once, like a power cut."""
    pids = cluster.run("scontrol", "listpids", job["id"], check=False).stdout.split()
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
    steps = [int(line.split()[0]) for line in found if f"slurmstepd: [{job['id']}." in line]
    daemon = cluster.daemons.pop(job["node"])
    daemon.kill()
    daemon.wait()
    for pid in [*descendants(steps), *steps]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert steps, pids


def descendants(pids: list[int]) -> list[int]:
    out = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout.splitlines()[1:]
    children = {}
    for line in out:
        pid, parent = map(int, line.split())
        children.setdefault(parent, []).append(pid)
    found, waiting = [], list(pids)
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found

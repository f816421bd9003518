"""What interruptions of a training must not change: its network, its record and its run in MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from faults.warm import Warm, output_of
from ratecore.experiment.checkpoints import NEWEST, PREVIOUS
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import TRAIN, code_hash
from ratecore.formats import load_pth, result_from_checkpoint
from ratecore.system.files import locked

# Real networks that train for 0.5 to 1 s: one trial per update, four trials per update, and two seeds in parallel.
VARIANTS = {
    "go-nogo": {"network": {"N": 50}, "training": {"n_trials": 1500, "eval_freq": 50}, "grid": {"seed": [3]}},
    "xor": {
        "network": {"N": 30, "P_inh": 0.3},
        "training": {"n_trials": 2000, "eval_freq": 80, "batch_size": 4},
        "grid": {"task": ["xor"], "seed": [4]},
    },
    "two seeds": {
        "network": {"N": 30, "activation": "softplus"},
        "training": {"n_trials": 1000, "eval_freq": 40},
        "grid": {"seed": [5, 6]},
        "seeds_per_job": 2,
    },
}
LONG = {"long": {"network": {"N": 50}, "training": {"n_trials": 12000, "eval_freq": 400}, "grid": {"seed": [7]}}}
NEVER_TRAINED = {"loss_threshold": 1e-6, "eval_tr": 20}
MLFLOW_STATUS = {"done": "FINISHED", "interrupted": "KILLED", "killed": "KILLED", "broken": "FAILED"}


class Life:
    """The training of one block, from its first start until it is done.

    Args:
        variant: one of VARIANTS or LONG.   folder: working folder of the jobs.   results: folder of the results, by
            default in `folder`.   number: number of the life, for the name of its experiment.
    """

    def __init__(self, variant: str, folder, number: int, results=None):
        self.variant, self.folder = variant, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = {
            **(VARIANTS | LONG)[variant],
            "experiment": f"life-{number}",
            "results": str(results or self.folder),
        }
        self.config["training"] = NEVER_TRAINED | self.config["training"]
        self.experiment = Experiment.from_config(self.config)
        (self.block,) = self.experiment.blocks
        self.runs = [Run.at(self.experiment, self.experiment.grid_points[0], seed) for seed in self.experiment.seeds]

    @property
    def threads(self) -> int:
        return len(self.runs)

    def job(self, warm: Warm, **job) -> dict:
        """Runs the job, see `Warm.run`."""
        return warm.run(self.experiment, self.block, self.folder, threads=self.threads, **job)

    def wait_for_orphans(self) -> None:
        """Waits for processes of a killed job."""
        for run in self.runs:
            with locked(run.folder / "lock"):
                pass

    def updates(self) -> int:
        """Returns the number of updates in the checkpoints and networks from which it would resume."""
        return sum(len(_losses(run)) for run in self.runs)


def _losses(run: Run) -> list:
    if run.outcome("train"):
        return load_pth(run.network)["losses"].tolist()
    found = [run.folder / name for name in (NEWEST, PREVIOUS) if (run.folder / name).exists()]
    return result_from_checkpoint(found[0], run.settings, code_hash(TRAIN)).losses if found else []


class Truth:
    """The result of an uninterrupted training of a variant.

    Attributes:
        seconds: duration of the job.   updates: updates of all its networks.
    """

    def __init__(self, variant: str, warm: Warm, folder):
        self.life = Life(variant, folder, 0)
        done = self.life.job(warm, every=1e9)
        if done["status"]:
            raise RuntimeError(f"{variant} does not train: {done}")
        self.seconds, self.updates = done["seconds"], self.life.updates()
        self.networks = [load_pth(run.network) for run in self.life.runs]
        self.events = [run.record.events() for run in self.life.runs]

    def on_the_way(self, life: Life, output: Path | None = None) -> str | None:
        """Returns what does not hold during a life: all files must be intact and lead to the same network."""
        for k, run in enumerate(life.runs):
            run.record.events()
            for path in (run.folder / NEWEST, run.folder / PREVIOUS):
                if path.exists():
                    losses = result_from_checkpoint(path, run.settings, code_hash(TRAIN)).losses
                    if losses != self.networks[k]["losses"].tolist()[: len(losses)]:
                        return f"{path}: other losses than those of a training that was not interrupted"
            if run.network.exists() and (other := different(self._bare(load_pth(run.network)), self._network(k))):
                return f"{run.network}: {other}"
            if _points(run.record.events()) != _points(self.events[k])[: len(_points(run.record.events()))]:
                return f"{run.record.path}: other tests than those of a training that was not interrupted"
        output = output or output_of(life.folder, life.block)
        if output.exists():
            json.loads(output.read_text())
        return None

    def in_the_end(self, life: Life, output: Path | None = None) -> str | None:
        """Returns what does not hold for a finished life."""
        output = output or output_of(life.folder, life.block)
        if [row["status"] for row in json.loads(output.read_text())["runs"]] != ["done"] * len(life.runs):
            return f"{output}: not all are done"
        for k, run in enumerate(life.runs):
            if run.outcome("train") is None:
                return f"{run.folder}: not whole"
            if other := different(self._bare(load_pth(run.network)), self._network(k)):
                return f"{run.network}: {other}"
            if other := self._other_record(run.record.events(), self.events[k]):
                return f"{run.record.path}: {other}"
            left = [p.name for p in run.folder.iterdir() if p.name.startswith((NEWEST, PREVIOUS)) or ".part" in p.name]
            if left:
                return f"{run.folder}: left behind: {left}"
        return None

    def _network(self, k: int) -> dict:
        return self._bare(self.networks[k])

    @staticmethod
    def _bare(network: dict) -> dict:
        return {key: value for key, value in network.items() if key != "finished"}

    @staticmethod
    def _other_record(events: list[dict], true: list[dict]) -> str | None:
        ends = [e["status"] for e in events if e["event"] == "end"]
        if ends.count("done") != 1 or events[-1]["event"] != "end" or ends[-1] != "done":
            return f"it ends with {ends}"
        if _points(events) != _points(true):
            return f"the tests are at {[step for step, _ in _points(events)]}"
        return different(_result(events[-1]), _result(true[-1])) or different(
            _bare_start(events[0]), _bare_start(true[0])
        )

    def in_mlflow(self, life: Life, mirror) -> str | None:
        """Returns what does not hold for the runs in MLflow after their records are mirrored."""
        for k, run in enumerate(life.runs):
            found = mirror.client.search_runs([mirror.experiment_id], f"tags.`ratecore.run` = '{run.folder.name}'")
            if len(found) != 1 or found[0].info.status != "FINISHED":
                return f"{run.folder}: runs in MLflow: {[f.info.status for f in found]}"
            expected = dict.fromkeys(("train/n_trials", "train/trained", "train/seconds"))
            for name in _points(self.events[k])[0][1]:
                expected[f"train/{name}"] = [(step, values[name]) for step, values in _points(self.events[k])]
            if set(found[0].data.metrics) != set(expected):
                return f"{run.folder}: metrics in MLflow: {sorted(found[0].data.metrics)}"
            for name, points in expected.items():
                history = [(m.step, m.value) for m in mirror.client.get_metric_history(found[0].info.run_id, name)]
                if history != points if points else len(history) != 1:
                    return f"{run.folder}: {name} in MLflow has the points {history}"
        return None


def _points(events: list[dict]) -> list[tuple]:
    return [(e["step"], e["values"]) for e in events if (e["event"], e["stage"]) == ("metrics", "train")]


def _result(end: dict) -> dict:
    """Returns the content of an `end` event without times, and without the hash of a file that contains one."""
    kept = {key: value for key, value in end.items() if key not in ("time", "seconds", "files")}
    return kept | {"files": sorted(end["files"])}


def _bare_start(start: dict) -> dict:
    labels = {key: value for key, value in start["labels"].items() if key != "grid"}
    return {**start, "time": 0, "labels": labels}


def status_problem(life: Life, mirror) -> str | None:
    """Returns what does not hold for the status in MLflow after an interruption."""
    for run in life.runs:
        ends = [e for e in run.record.events() if e["event"] in ("start", "end")]
        if not ends:
            continue
        if ends[-1]["event"] == "start":
            return f"{run.record.path}: no process is at work, and the record does not say so"
        status = mirror.client.get_run(mirror.replay(run.folder)).info.status
        if status != MLFLOW_STATUS[ends[-1]["status"]]:
            return f"{run.folder}: {ends[-1]['status']} is {status} in MLflow"
    return None


def problem_of(check, *args) -> str | None:
    """Returns the result of `check(*args)`, or its error: a file that cannot be read is a problem, too."""
    try:
        return check(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def different(a, b, path: str = "") -> str | None:
    """Returns where two nested values of dicts, lists, tensors and plain values first differ in any bit."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
        return None if same else f"{path} is another tensor"
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return f"{path} has {sorted(map(str, a))}, not {sorted(map(str, b))}"
        return next((d for key in a if (d := different(a[key], b[key], f"{path}.{key}"))), None)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return f"{path} has {len(a)} entries, not {len(b)}"
        return next((d for k in range(len(a)) if (d := different(a[k], b[k], f"{path}[{k}]"))), None)
    return None if type(a) is type(b) and a == b else f"{path} is {a!r:.200}, not {b!r:.200}"

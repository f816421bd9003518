"""A simulated grid: records, folders and files as written by real stages, but without training.

The first network of every block goes through the package's own `run_block`, with a stage that trains and scores
nothing. The others receive its record with their own seed and identities. There are as many files as in a real grid,
all empty.
"""

from __future__ import annotations

import os
import random
import sys
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import write_job
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.table import STAGES as TABLE
from ratecore.experiment.summary import grid_figures
from ratecore.formats import export_stem
from ratecore.system.files import sealed_json, sha256_of, write_atomic
from ratecore.tracking.mlflow.state import write_state
from ratecore.tracking.record import SEAL, sealed_line

TRIALS = range(100, 1501, 100)  # tests of a go-nogo network that meets its criterion as early as possible
OF_RUN = ("loss", "outputs", "taus", "weights")


def _write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _recorded(run: Run, stage: str, paths: list[Path]) -> dict[str, str]:
    """Writes files, the artifacts of a stage, and records them."""
    files = {}
    for path in paths:
        _write(path)
        sha256 = files[run.relative(path)] = sha256_of(path)
        run.record.append("artifact", stage, path=run.relative(path, run.folder), sha256=sha256)
    return files


def _exported(run: Run) -> list[Path]:
    stem = f"{export_stem(run.root, run.settings)}_{run.folder.name}"  # instead of the time
    return [Path(f"{stem}.{kind}") for kind in ("mat", "pth")]


def _figures(run: Run) -> list[Path]:
    return [run.folder / "figures" / f"{name}.png" for name in OF_RUN]


def _drawn(run: Run) -> list[Path]:
    return [run.folder / "figures" / f"{name}.png" for name in TABLE["convert"].point_figures.names]


def train(run: Run) -> dict:
    """Records fifteen tests and a network, like `stages.train_run`."""
    chance = random.Random(run.folder.name)
    for trial in TRIALS:
        values = {
            "loss": 20 * chance.random(),
            "test_loss": 5 + 20 * chance.random(),
            "test_accuracy": chance.random(),
        }
        run.record.append("metrics", "train", step=trial, values=values)
    _write(run.network)
    return {
        "trained": True,
        "n_trials": TRIALS[-1],
        "seconds": 3.4,
        "device": "cpu",
        "files": {run.relative(run.network): sha256_of(run.network)},
    }


def evaluate(run: Run) -> dict:
    """Records scores, curves and figures, like `stages.evaluate_run`."""
    chance, task = random.Random(run.folder.name), run.settings.create_task()
    conditions = {}
    for name in task.trial_types:
        scores = {key: chance.random() for key in ("accuracy", "loss", "response_mean", "response_sd")}
        curves = {key: [[t, chance.random()] for t in range(0, task.T, 10)] for key in ("output_mean", "output_sd")}
        conditions[name] = {"n": 50, **scores, **curves}
    return {
        "accuracy": chance.random(),
        "loss": 7 * chance.random(),
        "n_trials": 100,
        "conditions": conditions,
        "psychometric": [],
        "files": _recorded(run, "evaluate", [run.evaluation, run.scores, *_figures(run)]),
    }


def export(run: Run) -> dict:
    """Records the two files of a network, like `stages.export_run`."""
    files = _recorded(run, "export", _exported(run))
    return {**{path.rpartition(".")[2]: path for path in files}, "files": files}


def convert(run: Run) -> dict:
    """Records a search for lambda, like `stages.convert_run`; the `.mat` is not changed."""
    chance = random.Random(run.folder.name)
    files = _recorded(run, "convert", [run.conversion, run.comparison, *_drawn(run)])
    mat = _exported(run)[0]
    files[run.relative(mat)] = sha256_of(mat)
    scores = {"spiking_accuracy": chance.random(), "ci_low": 0.1, "ci_high": 0.9, "mean_rate_exc": 5.0,
              "mean_rate_inh": 8.0}  # fmt: skip
    return {
        "lambda": 25.0,
        **scores,
        "search": [[float(k), chance.random()] for k in range(20, 76, 5)],
        "files": files,
    }


STAGES = {"train": train, "evaluate": evaluate, "export": export, "convert": convert}


def copy_run(first: Run, run: Run) -> None:
    """Copies the record, with another seed, and all files of `first` to `run` of the same grid point."""
    data = first.record.path.read_bytes()
    old, new = first.settings.seed, run.settings.seed
    changes = {f'"seed": {old}': f'"seed": {new}', f'\\"seed\\":{old}': f'\\"seed\\":{new}',
               f"seed={old}": f"seed={new}", f"seed~{old}/": f"seed~{new}/"}  # fmt: skip
    for stage in STAGES:
        changes[first.identity(stage)] = run.identity(stage)
    for before, after in changes.items():
        data = data.replace(before.encode(), after.encode())
    lines = [line[: -len(SEAL % 0)] + b"}" for line in data.splitlines()]
    os.makedirs(run.folder / "figures")
    for path in [run.network, run.evaluation, run.scores, run.conversion, run.comparison, *_figures(run), *_drawn(run),
                 *_exported(run), run.folder / "lock"]:  # fmt: skip
        os.mknod(path)
    run.record.path.write_bytes(b"".join(map(sealed_line, lines)))


def write_everything(experiment: Experiment, store: str = "none") -> None:
    """Writes everything that a complete workflow leaves except the table: runs, outputs of all jobs and figures.

    Nothing is synced to disk, which would take most of the time and does not depend on the size of a grid.

    Args:
        store: the MLflow store that has all runs, as given by `Mirror.store`.
    """
    os.fsync = lambda handle: None
    root = experiment.root
    with open(os.devnull, "w") as log:
        for grid_point in experiment.grid_points:
            for name, seeds in experiment.blocks.items():
                runs = [Run.at(experiment, grid_point, seed) for seed in seeds]
                for stage, work in STAGES.items():
                    run_block(stage, runs[:1], work, log)
                    rows = [{"seed": run.settings.seed, "folder": run.relative(run.folder),
                             "identity": run.identity(stage), "status": "done"} for run in runs]  # fmt: skip
                    write_job(root / "jobs" / stage / grid_point.path / f"seeds~{name}.json", rows)
                for run in runs:
                    if run is not runs[0]:
                        copy_run(runs[0], run)
                    size = run.record.path.stat().st_size
                    state = {"store": store, "run_id": f"{run.folder.name:0>32}", "bytes": size, "open": False}
                    write_state(run.folder, state)
    for note in (root / "open").iterdir():
        note.unlink()
    place = {"uri": None, "experiment": experiment.settings.experiment, "experiment_id": None}
    write_atomic(root / "tracking.json", sealed_json(place))
    for name in grid_figures(experiment):
        _write(root / "figures" / f"{name}.png")
    for grid_point in experiment.grid_points[: experiment.settings.figures.grid_points]:
        for name in chain(*(stage.point_figures.names for stage in TABLE.values() if stage.point_figures)):
            _write(root / "figures" / grid_point.path / f"{name}.png")

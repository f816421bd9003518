"""Small runs of each task through all stages, and what MLflow shows of them: test_tracking_translation.py."""

import io
import re
from pathlib import Path

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.convert import convert_run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_run

MET = {"loss_threshold": 1e6, "accuracy_threshold": 0}  # a criterion that any network meets
COMMON = {
    "network": {"N": 12, "P_inh": 0.3, "gain": 1e-05 + 1},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 4, "min_trials": 10, "learning_rate": 1e-05, **MET},
    "evaluation": {"n_trials": 6},
    "conversion": {"n_trials": 6, "scaling_factors": [2, 4.5, 8.0004], "trials_shown": 1},
}
NOT_MET = {"training": {**COMMON["training"], "loss_threshold": 1e-9, "accuracy_threshold": 1.0}}
# Case: configurations, one after the other in the same results folder. A second one evaluates or converts again.
CASES = {
    "go-nogo": [
        {"task": "go-nogo", "task_settings": {"T": 40, "stim_on": 5, "stim_dur": 5}, "grid": {"seed": [3]}},
        {"task": "go-nogo", "task_settings": {"T": 40, "stim_on": 5, "stim_dur": 5}, "grid": {"seed": [3]},
         "evaluation": {"n_trials": 8}, "conversion": {"n_trials": 8, "scaling_factors": [2, 4]}},
    ],
    "xor": [{"task": "xor", "grid": {"seed": [3]}, **NOT_MET}],
    "mante": [
        {"task": "mante", "task_settings": {"T": 60, "stim_on": 5, "stim_dur": 20}, "grid": {"seed": [3]},
         "evaluation": {"n_trials": 6, "psychometric_trials": 2}},
    ],
    "variants": [
        {"task": "go-nogo", "task_settings": {"T": 40, "stim_on": 5, "stim_dur": 5},
         "grid": {"seed": [3], "gain": [1.0, 1.5], "evaluation.n_trials": [6, 7], "refractory": [2.0, 5.0]}},
    ],
}  # fmt: skip
WORK = {"train": lambda run: train_run(run, log=io.StringIO()), "evaluate": evaluate_run, "export": export_run,
        "convert": convert_run}  # fmt: skip


def make(case: str, results) -> tuple[Experiment, Run]:
    """Goes through all stages of a case. Returns its last experiment and its first run."""
    for change in CASES[case]:
        experiment = Experiment.from_config({"experiment": case, "results": str(results), **COMMON, **change})
        runs = [
            Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in experiment.seeds
        ]
        if case == "variants":
            runs = runs[len(runs) // 2 :]  # of the second grid point that is trained
        for stage, work in WORK.items():
            run_block(stage, runs, work, io.StringIO())
    return experiment, runs[0]


def shown(mirror, run_id: str) -> dict:
    """What MLflow shows of a run: name, status, params, tags, metrics (name: [[step, value], ...]) and artifacts."""
    run = mirror.client.get_run(run_id)
    metrics = {
        name: sorted([m.step, m.value] for m in mirror.client.get_metric_history(run_id, name))
        for name in sorted(run.data.metrics)
    }
    return {"name": run.info.run_name, "status": run.info.status, "params": dict(sorted(run.data.params.items())),
            "tags": dict(sorted(run.data.tags.items())), "metrics": metrics,
            "artifacts": sorted(_artifacts(mirror.client, run_id))}  # fmt: skip


def _artifacts(client, run_id: str, folder: str | None = None):
    for file in client.list_artifacts(run_id, folder):
        if file.is_dir:
            yield from _artifacts(client, run_id, file.path)
        else:
            yield re.sub(r"\d{4}(_\d\d){2}_\d{6}|(?<=environment-)\w+", "*", Path(file.path).as_posix())

"""Stage 'evaluate': the scores of a trained network on fresh trials, and its figures."""

from __future__ import annotations

import json

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import write_figures, write_file

CURVE_STEP = 10  # every tenth step of an output curve goes to the record; all of them are in the .npz


def evaluate_run(run: Run) -> dict:
    """Scores the run's network on fresh trials; writes the scores and the figures of the run."""
    from ratecore import figures
    from ratecore.formats import evaluation_bytes, result_from_pth
    from ratecore.rate.evaluation import evaluate

    s = run.settings
    result = result_from_pth(run.network)
    task = s.create_task()
    evaluation = evaluate(task, result.net, s.seed, s.evaluation, s.training.loss_fn)
    summary = evaluation.summary()
    drawn = figures.of_run(s, result, evaluation)
    files = write_file(run, "evaluate", run.evaluation, evaluation_bytes(evaluation))
    files |= write_file(run, "evaluate", run.scores, json.dumps(summary, indent=2).encode())
    files |= write_figures(run, "evaluate", drawn)
    return {
        "accuracy": summary["accuracy"],
        "loss": summary["loss"],
        "n_trials": summary["n_trials"],
        "conditions": _conditions(summary, evaluation),
        "psychometric": summary["psychometric"],
        "files": files,
    }


def _conditions(summary: dict, evaluation) -> dict[str, dict]:
    """Condition: its scores, and mean and SD of the output as [[step, value], ...]."""
    conditions = {}
    for name, row in evaluation.scores.by_condition().items():
        steps = range(0, len(row["output_mean"]), CURVE_STEP)
        curves = {key: [[t, float(row[key][t])] for t in steps] for key in ("output_mean", "output_sd")}
        conditions[name] = {**summary["conditions"][name], **curves}
    return conditions

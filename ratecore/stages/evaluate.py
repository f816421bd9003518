"""Stage 'evaluate': the scores of a trained network on fresh trials, and its figures."""

from __future__ import annotations

import json

from ratecore.files import write_atomic
from ratecore.runs import Run
from ratecore.stages.running import done_before, record_file

CURVE_STEP = 10  # every tenth step of an output curve goes to the record; all of them are in the .npz


def evaluate_run(run: Run) -> dict:
    """Scores the run's network on fresh trials; writes the scores and the figures of the run."""
    from ratecore import figures
    from ratecore.evaluation import evaluate
    from ratecore.formats import evaluation_bytes, result_from_pth

    s = run.settings
    result = result_from_pth(run.network)
    task = s.create_task()
    evaluation = evaluate(task, result.net, s.seed, s.evaluation, s.training.loss_fn)
    summary = evaluation.summary()
    files = {
        run.evaluation: write_atomic(run.evaluation, evaluation_bytes(evaluation)),
        run.scores: write_atomic(run.scores, json.dumps(summary, indent=2).encode()),
    }
    for path, sha256 in files.items():
        record_file(run, "evaluate", path, sha256, run.group("evaluation", "evaluate"))
    for name, figure in figures.of_run(s, result, evaluation).items():
        path = run.place("evaluate") / "figures" / f"{name}.png"
        files[path] = write_atomic(path, figures.png(figure))
        record_file(run, "evaluate", path, files[path], run.group("figures", "evaluate"))
    return {
        "accuracy": summary["accuracy"],
        "loss": summary["loss"],
        "n_trials": summary["n_trials"],
        "files": {run.relative(path): sha256 for path, sha256 in files.items()},
        "tags": {run.group("evaluation", "evaluate"): json.dumps(s.evaluation.model_dump())},
        "values": _score_values(summary, run),
        "curves": _score_curves(evaluation, run, done_before(run, "evaluate")),
    }


def _score_values(summary: dict, run: Run) -> dict[str, float]:
    group = run.group("eval", "evaluate")
    values = {f"{group}/{key}": summary[key] for key in ("accuracy", "loss")}
    group = run.group("eval_by_condition", "evaluate")
    for name, row in summary["conditions"].items():
        values |= {f"{group}/{key}/{name}": row[key] for key in ("accuracy", "loss", "response_mean", "response_sd")}
    return values


def _score_curves(evaluation, run: Run, number: int = 0) -> dict[str, list]:
    """Curves for MLflow: output over the steps of a trial; choice over evidence in thousandths of the offset.

    Curves of another evaluation of the same network get a `number`, since MLflow would draw both as one line.
    """
    group = run.group(f"eval_curves_{number + 1}" if number else "eval_curves", "evaluate")
    curves = {}
    for name, row in evaluation.scores.by_condition().items():
        for key in ("output_mean", "output_sd"):
            curve = row[key]
            curves[f"{group}/{key}/{name}"] = [[t, float(curve[t])] for t in range(0, len(curve), CURVE_STEP)]
    for row in evaluation.psychometric:
        for key in ("accuracy", "p_positive"):
            points = curves.setdefault(f"{group}/psychometric_{key}/{row['trial_type']}", [])
            points.append([round(1000 * row["evidence"]), row[key]])
    return curves

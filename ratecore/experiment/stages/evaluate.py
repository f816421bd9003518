"""Stage 'evaluate': the scores of a trained network on fresh trials, and its figures."""

from __future__ import annotations

import json

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import curve_group, write_figures, write_file

STAGE = "evaluate"
CURVE_STEP = 10  # every tenth step of an output curve goes to the record; all of them are in the .npz


def evaluate_run(run: Run) -> dict:
    """Scores the run's network on fresh trials; writes the scores and the figures of the run."""
    from ratecore.formats.npz import evaluation_bytes
    from ratecore.formats.pth import result_from_pth
    from ratecore.rate.evaluation import evaluate

    s = run.settings
    result = result_from_pth(run.network)
    task = s.create_task()
    evaluation = evaluate(task, result.net, s.seed, s.evaluation, s.training.loss_fn)
    summary = evaluation.summary()
    group = run.group("evaluation", STAGE)
    files = write_file(run, STAGE, run.evaluation, evaluation_bytes(evaluation), group)
    files |= write_file(run, STAGE, run.scores, json.dumps(summary, indent=2).encode(), group)
    files |= _draw(run, result, evaluation)
    return {
        "accuracy": summary["accuracy"],
        "loss": summary["loss"],
        "n_trials": summary["n_trials"],
        "files": files,
        "tags": {group: json.dumps(s.evaluation.model_dump())},
        "values": _score_values(summary, run),
        "curves": _score_curves(evaluation, curve_group(run, "eval_curves", STAGE)),
    }


def redraw_run(run: Run) -> dict[str, str]:
    """Draws the run's figures again from its network and its scores. Returns them as `write_figures`."""
    from ratecore.formats.npz import load_scores
    from ratecore.formats.pth import result_from_pth
    from ratecore.rate.results import Evaluation

    response = run.settings.create_task().response_steps
    evaluation = Evaluation(load_scores(run.evaluation), response, json.loads(run.scores.read_text())["psychometric"])
    return _draw(run, result_from_pth(run.network), evaluation)


def _draw(run: Run, result, evaluation) -> dict[str, str]:
    from ratecore import figures

    return write_figures(run, STAGE, figures.of_run(run.settings, result, evaluation), run.group("figures", STAGE))


def _score_values(summary: dict, run: Run) -> dict[str, float]:
    group = run.group("eval", STAGE)
    values = {f"{group}/{key}": summary[key] for key in ("accuracy", "loss")}
    group = run.group("eval_by_condition", STAGE)
    for name, row in summary["conditions"].items():
        values |= {f"{group}/{key}/{name}": row[key] for key in ("accuracy", "loss", "response_mean", "response_sd")}
    return values


def _score_curves(evaluation, group: str) -> dict[str, list]:
    """Curves for MLflow: output over the steps of a trial; choice over evidence in thousandths of the offset."""
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

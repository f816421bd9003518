"""Stage 'evaluate': the scores of a trained network on fresh trials, and its figures."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import write_figures, write_file

if TYPE_CHECKING:
    from ratecore.rate.results import Evaluation, TrainingResult

STAGE = "evaluate"
CURVE_STEP = 10  # every tenth step of an output curve goes to the record; all of them are in the .npz


def evaluate_run(run: Run) -> dict[str, Any]:
    """Score the run's network on fresh trials; write the scores and the figures of the run.

    Args:
        run: to evaluate.

    Returns:
        the fields of the stage's `end`.
    """
    from ratecore.analysis.psychometrics import fit_numbers
    from ratecore.formats.npz import evaluation_bytes
    from ratecore.formats.pth import result_from_pth
    from ratecore.rate.evaluation import evaluate
    from ratecore.rate.testing import tested

    s = run.settings
    result = result_from_pth(run.network)
    task, net = tested(s, result.net)
    evaluation = evaluate(task, net, s.seed, s.evaluation, s.training.last.loss_fn)
    summary = _known(evaluation.summary())
    files = write_file(run, STAGE, run.evaluation, evaluation_bytes(evaluation))
    files |= write_file(run, STAGE, run.scores, json.dumps(summary, indent=2).encode())
    files |= _draw(run, result, evaluation) if run.draws else {}
    fits = fit_numbers(evaluation.psychometric)
    return {
        **({"numbers": fits} if fits else {}),
        "accuracy": summary["accuracy"],
        "loss": summary["loss"],
        "n_trials": summary["n_trials"],
        "conditions": _conditions(summary, evaluation),
        "psychometric": summary["psychometric"],
        "chronometric": summary["chronometric"],
        "files": files,
    }


def redraw_run(run: Run) -> dict[str, str]:
    """Redraw the run's figures from its network and its scores.

    Args:
        run: to draw.

    Returns:
        the files, as of `write_figures`.
    """
    from ratecore.formats.npz import load_scores
    from ratecore.formats.pth import result_from_pth
    from ratecore.rate.results import Evaluation

    response = run.settings.tested_task("evaluation").response_steps
    saved = json.loads(run.scores.read_text())
    curves = {name: saved.get(name, []) for name in ("psychometric", "chronometric")}
    evaluation = Evaluation(load_scores(run.evaluation), response, **curves)
    return _draw(run, result_from_pth(run.network), evaluation)


def _draw(run: Run, result: TrainingResult, evaluation: Evaluation) -> dict[str, str]:
    from ratecore import figures

    return write_figures(run, STAGE, figures.run_figures(run.settings, result, evaluation))


def _known(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary without NaN, which JSON does not have: no trial of a condition reaches the response window."""
    conditions = {
        name: {key: value for key, value in row.items() if not math.isnan(value)}
        for name, row in summary["conditions"].items()
    }
    return summary | {"conditions": conditions}


def _conditions(summary: dict[str, Any], evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Condition: its scores, and mean and SD of each output as [[step, value], ...] until its longest trial ends."""
    import numpy as np

    conditions = {}
    for name, row in evaluation.scores.by_condition().items():
        curves = {}
        for key in ("output_mean", "output_sd"):
            for k, course in enumerate(np.atleast_2d(row[key])):
                points = [[t, float(course[t])] for t in range(0, len(course), CURVE_STEP)]
                curves[f"{key}_{k + 1}" if k else key] = [point for point in points if not math.isnan(point[1])]
        conditions[name] = {**summary["conditions"][name], **curves}
    return conditions

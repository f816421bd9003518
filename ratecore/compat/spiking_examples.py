"""Example trials of one task, as the `spiking` package's `eval_go_nogo` and `eval_xor` run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratecore.compat.aliases import accepts
from ratecore.compat.spiking_evaluation import task_of, trials_of_each_type
from ratecore.settings.spiking import RATE_STEP
from ratecore.spiking.companion import evaluate_task
from ratecore.spiking.source import rate_model

ALIASES = {
    "model_path": "model_dir",
    "scaling_factor": "optimal_scaling_factor",
    "task_settings": "settings",
    "plot_results": "save_plots",
}


@accepts(**ALIASES)
def eval_go_nogo(
    model_dir: Any,
    optimal_scaling_factor: Any = None,
    settings: dict[str, Any] | None = None,
    *,
    n_trials: int = 100,
    save_plots: bool = True,
    seed: int | None = 0,
) -> dict[str, Any]:
    """`eval_go_nogo` of the `spiking` package: score a network on Go-NoGo and draw a trial of each type.

    Arguments and result are those of `evaluate_task`.
    """
    return evaluate_task(
        "go-nogo", model_dir, optimal_scaling_factor, settings, save_plots, n_trials=n_trials, seed=seed
    )


@accepts(**ALIASES)
def eval_xor(
    model_dir: Any,
    optimal_scaling_factor: Any = None,
    settings: dict[str, Any] | None = None,
    *,
    save_plots: bool = True,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """`eval_xor` of the `spiking` package: run and draw a trial of each of XOR's four patterns.

    Arguments are those of `evaluate_task`.

    Returns:
        for each pattern name, output_trace (nt,), spike_raster (N, nt), params with dt (s), T (s) and nt,
        expected_label (+1 same, -1 different), final_output (mean from 10 steps after the second stimulus) and
        is_correct, by the paper's criterion.
    """
    scores = evaluate_task("xor", model_dir, optimal_scaling_factor, settings, save_plots, n_trials=1, seed=seed)
    path, scaling = Path(scores["model"]), scores["scaling_factor"]
    model, rows = rate_model(path), []
    task = task_of(model, "xor", settings)
    for trial in trials_of_each_type(model, task, scaling, seed=seed):
        first = round(task.response_window.start * RATE_STEP / 1000 / trial["params"]["dt"])
        signs = ", ".join("1" if sign == "+" else "-1" for sign in trial["trial_type"])
        row = {
            "name": f"Input ({signs}) [{trial['label']}]",
            "output_trace": trial["output"],
            "spike_raster": trial["spikes"],
            "params": trial["params"],
            "expected_label": 1 if trial["label"] == "same" else -1,
            "final_output": float(trial["output"][first:].mean()),
            "is_correct": trial["correct"],
        }
        rows.append(row)
    return rows


# `from spiking import eval_xor` is the module in some versions of that package and the function in others.
eval_go_nogo.__dict__["eval_go_nogo"] = eval_go_nogo
eval_xor.__dict__["eval_xor"] = eval_xor

"""One row a network: what a grid gave, from the run records."""

from __future__ import annotations

from pathlib import Path

from ratecore.files import read_sealed_json, write_atomic
from ratecore.grid import Experiment
from ratecore.runs import DEPENDS_ON, Run
from ratecore.tracking.state import Mirrored, read_state

# Columns of what a conversion to a spiking network came to: their names in its `end`. Empty for one not trained.
SPIKING = {
    "lambda": "lambda",
    "spiking_accuracy": "spiking_accuracy",
    "spiking_ci_low": "ci_low",
    "spiking_ci_high": "ci_high",
    "mean_rate_exc": "mean_rate_exc",
    "mean_rate_inh": "mean_rate_inh",
}
# Names of the figures of a grid point, by the stage that gives what they show.
FIGURES = {
    "evaluate": ("loss_curves", "outputs", "taus", "weights"),
    "convert": ("scaling", "raster", "spiking_outputs", "firing_rates", "units", "components"),
}


class IncompleteError(RuntimeError):
    """Runs that are not whole; the message names them."""


def stages_of(experiment: Experiment) -> tuple[str, ...]:
    """The stages that every network of the experiment goes through, in their order."""
    return tuple(stage for stage in DEPENDS_ON if stage != "convert" or experiment.settings.convert)


def grid_figures(experiment: Experiment) -> tuple[str, ...]:
    """Names of the figures of the whole grid."""
    spiking = ("spiking_accuracy", "lambda") if "convert" in stages_of(experiment) else ()
    return ("accuracy", "trials_to_criterion", "trained", *spiking)


def all_runs(experiment: Experiment):
    """(cell, run) of every run of the grid, in the order of its cells and seeds."""
    return ((cell, Run.of(experiment, cell, seed)) for cell in experiment.cells for seed in experiment.seeds)


def summary_row(run: Run, columns: dict[str, str], stages: tuple[str, ...], mirrored: Mirrored) -> dict:
    """A run's row of summary.csv; `columns` are the grid's axes, `stages` those that every network goes through."""
    ends = run.record.newest("end")
    train, *later = (run.outcome(stage, verify=False, ends=ends) for stage in stages)
    failed = train is not None and train["status"] == "failed"
    for stage, end in zip(stages, [train, *later], strict=True):
        if end is None and not failed:
            raise IncompleteError(f"{run.name(stage)}: '{stage}' is not done")
    evaluate, export, convert = ([end or {} for end in later] + [{}])[:3]
    place = {key: run.named(export[key], links=False).as_posix() if key in export else None for key in ("mat", "pth")}
    return {
        **columns,
        "seed": run.settings.seed,
        "status": "failed" if failed else "trained" if train["trained"] else "not trained",
        "trained": bool(train.get("trained", False)),
        "n_trials": train.get("n_trials"),
        "accuracy": evaluate.get("accuracy"),
        "loss": evaluate.get("loss"),
        "seconds": train.get("seconds"),
        "device": train.get("device"),
        **({name: convert.get(key) for name, key in SPIKING.items()} if "convert" in stages else {}),
        "mlflow_run_id": mirrored.run_id(run.folder) or read_state(run.folder).get("run_id"),
        **place,
        "folder": run.folder.as_posix(),
        "error": train.get("error"),
    }


def summarize(experiment: Experiment):
    """The table of the whole grid (a pandas DataFrame), one row a network.

    Raises:
        IncompleteError: names the runs that are not whole.
    """
    import pandas as pd

    rows, missing, stages, mirrored = [], [], stages_of(experiment), Mirrored(experiment.root)
    for cell, run in all_runs(experiment):
        try:
            rows.append(summary_row(run, cell.values, stages, mirrored))
        except IncompleteError as error:
            missing.append(str(error))
    if missing:
        more = f"\n  ... and {len(missing) - 20} more" if len(missing) > 20 else ""
        raise IncompleteError(
            f"{len(missing)} of {len(missing) + len(rows)} runs are not whole; `snakemake --forcerun train` does "
            "what is missing and nothing else:\n  " + "\n  ".join(missing[:20]) + more
        )
    return pd.DataFrame(rows).astype({"n_trials": "Int64"})


def write_summary(table, path) -> None:
    """Writes the table as CSV, whole."""
    write_atomic(path, table.to_csv(index=False).encode())


def swept_columns(experiment: Experiment) -> list[str]:
    """Columns of the axes that figures of the whole grid are drawn against: N, taus, and whatever else is swept."""
    swept = [a.column for a in experiment.axes if a.column in ("N", "taus") or len(a.values) > 1]
    return [column for column in swept if column != "task"]


def loss_curve(run: Run) -> tuple[list, list, bool]:
    """Trials and test losses of the run's training, from its record, and whether it was trained."""
    tests, end = {}, {}
    for event in run.record.events():
        if (event["event"], event["stage"]) == ("metrics", "train"):
            tests[event["step"]] = event["values"]["train/test_loss"]  # of the last, if it was trained more than once
        elif (event["event"], event["stage"]) == ("end", "train"):
            end = event
    trials = [trial for trial in sorted(tests) if trial <= end.get("n_trials", trial)]
    return trials, [tests[trial] for trial in trials], bool(end.get("trained", False))


def cell_figures(experiment: Experiment, cell) -> dict:
    """The figures of one grid point over its seeds: loss curves, outputs, taus, weights (of the first seed).

    Returns:
        name: matplotlib figure; 'loss_curves' alone when every run of the cell failed.
    """
    import numpy as np

    from ratecore import figures
    from ratecore.formats import load_scores, result_from_pth

    runs = [Run.of(experiment, cell, seed) for seed in experiment.seeds]
    settings, title = cell.settings, cell.path_in(experiment.columns("evaluate"))
    curves = {f"seed {run.settings.seed}": loss_curve(run) for run in runs}
    made = {"loss_curves": figures.loss_curves(curves, settings.training.loss_threshold, title)}
    whole = [run for run in runs if run.evaluation.is_file()]
    task = settings.create_task()
    pooled, before, after, first = {}, [], [], None
    for run in whole:
        for name, row in load_scores(run.evaluation).by_condition().items():
            pooled.setdefault(name, []).append(row["output_mean"])
        result = result_from_pth(run.network)
        first = first or result.net
        for values, new in zip((before, after), figures.taus_before_and_after(result), strict=True):
            values.append(new)
    if first is None:
        return made
    outputs = {name: (np.mean(means, 0), np.std(means, 0)) for name, means in sorted(pooled.items())}
    made["outputs"] = figures.outputs_by_condition(outputs, task.stimulus_windows, task.response_steps, title)
    made["taus"] = figures.tau_distribution(np.concatenate(before), np.concatenate(after), settings.network.taus)
    made["weights"] = figures.weight_matrix(first)
    return made


def spiking_figures(experiment: Experiment, cell) -> dict:
    """The figures of one grid point's spiking networks over its seeds, see `figures.of_conversions`; none where no
    network was trained.
    """
    from ratecore import figures
    from ratecore.formats import load_comparison

    runs = [Run.of(experiment, cell, seed) for seed in experiment.seeds]
    converted = [run for run in runs if "lambda" in (run.outcome("convert", verify=False) or {})]
    searches = {f"seed {run.settings.seed}": read_sealed_json(run.conversion) for run in converted}
    return figures.of_conversions(searches, [load_comparison(run.comparison) for run in converted], cell.path)


def write_figures(made: dict, paths: dict[str, str | Path]) -> None:
    """Writes each figure to its path; a page that says why for one that could not be made."""
    from ratecore import figures

    for name, path in paths.items():
        figure = made.get(name) or figures.note("no network of this grid point was trained")
        write_atomic(path, figures.png(figure))

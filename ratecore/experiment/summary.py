"""The table of a grid, with a row for every network, from the run records."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ratecore.experiment.grid import Experiment
from ratecore.experiment.points import GridPoint
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import TRAIN, WRITTEN_BY, GridFigure, Stage, stages_of
from ratecore.system.files import read_sealed_json, write_atomic
from ratecore.tracking.mlflow.state import Mirrored, read_state
from ratecore.tracking.record import RecordError, tests_of

# Columns of summary.csv where readers expect them; those of other stages follow in the order of the stages.
FIRST_COLUMNS = ("n_trials", "accuracy", "loss", "seconds", "device")
FINISHED = ("trained", "not trained", "failed")  # statuses of networks that have gone through all stages
INDEX = ["file", "grid_point", "seed", "status", "folder"]  # columns of models/index.csv


class IncompleteError(RuntimeError):
    """Runs that have not gone through all stages; the message names them."""


def grid_figures(experiment: Experiment) -> dict[str, GridFigure]:
    """Name: figure of the grid."""
    stages = stages_of(experiment.settings).values()
    return {figure.name: figure for stage in stages for figure in stage.grid_figures}


def all_runs(experiment: Experiment):
    """(grid point, run) of every run of the grid, in the order of its points and seeds."""
    return (
        (grid_point, Run.at(experiment, grid_point, seed))
        for grid_point in experiment.grid_points
        for seed in experiment.seeds
    )


@dataclass(frozen=True)
class Undone:
    """The first stage that a network still has to go through.

    Attributes:
        run, stage: which one.   log: of the stage's job.
        status: 'broke', or 'not done'.   error: why it broke.
        saved_at: trial at which its training was saved when it was told to end.
    """

    run: Run
    stage: str
    log: Path
    status: str
    error: str | None = None
    saved_at: int | None = None

    @property
    def name(self) -> str:
        return self.run.name(self.stage)


def log_of(experiment: Experiment, grid_point: GridPoint, seed: int, stage: str) -> Path:
    """Log of the job that does a stage for one seed of a grid point."""
    (block,) = [name for name, seeds in experiment.blocks.items() if seed in seeds]
    return experiment.root / "logs" / stage / grid_point.path_in(experiment.columns(stage)) / f"seeds~{block}.log"


def _undone(experiment: Experiment, grid_point: GridPoint, run: Run, stage: str, ends: dict) -> Undone:
    log = log_of(experiment, grid_point, run.settings.seed, stage)
    end = ends.get(run.step(stage), {})
    if end.get("identity") != run.identity(stage) or end.get("status") not in ("broken", "killed", "interrupted"):
        return Undone(run, stage, log, "not done")
    if end["status"] == "interrupted":
        return Undone(run, stage, log, "not done", saved_at=end.get("n_trials"))
    return Undone(run, stage, log, "broke", end.get("error"))


def summary_row(
    experiment: Experiment, grid_point: GridPoint, run: Run, stages: dict[str, Stage], mirrored: Mirrored
) -> tuple[dict, Undone | None]:
    """A run's row of summary.csv, and what it still has to go through.

    Args:
        stages: of `stages_of`.   mirrored: what MLflow has.
    """
    ends = run.record.newest("end")
    found = {name: run.outcome(name, verify=False, ends=ends) for name in stages}
    train = found[TRAIN] or {}
    failed = train.get("status") == "failed"
    missing = [name for name, end in found.items() if end is None and not failed]
    undone = _undone(experiment, grid_point, run, missing[0], ends) if missing else None
    results = {name: end or {} for name, end in found.items()}
    columns = {
        column: results[name].get(key) for name, stage in stages.items() for column, key in stage.columns.items()
    }
    paths = {
        key: run.named(results[name][key], links=False) if key in results[name] else None
        for name, stage in stages.items()
        for key in stage.paths
    }
    row = {
        **grid_point.values,
        "seed": run.settings.seed,
        "status": undone.status if undone else "failed" if failed else "trained" if train["trained"] else "not trained",
        "trained": None if "status" not in train else bool(train.get("trained", False)),
        **{column: columns.pop(column) for column in FIRST_COLUMNS},
        **columns,
        "mlflow_run_id": mirrored.run_id(run.folder) or read_state(run.folder).get("run_id"),
        **{key: run.relative(path) if path else None for key, path in paths.items()},
        "folder": run.relative(run.folder),
        "error": f"{undone.stage}: {undone.error}" if undone and undone.error else train.get("error"),
    }
    return row, undone


def partial_summary(experiment: Experiment):
    """The table of the grid as far as it is done.

    Returns:
        (a pandas DataFrame as of `summarize`, with a row for every network; list of `Undone`). Networks that are not
        done have the status 'broke' or 'not done', and empty columns for what is not known. One whose record is damaged
        broke.
    """
    import pandas as pd

    rows, undone, stages, mirrored = [], [], stages_of(experiment.settings), Mirrored(experiment.root)
    for grid_point, run in all_runs(experiment):
        try:
            row, left = summary_row(experiment, grid_point, run, stages, mirrored)
        except RecordError as error:
            left = Undone(run, TRAIN, run.record.path, "broke", str(error))
            row = {
                **grid_point.values,
                "seed": run.settings.seed,
                "status": "broke",
                "folder": run.relative(run.folder),
                "error": str(error),
            }
        rows.append(row)
        undone += [left] if left else []
    table = pd.DataFrame(rows, columns=list(max(rows, key=len)))
    return table.astype({"n_trials": "Int64", "trained": "boolean"}), undone


def summarize(experiment: Experiment):
    """The table of the grid (a pandas DataFrame) with a row for every network; files are relative to its folder.

    Raises:
        IncompleteError: names the runs that are not complete.   RecordError: of a run whose record is damaged.
    """
    import pandas as pd

    rows, missing, stages, mirrored = [], [], stages_of(experiment.settings), Mirrored(experiment.root)
    for grid_point, run in all_runs(experiment):
        row, undone = summary_row(experiment, grid_point, run, stages, mirrored)
        rows.append(row)
        missing += [f"{undone.name}: '{undone.stage}' is not done"] if undone else []
    if missing:
        more = f"\n  ... and {len(missing) - 20} more" if len(missing) > 20 else ""
        raise IncompleteError(
            f"{len(missing)} of {len(rows)} runs are not complete; `snakemake --forcerun {TRAIN}` does "
            "only what is missing:\n  " + "\n  ".join(missing[:20]) + more
        )
    return pd.DataFrame(rows).astype({"n_trials": "Int64"})


def write_summary(table, root) -> None:
    """Writes the table of an experiment as `summary.csv`, and `models/index.csv` from it.

    Args:
        root: folder of the experiment's results.
    """
    root = Path(root)
    write_atomic(root / "summary.csv", table.to_csv(index=False).encode())
    write_index(table, root)


def write_index(table, root) -> None:
    """Writes `models/index.csv`: grid point and seed of every file, which their names tell apart by a time alone.

    Files of other grids that are still there keep their rows.
    """
    import pandas as pd

    path = Path(root, "models", "index.csv")
    own = set(table.columns[table.columns.get_loc("seed") :])
    rows = {}
    for row in table[table["mat"].notna()].to_dict("records"):
        point = " ".join(f"{column}={value}" for column, value in row.items() if column not in own)
        of_network = {"grid_point": point, "seed": row["seed"], "status": row["status"]}
        for key in ("mat", "pth"):
            file = os.path.relpath(row[key], "models")
            rows[file] = {"file": file, **of_network, "folder": os.path.relpath(row["folder"], "models")}
    for row in _earlier_index(path):
        if row["file"] not in rows and (path.parent / row["file"]).is_file():
            rows[row["file"]] = row
    if rows:
        index = pd.DataFrame(list(rows.values()), columns=INDEX).sort_values("file")
        write_atomic(path, index.to_csv(index=False).encode())


def _earlier_index(path: Path) -> list[dict]:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (FileNotFoundError, ValueError):  # none, or something else of that name
        return []
    return table.to_dict("records") if list(table.columns) == INDEX else []


def read_summary(experiment: Experiment):
    """The table as it was written, with the values of the axes as text."""
    import pandas as pd

    return pd.read_csv(experiment.root / "summary.csv", dtype=dict.fromkeys(swept_columns(experiment), str))


def swept_columns(experiment: Experiment) -> list[str]:
    """Columns of the axes that figures of the grid are drawn against: N, taus, and whatever else is swept."""
    swept = [a.column for a in experiment.axes if a.column in ("N", "taus") or len(a.values) > 1]
    return [column for column in swept if column != "task"]


def grid_pages(experiment: Experiment, table) -> dict:
    """The figures of the grid, by name, of the networks that are done."""
    from ratecore.figures import against_axes

    axes = swept_columns(experiment)
    table = table[table["status"].isin(FINISHED)].copy()
    table["trained"] = table["trained"].astype(bool)
    table["needed"] = table["n_trials"].where(table["trained"]).astype(float)
    return {
        name: against_axes(table, figure.column, figure.label, figure.limits, columns=axes)
        for name, figure in grid_figures(experiment).items()
    }


def loss_curve(run: Run) -> tuple[list, list, bool]:
    """Trials and test losses of the run's training, from its record, and whether it was trained."""
    events = run.record.events()
    tests, ends = tests_of(events), [e for e in events if (e["event"], e["stage"]) == ("end", TRAIN)]
    end = ends[-1] if ends else {}
    trials = [trial for trial in sorted(tests) if trial <= end.get("n_trials", trial)]
    return trials, [tests[trial]["test_loss"] for trial in trials], bool(end.get("trained", False))


def point_figures(experiment: Experiment, grid_point: GridPoint) -> dict:
    """The figures of one grid point over its seeds: loss curves, outputs, taus, weights (of the first seed).

    Returns:
        name: matplotlib figure; 'loss_curves' alone when every run of the grid point failed.
    """
    import numpy as np

    from ratecore import figures
    from ratecore.formats import load_scores, result_from_pth

    runs = [Run.at(experiment, grid_point, seed) for seed in experiment.seeds]
    settings, title = grid_point.settings, grid_point.path_in(experiment.columns(WRITTEN_BY["evaluation"].name))
    curves = {f"seed {run.settings.seed}": loss_curve(run) for run in runs}
    made = {"loss_curves": figures.loss_curves(curves, settings.training.loss_threshold, title)}
    scored = [run for run in runs if run.evaluation.is_file()]
    task = settings.create_task()
    pooled, before, after, first = {}, [], [], None
    for run in scored:
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


def spiking_figures(experiment: Experiment, grid_point: GridPoint) -> dict:
    """The figures of one grid point's spiking networks over its seeds, see `figures.of_conversions`; none where no
    network was trained.
    """
    from ratecore import figures
    from ratecore.formats import load_comparison

    runs = [Run.at(experiment, grid_point, seed) for seed in experiment.seeds]
    stage = WRITTEN_BY["conversion"].name
    converted = [run for run in runs if "lambda" in (run.outcome(stage, verify=False) or {})]
    searches = {f"seed {run.settings.seed}": read_sealed_json(run.conversion) for run in converted}
    return figures.of_conversions(searches, [load_comparison(run.comparison) for run in converted], grid_point.path)


def write_figures(made: dict, paths: dict[str, str | Path]) -> None:
    """Writes each figure to its path; a page that says why for one that could not be made."""
    from ratecore import figures

    for name, path in paths.items():
        figure = made.get(name) or figures.note("no network of this grid point was trained")
        write_atomic(path, figures.png(figure))

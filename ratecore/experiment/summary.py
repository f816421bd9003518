"""The table of a grid, with a row for every network, from the run records, and the figures of grid points."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.experiment.axes import FIRST_AXES
from ratecore.experiment.grid import Experiment
from ratecore.experiment.networks_from import PUBLISHED, TRAINED
from ratecore.experiment.points import GridPoint
from ratecore.experiment.products import GRIDS, Product
from ratecore.experiment.report_figures import GridFigure
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import ANALYSE, TRAIN, Stage, stages_of
from ratecore.settings.network_from import PATH as FILES
from ratecore.settings.run import AFTER_TRAINING
from ratecore.system.files import write_atomic
from ratecore.tracking.mlflow.state import Mirrored, read_state
from ratecore.tracking.record import RecordError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


# Columns of summary.csv where readers expect them; those of other stages follow in the order of the stages.
FIRST_COLUMNS = ("n_trials", "accuracy", "loss", "seconds", "device")
FINISHED = ("trained", "not trained", "failed")  # statuses of networks that have gone through all stages
INDEX = ["file", "grid_point", "seed", "status", "folder"]  # columns of models/index.csv


class IncompleteError(RuntimeError):
    """Runs that have not gone through all stages; the message names them."""


def grid_figures(experiment: Experiment) -> dict[str, GridFigure]:
    """The figures of a grid.

    Args:
        experiment: of the grid.

    Returns:
        name: figure.
    """
    stages = stages_of(experiment.settings).values()
    return {figure.name: figure for stage in stages for figure in stage.grid_figures}


def all_runs(experiment: Experiment) -> Iterator[tuple[GridPoint, Run]]:
    """Every run of a grid, in the order of its points and seeds.

    Args:
        experiment: of the grid.

    Returns:
        (grid point, run) of each.
    """
    return (
        (grid_point, Run.at(experiment, grid_point, seed))
        for grid_point in experiment.grid_points
        for seed in grid_point.seeds
    )


@dataclass(frozen=True)
class Undone:
    """The first stage that is not done for a network.

    Attributes:
        run: of the network.
        stage: its name.
        log: of the stage's job.
        status: 'broke' or 'not done'.
        error: why it broke.
        saved_at: trial at which its training was saved when it was stopped.
    """

    run: Run
    stage: str
    log: Path
    status: str
    error: str | None = None
    saved_at: int | None = None

    @property
    def name(self) -> str:
        """The name of the run in this stage."""
        return self.run.name(self.stage)


def log_of(experiment: Experiment, grid_point: GridPoint, seed: int, stage: str) -> Path:
    """The log of the job that does a stage for one seed of a grid point.

    Args:
        experiment: of the grid.
        grid_point: of the run.
        seed: of the run.
        stage: its name.

    Returns:
        the path.
    """
    (block,) = [name for name, seeds in experiment.blocks.items() if seed in seeds]
    return experiment.root / "logs" / stage / grid_point.path_in(experiment.columns(stage)) / f"seeds~{block}.log"


def _undone(experiment: Experiment, grid_point: GridPoint, run: Run, stage: str, ends: dict[str, Any]) -> Undone:
    log = log_of(experiment, grid_point, run.settings.seed, stage)
    end = ends.get(run.step(stage), {})
    if end.get("identity") != run.identity(stage) or end.get("status") not in ("broken", "killed", "interrupted"):
        return Undone(run, stage, log, "not done")
    if end["status"] == "interrupted":
        return Undone(run, stage, log, "not done", saved_at=end.get("n_trials"))
    return Undone(run, stage, log, "broke", end.get("error"))


def summary_row(
    experiment: Experiment, grid_point: GridPoint, run: Run, stages: dict[str, Stage], mirrored: Mirrored
) -> tuple[dict[str, Any], Undone | None]:
    """A run's row of summary.csv, and the first stage that is not done.

    Args:
        experiment: of the grid.
        grid_point: of the run.
        run: the run.
        stages: of `stages_of`.
        mirrored: what MLflow has.

    Returns:
        the row, and the stage or None.
    """
    ends = run.record.newest("end")
    found = {name: run.outcome(name, verify=False, ends=ends) for name in stages}
    train = found[TRAIN] or {}
    failed = train.get("status") == "failed"
    missing = [name for name, end in found.items() if end is None and not failed]
    undone = _undone(experiment, grid_point, run, missing[0], ends) if missing else None
    results = {name: end or {} for name, end in found.items()}
    columns = {
        column: value_of(results[name], key)
        for name, stage in stages.items()
        for column, key in {**stage.columns, **stage.columns_if_any}.items()
    }
    paths = {
        key: run.named(results[name][key], links=False) if key in results[name] else None
        for name, stage in stages.items()
        for key in stage.paths
    }
    row = {
        **grid_point.known_values,
        "seed": run.settings.seed,
        **({GRIDS: " ".join(grid_point.grids(run.settings.seed))} if experiment.is_list else {}),
        **(_of_file(results[TRAIN], run) if experiment.files else {}),
        "status": undone.status if undone else "failed" if failed else "trained" if train["trained"] else "not trained",
        "trained": None if "status" not in train else bool(train.get("trained", False)),
        **{column: columns.pop(column) for column in FIRST_COLUMNS},
        **columns,
        **({name: results[TRAIN].get(name) for name in PUBLISHED} if experiment.files else {}),
        "mlflow_run_id": mirrored.run_id(run.folder) or read_state(run.folder).get("run_id"),
        **{key: run.relative(path) if path else None for key, path in paths.items()},
        "folder": run.relative(run.folder),
        "error": f"{undone.stage}: {undone.error}" if undone and undone.error else _errors(results),
    }
    return row, undone


def _of_file(train: dict[str, Any], run: Run) -> dict[str, Any]:
    """Where a network comes from: `trained` here, or the program that wrote its file; and the file."""
    own = run.settings.training.network_from
    if own is None:
        return {"origin": TRAINED, "file": None}
    return {"origin": train.get("origin"), "file": own.file}


def value_of(end: dict[str, Any], key: str) -> Any:
    """A value of a stage's `end` event.

    Args:
        end: the event, or an empty dictionary.
        key: of the value; with a '/' that of one of its `numbers`.

    Returns:
        the value; None if there is none.
    """
    return end.get("numbers", {}).get(key) if "/" in key else end.get(key)


def _errors(ends: dict[str, dict[str, Any]]) -> str | None:
    """Why training or single analyses of a network failed."""
    failed = [f"{name}: {error}" for name, error in ends.get(ANALYSE, {}).get("errors", {}).items()]
    return ends[TRAIN].get("error") or "; ".join(failed) or None


def partial_summary(
    experiment: Experiment, runs: Iterable[tuple[GridPoint, Run]] | None = None
) -> tuple[pd.DataFrame, list[Undone]]:
    """The table of a grid as far as it is done.

    Networks that are not done have the status 'broke' or 'not done' and empty columns for what is not known. A network
    with a damaged record counts as broken.

    Args:
        experiment: of the grid.
        runs: of `all_runs`, where they are known.

    Returns:
        the table, as of `summarize`, with a row for every network; and the stages that are not done.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    undone: list[Undone] = []
    stages, mirrored = stages_of(experiment.settings), Mirrored(experiment.root)
    for grid_point, run in all_runs(experiment) if runs is None else runs:
        try:
            row, left = summary_row(experiment, grid_point, run, stages, mirrored)
        except RecordError as error:
            left = Undone(run, TRAIN, run.record.path, "broke", str(error))
            row = {
                **grid_point.known_values,
                "seed": run.settings.seed,
                "status": "broke",
                "folder": run.relative(run.folder),
                "error": str(error),
            }
        rows.append(row)
        undone += [left] if left else []
    table = _without_idle(pd.DataFrame(rows, columns=list(max(rows, key=lambda row: len(list(row))))), stages)
    return table.astype({"n_trials": "Int64", "trained": "boolean"}), undone


def summarize(experiment: Experiment) -> pd.DataFrame:
    """The table of a completed grid, with a row for every network; files are relative to the experiment's folder.

    Args:
        experiment: of the grid.

    Returns:
        the table.

    Raises:
        IncompleteError: runs are not complete; the message names them.
        RecordError: the record of a run is damaged.
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
    return _without_idle(pd.DataFrame(rows), stages).astype({"n_trials": "Int64"})


def _without_idle(table: pd.DataFrame, stages: dict[str, Stage]) -> pd.DataFrame:
    """The table without columns that no network has a value in, of those that only some tasks have."""
    some = [column for stage in stages.values() for column in stage.columns_if_any if column in table]
    return table.drop(columns=[column for column in some if table[column].isna().all()])


def write_summary(table: pd.DataFrame, root: str | os.PathLike[str]) -> None:
    """Write the table of an experiment as `summary.csv`, and `models/index.csv` from it.

    Args:
        table: of `summarize`.
        root: folder of the experiment's results.
    """
    root = Path(root)
    write_atomic(root / "summary.csv", table.to_csv(index=False).encode())
    write_index(table, root)


def write_index(table: pd.DataFrame, root: str | os.PathLike[str]) -> None:
    """Write `models/index.csv`: grid point and seed of every file, whose names differ only in the time.

    Files of other grids that still exist keep their rows.

    Args:
        table: of `summarize`.
        root: folder of the experiment's results.
    """
    import pandas as pd

    path = Path(root, "models", "index.csv")
    own = set(table.columns[table.columns.get_loc("seed") :])
    rows: dict[str, dict[Any, Any]] = {}
    for row in table[table["mat"].notna()].to_dict("records"):
        point = " ".join(f"{column}={value}" for column, value in row.items() if column not in own and value == value)
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


def _earlier_index(path: Path) -> list[dict[Any, Any]]:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (FileNotFoundError, ValueError):  # missing, or something else
        return []
    return table.to_dict("records") if list(table.columns) == INDEX else []


def read_summary(experiment: Experiment) -> pd.DataFrame:
    """Read the table as it was written, with the values of the axes as text.

    Args:
        experiment: of the grid.

    Returns:
        the table.
    """
    import pandas as pd

    texts = [*FIRST_AXES, *swept_columns(experiment)]
    return pd.read_csv(experiment.root / "summary.csv", dtype=dict.fromkeys(texts, str))


def swept_columns(grid: Experiment | Product) -> list[str]:
    """The columns that figures of the grid are drawn against: the swept axes but the task, or N without any.

    Args:
        grid: the whole grid, or one of its products.

    Returns:
        their names.
    """
    axes = [axis for axis in grid.axes if axis.path not in (("task",), FILES)]
    return [axis.column for axis in axes if len(axis.values) > 1] or ["N"]


def grid_pages(experiment: Experiment, table: pd.DataFrame) -> dict[str, Figure]:
    """The figures of the grid for the networks that are done.

    Args:
        experiment: of the grid.
        table: of `summarize`, or read by `read_summary`.

    Returns:
        name: figure.
    """
    from ratecore.figures import against_axes_of_products

    table = table[table["status"].isin(FINISHED)].copy()
    table["trained"] = table["trained"].astype(bool)
    table["needed"] = table["n_trials"].where(table["trained"]).astype(float)
    return {
        figure.name: against_axes_of_products(
            _by_product(experiment, table, stage), figure.column, figure.label, figure.limits
        )
        for stage in stages_of(experiment.settings).values()
        for figure in stage.grid_figures
    }


def _by_product(experiment: Experiment, table: pd.DataFrame, stage: Stage) -> dict[str, tuple[pd.DataFrame, list[str]]]:
    """The rows of each product of the grid that has any, and the columns that figures of a stage are drawn against.

    A network has one row, however many variants of a later stage it has.
    """
    found = {}
    once = [*experiment.columns(stage.name), "seed"]
    for product in experiment.products:
        rows = table
        if product.name:
            rows = table[[product.name in str(names).split() for names in table[GRIDS]]]
        if not product.name or len(rows):
            found[product.name] = (rows.drop_duplicates(once), _axes_of(product, stage))
    return found


def _axes_of(product: Product, stage: Stage) -> list[str]:
    """The columns that figures of a stage are drawn against: not those that only change other stages."""
    shown = {a.column for a in product.axes if a.path[0] not in AFTER_TRAINING or a.path[0] in stage.settings}
    return [column for column in swept_columns(product) if column in shown] or ["N"]

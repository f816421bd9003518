"""Opens results: `rate.open_results("results/demo")`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.experiment.axes import ABSENT
from ratecore.experiment.opened import ALLOWED, SUFFIXES, Opened, OpenedExperiment, open_experiment
from ratecore.experiment.products import GRIDS
from ratecore.experiment.runs import Run
from ratecore.experiment.selection import chosen_rows, typed_column
from ratecore.experiment.stages.table import STAGES
from ratecore.settings.base import shown
from ratecore.system.extras import needed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ratecore.experiment.spikes import Spikes
    from ratecore.rate.network import RateNetwork
    from ratecore.settings.run import RunSettings
    from ratecore.spiking.source import RateModel
    from ratecore.tasks import AbstractTask


# Columns of text; all others that are no axes are numbers.
_TEXTS = {
    GRIDS,
    "device",
    "mlflow_run_id",
    "folder",
    "error",
    *(path for stage in STAGES.values() for path in stage.paths),
}


def open_results(path: str | os.PathLike[str], *, task_file: str | os.PathLike[str] | None = None) -> Results:
    """Open the results of an experiment, or a single network.

    Nothing is written or locked: the folder may be read-only, moved to another place, or still being filled by a
    running workflow. Neither Snakemake nor MLflow is needed.

    Args:
        path: folder of an experiment, such as results/demo, or a `.mat` or `.pth` file.
        task_file: Python file that registers your own task, where it is no longer at the place that the configuration
            names.

    Returns:
        the results.

    Raises:
        FileNotFoundError: there is nothing at this path.
        ValueError: it holds no results of ratecore; the message says what is missing.
        ImportError: pandas is not installed.

    Source: none
    """
    path = Path(path).expanduser()
    needed("pandas", "analysis", "tables of results")
    if path.is_dir():
        return Results(experiment=open_experiment(path, task_file))
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder; it must be {ALLOWED}")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: not the file of a network; it must be {ALLOWED}")
    if task_file is not None:
        from ratecore.tasks.files import load_task_file

        load_task_file(os.fspath(task_file))
    return Results(file=path)


class Results:
    """The networks of an experiment, or the one in a file: what `open_results` returns.

    A row of the table stands for a network, or, in grids over settings of the evaluation or the conversion, for one of
    its variants. Methods take a row as its index in the table, as the row itself (`exp.table.loc[3]`), or as a table
    of one row, as `exp.networks(...)` returns it.

    Args:
        experiment: whose folder was opened.
        file: of the network that was opened.
    """

    def __init__(self, experiment: OpenedExperiment | None = None, file: Path | None = None):
        self._experiment, self._file = experiment, file

    @cached_property
    def _rows(self) -> tuple[pd.DataFrame, list[Opened | None], dict[str, list[Any]]]:
        """The table; the network of each row, None for those that are not trained; and the values of the axes."""
        if self._experiment is not None:
            return _rows_of_experiment(self._experiment)
        from ratecore.experiment.single import row_of_file

        return row_of_file(self.path)

    @property
    def table(self) -> pd.DataFrame:
        """A row for every network, or variant of one, from the run records.

        Columns are the axes of the grid (numbers, booleans, or categories; lists such as `taus` as text, '4_20', in
        steps), `seed`, `status`, `trained`, `n_trials`, `accuracy`, `loss` and the others of `summary.csv`. Files and
        folders are relative to the folder of the experiment. Networks that are not done have the status 'not done' or
        'broke'. The table is read once; `refresh` reads it again.
        """
        return self._rows[0].copy()

    def refresh(self) -> Results:
        """Forget what was read, for results of a workflow that is running.

        Returns:
            these results.

        Source: none
        """
        vars(self).pop("_rows", None)
        return self

    @property
    def path(self) -> Path:
        """The folder of the experiment, or the file of the network."""
        path = self._file if self._experiment is None else self._experiment.root
        assert path is not None  # one of the two was opened
        return path

    @property
    def variants(self) -> tuple[str, ...]:
        """The columns in which rows of one network differ: axes that training does not depend on."""
        if self._experiment is None:
            return ()
        of_training = self._experiment.columns("train")
        swept = [axis.column for axis in self._experiment.axes if len(axis.values) > 1]
        return tuple(column for column in swept if column not in of_training)

    def networks(self, **selection: Any) -> pd.DataFrame:
        """Select rows of the table.

        Args:
            **selection: column: a value, a list or range of values, or a function that takes the column and returns
                whether each row is meant: `networks(task="mante", N=200, seed=range(5), accuracy=lambda a: a > 0.9)`.

        Returns:
            the rows, with their index in `table`.

        Raises:
            ValueError: an unknown column, or a value that no network has.

        Source: none
        """
        table, _, values = self._rows
        return chosen_rows(table, selection, values).copy()

    def claims(self) -> pd.DataFrame:
        """Judge the claims of the experiment's configuration by the networks that are done.

        Nothing is decided about networks of which some are not done.

        Returns:
            a row for each claim, with the columns of `claims.csv` (docs/claims.md).

        Raises:
            ValueError: a single network was opened, or the configuration has no claims.

        Source: none
        """
        from ratecore.experiment.claims import judge_claims
        from ratecore.experiment.summary import partial_summary

        if self._experiment is None or not self._experiment.settings.claims:
            where = "the configuration of these results has none" if self._experiment else "a single network has none"
            raise ValueError(f"{self.path}: there are no claims; {where}")
        return judge_claims(self._experiment, partial_summary(self._experiment)[0])

    def load(self, row: Any) -> RateNetwork:
        """Load a trained network.

        Args:
            row: of the table.

        Returns:
            the network, as it was trained.

        Raises:
            ValueError: no such row, or a network that is not trained yet.
            FormatError: its file is missing or damaged.

        Source: none
        """
        return self._opened(row).load()

    def run_settings(self, row: Any) -> RunSettings:
        """The settings of a run.

        Args:
            row: of the table.

        Returns:
            the settings, of the variant of this row.

        Raises:
            ValueError: no such row, or a file that does not hold them.

        Source: none
        """
        if self._experiment is not None:
            return _run_at(self._experiment, self._place(row)).settings
        settings = self._opened(row).settings
        if settings is None:
            raise ValueError(f"{self._file}: the file does not hold the settings of its run; the .pth of ratecore does")
        return settings

    def task(self, row: Any) -> AbstractTask:
        """The task that a network was trained on.

        Args:
            row: of the table.

        Returns:
            the task.

        Raises:
            ValueError: no such row.

        Source: none
        """
        return self._opened(row).task if self._experiment is None else self.run_settings(row).create_task()

    def tested(self, row: Any) -> tuple[AbstractTask, RateNetwork]:
        """The task and the network as they are evaluated: with the settings of the section `evaluation`.

        Args:
            row: of the table.

        Returns:
            the task and the network.

        Raises:
            ValueError: no such row, or a network that is not trained yet.
            FormatError: its file is missing or damaged.

        Source: none
        """
        opened = self._opened(row)
        return opened.tested(opened.load())

    def spiking_model(self, row: Any) -> RateModel:
        """What carries over from a network to a spiking one; column `lambda` has the factor of its conversion.

        Args:
            row: of the table.

        Returns:
            the model, as `ratecore.spiking` takes it.

        Raises:
            ValueError: no such row, or a network that is not trained yet or cannot become a spiking one.
            FormatError: its file is missing or damaged.

        Source: none
        """
        return self._opened(row).spiking_model()

    def activity(
        self, task: str | None = None, trials: str | int | Sequence[int] = "evaluation", **selection: Any
    ) -> xr.Dataset:
        """Draw trials again and simulate them: the very trials of the evaluation, and their outputs to the bit.

        Only conditions and labels are drawn now. Nothing is simulated before numbers are asked for: the arrays are
        lazy, with one chunk for each network, and dask computes chunks on all cores. Reductions such as
        `ds.r.mean("trial")` hold only a few chunks at a time.

        Args:
            task: of the networks, which must have one task; not needed where there is only one.
            trials: 'evaluation' for all trials of the evaluation, a number for its first ones, or a list of numbers of
                trials, from 0. Trials beyond those of the evaluation continue its random stream.
            **selection: as in `networks`. Networks that are not trained yet are left out.

        Returns:
            Dataset with the dimensions network (index in `table`), trial, time, unit, input, output; variables `x`, `r`
            (network, trial, time, unit), `u` (network, trial, time, input), `o`, `target` (network, trial, time,
            output), unitless, NaN after the end of shorter trials and for units that a smaller network lacks.
            Coordinates: `time` (ms); `trial_number` (-1 where there is no trial), `condition`, `label`, `choice` (sign
            of the mean output in the response window) and `correct` (network, trial); `unit_type` ('E', 'I', 'SST') and
            `tau` (ms) (network, unit); and task, seed, all axes and folder of each network.

        Raises:
            ValueError: networks of several tasks or none at all, or `trials` that are none of these.
            ImportError: xarray or dask is not installed.

        Source:
            docs/model.md 1 and 2.
        """
        from ratecore.experiment.dataset import dataset

        chosen = self.networks(**({} if task is None else {"task": task}), **selection)
        _, opened, values = self._rows
        return dataset(chosen, [opened[k] for k in chosen.index], list(values), trials)

    def spikes(
        self,
        task: str | None = None,
        trials: str | int | Sequence[int] = "conversion",
        *,
        stream_name: str = "lif_trial",
        threads: int | None = None,
        **selection: Any,
    ) -> Spikes:
        """Simulate converted networks again, with all their spikes: the very trials of the conversion.

        Nothing is simulated before a network is asked for, and one network is in memory at a time. Networks are tested
        as the stage `convert` scores them: with the lambda of their row, the settings of `spiking` and `conversion`,
        lesions, perturbations and stimulation included.

        Args:
            task: of the networks, which must have one task; not needed where there is only one.
            trials: 'conversion' for those on which the conversion scored the network, a number for the first ones, or a
                list of numbers of trials, from 0.
            stream_name: of the random stream that trials are drawn from. With 'evaluation', trial k has the stimulus of
                trial k of `activity`.
            threads: processes that share the trials of a network; all cores when None.
            **selection: as in `networks`. Networks that were not converted are left out, and a warning names them.

        Returns:
            the spikes, network by network: as arrays, as objects of pynapple, or as labelled rates and counts.

        Raises:
            ValueError: networks of several tasks, none that was converted, or `trials` that are none of these.

        Source:
            docs/model.md 5.
        """
        from ratecore.experiment.converted import converted
        from ratecore.experiment.spikes import Spikes

        chosen = self.networks(**({} if task is None else {"task": task}), **selection)
        _, opened, values = self._rows
        sources = converted(chosen, [opened[k] for k in chosen.index], list(values), trials)
        return Spikes(sources, stream_name, threads)

    def _place(self, row: Any) -> int:
        """The position of a row in the table."""
        import pandas as pd

        table, found = self._rows[0], row
        if isinstance(row, pd.DataFrame):
            if len(row) != 1:
                raise ValueError(f"the selection has {len(row)} networks; it must have one. Loop over its index")
            found = row.index[0]
        elif isinstance(row, pd.Series):
            found = row.name
        if isinstance(found, bool) or not hasattr(found, "__index__") or not 0 <= int(found) < len(table):
            raise ValueError(
                f"row = {shown(found)}: it must be an index from 0 to {len(table) - 1}, a row of the table, or a "
                "selection of one network"
            )
        return int(found)

    def _opened(self, row: Any) -> Opened:
        place = self._place(row)
        table, opened, _ = self._rows
        network = opened[place]
        if network is None:
            raise ValueError(f"row {place}: there is no trained network; its status is '{table['status'][place]}'")
        return network

    def __repr__(self) -> str:
        table = self._rows[0]
        statuses = ", ".join(f"{n} {status}" for status, n in table["status"].value_counts().items())
        return f"Results of {self.path}: {len(table)} rows ({statuses})"


def _run_at(experiment: OpenedExperiment, place: int) -> Run:
    """The run of a row."""
    return Run.at(experiment, *experiment.place(place))


def _rows_of_experiment(
    experiment: OpenedExperiment,
) -> tuple[pd.DataFrame, list[Opened | None], dict[str, list[Any]]]:
    """As `Results._rows`."""
    import pandas as pd

    from ratecore.experiment.run_values import value_on
    from ratecore.experiment.summary import all_runs, partial_summary

    runs = list(all_runs(experiment))
    table, _ = partial_summary(experiment, runs)
    values: dict[str, list[Any]] = {}
    for axis in experiment.axes:
        of_points = [(value_on(axis, point.settings), len(point.seeds)) for point in experiment.grid_points]
        of_rows = [value for value, n in of_points for _ in range(n)]
        table[axis.column] = typed_column(of_rows)
        values[axis.column] = [None if value is ABSENT else value for value in of_rows]
    table["status"] = pd.Categorical(table["status"])
    for column in table.columns.difference([*values, "seed", "status", "trained", "n_trials"]):
        table[column] = table[column].astype("string" if column in _TEXTS else "float64")
    opened = [
        Opened.of_run(run) if trained is not pd.NA and run.network.is_file() else None
        for (_, run), trained in zip(runs, table["trained"], strict=True)
    ]
    return table, opened, values

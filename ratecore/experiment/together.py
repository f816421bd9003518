"""Results of several experiments, or files, as one table: `rate.open_results("results/paper", "results/original")`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.experiment.axes import FIRST_AXES, MISSING, Axis
from ratecore.experiment.networks_from import TRAINED
from ratecore.experiment.opened import Opened
from ratecore.experiment.results import TEXTS, Results
from ratecore.experiment.run_values import value_on
from ratecore.experiment.selection import typed_column

if TYPE_CHECKING:
    import pandas as pd

    from ratecore.settings.run import RunSettings
    from ratecore.tasks import AbstractTask

RESULTS = "results"  # column with the folder or file that a row is from


class ResultsTogether(Results):
    """The networks of several experiments: what `open_results` returns for several paths.

    Rows follow one another as the paths do. An axis of one of the experiments is a column for all, with the value that
    the settings of the others have. The column `results` has the path, to which the files of the row are relative, and
    `origin` tells whether a network was trained here or comes from a file.

    Args:
        parts: the results of each path.
    """

    def __init__(self, parts: Sequence[Results]):
        super().__init__()
        self._parts = tuple(parts)

    @property
    def _rows(self) -> tuple[pd.DataFrame, list[Opened | None], dict[str, list[Any]]]:
        if "_joined" not in vars(self):
            self._joined = _joined(self._parts)
        return self._joined

    def refresh(self) -> Results:
        """Forget what was read, for results of a workflow that is running.

        Returns:
            these results.

        Source: none
        """
        vars(self).pop("_joined", None)
        for part in self._parts:
            part.refresh()
        return self

    @property
    def path(self) -> Path:
        """Not known for several experiments: the column `results` has it.

        Raises:
            ValueError: always.
        """
        raise ValueError("several results are open; the column 'results' of the table has the path of each row")

    @property
    def variants(self) -> tuple[str, ...]:
        """The columns in which rows of one network differ: axes that training does not depend on."""
        return tuple(dict.fromkeys(column for part in self._parts for column in part.variants))

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
        part, place = self._part(row)
        return part.run_settings(place)

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
        part, place = self._part(row)
        return part.task(place)

    def _part(self, row: Any) -> tuple[Results, int]:
        """The results that a row of the table is from, and its index there."""
        place = self._place(row)
        for part in self._parts:
            if place < (n := len(part._rows[0])):
                return part, place
            place -= n
        raise AssertionError("the table has a row for each row of its parts")

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._parts))


def _joined(parts: Sequence[Results]) -> tuple[pd.DataFrame, list[Opened | None], dict[str, list[Any]]]:
    """As `Results._rows`, for all parts."""
    import pandas as pd

    tables = [part._rows[0] for part in parts]
    values = _axes(parts)
    every = list(dict.fromkeys(column for table in tables for column in table.columns))
    first = [RESULTS, *values, "seed", "origin"]
    columns: dict[str, Any] = {}
    for column in [*first, *(name for name in every if name not in first)]:
        if column == RESULTS:
            paths = [[str(part.path)] * len(table) for part, table in zip(parts, tables, strict=True)]
            columns[column] = pd.Categorical([path for of_part in paths for path in of_part])
            continue
        if column in values:
            columns[column] = typed_column(values[column])
            continue
        default = TRAINED if column == "origin" else None
        found = [_plain(v) for t in tables for v in (t[column] if column in t else [default] * len(t))]
        columns[column] = _typed(column, found)
    return pd.DataFrame(columns), [network for part in parts for network in part._rows[1]], values


def _plain(value: Any) -> Any:
    """None for what is missing."""
    import pandas as pd

    return None if pd.isna(value) else value


def _typed(column: str, found: list[Any]) -> Any:
    import pandas as pd

    if column == "seed":
        return typed_column(found)
    if column == "status":
        return pd.Categorical(found)
    kinds = {"trained": "boolean", "n_trials": "Int64", **dict.fromkeys(TEXTS, "string")}
    return pd.Series(found, dtype=kinds.get(column, "float64"))


def _axes(parts: Sequence[Results]) -> dict[str, list[Any]]:
    """Column: the value of each row, for the axes of all experiments."""
    axes = {path: Axis(column, path, ()) for column, path in FIRST_AXES.items()}
    for part in parts:
        for axis in part._experiment.axes if part._experiment is not None else ():
            axes.setdefault(axis.path, axis)
    names = [axis.column for axis in axes.values()]
    values: dict[str, list[Any]] = {}
    for path, axis in axes.items():
        column = axis.column if names.count(axis.column) == 1 else "_".join(path)
        values[column] = [value for part in parts for value in _on(axis, part)]
    return values


def _on(axis: Axis, part: Results) -> list[Any]:
    """The values that the rows of a part have on an axis, be it swept there or not; None where they are not known."""
    rows = len(part._rows[0])
    if part._experiment is None:
        values: list[Any] = part._rows[2].get(axis.column, [None] * rows)
        return values
    found = (value_on(axis, part._experiment.place(k)[0].settings) for k in range(rows))
    return [None if value == MISSING else value for value in found]

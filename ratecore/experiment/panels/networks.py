"""The networks that a panel shows: rows of the table, and what is read of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ratecore.experiment.axes import Axis
from ratecore.experiment.grid import Experiment
from ratecore.experiment.opened import Opened
from ratecore.experiment.panels.cells import Cells, rows_of
from ratecore.experiment.panels.columns import Measure, in_order, same_value
from ratecore.experiment.runs import Run
from ratecore.experiment.summary import FINISHED, partial_summary, read_summary
from ratecore.settings.claims import GAP, TRAINED
from ratecore.settings.panels import PanelSettings

if TYPE_CHECKING:
    import pandas as pd

SIGNS = {">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less}


@dataclass(frozen=True)
class Networks:
    """The networks that a panel shows.

    Attributes:
        cells: grid point and seed of each row of the whole table.
        table: rows that are shown; the index is that of `cells`.
        left_out: status: number of networks that the panel chooses and that are not shown.
    """

    cells: Cells
    table: pd.DataFrame
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def run(self, index: int) -> Run:
        """The run of a row.

        Args:
            index: of the row.

        Returns:
            the run.
        """
        return Run.at(self.cells.experiment, self.cells.points[index], self.cells.seeds[index])

    def opened(self, index: int) -> Opened:
        """The network of a row, to be read.

        Args:
            index: of the row.

        Returns:
            the network.
        """
        return Opened.of_run(self.run(index))

    def grouped(self, axis: Axis | None) -> list[tuple[Any, Networks]]:
        """The networks by the values of an axis.

        Args:
            axis: of the grid; None for all networks as one group.

        Returns:
            value and networks of each group, in the order of `in_order`.
        """
        if axis is None:
            return [(None, self)]
        own = self.cells.values(axis)
        values = [own[index] for index in self.table.index]
        groups = []
        for value in in_order(values):
            rows = [same_value(other, value) for other in values]
            groups.append((value, Networks(self.cells, self.table[rows])))
        return groups

    def numbers(self, measure: Measure) -> Float[np.ndarray, " n"]:
        """The values of a measure, without networks that have none.

        Args:
            measure: of networks.

        Returns:
            (n,), in the unit of the vertical axis; of a share 0 or `measure.factor`.

        Source: none
        """
        values = self.column(measure)
        return np.asarray(values[~np.isnan(values)])

    def column(self, measure: Measure) -> Float[np.ndarray, " n"]:
        """The values of a measure.

        Args:
            measure: of networks.

        Returns:
            of each row (n,), in the unit of the vertical axis; NaN where a network has none. A network without the
            number, such as one that was not converted, does not reach a threshold.

        Source: none
        """
        if measure.column == TRAINED:
            return np.array(self.table["status"] == "trained", float) * measure.factor
        if measure.column == GAP:
            values = _floats(self.table, "accuracy") - _floats(self.table, "spiking_accuracy")
        else:
            values = _floats(self.table, measure.column)
        if measure.sign is None:
            return np.asarray(values * measure.factor)
        with np.errstate(invalid="ignore"):
            return np.asarray(SIGNS[measure.sign](values, measure.threshold), float) * measure.factor

    def example(self, column: str) -> int | None:
        """The network with the median of a column; of two in the middle the lower, of equal ones the lowest seed.

        Args:
            column: of the table.

        Returns:
            index of its row; None if no network has a value.
        """
        values = _floats(self.table, column)
        there = np.flatnonzero(~np.isnan(values))
        if not there.size:
            return None
        middle = np.sort(values[there])[(there.size - 1) // 2]
        index: list[int] = self.table.index.tolist()
        rows = [index[k] for k in there if values[k] == middle]
        return min(rows, key=lambda row: (self.cells.seeds[row], row))


def _floats(table: pd.DataFrame, column: str) -> Float[np.ndarray, " n"]:
    import pandas as pd

    if column not in table:  # no network has got so far
        return np.full(len(table), np.nan)
    return np.asarray(pd.to_numeric(table[column], errors="coerce").to_numpy(float, na_value=np.nan))


def read_table(experiment: Experiment, partial: bool) -> pd.DataFrame:
    """The table of an experiment.

    Args:
        experiment: of the grid.
        partial: whether it is made from the records, as far as the grid is done, or read from `summary.csv`.

    Returns:
        a row for each of `Cells.of`.

    Raises:
        ValueError: `summary.csv` is that of another grid.
    """
    table = partial_summary(experiment)[0] if partial else read_summary(experiment)
    seeds = [seed for _, seed in rows_of(experiment)]
    if table["seed"].tolist() != seeds:
        raise ValueError(f"{experiment.root}/summary.csv: the table of another grid; run the workflow again")
    return table.reset_index(drop=True)


def networks_of(cells: Cells, table: pd.DataFrame, panel: PanelSettings, everyone: bool = False) -> Networks:
    """The networks that a panel shows.

    Args:
        cells: of the experiment.
        table: of `read_table`.
        panel: its settings.
        everyone: whether networks that are not trained count, too, whatever the panel says.

    Returns:
        the networks.
    """
    chosen = table[cells.chosen(panel)]
    of_all = everyone or panel.networks == "all"
    done = chosen[chosen["status"].isin(FINISHED if of_all else ["trained"])]
    left_out = chosen.drop(done.index)["status"].value_counts()
    return Networks(cells, done, {str(status): int(n) for status, n in left_out.items()})

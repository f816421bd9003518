"""Grid points and seeds in the order of the table, and which of them a panel chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from ratecore.experiment.axes import MISSING, Axis
from ratecore.experiment.panels.columns import SEED, axis_of, fixed_setting, in_order, listed, same_value
from ratecore.experiment.points import GridPoint
from ratecore.experiment.run_values import value_on
from ratecore.settings.base import shown
from ratecore.settings.panels import PanelSettings

if TYPE_CHECKING:
    from ratecore.experiment.grid import Experiment


@dataclass(frozen=True)
class Cells:
    """Grid points and seeds, in the order of the rows of the table.

    Attributes:
        experiment: of the grid.
        points: of each row.
        seeds: of each row.
    """

    experiment: Experiment
    points: Sequence[GridPoint]
    seeds: Sequence[int]

    @classmethod
    def of(cls, experiment: Experiment) -> Cells:
        """All rows of an experiment.

        Args:
            experiment: of the grid.

        Returns:
            the rows.
        """
        both = list(rows_of(experiment))
        return cls(experiment, [point for point, _ in both], [seed for _, seed in both])

    def values(self, axis: Axis) -> list[Any]:
        """The values of an axis.

        Args:
            axis: of the grid.

        Returns:
            of each row, as the settings have them.
        """
        of_points: dict[int, Any] = {}
        for point in self.points:
            if point.number not in of_points:
                of_points[point.number] = value_on(axis, point.settings)
        return [of_points[point.number] for point in self.points]

    def values_in(self, panel: PanelSettings, axis: Axis) -> list[Any]:
        """The values of an axis that a panel shows, whether or not their networks are done.

        Args:
            panel: its settings.
            axis: of the grid.

        Returns:
            each once, in the order of `in_order`; without networks that do not have the setting.
        """
        pairs = zip(self.values(axis), self.chosen(panel), strict=True)
        return in_order(value for value, kept in pairs if kept and value != MISSING)

    def having(self, name: str, wanted: Any) -> Bool[np.ndarray, " n"]:
        """Which rows have a value, or one of several.

        Args:
            name: of an axis or a setting, or 'seed'.
            wanted: value, or list of values.

        Returns:
            of each row (n,).

        Raises:
            ValueError: no axis or setting of this name, or a value that no row has.

        Source: none
        """
        values = self._named(name)
        return _having(values, wanted)

    def _named(self, name: str) -> list[Any]:
        if name == SEED:
            return list(self.seeds)
        if (path := fixed_setting(name, self.experiment)) is not None:
            fixed = Axis(name, path, ())
            return self.values(fixed)
        return self.values(axis_of(name, self.experiment))

    def chosen(self, panel: PanelSettings) -> Bool[np.ndarray, " n"]:
        """Which rows a panel's `grid` and `where` choose.

        Args:
            panel: its settings.

        Returns:
            of each row (n,).

        Raises:
            ValueError: a column or value that there is not.

        Source: none
        """
        keep = np.ones(len(self.points), bool)
        if panel.grid is not None:
            pairs = zip(self.points, self.seeds, strict=True)
            keep &= np.array([panel.grid in point.grids(seed) for point, seed in pairs], bool)
        for name, wanted in panel.where.items():
            keep &= self.having(name, wanted)
        return keep


def rows_of(experiment: Experiment) -> Iterator[tuple[GridPoint, int]]:
    """Grid point and seed of each row of the table.

    Args:
        experiment: of the grid.

    Yields:
        (grid point, seed).
    """
    for point in experiment.grid_points:
        for seed in point.seeds:
            yield point, seed


def _having(values: list[Any], wanted: Any) -> Bool[np.ndarray, " n"]:
    """Which values are meant: one value, which may be a list, or one of several."""
    one = np.array([same_value(value, wanted) for value in values], bool)
    if one.any() or not isinstance(wanted, list | tuple):
        alternatives, found = [wanted], [one]
    else:
        alternatives = list(wanted)
        found = [np.array([same_value(value, part) for value in values], bool) for part in wanted]
    if not alternatives:
        raise ValueError("it names no value")
    for value, rows in zip(alternatives, found, strict=True):
        if not rows.any():
            raise ValueError(f"no network has {shown(value)}; values: {listed(in_order(values))}")
    return np.asarray(np.stack(found).any(0))

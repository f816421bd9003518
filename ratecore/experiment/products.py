"""The products of a grid: what the configuration sweeps together, and the columns of all axes."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ratecore.experiment.axes import (
    FIRST_AXES,
    RESERVED,
    Axis,
    axis_path,
    column_name,
    format_value,
    is_elsewhere,
    plain_name,
    short_name,
)
from ratecore.experiment.seeds import MOST_RUNS, parse_seeds
from ratecore.experiment.stages.table import ANALYSE, STAGES, stages_of
from ratecore.settings.base import Problem, SettingsError, shown
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.grid import products_in
from ratecore.settings.hints import for_list

GRIDS = "grids"  # column of the table with the names of products
MOST_POINTS = 1_000_000  # every grid point is checked before any work starts
Path = tuple[str, ...]  # keys of a setting


@dataclass(frozen=True, eq=False)  # two products are never the same
class Product:
    """Axes all combinations of whose values are in the grid.

    Attributes:
        name: of the product; '' for the only one of a grid that is a mapping.
        axes: task, N and taus, and those that the product names.
        seeds: of its grid points.
    """

    name: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]

    @cached_property
    def seed_set(self) -> frozenset[int]:
        """The seeds, for quick look-ups."""
        return frozenset(self.seeds)

    @property
    def size(self) -> int:
        """Number of combinations of values."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def key(self) -> str:
        """What messages call it: 'grid', or 'grid.fig1c'."""
        return f"grid.{self.name}" if self.name else "grid"

    def points(self) -> Iterator[dict[Path, Any]]:
        """Every combination of values; the last axis changes fastest.

        Yields:
            keys of each setting: its value.
        """
        paths = [axis.path for axis in self.axes]
        for values in itertools.product(*(axis.values for axis in self.axes)):
            yield dict(zip(paths, values, strict=True))

    def refuse_value_twice(self, first: int, second: int) -> None:
        """Raise an error if two equal grid points differ in only one axis.

        Args:
            first: number of a point, in the order of `points`.
            second: number of the other.

        Raises:
            SettingsError: names the axis and the value.
        """
        differ: list[tuple[Axis, Any, Any]] = []
        left: tuple[int, ...] = (first, second)
        for axis in reversed(self.axes):
            (i, j), left = (n % len(axis.values) for n in left), tuple(n // len(axis.values) for n in left)
            differ += [(axis, axis.values[i], axis.values[j])] if i != j else []
        if len(differ) == 1:
            [(axis, value, other)] = differ
            same = f", also as {shown(value)}" if repr(value) != repr(other) else ""
            path = (*self.key.split(".", 1), axis.column)
            raise SettingsError([(path, f" = {shown(other)}: it is listed twice{same}; list it once")])


def products_of(settings: ExperimentSettings, base_value: Callable[[Path], Any]) -> list[Product]:
    """The products that a configuration asks for.

    Args:
        settings: of the experiment.
        base_value: keys of a setting: its value in the configuration.

    Returns:
        the products, with the same columns for the same settings.

    Raises:
        SettingsError: two axes of one column, an axis without effect, or too many grid points.
    """
    given = products_in(settings.grid)
    seeds = {name: _seeds(name, grid.pop("seed", [0])) for name, grid in given.items()}
    swept = {name: {axis_path(axis): values for axis, values in grid.items()} for name, grid in given.items()}
    reserved = RESERVED if "" in given else RESERVED | {GRIDS}
    columns = _columns_of(dict.fromkeys(path for axes in swept.values() for path in axes), reserved)
    products = []
    for name, axes in swept.items():
        every = {path: axes.get(path) or [base_value(path)] for path in FIRST_AXES.values()} | axes
        own = tuple(Axis(columns[path], path, tuple(values)) for path, values in every.items())
        products.append(Product(name, own, seeds[name]))
    _refuse_idle_axes(products, settings)
    _refuse_too_many(products)
    return products


def all_axes(products: Sequence[Product]) -> list[Axis]:
    """The axes of all products.

    Args:
        products: of a grid.

    Returns:
        each axis once, with the values of all products in the order of their appearance; of a grid of one product, its
        axes.
    """
    if len(products) == 1:
        return list(products[0].axes)
    values: dict[Path, dict[str, Any]] = {}
    columns: dict[Path, str] = {}
    for axis in (axis for product in products for axis in product.axes):
        columns[axis.path] = axis.column
        for value in axis.values:
            values.setdefault(axis.path, {}).setdefault(format_value(value), value)
    return [Axis(columns[path], path, tuple(found.values())) for path, found in values.items()]


def _seeds(name: str, given: Any) -> tuple[int, ...]:
    try:
        return parse_seeds(given)
    except SettingsError as error:
        raise SettingsError(_in_product(error.problems, name)) from None


def _in_product(problems: Iterable[Problem], name: str) -> list[Problem]:
    """Problems of a product, with its name: 'grid.fig1c: unknown axis ...'."""
    if not name:
        return list(problems)
    return [
        (path, f"grid.{name}{message.removeprefix('grid')}" if message.startswith("grid") else message)
        for path, message in problems
    ]


def _columns_of(paths: Iterable[Path], reserved: set[str]) -> dict[Path, str]:
    """The column of each setting that is an axis."""
    columns = {path: column for column, path in FIRST_AXES.items()}
    rest = [path for path in paths if path not in columns]
    for path in rest:
        others = {p[-1] for p in rest if p != path and not is_elsewhere(p)}
        taken = reserved | set(columns.values()) | others
        short = short_name(path)
        column = short if short not in taken else "_".join(path)
        others = {plain_name(name) for name in others}
        columns[path] = column_name(column, taken | others)
    if twice := [name for name, n in Counter(columns.values()).items() if n > 1]:
        raise SettingsError(f"grid: two axes would have the same column '{twice[0]}'; rename one of them")
    return columns


def _refuse_idle_axes(products: Sequence[Product], settings: ExperimentSettings) -> None:
    used = {section for stage in stages_of(settings).values() for section in stage.settings}
    for product in products:
        for stage in STAGES.values():
            own = set(stage.settings) - used
            idle = [axis.column for axis in product.axes if axis.path[0] in own and len(axis.values) > 1]
            if idle and stage.switch and stage.name != ANALYSE:
                changes = f"{', '.join(idle)} has no effect with {stage.switch} = False"
                raise SettingsError(f"{product.key}: {changes}; set it to true")
        for axis in product.axes:
            if axis.path[0] == "analysis" and axis.path[1] not in settings.analyses and len(axis.values) > 1:
                chosen = shown(list(settings.analyses))
                what = f"{product.key}: {'.'.join(axis.path)} has no effect with analyses = {chosen}"
                raise SettingsError(f"{what}; add {axis.path[1]} to them")


def _refuse_too_many(products: Sequence[Product]) -> None:
    points = sum(product.size for product in products)
    runs = sum(product.size * len(product.seeds) for product in products)
    if points <= MOST_POINTS and runs <= MOST_RUNS:
        return
    counts = sorted({len(product.seeds) for product in products})
    seeds = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    raise SettingsError(
        f"grid: {points:,} grid points with {seeds} seeds each are {runs:,} runs; "
        f"at most {MOST_POINTS:,} grid points and {MOST_RUNS:,} runs are allowed"
    )


def find_grid_problems(grid: Any) -> list[Problem]:
    """Problems with the axes' names and the seeds of a grid, before any value is checked.

    Args:
        grid: as it is in the configuration, whether or not it has the form of a grid.

    Returns:
        the problems.
    """
    if isinstance(grid, dict):
        return _problems_of(grid)
    if isinstance(grid, list | tuple) and all(isinstance(part, dict) for part in grid):
        named = products_in(grid).items()
        return [problem for name, part in named for problem in _in_product(_problems_of(part), name)]
    return []


def _problems_of(grid: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    paths: set[Path] = set()
    for name, values in grid.items():
        try:
            if name == "seed":
                if isinstance(values, list | str):  # anything else is a problem of the settings
                    parse_seeds(values)
                continue
            path = axis_path(name)
        except SettingsError as error:
            problems += error.problems
            continue
        if isinstance(values, str):
            text = f"grid.{name} = {shown(values)}: it must be a list of values{for_list(values)}"
            problems.append(((), text))
        elif path in paths:
            problems.append(((), f"grid: axis '{'.'.join(path)}' is listed twice"))
        paths.add(path)
    return problems

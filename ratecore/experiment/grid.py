"""An experiment's grid: from the configuration to grid points, blocks of seeds and single runs."""

from __future__ import annotations

import bisect
import itertools
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ratecore.experiment.analyses.names import check_variables
from ratecore.experiment.analyses.packages import require_packages
from ratecore.experiment.axes import MISSING, Axis, format_value, path_of
from ratecore.experiment.claim_groups import claimed_networks
from ratecore.experiment.mapping import check_mapping
from ratecore.experiment.points import GridPoint
from ratecore.experiment.products import Product, all_axes, files_of, find_grid_problems, products_of
from ratecore.experiment.run_values import BaseSettings, value_on
from ratecore.experiment.seeds import block_name
from ratecore.experiment.stages.table import STAGES, TRAIN, row_of
from ratecore.experiment.starts import check_starts, network_key, refuse_missing_starts
from ratecore.settings.base import Problem, SettingsError, did_you_mean, task_key
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import AFTER_TRAINING, TESTED, RunSettings, hash_of
from ratecore.tasks import TaskFactory
from ratecore.tasks.files import load_task_file
from ratecore.tasks.trials import require_criterion


class Experiment:
    """Everything that a configuration requests.

    Attributes:
        settings: of the experiment.
        products: of the grid; one without a name if the grid is a mapping.
        files: networks that are not trained here (`networks_from`), by the name of their product.
        axes: of all products, with their values.
        seeds: of all products.
        grid_points: each once, whatever the number of products that have it.

    Args:
        settings: of the experiment.
        checked: whether its panels are known to be right, as in the jobs of a workflow that has begun.

    Raises:
        SettingsError: with every problem of the grid: unknown or empty axes, values out of range, grid points that are
            the same run.
    """

    def __init__(self, settings: ExperimentSettings, *, checked: bool = False):
        self.settings = settings
        if problems := find_grid_problems(settings.grid):
            raise SettingsError(problems)
        self._base = BaseSettings(settings)
        self.products = products_of(settings, self._base.value)
        self.seeds = tuple(dict.fromkeys(seed for product in self.products for seed in product.seeds))
        self.files = files_of(self.products)
        self.axes = all_axes(self.products)
        require_packages(settings.analyses)
        self.grid_points = self._make_grid_points()
        if self.is_list or self.files:
            self.axes = self._axes_of_points()
        refuse_missing_starts(self.grid_points, self.start_of)
        claimed_networks(self)  # raises SettingsError for claims about networks that are not there
        if settings.panels and not checked:
            from ratecore.experiment.panels.checks import check_panels  # with matplotlib, which takes a second

            check_panels(self)

    @property
    def is_list(self) -> bool:
        """Whether the grid is a list of products."""
        return isinstance(self.settings.grid, list)

    @classmethod
    def from_config(cls, config: Any, *, checked: bool = False) -> Experiment:
        """Create it from the mapping in `config/config.yaml`.

        Args:
            config: the mapping.
            checked: as of `Experiment`.

        Returns:
            the experiment.

        Raises:
            SettingsError: with every problem of the configuration.
        """
        if not isinstance(config, dict):
            raise SettingsError(f"the configuration is {type(config).__name__}; it must be a mapping of settings")
        check_mapping(config)
        try:
            settings = ExperimentSettings(**config)
        except SettingsError as error:  # also report the problems of the grid
            raise SettingsError(error.problems + find_grid_problems(config.get("grid"))) from None
        return cls(settings, checked=checked)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Experiment:
        """Create it from a configuration file.

        Args:
            path: of the YAML file.

        Returns:
            the experiment.

        Raises:
            SettingsError: with every problem of the file.
        """
        return cls.from_config(load_yaml(path))

    def given(self) -> dict[str, Any]:
        """The settings that the configuration sets, with their parsed values, for validation by the schema.

        Returns:
            the settings as JSON values.
        """
        return self.settings.model_dump(mode="json", exclude_unset=True)

    def start_of(self, grid_point: GridPoint) -> GridPoint | None:
        """The grid point whose networks the trainings of a grid point start from.

        Args:
            grid_point: that is trained.

        Returns:
            the first grid point with that network; None for trainings that start from drawn weights or from a file.
        """
        start = grid_point.settings.start
        return None if start is None else self._by_network.get(network_key(start))

    @cached_property
    def _by_network(self) -> dict[str, GridPoint]:
        """The grid points that train a network, by what tells networks apart."""
        return {network_key(point.settings): point for point in self.grid_points_of(TRAIN).values()}

    def _make_grid_points(self) -> list[GridPoint]:
        if self.settings.task_file:
            load_task_file(self.settings.task_file)  # loads a broken file once, not at every point
        problems: dict[Problem, None] = {}
        made = [self._points_of(product, problems) for product in self.products]
        self._check_task_names(problems)
        if problems:
            raise SettingsError(list(problems))
        grid_points = self._each_once(made)
        check_variables(point.settings for point in grid_points)
        check_starts(grid_points)
        for grid_point in {grid_point.settings.task: grid_point for grid_point in grid_points}.values():
            require_criterion(grid_point.settings.create_task())
        return grid_points

    def _points_of(self, product: Product, problems: dict[Problem, None]) -> list[GridPoint]:
        """The grid points of a product; adds what is wrong with them to `problems`."""
        points: list[GridPoint] = []
        for overrides in product.points():
            if len(problems) >= 20:
                break
            try:
                run = self._base.run(overrides, product.seeds[0])
                values = {axis.column: format_value(value_on(axis, run)) for axis in self.axes}
                point = GridPoint(values, run, len(points), (product,), product.seeds)
                for seed in product.seeds[1:] if run.network.depends_on_types else ():
                    point.run(seed)
                points.append(point)
            except SettingsError as error:
                problems |= dict.fromkeys(error.problems)  # each once, in order
        return points

    def _each_once(self, made: list[list[GridPoint]]) -> list[GridPoint]:
        """The grid points of all products. One that several products have is one point, with the seeds of all."""
        found: dict[str, GridPoint] = {}
        for product, points in zip(self.products, made, strict=True):
            own: dict[str, GridPoint] = {}
            for point in points:
                identity = hash_of({**point.settings.identity_values(), "seed": 0})
                if identity in own:
                    product.refuse_value_twice(own[identity].number, point.number)
                    both = f"{own[identity].path} and {point.path}"
                    raise SettingsError(f"{product.key}: {both} are the same grid point; list it once")
                own[identity] = point
            for identity, point in own.items():
                known = found.get(identity)
                found[identity] = replace(point, number=len(found)) if known is None else self._joined(known, [point])
        if len({point.path for point in found.values()}) < len(found):
            raise SettingsError("grid: two grid points have the same path")
        return list(found.values())

    def _joined(self, first: GridPoint, others: Iterable[GridPoint]) -> GridPoint:
        """A grid point with the products and seeds of others, too."""
        products = dict.fromkeys([*first.products, *(product for other in others for product in other.products)])
        if len(products) == len(first.products):
            return first
        of_all = frozenset().union(*(product.seed_set for product in products))
        seeds = first.seeds if len(of_all) == len(first.seeds) else tuple(s for s in self.seeds if s in of_all)
        return replace(first, products=tuple(products), seeds=seeds)

    def _axes_of_points(self) -> list[Axis]:
        """The axes with the values that grid points have, also where their product does not name the axis."""
        axes = []
        for axis in self.axes:
            values: dict[str, Any] = {}
            for point in self.grid_points:
                if (part := point.values[axis.column]) != MISSING and part not in values:
                    values[part] = value_on(axis, point.settings)
            axes.append(replace(axis, values=tuple(values.values())))
        return axes

    def _check_task_names(self, problems: dict[Problem, None]) -> None:
        """Report `task_settings` of an unknown task; those of a task outside this grid are fine."""
        tasks, s = TaskFactory.list_available_tasks(), self.settings
        mappings: dict[tuple[str, ...], dict[str, Any]] = {("task_settings",): s.task_settings}
        mappings |= {(section, "task_settings"): getattr(s, section).task_settings for section in TESTED}
        for path, mapping in mappings.items():
            for name in (
                name for name, own in mapping.items() if isinstance(own, dict) and not TaskFactory.knows(name)
            ):
                message = f": '{name}' is no task{did_you_mean(task_key(name), tasks)}; available: {', '.join(tasks)}"
                problems[path, message] = None

    @cached_property
    def by_path(self) -> dict[str, GridPoint]:
        """The grid point of each path."""
        return {grid_point.path: grid_point for grid_point in self.grid_points}

    def columns(self, stage: str) -> tuple[str, ...]:
        """The axes that distinguish a stage's jobs: all except those of later stages.

        Args:
            stage: its name.

        Returns:
            columns of the axes.
        """
        return self._columns[stage]

    @cached_property
    def _columns(self) -> dict[str, tuple[str, ...]]:
        later = {name: set(AFTER_TRAINING) - set(row_of(name, self.settings.analyses).variants) for name in STAGES}
        return {
            name: tuple(axis.column for axis in self.axes if axis.path[0] not in others)
            for name, others in later.items()
        }

    def variant(self, grid_point: GridPoint, stage: str) -> str:
        """The path of the values by which a stage differs for the same network.

        Args:
            grid_point: of the run.
            stage: its name.

        Returns:
            '' or a path such as 'refractory~2'.
        """
        # Sorted, so that the order of the axes in the configuration does not matter.
        variants = row_of(stage, self.settings.analyses).variants
        later = sorted(axis.column for axis in self.axes if axis.path[0] in variants)
        return grid_point.path_in(later)

    @cached_property
    def _first_grid_points(self) -> dict[tuple[str, ...], dict[str, GridPoint]]:
        """Columns: path in only these columns: the first grid point there, with the seeds of all of them."""
        found: dict[tuple[str, ...], dict[str, GridPoint]] = {}
        for columns in {self.columns(stage) for stage in STAGES}:
            together: dict[str, list[GridPoint]] = {}
            for grid_point in self.grid_points:
                together.setdefault(grid_point.path_in(columns), []).append(grid_point)
            found[columns] = {path: self._joined(first, others) for path, (first, *others) in together.items()}
        return found

    def grid_points_of(self, stage: str) -> dict[str, GridPoint]:
        """The grid points for which a stage has jobs. Points that differ only in later stages share one.

        Args:
            stage: its name.

        Returns:
            path: grid point.
        """
        return self._first_grid_points[self.columns(stage)]

    def grid_point_of(self, values: Any) -> GridPoint:
        """The grid point of a job.

        Args:
            values: column: value, such as Snakemake's wildcards of any stage.

        Returns:
            the first grid point with these values.
        """
        names = set(values.keys())  # Snakemake's wildcards look for values with `in`
        columns = tuple(axis.column for axis in self.axes if axis.column in names)
        return self._first_grid_points[columns][path_of({column: values[column] for column in columns})]

    @cached_property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Name: seeds of each block, all of which a product has, or none: so all stages share blocks."""
        k = self.settings.seeds_per_job
        together: dict[tuple[bool, ...], list[int]] = {}
        for seed in self.seeds:
            together.setdefault(tuple(seed in product.seed_set for product in self.products), []).append(seed)
        parts = [tuple(seeds[i : i + k]) for seeds in together.values() for i in range(0, len(seeds), k)]
        return {block_name(seeds): seeds for seeds in parts}

    def blocks_of(self, grid_point: GridPoint) -> dict[str, tuple[int, ...]]:
        """The blocks of a grid point.

        Args:
            grid_point: of the grid, or of a stage as in `grid_points_of`.

        Returns:
            name: seeds.
        """
        if len(grid_point.seeds) == len(self.seeds):
            return self.blocks
        known = frozenset(grid_point.seeds)
        return {name: seeds for name, seeds in self.blocks.items() if seeds[0] in known}

    @property
    def n_runs(self) -> int:
        """Number of runs, which are rows of the table."""
        return sum(len(point.seeds) for point in self.grid_points)

    @property
    def n_networks(self) -> int:
        """Number of networks that are trained."""
        return sum(len(point.seeds) for point in self.grid_points_of(TRAIN).values())

    @cached_property
    def _variants(self) -> Counter[str]:
        columns = self.columns(TRAIN)
        return Counter(point.path_in(columns) for point in self.grid_points)

    def variants_of(self, grid_point: GridPoint) -> int:
        """Number of grid points that have the networks of a grid point.

        Args:
            grid_point: of the grid.

        Returns:
            1 if its networks have no variants.
        """
        return self._variants[grid_point.path_in(self.columns(TRAIN))]

    @cached_property
    def _ends(self) -> list[int]:
        """The number of runs up to each grid point."""
        return list(itertools.accumulate(len(point.seeds) for point in self.grid_points))

    def place(self, number: int) -> tuple[GridPoint, int]:
        """The run in a row of the table.

        Args:
            number: of the row, from 0.

        Returns:
            the grid point and the seed.
        """
        k = bisect.bisect_right(self._ends, number)
        point = self.grid_points[k]
        return point, point.seeds[number - self._ends[k]]

    @property
    def root(self) -> Path:
        """Folder of the experiment's results."""
        return Path(self.settings.results, self.settings.experiment)

    def folder(self, run: RunSettings) -> Path:
        """The folder of one network. It depends only on the run, so a grid with other axes finds it, too.

        Args:
            run: settings of the run.

        Returns:
            path, below `root`.
        """
        return folder_of_network(self.root, run)

    def run_names(self) -> list[str]:
        """The names of the folders of all networks of the grid.

        Returns:
            the names, each once.
        """
        return [
            grid_point.identity(seed, "training")
            for grid_point in self.grid_points_of("train").values()
            for seed in grid_point.seeds
        ]


def folder_of_network(root: Path, run: RunSettings) -> Path:
    """The folder of one network in the results of an experiment.

    Args:
        root: folder of the experiment.
        run: settings of the run.

    Returns:
        path, below `root`.
    """
    parts = {"task": run.task, "N": run.network.N, "taus": run.network.taus, "seed": run.seed}
    named = [f"{key}~{format_value(value)}" for key, value in parts.items()]
    return root.joinpath("runs", *named, run.identity("training"))

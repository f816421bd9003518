"""An experiment's grid: from the configuration to grid points, blocks of seeds and single runs."""

from __future__ import annotations

import copy
import itertools
import math
import os
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

from ratecore.experiment.analyses.names import check_variables
from ratecore.experiment.analyses.packages import require_packages
from ratecore.experiment.axes import (
    FIRST_AXES,
    RESERVED,
    SECTIONS,
    Axis,
    axis_path,
    column_name,
    format_value,
    is_elsewhere,
    path_of,
    plain_name,
    short_name,
)
from ratecore.experiment.claim_groups import claimed_networks
from ratecore.experiment.mapping import check_mapping
from ratecore.experiment.points import GridPoint
from ratecore.experiment.seeds import MOST_RUNS, block_name, parse_seeds
from ratecore.experiment.stages.table import ANALYSE, STAGES, TRAIN, row_of, stages_of
from ratecore.settings.base import SettingsError, did_you_mean, shown, task_key, task_name
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.hints import for_list
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import AFTER_TRAINING, TESTED, RunSettings
from ratecore.settings.starts import KEY as START
from ratecore.settings.starts import as_text, refused
from ratecore.tasks import AbstractTask, TaskFactory
from ratecore.tasks.files import load_task_file
from ratecore.tasks.multi import SUM
from ratecore.tasks.trials import require_criterion

MOST_POINTS = 1_000_000  # every grid point is checked before any work starts


class Experiment:
    """Everything that a configuration requests.

    Args:
        settings: of the experiment.

    Raises:
        SettingsError: with every problem of the grid: unknown or empty axes, values out of range, grid points that are
            the same run.
    """

    def __init__(self, settings: ExperimentSettings):
        self.settings = settings
        if problems := _find_grid_problems(settings.grid):
            raise SettingsError(problems)
        grid = dict(settings.grid)
        self._base_start = self._full_names(settings.training.start_from)
        self.seeds = parse_seeds(grid.pop("seed", [0]))
        self.axes = self._axes(grid)
        self._refuse_idle_axes()
        require_packages(settings.analyses)
        self._refuse_too_many()
        self.grid_points = self._make_grid_points()
        self._refuse_duplicates()
        self._refuse_missing_starts()
        claimed_networks(self)  # raises SettingsError for claims about networks that are not there

    @classmethod
    def from_config(cls, config: Any) -> Experiment:
        """Create it from the mapping in `config/config.yaml`.

        Args:
            config: the mapping.

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
            raise SettingsError(error.problems + _find_grid_problems(config.get("grid"))) from None
        return cls(settings)

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

    def _axes(self, grid: dict[str, Any]) -> list[Axis]:
        paths = {axis_path(name): values for name, values in grid.items()}
        axes = []
        for column, path in FIRST_AXES.items():
            axes.append(Axis(column, path, tuple(paths.pop(path, [self._base_value(path)]))))
        for path, values in paths.items():
            others = {p[-1] for p in paths if p != path and not is_elsewhere(p)}
            taken = RESERVED | {axis.column for axis in axes} | others
            short = short_name(path)
            column = short if short not in taken else "_".join(path)
            others = {plain_name(name) for name in others}
            axes.append(Axis(column_name(column, taken | others), path, tuple(values)))
        if twice := [name for name, n in Counter(axis.column for axis in axes).items() if n > 1]:
            raise SettingsError(f"grid: two axes would have the same column '{twice[0]}'; rename one of them")
        return axes

    def _refuse_idle_axes(self) -> None:
        used = {section for stage in stages_of(self.settings).values() for section in stage.settings}
        for stage in STAGES.values():
            own = set(stage.settings) - used
            idle = [axis.column for axis in self.axes if axis.path[0] in own and len(axis.values) > 1]
            if idle and stage.switch and stage.name != ANALYSE:
                changes = f"{', '.join(idle)} has no effect with {stage.switch} = False"
                raise SettingsError(f"grid: {changes}; set it to true")
        analyses = self.settings.analyses
        for axis in self.axes:
            if axis.path[0] == "analysis" and axis.path[1] not in analyses and len(axis.values) > 1:
                what = f"grid: {'.'.join(axis.path)} has no effect with analyses = {shown(list(analyses))}"
                raise SettingsError(f"{what}; add {axis.path[1]} to them")

    def _refuse_too_many(self) -> None:
        points, seeds = math.prod(len(axis.values) for axis in self.axes), len(self.seeds)
        if points > MOST_POINTS or points * seeds > MOST_RUNS:
            raise SettingsError(
                f"grid: {points:,} grid points with {seeds:,} seeds each are {points * seeds:,} runs; "
                f"at most {MOST_POINTS:,} grid points and {MOST_RUNS:,} runs are allowed"
            )

    def _base_value(self, path: tuple[str, ...]) -> Any:
        value: Any = self.settings
        for key in path:
            value = getattr(value, key)
        return value

    def _run_values(self, overrides: dict[tuple[str, ...], object], seed: int) -> dict[str, Any]:
        """Arguments of RunSettings: the base settings with the values of a grid point."""
        s = self.settings
        values: dict[str, Any] = {
            "task": s.task,
            "task_file": s.task_file,
            "seed": seed,
            "unit_sets": dict(s.unit_sets),
        }
        values |= {name: getattr(s, name).model_dump() for name in SECTIONS} | {"analyses": s.analyses}
        task = task_name(overrides.get(("task",), s.task))
        task = task if isinstance(task, str) else shown(task)
        values["task_settings"] = self._task_settings(task, s.task_settings)
        for name in TESTED:
            values[name]["task_settings"] = self._task_settings(task, getattr(s, name).task_settings)
        values["training"]["start_from"] = self._base_start
        for path, value in overrides.items():
            section = values
            for key in path[:-1]:
                section = section[key]
            section[path[-1]] = self._full_names(value) if path == START else copy.copy(value)
        return values

    def _full_names(self, start: Any) -> Any:
        """`training.start_from` with the full names of its settings, and those of its task where it has another."""
        if not isinstance(start, dict):
            return start
        full = {}
        for name, value in start.items():
            try:
                path = axis_path(str(name))
            except SettingsError as error:
                raise refused(
                    str(error).replace("grid: unknown axis", "unknown setting").removeprefix("grid: ")
                ) from None
            if path[0] == "seed":
                raise refused("the network that training starts from has the same seed; leave seed out")
            full[".".join(path)] = self._full_names(value) if path == START else value
        if "task" in full and isinstance(task := task_name(full["task"]), str):
            full = {
                f"task_settings.{key}": value
                for key, value in self._task_settings(task, self.settings.task_settings).items()
            } | full
        return full

    def _run(self, overrides: dict[tuple[str, ...], object]) -> RunSettings:
        """The settings of the first run of a grid point.

        A point that names itself in the `training.start_from` of all points is where the others start from.
        """
        run = RunSettings(**self._run_values(overrides, self.seeds[0]))
        if START not in overrides and (start := run.start) is not None:
            values = self._run_values(overrides | {START: None}, self.seeds[0])
            if start.identity("training") == (new := RunSettings(**values)).identity("training"):
                return new
        return run

    def start_of(self, grid_point: GridPoint) -> GridPoint | None:
        """The grid point whose networks the trainings of a grid point start from.

        Args:
            grid_point: that is trained.

        Returns:
            the first grid point with that network; None for trainings that start from drawn weights or from a file.
        """
        start = grid_point.settings.start
        return None if start is None else self._by_network.get(start.identity("training"))

    @cached_property
    def _by_network(self) -> dict[str, GridPoint]:
        """The grid points that train a network, by its identity with the first seed."""
        return {point.settings.identity("training"): point for point in self.grid_points_of(TRAIN).values()}

    def _refuse_missing_starts(self) -> None:
        """Raise SettingsError for a training that starts from a network that is not in the grid."""
        for point in self.grid_points:
            if point.settings.start is not None and self.start_of(point) is None:
                named = as_text(point.settings.training.start_from)  # type: ignore[arg-type]  # a mapping
                raise refused(
                    f"{named}: {point.path} would start from a network that is not in the grid; add its values to the "
                    "axes, and null to an axis training.start_from"
                )

    @staticmethod
    def _task_settings(task: str, given: dict[str, Any]) -> dict[str, Any]:
        """The settings for every task, overridden by those under the task's own name.

        Of several tasks in one network those under the name of each, and under that of all, as 'a+b'.
        """
        merged = {k: v for k, v in given.items() if not isinstance(v, dict)}
        parts = task.split(SUM) if SUM in task else ()
        for name, own in given.items():
            if isinstance(own, dict) and task_key(name) in parts:
                merged |= {f"{task_key(name)}.{key}": value for key, value in own.items()}
        for name, own in given.items():
            if isinstance(own, dict) and task_key(name) == task:
                merged |= own
        return merged

    def _make_grid_points(self) -> list[GridPoint]:
        if self.settings.task_file:
            load_task_file(self.settings.task_file)  # loads a broken file once, not at every point
        grid_points: list[GridPoint] = []
        problems: dict[Any, None] = {}
        for point in itertools.product(*(axis.values for axis in self.axes)):
            overrides = {axis.path: value for axis, value in zip(self.axes, point, strict=True)}
            try:
                grid_point = self._grid_point(self._run(overrides), len(grid_points))
                for seed in self.seeds[1:] if grid_point.settings.network.depends_on_types else ():
                    grid_point.run(seed)
                grid_points.append(grid_point)
            except SettingsError as error:
                problems |= dict.fromkeys(error.problems)  # each once, in order
            if len(problems) >= 20:
                break
        self._check_task_names(problems)
        if problems:
            raise SettingsError(list(problems))
        check_variables(point.settings for point in grid_points)
        self._check_starts(grid_points)
        for grid_point in {grid_point.settings.task: grid_point for grid_point in grid_points}.values():
            require_criterion(grid_point.settings.create_task())
        return grid_points

    def _check_starts(self, grid_points: list[GridPoint]) -> None:
        """Check that the networks from which trainings start can be read and fit."""
        starts: dict[Any, RunSettings] = {}
        for point in grid_points:
            s = point.settings
            if isinstance(s.training.start_from, str):
                stages = s.training.stages[:1]
                key = (s.training.start_from, s.network, s.task, repr(s.task_settings), repr(stages))
                starts.setdefault(key, s)
        if starts:
            from ratecore.formats.starting import start_of  # with torch, which takes a second

            for settings in starts.values():
                settings.identity("training")  # reads the file once for all seeds
                start_of(settings)

    def _grid_point(self, run: RunSettings, number: int) -> GridPoint:
        values = {axis.column: format_value(value_on(axis, run)) for axis in self.axes}
        return GridPoint(values, run, number)

    def _check_task_names(self, problems: dict[Any, None]) -> None:
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

    def _refuse_duplicates(self) -> None:
        seen: dict[str, GridPoint] = {}
        for grid_point in self.grid_points:
            identity = grid_point.settings.identity()
            if identity in seen:
                self._refuse_value_twice(seen[identity].number, grid_point.number)
                first = seen[identity].path
                raise SettingsError(f"grid: {first} and {grid_point.path} are the same grid point; list it once")
            seen[identity] = grid_point
        if len({grid_point.path for grid_point in self.grid_points}) < len(self.grid_points):
            raise SettingsError("grid: two grid points have the same path")

    def _refuse_value_twice(self, first: int, second: int) -> None:
        """Raise SettingsError if two equal grid points, given by number, differ in only one axis."""
        differ: list[tuple[Axis, Any, Any]] = []
        left: tuple[int, ...] = (first, second)
        for axis in reversed(self.axes):  # the last one changes fastest, see `_make_grid_points`
            (i, j), left = (n % len(axis.values) for n in left), tuple(n // len(axis.values) for n in left)
            differ += [(axis, axis.values[i], axis.values[j])] if i != j else []
        if len(differ) == 1:
            [(axis, value, other)] = differ
            same = f", also as {shown(value)}" if repr(value) != repr(other) else ""
            raise SettingsError([(("grid", axis.column), f" = {shown(other)}: it is listed twice{same}; list it once")])

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
        """Columns: path in only these columns: the first grid point there."""
        found: dict[tuple[str, ...], dict[str, GridPoint]] = {}
        for columns in {self.columns(stage) for stage in STAGES}:
            grid_points = found[columns] = {}
            for grid_point in self.grid_points:
                grid_points.setdefault(grid_point.path_in(columns), grid_point)
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
        """Name: seeds of each block, the same for every grid point."""
        k = self.settings.seeds_per_job
        parts = [tuple(self.seeds[i : i + k]) for i in range(0, len(self.seeds), k)]
        return {block_name(seeds): seeds for seeds in parts}

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
            for seed in self.seeds
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


def value_on(axis: Axis, run: RunSettings) -> Any:
    """The value that a run has on an axis.

    Args:
        axis: of the grid.
        run: settings of the run.

    Returns:
        the value of the axis's setting, with its own type.
    """
    value: Any = run
    if axis.path[0] == "task_settings":  # one of several tasks can be given without the task's name
        value = {**run.task_settings, **_own_task(run).settings}
    for key in axis.path[axis.path[0] == "task_settings" :]:
        value = value[key] if isinstance(value, dict) else getattr(value, key)
    return value


def _own_task(run: RunSettings) -> AbstractTask:
    """The task with the settings of the run, which the stages of a curriculum replace."""
    return TaskFactory.create_task(run.task, run.task_settings, strict=True)


def _find_grid_problems(grid: Any) -> list[Any]:
    """Problems with the axes' names and the seeds of a grid, before any value is checked."""
    problems: list[Any] = []
    paths: set[tuple[str, ...]] = set()
    for name, values in grid.items() if isinstance(grid, dict) else ():
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

"""An experiment's grid: from the configuration to grid points, blocks of seeds and single runs."""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ratecore.experiment.axes import (
    FIRST_AXES,
    RESERVED,
    SECTIONS,
    Axis,
    axis_path,
    column_name,
    format_value,
    path_of,
    plain_name,
)
from ratecore.experiment.stages.table import STAGES, stages_of
from ratecore.settings.base import SettingsError, as_number, did_you_mean, shown, task_key
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.hints import for_list, for_seed, for_seeds
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import AFTER_TRAINING, RunSettings, hash_of
from ratecore.tasks import TaskFactory
from ratecore.tasks.files import load_task_file
from ratecore.tasks.trials import require_criterion

COUNT = frozenset({int})
MOST_VALUES, DEEPEST = 200_000, 20  # of a configuration
MOST_POINTS, MOST_RUNS = 1_000_000, 10_000_000  # every grid point is looked at before any work starts


def _check_mapping(values) -> None:
    """Raises SettingsError for a mapping with keys that are no text, or too large to be looked at.

    A few lines of YAML with aliases can stand for more values than there are atoms, or for a list that holds itself.
    """
    left, seen = [((), values)], 0
    while left:
        path, value = left.pop()
        seen += 1
        if len(path) > DEEPEST:
            raise SettingsError(
                [(path[:2], f": values are nested more than {DEEPEST} deep; they may be {DEEPEST} deep")]
            )
        if seen > MOST_VALUES:
            raise SettingsError(
                [(path[:1], f": more than {MOST_VALUES:,} values; at most {MOST_VALUES:,} are allowed")]
            )
        if isinstance(value, dict):
            if wrong := [key for key in value if not isinstance(key, str)]:
                said = f": unknown setting; its name must be text{_no_key(wrong[0])}"
                raise SettingsError([((*path, shown(wrong[0])), said)])
            left += [((*path, key[:50]), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple | set | frozenset):
            left += [((*path, ""), inner) for inner in value]


def _no_key(key) -> str:
    """What follows a key that is no text: `{P_inh: 0,2}` and `{N: 10, 20}` have the keys 2 and 20."""
    number = isinstance(key, int | float) and not isinstance(key, bool)
    return " (a decimal point is meant, or brackets around a list?)" if number else ""


@dataclass(frozen=True)
class GridPoint:
    """A grid point without its seed.

    Attributes:
        values: column: value as part of a path.   settings: of its first seed; the others differ in the seed alone.
        number: of the point, counted from 0.
    """

    values: dict[str, str]
    settings: RunSettings
    number: int = 0
    _hashed: dict[tuple[str, ...], dict] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def path(self) -> str:
        """One folder an axis: task~xor/N~200/taus~4_20."""
        return path_of(self.values)

    def path_in(self, columns) -> str:
        """The path of some of its columns."""
        return path_of({column: self.values[column] for column in columns})

    def run(self, seed: int) -> RunSettings:
        """The settings of one run. Raises SettingsError where the seed decides, as for som_N."""
        if seed == self.settings.seed:
            return self.settings
        fields = {name: getattr(self.settings, name) for name in RunSettings.model_fields}
        return RunSettings(**{**fields, "seed": seed})

    def identity(self, seed: int, *stages: str) -> str:
        """As `run(seed).identity(*stages)`, without making the settings: a workflow asks three times for every run."""
        if stages not in self._hashed:
            self._hashed[stages] = self.settings.identity_values(*stages)
        return hash_of({**self._hashed[stages], "seed": seed})


class Experiment:
    """Everything that a configuration asks for.

    Args:
        settings: of the experiment.

    Raises:
        SettingsError: with every problem of the grid: unknown axes, empty axes, values out of range, grid points that
            are the same run.
    """

    def __init__(self, settings: ExperimentSettings):
        self.settings = settings
        if problems := _grid_problems(settings.grid):
            raise SettingsError(problems)
        grid = dict(settings.grid)
        self.seeds = _seeds(grid.pop("seed", [0]))
        self.axes = self._axes(grid)
        self._refuse_idle_axes()
        self._refuse_too_many()
        self.grid_points = self._make_grid_points()
        self._refuse_duplicates()

    @classmethod
    def from_config(cls, config: dict) -> Experiment:
        """From the mapping in `config/config.yaml`. Raises SettingsError."""
        if not isinstance(config, dict):
            raise SettingsError(f"the configuration is {type(config).__name__}; it must be a mapping of settings")
        _check_mapping(config)
        try:
            settings = ExperimentSettings(**config)
        except SettingsError as error:  # with the problems of the grid, so that all are named at once
            raise SettingsError(error.problems + _grid_problems(config.get("grid"))) from None
        return cls(settings)

    @classmethod
    def from_yaml(cls, path) -> Experiment:
        """From a configuration file. Raises SettingsError."""
        return cls.from_config(load_yaml(path))

    def given(self) -> dict:
        """The settings that the configuration names, as they were read, for the schema."""
        return self.settings.model_dump(mode="json", exclude_unset=True)

    def _axes(self, grid: dict) -> list[Axis]:
        paths = {axis_path(name): values for name, values in grid.items()}
        axes = []
        for column, path in FIRST_AXES.items():
            axes.append(Axis(column, path, tuple(paths.pop(path, [self._base_value(path)]))))
        for path, values in paths.items():
            taken = RESERVED | {axis.column for axis in axes} | {p[-1] for p in paths if p != path}
            short = "_".join(path[-1:] if len(path) < 3 else path[1:])  # of settings within a section's section
            column = short if short not in taken else "_".join(path)
            others = {plain_name(p[-1]) for p in paths if p != path}
            axes.append(Axis(column_name(column, taken | others), path, tuple(values)))
        if twice := [name for name, n in Counter(axis.column for axis in axes).items() if n > 1]:
            raise SettingsError(f"grid: two axes would have the same column '{twice[0]}'; one must have another name")
        return axes

    def _refuse_idle_axes(self) -> None:
        used = {section for stage in stages_of(self.settings).values() for section in stage.settings}
        for stage in STAGES.values():
            own = set(stage.settings) - used
            idle = [axis.column for axis in self.axes if axis.path[0] in own and len(axis.values) > 1]
            if idle and stage.switch:
                changes = f"{', '.join(idle)} changes nothing with {stage.switch} = False"
                raise SettingsError(f"grid: {changes}; set it to true")

    def _refuse_too_many(self) -> None:
        points, seeds = math.prod(len(axis.values) for axis in self.axes), len(self.seeds)
        if points > MOST_POINTS or points * seeds > MOST_RUNS:
            raise SettingsError(
                f"grid: {points:,} grid points with {seeds:,} seeds each are {points * seeds:,} runs; "
                f"at most {MOST_POINTS:,} grid points and {MOST_RUNS:,} runs are allowed"
            )

    def _base_value(self, path):
        value = self.settings
        for key in path:
            value = getattr(value, key)
        return value

    def _run_values(self, overrides: dict[tuple[str, ...], object], seed: int) -> dict:
        """Arguments of RunSettings: the base settings with the values of a grid point."""
        s = self.settings
        values = {"task": s.task, "task_file": s.task_file, "seed": seed}
        values |= {name: getattr(s, name).model_dump() for name in SECTIONS}
        task = overrides.get(("task",), s.task)
        values["task_settings"] = self._task_settings(task if isinstance(task, str) else shown(task))
        for path, value in overrides.items():
            place = values
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = copy.copy(value)
        return values

    def _task_settings(self, task: str) -> dict:
        """Settings for every task, then those under the task's own name."""
        given = self.settings.task_settings
        merged = {k: v for k, v in given.items() if not isinstance(v, dict)}
        for name, own in given.items():
            if isinstance(own, dict) and task_key(name) == task_key(task):
                merged |= own
        return merged

    def _make_grid_points(self) -> list[GridPoint]:
        if self.settings.task_file:
            load_task_file(self.settings.task_file)  # a file that cannot be loaded is run once, not at every point
        grid_points, problems = [], {}
        for point in itertools.product(*(axis.values for axis in self.axes)):
            overrides = {axis.path: value for axis, value in zip(self.axes, point, strict=True)}
            try:
                grid_point = self._grid_point(
                    RunSettings(**self._run_values(overrides, self.seeds[0])), len(grid_points)
                )
                for seed in self.seeds[1:] if grid_point.settings.network.som_N else ():
                    grid_point.run(seed)
                grid_points.append(grid_point)
            except SettingsError as error:
                problems |= dict.fromkeys(error.problems)  # each once, in order
            if len(problems) >= 20:
                break
        self._check_task_names(problems)
        if problems:
            raise SettingsError(list(problems))
        for grid_point in {grid_point.settings.task: grid_point for grid_point in grid_points}.values():
            require_criterion(grid_point.settings.create_task())
        return grid_points

    def _grid_point(self, run: RunSettings, number: int) -> GridPoint:
        values = {}
        for axis in self.axes:
            value = run.create_task().settings if axis.path[0] == "task_settings" else run
            for key in axis.path[axis.path[0] == "task_settings" :]:
                value = value[key] if isinstance(value, dict) else getattr(value, key)
            values[axis.column] = format_value(value)
        return GridPoint(values, run, number)

    def _check_task_names(self, problems: dict) -> None:
        """`task_settings` under a name that no task has is a mistake; a task that this grid leaves out is none."""
        tasks = TaskFactory.list_available_tasks()
        for name, own in self.settings.task_settings.items():
            if isinstance(own, dict) and task_key(name) not in tasks:
                message = f": '{name}' is no task{did_you_mean(task_key(name), tasks)}; available: {', '.join(tasks)}"
                problems[("task_settings",), message] = None

    def _refuse_duplicates(self) -> None:
        seen: dict[str, GridPoint] = {}
        for grid_point in self.grid_points:
            identity = grid_point.settings.identity()
            if identity in seen:
                self._refuse_value_twice(seen[identity].number, grid_point.number)
                first = seen[identity].path
                raise SettingsError(f"grid: {first} and {grid_point.path} are the same grid point; name it once")
            seen[identity] = grid_point
        if len({grid_point.path for grid_point in self.grid_points}) < len(self.grid_points):
            raise SettingsError("grid: two grid points have the same path")

    def _refuse_value_twice(self, first: int, second: int) -> None:
        """Raises SettingsError where two equal grid points, by their numbers, differ in one axis alone."""
        differ, left = [], (first, second)
        for axis in reversed(self.axes):  # the last one is the quickest, see `_make_grid_points`
            (i, j), left = (n % len(axis.values) for n in left), tuple(n // len(axis.values) for n in left)
            differ += [(axis, axis.values[i], axis.values[j])] if i != j else []
        if len(differ) == 1:
            [(axis, value, other)] = differ
            same = f", also as {shown(value)}" if repr(value) != repr(other) else ""
            raise SettingsError([(("grid", axis.column), f" = {shown(other)}: it is there twice{same}; name it once")])

    @cached_property
    def by_path(self) -> dict[str, GridPoint]:
        """The grid point of each path."""
        return {grid_point.path: grid_point for grid_point in self.grid_points}

    def columns(self, stage: str) -> tuple[str, ...]:
        """The axes that a stage has a job of its own for: all but those of what comes after it."""
        return self._columns[stage]

    @cached_property
    def _columns(self) -> dict[str, tuple[str, ...]]:
        later = {name: set(AFTER_TRAINING) - set(stage.variants) for name, stage in STAGES.items()}
        return {
            name: tuple(axis.column for axis in self.axes if axis.path[0] not in others)
            for name, others in later.items()
        }

    def variant(self, grid_point: GridPoint, stage: str) -> str:
        """Path of the values by which a stage differs for one and the same network: '' or 'refractory~2'."""
        # By name, so that another order of the axes in the configuration is no other variant.
        later = sorted(axis.column for axis in self.axes if axis.path[0] in STAGES[stage].variants)
        return grid_point.path_in(later)

    @cached_property
    def _first_grid_points(self) -> dict[tuple[str, ...], dict[str, GridPoint]]:
        """Columns: path in these columns alone: the first grid point there."""
        found = {}
        for columns in {self.columns(stage) for stage in STAGES}:
            grid_points = found[columns] = {}
            for grid_point in self.grid_points:
                grid_points.setdefault(grid_point.path_in(columns), grid_point)
        return found

    def grid_points_of(self, stage: str) -> dict[str, GridPoint]:
        """Path: grid point of each of the stage's jobs; points that differ only in later stages have one job."""
        return self._first_grid_points[self.columns(stage)]

    def grid_point_of(self, values) -> GridPoint:
        """The grid point of column: value, as Snakemake's wildcards of some stage have them; the first of several."""
        names = set(values.keys())  # Snakemake's wildcards look for values with `in`
        columns = tuple(axis.column for axis in self.axes if axis.column in names)
        return self._first_grid_points[columns][path_of({column: values[column] for column in columns})]

    @cached_property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Name: seeds of each job, the same for every grid point."""
        k = self.settings.seeds_per_job
        parts = [tuple(self.seeds[i : i + k]) for i in range(0, len(self.seeds), k)]
        return {block_name(seeds): seeds for seeds in parts}

    @property
    def root(self) -> Path:
        """Folder of the experiment's results."""
        return Path(self.settings.results, self.settings.experiment)

    def folder(self, run: RunSettings) -> Path:
        """Folder of one network. It depends on nothing but the run, so another layout of the grid finds it again."""
        net = run.network
        parts = {"task": run.task, "N": net.N, "taus": net.taus, "seed": run.seed}
        named = [f"{key}~{format_value(value)}" for key, value in parts.items()]
        return self.root.joinpath("runs", *named, run.identity("training"))

    def run_names(self) -> list[str]:
        """Names of the folders of all networks of the grid, each once."""
        return [
            grid_point.identity(seed, "training")
            for grid_point in self.grid_points_of("train").values()
            for seed in self.seeds
        ]


def _grid_problems(grid) -> list:
    """What is wrong with the axes' names and with the seeds of a grid, before any value is looked at."""
    problems, paths = [], set()
    for name, values in grid.items() if isinstance(grid, dict) else ():
        try:
            if name == "seed":
                if isinstance(values, list | str):  # anything else is a problem of the settings
                    _seeds(values)
                continue
            path = axis_path(name)
        except SettingsError as error:
            problems += error.problems
            continue
        if isinstance(values, str):
            text = f"grid.{name} = {shown(values)}: it must be a list of values{for_list(values)}"
            problems.append(((), text))
        elif path in paths:
            problems.append(((), f"grid: axis '{'.'.join(path)}' is there twice"))
        paths.add(path)
    return problems


def _seeds(given) -> tuple[int, ...]:
    if isinstance(given, str):
        match = re.fullmatch(r"([0-9]{1,19})\.\.([0-9]{1,19})", given)
        if not match or int(match[1]) > int(match[2]):
            allowed = f"a range of seeds is written 'first..last', as '0..99'{for_seeds(given)}"
            raise SettingsError(f"grid.seed = {shown(given)}: {allowed}")
        given = range(int(match[1]), int(match[2]) + 1)
        if len(given) > MOST_RUNS:
            raise SettingsError(
                f"grid.seed = '{given.start}..{given[-1]}': {len(given):,} seeds; at most {MOST_RUNS:,} are allowed"
            )
    given = [as_number(seed, COUNT) for seed in given] if isinstance(given, list) else given
    for seed in given if isinstance(given, list) else given[-1:]:  # of a range the largest is enough
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            allowed = f"it must be a whole number >= 0 and below 2^63{for_seed(seed)}"
            raise SettingsError(f"grid.seed = {shown(seed)}: {allowed}")
    twice = sorted(s for s, n in Counter(given).items() if n > 1) if isinstance(given, list) else []
    if twice:
        raise SettingsError(f"grid.seed: {', '.join(map(str, twice[:20]))} is there more than once")
    return tuple(given)


def block_name(seeds: tuple[int, ...]) -> str:
    """Name of a block of seeds: '0-9', '0-3+7', and for long ones the first, the last and a hash of all."""
    runs = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    name = "+".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
    if len(name) <= 60:
        return name
    return f"{seeds[0]}-{seeds[-1]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"

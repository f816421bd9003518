"""From the base settings of an experiment and the values of a grid point to the settings of a run, and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ratecore.experiment.axes import ABSENT, SECTIONS, Axis, axis_path
from ratecore.settings.base import SettingsError, shown, task_key, task_name
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.run import TESTED, RunSettings
from ratecore.settings.starts import KEY as START
from ratecore.settings.starts import refused
from ratecore.tasks import AbstractTask, TaskFactory
from ratecore.tasks.multi import SUM

Overrides = Mapping[tuple[str, ...], object]  # keys of a setting: its value at a grid point


class BaseSettings:
    """The settings that grid points change.

    Args:
        settings: of the experiment.

    Raises:
        SettingsError: `training.start_from` names an unknown setting.
    """

    def __init__(self, settings: ExperimentSettings):
        self.settings = settings
        self._start = self._full_names(settings.training.start_from)

    def value(self, path: tuple[str, ...]) -> Any:
        """The value of a setting that every configuration has.

        Args:
            path: keys of the setting.

        Returns:
            the value.
        """
        value: Any = self.settings
        for key in path:
            value = getattr(value, key)
        return value

    def run(self, overrides: Overrides, seed: int) -> RunSettings:
        """The settings of a run.

        A point that names itself in the `training.start_from` of all points is where the others start from.

        Args:
            overrides: the values of its grid point.
            seed: of the run.

        Returns:
            the settings.

        Raises:
            SettingsError: they cannot be used.
        """
        run = RunSettings(**self._values(overrides, seed))
        if START not in overrides and (start := run.start) is not None:
            values = self._values({**overrides, START: None}, seed)
            if start.identity("training") == (new := RunSettings(**values)).identity("training"):
                return new
        return run

    def _values(self, overrides: Overrides, seed: int) -> dict[str, Any]:
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
        values["task_settings"] = settings_of_task(task, s.task_settings)
        for name in TESTED:
            values[name]["task_settings"] = settings_of_task(task, getattr(s, name).task_settings)
        values["training"]["start_from"] = self._start
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
                for key, value in settings_of_task(task, self.settings.task_settings).items()
            } | full
        return full


def settings_of_task(task: str, given: dict[str, Any]) -> dict[str, Any]:
    """What `task_settings` set for a task: those for every task, overridden by those under the task's own name.

    Of several tasks in one network those under the name of each, and under that of all, as 'a+b'.

    Args:
        task: name of the task.
        given: the `task_settings` of a configuration.

    Returns:
        key: value.
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


def value_on(axis: Axis, run: RunSettings) -> Any:
    """The value that a run has on an axis.

    Args:
        axis: of the grid.
        run: settings of the run.

    Returns:
        the value of the axis's setting, with its own type; `ABSENT` for a setting that the run does not have.
    """
    value: Any = run
    keys = axis.path
    if keys[0] == "task_settings":  # one of several tasks can be given without the task's name
        value, keys = {**run.task_settings, **_own_task(run).settings}, keys[1:]
    for key in keys:
        if isinstance(value, dict) and key not in value:
            return _tested_value(axis, run)
        value = value[key] if isinstance(value, dict) else getattr(value, key)
    return value


def _tested_value(axis: Axis, run: RunSettings) -> Any:
    """The value of a key that a section does not set: where a task is tested, that of the trained task."""
    for section in TESTED:
        if axis.path[:2] == (section, "task_settings"):
            return run.tested_task(section).settings.get(axis.path[2], ABSENT)
    return ABSENT


def _own_task(run: RunSettings) -> AbstractTask:
    """The task with the settings of the run, which the stages of a curriculum replace."""
    return TaskFactory.create_task(run.task, run.task_settings, strict=True)

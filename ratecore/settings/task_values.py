"""Settings of tasks in a configuration: numbers, words, true or false, and lists of them.

Which of these a setting is, its task says (`ratecore.tasks.settings`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ratecore.settings.base import Problem, SettingsError, as_number, shown
from ratecore.settings.hints import for_value

TaskValue = bool | float | str | list[bool] | list[float] | list[str]
ALLOWED = "it must be a finite number, a word, true or false, or a list of numbers or of words"


def task_values(given: Any, by_task: bool = False) -> Any:
    """Convert the settings of a task and check that each is of a kind that tasks can have.

    Text such as `1e4`, which YAML 1.1 does not read as a number, becomes one; arrays and tuples become lists.

    Args:
        given: settings by name, or anything else, which is returned as it is.
        by_task: whether there may also be settings of one task, under its name.

    Returns:
        The settings.

    Raises:
        SettingsError: names each setting with another kind of value.
    """
    if not isinstance(given, dict):
        return given
    converted, problems = {}, []
    for key, value in given.items():
        if by_task and isinstance(value, dict):
            try:
                converted[key] = task_values(value)
            except SettingsError as error:
                problems += [((str(key), *path), message) for path, message in error.problems]
            continue
        converted[key] = value = _plain(value)
        if not _fits(value):
            hint = " (leave it out for its default)" if value is None else ""
            problem: Problem = ((str(key),), f" = {shown(value)}: {ALLOWED}{hint}")
            problems.append(problem)
    if problems:
        raise SettingsError(problems)
    return converted


def for_another_kind(settings: Mapping[str, object], defaults: Mapping[str, object]) -> str:
    """The hint for settings that are of another kind than their defaults.

    Args:
        settings: as they were given.
        defaults: of the task.

    Returns:
        How the first of them is written, or ''.
    """
    for key, value in settings.items():
        default = defaults.get(key)
        if isinstance(value, str) and isinstance(default, bool | int | float):
            return for_value("task_settings", bool if isinstance(default, bool) else float, default, [], value)
        if isinstance(default, list | tuple) and not isinstance(value, list):
            return f" (write [{value}]; as an axis of the grid, [[{value}], ...])"
    return ""


def _plain(value: Any) -> Any:
    value = as_number(value, frozenset({float}))
    return list(value) if isinstance(value, tuple) else value


def _fits(value: object) -> bool:
    if not isinstance(value, list):
        return _kind(value) is not None
    kinds = {_kind(part) for part in value}
    return None not in kinds and len(kinds) <= 1


def _kind(value: object) -> type | None:
    """bool, float or str; None for anything else, and for numbers that are not finite."""
    if isinstance(value, bool | str):
        return type(value)
    return float if isinstance(value, int | float) and abs(value) <= sys.float_info.max else None

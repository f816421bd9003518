"""Checks the settings of a task: each has the type of its default, and the range or choices that the class declares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.settings.base import did_you_mean, shown

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

MOST_STEPS = 1_000_000  # of a trial: an hour and a half


def checked(task: type[AbstractTask], key: str, default: Any, value: Any) -> Any:
    """Check one setting.

    Args:
        task: class of the task, with `ranges` and `choices`.
        key: name of the setting.
        default: its default, whose type the value must have: bool, int (a count of steps or things), float, str, or a
            list of one of these.
        value: as given.

    Returns:
        The value, of the type of the default.

    Raises:
        ValueError: names the task, the key, the value and what is allowed.
    """
    if not isinstance(default, list | tuple):
        return _one(task, key, default, value, shown(value))
    if not isinstance(value, list | tuple):
        kind = "words" if default and isinstance(default[0], str) else "numbers"
        raise ValueError(f"{task.name}: {key} = {shown(value)}; it must be a list of {kind}")
    like = default[0] if default else 0.0
    if any(isinstance(v, float) for v in default):
        like = 0.0
    return [_one(task, key, like, v, shown(value)) for v in value]


def allowed(task: type[AbstractTask], key: str, default: Any) -> str:
    """What a setting, or each value in a list, may be.

    Args:
        task: class of the task, with `ranges` and `choices`.
        key: name of the setting.
        default: its default; of a list, one of its values.

    Returns:
        Words for messages: 'a number from 0 to 1'.
    """
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, str):
        choices = task.choices.get(key)
        return f"one of {', '.join(choices)}" if choices else "a word"
    low, high = _range(task, key, default)
    if isinstance(default, int):
        return f"a whole number{'' if key in task.ranges else ' of steps'} from {low:,} to {high:,}"
    return "a finite number" if key not in task.ranges else f"a number from {low:g} to {high:g}"


def _range(task: type[AbstractTask], key: str, default: Any) -> tuple[float, float]:
    """Smallest and largest value of a number."""
    if key in task.ranges:
        return task.ranges[key]
    if isinstance(default, int):
        return 2 if key == "T" else 0, MOST_STEPS
    return -sys.float_info.max, sys.float_info.max


def _one(task: type[AbstractTask], key: str, default: Any, value: Any, given: str) -> Any:
    refused = f"{task.name}: {key} = {given}; it must be {allowed(task, key, default)}"
    if isinstance(default, bool):
        if not isinstance(value, bool | np.bool_):
            raise ValueError(refused)
        return bool(value)
    if isinstance(default, str):
        choices = task.choices.get(key)
        if not isinstance(value, str) or (choices is not None and value not in choices):
            raise ValueError(refused + (did_you_mean(value, choices) if choices and isinstance(value, str) else ""))
        return value
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    low, high = _range(task, key, default)
    if not number or not low <= value <= high:  # NaN is not either
        raise ValueError(refused)
    if isinstance(default, int):
        if int(value) != value:
            raise ValueError(refused)
        return int(value)
    return value


def check_call(function: str, settings: object, named: Mapping[str, Any], before: str = "") -> None:
    """Check that the settings of a task are given in a dict.

    Args:
        function: what is called, for the message.
        settings: the dict, or None.
        named: settings that are given by name.
        before: other arguments, for the message.

    Raises:
        TypeError: they are given in another way.
    """
    if named or not isinstance(settings, Mapping | None):
        given = ", ".join([*([] if settings is None else [shown(settings)]), *named])
        example = shown(dict(named)) if named else "{'T': 200}"
        call = f"{function}({before}"
        raise TypeError(f"{call}{given}): the settings of a task are given in a dict: {call}{example})")

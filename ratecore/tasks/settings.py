"""Checks the settings of a task: each has the type of its default, and the range or choices that the class declares."""

from __future__ import annotations

import sys
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


def _one(task: type[AbstractTask], key: str, default: Any, value: Any, given: str) -> Any:
    def refuse(allowed: str) -> ValueError:
        return ValueError(f"{task.name}: {key} = {given}; it must be {allowed}")

    if isinstance(default, bool):
        if not isinstance(value, bool | np.bool_):
            raise refuse("true or false")
        return bool(value)
    if isinstance(default, str):
        choices = task.choices.get(key)
        if not isinstance(value, str) or (choices is not None and value not in choices):
            hint = did_you_mean(value, choices) if choices and isinstance(value, str) else ""
            raise refuse(f"one of {', '.join(choices)}{hint}" if choices else "a word")
        return value
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    low, high = task.ranges.get(key, (None, None))
    if isinstance(default, int):
        low, high = (2 if key == "T" else 0) if low is None else low, MOST_STEPS if high is None else high
        if not number or not low <= value <= high or int(value) != value:
            unit = "" if key in task.ranges else " of steps"
            raise refuse(f"a whole number{unit} from {low:,} to {high:,}")
        return int(value)
    if not number or not abs(value) <= sys.float_info.max:
        raise refuse("a finite number" if low is None else f"a number from {low:g} to {high:g}")
    if low is not None and high is not None and not low <= value <= high:
        raise refuse(f"a number from {low:g} to {high:g}")
    return value

"""Checks the attributes of a user's task before trials are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ratecore.settings.base import shown
from ratecore.tasks import trials, values
from ratecore.tasks.values import TaskError

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask


def check_definition(task: AbstractTask) -> None:
    """Check the attributes of a task.

    Args:
        task: the task.

    Raises:
        TaskError: names the attribute, its value and what is allowed.
    """

    def refuse(name: str, value: object, allowed: str) -> NoReturn:
        raise TaskError(f"task '{task.name}': {name} = {shown(value)}; it must be {allowed}")

    def is_count(value: object, least: int) -> bool:
        return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)

    if not isinstance(task.name, str) or not task.name:
        raise TaskError(f"{type(task).__name__}.name = {shown(task.name)}; it must be a word")
    if not isinstance(getattr(task, "settings", None), dict):
        raise TaskError(f"task '{task.name}': it has no settings; its __init__ must call super().__init__(settings)")
    if not is_count(steps := values.attribute(task, "T"), 2):
        refuse("T", steps, "a whole number of steps, at least 2")
    types = values.attribute(task, "trial_types")
    named = isinstance(types, tuple | list) and all(isinstance(kind, str) and kind for kind in types)
    if not (named and types) and types != (None,):
        refuse("trial_types", types, "a tuple of names: ('left', 'right')")
    if len(set(types)) < len(types):
        refuse("trial_types", types, "a tuple of different names")
    if not is_count(n_inputs := values.attribute(task, "n_inputs"), 1):
        refuse("n_inputs", n_inputs, "a whole number, at least 1")
    if not is_count(n_outputs := values.attribute(task, "n_outputs"), 1):
        refuse("n_outputs", n_outputs, "a whole number, at least 1")
    if not is_count(task.min_trials, 0):
        refuse("min_trials", task.min_trials, "a whole number, at least 0")
    if task.spiking_output not in ("mean", "peak", "last"):
        refuse("spiking_output", task.spiking_output, "'mean', 'peak' or 'last'")
    if task.spiking_delay is not None and not is_count(task.spiking_delay, 0):
        refuse("spiking_delay", task.spiking_delay, "None or a whole number of steps, at least 0")
    levels = task.evidence_levels
    if not isinstance(levels, tuple | list) or not all(isinstance(v, int | float) and abs(v) < np.inf for v in levels):
        refuse("evidence_levels", levels, "a tuple of finite numbers")
    if levels and not callable(getattr(task, "draw_graded_trial", None)):
        raise TaskError(
            f"task '{task.name}': it has evidence_levels and no draw_graded_trial(self, trial_type, evidence, rng), "
            "which returns a Trial, or u and the label"
        )
    if trials.has_criterion(task):
        _check_windows(task)


def _check_windows(task: AbstractTask) -> None:
    for name in ("response_window", "spiking_window"):
        window = values.attribute(task, name)
        if not isinstance(window, slice) or window.step not in (None, 1):
            raise TaskError(
                f"task '{task.name}': {name} = {shown(window)}; it must be a slice of steps: slice(first, self.T)"
            )
        try:
            first, end, _ = window.indices(task.T)
        except TypeError:
            first, end = 0, 0
        if not first < end or (window.stop or 0) > task.T:
            raise TaskError(
                f"task '{task.name}': {name} = {shown(window)}; it must hold at least one step and end within a trial "
                f"of T = {task.T} steps"
            )
    try:
        windows = np.array(values.attribute(task, "stimulus_windows"), int).reshape(-1, 2)
    except (TypeError, ValueError):
        windows = np.array([[1, 0]])
    if not (windows[:, 0] <= windows[:, 1]).all():
        raise TaskError(
            f"task '{task.name}': stimulus_windows = {shown(task.stimulus_windows)}; it must be a list of (first step, "
            "first step after) of each stimulus"
        )

"""A trial of each condition of a task, to look at."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ratecore.tasks import trials
from ratecore.tasks.trials import Trial

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

TRIED = 100  # trials of each type that are searched for conditions


def examples_of(task: AbstractTask, seed: int = 0) -> list[Trial]:
    """Draw a trial of each condition.

    Args:
        task: any; of one whose `draw_trial` returns a stimulus and a label, the target and the windows are added.
        seed: of the trials.

    Returns:
        One trial of each condition that comes up, in the order of trial types and then of names, each with the response
        window of its own or of the task.

    Raises:
        TaskError: a method of the task raised an exception or returned anything unexpected.
    """
    found: dict[tuple[int, str], Trial] = {}
    for number, kind in enumerate(task.trial_types):
        for k in range(TRIED):
            trial = _one(task, kind, np.random.default_rng([seed, number, k]))
            found.setdefault((number, trial.condition), trial)
    by_name: dict[str, Trial] = {}
    for (_, name), trial in sorted(found.items(), key=lambda item: (item[0][0], _natural(item[0][1]))):
        by_name.setdefault(name, trial)
    return list(by_name.values())


def conditions_of(task: AbstractTask) -> list[str]:
    """The conditions of a task, as far as they come up in some trials.

    Args:
        task: any.

    Returns:
        names of the conditions.

    Raises:
        TaskError: as of `examples_of`.
    """
    return list(_conditions(task.name, json.dumps(task.settings, sort_keys=True), _Task(task)))


@lru_cache(maxsize=64)  # a grid asks for the same task at every point
def _conditions(name: str, settings: str, task: _Task) -> tuple[str, ...]:
    return tuple(trial.condition for trial in examples_of(task.task))


class _Task:
    """A task that counts as equal to every other one of its class: name and settings are compared beside it."""

    def __init__(self, task: AbstractTask) -> None:
        self.task = task

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Task) and type(other.task) is type(self.task)

    def __hash__(self) -> int:
        return hash(type(self.task))


def _natural(name: str) -> list[tuple[float, str]]:
    """Sort key by which '90' comes before '180'."""
    parts = re.split(r"(\d+\.?\d*)", name)
    return [(float(part), "") if k % 2 else (-1.0, part) for k, part in enumerate(parts)]


def _one(task: AbstractTask, kind: str | None, rng: np.random.Generator) -> Trial:
    batch = trials.collect(task, [trials.with_type(kind, trials.draw_stimulus(task, kind, rng))])
    scored = trials.has_criterion(task)
    if batch.trials is not None:
        drawn = batch.trials[0]
        return replace(drawn, response=trials.response_of(task, drawn)) if scored or drawn.response else drawn
    stimuli = list(task.stimulus_windows) if scored else []
    response = slice(*task.response_steps) if scored else None
    return Trial(batch.u[0], batch.z[0], None, batch.conditions[0], batch.labels[0], response, stimuli)

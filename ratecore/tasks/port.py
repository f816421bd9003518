"""Tasks written for the `rate` package: classes with `validate_settings`, `generate_stimulus` and `generate_target`.

Such a class draws from `np.random`, or from a generator that it makes from `seed`, or takes `seed` as a switch for one
fixed seed. Here each trial has a generator of its own: around every call the shared generators are seeded from it and
restored, so that any trial can be drawn again.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.settings.base import shown
from ratecore.tasks import values
from ratecore.tasks.overriding import overrides
from ratecore.tasks.randomness import isolated

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

PROBES = 32  # trials compared by `seeding`: a task with two possible trials is misjudged by chance once in 2^32


@functools.cache
def is_port_class(task_class: type[AbstractTask]) -> bool:
    """Whether a class was written for the `rate` package: it has `generate_stimulus` of its own and no `draw_trial`.

    Args:
        task_class: a class of tasks.

    Returns:
        True for a class of the `rate` package.
    """
    return overrides(task_class.generate_stimulus) and not overrides(task_class.draw_trial)


def draw(task: AbstractTask, trial_type: str | None, rng: np.random.Generator) -> Any:
    """Call `generate_stimulus` with all randomness from `rng`.

    Args:
        task: an instance of a class of the `rate` package.
        trial_type: type of the trial; None leaves the choice to the task.
        rng: generator of the trial.

    Returns:
        Whatever the task returned.
    """
    seed = int(rng.integers(2**32))
    return _draw(task, trial_type, seed, seeding(task))


def target(task: AbstractTask, label: Any) -> Any:
    """Call `generate_target` and bring its result to shape (T,).

    A target of T - 1 steps, as in the `rate` package, is extended by its last value, on which no loss depends.

    Args:
        task: an instance of a class of the `rate` package.
        label: label of the trial.

    Returns:
        Target (T,), unitless; what the task returned where that does not fit.

    Raises:
        TaskError: `generate_target` raised an exception.

    Source:
        docs/model.md 3.1, equation 6.
    """
    z = values.call(task, "generate_target", None, label)
    array = np.asarray(z)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.shape == (task.T - 1,) and array.size:
        return np.append(array, array[-1])
    return array if array.shape == (task.T,) else z


def _draw(task: AbstractTask, trial_type: str | None, seed: int, how: str) -> Any:
    arguments: dict[str, Any] = {} if trial_type is None else {"trial_type": trial_type}
    if how == "argument":
        arguments["seed"] = seed
    with isolated(seed):
        return task.generate_stimulus(**arguments)


def seeding(task: AbstractTask) -> str:
    """How a task can be seeded, determined by drawing trials.

    'shared' is tried first: a class that takes `seed` as a switch for one fixed seed would return the same trial for
    every number.

    Args:
        task: an instance of a class of the `rate` package.

    Returns:
        'shared', through the shared generators, or 'argument', through the argument `seed`.

    Raises:
        TaskError: neither way gives the same trial twice for the same seed.
    """
    how: str | None = vars(task).get("_seeding")
    if how is None:
        how = vars(task)["_seeding"] = _find_seeding(task)
    return how


def _find_seeding(task: AbstractTask) -> str:
    ways = ["shared"]
    if "seed" in inspect.signature(task.generate_stimulus).parameters:
        ways.append("argument")
    repeatable = []
    for how in ways:
        first, again = ([_bytes(_draw(task, None, k, how)) for k in range(PROBES)] for _ in range(2))
        if first == again:
            if len(set(first)) > 1:
                return how
            repeatable.append(how)
    if repeatable:
        return repeatable[0]  # the task has only one trial
    raise values.TaskError(
        f"{values.where(task, 'generate_stimulus')} gives another trial for the same seed; draw from np.random, or "
        "from np.random.default_rng(seed)"
    )


def _bytes(drawn: Any) -> object:
    try:
        u, label = drawn
        return np.asarray(u).tobytes(), shown(label)
    except (TypeError, ValueError):  # `values` reports what is wrong with it
        return repr(drawn)

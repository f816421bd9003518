"""Tasks written for the `rate` package: classes with `validate_settings`, `generate_stimulus` and `generate_target`.

Such a class draws from `np.random`, or from a generator that it makes of `seed`, or takes `seed` as a switch for one
fixed seed. Here it has a generator for each trial, from which any trial can be drawn again: the shared generators are
seeded from it, and set back, around every call.
"""

from __future__ import annotations

import functools
import inspect

import numpy as np

from ratecore.settings.base import shown
from ratecore.tasks import values
from ratecore.tasks.overriding import overrides
from ratecore.tasks.randomness import isolated

PROBES = 32  # trials by which `seeding` is found: a task with two trials passes for repeatable by chance in 1 of 2^32


@functools.cache
def is_port_class(task_class: type) -> bool:
    """Whether the class has `generate_stimulus` of its own and no `draw_trial`."""
    return overrides(task_class.generate_stimulus) and not overrides(task_class.draw_trial)


def draw(task, trial_type, rng: np.random.Generator):
    """What `generate_stimulus` gives for a trial type (None: the task's own choice), with all randomness from rng."""
    seed = int(rng.integers(2**32))
    return _draw(task, trial_type, seed, seeding(task))


def target(task, label) -> np.ndarray:
    """The target of `generate_target` as (T,); one of T - 1 steps, as in that package, gets its last value again.

    No loss depends on the value of the last step.
    """
    z = values.call(task, "generate_target", None, label)
    array = np.asarray(z)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.shape == (task.T - 1,) and array.size:
        return np.append(array, array[-1])
    return array if array.shape == (task.T,) else z


def _draw(task, trial_type, seed: int, how: str):
    chosen = {} if trial_type is None else {"trial_type": trial_type}
    with isolated(seed):
        return task.generate_stimulus(**chosen, **({"seed": seed} if how == "argument" else {}))


def seeding(task) -> str:
    """How the task's trials follow a seed: through the 'shared' generators, or by the 'argument' seed.

    Found by drawing. 'shared' comes first, since a class that takes `seed` as a switch for one fixed seed would give
    the same trial for every number.

    Raises:
        TaskError: neither way gives the same trial twice for one seed.
    """
    found = vars(task).get("_seeding")
    if found is None:
        found = task._seeding = _find_seeding(task)
    return found


def _find_seeding(task) -> str:
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
        return repeatable[0]  # there is one trial only
    raise values.TaskError(
        f"{values.place(task, 'generate_stimulus')} gives another trial for the same seed; draw from np.random, or "
        "from np.random.default_rng(seed)"
    )


def _bytes(drawn):
    try:
        u, label = drawn
        return np.asarray(u).tobytes(), shown(label)
    except (TypeError, ValueError):  # what is wrong with it is said where it is checked
        return repr(drawn)

"""Trials as the workflow draws and scores them: a task's own methods, and a check of what they return.

Functions, so that a task of the user's can have methods of any name.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ratecore.settings.base import shown
from ratecore.tasks import port, values
from ratecore.tasks.overriding import overrides
from ratecore.tasks.values import TaskError


class Trials(NamedTuple):
    """A batch of trials: u (B, n_inputs, T), z (B, T), B labels, B names of conditions."""

    u: np.ndarray
    z: np.ndarray
    labels: list
    conditions: list[str]


def drawing_method(task) -> str:
    """Name of the method by which a task draws its stimuli."""
    return "generate_stimulus" if port.is_port_class(type(task)) else "draw_trial"


def draw_stimulus(task, trial_type, rng: np.random.Generator):
    """A stimulus and its label, all randomness from `rng`; as `generate_stimulus`, also for classes of the `rate`
    package.

    Raises:
        TaskError: an exception in the task's own code, or something else than two things came.
    """
    try:
        if port.is_port_class(type(task)):
            drawn = port.draw(task, trial_type, rng)
        else:
            drawn = task.generate_stimulus(trial_type, rng)
    except TaskError:
        raise
    except values.FAULTS as error:
        raise values.raised(task, drawing_method(task), error, trial_type) from error
    return values.pair(task, drawing_method(task), trial_type, drawn)


def draw_any(task, rng: np.random.Generator):
    """(trial type, u, label) of a trial of any type; errors as `draw_stimulus`."""
    trial_type = values.call(task, "draw_trial_type", None, rng)
    return trial_type, *draw_stimulus(task, trial_type, rng)


def target_of(task, label, trial_type=None) -> np.ndarray:
    """The target z (T,) of a label. Raises TaskError: an exception, or what is no such array."""
    if port.is_port_class(type(task)):
        z = port.target(task, label)
    else:
        z = values.call(task, "generate_target", trial_type, label)
    return z if _is_plain(z, (task.T,)) else values.target(task, trial_type, label, z)


def condition_of(task, trial_type, label) -> str:
    """The name of a trial's condition. Raises TaskError: an exception, or no name."""
    try:
        name = task.condition(trial_type, label)
    except values.FAULTS as error:
        raise values.raised(task, "condition", error, trial_type) from error
    values.check_condition(task, trial_type, name)
    return name


def collect(task, drawn) -> Trials:
    """Trials from (trial type, u, label) of each. Raises TaskError for what does not fit, naming its trial type.

    What it returns is checked: shapes are the task's `n_inputs` and `T`, and every number is finite in float32.
    """
    types, stimuli, labels = zip(*drawn, strict=True)
    method, pairs, T = drawing_method(task), list(zip(types, labels, strict=True)), task.T
    of_u, of_z = (task.n_inputs, T), (T,)
    stimuli = [
        u if _is_plain(u, of_u) else values.stimulus(task, method, kind, u)
        for kind, u in zip(types, stimuli, strict=True)
    ]
    for kind, label in pairs:
        if type(label) is not int or not -(2**63) < label < 2**63:
            values.check_label(task, method, kind, label)
    targets = [target_of(task, label, kind) for kind, label in pairs]
    u, z = _stacked(stimuli, of_u), _stacked(targets, of_z)
    for name, batch, each in ((method, u, stimuli), ("generate_target", z, targets)):
        if not values.finite(batch):
            k = next(k for k, array in enumerate(each) if not values.finite(array))
            raise values.not_finite(task, name, types[k], each[k])
    return Trials(u, z, list(labels), [condition_of(task, kind, label) for kind, label in pairs])


def _is_plain(array, shape: tuple[int, ...]) -> bool:
    """Whether a method returned float64 numbers of this shape, so that nothing is left to check but finiteness."""
    return type(array) is np.ndarray and array.shape == shape and array.dtype == np.float64


def _stacked(arrays: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """float64 (B, *shape), a copy."""
    if any(array.dtype != np.float64 for array in arrays):
        return np.stack(arrays).astype(np.float64, copy=False)
    batch = np.empty((len(arrays), *shape))  # np.stack takes several times as long for one short trial
    for k, array in enumerate(arrays):
        batch[k] = array
    return batch


def has_criterion(task) -> bool:
    """Whether a task says which outputs are correct; without that its networks can be trained, but not scored."""
    return overrides(type(task).is_correct)


def require_criterion(task) -> None:
    """Raises TaskError, with the signature of `is_correct`, for a task without it."""
    if not has_criterion(task):
        task.is_correct(None, None)


def score(task, o: np.ndarray, label, method: str = "is_correct") -> float:
    """Whether output o (T,) is correct by `is_correct` or `is_correct_spiking`: True or False.

    NaN where the task has no `is_correct`, see `has_criterion`.

    Raises:
        TaskError: it raised an exception, or returned anything else.
    """
    try:
        correct = getattr(task, method)(o, label)
    except TaskError:
        if not has_criterion(task):
            return math.nan
        raise
    except values.FAULTS as error:
        raise TaskError(f"task '{task.name}': {method}(o, {shown(label)}) raised {values.said(error)}") from error
    return correct if correct is True or correct is False else values.verdict(task, method, label, correct)

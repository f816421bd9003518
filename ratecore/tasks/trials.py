"""Draws and scores trials by a task's own methods and checks what they return.

These are functions and not methods, so that a user's task can have methods of any name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.settings.base import shown
from ratecore.tasks import port, values
from ratecore.tasks.overriding import overrides
from ratecore.tasks.values import TaskError

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask


class Trials(NamedTuple):
    """A batch of B trials.

    Attributes:
        u: stimuli (B, n_in, T), unitless.
        z: targets (B, T), unitless.
        labels: label of each trial, of the type that the task chooses.
        conditions: condition of each trial.
    """

    u: Float[np.ndarray, "B n_in T"]
    z: Float[np.ndarray, "B T"]
    labels: list[Any]
    conditions: list[str]


def drawing_method(task: AbstractTask) -> str:
    """Name of the method by which a task draws its stimuli.

    Args:
        task: the task.

    Returns:
        'draw_trial', or 'generate_stimulus' for classes of the `rate` package.
    """
    return "generate_stimulus" if port.is_port_class(type(task)) else "draw_trial"


def draw_stimulus(task: AbstractTask, trial_type: str | None, rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw a stimulus and its label with all randomness from `rng`, also for classes of the `rate` package.

    Args:
        task: the task.
        trial_type: type of the trial; None leaves the choice to the task.
        rng: generator of the trial.

    Returns:
        Stimulus and label, not yet checked.

    Raises:
        TaskError: the task's method raised an exception or did not return two things.
    """
    drawn: object
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


def draw_any(task: AbstractTask, rng: np.random.Generator) -> tuple[str | None, Any, Any]:
    """Draw a trial of a random type.

    Args:
        task: the task.
        rng: generator of the trial.

    Returns:
        Trial type, stimulus and label, not yet checked.

    Raises:
        TaskError: as `draw_stimulus`.
    """
    trial_type = values.call(task, "draw_trial_type", None, rng)
    return trial_type, *draw_stimulus(task, trial_type, rng)


def target_of(task: AbstractTask, label: Any, trial_type: str | None = None) -> Float[np.ndarray, " T"]:
    """The target of a trial, checked.

    Args:
        task: the task.
        label: label of the trial.
        trial_type: type of the trial, for messages.

    Returns:
        Target z (T,), unitless.

    Raises:
        TaskError: the task's method raised an exception or returned anything else.

    Source:
        docs/model.md 2.
    """
    if port.is_port_class(type(task)):
        z = port.target(task, label)
    else:
        z = values.call(task, "generate_target", trial_type, label)
    return z if _is_plain(z, (task.T,)) else values.target(task, trial_type, label, z)


def condition_of(task: AbstractTask, trial_type: str | None, label: Any) -> str:
    """The condition of a trial, checked.

    Args:
        task: the task.
        trial_type: type of the trial.
        label: label of the trial.

    Returns:
        Name of the condition.

    Raises:
        TaskError: the task's method raised an exception or returned no name.
    """
    try:
        name = task.condition(trial_type, label)
    except values.FAULTS as error:
        raise values.raised(task, "condition", error, trial_type) from error
    values.check_condition(task, trial_type, name)
    return name


def collect(task: AbstractTask, drawn: Iterable[tuple[str | None, Any, Any]]) -> Trials:
    """Check drawn trials and put them into a batch.

    Args:
        task: the task.
        drawn: trial type, stimulus and label of each trial.

    Returns:
        The batch, with targets and conditions, checked: shapes are the task's `n_inputs` and `T`, and every number is
        finite in float32.

    Raises:
        TaskError: names the method and the trial type that do not fit.
    """
    types, drawn_stimuli, labels = zip(*drawn, strict=True)
    method, pairs, T = drawing_method(task), list(zip(types, labels, strict=True)), task.T
    shape_of_u, shape_of_z = (task.n_inputs, T), (T,)
    stimuli = [
        u if _is_plain(u, shape_of_u) else values.stimulus(task, method, kind, u)
        for kind, u in zip(types, drawn_stimuli, strict=True)
    ]
    for kind, label in pairs:
        if type(label) is not int or not -(2**63) < label < 2**63:
            values.check_label(task, method, kind, label)
    targets = [target_of(task, label, kind) for kind, label in pairs]
    u, z = _stacked(stimuli, shape_of_u), _stacked(targets, shape_of_z)
    if not (values.finite(u) and values.finite(z)):
        for name, arrays in ((method, stimuli), ("generate_target", targets)):
            for kind, array in zip(types, arrays, strict=True):
                if not values.finite(array):
                    raise values.not_finite(task, name, kind, array)
    return Trials(u, z, list(labels), [condition_of(task, kind, label) for kind, label in pairs])


def _is_plain(array: object, shape: tuple[int, ...]) -> bool:
    """Whether a method returned float64 numbers of this shape, so that only finiteness is left to check."""
    return type(array) is np.ndarray and array.shape == shape and array.dtype == np.float64


def _stacked(arrays: list[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Arrays of one shape as a float64 copy (B, *shape)."""
    batch = np.empty((len(arrays), *shape))  # np.stack takes several times as long for one short trial
    for k, array in enumerate(arrays):
        batch[k] = array
    return batch


def has_criterion(task: AbstractTask) -> bool:
    """Whether a task defines `is_correct`; without it networks can be trained, but not scored.

    Args:
        task: the task.

    Returns:
        True when it does.
    """
    return overrides(type(task).is_correct)


def require_criterion(task: AbstractTask) -> None:
    """Check that a task defines `is_correct`.

    Args:
        task: the task.

    Raises:
        TaskError: it does not; the message shows the signature to add.
    """
    if not has_criterion(task):
        task.is_correct(np.empty(0), None)  # the base class's, which raises the error


def score(task: AbstractTask, o: Float[np.ndarray, " T"], label: Any, method: str = "is_correct") -> float:
    """Score an output by the task's criterion.

    Args:
        task: the task.
        o: output (T,), unitless.
        label: label of the trial.
        method: 'is_correct' or 'is_correct_spiking'.

    Returns:
        True or False (unitless); NaN for a task without `is_correct`.

    Raises:
        TaskError: the method raised an exception or returned anything else.

    Source:
        docs/model.md 2.
    """
    try:
        correct = getattr(task, method)(o, label)
    except TaskError:
        if not has_criterion(task):
            return math.nan
        raise
    except values.FAULTS as error:
        call = f"task '{task.name}': {method}(o, {shown(label)})"
        raise TaskError(f"{call} raised {values.describe_error(error)}") from error
    return correct if correct is True or correct is False else values.verdict(task, method, label, correct)

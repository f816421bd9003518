"""Draws and scores trials by a task's own methods and checks what they return.

These are functions and not methods, so that a user's task can have methods of any name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.settings.base import shown
from ratecore.tasks import port, values
from ratecore.tasks.overriding import overrides
from ratecore.tasks.values import TaskError
from ratecore.tasks.whole_trials import Trial as Trial
from ratecore.tasks.whole_trials import Trials as Trials
from ratecore.tasks.whole_trials import batch_of, checked_trial, shape_of_target

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask


def drawing_method(task: AbstractTask) -> str:
    """Name of the method by which a task draws its stimuli.

    Args:
        task: the task.

    Returns:
        'draw_trial', or 'generate_stimulus' for classes of the `rate` package.
    """
    return "generate_stimulus" if port.is_port_class(type(task)) else "draw_trial"


def draw_stimulus(task: AbstractTask, trial_type: str | None, rng: np.random.Generator) -> tuple[Any, Any] | Trial:
    """Draw a Trial, or a stimulus and its label, with all randomness from `rng`, also for classes of `rate`.

    Args:
        task: the task.
        trial_type: type of the trial; None leaves the choice to the task.
        rng: generator of the trial.

    Returns:
        A Trial, or stimulus and label; not yet checked.

    Raises:
        TaskError: the task's method raised an exception or returned anything else.
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
    return drawn if isinstance(drawn, Trial) else values.pair(task, drawing_method(task), trial_type, drawn)


def generators_of(task: AbstractTask, given: Any, seed: Any = None) -> list[np.random.Generator]:
    """The generator of each trial of a batch.

    Args:
        task: the task, for messages.
        given: number of trials, the generators themselves, or one generator.
        seed: of a number of trials: int, generator or None (fresh entropy).

    Returns:
        The generators; those that a number of trials asks for are the first children of the seed.

    Raises:
        ValueError: `given` is neither, or `seed` is given besides generators.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 1:
            raise ValueError(f"{task.name}: generate_batch({given}); the number of trials must be at least 1")
        return np.random.default_rng(None if seed is False else seed).spawn(int(given))
    if isinstance(given, np.random.Generator):
        generators = [given]
    else:
        generators = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    if not generators or not all(isinstance(rng, np.random.Generator) for rng in generators):
        raise ValueError(
            f"{task.name}: generate_batch({shown(given)}); it must be the number of trials, generate_batch(100), or a "
            "numpy.random.Generator for each trial"
        )
    if seed is not None:
        raise ValueError(f"{task.name}: generate_batch got generators and seed = {shown(seed)}; give one of them")
    return generators


def draw_any(task: AbstractTask, rng: np.random.Generator) -> tuple[Any, ...]:
    """Draw a trial of a random type.

    Args:
        task: the task.
        rng: generator of the trial.

    Returns:
        Trial type and Trial, or trial type, stimulus and label; not yet checked.

    Raises:
        TaskError: as `draw_stimulus`.
    """
    trial_type = values.call(task, "draw_trial_type", None, rng)
    return with_type(trial_type, draw_stimulus(task, trial_type, rng))


def with_type(trial_type: str | None, drawn: tuple[Any, Any] | Trial) -> tuple[Any, ...]:
    """What `collect` takes for one trial.

    Args:
        trial_type: type of the trial.
        drawn: a Trial, or stimulus and label.

    Returns:
        (trial type, Trial) or (trial type, stimulus, label).
    """
    return (trial_type, drawn) if isinstance(drawn, Trial) else (trial_type, *drawn)


def example(task: AbstractTask) -> Trial | None:
    """An example trial of a task that draws Trials, the same at every call.

    Args:
        task: the task.

    Returns:
        A trial of the first type, checked; None for a task whose `draw_trial` returns a stimulus and a label.

    Raises:
        TaskError: as `draw_stimulus` and `checked_trial`.
    """
    kind = task.trial_types[0]
    drawn = draw_stimulus(task, kind, np.random.default_rng(0))
    return checked_trial(task, kind, drawn) if isinstance(drawn, Trial) else None


def response_of(task: AbstractTask, trial: Trial | None = None) -> slice:
    """Steps in which the output of a trial is scored.

    Args:
        task: the task.
        trial: the trial, of a task that draws Trials.

    Returns:
        Its own response window, or that of the task.
    """
    if trial is None or trial.response is None:
        return task.response_window
    return slice(*trial.response.indices(trial.T)[:2])


def target_of(task: AbstractTask, label: Any, trial_type: str | None = None) -> Float[np.ndarray, " T"]:
    """The target of a trial, checked.

    Args:
        task: the task.
        label: label of the trial.
        trial_type: type of the trial, for messages.

    Returns:
        Target z (T,), or (n_out, T) of several outputs, unitless.

    Raises:
        TaskError: the task's method raised an exception or returned anything else.

    Source:
        docs/model.md 2.
    """
    if port.is_port_class(type(task)):
        z = port.target(task, label)
    else:
        z = values.call(task, "generate_target", trial_type, label)
    return z if _is_plain(z, shape_of_target(task)) else values.target(task, trial_type, label, z)


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


def collect(task: AbstractTask, drawn: Iterable[tuple[Any, ...]]) -> Trials:
    """Check drawn trials and put them into a batch.

    Args:
        task: the task.
        drawn: trial type and Trial, or trial type, stimulus and label, of each trial.

    Returns:
        The batch, with targets and conditions, checked: shapes are the task's `n_inputs`, `n_outputs` and `T`, and
        every number is finite in float32.

    Raises:
        TaskError: names the method and the trial type that do not fit.
    """
    rows = list(drawn)
    if any(isinstance(row[1], Trial) for row in rows):
        return batch_of([checked_trial(task, *row, method=drawing_method(task)) for row in rows])
    types, drawn_stimuli, labels = zip(*rows, strict=True)
    method, pairs, T = drawing_method(task), list(zip(types, labels, strict=True)), task.T
    shape_of_u, shape_of_z = (task.n_inputs, T), shape_of_target(task)
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
                    row = "input" if name == method else "output"
                    raise values.not_finite(task, name, kind, array, row)
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


def score(task: AbstractTask, o: Float[np.ndarray, "*out T"], label: Any, method: str = "is_correct") -> float:
    """Score an output by the task's criterion.

    Args:
        task: the task.
        o: output (T,), or (n_out, T) of several outputs, unitless.
        label: label of the trial, or the Trial of a task that draws Trials (`Trials.scored_by`).
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
        call = f"task '{task.name}': {method}(o, {values.second_argument(label)})"
        raise TaskError(f"{call} raised {values.describe_error(error)}") from error
    return correct if correct is True or correct is False else values.verdict(task, method, label, correct)

"""Whole trials: what `draw_trial` may return instead of a stimulus and a label, checked and put into batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.settings.base import shown
from ratecore.tasks import values
from ratecore.tasks.values import TaskError, where

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial, as `draw_trial` of a task may return it.

    It unpacks as a stimulus and a label do, `u, trial = task.generate_stimulus()`, for programs that pass the second
    on to `generate_target` and `is_correct`.

    Attributes:
        u: stimulus (n_in, T), unitless; T may differ from trial to trial.
        target: target of the output (T,), or of several outputs (n_out, T), unitless.
        weight: weight of each step in the loss (T,), or of each step and output (n_out, T), unitless; all 1 when None.
        condition: under which tables and figures count the trial; by default the trial type.
        label: a number or a word that files keep; by default the condition.
        response: steps in which the output is scored, for figures and choices; `response_window` of the task when None.
        stimuli: first step and first step after each stimulus, for figures.
        info: whatever else the scoring needs.
    """

    u: Float[np.ndarray, "n_in T"]
    target: Float[np.ndarray, " T"] | Float[np.ndarray, "n_out T"]
    weight: Float[np.ndarray, " T"] | Float[np.ndarray, "n_out T"] | None = None
    condition: str = ""
    label: Any = None
    response: slice | None = None
    stimuli: Sequence[tuple[int, int]] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.u, self))

    @property
    def T(self) -> int:
        """Length of the trial in steps."""
        return int(np.shape(self.u)[-1])


@dataclass(frozen=True, eq=False)
class Trials:
    """A batch of B trials, `u, z, labels, conditions = batch`.

    T is that of the longest trial; shorter trials are filled up with zeros.

    Attributes:
        u: stimuli (B, n_in, T), unitless.
        z: targets (B, T), or (B, n_out, T) for several outputs, unitless.
        labels: label of each trial, of the type that the task chooses.
        conditions: condition of each trial.
        weight: weights in the loss, in the shape of `z`, 0 from the last step of a shorter trial on; all 1 when None.
        steps: length of each trial (B,); all have T steps when None.
        trials: what `draw_trial` returned, for tasks whose `draw_trial` returns a Trial.
    """

    u: Float[np.ndarray, "B n_in T"]
    z: Float[np.ndarray, "B T"] | Float[np.ndarray, "B n_out T"]
    labels: list[Any]
    conditions: list[str]
    weight: Float[np.ndarray, "B T"] | Float[np.ndarray, "B n_out T"] | None = None
    steps: Sequence[int] | None = None
    trials: list[Trial] | None = None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.u, self.z, self.labels, self.conditions))

    def scored_by(self, k: int) -> Any:
        """What a task's criterion gets as its second argument.

        Args:
            k: position in the batch.

        Returns:
            The Trial, or the label for a task whose `draw_trial` returns a stimulus and a label.
        """
        return self.labels[k] if self.trials is None else self.trials[k]


def shape_of_target(task: AbstractTask, T: int | None = None) -> tuple[int, ...]:
    """Shape of a trial's target, weight and outputs.

    Args:
        task: the task.
        T: steps of the trial; those of the longest when None.

    Returns:
        (T,), or (n_out, T) for several outputs.
    """
    T = task.T if T is None else T
    return (T,) if task.n_outputs == 1 else (task.n_outputs, T)


def checked_trial(
    task: AbstractTask, trial_type: str | None, trial: Any, *more: Any, method: str = "draw_trial"
) -> Trial:
    """Check a Trial that a task drew.

    Args:
        task: the task.
        trial_type: type of the trial.
        trial: what the method returned.
        *more: a label, where another trial of the task was a Trial and this one is not.
        method: that drew the trial.

    Returns:
        The trial with float64 arrays, a weight in the shape of the target where it has one, a condition and a label.

    Raises:
        TaskError: names the field that does not fit, what it is and what is allowed.
    """
    if more or not isinstance(trial, Trial):
        what = "a stimulus and a label" if more else values.describe(trial)
        raise TaskError(f"{where(task, method, trial_type)} returned {what}; other trials are of type Trial")
    u = _stimulus(task, method, trial_type, trial.u)
    T, shape = u.shape[1], shape_of_target(task, u.shape[1])
    target = _of_outputs(task, method, trial_type, trial.target, shape, "the target")
    for array, row in ((u, "input"), (target, "output")):
        if not values.finite(array):
            raise values.not_finite(task, method, trial_type, array, row)
    weight = None if trial.weight is None else _weight(task, method, trial_type, trial.weight, shape)
    condition = _condition(task, method, trial_type, trial)
    label = condition if trial.label is None else trial.label
    values.check_label(task, method, trial_type, label)
    _check_response(task, method, trial_type, trial.response, T)
    _check_stimuli(task, method, trial_type, trial.stimuli, T)
    if not isinstance(trial.info, Mapping):
        raise TaskError(f"{where(task, method, trial_type)} returned the info {shown(trial.info)}; it must be a dict")
    u, target = np.asarray(u, float), np.asarray(target, float)
    return replace(trial, u=u, target=target, weight=weight, condition=condition, label=label)


def _stimulus(task: AbstractTask, method: str, trial_type: str | None, given: Any) -> NDArray[Any]:
    """Check the shape and type of a stimulus, which may have any number of steps up to the task's."""
    try:
        T = np.shape(given)[1] if np.ndim(given) == 2 else 0
    except ValueError:  # lists whose parts differ in length
        T = 0
    if not 2 <= T <= task.T:
        shape = f"(n_inputs, T) with n_inputs = {task.n_inputs} and T from 2 to {task.T}, the task's longest trial"
        raise TaskError(
            f"{where(task, method, trial_type)} returned {values.describe(given)} as the stimulus; it must be an array "
            f"of shape {shape}"
        )
    return values.numbers(task, method, trial_type, given, (task.n_inputs, T), "the stimulus (n_inputs, T)")


def _of_outputs(
    task: AbstractTask, method: str, trial_type: str | None, given: Any, shape: tuple[int, ...], name: str
) -> NDArray[Any]:
    """Check the shape and type of a target or weight; that of one output may have the outputs' axis."""
    if len(shape) == 1:
        if getattr(given, "shape", None) == (1, *shape) or (isinstance(given, list | tuple) and len(given) == 1):
            given = given[0]
        return values.numbers(task, method, trial_type, given, shape, f"{name} (T,)")
    return values.numbers(task, method, trial_type, given, shape, f"{name} (n_outputs, T)")


def _weight(
    task: AbstractTask, method: str, trial_type: str | None, given: Any, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Check a weight, (T,) or in the shape of the target; returns it in that shape."""
    try:
        flat = np.ndim(given) == 1
    except ValueError:  # lists whose parts differ in length
        flat = False
    if flat:
        array = values.numbers(task, method, trial_type, given, shape[-1:], "the weight (T,)")
    else:
        array = _of_outputs(task, method, trial_type, given, shape, "the weight")
    array = np.asarray(array, float)
    if not values.finite(array):
        raise values.not_finite(task, method, trial_type, array, "output")
    if array.min() < 0 or not array[..., :-1].any():
        what = f"a weight of {shown(float(array.min()))}" if array.min() < 0 else "a weight of 0 at every step"
        allowed = "weights must be at least 0, and above 0 at a step before the last"
        raise TaskError(f"{where(task, method, trial_type)} returned {what}; {allowed}")
    return np.array(np.broadcast_to(array, shape))


def _condition(task: AbstractTask, method: str, trial_type: str | None, trial: Trial) -> str:
    """The condition of a trial: its own, its type, or its label. Raises TaskError when it is no name."""
    name: object = trial.condition
    if isinstance(name, str) and not name:
        name = trial_type or ("" if trial.label is None else str(trial.label))
    if not isinstance(name, str) or not name or "\0" in name:
        raise TaskError(
            f"{where(task, method, trial_type)} returned the condition {shown(name)}; it must be a name (str)"
        )
    return name


def _check_response(task: AbstractTask, method: str, trial_type: str | None, response: Any, T: int) -> None:
    """Raise TaskError for a response window that is not a slice of at least one step within the trial, or None."""
    if response is None:
        return
    fits = isinstance(response, slice) and response.step in (None, 1)
    if fits:
        try:
            first, end, _ = response.indices(T)
            fits = first < end and (response.stop or 0) <= T
        except TypeError:
            fits = False
    if not fits:
        raise TaskError(
            f"{where(task, method, trial_type)} returned the response {shown(response)}; it must be a slice of at "
            f"least one step within the trial of {T} steps: slice(first, {T})"
        )


def _check_stimuli(task: AbstractTask, method: str, trial_type: str | None, stimuli: Any, T: int) -> None:
    """Raise TaskError for stimuli that are not pairs of steps within the trial."""
    try:
        windows = np.array([(int(first), int(after)) for first, after in stimuli]).reshape(-1, 2)
        fits = bool((windows >= 0).all() and (windows[:, 0] <= windows[:, 1]).all() and (windows <= T).all())
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise TaskError(
            f"{where(task, method, trial_type)} returned the stimuli {shown(stimuli)}; it must be a list of "
            f"(first step, first step after) of each stimulus, within the trial of {T} steps"
        )


def batch_of(drawn: list[Trial]) -> Trials:
    """Put checked trials into a batch; shorter ones are filled up with zeros.

    Args:
        drawn: the trials.

    Returns:
        The batch.
    """
    steps = [trial.T for trial in drawn]
    T, B, first = max(steps), len(drawn), drawn[0]
    u, z = np.zeros((B, len(first.u), T)), np.zeros((B, *first.target.shape[:-1], T))
    differ = min(steps) < T
    weighted = differ or any(trial.weight is not None for trial in drawn)
    weight = np.zeros_like(z) if weighted else None
    for k, trial in enumerate(drawn):
        u[k, :, : steps[k]], z[k, ..., : steps[k]] = trial.u, trial.target
        if weight is not None:
            # o[t] is compared with z[t-1], so the last step of a target is compared with nothing.
            weight[k, ..., : steps[k] - 1] = 1 if trial.weight is None else trial.weight[..., :-1]
    labels, conditions = [trial.label for trial in drawn], [trial.condition for trial in drawn]
    return Trials(u, z, labels, conditions, weight, steps if differ else None, drawn)


def check_weights(task: AbstractTask, batch: Any) -> None:
    """Check weights and lengths of the trials of a batch that a task's own `generate_batch` made.

    Args:
        task: the task.
        batch: has u (B, n_in, T) and z (B, T) or (B, n_out, T), and may have weight in the shape of z and steps (B,).

    Raises:
        TaskError: as `checked_trial`, with the trial's place in the batch.
    """
    weight, steps = (getattr(batch, name, None) for name in ("weight", "steps"))
    (B, _, T), shape, method = np.shape(batch.u), np.shape(batch.z), "generate_batch"
    if steps is not None:
        whole = [n for n in steps if isinstance(n, int | np.integer) and 2 <= n <= T] if np.ndim(steps) == 1 else []
        if not len(whole) == len(steps) == B:
            raise TaskError(
                f"{where(task, method)} returned the steps {shown(steps)}; it must be {B} whole numbers from 2 to {T}, "
                "the lengths of the trials"
            )
    if weight is None:
        return
    array = values.numbers(task, method, None, weight, shape, "the weights, which have the shape of z")
    for k, row in enumerate(array):
        try:
            _weight(task, method, None, row, shape[1:])
        except TaskError as error:
            raise TaskError(f"{error} (trial {k} of the batch)") from None

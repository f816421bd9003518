"""Checks of what a task's methods return, with errors that name the method and what it returned."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ratecore.settings.base import Lines, SettingsError, shown
from ratecore.tasks.tracebacks import user_frames

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

LARGEST = float(np.finfo(np.float32).max)  # networks compute in float32
NUMBER = int | float | np.integer | np.floating
LONGEST_LABEL = 1000  # characters
FAULTS = (Exception, SystemExit)  # that users' code may raise; a bare sys.exit() would end a job without a message


class TaskError(SettingsError):
    """A task that cannot be used.

    Args:
        message: names the task, the method, the trial type, what it returned and what is expected.
    """

    def __init__(self, message: str):
        super().__init__([((), Lines(message))])


def where(task: AbstractTask | type[AbstractTask], method: str, trial_type: str | None = None) -> str:
    """How errors write a call of a task's method.

    Args:
        task: the task or its class.
        method: name of the method.
        trial_type: its argument, if it has one.

    Returns:
        task 'name': method('type').
    """
    return f"task '{task.name}': {method}({'' if trial_type is None else repr(trial_type)})"


def raised(
    task: AbstractTask | type[AbstractTask], method: str, error: BaseException, trial_type: str | None = None
) -> TaskError:
    """The error for an exception in a user's method.

    Args:
        task: the task or its class.
        method: name of the method.
        error: exception in the method; the result is to be raised from it.
        trial_type: argument of the method, if it has one.

    Returns:
        An error, not yet raised.
    """
    return TaskError(f"{where(task, method, trial_type)} raised {describe_error(error)}")


def describe_error(error: BaseException) -> str:
    """Describe an exception in a user's code.

    Args:
        error: an exception that was raised.

    Returns:
        Its type, message and the user's part of the traceback.
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{user_frames(error)}"


def call(task: AbstractTask, method: str, trial_type: str | None, *args: object) -> Any:
    """Call a method of a user's task.

    Args:
        task: the task.
        method: name of the method.
        trial_type: type of the trial, for messages.
        *args: arguments of the method.

    Returns:
        What the method returned.

    Raises:
        TaskError: the method raised an exception, which is the cause.
    """
    try:
        return getattr(task, method)(*args)
    except TaskError:
        raise
    except FAULTS as error:
        raise raised(task, method, error, trial_type) from error


def check_defaults(task_class: type[AbstractTask]) -> None:
    """Check that the `defaults` of a class of tasks map names to numbers.

    Args:
        task_class: a class of tasks.

    Raises:
        TaskError: they do not.
    """
    given: object = task_class.defaults
    if isinstance(given, dict):
        wrong = {key: value for key, value in given.items() if not isinstance(key, str) or not is_setting(value)}
        if not wrong:
            return
        given = wrong
    raise TaskError(
        f"task '{task_class.name}': defaults = {shown(given)}; it must be a dict of names and numbers, words, true or "
        "false, or lists of numbers or words"
    )


def is_setting(value: object) -> bool:
    """Whether a value can be a setting of a task.

    Args:
        value: any value.

    Returns:
        True for a finite number, a word, True or False, and a list or tuple of numbers or of words.
    """
    if isinstance(value, list | tuple):
        return all(is_setting(v) and not isinstance(v, list | tuple) for v in value)
    return isinstance(value, str | NUMBER)


def attribute(task: AbstractTask, name: str) -> Any:
    """An attribute of a task, which may be a user's property.

    Args:
        task: the task.
        name: name of the attribute.

    Returns:
        Its value.

    Raises:
        TaskError: the property raised an exception, which is the cause.
    """
    try:
        return getattr(task, name)
    except TaskError:
        raise
    except FAULTS as error:
        raise TaskError(f"task '{task.name}': {name}: {describe_error(error)}") from error


def describe(value: object) -> str:
    """Describe a wrong value in an error.

    Args:
        value: any value.

    Returns:
        Its type, and shape and dtype of an array.
    """
    if value is None:
        return "None"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = "an array" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        return f"{kind} of shape {tuple(value.shape)} and dtype {value.dtype}"
    if isinstance(value, list | tuple):
        try:
            return f"a {type(value).__name__} of shape {np.shape(value)}"
        except ValueError:
            return f"a {type(value).__name__} whose parts differ in length"
    return f"{type(value).__name__} {shown(value)}"


def pair(task: AbstractTask, method: str, trial_type: str | None, drawn: object) -> tuple[Any, Any]:
    """Check that a method returned two things.

    Args:
        task: the task.
        method: name of the method.
        trial_type: type of the trial.
        drawn: what the method returned.

    Returns:
        Stimulus and label, not yet checked.

    Raises:
        TaskError: it is not a pair.
    """
    if isinstance(drawn, tuple | list) and len(drawn) == 2:
        return drawn[0], drawn[1]
    came = f"a tuple of {len(drawn)}" if isinstance(drawn, tuple) else describe(drawn)
    if inspect.isgenerator(drawn):
        came = "a generator (it has `yield`, where `return` is wanted)"
    raise TaskError(f"{where(task, method, trial_type)} returned {came}; it must return two things: u and the label")


def numbers(
    task: AbstractTask, method: str, trial_type: str | None, value: Any, shape: tuple[int, ...], meaning: str
) -> NDArray[Any]:
    """Check the shape and type of an array; `finite` checks its numbers.

    Args:
        task: the task.
        method: name of the method.
        trial_type: type of the trial.
        value: what the method returned.
        shape: shape that it must have.
        meaning: what the array is, for messages.

    Returns:
        Array with the shape of `shape`.

    Raises:
        TaskError: another shape, or not real numbers.

    Source: none
    """
    try:
        array = np.asarray(value)
        fits = array.shape == shape and array.dtype.kind in "biuf" and not np.ma.is_masked(value)
    except Exception:  # lists whose parts differ in length, tensors on a GPU
        fits = False
    if fits:
        return array
    hint, came = "", getattr(value, "shape", None)
    if came is not None and tuple(came) == shape:
        hint = " (some of it is masked)" if np.ma.is_masked(value) else " (for a tensor: .detach().cpu().numpy())"
        hint = hint if not isinstance(value, np.ndarray) or np.ma.is_masked(value) else ""
    elif came is not None:
        if len(shape) == 2 and tuple(came) == shape[::-1]:
            hint = " (is it transposed?)"
        elif len(shape) == 2 and len(came) == 2 and came[1] == shape[1]:
            hint = f" ({'n_inputs' if 'stimulus' in meaning else 'n_outputs'} is {shape[0]})"
        elif len(shape) == 1 and len(came) == 2 and came[1] == shape[0]:
            hint = f" (a task with several outputs has n_outputs = {came[0]})"
    raise TaskError(
        f"{where(task, method, trial_type)} returned {describe(value)} as {meaning}{hint}; it must be an array of real "
        f"numbers of shape {shape}"
    )


def stimulus(task: AbstractTask, method: str, trial_type: str | None, u: object) -> NDArray[Any]:
    """Check a stimulus.

    Args:
        task: the task.
        method: name of the method that returned it.
        trial_type: type of the trial.
        u: what the method returned.

    Returns:
        Stimulus (n_in, T).

    Raises:
        TaskError: another shape, or not real numbers.

    Source:
        docs/model.md 1.1 (shape of u).
    """
    return numbers(task, method, trial_type, u, (task.n_inputs, task.T), "the stimulus (n_inputs, T)")


def target(task: AbstractTask, trial_type: str | None, label: object, z: object) -> NDArray[Any]:
    """Check a target.

    Args:
        task: the task.
        trial_type: type of the trial.
        label: label of the trial.
        z: what `generate_target` returned.

    Returns:
        Target (T,), or (n_out, T) of several outputs.

    Raises:
        TaskError: another shape, or not real numbers.

    Source:
        docs/model.md 3.1 (shape of z).
    """
    shape, meaning = (task.T,), "the target (T,)"
    if task.n_outputs > 1:
        shape, meaning = (task.n_outputs, task.T), "the target (n_outputs, T)"  # type: ignore[assignment]
    try:
        return numbers(task, "generate_target", trial_type, z, shape, meaning)
    except TaskError as error:
        raise TaskError(f"{error}; label {shown(label)}") from None


def second_argument(label: object) -> str:
    """How errors write the second argument of a criterion.

    Args:
        label: a label, or a Trial.

    Returns:
        The label, or `trial` with its condition.
    """
    condition = getattr(label, "condition", None)
    return shown(label) if condition is None else f"trial of condition {shown(condition)}"


def finite(values: NDArray[Any]) -> bool:
    """Whether all numbers are finite in float32.

    Args:
        values: any shape.

    Returns:
        False for NaN, infinity and numbers beyond float32.

    Source: none
    """
    # The fastest check, without overflow warnings: NaN and infinity carry over to the sum of squares.
    if values.dtype == np.float64 and np.vdot(values, values) <= LARGEST:
        return True
    if values.dtype == np.float16:  # in which the bound itself is infinite
        values = values.astype(np.float32)
    return bool(values.min() >= -LARGEST and values.max() <= LARGEST)  # False when either is NaN


def not_finite(
    task: AbstractTask, method: str, trial_type: str | None, values: NDArray[Any], row: str = "input"
) -> TaskError:
    """The error for an array that is not `finite`.

    Args:
        task: the task.
        method: name of the method that returned it.
        trial_type: type of the trial.
        values: stimulus (n_in, T), or target or weight (T,) or (n_out, T).
        row: what the rows are.

    Returns:
        An error that names the first such number, not yet raised.

    Source: none
    """
    values = values.astype(np.float32) if values.dtype == np.float16 else values
    with np.errstate(invalid="ignore"):
        first = np.argwhere(~(np.abs(values) <= LARGEST))[0]
    position = f"step {first[-1]}" if values.ndim == 1 else f"{row} {first[0]}, step {first[-1]}"
    returned = f"{where(task, method, trial_type)} returned {values[tuple(first)]} at {position}"
    return TaskError(f"{returned}; all numbers must be finite in float32")


def check_label(task: AbstractTask, method: str, trial_type: str | None, label: Any) -> None:
    """Check that files can hold a label.

    Args:
        task: the task.
        method: name of the method that returned it.
        trial_type: type of the trial.
        label: label of the trial.

    Raises:
        TaskError: files cannot hold it.
    """
    fault = ""
    if not isinstance(label, str | NUMBER):
        fault = "must be a number or a word, so that files can hold it"
    elif isinstance(label, str):
        if not label or "\0" in label or len(label) > LONGEST_LABEL:
            fault = f"must be a word of 1 to {LONGEST_LABEL} characters, none of them NUL, so that files can hold it"
    elif not -(2**63) < label < 2**63:
        fault = "must be a finite number, so that files can hold it"
    if fault:
        raise TaskError(f"{where(task, method, trial_type)} returned the label {shown(label)}; it {fault}")


def check_condition(task: AbstractTask, trial_type: str | None, name: object) -> None:
    """Check the name of a condition.

    Args:
        task: the task.
        trial_type: type of the trial.
        name: what `condition` returned.

    Raises:
        TaskError: it is not a name.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise TaskError(f"{where(task, 'condition', trial_type)} returned {describe(name)}; it must be a name (str)")


def verdict(task: AbstractTask, method: str, label: object, value: object) -> bool:
    """Check the result of a criterion.

    Args:
        task: the task.
        method: 'is_correct' or 'is_correct_spiking'.
        label: label of the trial.
        value: what the method returned.

    Returns:
        True or False.

    Raises:
        TaskError: it is neither.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise TaskError(
        f"task '{task.name}': {method}(o, {second_argument(label)}) returned {describe(value)}; it must return True or "
        "False"
    )

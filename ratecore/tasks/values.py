"""What a task's methods must return, and errors that say which method returned what."""

from __future__ import annotations

import inspect

import numpy as np

from ratecore.settings.base import Lines, SettingsError, shown
from ratecore.tasks.tracebacks import user_frames

LARGEST = float(np.finfo(np.float32).max)  # networks compute in float32
NUMBER = int | float | np.integer | np.floating
LONGEST_LABEL = 1000  # characters
FAULTS = (Exception, SystemExit)  # that a user's code may raise; sys.exit() in it would end a job without a word


class TaskError(SettingsError):
    """A task with a fault; the message names the task, its method, the trial type, what came and what is expected."""

    def __init__(self, message: str):
        super().__init__([((), Lines(message))])


def place(task, method: str, trial_type=None) -> str:
    """How an error names a call of a task's method."""
    return f"task '{task.name}': {method}({'' if trial_type is None else repr(trial_type)})"


def raised(task, method: str, error: BaseException, trial_type=None) -> TaskError:
    """The error for an exception in a user's method; raise it from that exception."""
    return TaskError(f"{place(task, method, trial_type)} raised {said(error)}")


def said(error: BaseException) -> str:
    """An exception in a user's code: its type, its words and where it was raised."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{user_frames(error)}"


def call(task, method: str, trial_type, *args):
    """Calls a method of the user's. Raises TaskError for any exception in it, which is its cause."""
    try:
        return getattr(task, method)(*args)
    except TaskError:
        raise
    except FAULTS as error:
        raise raised(task, method, error, trial_type) from error


def check_defaults(task_class: type) -> None:
    """Raises TaskError where the settings of a class of tasks are no mapping of names to numbers."""
    given = task_class.defaults
    if isinstance(given, dict):
        wrong = {
            key: value
            for key, value in given.items()
            if not isinstance(key, str) or isinstance(value, bool) or not isinstance(value, NUMBER)
        }
        if not wrong:
            return
        given = wrong
    raise TaskError(f"task '{task_class.name}': defaults = {shown(given)}; it must be a dict of names and numbers")


def attribute(task, name: str):
    """An attribute of a task, which may be a property. Raises TaskError for any exception in it, which is its cause."""
    try:
        return getattr(task, name)
    except TaskError:
        raise
    except FAULTS as error:
        raise TaskError(f"task '{task.name}': {name}: {said(error)}") from error


def what(value) -> str:
    """What came, for an error: its type, and for arrays shape and dtype."""
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


def pair(task, method: str, trial_type, drawn):
    """(stimulus, label). Raises TaskError where a method returned anything else."""
    if isinstance(drawn, tuple | list) and len(drawn) == 2:
        return drawn
    came = f"a tuple of {len(drawn)}" if isinstance(drawn, tuple) else what(drawn)
    if inspect.isgenerator(drawn):
        came = "a generator (it has `yield`, where `return` is wanted)"
    raise TaskError(f"{place(task, method, trial_type)} returned {came}; it must return two things: u and the label")


def numbers(task, method: str, trial_type, value, shape: tuple[int, ...], meaning: str) -> np.ndarray:
    """An array of real numbers of this shape, without a look at the numbers: see `finite`."""
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
            hint = f" (n_inputs is {shape[0]})"
    raise TaskError(
        f"{place(task, method, trial_type)} returned {what(value)} as {meaning}{hint}; it must be an array of real "
        f"numbers of shape {shape}"
    )


def stimulus(task, method: str, trial_type, u) -> np.ndarray:
    """u (n_inputs, T). Raises TaskError: another shape, or no real numbers."""
    return numbers(task, method, trial_type, u, (task.n_inputs, task.T), "the stimulus (n_inputs, T)")


def target(task, trial_type, label, z) -> np.ndarray:
    """z (T,). Raises TaskError: another shape, or no real numbers."""
    try:
        return numbers(task, "generate_target", trial_type, z, (task.T,), "the target (T,)")
    except TaskError as error:
        raise TaskError(f"{error}; label {shown(label)}") from None


def finite(values: np.ndarray) -> bool:
    """Whether all numbers can be computed with in float32."""
    # The quickest look, which warns of no overflow; a NaN or an infinity in the numbers is one of their squares' sum.
    if values.dtype == np.float64 and np.vdot(values, values) <= LARGEST:
        return True
    # NaN is in the smallest and the largest, and in no range.
    if values.dtype == np.float16:  # in which the bound itself is infinite
        values = values.astype(np.float32)
    return values.min() >= -LARGEST and values.max() <= LARGEST


def not_finite(task, method: str, trial_type, values: np.ndarray) -> TaskError:
    """The error for an array that is not `finite`."""
    values = values.astype(np.float32) if values.dtype == np.float16 else values
    with np.errstate(invalid="ignore"):
        first = np.argwhere(~(np.abs(values) <= LARGEST))[0]
    where = f"step {first[-1]}" if values.ndim == 1 else f"input {first[0]}, step {first[-1]}"
    return TaskError(
        f"{place(task, method, trial_type)} returned {values[tuple(first)]} at {where}; all numbers must be finite in "
        "float32"
    )


def check_label(task, method: str, trial_type, label) -> None:
    """Raises TaskError for a label that files cannot hold."""
    fault = ""
    if not isinstance(label, str | NUMBER):
        fault = "must be a number or a word, so that files can hold it"
    elif isinstance(label, str):
        if not label or "\0" in label or len(label) > LONGEST_LABEL:
            fault = f"must be a word of 1 to {LONGEST_LABEL} characters, none of them NUL, so that files can hold it"
    elif not abs(label) < 2**63:
        fault = "must be a finite number, so that files can hold it"
    if fault:
        raise TaskError(f"{place(task, method, trial_type)} returned the label {shown(label)}; it {fault}")


def check_condition(task, trial_type, name) -> None:
    """Raises TaskError for the name of a condition that is none."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise TaskError(f"{place(task, 'condition', trial_type)} returned {what(name)}; it must be a name (str)")


def verdict(task, method: str, label, value) -> bool:
    """True or False. Raises TaskError for anything else."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise TaskError(
        f"task '{task.name}': {method}(o, {shown(label)}) returned {what(value)}; it must return True or False"
    )

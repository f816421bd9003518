"""Checks a user's task before any work: draws trials of each type twice and compares them.

It detects arrays that do not fit, methods that raise exceptions, and whatever keeps a trial from being drawn again
alone from its generator: draws from elsewhere, the clock, state kept between trials, arrays that change later.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ratecore.settings.base import shown
from ratecore.tasks import trials, values
from ratecore.tasks.definition import check_definition
from ratecore.tasks.randomness import (
    States,
    isolated,
    later,
    moved,
    restore,
    seed_shared,
    shared_states,
    working_folder,
)
from ratecore.tasks.trials import Trial
from ratecore.tasks.values import TaskError, where
from ratecore.tasks.whole_trials import checked_trial

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

ROUNDS, MORE_ROUNDS = 8, 1  # trials of each type: for a new class, and for a known one with other settings
MANY, LONGEST = 256, 0.5  # further trials, which reveal rare faults, and the seconds after which they end
AHEAD = 1_000_003  # seconds by which the clock is moved
HEIGHTS = (0.0, 0.5, -0.5, 2.0, -2.0)  # constant outputs on which a criterion is tried

_checked: WeakKeyDictionary[type, set[str]] = WeakKeyDictionary()  # class: settings with which it passed
_warned: WeakKeyDictionary[type, bool] = WeakKeyDictionary()  # classes without a criterion that were warned of
Value = TypeVar("Value")


def check_task(task: AbstractTask, again: Callable[[], AbstractTask] | None = None) -> None:
    """Draw trials of each type and raise an error for a task with a fault.

    Tasks of the package, and settings that were checked before, cost nothing.

    Args:
        task: the task.
        again: makes the same task once more, which reveals randomness in its `__init__`; when None, trials are drawn
            from `task` itself again.

    Raises:
        TaskError: names the task, the method, the trial type, what it returned and what is expected.
    """
    for part in getattr(task, "parts", {}).values():  # several tasks in one network
        check_task(part)
    if type(task).__module__.partition(".")[0] in ("ratecore", "neurogym"):
        return
    if not isinstance(getattr(task, "settings", None), dict):
        check_definition(task)
    checked, key = _checked.setdefault(type(task), set()), repr(sorted(task.settings.items(), key=str))
    if key in checked:
        return
    check_definition(task)
    new = not checked
    order = [(kind, k) for k in range(ROUNDS if new else MORE_ROUNDS) for kind in task.trial_types]
    with isolated(1):
        first = _Pass(task, new).draw(order)
        seed_shared(2)
        other = _made_again(task, again)
        with later(AHEAD):
            second = _Pass(other, new).draw(order[::-1])  # reversed, which reveals state left behind by a trial
        with later(2 * AHEAD):  # in the order of the second pass, with the task of the first
            init_is_random = bool(_differences(first, second)) and other is not task
            init_is_random = init_is_random and not _differences(first, _Pass(task, new).draw(order[::-1]))
        if init_is_random:
            raise TaskError(
                f"task '{task.name}': two tasks of the same settings give other trials; __init__ or validate_settings "
                "must draw no random numbers, or draw them from a generator with a seed of its own: "
                "np.random.default_rng(0)"
            )
        for difference in _differences(first, second):
            raise difference
        first.repeat_label_methods()
        if new:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():  # which trials before gave, too
                warnings.simplefilter("ignore")
                _draw_many(task)
    checked.add(key)


def ready_to_train(task: AbstractTask, again: Callable[[], AbstractTask] | None = None) -> None:
    """As `check_task`, with a warning, once for a class, when the task has no `is_correct`.

    Args:
        task: the task.
        again: as in `check_task`.

    Raises:
        TaskError: as `check_task`.
    """
    check_task(task, again)
    if not trials.has_criterion(task) and not _warned.get(type(task)):
        _warned[type(task)] = True
        warnings.warn(
            f"task '{task.name}' has no is_correct(self, o, label): tests during training give the loss alone, the "
            "accuracy is nan, and no network counts as trained; add it to stop training at the criterion",
            stacklevel=4,
        )


def ready_to_score(task: AbstractTask) -> None:
    """As `check_task`, for a task whose trials are scored.

    Args:
        task: the task.

    Raises:
        TaskError: as `check_task`, or the task has no `is_correct`.
    """
    trials.require_criterion(task)
    check_task(task)


def _draw_many(task: AbstractTask) -> None:
    """Draw trials as they are used, which reveals what is wrong with one in a hundred. Raises TaskError."""
    end = time.perf_counter() + LONGEST
    for k in range(MANY):
        number = k % len(task.trial_types)
        rng = np.random.Generator(np.random.SFC64([number, ROUNDS + k]))
        kind = task.trial_types[number]
        drawn = trials.collect(task, [trials.with_type(kind, trials.draw_stimulus(task, kind, rng))])
        if trials.has_criterion(task):
            trials.score(task, drawn.z[0], drawn.scored_by(0))
        if time.perf_counter() > end:
            break


def _made_again(task: AbstractTask, again: Callable[[], AbstractTask] | None) -> AbstractTask:
    if again is None:
        return task
    other = again()
    return other if type(other) is type(task) else task


@dataclass
class _Drawn:
    """A trial: what each method of the task returned, and the shared generators that it drew from."""

    trial: Trial | None = None  # of a task that draws Trials
    values: dict[str, Any] = field(default_factory=dict)
    states: dict[str, tuple[list[str], States]] = field(default_factory=dict)


class _Pass:
    """Trials drawn one after the other, each from a generator of its own.

    Args:
        task: the task.
        watched: whether to record what each method draws from the shared generators, which takes a while.
    """

    def __init__(self, task: AbstractTask, watched: bool):
        self.task, self.watched = task, watched
        self.arrays: list[tuple[str, str, NDArray[Any], bytes]] = []  # method, trial type, array, its bytes when drawn
        self.drawn: dict[tuple[str, int], _Drawn] = {}
        self.shared = shared_states()

    def draw(self, order: Sequence[tuple[str, int]]) -> _Pass:
        """Draw trials of (type, number) in this order."""
        for kind, k in order:
            self.drawn[kind, k] = self._trial(kind, k)
        for method, kind, array, before in self.arrays:
            if array.tobytes() != before:
                raise TaskError(
                    f"{where(self.task, method, kind)} returned an array that a later call changed; it must return a "
                    "new one for each trial"
                )
        labels = [drawn.values["label"] for drawn in self.drawn.values()]
        if len({isinstance(label, str) for label in labels}) > 1:
            some = ", ".join(sorted({shown(label) for label in labels})[:10])
            raise TaskError(
                f"task '{self.task.name}': the labels {some}; they must be all words or all numbers, so that files can "
                "hold them"
            )
        return self

    def repeat_label_methods(self) -> None:
        """Call the methods of a label again after all trials, as for a batch: the last trial must not matter."""
        for (kind, _), drawn in self.drawn.items():
            label = drawn.values["label"]
            again: dict[str, Any] = {}
            if drawn.trial is None:
                again["generate_target"] = _bytes(trials.target_of(self.task, label, kind))
                again["condition"] = trials.condition_of(self.task, kind, label)
            for method in ("is_correct", "is_correct_spiking"):
                if method in drawn.values:
                    again[method] = self._verdicts(method, label, drawn.trial)
            for method, value in again.items():
                if value != drawn.values[method]:
                    raise _not_repeated(self.task, method, kind)

    def _trial(self, kind: str, k: int) -> _Drawn:
        task, drawn = self.task, _Drawn()
        rng = np.random.Generator(np.random.SFC64([task.trial_types.index(kind), k]))
        method = trials.drawing_method(task)
        chosen = self._watch(drawn, "draw_trial_type", kind, lambda: values.call(task, "draw_trial_type", None, rng))
        if chosen not in task.trial_types:
            allowed = ", ".join(map(repr, task.trial_types))
            raise TaskError(f"{where(task, 'draw_trial_type')} returned {shown(chosen)}; it must be one of {allowed}")
        stimulus = self._watch(drawn, method, kind, lambda: trials.draw_stimulus(task, kind, rng))
        drawn.values["draw_trial_type"] = chosen
        if isinstance(stimulus, Trial):
            label = self._whole_trial(drawn, method, kind, stimulus)
            drawn.values[method] += (rng.bit_generator.random_raw(),)
        else:
            u, label = stimulus
            u = self._array(method, kind, values.stimulus(task, method, kind, u))
            values.check_label(task, method, kind, label)
            z = self._watch(drawn, "generate_target", kind, lambda: trials.target_of(task, label, kind))
            z = self._array("generate_target", kind, z, "output")
            condition = self._watch(drawn, "condition", kind, lambda: trials.condition_of(task, kind, label))
            drawn.values |= {
                method: (_bytes(u), shown(label), rng.bit_generator.random_raw()),
                "generate_target": _bytes(z),
                "condition": condition,
                "label": label,
            }
        if k == 0 or self.watched:
            self._criteria(drawn, kind, label)
        if k == 0:
            self._graded(drawn, kind)
        return drawn

    def _whole_trial(self, drawn: _Drawn, method: str, kind: str, trial: Trial) -> Any:
        """Check a Trial, keep its arrays and record it; returns its label."""
        trial = checked_trial(self.task, kind, trial, method=method)
        arrays = [(trial.u, "input"), (trial.target, "output"), (trial.weight, "output")]
        recorded = tuple(_bytes(self._array(method, kind, v, row)) for v, row in arrays if v is not None)
        drawn.trial = trial
        drawn.values["label"] = trial.label
        drawn.values[method] = (*recorded, shown(trial.label), trial.condition, shown(trial.response))
        return trial.label

    def _criteria(self, drawn: _Drawn, kind: str, label: Any) -> None:
        if trials.has_criterion(self.task):
            for method in ("is_correct", "is_correct_spiking"):
                score = functools.partial(self._verdicts, method, label, drawn.trial)
                drawn.values[method] = self._watch(drawn, method, kind, score)

    def _verdicts(self, method: str, label: Any, trial: Trial | None = None) -> list[float]:
        """A criterion's verdict on constant outputs, the target, its opposite and noise."""
        z = (trials.target_of(self.task, label) if trial is None else trial.target).astype(float)
        noise = np.random.Generator(np.random.SFC64(0)).standard_normal(z.shape)
        tried = [*(np.full(z.shape, height) for height in HEIGHTS), z, -z, noise]
        before = np.array(tried)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for example about a correlation with a constant output
            verdicts = [trials.score(self.task, o, label if trial is None else trial, method) for o in tried]
        if (np.array(tried) != before).any():
            raise TaskError(f"task '{self.task.name}': {method}(o, label) changes o; it must leave it as it is")
        return verdicts

    def _graded(self, drawn: _Drawn, kind: str) -> None:
        task, method = self.task, "draw_graded_trial"
        for number, level in enumerate(task.evidence_levels):
            rng = np.random.Generator(np.random.SFC64([task.trial_types.index(kind), 0, number]))
            draw = functools.partial(values.call, task, method, kind, kind, level, rng)
            graded = self._watch(drawn, method, kind, draw)
            if isinstance(graded, Trial):
                trial = checked_trial(task, kind, graded, method=method)
                u, label, z = self._array(method, kind, trial.u), trial.label, trial.target
            else:
                u, label = values.pair(task, method, kind, graded)
                u = self._array(method, kind, values.stimulus(task, method, kind, u))
                values.check_label(task, method, kind, label)
                z = self._array("generate_target", kind, trials.target_of(task, label, kind), "output")
            drawn.values[f"{method} {number}"] = _bytes(u), shown(label), _bytes(z)

    def _array(self, method: str, kind: str, array: NDArray[Any], row: str = "input") -> NDArray[Any]:
        """Keep a copy of an array, to be compared after all trials. Raises TaskError for NaN and infinity."""
        if not values.finite(array):
            raise values.not_finite(self.task, method, kind, array, row)
        self.arrays.append((method, kind, array, array.tobytes()))
        return array

    def _watch(self, drawn: _Drawn, method: str, kind: str, call: Callable[[], Value]) -> Value:
        """Call a method and record its use of the shared generators. Raises TaskError when it changes settings."""
        settings, folder = dict(self.task.settings), working_folder()
        value = call()
        if working_folder() != folder:
            if folder:
                os.chdir(folder)
            raise other_folder(f"{where(self.task, method, kind)} changes")
        if self.watched and (names := moved(self.shared, after := shared_states())):
            drawn.states[method] = names, after
            restore(self.shared)
        if self.task.settings != settings:
            key = next(k for k in {**settings, **self.task.settings} if settings.get(k) != self.task.settings.get(k))
            raise TaskError(
                f"{where(self.task, method, kind)} changes self.settings[{key!r}] from {shown(settings.get(key))} to "
                f"{shown(self.task.settings.get(key))}; a task's settings must stay as they are"
            )
        return value


def other_folder(who: str) -> TaskError:
    """The error for a user's code that changes the working directory.

    Args:
        who: start of the message, which names the code: "task 'name': its __init__ changes".

    Returns:
        An error, not yet raised.
    """
    return TaskError(
        f"{who} the working directory, to which paths of results are relative; it must not: files in the task's own "
        "folder are Path(__file__).parent / 'name'"
    )


def _differences(first: _Pass, second: _Pass) -> list[TaskError]:
    """The fault that two passes over the same trials, with the shared generators in other states, reveal, if any."""
    task, drawing_method = first.task, trials.drawing_method(first.task)
    for (kind, k), drawn in first.drawn.items():
        other = second.drawn[kind, k]
        for method, (names, state) in drawn.states.items():
            # A method that seeded them itself leaves the same state, whatever it was before.
            if method in other.states and any(name in names for name in moved(state, other.states[method][1])):
                message = (
                    f"{where(task, method, kind)} draws from {' and '.join(names)}, which the seed of a run does not "
                    f"set; it must draw from the generator that it is given: {_example(method)}"
                )
                return [TaskError(message)]
        for method, value in drawn.values.items():
            if value != other.values[method]:
                called = drawing_method if method == "label" else method.partition(" ")[0]
                return [_not_repeated(task, called, kind)]
    return []


def _not_repeated(task: AbstractTask, method: str, kind: str) -> TaskError:
    return TaskError(
        f"{where(task, method, kind)} gives something else when it is called again for the same trial; it must depend "
        "on its arguments alone, not on a generator of its own, the clock, or what earlier trials left in self, in the "
        f"settings or in the module: {_example(method)}"
    )


def _bytes(array: NDArray[Any]) -> bytes:
    return array.astype(float).tobytes()


def _example(method: str) -> str:
    if method in ("draw_trial", "draw_graded_trial", "draw_trial_type"):
        return "draw with rng.normal(...), rng.choice(...)"
    return "anything random belongs in draw_trial, and the label can say what was drawn"

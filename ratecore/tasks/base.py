"""What a task is: a stimulus, a target, a criterion; and the registry that finds a task by name."""

from __future__ import annotations

import re
import sys
import warnings
from abc import ABC, abstractmethod
from functools import cached_property
from typing import ClassVar

import numpy as np

from ratecore.settings.base import did_you_mean, shown, task_key
from ratecore.tasks import port, tracebacks, trials, values
from ratecore.tasks.overriding import overridable
from ratecore.tasks.trials import Trials
from ratecore.tasks.values import TaskError

ACCURACY_AMPLITUDE = 0.7  # that the output of a correct answer reaches (Kim et al. 2019)
MOST_STEPS = 1_000_000  # of a trial: an hour and a half
_warned: set[tuple[type, str]] = set()  # settings that a task was given and does not use


class AbstractTask(ABC):
    """One cognitive task. Subclass it and register the class to add a task.

    A task holds only its timing; all randomness comes through an explicit generator. A subclass defines `draw_trial`,
    `generate_target` and `is_correct`, and the attributes below. A class of the `rate` package, which has
    `generate_stimulus` in place of `draw_trial`, works too: what it lacks is derived, see `ratecore.tasks.port`.

    Args:
        settings: any of the task's settings (see `defaults`); steps are of 5 ms. Settings of other tasks and of the
            network are ignored: `taus`, `DeltaT` and `task` silently, others (`delay` for go-nogo) with one warning.

    Raises:
        ValueError: a misspelt key, or a stimulus that does not fit the trial.
    """

    name: ClassVar[str]  # the name under which it is registered, unless a class says another
    defaults: ClassVar[dict[str, float]] = {}
    trial_types: ClassVar[tuple[str, ...]] = ()
    evidence_levels: ClassVar[tuple[float, ...]] = ()  # of the psychometric curve, for `draw_graded_trial`
    min_trials: ClassVar[int] = 0  # the stopping rule is not applied before this many trials (docs/model.md 3)
    spiking_output: ClassVar[str] = "mean"  # what stands for a step of a spiking network's output: mean, peak or last
    spiking_delay: ClassVar[int | None] = None  # steps from the stimulus's end to `spiking_window`
    _labels: ClassVar[tuple] = ()  # all that `_known_label` allows
    _network_keys: ClassVar[frozenset[str]] = frozenset({"taus", "DeltaT", "task"})

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        if not hasattr(cls, "name"):
            cls.name, cls._unnamed = cls.__name__, True
        if port.is_port_class(cls) and not cls.trial_types:
            cls.trial_types = (None,)  # the task chooses
        if hasattr(cls, "evaluate_single_trial") and cls.generate_target is AbstractTask.generate_target:
            cls.generate_target = _no_target  # an evaluator of the `spiking` package draws and scores by itself

    def __init__(self, settings: dict | None = None):
        draws = type(self).draw_trial is not AbstractTask.draw_trial or port.is_port_class(type(self))
        if not draws and not hasattr(self, "evaluate_single_trial"):
            raise TypeError(
                f"{type(self).__name__}: a task must define draw_trial(self, trial_type, rng), which returns u and the "
                "label"
            )
        given = dict(settings or {})
        if not isinstance(self.defaults, dict):
            values.check_defaults(type(self))
        if self.defaults and not given.keys() <= self.defaults.keys():
            self._tell_of_unused(given)
            given = {key: value for key, value in given.items() if key in self.defaults}
        self.settings = {**self.defaults, **given}
        self.validate_settings()

    @classmethod
    def refuse_unknown(cls, settings: dict) -> None:
        """Raises ValueError for a setting that the task does not have, also for one that another task has."""
        unknown = settings.keys() - cls.defaults.keys() - cls._network_keys
        for key in unknown if cls.defaults else ():
            hint, allowed = did_you_mean(key, cls.defaults), ", ".join(cls.defaults)
            raise ValueError(f"{cls.name}: unknown setting '{key}'{hint}; allowed: {allowed}")

    def _tell_of_unused(self, given: dict) -> None:
        """Warns, once, of each key that is no setting of the task. Raises ValueError for one that is misspelt."""
        of_others = {key for task in TaskFactory._tasks.values() for key in task.defaults}
        for key in given.keys() - self.defaults.keys() - self._network_keys:
            if key not in of_others and did_you_mean(key, self.defaults):
                self.refuse_unknown({key: given[key]})
            if (type(self), key) not in _warned:
                _warned.add((type(self), key))
                allowed = ", ".join(self.defaults)
                message = f"{self.name}: the task has no setting '{key}', which is ignored; it has {allowed}"
                warnings.warn(message, stacklevel=4)

    def validate_settings(self) -> None:
        """Checks that counts of steps are whole and the response comes before the trial ends.

        Raises:
            ValueError: names the key, its value and what is allowed.
        """
        for key, default in self.defaults.items():
            value = self.settings[key]
            number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
            if isinstance(default, int):
                low = 2 if key == "T" else 0
                if not number or not low <= value <= MOST_STEPS or int(value) != value:
                    allowed = f"a whole number of steps from {low} to {MOST_STEPS:,}"
                    raise ValueError(f"{self.name}: {key} = {shown(value)}; it must be {allowed}")
                self.settings[key] = int(value)
            elif not number or not abs(value) <= sys.float_info.max:
                raise ValueError(f"{self.name}: {key} = {shown(value)}; it must be a finite number")
        if self.settings.get("stim_dur", 1) < 1:
            raise ValueError(f"{self.name}: stim_dur = {self.settings['stim_dur']}; it must be >= 1 step")
        own_window = type(self).response_window is not AbstractTask.response_window
        own_end = type(self).stimulus_end is not AbstractTask.stimulus_end
        if own_window and not own_end and not {"stim_on", "stim_dur"} <= self.settings.keys():
            return  # nothing asks for the stimulus's end then
        if self.stimulus_end >= self.T:
            raise ValueError(
                f"{self.name}: the stimulus ends at step {self.stimulus_end}, outside a trial of T = {self.T} steps; "
                "lengthen T or shorten stim_on, stim_dur or delay"
            )

    @property
    def T(self) -> int:
        """Length of a trial in steps."""
        if "T" not in self.settings:
            raise TaskError(f"task '{self.name}': it has no setting T, the length of a trial; add it to `defaults`")
        return self.settings["T"]

    @cached_property
    def n_inputs(self) -> int:
        """Number of inputs; a class that does not say it is asked for a stimulus."""
        kind = self.trial_types[0]
        u, _ = trials.draw_stimulus(self, kind, np.random.default_rng(0))
        shape = np.shape(u) if isinstance(u, list) or hasattr(u, "shape") else ()
        if len(shape) != 2 or shape[1] != self.T:
            hint = " (is it transposed?)" if shape[:1] == (self.T,) else ""
            came = f"{values.place(self, trials.drawing_method(self), kind)} returned {values.what(u)}"
            allowed = f"it must be an array of shape (n_inputs, T) with T = {self.T}"
            raise TaskError(f"{came} as the stimulus{hint}; {allowed}")
        return shape[0]

    @property
    def stimulus_end(self) -> int:
        """First step after the (last) stimulus."""
        if not {"stim_on", "stim_dur"} <= self.settings.keys():
            raise TaskError(
                f"task '{self.name}': it has no settings stim_on and stim_dur and must say which steps are scored; "
                "define `response_window`, a slice of steps, or `stimulus_end`, the first step after the stimulus"
            )
        return self.settings["stim_on"] + self.settings["stim_dur"]

    @property
    def stimulus_windows(self) -> list[tuple[int, int]]:
        """(first step, first step after) of each stimulus, for figures."""
        return [(self.settings["stim_on"], self.stimulus_end)] if "stim_on" in self.settings else []

    @property
    def response_window(self) -> slice:
        """Steps of the trial in which the output is scored (docs/model.md 2)."""
        return slice(self.stimulus_end, self.T)

    @property
    def spiking_window(self) -> slice:
        """Steps in which the output of a spiking network is scored (model.md 5); the response window unless a task has
        a `spiking_delay`.
        """
        if self.spiking_delay is None:
            return self.response_window
        return slice(min(self.stimulus_end + self.spiking_delay, self.T - 1), self.T)

    @overridable
    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> tuple[np.ndarray, object]:
        """A stimulus u (n_inputs, T) of the given trial type, and its label."""
        raise NotImplementedError(f"{self.name}: it has generate_stimulus in place of draw_trial")

    @abstractmethod
    def generate_target(self, label, seed=None) -> np.ndarray:
        """The target output z (T,) for a label. A target has nothing random; `seed` is there for older programs."""

    @overridable
    def is_correct(self, o: np.ndarray, label) -> bool:
        """Whether output o (T,), o[t] of step t, answers the trial (docs/model.md 2)."""
        raise TaskError(
            f"task '{self.name}': it has no criterion, which tests and scores need; add to {type(self).__name__}:\n"
            "    def is_correct(self, o, label):  # whether output o (T,), o[t] of step t, answers the trial\n"
            "        return True or False"
        )

    def is_correct_spiking(self, o: np.ndarray, label) -> bool:
        """Whether output o (T,) of a spiking network answers the trial (model.md 5); as `is_correct` unless a task says
        otherwise.
        """
        return self.is_correct(o, label)

    def _known_label(self, label):
        """The one of `_labels` that `label` equals. Raises ValueError for any other, which would be taken for one."""
        found = label.item() if isinstance(label, np.ndarray | np.generic) and label.size == 1 else label
        if isinstance(found, str | int | float):
            for known in self._labels:
                if found == known:
                    return known
        allowed = ", ".join(map(repr, self._labels))
        raise ValueError(f"{self.name}: label = {shown(label)}; it must be one of {allowed}")

    @property
    def response_steps(self) -> tuple[int, int]:
        """First step of the response window and first step after it."""
        return self.response_window.indices(self.T)[:2]

    def draw_trial_type(self, rng: np.random.Generator) -> str:
        """A trial type, each as likely."""
        return self.trial_types[rng.integers(len(self.trial_types))]

    @overridable
    def generate_stimulus(self, trial_type: str | None = None, seed=None):
        """A stimulus and its label.

        Args:
            trial_type: one of `trial_types`; drawn when None.
            seed: int, `numpy.random.Generator` or None (fresh entropy).

        Returns:
            u (n_inputs, T), label.

        Raises:
            ValueError: unknown trial type.
        """
        # The `rate` package says False where it means that no seed is fixed.
        rng = np.random.default_rng(None if seed is False else seed)
        if trial_type is None:
            trial_type = self.draw_trial_type(rng)
        elif trial_type not in self.trial_types:
            raise ValueError(f"{self.name}: unknown trial type {trial_type!r}; allowed: {', '.join(self.trial_types)}")
        return self.draw_trial(trial_type, rng)

    def simulate_trial(self, trial_type: str | None = None, seed=None):
        """A whole trial: u (n_inputs, T), z (T,), label."""
        if not port.is_port_class(type(self)):
            u, label = self.generate_stimulus(trial_type, seed)
        elif isinstance(seed, np.random.Generator):
            u, label = trials.draw_stimulus(self, trial_type, seed)
        else:
            chosen = {} if trial_type is None else {"trial_type": trial_type}
            u, label = self.generate_stimulus(**chosen, **({} if seed is None else {"seed": seed}))
        return u, self.generate_target(label), label

    def generate_batch(self, generators: list[np.random.Generator]):
        """Trials, one from each generator, so that any of them can be drawn again alone.

        Returns:
            Trials.

        Raises:
            TaskError: a method of the task raised an exception, or returned what does not fit.
        """
        return self.collect(trials.draw_any(self, rng) for rng in generators)

    def collect(self, drawn) -> Trials:
        """Trials from (trial type, u, label) of each. Raises TaskError for what does not fit, naming its trial type."""
        return trials.collect(self, drawn)

    def condition(self, trial_type: str, label) -> str:
        """Name of the condition under which the trial is counted and drawn in figures; the trial type by default, or
        the label of a task without trial types.
        """
        return str(label) if trial_type is None else trial_type


def _no_target(self, label, seed=None):
    raise NotImplementedError(f"{type(self).__name__} is an evaluator, which has no generate_target(self, label)")


class TaskFactory:
    """The registry of tasks. Names ignore case and take `_` for `-`: `go_nogo` is `go-nogo`."""

    _tasks: ClassVar[dict[str, type[AbstractTask]]] = {}

    @classmethod
    def register_task(cls, name: str, task: type[AbstractTask]) -> None:
        """Makes `task` available as `name`.

        Raises:
            TypeError: `task` is no subclass of AbstractTask.
            ValueError: the name cannot be part of a path, or belongs to another class; or the class's `defaults` are
                no settings.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", task_key(name)):
            raise ValueError(f"register_task: {name!r}; a name is made of letters, digits, '-', '_' and '.'")
        if not (isinstance(task, type) and issubclass(task, AbstractTask)):
            raise TypeError(f"register_task: {task!r} is not a subclass of AbstractTask")
        values.check_defaults(task)
        known = cls._tasks.get(task_key(name))
        if known is not None and known is not task:
            raise ValueError(f"register_task: '{name}' is already the task {known.__module__}.{known.__qualname__}")
        if vars(task).get("_unnamed"):
            task.name, task._unnamed = task_key(name), False
        cls._tasks[task_key(name)] = task

    @classmethod
    def task_class(cls, name: str) -> type[AbstractTask]:
        """The class registered as `name`. Raises ValueError with the nearest name."""
        key = task_key(name)
        if key not in cls._tasks:
            available = ", ".join(cls.list_available_tasks())
            raise ValueError(f"unknown task {shown(name)}{did_you_mean(key, cls._tasks)}; available: {available}")
        return cls._tasks[key]

    @classmethod
    def create_task(cls, name: str, settings: dict | None = None, strict: bool = False) -> AbstractTask:
        """The task `name` with `settings` over its defaults.

        Args:
            strict: a setting that the task does not have is an error, also if another task has it.

        Raises:
            ValueError: an unknown name or setting, or settings that do not fit.
            TaskError: any other exception in a task of the user's, named.
        """
        task_class = cls.task_class(name)
        if strict:
            task_class.refuse_unknown(settings or {})
            if not task_class.defaults:  # which say elsewhere what is counted in steps; a configuration has floats only
                settings = {key: int(v) if v == int(v) else v for key, v in (settings or {}).items()}
        if task_class.__abstractmethods__:
            raise TaskError(
                f"task '{task_class.name}': {task_class.__name__} must define generate_target(self, label), which "
                "returns the target z (T,)"
            )
        try:
            return task_class(settings)
        except TaskError:
            raise
        except ValueError as error:
            if tracebacks.is_said_by_user(error):  # of settings that do not fit
                raise
            raise values.raised(task_class, "__init__", error) from error
        except values.FAULTS as error:
            raise values.raised(task_class, "__init__", error) from error

    @classmethod
    def list_available_tasks(cls) -> list[str]:
        """Names of all registered tasks, sorted."""
        return sorted(cls._tasks)

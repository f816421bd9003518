"""What a task is: a stimulus, a target, a criterion; and the registry that finds a task by name."""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from ratecore.config import did_you_mean, shown, task_key

MOST_STEPS = 1_000_000  # of a trial: an hour and a half


class Trials(NamedTuple):
    """A batch of trials: u (B, n_inputs, T), z (B, T), B labels, B names of conditions."""

    u: np.ndarray
    z: np.ndarray
    labels: list
    conditions: list[str]


class AbstractTask(ABC):
    """One cognitive task. Subclass it and register the class to add a task.

    A task holds only its timing; all randomness comes through an explicit generator.

    Args:
        settings: any of the task's settings (see `defaults`); steps are of 5 ms. Keys of the seed package that
            belong to the network (`taus`, `DeltaT`, `task`) are accepted and ignored here.

    Raises:
        ValueError: an unknown key, or a stimulus that does not fit the trial.
    """

    name: ClassVar[str]
    n_inputs: ClassVar[int]
    defaults: ClassVar[dict[str, float]]
    trial_types: ClassVar[tuple[str, ...]]
    evidence_levels: ClassVar[tuple[float, ...]] = ()  # of the psychometric curve, for `draw_graded_trial`
    min_trials: ClassVar[int] = 0  # the stopping rule is not applied before this many trials (SPEC 3)
    spiking_output: ClassVar[str] = "mean"  # what stands for a step of a spiking network's output: mean, peak or last
    spiking_delay: ClassVar[int | None] = None  # steps from the stimulus's end to `spiking_window`
    _network_keys: ClassVar[frozenset[str]] = frozenset({"taus", "DeltaT", "task"})

    def __init__(self, settings: dict | None = None):
        given = dict(settings or {})
        for key in given.keys() - self.defaults.keys() - self._network_keys:
            hint, allowed = did_you_mean(key, self.defaults), ", ".join(self.defaults)
            raise ValueError(f"{self.name}: unknown setting '{key}'{hint}; allowed: {allowed}")
        self.settings = {**self.defaults, **{k: v for k, v in given.items() if k in self.defaults}}
        self.validate_settings()

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
        if self.stimulus_end >= self.T:
            raise ValueError(
                f"{self.name}: the stimulus ends at step {self.stimulus_end}, outside a trial of T = {self.T} steps; "
                "lengthen T or shorten stim_on, stim_dur or delay"
            )

    @property
    def T(self) -> int:
        """Length of a trial in steps."""
        return self.settings["T"]

    @property
    def stimulus_end(self) -> int:
        """First step after the (last) stimulus."""
        if not {"stim_on", "stim_dur"} <= self.settings.keys():
            raise ValueError(
                f"{self.name}: a task without the settings stim_on and stim_dur must define `stimulus_end`"
            )
        return self.settings["stim_on"] + self.settings["stim_dur"]

    @property
    def stimulus_windows(self) -> list[tuple[int, int]]:
        """(first step, first step after) of each stimulus, for figures."""
        return [(self.settings["stim_on"], self.stimulus_end)] if "stim_on" in self.settings else []

    @property
    def response_window(self) -> slice:
        """Steps of the trial in which the output is scored (SPEC 2)."""
        return slice(self.stimulus_end, self.T)

    @property
    def spiking_window(self) -> slice:
        """Steps in which the output of a spiking network is scored (SPEC 5); the response window unless a task has a
        `spiking_delay`.
        """
        if self.spiking_delay is None:
            return self.response_window
        return slice(min(self.stimulus_end + self.spiking_delay, self.T - 1), self.T)

    @abstractmethod
    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> tuple[np.ndarray, object]:
        """A stimulus u (n_inputs, T) of the given trial type, and its label."""

    @abstractmethod
    def generate_target(self, label) -> np.ndarray:
        """The target output z (T,) for a label."""

    @abstractmethod
    def is_correct(self, o: np.ndarray, label) -> bool:
        """Whether output o (T,), o[t] of step t, answers the trial (SPEC 2)."""

    def is_correct_spiking(self, o: np.ndarray, label) -> bool:
        """Whether output o (T,) of a spiking network answers the trial (SPEC 5); as `is_correct` unless a task says
        otherwise.
        """
        return self.is_correct(o, label)

    @property
    def response_steps(self) -> tuple[int, int]:
        """First step of the response window and first step after it."""
        return self.response_window.indices(self.T)[:2]

    def draw_trial_type(self, rng: np.random.Generator) -> str:
        """A trial type, each as likely."""
        return self.trial_types[rng.integers(len(self.trial_types))]

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
        rng = np.random.default_rng(seed)
        if trial_type is None:
            trial_type = self.draw_trial_type(rng)
        elif trial_type not in self.trial_types:
            raise ValueError(f"{self.name}: unknown trial type {trial_type!r}; allowed: {', '.join(self.trial_types)}")
        return self.draw_trial(trial_type, rng)

    def simulate_trial(self, trial_type: str | None = None, seed=None):
        """A whole trial: u (n_inputs, T), z (T,), label."""
        u, label = self.generate_stimulus(trial_type, seed)
        return u, self.generate_target(label), label

    def generate_batch(self, generators: list[np.random.Generator]):
        """Trials, one from each generator, so that any of them can be drawn again alone.

        Returns:
            Trials.
        """
        return self.collect(self._draw_any(rng) for rng in generators)

    def _draw_any(self, rng):
        trial_type = self.draw_trial_type(rng)
        return trial_type, *self.generate_stimulus(trial_type, rng)

    def collect(self, drawn) -> Trials:
        """Trials from (trial type, u, label) of each."""
        types, u, labels = zip(*drawn, strict=True)
        for label in labels:
            if not isinstance(label, str | int | float | np.integer | np.floating):
                raise ValueError(
                    f"{self.name}: the label {label!r} must be a number or a word, so that files can hold it"
                )
        z = np.stack([self.generate_target(label) for label in labels])
        conditions = [self.condition(kind, label) for kind, label in zip(types, labels, strict=True)]
        return Trials(np.stack(u), z, list(labels), conditions)

    def condition(self, trial_type: str, label) -> str:
        """Name of the condition under which the trial is counted and drawn in figures; the trial type by default."""
        return trial_type


class TaskFactory:
    """The registry of tasks. Names ignore case and take `_` for `-`: `go_nogo` is `go-nogo`."""

    _tasks: ClassVar[dict[str, type[AbstractTask]]] = {}

    @classmethod
    def register_task(cls, name: str, task: type[AbstractTask]) -> None:
        """Makes `task` available as `name`.

        Raises:
            TypeError: `task` is no subclass of AbstractTask.
            ValueError: the name cannot be part of a path, or belongs to another class.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", task_key(name)):
            raise ValueError(f"register_task: {name!r}; a name is made of letters, digits, '-', '_' and '.'")
        if not (isinstance(task, type) and issubclass(task, AbstractTask)):
            raise TypeError(f"register_task: {task!r} is not a subclass of AbstractTask")
        known = cls._tasks.get(task_key(name))
        if known is not None and known is not task:
            raise ValueError(f"register_task: '{name}' is already the task {known.__module__}.{known.__qualname__}")
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
    def create_task(cls, name: str, settings: dict | None = None) -> AbstractTask:
        """The task `name` with `settings` over its defaults."""
        return cls.task_class(name)(settings)

    @classmethod
    def list_available_tasks(cls) -> list[str]:
        """Names of all registered tasks, sorted."""
        return sorted(cls._tasks)

"""What a task is: stimulus, target and criterion."""

from __future__ import annotations

import warnings
from abc import ABC
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ratecore.settings.base import did_you_mean, shown
from ratecore.tasks import port, trials, values
from ratecore.tasks.outputs import check_outputs
from ratecore.tasks.overriding import overridable
from ratecore.tasks.settings import check_call, checked
from ratecore.tasks.trials import Trial, Trials
from ratecore.tasks.values import TaskError
from ratecore.tasks.variables import default_variables

ACCURACY_AMPLITUDE = 0.7  # that the output of a correct answer reaches (Kim et al. 2019)
registered: dict[str, type[AbstractTask]] = {}  # the tasks of `TaskFactory` by their normalised names
_warned: set[tuple[type, str]] = set()  # settings that a task was given, does not use and has warned of


class AbstractTask(ABC):
    """A cognitive task. To add one, subclass it and register the class.

    A task holds only its settings; all randomness comes from an explicit generator. A subclass defines `draw_trial`,
    `is_correct` and the attributes below. `draw_trial` returns either a `Trial`, which has its own target and weight
    and may have any length up to `T`, or a stimulus and a label, for which `generate_target` gives the target.
    `is_correct` gets the Trial or the label. Classes of the `rate` package, which have `generate_stimulus` instead of
    `draw_trial`, work too (`ratecore.tasks.port`).

    Args:
        settings: settings of the task over its `defaults`; steps of 5 ms. Settings of other tasks and of the network
            are ignored: `taus`, `DeltaT` and `task` silently, others (`delay` for go-nogo) with one warning.
        **named: refused; settings are given in a dict.

    Raises:
        TypeError: the class does not define `draw_trial`, or the settings are not in a dict.
        ValueError: a misspelt key, or a stimulus that does not fit the trial.
    """

    name: ClassVar[str]  # under which it is registered; by default that of the class
    defaults: ClassVar[dict[str, Any]] = {}  # settings: numbers, words, True or False, lists of numbers or words
    descriptions: ClassVar[dict[str, str]] = {}  # of the settings, for `ratecore task show`
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}  # smallest and largest value of a setting
    choices: ClassVar[dict[str, tuple[Any, ...]]] = {}  # words that a setting allows
    n_outputs: int = 1  # of the network; a task with several sets it
    trial_types: ClassVar[tuple[str, ...]] = ()
    evidence_levels: ClassVar[tuple[float, ...]] = ()  # of the psychometric curve, for `draw_graded_trial`
    evidence_label: ClassVar[str] = "evidence"  # what it is, with its unit, for figures
    min_trials: ClassVar[int] = 0  # training does not stop before this many trials (docs/model.md 3)
    spiking_output: ClassVar[str] = "mean"  # summary of a spiking network's output within a step: mean, peak or last
    spiking_delay: ClassVar[int | None] = None  # steps from the end of the stimulus to `spiking_window`
    generate_input_stim: ClassVar[Any]  # names of the `rate` package, which `ratecore.tasks` adds
    generate_target_continuous: ClassVar[Any]
    _unnamed: ClassVar[bool]  # whether `name` is to be that of the registration
    _labels: ClassVar[tuple[str | int, ...]] = ()  # all that `_known_label` allows
    _network_keys: ClassVar[frozenset[str]] = frozenset({"taus", "DeltaT", "task"})

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if not hasattr(cls, "name"):
            cls.name, cls._unnamed = cls.__name__, True
        if port.is_port_class(cls) and not cls.trial_types:
            cls.trial_types = (None,)  # type: ignore[assignment]  # the task itself chooses; no other class has None
        if hasattr(cls, "evaluate_single_trial") and cls.generate_target is AbstractTask.generate_target:
            # An evaluator of the `spiking` package draws and scores by itself.
            cls.generate_target = _no_target  # type: ignore[method-assign]
        if not port.is_port_class(cls):
            check_outputs(cls)

    def __init__(self, settings: Mapping[str, Any] | None = None, **named: Any):
        check_call(type(self).__name__, settings, named)
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
            self._warn_of_unused(given)
            given = {key: value for key, value in given.items() if key in self.defaults}
        self.settings: dict[str, Any] = {**self.defaults, **given}  # each of the type of its default
        self.validate_settings()

    @classmethod
    def refuse_unknown(cls, settings: Mapping[str, Any]) -> None:
        """Check that the task has all of some settings, also those that other tasks have.

        Args:
            settings: settings of a configuration.

        Raises:
            ValueError: names the setting that the task does not have.
        """
        unknown = settings.keys() - cls.defaults.keys() - cls._network_keys
        for key in unknown if cls.defaults else ():
            hint, allowed = did_you_mean(key, cls.defaults), ", ".join(cls.defaults)
            raise ValueError(f"{cls.name}: unknown setting '{key}'{hint}; allowed: {allowed}")

    def _warn_of_unused(self, given: Mapping[str, Any]) -> None:
        """Warn, once, of each key that is not a setting of the task. Raises ValueError for one that is misspelt."""
        of_others = {key for task in registered.values() for key in task.defaults}
        for key in given.keys() - self.defaults.keys() - self._network_keys:
            if key not in of_others and did_you_mean(key, self.defaults):
                self.refuse_unknown({key: given[key]})
            if (type(self), key) not in _warned:
                _warned.add((type(self), key))
                allowed = ", ".join(self.defaults)
                message = f"{self.name}: the task has no setting '{key}', which is ignored; it has {allowed}"
                warnings.warn(message, stacklevel=4)

    def validate_settings(self) -> None:
        """Check the type and range of each setting, and that the stimulus ends within the trial.

        Raises:
            ValueError: names the key, its value and what is allowed.
        """
        for key, default in self.defaults.items():
            self.settings[key] = checked(type(self), key, default, self.settings[key])
        if self.settings.get("stim_dur", 1) < 1:
            raise ValueError(f"{self.name}: stim_dur = {self.settings['stim_dur']}; it must be >= 1 step")
        own_end = type(self).stimulus_end is not AbstractTask.stimulus_end
        if not own_end and not {"stim_on", "stim_dur"} <= self.settings.keys():
            return  # what depends on the end of the stimulus says so when it is needed
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
        steps: int = self.settings["T"]
        return steps

    @cached_property
    def n_inputs(self) -> int:
        """Number of inputs; of a class that does not define it, that of a stimulus drawn here."""
        kind = self.trial_types[0]
        drawn = trials.draw_stimulus(self, kind, np.random.default_rng(0))
        u = drawn.u if isinstance(drawn, Trial) else drawn[0]
        shape: tuple[int, ...] = np.shape(u) if isinstance(u, list) or hasattr(u, "shape") else ()
        if len(shape) != 2 or (shape[1] != self.T and not isinstance(drawn, Trial)):
            hint = " (is it transposed?)" if shape[:1] == (self.T,) else ""
            call = values.where(self, trials.drawing_method(self), kind)
            raise TaskError(
                f"{call} returned {values.describe(u)} as the stimulus{hint}; it must be an array of shape "
                f"(n_inputs, T) with T = {self.T}"
            )
        return shape[0]

    @property
    def stimulus_end(self) -> int:
        """First step after the (last) stimulus."""
        if not {"stim_on", "stim_dur"} <= self.settings.keys():
            raise TaskError(
                f"task '{self.name}': it has no settings stim_on and stim_dur and must say which steps are scored; "
                "define `response_window`, a slice of steps, or `stimulus_end`, the first step after the stimulus"
            )
        end: int = self.settings["stim_on"] + self.settings["stim_dur"]
        return end

    @property
    def stimulus_windows(self) -> list[tuple[int, int]]:
        """First step of each stimulus and first step after it, for figures."""
        if "stim_on" in self.settings:
            return [(self.settings["stim_on"], self.stimulus_end)]
        example = trials.example(self)
        return [] if example is None else list(example.stimuli)

    @property
    def response_window(self) -> slice:
        """Steps in which the output is scored (docs/model.md 2); a Trial may have its own."""
        own_end = type(self).stimulus_end is not AbstractTask.stimulus_end
        if not own_end and not {"stim_on", "stim_dur"} <= self.settings.keys():
            example = trials.example(self)
            if example is not None:
                return example.response or slice(0, example.T)
        return slice(self.stimulus_end, self.T)

    @property
    def spiking_window(self) -> slice:
        """Steps in which the output of a spiking network is scored (docs/model.md 5).

        The response window, unless the task has a `spiking_delay`.
        """
        if self.spiking_delay is None:
            return self.response_window
        return slice(min(self.stimulus_end + self.spiking_delay, self.T - 1), self.T)

    @overridable
    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> tuple[Float[np.ndarray, "n_in T"], Any] | Trial:
        """Draw a trial of the given trial type.

        Args:
            trial_type: one of `trial_types`.
            rng: generator of the trial, the only source of randomness.

        Returns:
            A Trial, or stimulus u (n_in, T), unitless, and the label, a number or a word that the task chooses.

        Raises:
            NotImplementedError: the class draws by `generate_stimulus` alone.

        Source:
            docs/model.md 2.
        """
        raise NotImplementedError(f"{self.name}: it has generate_stimulus instead of draw_trial")

    @overridable
    def generate_target(self, label: Any, seed: Any = None) -> Float[np.ndarray, "*out T"]:
        """The target output for a label.

        A task whose `draw_trial` returns a stimulus and a label defines it; a Trial has its own target.

        Args:
            label: label of the trial, or the Trial.
            seed: ignored, since targets are not random; programs of the `rate` package give it.

        Returns:
            Target z (T,), or (n_out, T) of several outputs, unitless.

        Raises:
            TaskError: the class does not define it.

        Source:
            docs/model.md 2.
        """
        if isinstance(label, Trial):
            return label.target
        raise TaskError(
            f"task '{self.name}': {type(self).__name__} must define generate_target(self, label), which returns the "
            "target z (T,), or its draw_trial must return a ratecore.Trial"
        )

    @overridable
    def is_correct(self, o: Float[np.ndarray, "*out T"], label: Any) -> bool:
        """Whether an output solves the trial.

        Args:
            o: output (T,) with o[t] at step t, or (n_out, T) of several outputs, unitless.
            label: label of the trial, or the Trial if `draw_trial` returned one.

        Returns:
            True or False.

        Raises:
            TaskError: the task has no criterion.

        Source:
            docs/model.md 2.
        """
        raise TaskError(
            f"task '{self.name}': it has no criterion, which tests and scores need; add to {type(self).__name__}:\n"
            "    def is_correct(self, o, label):  # whether output o (T,), o[t] of step t, answers the trial\n"
            "        return True or False"
        )

    def is_correct_spiking(self, o: Float[np.ndarray, "*out T"], label: Any) -> bool:
        """Whether the output of a spiking network solves the trial; by default as `is_correct`.

        Args:
            o: output (T,) with o[t] at step t, or (n_out, T) of several outputs, unitless.
            label: label of the trial, or the Trial if `draw_trial` returned one.

        Returns:
            True or False.

        Source:
            docs/model.md 5.
        """
        return self.is_correct(o, label)

    def _known_label(self, label: object) -> str | int:
        """The one of `_labels` that equals `label`. Raises ValueError when none does."""
        if type(label) is int and label in self._labels:  # asked at every trial of a training
            return label
        plain = label.item() if isinstance(label, np.ndarray | np.generic) and label.size == 1 else label
        if isinstance(plain, str | int | float):
            for known in self._labels:
                if plain == known:
                    return known
        allowed = ", ".join(map(repr, self._labels))
        raise ValueError(f"{self.name}: label = {shown(label)}; it must be one of {allowed}")

    @property
    def response_steps(self) -> tuple[int, int]:
        """First step of the response window and first step after it."""
        return self.response_window.indices(self.T)[:2]

    def draw_trial_type(self, rng: np.random.Generator) -> str:
        """Draw a trial type, each with the same probability.

        Args:
            rng: generator of the trial.

        Returns:
            One of `trial_types`.
        """
        return self.trial_types[rng.integers(len(self.trial_types))]

    @overridable
    def generate_stimulus(
        self, trial_type: str | None = None, seed: Any = None
    ) -> tuple[Float[np.ndarray, "n_in T"], Any] | Trial:
        """Draw a stimulus.

        Args:
            trial_type: one of `trial_types`; drawn when None.
            seed: int, `numpy.random.Generator` or None (fresh entropy).

        Returns:
            Stimulus u (n_in, T), unitless, and its label; the Trial, if `draw_trial` returns one.

        Raises:
            ValueError: unknown trial type.

        Source:
            docs/model.md 2.
        """
        # In the `rate` package False stands for no fixed seed.
        rng = np.random.default_rng(None if seed is False else seed)
        if trial_type is None:
            trial_type = self.draw_trial_type(rng)
        elif trial_type not in self.trial_types:
            raise ValueError(f"{self.name}: unknown trial type {trial_type!r}; allowed: {', '.join(self.trial_types)}")
        return self.draw_trial(trial_type, rng)

    def simulate_trial(
        self, trial_type: str | None = None, seed: Any = None
    ) -> tuple[Float[np.ndarray, "n_in T"], Float[np.ndarray, "*out T"], Any]:
        """Draw a stimulus together with its target.

        Args:
            trial_type: one of `trial_types`; drawn when None.
            seed: int, `numpy.random.Generator` or None (fresh entropy).

        Returns:
            Stimulus u (n_in, T) and target z (T,) or (n_out, T), unitless, and the label, or the Trial itself.

        Source:
            docs/model.md 2.
        """
        if not port.is_port_class(type(self)):
            drawn = self.generate_stimulus(trial_type, seed)
        elif isinstance(seed, np.random.Generator):
            drawn = trials.draw_stimulus(self, trial_type, seed)
        else:
            given = {"trial_type": trial_type, "seed": seed}
            drawn = self.generate_stimulus(**{key: value for key, value in given.items() if value is not None})
        u, label = drawn
        return u, self.generate_target(label), label

    def generate_batch(
        self, generators: int | np.random.Generator | Iterable[np.random.Generator], seed: Any = None
    ) -> Trials:
        """Draw a batch of trials, each from its own generator, so that any of them can be drawn again alone.

        Args:
            generators: number of trials, or the generator of each trial, or one generator for one trial.
            seed: of a number of trials: int, `numpy.random.Generator` or None (fresh entropy). The generator of trial
                k does not depend on the number of trials.

        Returns:
            The batch.

        Raises:
            ValueError: no number of trials, nor generators; or a seed besides generators.
            TaskError: a method of the task raised an exception or returned anything unexpected.

        Source:
            docs/model.md 2.
        """
        drawn_from = trials.generators_of(self, generators, seed)
        return self.collect(trials.draw_any(self, rng) for rng in drawn_from)

    def collect(self, drawn: Iterable[tuple[Any, ...]]) -> Trials:
        """Check drawn trials and put them into a batch.

        Args:
            drawn: trial type and Trial, or trial type, stimulus (n_in, T) and label, of each trial.

        Returns:
            The batch, with targets and conditions.

        Raises:
            TaskError: names the method and the trial type that do not fit.
        """
        return trials.collect(self, drawn)

    def condition(self, trial_type: str | None, label: Any) -> str:
        """The condition under which tables and figures count the trial.

        Args:
            trial_type: type of the trial.
            label: label of the trial.

        Returns:
            By default the trial type, or the label of a task without trial types.
        """
        return str(label) if trial_type is None else trial_type

    def variables(self, u: Float[np.ndarray, "n_in _"], condition: str, label: Any) -> dict[str, Any]:
        """What trials differ in, by name, for analyses of activity: stimuli, rules, context.

        Args:
            u: stimulus of the trial (n_in, T), unitless.
            condition: of the trial.
            label: of the trial, or the Trial of a task that draws Trials.

        Returns:
            Words and whole numbers for categories, other numbers for what is graded; by default the condition, and the
            numbers and words in the `info` of a Trial. The choice is not among them, since it is the network's.

        Source: none
        """
        return default_variables(condition, label)


def _no_target(self: AbstractTask, label: Any, seed: Any = None) -> Float[np.ndarray, "*out T"]:
    raise NotImplementedError(f"{type(self).__name__} is an evaluator, which has no generate_target(self, label)")

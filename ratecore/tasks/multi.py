"""Several tasks in one network: each trial is of one task, which a rule input names (Yang et al. 2019)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ratecore.settings.base import did_you_mean, shown, task_key
from ratecore.tasks import trials
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.overriding import overrides
from ratecore.tasks.trials import Trial
from ratecore.tasks.values import TaskError

OWN = ("shares", "share_inputs", "share_outputs")  # settings of the combination; all others are of its tasks
SUM = "+"  # between the names: go-nogo+xor


class MultiTask(AbstractTask):
    """Trials of several tasks, each with one more input, which is 1 throughout the trials of its task (the rule).

    Inputs: those of the tasks side by side, or on top of each other with `share_inputs`; then one rule input per task.
    Outputs: side by side, the target of those of other tasks being 0, or the same for all with `share_outputs`.
    A setting of one task has the task's name in front, `go-nogo.T`; without it, it is that of every task that has it.

    Args:
        settings: of the combination and of its tasks.

    Raises:
        ValueError: a misspelt key, a value that a task cannot have, or tasks that cannot share inputs or outputs.

    Source:
        Yang GR, Joglekar MR, Song HF, Newsome WT, Wang XJ (2019), Nat Neurosci 22:297 (rule inputs).
    """

    part_classes: ClassVar[dict[str, type[AbstractTask]]] = {}  # name: class of each task, in the order of the rules
    name = "several tasks"
    descriptions = {
        "shares": "share of the trials of each task, relative to their sum",
        "share_inputs": "whether the tasks have the same inputs in place of inputs side by side",
        "share_outputs": "whether the tasks have the same outputs in place of outputs side by side",
    }

    def __init__(self, settings: Mapping[str, Any] | None = None):
        given = self._expanded(settings or {})
        free = {key for key in given if (name := self._split(key)[0]) and not self.part_classes[name].defaults}
        super().__init__({key: value for key, value in given.items() if key not in free})
        known = {**{key: given[key] for key in free}, **self.settings}
        self.parts = {name: cls(self._of(name, known)) for name, cls in self.part_classes.items()}
        for name, part in self.parts.items():  # as the task itself has converted them
            self.settings |= {f"{name}.{key}": value for key, value in part.settings.items()}
        total = sum(self.settings["shares"])
        self._probabilities = [share / total for share in self.settings["shares"]]
        for key, attribute, what in (
            ("share_inputs", "n_inputs", "inputs"),
            ("share_outputs", "n_outputs", "outputs"),
        ):
            numbers = {name: getattr(part, attribute) for name, part in self.parts.items()}
            if self.settings[key] and len(set(numbers.values())) > 1:
                each = ", ".join(f"{name} {n}" for name, n in numbers.items())
                raise ValueError(f"{self.name}: {key} = True; the tasks must have equally many {what}: {each}")

    @classmethod
    def refuse_unknown(cls, settings: Mapping[str, Any]) -> None:
        for key, value in settings.items():
            name, setting = cls._split(key)
            if name is not None:
                cls.part_classes[name].refuse_unknown({setting: value})
            elif key not in OWN and key not in cls._network_keys and not cls._with(key):
                every = sorted({k for part in cls.part_classes.values() for k in part.defaults} | set(OWN))
                raise ValueError(
                    f"{cls.name}: unknown setting '{key}'{did_you_mean(key, every)}; allowed: {', '.join(every)}, and "
                    "those of one task with its name in front, as task.setting"
                )

    @classmethod
    def _with(cls, key: str) -> list[str]:
        """The tasks that have a setting; those without `defaults` have any."""
        return [name for name, part in cls.part_classes.items() if key in part.defaults or not part.defaults]

    @classmethod
    def _split(cls, key: str) -> tuple[str | None, str]:
        """The task and its setting in 'task.setting'; no task for any other key. Names of tasks can have dots."""
        named = (
            name for name in cls.part_classes if task_key(key[: len(name)]) == name and key[len(name) :][:1] == "."
        )
        name = max(named, key=len, default=None)
        return name, key if name is None else key[len(name) + 1 :]

    @classmethod
    def _expanded(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings with a task's name in front of each; one that names its task overrides one for all tasks."""
        found = {key: value for key, value in settings.items() if key in OWN}
        general = {key: v for key, v in settings.items() if key not in OWN and cls._split(key)[0] is None}
        for key, value in general.items():
            found |= {f"{name}.{key}": value for name in cls._with(key)} or {key: value}
        named = {full: cls._split(full) for full in settings}
        return found | {f"{name}.{key}": settings[full] for full, (name, key) in named.items() if name is not None}

    @classmethod
    def _of(cls, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of one task, under their own names."""
        split = {full: cls._split(full) for full in settings}
        return {key: settings[full] for full, (task, key) in split.items() if task == name}

    def validate_settings(self) -> None:
        own = {key: value for key, value in self.settings.items() if key in OWN}
        shares = own["shares"]
        numbers = isinstance(shares, list | tuple) and all(
            isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v < float("inf") for v in shares
        )
        if not numbers or len(shares) != len(self.part_classes) or not sum(shares) > 0:
            raise ValueError(
                f"{self.name}: shares = {shown(shares)}; it must be {len(self.part_classes)} numbers >= 0, one per "
                "task, not all 0"
            )
        for key in OWN[1:]:
            if not isinstance(own[key], bool | np.bool_):
                raise ValueError(f"{self.name}: {key} = {shown(own[key])}; it must be true or false")
            self.settings[key] = bool(own[key])
        self.settings["shares"] = [float(v) for v in shares]

    @property
    def T(self) -> int:
        return max(part.T for part in self.parts.values())

    @functools.cached_property
    def n_inputs(self) -> int:
        """Number of inputs, those of the rules included."""
        each = [part.n_inputs for part in self.parts.values()]
        return (each[0] if self.settings["share_inputs"] else sum(each)) + len(each)

    @functools.cached_property
    def n_outputs(self) -> int:  # type: ignore[override]
        """Number of outputs."""
        each = [part.n_outputs for part in self.parts.values()]
        return each[0] if self.settings["share_outputs"] else sum(each)

    @property
    def response_window(self) -> slice:
        return slice(0, self.T)  # each trial has its own

    @property
    def stimulus_windows(self) -> list[tuple[int, int]]:
        return []

    def draw_trial_type(self, rng: np.random.Generator) -> str:
        name = list(self.parts)[rng.choice(len(self.parts), p=self._probabilities)]
        return joined(name, self.parts[name].draw_trial_type(rng))

    @property
    def evidence_levels(self) -> tuple[float, ...]:  # type: ignore[override]  # depends on the tasks
        """All strengths of evidence of the tasks, in their units, such as a fraction of the dots; each has its own."""
        levels = (level for part in self.parts.values() for level in part.evidence_levels)
        return tuple(dict.fromkeys(levels))

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        name, kind = self._type[trial_type]
        return self._trial_of(name, kind, trials.draw_stimulus(self.parts[name], kind, rng))

    def draw_graded_trial(self, trial_type: str, evidence: float, rng: np.random.Generator) -> Trial:
        """Draw a trial of graded evidence of a task that grades it.

        Args:
            trial_type: 'task/trial type'.
            evidence: signed, in the unit of that task, such as a fraction of the dots.
            rng: generator of the trial.

        Returns:
            The trial.

        Source:
            Yang et al. 2019, Nat Neurosci 22:297, Fig. 1.
        """
        name, kind = self._type[trial_type]
        graded: Any = self.parts[name]
        return self._trial_of(name, kind, graded.draw_graded_trial(kind, evidence, rng))

    def _trial_of(self, name: str, kind: str | None, drawn: Any) -> Trial:
        """The trial of the combination for a trial of one of its tasks."""
        part, number = self.parts[name], list(self.parts).index(name)
        own = trials.collect(part, [trials.with_type(kind, drawn)])
        trial, scored_by = own.trials[0] if own.trials else None, own.scored_by(0)
        T = own.u.shape[-1]
        u = np.zeros((self.n_inputs, T))
        u[self._rows(number, "n_inputs", "share_inputs")] = own.u[0]
        u[self.n_inputs - len(self.parts) + number] = 1
        target = np.zeros((self.n_outputs, T))
        rows = self._rows(number, "n_outputs", "share_outputs")
        target[rows] = own.z[0]
        weight = None
        if trial is not None and trial.weight is not None:
            own_weight = np.atleast_2d(trial.weight)
            weight = np.tile(own_weight.mean(axis=0), (self.n_outputs, 1))
            weight[rows] = own_weight
        one = self.n_outputs == 1
        windows = part.stimulus_windows if trial is None else trial.stimuli
        return Trial(
            u,
            target[0] if one else target,
            weight[0] if one and weight is not None else weight,
            condition=joined(name, own.conditions[0]),
            label=f"{name}/{own.labels[0]}",
            response=trials.response_of(part, trial),
            stimuli=windows,
            info={"task": name, "scored_by": scored_by},
        )

    def is_correct(self, o: Float[np.ndarray, "*out T"], label: Any) -> bool:
        return self._scored(o, label, "is_correct")

    def is_correct_spiking(self, o: Float[np.ndarray, "*out T"], label: Any) -> bool:
        return self._scored(o, label, "is_correct_spiking")

    def _scored(self, o: Float[np.ndarray, "*out T"], trial: Trial, method: str) -> bool:
        name = trial.info["task"]
        part = self.parts[name]
        rows = self._rows(list(self.parts).index(name), "n_outputs", "share_outputs")
        own = o if o.ndim == 1 else o[rows]
        if part.n_outputs == 1 and own.ndim == 2:
            own = own[0]
        return bool(trials.score(part, own, trial.info["scored_by"], method))

    def output_of(self, trial: Trial) -> int:
        """The first output of the task of a trial.

        Args:
            trial: of this task.

        Returns:
            its index.

        Source: none
        """
        first: int = self._rows(list(self.parts).index(trial.info["task"]), "n_outputs", "share_outputs").start
        return first

    def _rows(self, number: int, attribute: str, shared: str) -> slice:
        """Inputs or outputs of one task."""
        each = [getattr(part, attribute) for part in self.parts.values()]
        first = 0 if self.settings[shared] else sum(each[:number])
        return slice(first, first + each[number])

    @functools.cached_property
    def _type(self) -> dict[str, tuple[str, str | None]]:
        """Trial type: task and its own trial type."""
        return {
            joined(name, kind): (name, kind) for name, part in self.part_classes.items() for kind in part.trial_types
        }


def joined(name: str, kind: str | None) -> str:
    """The trial type of several tasks in one network for one of a task.

    Args:
        name: of the task.
        kind: its own trial type; None if it has none.

    Returns:
        'task/trial type', or the task's name.
    """
    return name if kind is None else f"{name}/{kind}"


def settings_over(
    task_class: type[AbstractTask], settings: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings of a task with others over them; of several tasks, a setting for all is one of each task.

    Args:
        task_class: class of the task.
        settings: of the task.
        more: settings that replace them.

    Returns:
        The settings.
    """
    if not issubclass(task_class, MultiTask):
        return {**settings, **more}
    return task_class._expanded(settings) | task_class._expanded(more)


def multi_task_class(names: tuple[str, ...], classes: tuple[type[AbstractTask], ...]) -> type[MultiTask]:
    """The class of several tasks in one network.

    Args:
        names: of the tasks, in their canonical spelling; the order is that of the rule inputs.
        classes: their classes.

    Returns:
        The class; the same for the same tasks.

    Raises:
        TaskError: a task is listed twice, or cannot be one of several.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TaskError(f"task = [{', '.join(names)}]: '{twice}' is listed twice; list it once")
    for name, part in zip(names, classes, strict=True):
        if hasattr(part, "evaluate_single_trial"):
            raise TaskError(f"task = [{', '.join(names)}]: '{name}' draws and scores by itself, so it cannot be one of")
    return _made(names, classes)


@functools.cache
def _made(names: tuple[str, ...], classes: tuple[type[AbstractTask], ...]) -> type[MultiTask]:
    parts = dict(zip(names, classes, strict=True))
    settings = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.defaults.items()}
    scored = all(overrides(part.is_correct) for part in classes)
    return type(
        "MultiTask",
        (MultiTask,),
        {
            "__module__": __name__,
            "__doc__": MultiTask.__doc__,
            "name": SUM.join(names),
            "part_classes": parts,
            "defaults": {"shares": [1.0] * len(parts), "share_inputs": False, "share_outputs": False, **settings},
            "descriptions": {
                **MultiTask.descriptions,
                **{f"{name}.{key}": text for name, part in parts.items() for key, text in part.descriptions.items()},
            },
            "trial_types": tuple(joined(name, kind) for name, part in parts.items() for kind in part.trial_types),
            "min_trials": max(part.min_trials for part in parts.values()),
            **({} if scored else {"is_correct": AbstractTask.is_correct}),
        },
    )

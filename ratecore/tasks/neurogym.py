"""Tasks of neurogym, by name: `task: neurogym:GoNogo-v0` (docs/neurogym.md)."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ratecore.settings.base import shown
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.environments import Environment, environment
from ratecore.tasks.settings import MOST_STEPS, checked
from ratecore.tasks.trials import Trial
from ratecore.tasks.values import TaskError

LONGEST = 10_000_000  # ms of a period
FEW = 5  # actions, up to which each right answer is a condition of its own
SHOWN = ("stim", "sample", "test", "cue", "flash", "ready", "set", "target", "tone", "s1", "s2", "s3")  # in figures


class NeurogymTask(AbstractTask):
    """A trial of an environment: its observations are the inputs, and its ground truth is the target.

    An environment with a choice of actions has one output per action, whose target is 1 while that action is right; the
    network takes the action of its largest output. Other environments have an output per number of an action.

    An answer is correct when the environment's own `performance`, of a trial played with the network's actions, reaches
    `min_performance`. Where the environment does not credit its own ground truth, as in trials without a response, the
    action at the end of the trial must be that of the ground truth, and so it must in all trials with `score: answer`.

    Source:
        Molano-Mazon M, Barbosa J, Pastor-Ciurana J, et al. (2022), doi:10.31234/osf.io/aqc9n (neurogym).
    """

    environment: ClassVar[Environment]
    version: ClassVar[str]  # of neurogym, part of the identity of runs
    trial_types = ("trial",)
    descriptions = {
        "dt": "duration of a step of the network in the environment's time, in ms",
        "max_steps": "longest trial in steps; 0: as the timing has it",
        "response_weight": "weight in the loss of each step of the response; 0: together as much as all other steps",
        "min_performance": "performance, as the environment scores it, of a correct trial",
        "score": "environment: by its own rule; answer: the action at the end of the trial",
        "tolerance": "largest error of each output at the end of a trial that the environment does not score",
    }
    own = {
        "max_steps": 0,
        "response_weight": 0.0,
        "score": "environment",
        "min_performance": 0.8,
        "tolerance": 0.2,
    }
    choices = {"score": ("environment", "answer")}
    ranges = {
        "dt": (1, 1000),
        "max_steps": (0, MOST_STEPS),
        "response_weight": (0, 1e6),
        "min_performance": (0.01, 1),
        "tolerance": (0, 1e6),
    }

    def validate_settings(self) -> None:
        for key, default in self.defaults.items():
            value, kind = _whole(self.settings[key]), type(self)
            if key.startswith("timing_"):
                value = _duration(kind, key, value)
            elif isinstance(default, list) and default and isinstance(default[0], int | float):
                value = checked(kind, key, default if isinstance(default[0], bool) else [0.0], value)
            elif isinstance(default, int | float) and not isinstance(default, bool) and key not in self.ranges:
                value = checked(kind, key, 0.0, value)  # which numbers are allowed, the environment says
            else:
                value = checked(kind, key, default, value)
            self.settings[key] = default if value == default else _whole(value)
        self._values = {key: self.settings[key] for key in self.environment.defaults}
        longest, self._n_inputs, self._n_outputs = self._shape()
        self._T = self.settings["max_steps"] or longest

    def _shape(self) -> tuple[int, int, int]:
        try:
            return self.environment.shape(self._values)
        except ValueError as error:
            if "max_steps" not in str(error) or not self.settings["max_steps"]:
                raise
            return (self.settings["max_steps"], *self.environment.sizes(self._values))

    @property
    def T(self) -> int:
        return self._T

    @property
    def n_inputs(self) -> int:
        return self._n_inputs

    @property
    def n_outputs(self) -> int:  # type: ignore[override]
        """Number of outputs: one per action, or per number of a continuous action."""
        return self._n_outputs

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        seed = int(rng.integers(2**32))
        env = self.environment.trial(self._values, seed)
        ob, gt = self.environment.shown(env)
        inner, T = env.unwrapped, len(ob)
        if not 2 <= T <= self.T:
            more = f"longer than max_steps = {self.T}; set task_settings.max_steps" if T > 2 else "shorter than 2 steps"
            raise TaskError(f"task '{self.name}': it drew a trial of {T} steps, {more}")
        discrete = gt.ndim == 1
        target = (np.arange(self.n_outputs)[:, None] == gt).astype(float) if discrete else gt.T.astype(float)
        response = self._response(inner, gt)
        weight = np.ones(T)
        n = response.stop - response.start
        weight[response] = self.settings["response_weight"] or max((T - n) / n, 1)
        answer = int(gt[response.stop - 1]) if discrete else 0
        if not discrete:
            condition = "trial"
        elif self.n_outputs <= FEW:
            condition = f"action {answer}"
        else:
            condition = "respond" if answer else "withhold"
        return Trial(
            ob.T,
            target if self.n_outputs > 1 else target[0],
            None if self.settings["response_weight"] == 1 else weight,
            condition=condition,
            label=answer,
            response=response,
            stimuli=[
                (inner.start_ind[period], min(inner.end_ind[period], T))
                for period in inner.start_ind
                if str(period).startswith(SHOWN) and inner.start_ind[period] < inner.end_ind[period]
            ],
            info={"seed": seed},
        )

    def _response(self, inner: Any, gt: Any) -> slice:
        """The period named `decision`, or the steps with an action other than 0, or all."""
        steps = np.flatnonzero(gt) if gt.ndim == 1 else np.empty(0)
        if "decision" in inner.start_ind and inner.start_ind["decision"] < len(gt):
            return slice(int(inner.start_ind["decision"]), min(int(inner.end_ind["decision"]), len(gt)))
        return slice(int(steps[0]), int(steps[-1]) + 1) if steps.size else slice(0, len(gt))

    def is_correct(self, o: Float[np.ndarray, "*out T"], label: Trial) -> bool:
        env, least, seed = self.environment, self.settings["min_performance"], label.info["seed"]
        answers = np.atleast_2d(o)
        answers = np.concatenate([answers[:, 1:], answers[:, -1:]], axis=1)  # o[t] answers what step t-1 shows
        truth = np.atleast_2d(label.target)
        discrete = env.discrete
        given, right = (v.argmax(axis=0) if discrete else v.T for v in (answers, truth))
        performance, end = env.replay(self._values, seed, given)
        credited, _ = env.replay(self._values, seed, right)
        if credited >= least and self.settings["score"] == "environment":
            return bool(performance >= least)
        if discrete:
            return bool(given[end] == right[end])
        return bool(np.abs(given[end] - right[end]).max() <= self.settings["tolerance"])


def _duration(task: type[AbstractTask], key: str, value: Any) -> Any:
    """A duration in ms, or a list of durations, of which each trial draws one."""
    several = list(value) if isinstance(value, list | tuple) else [value]
    for one in several:
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= LONGEST:
            raise ValueError(
                f"{task.name}: {key} = {shown(value)}; it must be a duration in ms, a list of durations of which each "
                "trial draws one, or [] for the environment's own distribution"
            )
    return several if isinstance(value, list | tuple) else several[0]


def _whole(value: Any) -> Any:
    """A whole number, or each in a list, as int; a configuration has floats only."""
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@functools.cache
def neurogym_class(name: str) -> type[NeurogymTask]:
    """The class of an environment of neurogym.

    Args:
        name: 'neurogym:gonogo-v0', in its canonical spelling.

    Returns:
        The class; the same for the same name.

    Raises:
        TaskError: neurogym is not installed, or the environment has no supervised targets.
        ValueError: there is no environment of this name.
    """
    env = environment(name)
    durations = [key for key in env.defaults if key.startswith("timing_")]
    timing = {key: f"duration of '{key[7:]}' in ms, or a list of which each trial draws one" for key in durations}
    rewards = {key: f"reward '{key[8:]}'" for key in env.defaults if key.startswith("rewards_")}
    rest = dict.fromkeys(env.defaults, f"argument of neurogym's {env.id}")
    return type(
        "NeurogymTask",
        (NeurogymTask,),
        {
            "__module__": env.module,  # so that a task file's own environments are checked as its tasks are
            "__doc__": NeurogymTask.__doc__,
            "name": name,
            "environment": env,
            "version": f"neurogym {env.version}",
            "defaults": {**env.defaults, **NeurogymTask.own},
            "ranges": {**NeurogymTask.ranges, **dict.fromkeys(durations, (0, LONGEST))},
            "descriptions": {**rest, **timing, **rewards, **NeurogymTask.descriptions},
        },
    )

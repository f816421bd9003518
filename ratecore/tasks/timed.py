"""What the built-in tasks that draw Trials have in common: times from settings, drawn delays, answers by sign."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ratecore.tasks import trials
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.settings import checked
from ratecore.tasks.trials import Trial

STEP_MS = 5
LONGEST = 10_000  # steps of one part of a trial, 50 s
TIME, DURATION = (0, LONGEST), (1, LONGEST)  # ranges of settings in steps
SETTLE = 5  # steps after a response has begun, in which its output is not scored yet

# Settings that several tasks have, with the same meaning in each.
DESCRIPTIONS = {
    "stim_on": "steps before the first stimulus",
    "stim_dur": "steps of a stimulus",
    "delay": "steps of the delay, at least",
    "delay_jitter": "steps by which a trial's delay is longer at most; drawn afresh for each trial, from 0 on",
    "response_delay": "steps from the last stimulus to the response",
    "response_dur": "steps of the response",
    "strength": "input while a stimulus is shown",
    "noise": "standard deviation of the noise of the input at each step",
}
RANGES: dict[str, tuple[float, float]] = {
    "stim_on": TIME,
    "stim_dur": DURATION,
    "delay": TIME,
    "delay_jitter": TIME,
    "response_delay": TIME,
    "response_dur": (SETTLE + 1, LONGEST),
    "strength": (0.01, 100),
    "noise": (0, 100),
}


class TimedTask(AbstractTask):
    """A task whose trials are Trials and whose length follows from its settings, so that every stimulus is in it.

    `is_correct` is that of tasks with two answers, +1 and -1, in `trial.info["answer"]`.

    Args:
        settings: as for `AbstractTask`.
    """

    answer_amplitude: ClassVar[float] = 0.5  # that the mean output must pass, half way from no answer to the right one

    def validate_settings(self) -> None:
        """Check the type and range of each setting; subclasses add what one setting asks of another.

        Raises:
            ValueError: names the key, its value and what is allowed.
        """
        for key, default in self.defaults.items():
            self.settings[key] = checked(type(self), key, default, self.settings[key])

    @property
    def T(self) -> int:
        """Length of the longest trial in steps."""
        raise NotImplementedError(f"{type(self).__name__} must define T")

    @property
    def stimulus_end(self) -> int:
        example = trials.example(self)
        return 0 if example is None else max((end for _, end in example.stimuli), default=0)

    @property
    def stimulus_windows(self) -> list[tuple[int, int]]:
        example = trials.example(self)
        return [] if example is None else list(example.stimuli)

    @property
    def response_window(self) -> slice:
        example = trials.example(self)
        return slice(0, self.T) if example is None else trials.response_of(self, example)

    def drawn_steps(self, key: str, rng: np.random.Generator) -> int:
        """Steps of a part of the trial that may differ from trial to trial.

        Args:
            key: setting with its shortest duration; `<key>_jitter` is what is added at most.
            rng: generator of the trial; asked only if there is jitter.

        Returns:
            Steps.
        """
        steps, jitter = self.settings[key], self.settings[f"{key}_jitter"]
        return int(steps + (rng.integers(jitter + 1) if jitter else 0))

    def at_most(self, key: str, limit: float, reason: str) -> None:
        """Check a setting against another one.

        Args:
            key: setting.
            limit: its largest value, in the setting's unit: steps, or unitless.
            reason: what sets the limit, for the message.

        Raises:
            ValueError: names the setting, its value and what is allowed.
        """
        if self.settings[key] > limit:
            value = self.settings[key]
            raise ValueError(f"{self.name}: {key} = {value!r}; it must be at most {limit:g}, {reason}")

    def is_correct(self, o: Float[np.ndarray, " T"], label: Any) -> bool:
        return bool(label.info["answer"] * mean_response(o, label) > self.answer_amplitude)


def mean_response(o: Float[np.ndarray, "*out T"], trial: Trial) -> Any:
    """Mean output in the response window, without its first steps, in which the output still changes.

    Args:
        o: output (T,), or (n_out, T) of several outputs, unitless.
        trial: the trial, with a response window.

    Returns:
        A number, or an array (n_out,), unitless.

    Source: none
    """
    return settled(o, trial.response or slice(0, trial.T)).mean(-1)


def settled(o: Float[np.ndarray, "*out T"], window: slice) -> Float[np.ndarray, "*out steps"]:
    """Output in a window, without its first steps, in which the output still changes.

    Args:
        o: output (T,), or (n_out, T) of several outputs, unitless.
        window: steps, more than `SETTLE`.

    Returns:
        Output (steps,), or (n_out, steps) of several outputs, unitless.

    Source: none
    """
    return o[..., window.start + SETTLE : window.stop]


def answered(
    u: Float[np.ndarray, "n_in T"], answer: float, response: slice, condition: str, grace: bool = False, **more: Any
) -> Trial:
    """A trial of which the target is the answer in the response window, and 0 before it.

    Args:
        u: stimulus (n_in, T), unitless.
        answer: +1 or -1; also the trial's label.
        response: steps of the response.
        condition: of the trial.
        grace: whether the loss leaves out the first `SETTLE` steps of the response.
        **more: other fields of the Trial.

    Returns:
        The trial.

    Source: none
    """
    target = np.zeros(u.shape[1])
    target[response] = answer
    if grace:
        more["weight"] = np.ones(u.shape[1])
        more["weight"][response.start : response.start + SETTLE] = 0
    more["info"] = {"answer": answer, **more.get("info", {})}
    return Trial(u, target, condition=condition, label=int(answer), response=response, **more)


def milliseconds(steps: int) -> str:
    """Steps as the milliseconds of a condition's name.

    Args:
        steps: of 5 ms.

    Returns:
        '300 ms'.
    """
    return f"{steps * STEP_MS} ms"

"""Autonomous oscillation: a pulse starts a sine wave, which goes on without any input (Kim et al. 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, DURATION, LONGEST, RANGES, TimedTask
from ratecore.tasks.trials import Trial


class OscillationTask(TimedTask):
    """Input 0 is 1 during the pulse, else 0.

    Target: 0 until the pulse ends, then a sine wave of amplitude 1 that begins at 0 and rises. Every step has weight 1.
    Response window: from the end of the pulse. Criterion: the output explains at least 80 % of the target's variance
    there. A spiking network may be ahead or behind by a quarter of a period.
    Source: named by Kim et al. 2019 (PNAS 116:22811) among the tasks of their method; the numbers are ours.
    """

    name = "oscillation"
    n_inputs, n_outputs = 1, 1
    defaults = {"stim_on": 20, "stim_dur": 10, "period": 80, "response_dur": 240}
    descriptions = DESCRIPTIONS | {"stim_dur": "steps of the pulse", "period": "steps of one period of the sine wave",
                                   "response_dur": "steps of the sine wave"}  # fmt: skip
    ranges = {**RANGES, "period": (4, LONGEST), "response_dur": DURATION}
    trial_types = ("pulse",)
    explained = 0.8  # of the target's variance by the output

    def validate_settings(self) -> None:
        super().validate_settings()
        if self.settings["response_dur"] < self.settings["period"]:
            raise ValueError(
                f"{self.name}: response_dur = {self.settings['response_dur']}; it must be at least one period of "
                f"{self.settings['period']} steps"
            )

    @property
    def T(self) -> int:
        s = self.settings
        return int(s["stim_on"] + s["stim_dur"] + s["response_dur"])

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        on, end = self.settings["stim_on"], self.settings["stim_on"] + self.settings["stim_dur"]
        u, target = np.zeros((1, self.T)), np.zeros(self.T)
        u[0, on:end] = 1
        target[end:] = np.sin(2 * np.pi * np.arange(self.T - end) / self.settings["period"])
        return Trial(u, target, response=slice(end, self.T), stimuli=[(on, end)])

    def is_correct(self, o: Float[np.ndarray, " T"], label: Any) -> bool:
        return self._share(o[label.response], label.target[label.response]) > self.explained

    def is_correct_spiking(self, o: Float[np.ndarray, " T"], label: Any) -> bool:
        response, target = o[label.response], label.target[label.response]
        most = self.settings["period"] // 4
        lags = range(-min(most, len(target) - 2), min(most, len(target) - 2) + 1)
        return any(
            self._share(
                response[max(lag, 0) :][: len(target) - abs(lag)], target[max(-lag, 0) :][: len(target) - abs(lag)]
            )
            > self.explained
            for lag in lags
        )

    @staticmethod
    def _share(output: Float[np.ndarray, " steps"], target: Float[np.ndarray, " steps"]) -> float:
        """Share of the target's variance that an output explains, 1 at most."""
        return float(1 - np.square(output - target).sum() / np.square(target).sum())


TaskFactory.register_task(OscillationTask.name, OscillationTask)

"""Delayed pro- and anti-saccade: look at the remembered place, or at the opposite one (Hallett 1978)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, RANGES, SETTLE, TIME, TimedTask, mean_response
from ratecore.tasks.trials import Trial


class ProAntiTask(TimedTask):
    """Inputs: 0 fixation point, 1 rule "pro", 2 rule "anti", then one for each of `n_places` places around it.

    The rule's input is 1 for the entire trial, the fixation point until the saccade, and the place's input while the
    place is shown. Outputs: horizontal and vertical position of the eye. Target: 0 until the fixation point goes, then
    the place (cos, sin of its angle) or, in anti trials (p = 1/2), the opposite one. Weight: 1, but 0 in the first 5
    steps of the response, in which the output has to change. Response window: from the end of the fixation point.
    Criterion: the mean position in it, but for its first 5 steps, is nearer to the target than to any other place and
    to the fixation point, and before it, but for the first 5 steps of the trial, the mean position is nearer to the
    fixation point than to any place.
    Source: Hallett 1978 (Vision Res. 18:1279); with a delay, Funahashi, Chafee & Goldman-Rakic 1993 (Nature 365:753).
    """

    name = "pro-anti"
    n_outputs = 2
    defaults = {"stim_on": 20, "stim_dur": 30, "delay": 50, "delay_jitter": 0, "response_dur": 60, "n_places": 4,
                "strength": 3.0}  # fmt: skip
    descriptions = DESCRIPTIONS | {
        "stim_on": "steps before the place is shown",
        "stim_dur": "steps for which the place is shown",
        "delay": "steps from then to the end of the fixation point, at least",
        "strength": "input while a place is shown",
        "n_places": "how many places there are, evenly on a circle; an even number, so that each has an opposite one",
    }
    ranges = {**RANGES, "delay": TIME, "n_places": (2, 100)}
    trial_types = ("pro", "anti")

    def validate_settings(self) -> None:
        super().validate_settings()
        if self.settings["n_places"] % 2:
            raise ValueError(f"{self.name}: n_places = {self.settings['n_places']}; it must be an even number")

    @property
    def T(self) -> int:
        s = self.settings
        return int(s["stim_on"] + s["stim_dur"] + s["delay"] + s["delay_jitter"] + s["response_dur"])

    @property
    def places(self) -> Float[np.ndarray, "n_places 2"]:
        """Horizontal and vertical position of each place (n_places, 2), unitless, on a circle of radius 1."""
        angles = 2 * np.pi * np.arange(self.settings["n_places"]) / self.settings["n_places"]
        return np.stack([np.cos(angles), np.sin(angles)], 1)

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        s, n = self.settings, self.settings["n_places"]
        shown = int(rng.integers(n))
        goal = shown if trial_type == "pro" else (shown + n // 2) % n
        on, end = s["stim_on"], s["stim_on"] + s["stim_dur"]
        go = end + self.drawn_steps("delay", rng)
        T = go + s["response_dur"]
        u, target, weight = np.zeros((3 + n, T)), np.zeros((2, T)), np.ones(T)
        u[0, :go] = 1
        u[1 + self.trial_types.index(trial_type)] = 1
        u[3 + shown, on:end] = s["strength"]
        target[:, go:] = self.places[goal][:, None]
        weight[go : go + SETTLE] = 0
        condition = f"{trial_type}, {360 * shown / n:g}°"
        info = {"goal": goal, "shown": shown, "rule": trial_type}
        return Trial(u, target, weight, condition, goal, slice(go, T), [(on, end)], info)

    def is_correct(self, o: Float[np.ndarray, "2 T"], label: Any) -> bool:
        points = np.concatenate([self.places, np.zeros((1, 2))])  # the last one is the fixation point
        chosen = self._nearest(mean_response(o, label), points)
        before = o[:, SETTLE : label.response.start]
        held = before.shape[1] == 0 or self._nearest(before.mean(1), points) == len(points) - 1
        return held and chosen == label.info["goal"]

    @staticmethod
    def _nearest(position: Float[np.ndarray, " 2"], points: Float[np.ndarray, "n 2"]) -> int:
        return int(np.square(points - position).sum(1).argmin())


TaskFactory.register_task(ProAntiTask.name, ProAntiTask)

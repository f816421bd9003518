"""Oddball: respond to the rare one of two stimuli (Squires, Squires & Hillyard 1975)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, RANGES, SETTLE, TimedTask, settled
from ratecore.tasks.trials import Trial


class OddballTask(TimedTask):
    """Input 0 is 1 while the standard is shown, input 1 while the odd stimulus is; `n_stimuli` follow each other.

    Each is the odd one with probability `p_odd`, so that stages of a curriculum can be 0.3, 0.5 and 0.7. Target: after
    an odd stimulus 1, until the next one; else 0. Weight: 1, but 0 in the first 5 steps after each stimulus, in which
    the output has to change. Response windows: the steps between stimuli, `response_dur` each; figures mark all from
    the first to the end. Criterion: in each of these windows, but for its first 5 steps, the mean output is above 0.5
    after an odd stimulus and below it after a standard.
    Source: Squires, Squires & Hillyard 1975 (Electroencephalogr. Clin. Neurophysiol. 38:387).
    """

    name = "oddball"
    n_inputs, n_outputs = 2, 1
    defaults = {"stim_on": 20, "stim_dur": 20, "response_dur": 40, "n_stimuli": 4, "p_odd": 0.3}
    descriptions = DESCRIPTIONS | {
        "response_dur": "steps from a stimulus to the next one, and after the last one",
        "n_stimuli": "stimuli in a trial",
        "p_odd": "probability that a stimulus is the odd one",
    }
    ranges = {**RANGES, "n_stimuli": (1, 1000), "p_odd": (0.0, 1.0)}
    trial_types = ("sequence",)

    @property
    def T(self) -> int:
        s = self.settings
        return int(s["stim_on"] + s["n_stimuli"] * (s["stim_dur"] + s["response_dur"]))

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        s = self.settings
        odd = rng.random(s["n_stimuli"]) < s["p_odd"]
        u, target, weight = np.zeros((2, self.T)), np.zeros(self.T), np.ones(self.T)
        stimuli, windows = [], []
        for k, is_odd in enumerate(odd.tolist()):
            on = s["stim_on"] + k * (s["stim_dur"] + s["response_dur"])
            end = on + s["stim_dur"]
            stimuli.append((on, end))
            windows.append(slice(end, end + s["response_dur"]))
            u[int(is_odd), on:end] = 1
            target[windows[-1]] = is_odd
            weight[end : end + SETTLE] = 0
        info = {"odd": odd.tolist(), "windows": windows}
        sequence = "".join("O" if is_odd else "s" for is_odd in odd.tolist())
        return Trial(u, target, weight, f"{odd.sum()} odd", sequence, slice(windows[0].start, self.T), stimuli, info)

    def is_correct(self, o: Float[np.ndarray, " T"], label: Any) -> bool:
        pairs = zip(label.info["windows"], label.info["odd"], strict=True)
        return all(bool(settled(o, window).mean() > 0.5) == odd for window, odd in pairs)


TaskFactory.register_task(OddballTask.name, OddballTask)

"""Parametric working memory: was the first of two frequencies the higher one? (Romo et al. 1999)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, RANGES, TimedTask, answered
from ratecore.tasks.trials import Trial


class ParametricMemoryTask(TimedTask):
    """Input 0 is the frequency of the stimulus while it is shown, scaled to 0 to 1, and input 1 is 1 minus it.

    The first frequency f1 is held for the delay and compared with the second one, f2. Both are uniform, and differ by
    `difference` to 3 times `difference`. Target: in the response +1 if f1 > f2 (p = 1/2), -1 if f1 < f2, else 0. Every
    step has weight 1. Response window: `response_dur` steps from `response_delay` after f2. Criterion: the mean output
    in it, but for its first 5 steps, has the target's sign and an absolute value above 0.5. Psychometric curve: against
    f1 - f2 in units of `difference`.
    Source: Romo, Brody, Hernandez & Lemus 1999 (Nature 399:470), Fig. 1: two vibrations of 10 to 34 Hz, 3 s apart.
    """

    name = "parametric-memory"
    n_inputs, n_outputs = 2, 1
    defaults = {"stim_on": 20, "stim_dur": 50, "delay": 100, "delay_jitter": 0, "response_delay": 10,
                "response_dur": 60, "difference": 0.2, "noise": 0.0}  # fmt: skip
    descriptions = DESCRIPTIONS | {"difference": "smallest difference of the two frequencies, which go from 0 to 1"}
    ranges = {**RANGES, "difference": (0.01, 0.33)}
    trial_types = ("f1, f2",)
    evidence_levels = (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0)
    evidence_label = "f1 - f2 (multiple of the smallest)"

    @property
    def T(self) -> int:
        s = self.settings
        delays = s["delay"] + s["delay_jitter"] + s["response_delay"]
        return int(s["stim_on"] + 2 * s["stim_dur"] + delays + s["response_dur"])

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        return self.draw_graded_trial(trial_type, rng.choice((-1, 1)) * rng.uniform(1, 3), rng)

    def draw_graded_trial(self, trial_type: str, evidence: float, rng: np.random.Generator) -> Trial:
        """Draw a trial of a given difference.

        Args:
            trial_type: 'f1, f2'.
            evidence: f1 - f2, in units of the setting `difference`.
            rng: generator of the trial.

        Returns:
            The trial; its label is the sign of the evidence.

        Source:
            Romo et al. 1999, Fig. 1.
        """
        s = self.settings
        gap = evidence * s["difference"]
        low = rng.uniform(0, 1 - abs(gap))
        f1, f2 = (low + gap, low) if gap > 0 else (low, low - gap)
        first = s["stim_on"], s["stim_on"] + s["stim_dur"]
        on = first[1] + self.drawn_steps("delay", rng)
        second = on, on + s["stim_dur"]
        start = second[1] + s["response_delay"]
        u = np.zeros((2, start + s["response_dur"]))
        for f, (begin, end) in ((f1, first), (f2, second)):
            u[:, begin:end] = np.array([[f], [1 - f]])
            if s["noise"]:
                u[:, begin:end] += s["noise"] * rng.standard_normal((2, s["stim_dur"]))
        answer = 1 if gap > 0 else -1
        more: dict[str, Any] = {"stimuli": [first, second], "info": {"f1": f1, "f2": f2}}
        return answered(u, answer, slice(start, u.shape[1]), "f1 > f2" if gap > 0 else "f1 < f2", **more)


TaskFactory.register_task(ParametricMemoryTask.name, ParametricMemoryTask)

"""Delayed match to sample: is the second stimulus the same as the first? (Miyashita & Chang 1988)."""

from __future__ import annotations

import numpy as np

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, RANGES, TimedTask, answered
from ratecore.tasks.trials import Trial


class DelayedMatchTask(TimedTask):
    """Each of `n_stimuli` inputs is 1 while its stimulus is shown: the sample and, after the delay, the test.

    Target: in the response +1 if they are the same stimulus (p = 1/2), -1 if not, else 0; but in the delay the output
    is to tell the sample, by evenly spaced values from `hold` to -`hold`, which is not scored (`hold` 0: no such
    target). Every step has weight 1.
    Response window: `response_dur` steps from `response_delay` after the test. Criterion: the mean output in it, but
    for its first 5 steps, is above 0.5 (match) or below -0.5 (nonmatch).
    Source: Miyashita & Chang 1988 (Nature 331:68), Fig. 1; with a delay of 750 ms, Kim & Sejnowski 2021 (Nat. Neurosci.
    24:129).
    """

    name = "delayed-match"
    n_outputs = 1
    defaults = {"stim_on": 20, "stim_dur": 50, "delay": 150, "delay_jitter": 0, "response_delay": 10,
                "response_dur": 60, "n_stimuli": 2, "strength": 3.0, "hold": 0.5}  # fmt: skip
    descriptions = DESCRIPTIONS | {
        "n_stimuli": "how many stimuli there are, each with an input",
        "hold": "absolute target in the delay, by which the output tells the sample; 0 for none",
    }
    ranges = {**RANGES, "n_stimuli": (2, 100), "hold": (0.0, 1.0)}
    trial_types = ("match", "nonmatch")

    @property
    def T(self) -> int:
        s = self.settings
        delays = s["delay"] + s["delay_jitter"] + s["response_delay"]
        return int(s["stim_on"] + 2 * s["stim_dur"] + delays + s["response_dur"])

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        s, n = self.settings, self.settings["n_stimuli"]
        sample = rng.integers(n)
        test = sample if trial_type == "match" else (sample + rng.integers(1, n)) % n
        first = s["stim_on"], s["stim_on"] + s["stim_dur"]
        on = first[1] + self.drawn_steps("delay", rng)
        second = on, on + s["stim_dur"]
        start = second[1] + s["response_delay"]
        u = np.zeros((n, start + s["response_dur"]))
        for shown, (begin, end) in ((sample, first), (test, second)):
            u[shown, begin:end] = s["strength"]
        answer = 1 if trial_type == "match" else -1
        response = slice(start, u.shape[1])
        info = {"sample": int(sample), "test": int(test)}
        trial = answered(u, answer, response, trial_type, stimuli=[first, second], info=info)
        trial.target[first[1] : second[0]] = s["hold"] * (1 - 2 * sample / (n - 1))
        return trial


TaskFactory.register_task(DelayedMatchTask.name, DelayedMatchTask)

"""N-back: is each stimulus the same as the one n before it? (Kirchner 1958)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, RANGES, SETTLE, TimedTask, settled
from ratecore.tasks.trials import Trial


class NBackTask(TimedTask):
    """Each of `n_items` inputs is 1 while its item is shown; `n_stimuli` items follow each other.

    From stimulus `n_back` + 1 on, each is with p = 1/2 the same as the one `n_back` before it, else another item.
    Target: after such a stimulus +1 if it is the same, -1 if not, until the next one; else 0. Weight: 1, but 0 in the
    first 5 steps after each stimulus, in which the output has to change. Response windows: the steps between stimuli,
    `response_dur` each; figures mark all from the first answer to the end. Criterion: in each of them, but for its
    first 5 steps, the mean output has the target's sign and an absolute value above 0.5.
    Source: Kirchner 1958 (J. Exp. Psychol. 55:352).
    """

    name = "n-back"
    n_outputs = 1
    defaults = {"stim_on": 20, "stim_dur": 20, "response_dur": 30, "n_stimuli": 4, "n_items": 2, "n_back": 1}
    descriptions = DESCRIPTIONS | {
        "response_dur": "steps from a stimulus to the next one, and after the last one",
        "n_stimuli": "stimuli in a trial, more than n_back",
        "n_items": "how many different items there are, each with an input",
        "n_back": "how many stimuli back the compared one is",
    }
    ranges = {**RANGES, "n_stimuli": (2, 300), "n_items": (2, 100), "n_back": (1, 299)}
    trial_types = ("sequence",)

    def validate_settings(self) -> None:
        super().validate_settings()
        self.at_most("n_back", self.settings["n_stimuli"] - 1, "so that at least one stimulus has one to compare with")

    @property
    def T(self) -> int:
        s = self.settings
        return int(s["stim_on"] + s["n_stimuli"] * (s["stim_dur"] + s["response_dur"]))

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        s = self.settings
        n, back = s["n_items"], s["n_back"]
        items = rng.integers(n, size=back).tolist()
        for same in (rng.random(s["n_stimuli"] - back) < 0.5).tolist():
            before = items[-back]
            items.append(before if same else int((before + rng.integers(1, n)) % n))
        u, target, weight = np.zeros((n, self.T)), np.zeros(self.T), np.ones(self.T)
        stimuli, windows, answers = [], [], []
        for k, item in enumerate(items):
            on = s["stim_on"] + k * (s["stim_dur"] + s["response_dur"])
            end = on + s["stim_dur"]
            stimuli.append((on, end))
            u[item, on:end] = 1
            weight[end : end + SETTLE] = 0
            if k >= back:
                windows.append(slice(end, end + s["response_dur"]))
                answers.append(1 if item == items[k - back] else -1)
                target[windows[-1]] = answers[-1]
        info = {"items": items, "windows": windows, "answers": answers}
        response, condition = slice(windows[0].start, self.T), f"{answers.count(1)} same"
        return Trial(u, target, weight, condition, "-".join(map(str, items)), response, stimuli, info)

    def is_correct(self, o: Float[np.ndarray, " T"], label: Any) -> bool:
        pairs = zip(label.info["windows"], label.info["answers"], strict=True)
        return all(bool(answer * settled(o, window).mean() > self.answer_amplitude) for window, answer in pairs)


TaskFactory.register_task(NBackTask.name, NBackTask)

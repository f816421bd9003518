"""Sternberg's task: was the probe among the items of the list? (Sternberg 1966)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, DURATION, RANGES, TIME, TimedTask, answered
from ratecore.tasks.trials import Trial


class SternbergTask(TimedTask):
    """Each of `n_items` inputs is 1 while its item is shown; one more input is 1 while the probe is shown.

    A list of `load` to `load_max` different items, each load with the same probability, is shown one by one; after the
    delay one item is the probe. The trial is as long as its list needs. Target: in the response +1 if the probe was in
    the list (p = 1/2), -1 if not, else 0. Every step has weight 1. Response window: `response_dur` steps from
    `response_delay` after the probe. Criterion: the mean output in it, but for its first 5 steps, is above 0.5 (in) or
    below -0.5 (out).
    Source: Sternberg 1966 (Science 153:652).
    """

    name = "sternberg"
    n_outputs = 1
    defaults = {"stim_on": 20, "stim_dur": 20, "gap": 5, "n_items": 3, "load": 1, "load_max": 2, "delay": 20,
                "delay_jitter": 0, "response_delay": 10, "response_dur": 60, "strength": 5.0}  # fmt: skip
    descriptions = DESCRIPTIONS | {
        "stim_dur": "steps of an item, and of the probe",
        "gap": "steps between two items",
        "n_items": "how many items there are, each with an input",
        "load": "items in the shortest list",
        "load_max": "items in the longest list, fewer than n_items",
        "delay": "steps from the last item to the probe, at least",
    }
    ranges = {**RANGES, "gap": TIME, "stim_dur": DURATION, "n_items": (2, 100), "load": (1, 99), "load_max": (1, 99)}
    trial_types = ("in", "out")

    def validate_settings(self) -> None:
        super().validate_settings()
        self.at_most("load", self.settings["load_max"], "the setting load_max")
        self.at_most("load_max", self.settings["n_items"] - 1, "so that an item is left that is not in the list")

    @property
    def T(self) -> int:
        s = self.settings
        items = s["load_max"] * (s["stim_dur"] + s["gap"]) - s["gap"]
        return int(s["stim_on"] + items + s["delay"] + s["delay_jitter"] + s["stim_dur"] + s["response_delay"]
                   + s["response_dur"])  # fmt: skip

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        s = self.settings
        load = int(rng.integers(s["load"], s["load_max"] + 1))
        order = rng.permutation(s["n_items"]).tolist()
        listed, others = order[:load], order[load:]
        probe = rng.choice(listed if trial_type == "in" else others)
        every, on = s["stim_dur"] + s["gap"], s["stim_on"]
        windows = [(on + k * every, on + k * every + s["stim_dur"]) for k in range(load)]
        probe_on = windows[-1][1] + self.drawn_steps("delay", rng)
        windows.append((probe_on, probe_on + s["stim_dur"]))
        start = windows[-1][1] + s["response_delay"]
        u = np.zeros((s["n_items"] + 1, start + s["response_dur"]))
        for item, (begin, end) in zip([*listed, probe], windows, strict=True):
            u[item, begin:end] = s["strength"]
        u[-1, slice(*windows[-1])] = s["strength"]
        more: dict[str, Any] = {"stimuli": windows, "info": {"load": load}}
        answer = 1 if trial_type == "in" else -1
        return answered(u, answer, slice(start, u.shape[1]), f"{trial_type}, load {load}", **more)


TaskFactory.register_task(SternbergTask.name, SternbergTask)

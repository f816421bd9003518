"""Ready, set, go: measure the interval between two pulses and produce it (Jazayeri & Shadlen 2010)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, DURATION, RANGES, TimedTask, milliseconds
from ratecore.tasks.trials import Trial

SMOOTH = 5  # steps over which the output is averaged before its height is read


class ReadySetGoTask(TimedTask):
    """Input 0 is 1 for `pulse` steps at Ready, input 1 at Set; the interval from one to the other is drawn.

    It is one of `n_intervals` that lie evenly from `interval` to `interval_max`, each with the same probability. The
    trial is as long as its interval needs. Target: 0 until Set, then a ramp that reaches 1 (Go) after the same interval
    once more, then 1. Every step has weight 1. Response window: from Set to the end. Criterion: the produced interval
    is within `tolerance` of the measured one; it is read from the step at which the output, averaged over 5 steps,
    first reaches 0.8, four fifths of the ramp.
    Source: Jazayeri & Shadlen 2010 (Nat. Neurosci. 13:1020), Fig. 1; the ramp as in Sohn et al. 2019 (Neuron 103:934).
    """

    name = "ready-set-go"
    n_inputs, n_outputs = 2, 1
    defaults = {"stim_on": 20, "pulse": 10, "interval": 40, "interval_max": 80, "n_intervals": 3, "hold": 20,
                "tolerance": 0.25, "strength": 3.0}  # fmt: skip
    descriptions = DESCRIPTIONS | {
        "stim_on": "steps before Ready",
        "pulse": "steps of Ready and of Set",
        "interval": "steps from the start of Ready to that of Set, shortest",
        "interval_max": "the same, longest",
        "n_intervals": "how many intervals there are from the shortest to the longest",
        "hold": "steps of the trial after Go",
        "tolerance": "error of the produced interval that is still correct, as a share of the interval",
    }
    ranges = {**RANGES, "pulse": DURATION, "interval": (5, 10_000), "interval_max": (5, 10_000),
              "n_intervals": (1, 100), "hold": DURATION, "tolerance": (0.01, 1.0)}  # fmt: skip
    trial_types = ("interval",)
    level = 0.8  # of the ramp, at which the produced interval is read

    def validate_settings(self) -> None:
        super().validate_settings()
        self.at_most("interval", self.settings["interval_max"], "the setting interval_max")
        self.at_most("pulse", self.settings["interval"], "the setting interval, so that Ready ends before Set")

    @property
    def T(self) -> int:
        s = self.settings
        return int(s["stim_on"] + 2 * s["interval_max"] + s["hold"])

    @property
    def intervals(self) -> list[int]:
        """The intervals in steps."""
        s = self.settings
        return [round(v) for v in np.linspace(s["interval"], s["interval_max"], s["n_intervals"]).tolist()]

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        s = self.settings
        interval = int(rng.choice(self.intervals))
        ready, go = s["stim_on"], s["stim_on"] + 2 * interval
        start = ready + interval
        u = np.zeros((2, go + s["hold"]))
        u[0, ready : ready + s["pulse"]] = s["strength"]
        u[1, start : start + s["pulse"]] = s["strength"]
        target = np.clip((np.arange(u.shape[1]) - start) / interval, 0, 1)
        pulses = [(ready, ready + s["pulse"]), (start, start + s["pulse"])]
        condition, response = milliseconds(interval), slice(start, u.shape[1])
        info = {"interval": interval}
        return Trial(u, target, None, condition, interval, response, pulses, info)

    def is_correct(self, o: Float[np.ndarray, " T"], label: Any) -> bool:
        smooth = np.convolve(o, np.full(SMOOTH, 1 / SMOOTH), "same")[label.response]
        reached = np.flatnonzero(smooth >= self.level)
        interval = label.info["interval"]
        error = abs(reached[0] / self.level - interval) if reached.size else np.inf
        return bool(error <= self.settings["tolerance"] * interval)


TaskFactory.register_task(ReadySetGoTask.name, ReadySetGoTask)

"""Context-dependent integration of several features (after Mante et al. 2013, who had two)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, RANGES, TimedTask, answered
from ratecore.tasks.trials import Trial


class ManteFeaturesTask(TimedTask):
    """Inputs 0 to k - 1 are noise with an offset, one for each feature; inputs k to 2k - 1 cue which of them counts.

    The signs of the offsets are independent (p = 1/2), and each of the k = `n_features` features is cued with the same
    probability, by an input that is 1 for the entire trial. Target: in the response the sign of the cued feature's
    offset, +1 or -1, else 0. Every step has weight 1. Response window: `response_dur` steps from `response_delay` after
    the stimulus. Criterion: the mean output in it, but for its first 5 steps, has that sign and an absolute value above
    0.5. Psychometric curve: against the offset of the cued feature in units of `offset`.
    Source: Mante, Sussillo, Shenoy & Newsome 2013 (Nature 503:78), Fig. 1, with more features.
    """

    name = "mante-features"
    n_outputs = 1
    defaults = {"stim_on": 20, "stim_dur": 100, "response_delay": 10, "response_dur": 60, "n_features": 3,
                "offset": 0.5, "noise": 1.0}  # fmt: skip
    descriptions = DESCRIPTIONS | {
        "n_features": "how many features there are, each with an input and a cue",
        "offset": "absolute mean of a feature's input",
    }
    ranges = {**RANGES, "n_features": (1, 100), "offset": (0.001, 100)}
    evidence_levels = (-1.0, -0.5, -0.25, -0.125, 0.125, 0.25, 0.5, 1.0)
    evidence_label = "evidence (multiple of the offset)"

    @property
    def trial_types(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on a setting
        """One for each cued feature."""
        return tuple(f"feature {k + 1}" for k in range(self.settings["n_features"]))

    @property
    def T(self) -> int:
        s = self.settings
        return int(s["stim_on"] + s["stim_dur"] + s["response_delay"] + s["response_dur"])

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        return self._draw(trial_type, rng.choice((-1.0, 1.0), size=self.settings["n_features"]), rng)

    def draw_graded_trial(self, trial_type: str, evidence: float, rng: np.random.Generator) -> Trial:
        """Draw a trial of graded evidence.

        Args:
            trial_type: the cued feature.
            evidence: offset of the cued feature, in units of the setting `offset`.
            rng: generator of the trial.

        Returns:
            The trial; its label is the sign of the evidence.

        Source:
            Mante et al. 2013, Fig. 1.
        """
        evidences = rng.choice((-1.0, 1.0), size=self.settings["n_features"])
        evidences[self.trial_types.index(trial_type)] = evidence
        return self._draw(trial_type, evidences, rng)

    def _draw(self, trial_type: str, evidences: Any, rng: np.random.Generator) -> Trial:
        s, k = self.settings, self.settings["n_features"]
        cued, on, end = self.trial_types.index(trial_type), s["stim_on"], s["stim_on"] + s["stim_dur"]
        u = np.zeros((2 * k, self.T))
        u[:k, on:end] = s["noise"] * rng.standard_normal((k, s["stim_dur"])) + (s["offset"] * evidences)[:, None]
        u[k + cued] = 1
        answer = 1 if evidences[cued] > 0 else -1
        response = slice(end + s["response_delay"], self.T)
        condition = f"{trial_type} {'+' if answer > 0 else '-'}"
        info = {f"feature {j + 1}": 1 if evidence > 0 else -1 for j, evidence in enumerate(evidences)}
        return answered(u, answer, response, condition, stimuli=[(on, end)], info={"context": trial_type, **info})


TaskFactory.register_task(ManteFeaturesTask.name, ManteFeaturesTask)

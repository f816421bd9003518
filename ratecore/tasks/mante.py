"""Context-dependent sensory integration (docs/model.md 2; Mante et al. 2013; Kim et al. 2019, Fig. 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.tasks.base import ACCURACY_AMPLITUDE, AbstractTask
from ratecore.tasks.registry import TaskFactory


class ManteTask(AbstractTask):
    """Inputs 0 (motion) and 1 (colour) are noise with an offset; inputs 2 and 3 cue which of them counts.

    The label is the sign of the cued modality's offset, +1 or -1. Trial types name the cued modality.
    """

    name = "mante"
    n_inputs, n_outputs = 4, 1
    defaults = {"T": 500, "stim_on": 50, "stim_dur": 200, "offset": 0.5}
    amplitude = ACCURACY_AMPLITUDE  # that the output must reach, of the label's sign
    trial_types = ("motion", "color")
    _labels = (1, -1, 0)  # 0: no evidence
    evidence_levels = (-1.0, -0.5, -0.25, -0.125, 0.125, 0.25, 0.5, 1.0)
    evidence_label = "evidence (multiple of the offset)"
    score_dur = 200  # the last steps, in which the output is scored
    spiking_output = "peak"  # the criterion looks at the largest and smallest output
    spiking_delay = 10  # 1300 ms into the trial (docs/model.md 5)

    def validate_settings(self) -> None:
        super().validate_settings()
        if self.settings["offset"] <= 0:
            raise ValueError(f"{self.name}: offset = {self.settings['offset']!r}; it must be above 0")

    @property
    def response_window(self) -> slice:
        return slice(max(self.T - self.score_dur, 0), self.T)

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> tuple[Float[np.ndarray, "4 {self.T}"], int]:
        return self._draw(trial_type, rng.choice((-1.0, 1.0), size=2), rng)

    def draw_graded_trial(
        self, trial_type: str, evidence: float, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "4 {self.T}"], int]:
        """Draw a trial of graded evidence, for psychometric curves.

        Args:
            trial_type: the cued modality.
            evidence: offset of the cued modality, in units of the setting `offset`.
            rng: generator of the trial.

        Returns:
            Stimulus u (4, T), unitless, and the label, the sign of the evidence.

        Source:
            docs/model.md 2; Kim et al. 2019, Fig. 3.
        """
        evidences = rng.choice((-1.0, 1.0), size=2)
        evidences[self.trial_types.index(trial_type)] = evidence
        return self._draw(trial_type, evidences, rng)

    def _draw(
        self, trial_type: str, evidences: Float[np.ndarray, " 2"], rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "4 {self.T}"], int]:
        s = self.settings
        u = np.zeros((4, self.T))
        window = slice(s["stim_on"], self.stimulus_end)
        # White noise during the stimulus only: docs/model.md 2 gives 0 outside it.
        u[:2, window] = rng.standard_normal((2, s["stim_dur"])) + (s["offset"] * evidences)[:, None]
        cued = self.trial_types.index(trial_type)
        u[2 + cued] = 1
        return u, int(np.sign(evidences[cued]))

    def condition(self, trial_type: str | None, label: Any) -> str:
        return f"{trial_type} {'+' if label > 0 else '-'}"

    def variables(self, u: Float[np.ndarray, "4 _"], condition: str, label: Any) -> dict[str, Any]:
        """The signs of motion and colour, which of them is cued, and the evidence of the cued one.

        Args:
            u: stimulus (4, T), unitless.
            condition: of the trial.
            label: of the trial.

        Returns:
            `motion` and `color`, +1 or -1: the sign of the mean input, which at the default offset is that of the
            offset in all but one of 10^12 trials; `context`, the cued modality; `evidence`, its mean input in units of
            the offset.

        Source:
            Mante et al. 2013, Fig. 1.
        """
        means = u[:2, self.settings["stim_on"] : self.stimulus_end].mean(1)
        cued = int(u[2:, 0].argmax())
        signs = {name: 1 if mean > 0 else -1 for name, mean in zip(self.trial_types, means, strict=True)}
        return {**signs, "context": self.trial_types[cued], "evidence": float(means[cued] / self.settings["offset"])}

    def generate_target(self, label: object, seed: object = None) -> Float[np.ndarray, " {self.T}"]:
        z = np.zeros(self.T)
        z[self.stimulus_end :] = self._known_label(label)
        return z

    def is_correct(self, o: Float[np.ndarray, " T"], label: object) -> bool:
        return self._answers(o[self.response_window], label)

    def is_correct_spiking(self, o: Float[np.ndarray, " T"], label: object) -> bool:
        return self._answers(o[self.spiking_window], label)

    def _answers(self, response: Float[np.ndarray, " steps"], label: object) -> bool:
        return (
            bool(response.max() > self.amplitude)
            if self._known_label(label) == 1
            else bool(response.min() < -self.amplitude)
        )


TaskFactory.register_task(ManteTask.name, ManteTask)

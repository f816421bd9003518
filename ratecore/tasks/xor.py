"""XOR: do two successive pulses have the same sign? (docs/model.md 2; Kim et al. 2019, SI)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ratecore.tasks.base import ACCURACY_AMPLITUDE, AbstractTask
from ratecore.tasks.registry import TaskFactory


class XORTask(AbstractTask):
    """Input 0 is +-1 in the first window, input 1 in the second; label is 'same' or 'diff'."""

    name = "xor"
    n_inputs, n_outputs = 2, 1
    defaults = {"T": 300, "stim_on": 50, "stim_dur": 50, "delay": 10}
    amplitude = ACCURACY_AMPLITUDE  # that the output must reach, of the label's sign
    trial_types = ("++", "+-", "-+", "--")
    _labels = ("same", "diff")
    response_delay = 10  # steps from the end of the second stimulus to the response
    response_dur = 100  # steps for which the target is held
    spiking_output = "peak"  # the criterion looks at the largest and smallest output
    spiking_delay = 40  # 1000 ms into the trial (docs/model.md 5)

    @property
    def second_on(self) -> int:
        """First step of the second stimulus."""
        on: int = self.settings["stim_on"] + self.settings["stim_dur"] + self.settings["delay"]
        return on

    @property
    def stimulus_end(self) -> int:
        end: int = self.second_on + self.settings["stim_dur"]
        return end

    @property
    def stimulus_windows(self) -> list[tuple[int, int]]:
        return [(on, on + self.settings["stim_dur"]) for on in (self.settings["stim_on"], self.second_on)]

    @property
    def response_window(self) -> slice:
        return slice(self.stimulus_end + self.response_delay, self.T)

    def validate_settings(self) -> None:
        super().validate_settings()
        if self.response_window.start >= self.T:
            raise ValueError(
                f"{self.name}: the response starts at step {self.response_window.start}, outside a trial of "
                f"T = {self.T} steps; lengthen T or shorten stim_on, stim_dur or delay"
            )

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> tuple[Float[np.ndarray, "2 {self.T}"], str]:
        u = np.zeros((2, self.T))
        dur = self.settings["stim_dur"]
        for row, (sign, on) in enumerate(zip(trial_type, (self.settings["stim_on"], self.second_on), strict=True)):
            u[row, on : on + dur] = 1 if sign == "+" else -1
        return u, "same" if trial_type[0] == trial_type[1] else "diff"

    def variables(self, u: Float[np.ndarray, "2 _"], condition: str, label: object) -> dict[str, object]:
        first, second = (1 if sign == "+" else -1 for sign in condition)
        return {"first": first, "second": second, "label": str(label)}

    def generate_target(self, label: object, seed: object = None) -> Float[np.ndarray, " {self.T}"]:
        z = np.zeros(self.T)
        start = self.response_window.start
        z[start : start + self.response_dur] = 1 if self._known_label(label) == "same" else -1
        return z

    def is_correct(self, o: Float[np.ndarray, " T"], label: object) -> bool:
        return self._answers(o[self.response_window], label)

    def is_correct_spiking(self, o: Float[np.ndarray, " T"], label: object) -> bool:
        return self._answers(o[self.spiking_window], label)

    def _answers(self, response: Float[np.ndarray, " steps"], label: object) -> bool:
        return (
            bool(response.max() > self.amplitude)
            if self._known_label(label) == "same"
            else bool(response.min() < -self.amplitude)
        )


TaskFactory.register_task(XORTask.name, XORTask)

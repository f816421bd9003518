"""XOR: are two successive pulses of the same sign? (docs/model.md 2; Kim et al. 2019, SI)."""

from __future__ import annotations

import numpy as np

from ratecore.tasks.base import ACCURACY_AMPLITUDE, AbstractTask, TaskFactory


class XORTask(AbstractTask):
    """Input 0 is +-1 in the first window, input 1 in the second; label is 'same' or 'diff'."""

    name = "xor"
    n_inputs = 2
    defaults = {"T": 300, "stim_on": 50, "stim_dur": 50, "delay": 10}
    amplitude = ACCURACY_AMPLITUDE  # that the output must reach, of the label's sign
    trial_types = ("++", "+-", "-+", "--")
    _labels = ("same", "diff")
    response_delay = 10  # steps from the end of the second stimulus to the response
    response_dur = 100  # steps for which the target is held
    spiking_output = "peak"  # its criterion is of the largest and smallest output
    spiking_delay = 40  # 1000 ms into the trial (docs/model.md 5)

    @property
    def second_on(self) -> int:
        """First step of the second stimulus."""
        return self.settings["stim_on"] + self.settings["stim_dur"] + self.settings["delay"]

    @property
    def stimulus_end(self):
        return self.second_on + self.settings["stim_dur"]

    @property
    def stimulus_windows(self):
        return [(on, on + self.settings["stim_dur"]) for on in (self.settings["stim_on"], self.second_on)]

    @property
    def response_window(self):
        return slice(self.stimulus_end + self.response_delay, self.T)

    def validate_settings(self):
        super().validate_settings()
        if self.response_window.start >= self.T:
            raise ValueError(
                f"{self.name}: the response starts at step {self.response_window.start}, outside a trial of "
                f"T = {self.T} steps; lengthen T or shorten stim_on, stim_dur or delay"
            )

    def draw_trial(self, trial_type, rng):
        u = np.zeros((2, self.T))
        dur = self.settings["stim_dur"]
        for row, (sign, on) in enumerate(zip(trial_type, (self.settings["stim_on"], self.second_on), strict=True)):
            u[row, on : on + dur] = 1 if sign == "+" else -1
        return u, "same" if trial_type[0] == trial_type[1] else "diff"

    def generate_target(self, label, seed=None):
        z = np.zeros(self.T)
        start = self.response_window.start
        z[start : start + self.response_dur] = 1 if self._known_label(label) == "same" else -1
        return z

    def is_correct(self, o, label):
        return self._answers(o[self.response_window], label)

    def is_correct_spiking(self, o, label):
        return self._answers(o[self.spiking_window], label)

    def _answers(self, response, label):
        return (
            bool(response.max() > self.amplitude)
            if self._known_label(label) == "same"
            else bool(response.min() < -self.amplitude)
        )


TaskFactory.register_task(XORTask.name, XORTask)

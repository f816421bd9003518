"""Go-NoGo: respond to a pulse, stay silent without one (docs/model.md 2; Kim et al. 2019, Fig. 1)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ratecore.tasks.base import ACCURACY_AMPLITUDE, AbstractTask
from ratecore.tasks.registry import TaskFactory


class GoNogoTask(AbstractTask):
    """Input 0 is 1 during the stimulus of Go trials (p = 1/2) and 0 in NoGo trials; label 1 is Go, 0 is NoGo."""

    name = "go-nogo"
    n_inputs, n_outputs = 1, 1
    defaults = {"T": 200, "stim_on": 50, "stim_dur": 25}
    amplitude, quiet = ACCURACY_AMPLITUDE, 0.3  # of the output in Go trials at least, in NoGo trials at most
    trial_types = ("go", "nogo")
    _labels = (1, 0)
    min_trials = 1500
    spiking_output = "peak"  # the criterion looks at the largest and smallest output
    spiking_delay = 25  # 500 ms into the trial (docs/model.md 5)

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> tuple[Float[np.ndarray, "1 {self.T}"], int]:
        u = np.zeros((1, self.T))
        if trial_type == "go":
            u[0, self.settings["stim_on"] : self.stimulus_end] = 1
        return u, 1 if trial_type == "go" else 0

    def generate_target(self, label: object, seed: object = None) -> Float[np.ndarray, " {self.T}"]:
        z = np.zeros(self.T)
        if self._known_label(label) == 1:
            z[self.stimulus_end :] = 1
        return z

    def is_correct(self, o: Float[np.ndarray, " T"], label: object) -> bool:
        response = o[self.response_window]
        return (
            bool(response.max() > self.amplitude)
            if self._known_label(label) == 1
            else bool(np.abs(response).max() < self.quiet)
        )

    def is_correct_spiking(self, o: Float[np.ndarray, " T"], label: object) -> bool:
        largest = o[self.spiking_window].max()  # not of |o|: below 0 a spiking network only fluctuates
        return bool(largest > self.amplitude) if self._known_label(label) == 1 else bool(largest < self.quiet)


TaskFactory.register_task(GoNogoTask.name, GoNogoTask)

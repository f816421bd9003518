"""Oddballs: one tone in each trial; respond to the odd one, which comes with probability p_odd."""

import numpy as np

from ratecore import AbstractTask, TaskFactory


class OddballsTask(AbstractTask):
    """Input 0 is on for a standard, input 1 for an oddball; the target is 1 after an oddball, else 0."""

    name = "oddballs"
    n_inputs = 2
    defaults = {"T": 100, "stim_on": 20, "stim_dur": 20, "p_odd": 0.5}
    trial_types = ("tone",)

    def draw_trial(self, trial_type, rng):
        odd = int(rng.random() < self.settings["p_odd"])
        u = np.zeros((2, self.T))
        u[odd, self.settings["stim_on"] : self.stimulus_end] = 1
        return u, odd

    def generate_target(self, label):
        target = np.zeros(self.T)
        target[self.stimulus_end :] = label
        return target

    def condition(self, trial_type, label):
        return "oddball" if label else "standard"

    def is_correct(self, o, label):
        response = o[self.response_window]
        return bool(response.max() > 0.7) if label else bool(np.abs(response).max() < 0.3)


TaskFactory.register_task(OddballsTask.name, OddballsTask)

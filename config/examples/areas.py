"""A choice between two stimuli, remembered over a delay: sensory evidence, memory and action."""

import numpy as np

from ratecore import AbstractTask, TaskFactory


class DelayedChoice(AbstractTask):
    """Two noisy inputs; after the delay, the output is +1 if the first was stronger on average, else -1."""

    name = "delayed-choice"
    defaults = {"T": 200, "stim_on": 20, "stim_dur": 50, "delay": 30, "difference": 1.0}
    trial_types = ("first", "second")
    n_inputs = 2

    def draw_trial(self, trial_type, rng):
        s = self.settings
        label = 1 if trial_type == "first" else -1
        u = np.zeros((2, s["T"]))
        stimulus = slice(s["stim_on"], s["stim_on"] + s["stim_dur"])
        u[:, stimulus] = 0.5 + rng.standard_normal((2, s["stim_dur"])) * 0.5
        u[0, stimulus] += label * s["difference"] / 2
        u[1, stimulus] -= label * s["difference"] / 2
        return u, label

    @property
    def response_window(self):
        return slice(self.settings["stim_on"] + self.settings["stim_dur"] + self.settings["delay"], None)

    def generate_target(self, label):
        z = np.zeros(self.settings["T"])
        z[self.response_window] = label
        return z

    def is_correct(self, o, label):
        return bool((label * o[self.response_window]).max() > 0.7)


TaskFactory.register_task("delayed-choice", DelayedChoice)

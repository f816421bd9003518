"""A task outside the package: how many pulses came? One keeps the output at 0, two raise it to 1."""

import numpy as np

from ratecore.tasks import AbstractTask, TaskFactory


class CountPulses(AbstractTask):
    name = "count-pulses"
    n_inputs = 1
    defaults = {"T": 60, "pulse": 5, "gap": 10, "level": 1.0}
    trial_types = ("one", "two")

    @property
    def stimulus_end(self):
        return 2 * self.settings["pulse"] + self.settings["gap"]

    def draw_trial(self, trial_type, rng):
        pulse, gap = self.settings["pulse"], self.settings["gap"]
        u = np.zeros((1, self.T))
        u[0, :pulse] = 1
        if trial_type == "two":
            u[0, pulse + gap : self.stimulus_end] = 1
        return u, trial_type

    def generate_target(self, label):
        z = np.zeros(self.T)
        if label == "two":
            z[self.stimulus_end :] = self.settings["level"]
        return z

    def is_correct(self, o, label):
        high = o[self.response_window].max() > 0.7 * self.settings["level"]
        return bool(high) if label == "two" else not high


TaskFactory.register_task(CountPulses.name, CountPulses)

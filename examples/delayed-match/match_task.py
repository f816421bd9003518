"""Delayed match to sample: is the second stimulus the same as the first?"""

import numpy as np

import ratecore as rate
from ratecore.tasks import AbstractTask, TaskFactory


class Match(AbstractTask):
    """Two inputs, A and B; in the response the output is +1 (match) or -1 (no match)."""

    name = "match"
    n_inputs = 2
    # Durations in steps of 5 ms; each trial's delay is drawn between the two values.
    defaults = {"before": 20, "stimulus": 30, "delay_min": 50, "delay_max": 150, "wait": 10, "answer": 50, "hold": 0.5}
    trial_types = ("AA", "AB", "BA", "BB")  # sample and test

    @property
    def T(self):  # of the longest trial
        s = self.settings
        return s["before"] + 2 * s["stimulus"] + s["delay_max"] + s["wait"] + s["answer"]

    @property
    def response_window(self):  # of the longest trial, for figures
        return slice(self.T - self.settings["answer"], self.T)

    def draw_trial(self, trial_type, rng):
        s = self.settings
        sample = s["before"], s["before"] + s["stimulus"]
        test_on = sample[1] + int(rng.integers(s["delay_min"], s["delay_max"] + 1))
        test = test_on, test_on + s["stimulus"]
        answer = slice(test[1] + s["wait"], test[1] + s["wait"] + s["answer"])

        u, target, weight = np.zeros((2, answer.stop)), np.zeros(answer.stop), np.ones(answer.stop)
        u["AB".index(trial_type[0]), slice(*sample)] = 3
        u["AB".index(trial_type[1]), slice(*test)] = 3
        target[sample[1] : test[0]] = s["hold"] if trial_type[0] == "A" else -s["hold"]
        target[answer] = 1 if trial_type[0] == trial_type[1] else -1
        weight[test[0] : answer.start + 5] = 0
        return rate.Trial(u, target, weight=weight, condition=trial_type, response=answer, stimuli=[sample, test])

    def is_correct(self, o, trial):
        response = o[trial.response][5:].mean()
        return bool(response > 0.5) if trial.target[-1] > 0 else bool(response < -0.5)


TaskFactory.register_task("match", Match)

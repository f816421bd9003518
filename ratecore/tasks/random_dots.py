"""Random dots: in which direction do they move? (Newsome & Pare 1988; Roitman & Shadlen 2002)."""

from __future__ import annotations

import numpy as np

from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.timed import DESCRIPTIONS, RANGES, TimedTask, answered
from ratecore.tasks.trials import Trial


class RandomDotsTask(TimedTask):
    """Input 0 is the motion energy: `gain` times the signed coherence, with white noise, while dots are shown.

    Input 1 is 1 from the start until the response, and then 0: the fixation point. The coherence is one of three, the
    smallest `coherence` and its double and fourfold, to the right (+) or to the left (-), each with the same
    probability. Target: in the response +1 for right, -1 for left, else 0. Weight: 1, but 0 in the first 5 steps of the
    response, in which the output has to change. Response window: `response_dur` steps from the end of the fixation
    point, which comes `delay` steps after the dots. Criterion: the mean output in it, but for its first 5 steps, has
    the sign of the direction and an absolute value above 0.5. Psychometric curve: against the coherence.
    Source: Roitman & Shadlen 2002 (J. Neurosci. 22:9475), Fig. 1.
    """

    name = "random-dots"
    n_inputs, n_outputs = 2, 1
    defaults = {"stim_on": 20, "stim_dur": 100, "delay": 0, "delay_jitter": 0, "response_dur": 60,
                "coherence": 0.128, "gain": 2.0, "noise": 1.0}  # fmt: skip
    descriptions = DESCRIPTIONS | {
        "stim_dur": "steps for which dots are shown",
        "delay": "steps from the end of the dots to the response, at least",
        "coherence": "smallest share of dots that move together; the others are its double and its fourfold",
        "gain": "input at a coherence of 1, without noise",
    }
    ranges = {**RANGES, "coherence": (0.001, 0.25), "gain": (0.01, 100)}
    trial_types = ("motion",)
    evidence_levels = (-0.512, -0.256, -0.128, -0.064, 0.064, 0.128, 0.256, 0.512)
    evidence_label = "coherence"

    @property
    def T(self) -> int:
        s = self.settings
        return int(s["stim_on"] + s["stim_dur"] + s["delay"] + s["delay_jitter"] + s["response_dur"])

    def draw_trial(self, trial_type: str, rng: np.random.Generator) -> Trial:
        coherence = self.settings["coherence"] * rng.choice((1, 2, 4))
        return self.draw_graded_trial(trial_type, rng.choice((-1, 1)) * coherence, rng)

    def draw_graded_trial(self, trial_type: str, evidence: float, rng: np.random.Generator) -> Trial:
        """Draw a trial of a given coherence.

        Args:
            trial_type: 'motion'.
            evidence: signed fraction of dots that move together, positive to the right.
            rng: generator of the trial.

        Returns:
            The trial; its label is the direction, +1 or -1.

        Source:
            Roitman & Shadlen 2002, Fig. 1.
        """
        s = self.settings
        on, end = s["stim_on"], s["stim_on"] + s["stim_dur"]
        start = end + self.drawn_steps("delay", rng)
        u = np.zeros((2, start + s["response_dur"]))
        u[0, on:end] = s["gain"] * evidence + s["noise"] * rng.standard_normal(s["stim_dur"])
        u[1, :start] = 1
        answer = 1 if evidence > 0 else -1
        condition = f"{'right' if evidence > 0 else 'left'} {abs(100 * evidence):.1f} %"
        more = {"stimuli": [(on, end)], "info": {"coherence": evidence}}
        return answered(u, answer, slice(start, u.shape[1]), condition, grace=True, **more)


TaskFactory.register_task(RandomDotsTask.name, RandomDotsTask)

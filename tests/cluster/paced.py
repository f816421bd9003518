"""A task whose trials take long while a file is there, so that a training lasts until the test lets it end.

`pace-<number>` beside this file slows the trials with that number. It changes no trial: without it, the same network is
trained within seconds.
"""

import time
from pathlib import Path

from ratecore.tasks import TaskFactory
from ratecore.tasks.go_nogo import GoNogoTask


class PacedGoNogo(GoNogoTask):
    name = "paced-go-nogo"
    defaults = {**GoNogoTask.defaults, "number": 0}

    def draw_trial(self, trial_type, rng):
        if Path(__file__).with_name(f"pace-{self.settings['number']}").exists():
            time.sleep(0.1)
        return super().draw_trial(trial_type, rng)


TaskFactory.register_task(PacedGoNogo.name, PacedGoNogo)

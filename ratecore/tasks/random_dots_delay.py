"""Random dots with a delay: hold the direction until the fixation point goes (Shadlen & Newsome 2001)."""

from __future__ import annotations

from ratecore.tasks.random_dots import RandomDotsTask
from ratecore.tasks.registry import TaskFactory


class DelayedRandomDotsTask(RandomDotsTask):
    """As `random-dots`, but the direction has to be held for a delay that differs from trial to trial.

    The fixation point (input 1) goes `delay` steps after the dots, and up to `delay_jitter` steps later, all equally
    probable. Inputs, target, weight, response window and criterion are those of `random-dots`.
    Source: Shadlen & Newsome 2001 (J. Neurophysiol. 86:1916): dots, a delay of 0.5 to 1.5 s, a saccade.
    """

    name = "random-dots-delay"
    defaults = RandomDotsTask.defaults | {"delay": 20, "delay_jitter": 80}


TaskFactory.register_task(DelayedRandomDotsTask.name, DelayedRandomDotsTask)

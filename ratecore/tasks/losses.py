"""Which losses a task can be trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from ratecore.settings.base import shown
from ratecore.tasks import trials
from ratecore.tasks.trials import Trial
from ratecore.tasks.values import TaskError, where
from ratecore.tasks.whole_trials import checked_trial

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

DRAWN = 8  # trials of each type whose targets are looked at
EXACT = 1e-6  # by which the sum of probabilities may differ from 1

_checked: WeakKeyDictionary[type, set[str]] = WeakKeyDictionary()  # class: settings with which it passed


def why_not(task: AbstractTask, loss_fn: str) -> str:
    """Say why networks cannot be trained on a task with a loss.

    Args:
        task: the task.
        loss_fn: name of the loss.

    Returns:
        The reason, after "training.loss_fn = ...: "; empty when they can.
    """
    if loss_fn == "cross_entropy" and task.n_outputs < 2:
        return f"it compares several outputs, and task '{task.name}' has 1; use l2, l1, mse or huber"
    if loss_fn == "task" and not callable(getattr(task, "loss", None)):
        return (
            f"task '{task.name}' has no loss of its own; add to {type(task).__name__}: def loss(self, o, z, weight), "
            "which returns the loss of each trial (B,) from outputs, targets and weights (B, T-1), or (B, n_out, T-1)"
        )
    return ""


def check_probabilities(task: AbstractTask) -> None:
    """Check that targets are probabilities over the outputs, for the loss `cross_entropy`.

    Args:
        task: has several outputs, and no other fault.

    Raises:
        TaskError: names the trial type and the first step with a weight in the loss at which they are not.

    Source:
        docs/model.md 3.1, equation 6.
    """
    checked, key = _checked.setdefault(type(task), set()), repr(sorted(task.settings.items(), key=str))
    if key in checked:
        return
    for number, kind in enumerate(task.trial_types):
        for k in range(DRAWN):
            drawn = trials.draw_stimulus(task, kind, np.random.Generator(np.random.SFC64([number, k])))
            if isinstance(drawn, Trial):
                trial, method = checked_trial(task, kind, drawn), trials.drawing_method(task)
                z, weight = trial.target, np.ones(trial.T) if trial.weight is None else trial.weight.mean(0)
            else:
                z, method = np.asarray(trials.target_of(task, drawn[1], kind), float), "generate_target"
                weight = np.ones(z.shape[1])
            wrong = (z < 0).any(0) | (np.abs(z.sum(0) - 1) > EXACT)
            wrong &= weight > 0
            if (steps := np.flatnonzero(wrong[:-1])).size:  # the last step is not compared
                step = steps[0]
                raise TaskError(
                    f"training.loss_fn = 'cross_entropy': {where(task, method, kind)} returned the target "
                    f"{shown([round(float(v), 6) for v in z[:, step]])} at step {step}; it must be a probability "
                    "for each output, at least 0 and with the sum 1, at every step with a weight above 0 in the loss"
                )
    checked.add(key)

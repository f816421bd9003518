"""Which losses a task can be trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask


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

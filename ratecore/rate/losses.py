"""The losses of docs/model.md 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.settings.base import did_you_mean
from ratecore.settings.training import LOSS_FUNCTIONS
from ratecore.system.arrays import real_tensor
from ratecore.tasks.losses import why_not
from ratecore.tasks.values import FAULTS, TaskError, describe, describe_error

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork
    from ratecore.tasks import AbstractTask


def loss_op(
    o: Float[torch.Tensor, "*B T-1"] | Iterable[Any],
    z: Float[torch.Tensor, "*B _"] | ArrayLike,
    training_params: Mapping[str, Any] | None,
    weight: Float[torch.Tensor, "*B _"] | ArrayLike | None = None,
    n_out: int | None = None,
) -> Float[torch.Tensor, ""]:
    """Compute the loss of a trial, or the mean over a batch: o[t] against z[t-1], t = 1 .. T-1, as the original code.

    The output of the first step, o[0], and the last step of the target, z[T-1], are compared with nothing. Both may be
    there or not.

    Args:
        o: outputs of all T steps, as `ratecore.run` returns them, (T,) or (B, T), or of several outputs (n_out, T) or
            (B, n_out, T); or without the first step, as `net.forward` and `eval_rnn` return them: T - 1 steps in the
            same shapes, or a sequence of T - 1 entries, of n_out numbers each. Unitless.
        z: target (T,) or (B, T), or of several outputs (n_out, T) or (B, n_out, T), unitless. Where `o` is a sequence
            of entries, or what torch.cat or torch.stack make of it, the last step may be missing.
        training_params: `loss_fn`, 'l2' (default), 'l1', 'mse', 'huber' or 'cross_entropy', in any case.
        weight: weights in the loss, in the shape of z, unitless; all 1 when None.
        n_out: number of outputs; when None 1, or with a sequence as many as z has rows.

    Returns:
        scalar tensor, unitless.

    Raises:
        ValueError: unknown loss, a target that holds NaN or is not real, or lengths that do not belong together.

    Source:
        docs/model.md 3.
    """
    z = real_tensor("z", z, torch.float64)
    without_first = not isinstance(o, torch.Tensor | np.ndarray)
    if isinstance(o, np.ndarray) and o.shape[:-1] == z.shape[:-1]:
        o = real_tensor("o", o)
    if not isinstance(o, torch.Tensor):
        n_out = (len(z) if z.ndim == 2 else 1) if n_out is None else n_out
        o = _stacked(o, n_out)
    n_out, z = n_out or 1, z.to(device=o.device, dtype=o.dtype)
    if n_out == 1 and o.ndim > 1 and z.ndim == 1 and o.numel() == len(o):
        o, without_first = o.reshape(-1), True  # one trial, as torch.cat or torch.stack make it of the entries
    if z.ndim != o.ndim or z.shape[:-1] != o.shape[:-1] or z.shape[-1] - o.shape[-1] not in (0, 1):
        raise ValueError(
            f"o has shape {tuple(o.shape)} and z {tuple(z.shape)}; z must have as many steps as o or one step more"
        )
    if n_out > 1 and (o.ndim < 2 or o.shape[-2] != n_out):
        raise ValueError(
            f"o has shape {tuple(o.shape)}; with n_out = {n_out} it must be (n_out, T-1) or (B, n_out, T-1)"
        )
    if weight is not None:
        weight = real_tensor("weight", weight, o.dtype).to(device=o.device, dtype=o.dtype)
        if weight.shape != z.shape or bool((weight < 0).any()):
            raise ValueError(
                f"weight has shape {tuple(weight.shape)}; it must be that of z, {tuple(z.shape)}, and >= 0"
            )
    if z.shape[-1] == o.shape[-1] and not without_first:
        o = o[..., 1:]
    elif z.shape[-1] == o.shape[-1]:  # the last step of the target is missing
        z = torch.cat([z, z[..., -1:]], -1)
        weight = None if weight is None else torch.cat([weight, weight[..., -1:]], -1)
    return trial_losses(o, z, (training_params or {}).get("loss_fn", "l2"), weight, n_out).mean()


def _stacked(o: Iterable[Any], n_out: int) -> torch.Tensor:
    """The outputs of a trial as (T-1,), or (n_out, T-1), from one entry a step."""
    try:
        o = list(o)
    except TypeError:
        raise ValueError(f"o is a {type(o).__name__}; it must be a trial's outputs, one number a step") from None
    if not o:
        raise ValueError("o is empty; it must be a trial's outputs, one number a step")
    entries: list[Any] = [v if isinstance(v, list | tuple) else torch.as_tensor(v) for v in o]
    one_each = "one number a step" if n_out == 1 else f"{n_out} numbers a step, as many as z has rows"
    if any(isinstance(v, list | tuple) or v.numel() != n_out for v in entries):
        raise ValueError(
            f"o must be a trial's outputs, {one_each}: of the values that net.forward returns it is the fourth, "
            "loss_op(outputs[3], z, training_params)"
        )
    if n_out == 1:
        return torch.stack([v.reshape(()) for v in entries])
    return torch.stack([v.reshape(-1) for v in entries], -1)


class TaskLoss:
    """The loss that a task defines itself, `training.loss_fn: task`.

    It is computed by torch and differentiated by autograd, which is several times slower than the compiled losses.

    Args:
        task: has a method `loss(self, o, z, weight)`: outputs, targets and weights as tensors (B, T-1), or
            (B, n_out, T-1) of several outputs, of the steps that are compared; weights are 0 in the steps that only
            fill up a shorter trial. It returns the loss of each trial (B,).

    Raises:
        ValueError: the task has no such method.
    """

    def __init__(self, task: AbstractTask) -> None:
        if reason := why_not(task, "task"):
            raise ValueError(f"training.loss_fn = 'task': {reason}")
        self.task = task

    def __call__(
        self,
        o: Float[torch.Tensor, "*B T-1"],
        z: Float[torch.Tensor, "*B T-1"],
        weight: Float[torch.Tensor, "*B T-1"] | None,
        n_out: int,
    ) -> Float[torch.Tensor, "*B"]:
        """Compute the loss of each trial.

        Args:
            o: outputs (B, T-1), or (B, n_out, T-1), with any leading dimensions; unitless.
            z: targets in the same shape, unitless.
            weight: weights in the same shape, unitless; all 1 when None.
            n_out: number of outputs.

        Returns:
            (B,), with the same leading dimensions, unitless.

        Raises:
            TaskError: the method raised an exception or returned anything but a tensor (B,) that depends on o.

        Source:
            docs/model.md 3.1.
        """
        shape = o.shape[:-1] if n_out == 1 else o.shape[:-2]
        weight = torch.ones_like(z) if weight is None else weight
        flat = (v.reshape(-1, *v.shape[len(shape) :]) for v in (o, z, weight))
        call = f"task '{self.task.name}': loss(o, z, weight)"
        try:
            losses = self.task.loss(*flat)  # type: ignore[attr-defined]  # a method that few tasks have
        except FAULTS as error:
            raise TaskError(f"{call} raised {describe_error(error)}") from error
        B = shape.numel()
        if not isinstance(losses, torch.Tensor):
            raise TaskError(
                f"{call} returned {describe(losses)}; it must be a tensor of {B} losses, one for each trial"
            )
        if losses.shape != (B,) or not losses.is_floating_point():
            given = f"a tensor of shape {tuple(losses.shape)} and {losses.dtype}"
            raise TaskError(f"{call} returned {given} for {B} trials; it must be their losses, of shape ({B},)")
        if o.requires_grad and not losses.requires_grad:
            raise TaskError(
                f"{call} returned losses without a gradient; they must be computed from o by torch alone, without "
                "detach, item or numpy"
            )
        return losses.reshape(shape)

    def check(self, net: RateNetwork) -> None:
        """Call the method on two trials of random outputs, before any work.

        Args:
            net: gives the number of outputs, dtype and device.

        Raises:
            TaskError: as when it is called, or a loss or gradient that is not finite.
        """
        shape = (2, self.task.T - 1) if net.n_out == 1 else (2, net.n_out, self.task.T - 1)
        rng = np.random.Generator(np.random.SFC64(0))
        o, z = (torch.as_tensor(rng.random(shape), dtype=net.w.dtype, device=net.w.device) for _ in range(2))
        if net.n_out > 1:
            z = z / z.sum(1, keepdim=True)  # may be read as probabilities
        o.requires_grad_()
        with torch.enable_grad():
            losses = self(o, z, None, net.n_out)
            (slope,) = torch.autograd.grad(losses.sum(), o, allow_unused=True)
        call = f"task '{self.task.name}': loss(o, z, weight)"
        if slope is None:
            raise TaskError(f"{call} returned losses that do not depend on o; they must be computed from o")
        if not (bool(torch.isfinite(losses).all()) and bool(torch.isfinite(slope).all())):
            raise TaskError(
                f"{call} gives NaN or infinity, or such a gradient, for outputs and targets between 0 and 1"
            )


def loss_for(task: AbstractTask, loss_fn: str) -> str | TaskLoss:
    """What `trial_losses` takes as `loss_fn`.

    Args:
        task: of the trials.
        loss_fn: name of the loss, as in the settings.

    Returns:
        The name, or the task's own loss for 'task'.

    Raises:
        ValueError: the task has no loss of its own.
    """
    return TaskLoss(task) if loss_fn == "task" else loss_fn


def chosen_loss(loss_fn: str, n_out: int, own: TaskLoss | None = None) -> str | TaskLoss:
    """What an update minimises, checked before any work.

    Args:
        loss_fn: name of the loss, as in the settings.
        n_out: number of outputs of the network.
        own: the task's loss, for 'task'.

    Returns:
        The name in lower case, or the task's loss.

    Raises:
        ValueError: unknown loss, one that a single output cannot have, or 'task' without the task's loss.
    """
    if loss_fn != "task":
        return _loss_name(loss_fn, n_out)
    if own is None:
        raise ValueError("loss_fn = 'task' needs the task's loss, which only torch's updates can take")
    return own


def trial_losses(
    o: Float[torch.Tensor, "*B T-1"],
    z: Float[torch.Tensor, "*B T"],
    loss_fn: str | TaskLoss,
    weight: Float[torch.Tensor, "*B T"] | None = None,
    n_out: int = 1,
) -> Float[torch.Tensor, "*B"]:
    """Compute the loss of each trial.

    Args:
        o: outputs of the steps after the first (B, T-1), or (B, n_out, T-1), with any leading dimensions; unitless.
        z: targets (B, T), or (B, n_out, T), unitless; the last step is not compared.
        loss_fn: 'l2', 'l1', 'mse', 'huber' or 'cross_entropy', in any case, or a task's own loss.
        weight: of each step in the loss, in the shape of `z`, unitless; all 1 when None.
        n_out: number of outputs; `cross_entropy` needs two.

    Returns:
        (B,), unitless.

    Raises:
        ValueError: unknown loss, or one that a single output cannot have.
        TaskError: the task's own loss has a fault.

    Source:
        docs/model.md 3.1, equation 6.
    """
    z = z[..., :-1]
    weight = None if weight is None else weight[..., :-1]
    if isinstance(loss_fn, TaskLoss):
        return loss_fn(o, z, weight, n_out)
    name = _loss_name(loss_fn, n_out)
    of_trial = -1 if n_out == 1 else (-2, -1)
    if name == "cross_entropy":
        of_step = torch.logsumexp(o, -2) * z.sum(-2) - (z * o).sum(-2)
        return _mean(of_step, None if weight is None else weight.mean(-2), -1)
    error = o - z
    if name in ("mse", "huber"):
        return _mean(error.square() if name == "mse" else _huber(error), weight, of_trial)
    sizes = error.abs() if name == "l1" else error.square()
    total = (sizes if weight is None else weight * sizes).sum(of_trial)
    if name == "l1":
        return total
    # Without any error the root has no slope; its gradient is taken as 0.
    return torch.where(total > 0, torch.where(total > 0, total, 1).sqrt(), total)


def _loss_name(loss_fn: str, n_out: int) -> str:
    """The name of a built-in loss in lower case."""
    name = str(loss_fn).lower()
    if name not in LOSS_FUNCTIONS or name == "task":
        allowed = [known for known in LOSS_FUNCTIONS if known != "task"]
        raise ValueError(f"unknown loss_fn '{loss_fn}'{did_you_mean(name, allowed)}; allowed: {', '.join(allowed)}")
    if name == "cross_entropy" and n_out < 2:
        raise ValueError("loss_fn = 'cross_entropy' compares several outputs; the network has 1")
    return name


def _huber(error: torch.Tensor) -> torch.Tensor:
    """e^2 / 2 up to an error of 1, and |e| - 1/2 above."""
    inner = error.clamp(-1, 1)
    return inner * (error - inner / 2)


def _mean(values: torch.Tensor, weight: torch.Tensor | None, dims: int | tuple[int, ...]) -> torch.Tensor:
    """The weighted mean over some dimensions; 0 where all weights are."""
    if weight is None:
        return values.mean(dims)
    of_weights = weight.sum(dims)
    return (weight * values).sum(dims) / torch.where(of_weights > 0, of_weights, 1)

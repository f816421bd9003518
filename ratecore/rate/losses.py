"""The losses of docs/model.md 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.settings.base import did_you_mean
from ratecore.settings.training import LOSS_FUNCTIONS
from ratecore.system.arrays import real_tensor


def loss_op(
    o: Float[torch.Tensor, "*B T-1"] | Iterable[Any],
    z: Float[torch.Tensor, "*B _"] | ArrayLike,
    training_params: Mapping[str, Any] | None,
) -> Float[torch.Tensor, ""]:
    """Compute the loss of a trial, or the mean over a batch: o[t] against z[t-1], t = 1 .. T-1, as the original code.

    Args:
        o: T - 1 outputs, a sequence or (T-1,); or (B, T-1); unitless.
        z: target (T,) or (B, T); or without its last step, which has no output, (T-1,) or (B, T-1); unitless.
        training_params: `loss_fn`, 'l2' (default) or 'l1', in any case.

    Returns:
        scalar tensor, unitless.

    Raises:
        ValueError: unknown loss, a target that holds NaN or is not real, or lengths that do not belong together.

    Source:
        docs/model.md 3.
    """
    if not isinstance(o, torch.Tensor):
        o = _stacked(o)
    z = real_tensor("z", z, o.dtype).to(device=o.device, dtype=o.dtype)
    if o.ndim > 1 and z.ndim == 1 and o.numel() == len(o):
        o = o.reshape(-1)  # one trial, as torch.cat or torch.stack make it of the entries
    if z.ndim != o.ndim or z.shape[:-1] != o.shape[:-1] or z.shape[-1] - o.shape[-1] not in (0, 1):
        raise ValueError(
            f"o has shape {tuple(o.shape)} and z {tuple(z.shape)}; z must have as many steps as o or one step more"
        )
    if z.shape[-1] == o.shape[-1]:
        z = torch.cat([z, z[..., -1:]], -1)  # the last step of a target is compared with nothing
    return trial_losses(o, z, (training_params or {}).get("loss_fn", "l2")).mean()


def _stacked(o: Iterable[Any]) -> torch.Tensor:
    """The outputs of a trial as (T-1,), from one entry a step."""
    try:
        o = list(o)
    except TypeError:
        raise ValueError(f"o is a {type(o).__name__}; it must be a trial's outputs, one number a step") from None
    if not o:
        raise ValueError("o is empty; it must be a trial's outputs, one number a step")
    entries: list[Any] = [v if isinstance(v, list | tuple) else torch.as_tensor(v) for v in o]
    if any(isinstance(v, list | tuple) or v.numel() != 1 for v in entries):
        raise ValueError(
            "o must be a trial's outputs, one number a step: of the values that net.forward returns it is the fourth, "
            "loss_op(outputs[3], z, training_params)"
        )
    return torch.stack([v.reshape(()) for v in entries])


def trial_losses(
    o: Float[torch.Tensor, "*B T-1"],
    z: Float[torch.Tensor, "*B T"],
    loss_fn: str,
    weight: Float[torch.Tensor, "*B T"] | None = None,
    n_out: int = 1,
) -> Float[torch.Tensor, "*B"]:
    """Compute the loss of each trial.

    Args:
        o: outputs of the steps after the first (B, T-1), with any leading dimensions; unitless.
        z: targets (B, T), unitless; the last step is not compared.
        loss_fn: 'l2' or 'l1', in any case.

    Returns:
        (B,), unitless.

    Raises:
        ValueError: unknown loss.

    Source:
        docs/model.md 3.
    """
    name = str(loss_fn).lower()
    if name not in LOSS_FUNCTIONS:
        hint, allowed = did_you_mean(name, LOSS_FUNCTIONS), ", ".join(LOSS_FUNCTIONS)
        raise ValueError(f"unknown loss_fn '{loss_fn}'{hint}; allowed: {allowed}")
    error = o - z[..., :-1]
    if name == "l1":
        return error.abs().sum(-1)
    squares = error.square().sum(-1)
    # Without any error the root has no slope; its gradient is taken as 0.
    return torch.where(squares > 0, torch.where(squares > 0, squares, 1).sqrt(), squares)

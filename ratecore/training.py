"""Loss, stopping rule and the training loop (SPEC 3)."""

from __future__ import annotations

import torch

from ratecore.config import LOSS_FUNCTIONS


def loss_op(o, z, training_params):
    """Loss of a trial, or the mean over a batch: o[t] for t = 1 .. T-1 against z[t-1], as in the original code.

    Args:
        o: T - 1 outputs, a sequence or (T-1,); or (B, T-1).
        z: target (T,) or (B, T).
        training_params: `loss_fn`, 'l2' (default) or 'l1', in any case.

    Returns:
        scalar tensor.

    Raises:
        ValueError: unknown loss, or lengths that do not belong together.
    """
    name = str((training_params or {}).get("loss_fn", "l2")).lower()
    if name not in LOSS_FUNCTIONS:
        raise ValueError(f"unknown loss_fn '{name}'; allowed: {', '.join(LOSS_FUNCTIONS)}")
    if not isinstance(o, torch.Tensor):
        o = torch.stack([torch.as_tensor(v).reshape(()) for v in o])
    z = torch.as_tensor(z, dtype=o.dtype, device=o.device)
    if z.shape[:-1] != o.shape[:-1] or z.shape[-1] != o.shape[-1] + 1:
        raise ValueError(f"o has shape {tuple(o.shape)} and z {tuple(z.shape)}; z must have one step more than o")
    error = o - z[..., :-1]
    loss = error.square().sum(-1).sqrt() if name == "l2" else error.abs().sum(-1)
    return loss.mean()

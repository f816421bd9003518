"""The readout of firing rates, which both engines share."""

from __future__ import annotations

import torch
from jaxtyping import Float


def readout(
    r: Float[torch.Tensor, "*K B T N"], w_out: Float[torch.Tensor, "*K n_out N"], b_out: Float[torch.Tensor, "*K n_out"]
) -> Float[torch.Tensor, "*shape T"]:
    """Compute the outputs from the firing rates. For K networks, all arrays have a leading dimension K.

    Args:
        r: rates (B, T, N), unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.

    Returns:
        o (B, T), or (B, n_out, T) of several outputs, unitless.

    Source:
        docs/model.md 1.1, equation 3.
    """
    if w_out.shape[-2] > 1:
        return w_out.unsqueeze(-3) @ r.mT + b_out.unsqueeze(-2).unsqueeze(-1)
    if w_out.ndim == 2:
        return r @ w_out[0] + b_out
    return (r @ w_out[:, None].mT)[..., 0] + b_out[..., None]

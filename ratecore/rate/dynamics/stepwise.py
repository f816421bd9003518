"""The engine of torch: one step at a time, of one network or of many stacked ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float

from ratecore.rate.dynamics.readouts import readout
from ratecore.rate.parameters import activation_function

# x, r, outside, keep, W_t -> x, r of the next step; see `stacked_step`
Step = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]
]
# x, r and o
Activity = tuple[Float[torch.Tensor, "*K B T N"], Float[torch.Tensor, "*K B T N"], Float[torch.Tensor, "*shape T-1"]]


def outputs_of_all_steps(
    r: Float[torch.Tensor, "*K B T N"],
    o: Float[torch.Tensor, "*shape T-1"],
    w_out: Float[torch.Tensor, "*K n_out N"],
    b_out: Float[torch.Tensor, "*K n_out"],
) -> Float[torch.Tensor, "*shape T"]:
    """Prepend the output of the first state, which is not part of the loss, to the outputs of trials.

    For K networks, all arrays have a leading dimension K.

    Args:
        r: rates (B, T, N), unitless.
        o: outputs (B, T-1), or (B, n_out, T-1), of the steps after the first, unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.

    Returns:
        (B, T), or (B, n_out, T), unitless.

    Source:
        docs/model.md 1.1, equation 3.
    """
    return torch.cat([readout(r[..., :1, :], w_out, b_out), o], -1)


def stacked_step(activation: str) -> Step:
    """Make a function for one step of K stacked networks that `torch.compile` accepts.

    Args:
        activation: name of phi.

    Returns:
        step(x, r, outside, keep, W_t), which returns x and r of the next step. x, r and outside have shape (K, B, N),
        keep = 1 - alpha (K, 1, N), and W_t (K, N, N), the transposed effective weights times alpha of the receiving
        unit; all unitless.

    Source:
        docs/model.md 1.1, equations 1 and 2.
    """
    phi = activation_function(activation)

    def step(
        x: torch.Tensor, r: torch.Tensor, outside: torch.Tensor, keep: torch.Tensor, W_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.baddbmm(torch.addcmul(outside, keep, x), r, W_t)
        return x, phi(x)

    return step


def torch_engine(
    W: Float[torch.Tensor, "*K N N"],
    drive: Float[torch.Tensor, "*K B T-1 N"],
    alpha: Float[torch.Tensor, "*K N"],
    activation: str,
    x0: Float[torch.Tensor, "*K B N"],
    noise: Float[torch.Tensor, "*K B T-1 N"],
    w_out: Float[torch.Tensor, "*K n_out N"],
    b_out: Float[torch.Tensor, "*K n_out"],
    step: Step | None = None,
) -> Activity:
    """Simulate trials of one network, or of K networks in one batched program, step by step in torch.

    For K networks, all arrays have a leading dimension K, such as W (K, N, N).

    Args:
        W: effective weights (N, N), unitless.
        drive: W_in u of u[0] .. u[T-2], (B, T-1, N), unitless.
        alpha: step divided by decay time (N,), a fraction.
        activation: name of phi.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.
        step: `stacked_step(activation)`, compiled or not; used for K networks only.

    Returns:
        x and r (B, T, N), o (B, T-1), or (B, n_out, T-1) of several outputs; unitless.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    phi, stacked = activation_function(activation), W.ndim == 3
    step = step or stacked_step(activation)
    if stacked:
        alpha = alpha[:, None]
        # With alpha in the weights, a step is one fused product and sum, and phi: few calls, which limit a GPU's speed.
        W_t = (alpha.mT * W).mT
    else:
        W_t = W.T
    xs, rs, keep = [x0], [phi(x0)], 1 - alpha
    # All but the recurrent part, so that each step is one matrix product and one sum. Split in one call: slicing at
    # each step would make a gradient of full length per step.
    for outside in (alpha.unsqueeze(-2) * drive + noise).unbind(-2):
        if stacked:
            next_x, next_r = step(xs[-1], rs[-1], outside, keep, W_t)
        else:
            next_x = keep * xs[-1] + alpha * (rs[-1] @ W_t) + outside
            next_r = phi(next_x)
        xs.append(next_x)
        rs.append(next_r)
    x, r = torch.stack(xs, -2), torch.stack(rs, -2)
    return x, r, readout(r[..., 1:, :], w_out, b_out)

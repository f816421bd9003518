"""The fused CPU engine as a torch `autograd.Function`: the results of the torch engine without its overhead."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float

from ratecore.rate.dynamics import kernels
from ratecore.rate.dynamics.readouts import readout
from ratecore.system.arrays import tensor_of


def _units(
    alpha: Float[torch.Tensor, " N"],
    w_out: Float[torch.Tensor, "n_out N"],
    b_out: Float[torch.Tensor, " n_out"],
    code: int,
) -> kernels.Units:
    """The parameters as arrays for the loops."""
    of_alpha, of_w_out, of_b_out = (v.detach().contiguous().numpy() for v in (alpha, w_out, b_out))
    return kernels.Units(of_alpha, of_w_out, of_b_out, code)


class _Trials(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        W: torch.Tensor,
        drive: torch.Tensor,
        alpha: torch.Tensor,
        code: int,
        x0: torch.Tensor,
        noise: torch.Tensor,
        w_out: torch.Tensor,
        b_out: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        B, steps, N = drive.shape
        x, r = (drive.new_empty(B, steps + 1, N) for _ in range(2))
        h = torch.empty_like(drive)
        x[:, 0] = x0
        arrays = [v.detach().contiguous().numpy() for v in (W.T, drive, noise, x, r, h)]
        W_t, drive_, noise_, x_, r_, h_ = arrays
        units = _units(alpha, w_out, b_out, code)
        for b in range(B):
            kernels.forward(W_t, units, drive_[b], noise_[b], kernels.States(x_[b], r_[b], h_[b]))
        ctx.save_for_backward(W, alpha, x, r, h, w_out, b_out)
        ctx.code = code
        ctx.set_materialize_grads(False)
        return x, r, readout(r[:, 1:], w_out, b_out)

    @staticmethod
    def backward(ctx: Any, gx: Any, gr: Any, go: Any) -> tuple[torch.Tensor | None, ...]:
        W, alpha, x, r, h, w_out, b_out = ctx.saved_tensors
        B, T, N = x.shape
        with_states = gx is not None or gr is not None
        none = x.new_zeros(B, 0, 0)
        if with_states:
            gx, gr = (torch.zeros_like(x) if g is None else g for g in (gx, gr))
        else:
            gx = gr = none
        n_out = len(w_out)
        go = x.new_zeros(B, n_out, T - 1) if go is None else go.reshape(B, n_out, T - 1)
        a, g_alpha, g_x0 = torch.empty_like(h), x.new_zeros(N), x.new_empty(B, N)
        arrays = (W, x, r, h, go, gx, gr, a, g_alpha, g_x0)
        W_, x_, r_, h_, go_, gx_, gr_, a_, ga_, g0_ = (v.contiguous().numpy() for v in arrays)
        units = _units(alpha, w_out, b_out, ctx.code)
        zero = x_.dtype.type(0)
        free = kernels.RateSlopes(zero, zero, 0)  # their gradient is part of gr
        for b in range(B):
            states, slopes = kernels.States(x_[b], r_[b], h_[b]), kernels.Slopes(go_[b], gx_[b], gr_[b], free)
            kernels.backward(W_, units, states, slopes, a_[b], ga_, g0_[b])
        need = ctx.needs_input_grad
        g_W = a.reshape(-1, N).T @ r[:, :-1].reshape(-1, N) if need[0] else None
        g_noise = a / alpha if need[5] else None
        of_outputs = go.transpose(0, 1).reshape(n_out, -1)
        g_w_out = of_outputs @ r[:, 1:].reshape(-1, N) if need[6] else None
        return g_W, a if need[1] else None, g_alpha, None, g_x0, g_noise, g_w_out, of_outputs.sum(1)


def fused_engine(
    W: Float[torch.Tensor, "N N"],
    drive: Float[torch.Tensor, "B T-1 N"],
    alpha: Float[torch.Tensor, " N"],
    activation: str,
    x0: Float[torch.Tensor, "B N"],
    noise: Float[torch.Tensor, "B T-1 N"],
    w_out: Float[torch.Tensor, "n_out N"],
    b_out: Float[torch.Tensor, " n_out"],
) -> tuple[Float[torch.Tensor, "B T N"], Float[torch.Tensor, "B T N"], Float[torch.Tensor, "B *out T-1"]]:
    """Simulate trials in compiled loops, as `torch_engine` for one network, on the CPU only.

    NaN and infinity in the arguments are not checked.

    Args:
        W: effective weights (N, N), unitless.
        drive: W_in u of u[0] .. u[T-2], (B, T-1, N), unitless.
        alpha: step divided by decay time (N,), a fraction.
        activation: name of phi.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.

    Returns:
        x and r (B, T, N), o (B, T-1), or (B, n_out, T-1) of several outputs; unitless.

    Raises:
        ValueError: an array has the wrong shape; names the array.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    N, (B, steps, _) = len(W), drive.shape
    shapes: dict[str, tuple[int, ...]] = {
        "W": (N, N),
        "drive": (B, steps, N),
        "alpha": (N,),
        "x0": (B, N),
        "noise": (B, steps, N),
        "w_out": (len(w_out), N),
        "b_out": (len(w_out),),
    }
    given = zip(shapes.items(), (W, drive, alpha, x0, noise, w_out, b_out), strict=True)
    W, drive, alpha, x0, noise, w_out, b_out = (
        tensor_of(name, value, shape, W.dtype, W.device, finite=False) for (name, shape), value in given
    )
    code = kernels.CODES[activation]
    # torch has no types for `apply`.
    results = _Trials.apply(W, drive, alpha, code, x0, noise, w_out, b_out)  # type: ignore[no-untyped-call]
    return cast(tuple[torch.Tensor, torch.Tensor, torch.Tensor], results)

"""The fused CPU engine behind a torch `autograd.Function`: the numbers of the torch engine, without its overhead."""

from __future__ import annotations

import torch

from ratecore.rate.dynamics import kernels
from ratecore.system.arrays import tensor_of


def _units(alpha, w_out, b_out, code: int) -> kernels.Units:
    """What loops read of alpha (N,), w_out (1, N) and b_out (1,)."""
    return kernels.Units(*(v.detach().contiguous().numpy() for v in (alpha, w_out[0], b_out)), code)


class _Trials(torch.autograd.Function):
    @staticmethod
    def forward(ctx, W, drive, alpha, code, x0, noise, w_out, b_out):
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
        return x, r, r[:, 1:] @ w_out[0] + b_out

    @staticmethod
    def backward(ctx, gx, gr, go):
        W, alpha, x, r, h, w_out, b_out = ctx.saved_tensors
        B, T, N = x.shape
        with_states = gx is not None or gr is not None
        none = x.new_zeros(B, 0, 0)
        if with_states:
            gx, gr = (torch.zeros_like(x) if g is None else g for g in (gx, gr))
        else:
            gx = gr = none
        go = x.new_zeros(B, T - 1) if go is None else go
        a, g_alpha, g_x0 = torch.empty_like(h), x.new_zeros(N), x.new_empty(B, N)
        arrays = (W, x, r, h, go, gx, gr, a, g_alpha, g_x0)
        W_, x_, r_, h_, go_, gx_, gr_, a_, ga_, g0_ = (v.contiguous().numpy() for v in arrays)
        units = _units(alpha, w_out, b_out, ctx.code)
        for b in range(B):
            states, slopes = kernels.States(x_[b], r_[b], h_[b]), kernels.Slopes(go_[b], gx_[b], gr_[b])
            kernels.backward(W_, units, states, slopes, a_[b], ga_, g0_[b])
        need = ctx.needs_input_grad
        g_W = a.reshape(-1, N).T @ r[:, :-1].reshape(-1, N) if need[0] else None
        g_noise = a / alpha if need[5] else None
        g_w_out = (go.reshape(1, -1) @ r[:, 1:].reshape(-1, N)) if need[6] else None
        return g_W, a if need[1] else None, g_alpha, None, g_x0, g_noise, g_w_out, go.sum().reshape(1)


def fused_engine(W, drive, alpha, activation, x0, noise, w_out, b_out):
    """The equations of docs/model.md 1 in compiled loops; arguments and results as `torch_engine`, on the CPU only.

    Raises:
        ValueError: names the array whose shape does not fit; NaN and infinity are not looked for.
    """
    N, (B, steps, _) = len(W), drive.shape
    shapes = {"W": (N, N), "drive": (B, steps, N), "alpha": (N,), "x0": (B, N), "noise": (B, steps, N),
              "w_out": (1, N), "b_out": (1,)}  # fmt: skip
    given = zip(shapes.items(), (W, drive, alpha, x0, noise, w_out, b_out), strict=True)
    W, drive, alpha, x0, noise, w_out, b_out = (
        tensor_of(name, value, shape, W.dtype, W.device, finite=False) for (name, shape), value in given
    )
    return _Trials.apply(W, drive, alpha, kernels.CODES[activation], x0, noise, w_out, b_out)

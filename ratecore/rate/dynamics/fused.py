"""The fused CPU engine as a torch `autograd.Function`: the results of the torch engine without its overhead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch.autograd.function import once_differentiable

from ratecore.rate.dynamics import kernels
from ratecore.rate.dynamics.readouts import readout
from ratecore.rate.network import RateNetwork
from ratecore.rate.parameters import connection_signs, effective_weights, time_constants
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
        a, g_alpha, g_x0, of_outputs = _backward(W, alpha, ctx.code, x, r, h, w_out, b_out, (gx, gr, go))
        need, N = ctx.needs_input_grad, len(alpha)
        g_W = a.reshape(-1, N).T @ r[:, :-1].reshape(-1, N) if need[0] else None
        g_noise = a / alpha if need[5] else None
        g_w_out = of_outputs @ r[:, 1:].reshape(-1, N) if need[6] else None
        return g_W, a if need[1] else None, g_alpha, None, g_x0, g_noise, g_w_out, of_outputs.sum(1)


class _Network(torch.autograd.Function):
    """Trials of a network that are simulated already, with gradients for its parameters."""

    @staticmethod
    def forward(
        ctx: Any,
        w: torch.Tensor,
        taus_gaus: torch.Tensor,
        w_out: torch.Tensor,
        b_out: torch.Tensor,
        signs: tuple[torch.Tensor, torch.Tensor],
        settings: tuple[bool, Sequence[float], int],
        simulated: tuple[torch.Tensor, ...],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        o, x, r, h = simulated
        ctx.save_for_backward(w, taus_gaus, w_out, b_out, *signs, x, r, h)
        ctx.settings = settings
        ctx.set_materialize_grads(False)
        return x, r, o

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gx: Any, gr: Any, go: Any) -> tuple[torch.Tensor | None, ...]:
        w, taus_gaus, w_out, b_out, m, som_m, x, r, h = ctx.saved_tensors
        dale, taus, code = ctx.settings
        signs, tau, N = connection_signs(m, som_m), time_constants(taus_gaus[:, 0], taus), len(w)
        W, alpha = effective_weights(w, signs, dale), 1 / tau
        at_start = None
        if go is not None and go.shape[-1] == x.shape[1]:  # the first output follows from the first state alone
            at_start, go = go[..., 0].reshape(len(x), -1), go[..., 1:]
        a, g_alpha, _, of_outputs = _backward(W, alpha, code, x, r, h, w_out, b_out, (gx, gr, go))
        need, g_w, g_taus_gaus = ctx.needs_input_grad, None, None
        if need[0]:
            g_w = (a.reshape(-1, N).T @ r[:, :-1].reshape(-1, N)) * signs
            g_w = torch.where(w > 0, g_w, 0) if dale else g_w
        if need[1] and len(taus) == 2:
            share = torch.sigmoid(taus_gaus[:, 0])
            g_taus_gaus = (-g_alpha * alpha * alpha * (taus[1] - taus[0]) * ((1 - share) * share))[:, None]
        g_w_out, g_b_out = of_outputs @ r[:, 1:].reshape(-1, N), of_outputs.sum(1)
        if at_start is not None:
            g_w_out, g_b_out = g_w_out + at_start.T @ r[:, 0], g_b_out + at_start.sum(0)
        return g_w, g_taus_gaus, g_w_out, g_b_out, None, None, None


def with_gradients(
    net: RateNetwork, simulated: tuple[torch.Tensor, ...], activation: str
) -> tuple[Float[torch.Tensor, "B T N"], Float[torch.Tensor, "B T N"], Float[torch.Tensor, "B *out _"]]:
    """Make simulated trials part of the graph of the network's parameters.

    Args:
        net: the network.
        simulated: o (B, T-1) or (B, T), x and r (B, T, N) and h (B, T-1, N), as from `alone.simulated`, unitless.
        activation: name of phi.

    Returns:
        x and r (B, T, N), o in the given shape; unitless.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    settings = net.apply_dale, net.settings.taus, kernels.CODES[activation]
    # torch has no types for `apply`.
    results = _Network.apply(  # type: ignore[no-untyped-call]
        net.w, net.taus_gaus, net.w_out, net.b_out, (net.m, net.som_m), settings, simulated
    )
    return cast(tuple[torch.Tensor, torch.Tensor, torch.Tensor], results)


def _backward(
    W: torch.Tensor,
    alpha: torch.Tensor,
    code: int,
    x: torch.Tensor,
    r: torch.Tensor,
    h: torch.Tensor,
    w_out: torch.Tensor,
    b_out: torch.Tensor,
    slopes_of: tuple[Any, Any, Any],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """a (B, T-1, N), gradients of alpha and x0, and those of o (n_out, B (T-1)), from the gradients of x, r and o."""
    gx, gr, go = slopes_of
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
    units = _units(alpha, w_out, b_out, code)
    zero = x_.dtype.type(0)
    free = kernels.RateSlopes(zero, zero, 0)  # their gradient is part of gr
    for b in range(B):
        states, slopes = kernels.States(x_[b], r_[b], h_[b]), kernels.Slopes(go_[b], gx_[b], gr_[b], free)
        kernels.backward(W_, units, states, slopes, a_[b], ga_, g0_[b])
    return a, g_alpha, g_x0, go.transpose(0, 1).reshape(n_out, -1)


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

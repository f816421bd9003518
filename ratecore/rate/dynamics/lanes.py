"""Many trials of one network side by side: compiled loops over the live connections.

Trials are adjacent in memory, as the lanes of a vector, so that each connection is read once for all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from ratecore.rate.dynamics.kernels import CLIPPED_RELU, CODES, RateSlopes, Units, add_product, apply_phi, slope_of_phi
from ratecore.rate.dynamics.live import LANES, Entries, LiveMatrix, add_live_product
from ratecore.rate.network import RateNetwork
from ratecore.system.arrays import STEPS, array_of
from ratecore.system.compilation import compiled


class Trials(NamedTuple):
    """The stimuli, first states and noise of up to LANES trials.

    Attributes:
        u: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.
    """

    u: np.ndarray
    x0: np.ndarray
    noise: np.ndarray


class Kept(NamedTuple):
    """Results of `forward` that `backward` reads.

    Attributes:
        X: x (N, T, LANES), unitless; empty, and not written, where it is not needed: only the slope of clipped_relu
            does not follow from r.
        R: r (N, T, LANES), unitless.
        A: W r + W_in u - x of every step (N, T-1, LANES), unitless; `backward` overwrites it with alpha * dL/dx[t].
    """

    X: np.ndarray
    R: np.ndarray
    A: np.ndarray


class Gradients(NamedTuple):
    """Gradients of the loss, summed over trials.

    Attributes:
        alpha: (N,), unitless.
        w_out: (n_out, N), unitless.
        b_out: (n_out,), unitless.
    """

    alpha: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray


@compiled
def forward(
    W: Entries,
    w_in: Float[np.ndarray, "N n_in"],
    units: Units,
    trials: Trials,
    o: Float[np.ndarray, "n_out T LANES"],
    keep: bool,
    kept: Kept,
) -> None:
    """Simulate all steps of up to LANES trials. Unused lanes simulate a trial of zeros.

    Args:
        W: effective weights.
        w_in: input weights (N, n_in), unitless.
        units: the other parameters of the network.
        trials: stimuli, first states and noise.
        o: (n_out, T, LANES), unitless, receives the outputs; o[:, 0] is the readout of r[0].
        keep: whether `kept` is written.
        kept: buffers; without `keep` they may be empty.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    start, index, value = W.start, W.index, W.value
    alpha, w_out, b_out, code = units.alpha, units.w_out, units.b_out, units.phi
    u, x0, noise = trials.u, trials.x0, trials.noise
    X, R, D = kept.X, kept.R, kept.A
    B, n_in, T = u.shape
    N, dtype = alpha.size, alpha.dtype
    zero = dtype.type(0)
    x, r, h = np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype), np.empty((N, LANES), dtype)
    x_flat, r_flat, h_flat = x.reshape(N * LANES), r.reshape(N * LANES), h.reshape(N * LANES)
    v = np.zeros(LANES, dtype)
    for b in range(B):
        for i in range(N):
            x[i, b] = x0[b, i]
    for t in range(T):
        if t > 0:
            h_flat[:] = zero
            for k in range(n_in):
                silent = True
                for b in range(B):
                    v[b] = u[b, k, t - 1]
                    silent = silent and v[b] == zero
                if not silent:
                    for i in range(N):
                        w = w_in[i, k]
                        for b in range(LANES):
                            h[i, b] += w * v[b]
            add_live_product(start, index, value, r_flat, h_flat)
            for i in range(N):
                a = alpha[i]
                for b in range(LANES):
                    d = h[i, b] - x[i, b]
                    h[i, b] = d
                    x[i, b] += a * d
            for b in range(B):
                eta = noise[b, t - 1]
                for i in range(N):
                    x[i, b] += eta[i]
            if keep:
                for i in range(N):
                    for b in range(LANES):
                        D[i, t - 1, b] = h[i, b]
        apply_phi(x_flat, code, r_flat)
        if keep:
            for i in range(N):
                for b in range(LANES):
                    R[i, t, b] = r[i, b]
            if X.size > 0:
                for i in range(N):
                    for b in range(LANES):
                        X[i, t, b] = x[i, b]
        out = o[0, t]
        out[:] = b_out[0]
        for i in range(N):
            w = w_out[0, i]
            for b in range(LANES):
                out[b] += w * r[i, b]
        for k in range(1, b_out.size):
            out = o[k, t]
            out[:] = b_out[k]
            add_product(r, w_out[k], out)


@compiled
def backward(
    W_t: Entries,
    units: Units,
    kept: Kept,
    go: Float[np.ndarray, "n_out T-1 LANES"],
    rates: RateSlopes,
    gradients: Gradients,
) -> None:
    """Propagate gradients back through all steps of up to LANES trials.

    Args:
        W_t: transposed effective weights.
        units: the other parameters of the network.
        kept: from `forward`; A receives alpha * dL/dx[t].
        go: gradient of the outputs at steps 1 .. T-1, (n_out, T-1, LANES), unitless.
        rates: slopes of penalties on rates, of the trials.
        gradients: added to.

    Source:
        docs/model.md 1.1, equations 1 to 3, differentiated.
    """
    start, index, value = W_t.start, W_t.index, W_t.value
    alpha, w_out, b_out, code = units.alpha, units.w_out, units.b_out, units.phi
    X, R, A = kept.X, kept.R, kept.A
    g_alpha, g_w_out, g_b_out = gradients.alpha, gradients.w_out, gradients.b_out
    N, T, _ = R.shape
    dtype = alpha.dtype
    one = dtype.type(1)
    g, to_r, now = np.zeros((N, LANES), dtype), np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype)
    x, r, slope = np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype), np.empty((N, LANES), dtype)
    n_out = b_out.size
    mean, square = np.zeros(LANES, dtype), np.zeros(LANES, dtype)
    of_alpha, of_w_out = np.zeros((N, LANES), dtype), np.zeros((N, LANES), dtype)
    to_r_flat, now_flat = to_r.reshape(N * LANES), now.reshape(N * LANES)
    x_flat, r_flat, slope_flat = x.reshape(N * LANES), r.reshape(N * LANES), slope.reshape(N * LANES)
    for t in range(T - 1, 0, -1):
        out = go[0, t - 1]
        for i in range(N):
            w = w_out[0, i]
            for b in range(LANES):
                r[i, b] = R[i, t, b]
                to_r[i, b] += w * out[b]
                of_w_out[i, b] += out[b] * r[i, b]
        for k in range(1, n_out):
            out = go[k, t - 1]
            for i in range(N):
                w = w_out[k, i]
                for b in range(LANES):
                    to_r[i, b] += w * out[b]
        if rates.steps.size > 0:
            for b in range(rates.steps.size):
                here = t < rates.steps[b]
                mean[b] = rates.mean[b] if here else dtype.type(0)
                square[b] = rates.square[b] if here else dtype.type(0)
            for i in range(N):
                for b in range(LANES):
                    to_r[i, b] += mean[b] + square[b] * r[i, b]
        if code == CLIPPED_RELU:
            for i in range(N):
                for b in range(LANES):
                    x[i, b] = X[i, t, b]
        slope_of_phi(x_flat, r_flat, code, slope_flat)
        for i in range(N):
            a = alpha[i]
            for b in range(LANES):
                g[i, b] = (one - a) * g[i, b] + to_r[i, b] * slope[i, b]
                of_alpha[i, b] += g[i, b] * A[i, t - 1, b]
                now[i, b] = a * g[i, b]
                A[i, t - 1, b] = now[i, b]
        to_r_flat[:] = dtype.type(0)
        if t > 1:
            add_live_product(start, index, value, now_flat, to_r_flat)
    for i in range(N):
        g_alpha[i] += of_alpha[i].sum()
        g_w_out[0, i] += of_w_out[i].sum()
        for k in range(1, n_out):  # one product over all steps: sums of several outputs do not fit the first cache
            total, out_flat, r_all = dtype.type(0), go[k].reshape((T - 1) * LANES), R[i].reshape(T * LANES)[LANES:]
            for j in range(out_flat.size):
                total += out_flat[j] * r_all[j]
            g_w_out[k, i] += total
    for k in range(n_out):
        for t in range(T - 1):
            g_b_out[k] += go[k, t].sum()


@compiled
def _one_by_one(lanes: Float[np.ndarray, "N T LANES"], trials: Float[np.ndarray, "B T N"]) -> None:
    """Copy what lanes hold side by side to trials one after the other, in blocks that stay in the first cache."""
    (N, T, _), B = lanes.shape, len(trials)
    for t in range(T):
        for first in range(0, N, LANES):
            last = min(first + LANES, N)
            for b in range(B):
                for i in range(first, last):
                    trials[b, t, i] = lanes[i, t, b]


def outputs_over(
    live: LiveMatrix,
    net: RateNetwork,
    u: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike,
) -> Float[np.ndarray, "B *out T"]:
    """Compute the outputs of trials without gradients; the states are not kept.

    NaN and infinity in the arguments are not checked.

    Args:
        live: effective weights of the network.
        net: the network, on the CPU.
        u: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.

    Returns:
        o (B, T), or (B, n_out, T) of several outputs, unitless; o[..., 0] is the readout of r[0].

    Raises:
        ValueError: an array has the wrong shape; names the array.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    _, _, o = _simulated(live, net, u, x0, noise, keep=False)
    return o


def states_over(
    live: LiveMatrix,
    net: RateNetwork,
    u: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike,
) -> tuple[Float[np.ndarray, "B T N"], Float[np.ndarray, "B T N"], Float[np.ndarray, "B *out T"]]:
    """Compute outputs and states of trials without gradients, the outputs equal to those of `outputs_over` to the bit.

    The bits of a trial do not depend on the other trials.

    Args:
        live: effective weights of the network.
        net: the network, on the CPU.
        u: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.

    Returns:
        x and r (B, T, N), and o as `outputs_over` returns it; unitless.

    Raises:
        ValueError: an array has the wrong shape; names the array.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    return _simulated(live, net, u, x0, noise, keep=True)


def _simulated(
    live: LiveMatrix, net: RateNetwork, u: object, x0: object, noise: object, keep: bool
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """x and r of the trials, both empty without `keep`, and their outputs."""
    N, n_in, n_out, dtype = len(live.start) - 1, net.w_in.shape[1], net.n_out, live.value.dtype

    def array(name: str, value: object, *shape: int | tuple[str, int]) -> NDArray[Any]:
        return array_of(name, value, shape, dtype, finite=False)

    alpha = 1 / array("tau", net.time_constants().detach(), N)
    w_in, w_out, b_out = (
        array("w_in", net.w_in.detach(), N, n_in),
        array("w_out", net.w_out.detach(), n_out, N),
        array("b_out", net.b_out.detach(), n_out),
    )
    stimuli = array("u", u, ("B", 0), n_in, STEPS)
    B, _, T = stimuli.shape
    first_x, eta = array("x0", x0, B, N), array("noise", noise, B, T - 1, N)
    o, lanes = np.empty((B, n_out, T), dtype), np.empty((n_out, T, LANES), dtype)
    shapes = ((N, T, LANES), (N, T, LANES), (N, T - 1, LANES)) if keep else ((0, 0, 0),) * 3
    kept = Kept(*(np.empty(shape, dtype) for shape in shapes))
    x, r = (np.empty((B, T, N) if keep else (0, 0, 0), dtype) for _ in range(2))
    units = Units(alpha, w_out, b_out, CODES[net.activation])
    for first in range(0, B, LANES):
        k = slice(first, min(first + LANES, B))
        trials = Trials(stimuli[k], first_x[k], eta[k])
        forward(live.parts, w_in, units, trials, lanes, keep, kept)
        o[k] = lanes.transpose(2, 0, 1)[: k.stop - first]
        if keep:
            _one_by_one(kept.X, x[k])
            _one_by_one(kept.R, r[k])
    return x, r, o[:, 0] if n_out == 1 else o

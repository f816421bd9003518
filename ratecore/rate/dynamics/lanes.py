"""Many trials of one network side by side: compiled loops over the live connections.

Trials are adjacent in memory, as the lanes of a vector, so that each connection is read once for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ratecore.rate.dynamics.kernels import CLIPPED_RELU, RateSlopes, Units, add_product, apply_phi, slope_of_phi
from ratecore.rate.dynamics.live import LANES, Entries, add_live_product
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
        X: x (N, T, LANES), unitless; written only for clipped_relu, whose slope does not follow from r.
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
def _add_input(
    w_in: Float[np.ndarray, "N n_in"], u: Float[np.ndarray, "B n_in T"], t: int, h: Float[np.ndarray, "N LANES"]
) -> None:
    """h += W_in u[t], which is skipped where all lanes are silent."""
    B, n_in, _ = u.shape
    zero = h.dtype.type(0)
    v = np.zeros(LANES, h.dtype)
    for k in range(n_in):
        silent = True
        for b in range(B):
            v[b] = u[b, k, t]
            silent = silent and v[b] == zero
        if not silent:
            for i in range(len(h)):
                w = w_in[i, k]
                for b in range(LANES):
                    h[i, b] += w * v[b]


@compiled
def _step(
    W: Entries,
    w_in: Float[np.ndarray, "N n_in"],
    alpha: Float[np.ndarray, " N"],
    trials: Trials,
    t: int,
    x: Float[np.ndarray, "N LANES"],
    r: Float[np.ndarray, "N LANES"],
    h: Float[np.ndarray, "N LANES"],
) -> None:
    """x[t] from x[t-1] and r[t-1], in place; h receives W r + W_in u - x (docs/model.md 1.1, equation 1)."""
    u, noise = trials.u, trials.noise
    (B, _, _), N = u.shape, alpha.size
    r_flat, h_flat = r.reshape(N * LANES), h.reshape(N * LANES)
    h_flat[:] = h.dtype.type(0)
    _add_input(w_in, u, t - 1, h)
    add_live_product(W.start, W.index, W.value, r_flat, h_flat)
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


@compiled
def _read_out(
    w_out: Float[np.ndarray, "n_out N"],
    b_out: Float[np.ndarray, " n_out"],
    r: Float[np.ndarray, "N LANES"],
    t: int,
    o: Float[np.ndarray, "n_out T LANES"],
) -> None:
    """o[:, t] of rates (docs/model.md 1.1, equation 3)."""
    out = o[0, t]
    out[:] = b_out[0]
    for i in range(len(r)):
        w = w_out[0, i]
        for b in range(LANES):
            out[b] += w * r[i, b]
    for k in range(1, b_out.size):
        out = o[k, t]
        out[:] = b_out[k]
        add_product(r, w_out[k], out)


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
    alpha, w_out, b_out, code = units.alpha, units.w_out, units.b_out, units.phi
    X, R, D = kept.X, kept.R, kept.A
    B, _, T = trials.u.shape
    N, dtype = alpha.size, alpha.dtype
    x, r, h = np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype), np.empty((N, LANES), dtype)
    x_flat, r_flat = x.reshape(N * LANES), r.reshape(N * LANES)
    for b in range(B):
        for i in range(N):
            x[i, b] = trials.x0[b, i]
    for t in range(T):
        if t > 0:
            _step(W, w_in, alpha, trials, t, x, r, h)
            if keep:
                for i in range(N):
                    for b in range(LANES):
                        D[i, t - 1, b] = h[i, b]
        apply_phi(x_flat, code, r_flat)
        if keep:
            for i in range(N):
                for b in range(LANES):
                    R[i, t, b] = r[i, b]
            if code == CLIPPED_RELU:
                for i in range(N):
                    for b in range(LANES):
                        X[i, t, b] = x[i, b]
        _read_out(w_out, b_out, r, t, o)


@compiled
def states_of(
    W: Entries,
    w_in: Float[np.ndarray, "N n_in"],
    units: Units,
    trials: Trials,
    o: Float[np.ndarray, "n_out T LANES"],
    xs: Float[np.ndarray, "B T N"],
    rs: Float[np.ndarray, "B T N"],
) -> None:
    """Simulate as `forward` does and keep x and r, trial by trial.

    Args:
        W: effective weights.
        w_in: input weights (N, n_in), unitless.
        units: the other parameters of the network.
        trials: stimuli, first states and noise.
        o: (n_out, T, LANES), unitless, receives the outputs.
        xs: (B, T, N), unitless, receives the synaptic currents.
        rs: (B, T, N), unitless, receives the rates.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    alpha = units.alpha
    B, _, T = trials.u.shape
    N, dtype = alpha.size, alpha.dtype
    x, r, h = np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype), np.empty((N, LANES), dtype)
    x_flat, r_flat = x.reshape(N * LANES), r.reshape(N * LANES)
    for b in range(B):
        for i in range(N):
            x[i, b] = trials.x0[b, i]
    for t in range(T):
        if t > 0:
            _step(W, w_in, alpha, trials, t, x, r, h)
        apply_phi(x_flat, units.phi, r_flat)
        for b in range(B):
            now, rates = xs[b, t], rs[b, t]
            for i in range(N):
                now[i] = x[i, b]
                rates[i] = r[i, b]
        _read_out(units.w_out, units.b_out, r, t, o)


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

"""Compiled loops of one training update: forward, loss, backward through all steps, and Adam over every parameter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ratecore.rate.dynamics import lanes
from ratecore.rate.dynamics.kernels import Slopes, States, Units, add_product, backward, forward
from ratecore.system.compilation import compiled

L2, L1 = 0, 1
LOSS_CODES = {"l2": L2, "l1": L1}


@compiled
def _gradient_of_loss(z, code, share, o, go):
    """Loss of outputs o (T-1,) against z (T,) (docs/model.md 3); go (T-1,) receives `share` times its gradient."""
    total = o.dtype.type(0)
    for t in range(o.size):
        error = o[t] - z[t]
        go[t] = error
        total += error * error if code == L2 else abs(error)
    if code == L2:
        total = np.sqrt(total)
        scale = share / total if total > 0 else o.dtype.type(0)  # without any error no direction is better
        for t in range(o.size):
            go[t] *= scale
    else:
        zero = o.dtype.type(0)
        for t in range(o.size):
            go[t] = share if go[t] > zero else -share if go[t] < zero else zero
    return total


class Objective(NamedTuple):
    """What an update minimises.

    Attributes:
        loss: code of the loss, see `LOSS_CODES`.
        share: 1 / trials of the update, unitless, in the arrays' precision.
    """

    loss: int
    share: float


class Trial(NamedTuple):
    """One trial; unitless.

    Attributes:
        u: (n_in, T).
        z: (T,).
        noise: (T-1, N).
    """

    u: np.ndarray
    z: np.ndarray
    noise: np.ndarray


class Dense(NamedTuple):
    """A network's connections as matrices; unitless.

    Attributes:
        W: effective weights (N, N).
        W_t: their transpose (N, N).
        w_in_t: transposed input weights (n_in, N).
    """

    W: np.ndarray
    W_t: np.ndarray
    w_in_t: np.ndarray


class Space(NamedTuple):
    """Room for one trial, used again by the next; unitless.

    Attributes:
        x: as in `States` (T, N); the trial starts from x[0].
        r: as in `States` (T, N).
        h: as in `States` (T-1, N).
        o: outputs (T-1,).
        go: their gradient (T-1,).
        a: alpha * dL/dx[t] (T-1, N), t = 1 .. T-1.
        nothing: (0, 0).
    """

    x: np.ndarray
    r: np.ndarray
    h: np.ndarray
    o: np.ndarray
    go: np.ndarray
    a: np.ndarray
    nothing: np.ndarray


@compiled
def _gradients_of_trial(dense, units, objective, trial, space, g):
    """Forward and backward of one trial.

    Args:
        dense: Dense.
        units: Units.
        objective: Objective.
        trial: Trial.
        space: Space with x[0] given.
        g: Gradients, which are added to; of W it is the sum over steps of a[t] r[t-1]^T, for BLAS to make.

    Returns:
        the loss of the trial, unitless.

    Source:
        docs/model.md 1 and 3.
    """
    u, x, o, go, a = trial.u, space.x, space.o, space.go, space.a
    w_out, b_out, w_in_t = units.w_out, units.b_out, dense.w_in_t
    T, N = x.shape
    zero = x.dtype.type(0)
    states = States(x, space.r, space.h)
    r, h = states.r, states.h
    for t in range(T - 1):
        drive = h[t]
        drive[:] = zero
        for k in range(u.shape[0]):
            v, w = u[k, t], w_in_t[k]
            if v != zero:
                for i in range(N):
                    drive[i] += w[i] * v
    forward(dense.W_t, units, h, trial.noise, states)
    for t in range(T - 1):
        total, now = b_out[0], r[t + 1]
        for i in range(N):
            total += w_out[i] * now[i]
        o[t] = total
    value = _gradient_of_loss(trial.z, objective.loss, objective.share, o, go)
    for t in range(T - 1):
        g.b_out[0] += go[t]
    add_product(r[1:], go, g.w_out)
    g_x0 = np.empty(N, x.dtype)
    backward(dense.W, units, states, Slopes(go, space.nothing, space.nothing), a, g.alpha, g_x0)
    return value


@compiled
def trial_gradients(W, W_t, w_in_t, alpha, w_out, b_out, phi, loss, share, u, z, noise, x, r, h, o, go, a, nothing,
                    g_alpha, g_w_out, g_b_out):  # fmt: skip
    """Forward and backward of one trial, as `_gradients_of_trial`; returns its loss, unitless.

    The fields of Dense, Units, Objective, Trial, Space and Gradients one by one: a tuple costs Python a microsecond at
    each call, which shows in small networks.
    """
    return _gradients_of_trial(
        Dense(W, W_t, w_in_t), Units(alpha, w_out, b_out, phi), Objective(loss, share), Trial(u, z, noise),
        Space(x, r, h, o, go, a, nothing), lanes.Gradients(g_alpha, g_w_out, g_b_out),
    )  # fmt: skip


_forward_side_by_side, _backward_side_by_side = lanes.forward, lanes.backward  # globals that numba can call


@compiled
def gradients_side_by_side(W, W_t, w_in, units, objective, trials, z, o, go, kept, g):
    """Forward and backward of up to `lanes.LANES` trials.

    Args:
        W: Entries of the effective weights.
        W_t: Entries of their transpose.
        w_in: (N, n_in), unitless.
        units: Units.
        objective: Objective.
        trials: Trials.
        z: targets (B, T), unitless.
        o: (T, LANES), unitless, receives the outputs.
        go: (T-1, LANES), unitless, receives their gradient.
        kept: Kept, written.
        g: Gradients, which are added to.

    Returns:
        the sum of the trials' losses, unitless.

    Source:
        docs/model.md 1 and 3.
    """
    B, _, T = trials.u.shape
    _forward_side_by_side(W, w_in, units, trials, o, True, kept)
    total = o.dtype.type(0)
    one, slope = np.empty(T - 1, o.dtype), np.empty(T - 1, o.dtype)
    go[:] = o.dtype.type(0)
    for b in range(B):
        one[:] = o[1:, b]
        total += _gradient_of_loss(z[b], objective.loss, objective.share, one, slope)
        go[:, b] = slope
    _backward_side_by_side(W_t, units, kept, go, g)
    return total


@compiled
def _or_zero(moment):
    """The moment, or 0 once it is too small to move anything.

    The first moment of a connection that has died shrinks by a tenth at each update until, some 800 updates later, it
    leaves the range of normal numbers, where arithmetic is a hundred times slower. Beside eps = 1e-8 it is nothing.
    """
    return moment if abs(moment) > type(moment)(1e-30) else type(moment)(0)


class AdamConstants(NamedTuple):
    """The numbers of one update, in the parameters' precision; unitless.

    Attributes:
        rate: learning rate / (1 - beta1^k) at step k, unitless.
        root: sqrt(1 - beta2^k), unitless.
        beta1: decay of the first moment, as in `ratecore.rate.adam`.
        beta2: decay of the second moment.
        eps: added to the root of the second moment.
    """

    rate: float
    root: float
    beta1: float
    beta2: float
    eps: float


@compiled
def _adam_step(p, g, m, v, c):
    """The parameter, first and second moment after a step with gradient g; all numbers."""
    one = type(p)(1)
    m = _or_zero(c.beta1 * m + (one - c.beta1) * g)
    v = _or_zero(c.beta2 * v + (one - c.beta2) * g * g)
    return p - c.rate * m / (np.sqrt(v) / c.root + c.eps), m, v


@compiled
def adam(p, g, m, v, rate, root, beta1, beta2, eps):
    """One step of Adam.

    Args:
        p: parameters (n,), unitless, changed in place.
        g: gradient (n,), unitless.
        m: first moments (n,), unitless, changed in place.
        v: second moments (n,), unitless, changed in place.
        rate, root, beta1, beta2, eps: fields of AdamConstants; one by one they cost Python less.

    Source:
        Kingma & Ba 2015, Algorithm 1.
    """
    constants = AdamConstants(rate, root, beta1, beta2, eps)
    for i in range(p.size):
        p[i], m[i], v[i] = _adam_step(p[i], g[i], m[i], v[i], constants)


@compiled
def adam_of_weights(w, g_W, scale, dale, m, v, rate, root, beta1, beta2, eps, W):
    """Adam on the recurrent weights, in one pass from the gradient of W to the new w and W.

    Args:
        w: (N, N), unitless, changed in place.
        g_W: gradient of W (N, N), unitless.
        scale: (N, N) or (1, N), of `ratecore.rate.parameters.connection_signs`; unitless.
        dale: whether Dale's law holds.
        m: first moments (N, N), unitless, changed in place.
        v: second moments (N, N), unitless, changed in place.
        rate, root, beta1, beta2, eps: fields of AdamConstants; one by one they cost Python less.
        W: (N, N), unitless, receives the effective weights.

    Source:
        docs/model.md 1; Kingma & Ba 2015, Algorithm 1.
    """
    N = w.shape[0]
    zero, constants = w.dtype.type(0), AdamConstants(rate, root, beta1, beta2, eps)
    for i in range(N):
        factor = scale[i if scale.shape[0] > 1 else 0]
        wi, gi, mi, vi, Wi = w[i], g_W[i], m[i], v[i], W[i]
        for j in range(N):
            g = gi[j] * factor[j]
            if dale:
                g = g if wi[j] > zero else zero
            wi[j], mi[j], vi[j] = _adam_step(wi[j], g, mi[j], vi[j], constants)
            Wi[j] = (max(wi[j], zero) if dale else wi[j]) * factor[j]

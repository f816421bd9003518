"""Compiled loops of one training update: forward, loss, backward through all steps, and Adam over every parameter."""

from __future__ import annotations

import numpy as np

from ratecore.rate.dynamics import lanes
from ratecore.rate.dynamics.kernels import add_product, backward, forward
from ratecore.system.compilation import compiled

L2, L1 = 0, 1
LOSS_CODES = {"l2": L2, "l1": L1}


@compiled
def _gradient_of_loss(z, code, share, o, go):
    """Loss of one trial's outputs o (T-1,) against z (T,) (model.md 3); go (T-1,) gets `share` times its gradient."""
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


@compiled
def trial_gradients(W, W_t, w_in_t, alpha, w_out, b_out, phi, loss, share, u, z, noise, x, r, h, o, go, a,
                    g_alpha, g_w_out, g_b_out, nothing):  # fmt: skip
    """Forward and backward of one trial. Returns its loss.

    W, W_t (N, N): effective weights and their transpose.   w_in_t (n_in, N), alpha, w_out (N,), b_out (1,).
    share: 1 / trials of the update.   u (n_in, T), z (T,), noise (T-1, N).   x, r (T, N), x[0] given; h, a (T-1, N);
    o, go (T-1,).   a receives alpha * dL/dx[t]; g_alpha, g_w_out (N,), g_b_out (1,) are added to.   nothing: (0, 0).
    """
    T, N = x.shape
    zero = x.dtype.type(0)
    for t in range(T - 1):
        drive = h[t]
        drive[:] = zero
        for k in range(u.shape[0]):
            v, w = u[k, t], w_in_t[k]
            if v != zero:
                for i in range(N):
                    drive[i] += w[i] * v
    forward(W_t, h, noise, alpha, phi, x, r, h)
    for t in range(T - 1):
        total, now = b_out[0], r[t + 1]
        for i in range(N):
            total += w_out[i] * now[i]
        o[t] = total
    value = _gradient_of_loss(z, loss, share, o, go)
    for t in range(T - 1):
        g_b_out[0] += go[t]
    add_product(r[1:], go, g_w_out)
    g_x0 = np.empty(N, x.dtype)
    backward(W, alpha, phi, x, r, h, w_out, go, nothing, nothing, False, a, g_alpha, g_x0)
    return value


_forward_side_by_side, _backward_side_by_side = lanes.forward, lanes.backward  # globals that numba can call


@compiled
def gradients_side_by_side(start, index, value, start_t, index_t, value_t, w_in, alpha, w_out, b_out, phi, loss, share,
                           u, z, x0, noise, o, go, X, R, A, g_alpha, g_w_out, g_b_out):  # fmt: skip
    """Forward and backward of up to `lanes.LANES` trials. Returns the sum of their losses.

    start, index, value: entries of W, and of its transpose.   u (B, n_in, T), z (B, T), x0 (B, N), noise (B, T-1, N).
    share: 1 / trials of the update.   o (T, LANES), go (T-1, LANES), X, R, A: see `lanes.forward` and `backward`.
    """
    B, _, T = u.shape
    _forward_side_by_side(start, index, value, w_in, alpha, w_out, b_out, phi, u, x0, noise, o, True, X, R, A)
    total = o.dtype.type(0)
    one, g = np.empty(T - 1, o.dtype), np.empty(T - 1, o.dtype)
    go[:] = o.dtype.type(0)
    for b in range(B):
        one[:] = o[1:, b]
        total += _gradient_of_loss(z[b], loss, share, one, g)
        go[:, b] = g
    _backward_side_by_side(start_t, index_t, value_t, alpha, w_out, phi, X, R, A, go, g_alpha, g_w_out, g_b_out)
    return total


@compiled
def _or_zero(moment):
    """The moment, or 0 once it is too small to move anything.

    The first moment of a connection that has died shrinks by a tenth at each update until, some 800 updates later, it
    leaves the range of normal numbers, where arithmetic is a hundred times slower. Beside eps = 1e-8 it is nothing.
    """
    return moment if abs(moment) > type(moment)(1e-30) else type(moment)(0)


@compiled
def adam(p, g, m, v, rate, root_correction, beta1, beta2, eps):
    """One step of Adam on p (n,) with gradient g (n,), as torch's; m, v (n,) are its moments (Kingma & Ba 2015).

    rate: learning rate / (1 - beta1^k).   root_correction: sqrt(1 - beta2^k), at step k.
    """
    one = p.dtype.type(1)
    for i in range(p.size):
        m[i] = _or_zero(beta1 * m[i] + (one - beta1) * g[i])
        v[i] = _or_zero(beta2 * v[i] + (one - beta2) * g[i] * g[i])
        p[i] -= rate * m[i] / (np.sqrt(v[i]) / root_correction + eps)


@compiled
def adam_of_weights(w, g_W, scale, dale, m, v, rate, root_correction, beta1, beta2, eps, W):
    """Adam on w (N, N) in one pass that goes from the gradient g_W of W to w, and writes the new W.

    scale (N, N) or (1, N): W = relu(w) * scale with Dale's law, w * scale without.
    """
    N = w.shape[0]
    zero, one = w.dtype.type(0), w.dtype.type(1)
    for i in range(N):
        factor = scale[i if scale.shape[0] > 1 else 0]
        wi, gi, mi, vi, Wi = w[i], g_W[i], m[i], v[i], W[i]
        for j in range(N):
            g = gi[j] * factor[j]
            if dale:
                g = g if wi[j] > zero else zero
            mi[j] = _or_zero(beta1 * mi[j] + (one - beta1) * g)
            vi[j] = _or_zero(beta2 * vi[j] + (one - beta2) * g * g)
            wi[j] -= rate * mi[j] / (np.sqrt(vi[j]) / root_correction + eps)
            Wi[j] = (max(wi[j], zero) if dale else wi[j]) * factor[j]

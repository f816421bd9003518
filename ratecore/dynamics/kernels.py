"""Compiled loops of the fused CPU engine: all T steps of a trial in one call, one thread, weights in cache.

Numba compiles them once a machine and caches them on disk. `fastmath` lets sums be vectorised; NaN and infinity keep
their meaning, so that a diverged network is seen and not hidden.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

SIGMOID, CLIPPED_RELU, SOFTPLUS = 0, 1, 2
CODES = {"sigmoid": SIGMOID, "clipped_relu": CLIPPED_RELU, "softplus": SOFTPLUS}
FAST = {"reassoc", "contract", "arcp", "nsz"}
_options = {"cache": True, "nogil": True, "fastmath": FAST, "error_model": "numpy", "boundscheck": False}


@njit(**_options)
def _exp_float32(x, bits, out):
    """exp of x (n,) into out (n,), float32, relative error below 2e-7: 2^k e^f, |f| <= ln(2)/2, f by Taylor to f^7.

    Written as plain arithmetic, since a call of libm's exp keeps the loop from being vectorised.
    """
    for i in range(x.size):
        v = min(max(x[i], np.float32(-87.0)), np.float32(88.0))
        k = np.float32(np.int32(v * np.float32(1.44269504) + np.float32(128.5)) - np.int32(128))
        f = (v - k * np.float32(0.693359375)) + k * np.float32(2.12194440e-4)
        p = np.float32(1 / 5040)
        p = p * f + np.float32(1 / 720)
        p = p * f + np.float32(1 / 120)
        p = p * f + np.float32(1 / 24)
        p = p * f + np.float32(1 / 6)
        p = p * f + np.float32(0.5)
        p = p * f + np.float32(1.0)
        out[i] = p * f + np.float32(1.0)
        bits[i] = (np.int32(k) + np.int32(127)) << np.int32(23)
    scale = bits.view(np.float32)
    for i in range(x.size):
        out[i] *= scale[i]


@njit(**_options)
def _phi(x, code, bits, work, r):
    """r = phi(x), (n,) each; SPEC 1."""
    if code == CLIPPED_RELU:
        for i in range(x.size):
            r[i] = min(max(x[i], x.dtype.type(0)), x.dtype.type(20))
        return
    one = x.dtype.type(1)
    if x.itemsize == 4:
        for i in range(x.size):
            work[i] = -abs(x[i])
        _exp_float32(work, bits, work)
    else:
        for i in range(x.size):
            work[i] = math.exp(-abs(x[i]))
    if code == SIGMOID:
        # 1 / (1 + e^-x), written so that the exponent is never positive
        for i in range(x.size):
            q = one / (one + work[i])
            r[i] = q if x[i] >= 0 else work[i] * q
    else:
        for i in range(x.size):
            r[i] = min(max(x[i], x.dtype.type(0)) + math.log1p(work[i]), x.dtype.type(20))


@njit(**_options)
def _slope(x, r, code):
    """phi'(x), with the slope at the corners of the clipped functions that torch gives them."""
    one, zero = r * 0 + 1, r * 0
    if code == SIGMOID:
        return r * (one - r)
    if code == CLIPPED_RELU:
        return one if 0 <= x <= 20 else zero
    return one - math.exp(-r) if r < 20 else zero


@njit(**_options)
def forward(W, drive, noise, alpha, code, x, r, h):
    """All steps of one trial (SPEC 1).

    W (N, N); drive, noise (T-1, N); alpha (N,); x, r (T, N) with x[0] given; h (T-1, N) receives W r + W_in u.
    """
    N = W.shape[0]
    work, bits = np.empty(N, x.dtype), np.empty(N, np.int32)
    _phi(x[0], code, bits, work, r[0])
    for t in range(1, x.shape[0]):
        before = r[t - 1]
        for i in range(N):
            row = W[i]
            total = drive[t - 1, i]
            for j in range(N):
                total += row[j] * before[j]
            h[t - 1, i] = total
        for i in range(N):
            x[t, i] = (1 - alpha[i]) * x[t - 1, i] + alpha[i] * h[t - 1, i] + noise[t - 1, i]
        _phi(x[t], code, bits, work, r[t])


@njit(**_options)
def backward(W_t, alpha, code, x, r, h, w_out, go, gx, gr, with_states, a, g_alpha, g_x0):
    """Back through all steps of one trial.

    W_t (N, N): transposed W.   go (T-1,): gradient of o.   gx, gr (T, N): gradients of x and r, read if `with_states`.
    a (T-1, N) receives alpha * dL/dx[t], t = 1 .. T-1; g_alpha (N,) is added to; g_x0 (N,) receives dL/dx[0].
    """
    T, N = x.shape
    g = np.zeros(N, x.dtype)  # dL/dx[t+1]
    back = np.zeros(N, x.dtype)  # W^T (alpha * dL/dx[t+1])
    for t in range(T - 1, -1, -1):
        for i in range(N):
            to_r = back[i]
            if t > 0:
                to_r += w_out[i] * go[t - 1]
            to_x = x.dtype.type(0)
            if with_states:
                to_r += gr[t, i]
                to_x = gx[t, i]
            keep = 1 - alpha[i]
            g[i] = to_x + keep * g[i] * (t < T - 1) + _slope(x[t, i], r[t, i], code) * to_r
        if t == 0:
            break
        for i in range(N):
            a[t - 1, i] = alpha[i] * g[i]
            g_alpha[i] += g[i] * (h[t - 1, i] - x[t - 1, i])
        now = a[t - 1]
        for i in range(N):
            row = W_t[i]
            total = x.dtype.type(0)
            for j in range(N):
                total += row[j] * now[j]
            back[i] = total
    g_x0[:] = g

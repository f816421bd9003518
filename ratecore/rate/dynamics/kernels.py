"""Compiled loops of the fused CPU engine: all T steps of a trial in one call, one thread, weights in cache.

Numba compiles them once a machine and caches them on disk. Every number keeps the arrays' precision: a Python literal
in a loop would make float32 arithmetic float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ratecore.system.compilation import compiled
from ratecore.system.scalar import exp_of_negative, log1p_of_fraction

SIGMOID, CLIPPED_RELU, SOFTPLUS = 0, 1, 2
CODES = {"sigmoid": SIGMOID, "clipped_relu": CLIPPED_RELU, "softplus": SOFTPLUS}


class Units(NamedTuple):
    """What a network is to the loops besides its connections.

    Attributes:
        alpha: step over decay time (N,), a fraction.
        w_out: readout weights (N,), unitless.
        b_out: readout bias (1,), unitless.
        phi: code of the activation, see `CODES`.
    """

    alpha: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray
    phi: int


class States(NamedTuple):
    """A trial under way; unitless.

    Attributes:
        x: (T, N).
        r: phi(x), (T, N).
        h: W r + W_in u, (T-1, N), of the steps before the last.
    """

    x: np.ndarray
    r: np.ndarray
    h: np.ndarray


class Slopes(NamedTuple):
    """Gradients that come from a trial's results; unitless.

    Attributes:
        o: of the outputs, (T-1,).
        x: of x, (T, N); (0, 0) when it has no other gradient than through the outputs.
        r: of r, as `x`.
    """

    o: np.ndarray
    x: np.ndarray
    r: np.ndarray


@compiled
def apply_phi(x, code, r):
    """r = phi(x), (n,) each; docs/model.md 1."""
    zero, one, twenty = x.dtype.type(0), x.dtype.type(1), x.dtype.type(20)
    if code == SIGMOID:
        # 1 / (1 + e^-x), written so that the exponent is never positive
        for i in range(x.size):
            e = exp_of_negative(-abs(x[i]))
            q = one / (one + e)
            r[i] = q if x[i] >= zero else e * q
    elif code == CLIPPED_RELU:
        for i in range(x.size):
            r[i] = min(max(x[i], zero), twenty)
    else:
        for i in range(x.size):
            r[i] = min(max(x[i], zero) + log1p_of_fraction(exp_of_negative(-abs(x[i]))), twenty)


@compiled
def slope_of_phi(x, r, code, s):
    """s = phi'(x), (n,) each; at the corners of the clipped functions the slope that torch gives them."""
    zero, one, twenty = x.dtype.type(0), x.dtype.type(1), x.dtype.type(20)
    if code == SIGMOID:
        for i in range(x.size):
            s[i] = r[i] * (one - r[i])
    elif code == CLIPPED_RELU:
        for i in range(x.size):
            s[i] = one if zero <= x[i] <= twenty else zero
    else:
        for i in range(x.size):
            s[i] = one - exp_of_negative(-r[i]) if r[i] < twenty else zero


@compiled
def add_product(A, v, y):
    """y += v @ A for A (n, N), v (n,), y (N,): eight rows of A at a time.

    Along the rows nothing has to be summed across a vector register, and y is read and written once for eight rows:
    with A in the second-level cache this is faster than BLAS's matrix-vector product.
    """
    n, N = A.shape
    whole = n - n % 8
    for j in range(0, whole, 8):
        v0, v1, v2, v3 = v[j], v[j + 1], v[j + 2], v[j + 3]
        v4, v5, v6, v7 = v[j + 4], v[j + 5], v[j + 6], v[j + 7]
        a0, a1, a2, a3 = A[j], A[j + 1], A[j + 2], A[j + 3]
        a4, a5, a6, a7 = A[j + 4], A[j + 5], A[j + 6], A[j + 7]
        for i in range(N):
            low = (a0[i] * v0 + a1[i] * v1) + (a2[i] * v2 + a3[i] * v3)
            y[i] += low + ((a4[i] * v4 + a5[i] * v5) + (a6[i] * v6 + a7[i] * v7))
    for j in range(whole, n):
        vj, aj = v[j], A[j]
        for i in range(N):
            y[i] += aj[i] * vj


@compiled
def forward(W_t, units, drive, noise, states):
    """All steps of one trial.

    Args:
        W_t: transposed W (N, N), unitless.
        units: Units.
        drive: W_in u (T-1, N), unitless; `states.h` may be the same array.
        noise: (T-1, N), unitless.
        states: States with x[0] given; the rest is written.

    Source:
        docs/model.md 1.
    """
    alpha, code = units.alpha, units.phi
    x, r, h = states.x, states.r, states.h
    one = x.dtype.type(1)
    apply_phi(x[0], code, r[0])
    for t in range(1, x.shape[0]):
        now, before, total, eta = x[t], x[t - 1], h[t - 1], noise[t - 1]
        total[:] = drive[t - 1]
        add_product(W_t, r[t - 1], total)
        for i in range(now.size):
            now[i] = (one - alpha[i]) * before[i] + alpha[i] * total[i] + eta[i]
        apply_phi(now, code, r[t])


@compiled
def backward(W, units, states, slopes, a, g_alpha, g_x0):
    """Back through all steps of one trial.

    Args:
        W: (N, N), unitless.
        units: Units.
        states: States of `forward`.
        slopes: Slopes.
        a: (T-1, N), unitless, receives alpha * dL/dx[t], t = 1 .. T-1.
        g_alpha: (N,), unitless, is added to.
        g_x0: (N,), unitless, receives dL/dx[0].

    Source:
        docs/model.md 1 and 3.
    """
    alpha, code, w_out = units.alpha, units.phi, units.w_out
    x, r, h = states.x, states.r, states.h
    go, gx, gr = slopes.o, slopes.x, slopes.r
    with_states = gx.shape[0] > 0
    T, N = x.shape
    zero, one = x.dtype.type(0), x.dtype.type(1)
    g = np.zeros(N, x.dtype)  # dL/dx[t+1]
    to_r = np.zeros(N, x.dtype)  # dL/dr[t] without the output's part: W^T (alpha * dL/dx[t+1])
    slope = np.empty(N, x.dtype)
    for t in range(T - 1, -1, -1):
        slope_of_phi(x[t], r[t], code, slope)
        out = go[t - 1] if t > 0 else zero
        if with_states:
            for i in range(N):
                to_here = to_r[i] + w_out[i] * out + gr[t, i]
                g[i] = (one - alpha[i]) * g[i] + to_here * slope[i] + gx[t, i]
        else:
            for i in range(N):
                g[i] = (one - alpha[i]) * g[i] + (to_r[i] + w_out[i] * out) * slope[i]
        if t == 0:
            break
        now, total, before = a[t - 1], h[t - 1], x[t - 1]
        for i in range(N):
            now[i] = alpha[i] * g[i]
            g_alpha[i] += g[i] * (total[i] - before[i])
            to_r[i] = zero
        add_product(W, now, to_r)
    g_x0[:] = g

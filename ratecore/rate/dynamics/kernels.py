"""Compiled loops of the fused CPU engine: all T steps of a trial in one call, on one thread, with the weights in cache.

Numba compiles them once per machine and caches them on disk. All numbers keep the precision of the arrays: a Python
literal in a loop would turn float32 arithmetic into float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numba import types
from numba.extending import overload

from ratecore.rate.dynamics.packed import Packed, add_packed_product
from ratecore.system.compilation import FAST, compiled
from ratecore.system.scalar import exp_of_negative, log1p_of_fraction

SIGMOID, CLIPPED_RELU, SOFTPLUS = 0, 1, 2
CODES = {"sigmoid": SIGMOID, "clipped_relu": CLIPPED_RELU, "softplus": SOFTPLUS}


class Units(NamedTuple):
    """The parameters of a network other than its connections.

    Attributes:
        alpha: step divided by decay time (N,), a fraction.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.
        phi: code of the activation, see `CODES`.
    """

    alpha: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray
    phi: int


class States(NamedTuple):
    """The states of one trial.

    Attributes:
        x: synaptic currents (T, N), unitless.
        r: firing rates phi(x) (T, N), unitless.
        h: total input W r + W_in u (T-1, N) of all steps but the last, unitless.
    """

    x: np.ndarray
    r: np.ndarray
    h: np.ndarray


class RateSlopes(NamedTuple):
    """The slopes of penalties on rates: mean + square * r[t] for t = 1 .. steps - 1.

    Numbers of one trial, or arrays of several; 0, or (0,), when rates cost nothing.

    Attributes:
        mean: number or (B,), unitless.
        square: number or (B,), unitless.
        steps: length of the trial, integer or (B,), steps.
    """

    mean: Any
    square: Any
    steps: Any


class Slopes(NamedTuple):
    """Gradients of the loss with respect to the results of a trial.

    Attributes:
        o: of the outputs (n_out, T-1), unitless.
        x: of x (T, N), unitless; (0, 0) when the loss depends on the outputs only.
        r: of r (T, N), unitless; (0, 0) as for `x`.
        rates: of penalties on the rates of this trial.
    """

    o: np.ndarray
    x: np.ndarray
    r: np.ndarray
    rates: RateSlopes


@compiled
def apply_phi(x: Float[np.ndarray, " n"], code: int, r: Float[np.ndarray, " n"]) -> None:
    """Compute the firing rates r = phi(x).

    Args:
        x: synaptic currents (n,), unitless.
        code: code of the activation, see `CODES`.
        r: (n,), unitless, receives the rates.

    Source:
        docs/model.md 1.1, equation 2, and 1.5.
    """
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
def slope_of_phi(x: Float[np.ndarray, " n"], r: Float[np.ndarray, " n"], code: int, s: Float[np.ndarray, " n"]) -> None:
    """Compute the derivative s = phi'(x); at the corners of the clipped functions it is the one that torch uses.

    Args:
        x: synaptic currents (n,), unitless.
        r: firing rates phi(x) (n,), unitless.
        code: code of the activation, see `CODES`.
        s: (n,), unitless, receives the derivative.

    Source:
        docs/model.md 1.5.
    """
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
def add_product(A: Float[np.ndarray, "n N"], v: Float[np.ndarray, " n"], y: Float[np.ndarray, " N"]) -> None:
    """Compute y += v @ A, eight rows of A at a time.

    Along the rows nothing has to be summed across a vector register, and y is read and written once per eight rows:
    with A in the second-level cache this is faster than BLAS's matrix-vector product.

    Args:
        A: (n, N), unitless.
        v: (n,), unitless.
        y: (N,), unitless, added to.

    Source: none
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


def multiply(W: Float[np.ndarray, "n N"] | Packed, v: Float[np.ndarray, " n"], y: Float[np.ndarray, " N"]) -> None:
    """Add a product with a matrix to y, in the way that its kind allows.

    Args:
        W: (n, N), unitless, for y += v @ W; or packed connections, for y += W v.
        v: (n,), unitless.
        y: (N,), unitless, added to.

    Source: none
    """
    if isinstance(W, Packed):
        add_packed_product(W, v, y)
    else:
        add_product(W, v, y)


@overload(multiply, jit_options={"fastmath": FAST, "forceinline": True})
def _multiply_overload(W, v, y):  # type: ignore[no-untyped-def]  # Numba wants the signature of what it returns
    if isinstance(W, types.Array):
        return lambda W, v, y: add_product(W, v, y)
    return lambda W, v, y: add_packed_product(W, v, y)


@compiled
def forward(
    W_t: Float[np.ndarray, "N N"] | Packed,
    units: Units,
    drive: Float[np.ndarray, "T-1 N"],
    noise: Float[np.ndarray, "T-1 N"],
    states: States,
) -> None:
    """Simulate all steps of one trial.

    Args:
        W_t: transposed effective weights (N, N), unitless; or the effective weights, packed.
        units: the other parameters of the network.
        drive: W_in u (T-1, N), unitless; may be the array `states.h`.
        noise: (T-1, N), unitless.
        states: x[0] is read; all else is written.

    Source:
        docs/model.md 1.1, equations 1 and 2.
    """
    alpha, code = units.alpha, units.phi
    x, r, h = states.x, states.r, states.h
    one = x.dtype.type(1)
    apply_phi(x[0], code, r[0])
    for t in range(1, x.shape[0]):
        now, before, total, eta = x[t], x[t - 1], h[t - 1], noise[t - 1]
        into = drive[t - 1]
        for i in range(total.size):  # Numba copies rows that may overlap twice
            total[i] = into[i]
        multiply(W_t, r[t - 1], total)
        for i in range(now.size):
            now[i] = (one - alpha[i]) * before[i] + alpha[i] * total[i] + eta[i]
        apply_phi(now, code, r[t])


@compiled
def backward(
    W: Float[np.ndarray, "N N"] | Packed,
    units: Units,
    states: States,
    slopes: Slopes,
    a: Float[np.ndarray, "T-1 N"],
    g_alpha: Float[np.ndarray, " N"],
    g_x0: Float[np.ndarray, " N"],
) -> None:
    """Propagate gradients back through all steps of one trial.

    Args:
        W: effective weights (N, N), unitless; or their transpose, packed.
        units: the other parameters of the network.
        states: the trial, from `forward`.
        slopes: gradients with respect to its results.
        a: (T-1, N), unitless, receives alpha * dL/dx[t] for t = 1 .. T-1.
        g_alpha: gradient of alpha (N,), unitless, added to.
        g_x0: (N,), unitless, receives dL/dx[0].

    Source:
        docs/model.md 1.1, equations 1 to 3, differentiated.
    """
    alpha, code, w_out = units.alpha, units.phi, units.w_out[0]
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
        out = go[0, t - 1] if t > 0 else zero
        if t > 0:
            for k in range(1, go.shape[0]):  # the first output is part of the loops below
                other, w = go[k, t - 1], units.w_out[k]
                for i in range(N):
                    to_r[i] += w[i] * other
        if 0 < t < slopes.rates.steps:
            mean, square, now_r = slopes.rates.mean, slopes.rates.square, r[t]
            for i in range(N):
                to_r[i] += mean + square * now_r[i]
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
        multiply(W, now, to_r)
    g_x0[:] = g

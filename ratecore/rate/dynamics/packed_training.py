"""Compiled loops of one training trial over packed connections."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

from ratecore.rate.dynamics import lanes
from ratecore.rate.dynamics.kernels import RateSlopes, Units
from ratecore.rate.dynamics.packed import Packed, add_outer_products
from ratecore.rate.dynamics.training_kernels import Dense, Objective, Space, Trial, gradients_of_trial
from ratecore.system.compilation import compiled


@compiled
def packed_trial_gradients(
    start: Int[np.ndarray, " _"],
    base: Int[np.ndarray, " n"],
    index: UInt8[np.ndarray, " _"],
    value: Float[np.ndarray, " _"],
    slot: Int[np.ndarray, " _"],
    sums: Float[np.ndarray, " _"],
    start_t: Int[np.ndarray, " _"],
    base_t: Int[np.ndarray, " m"],
    index_t: UInt8[np.ndarray, " _"],
    value_t: Float[np.ndarray, " _"],
    slot_t: Int[np.ndarray, " N"],
    sums_t: Float[np.ndarray, " _"],
    g_W: Float[np.ndarray, " _"],
    w_in_t: Float[np.ndarray, "n_in N"],
    alpha: Float[np.ndarray, " N"],
    w_out: Float[np.ndarray, "n_out N"],
    b_out: Float[np.ndarray, " n_out"],
    phi: int,
    loss: int,
    share: float,
    u: Float[np.ndarray, "n_in T"],
    z: Float[np.ndarray, "n_out T"],
    weight: Float[np.ndarray, "_ T"],
    noise: Float[np.ndarray, "T-1 N"],
    rate_mean: float,
    rate_square: float,
    rate_steps: int,
    x: Float[np.ndarray, "T N"],
    r: Float[np.ndarray, "T N"],
    h: Float[np.ndarray, "T-1 N"],
    o: Float[np.ndarray, "n_out T-1"],
    go: Float[np.ndarray, "n_out T-1"],
    a: Float[np.ndarray, "T-1 N"],
    nothing: Float[np.ndarray, "0 0"],
    g_alpha: Float[np.ndarray, " N"],
    g_w_out: Float[np.ndarray, "n_out N"],
    g_b_out: Float[np.ndarray, " n_out"],
) -> float:
    """Run one trial forward and backward, with the gradient of W.

    The arguments are the fields of `Packed` twice and, from `w_in_t` on, those of `trial_gradients`, for its reason.

    Args:
        start: as in `Packed`, of the effective weights, as the next five; (n_blocks+1,).
        base: first columns (n,).
        index: columns (n * lanes,).
        value: weights (n * lanes,), unitless.
        slot: empty (0,).
        sums: empty (0,), unitless.
        start_t: as in `Packed`, of their transpose, as the next five; (n_blocks+1,).
        base_t: first columns (m,).
        index_t: columns (m * lanes,).
        value_t: weights (m * lanes,), unitless.
        slot_t: places of the sums (N,).
        sums_t: buffer (n_blocks * lanes,), unitless.
        g_W: gradient of the effective weights (n * lanes,), laid out as `value`, unitless, added to.
        w_in_t: transposed input weights (n_in, N), unitless.
        alpha: step divided by decay time (N,), a fraction.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.
        phi: code of the activation.
        loss: code of the loss.
        share: 1 / number of trials in the update, unitless.
        u: stimulus (n_in, T), unitless.
        z: targets (n_out, T), unitless.
        weight: in the loss (n_out, T), unitless; (0, 0) when all are 1.
        noise: (T-1, N), unitless.
        rate_mean: slope of penalties on rates, unitless.
        rate_square: the same per unit of r, unitless.
        rate_steps: steps of the trial; 0 when rates cost nothing.
        x: (T, N), unitless; x[0] is read, the rest is written.
        r: (T, N), unitless, written.
        h: (T-1, N), unitless, written.
        o: (n_out, T-1), unitless, written.
        go: (n_out, T-1), unitless, written.
        a: (T-1, N), unitless, written.
        nothing: an empty array (0, 0), unitless.
        g_alpha: gradient of alpha (N,), unitless, added to.
        g_w_out: gradient of w_out (n_out, N), unitless, added to.
        g_b_out: gradient of b_out (n_out,), unitless, added to.

    Returns:
        The loss of the trial, unitless.

    Source:
        docs/model.md 1.1 and 3.1, equations 1 to 3 and 6, differentiated.
    """
    W = Packed(start, base, index, value, slot, sums)
    value_of_loss = gradients_of_trial(
        Dense(Packed(start_t, base_t, index_t, value_t, slot_t, sums_t), W, w_in_t),
        Units(alpha, w_out, b_out, phi),
        Objective(loss, share),
        Trial(u, z, weight, noise, RateSlopes(rate_mean, rate_square, rate_steps)),
        Space(x, r, h, o, go, a, nothing),
        lanes.Gradients(g_alpha, g_w_out, g_b_out),
    )
    add_outer_products(W, a, r, g_W)
    return value_of_loss

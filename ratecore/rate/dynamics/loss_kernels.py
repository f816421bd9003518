"""Compiled loops of the losses: the loss of one trial and its gradient with respect to the outputs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ratecore.system.compilation import compiled
from ratecore.system.scalar import exp_of_negative

L2, L1, MSE, HUBER, CROSS_ENTROPY = range(5)
LOSS_CODES = {"l2": L2, "l1": L1, "mse": MSE, "huber": HUBER, "cross_entropy": CROSS_ENTROPY}


@compiled
def _sum_of_errors(
    z: Float[np.ndarray, " T"], code: int, o: Float[np.ndarray, " T-1"], go: Float[np.ndarray, " T-1"]
) -> float:
    """The sum over steps of a function of the error of one output; go receives its slope, of squares half of it."""
    zero, one = o.dtype.type(0), o.dtype.type(1)
    half = o.dtype.type(0.5)
    total = o.dtype.type(0)
    # A loop that sums does not write: for arrays that are close in memory, LLVM runs a loop that does both without
    # vectors, which sums in another order.
    for t in range(o.size):
        go[t] = o[t] - z[t]
    for t in range(o.size):
        error = go[t]
        if code == L1:
            total += abs(error)
        elif code == HUBER:
            size = abs(error)
            total += half * error * error if size <= one else size - half
        else:
            total += error * error
    if code == L1:
        for t in range(o.size):
            go[t] = one if go[t] > zero else -one if go[t] < zero else zero
    elif code == HUBER:
        for t in range(o.size):
            go[t] = min(max(go[t], -one), one)
    return total  # type: ignore[no-any-return]  # a number in the arrays' precision


@compiled
def _weighted_sum_of_errors(
    z: Float[np.ndarray, " T"],
    weight: Float[np.ndarray, " T"],
    code: int,
    o: Float[np.ndarray, " T-1"],
    go: Float[np.ndarray, " T-1"],
) -> float:
    """As `_sum_of_errors`, each step times its weight."""
    zero, one = o.dtype.type(0), o.dtype.type(1)
    half = o.dtype.type(0.5)
    total = o.dtype.type(0)
    for t in range(o.size):
        error, w = o[t] - z[t], weight[t]
        size = abs(error)
        if code == L1:
            total += w * size
        elif code == HUBER:
            total += w * (half * error * error if size <= one else size - half)
        else:
            total += w * error * error
    for t in range(o.size):
        error, w = o[t] - z[t], weight[t]
        if code == L1:
            go[t] = w * (one if error > zero else -one if error < zero else zero)
        elif code == HUBER:
            go[t] = w * min(max(error, -one), one)
        else:
            go[t] = w * error
    return total  # type: ignore[no-any-return]  # a number in the arrays' precision


@compiled
def _cross_entropy(
    z: Float[np.ndarray, "n_out T"],
    weight: Float[np.ndarray, "_ T"],
    share: float,
    o: Float[np.ndarray, "n_out T-1"],
    go: Float[np.ndarray, "n_out T-1"],
) -> float:
    """The weighted mean over steps of -sum_k z_k log softmax(o)_k; go receives `share` times its gradient."""
    n_out, steps = o.shape
    zero, one = o.dtype.type(0), o.dtype.type(1)
    total, of_weights = zero, zero
    for t in range(steps):
        w, highest = one, o[0, t]
        for k in range(1, n_out):
            highest = max(highest, o[k, t])
        if weight.shape[0] > 0:
            w = zero
            for k in range(n_out):
                w += weight[k, t]
            w /= o.dtype.type(n_out)
        of_exp, of_z, of_product = zero, zero, zero
        for k in range(n_out):
            go[k, t] = exp_of_negative(o[k, t] - highest)
        for k in range(n_out):
            of_exp += go[k, t]
            of_z += z[k, t]
            of_product += z[k, t] * (o[k, t] - highest)
        total += w * (of_z * np.log(of_exp) - of_product)
        of_weights += w
        for k in range(n_out):
            go[k, t] = w * (go[k, t] / of_exp * of_z - z[k, t])
    scale = one / of_weights if of_weights > zero else zero
    for k in range(n_out):
        for t in range(steps):
            go[k, t] *= share * scale
    return total * scale  # type: ignore[no-any-return]  # a number in the arrays' precision


@compiled
def loss_of_trial(
    z: Float[np.ndarray, "n_out T"],
    weight: Float[np.ndarray, "_ T"],
    code: int,
    share: float,
    o: Float[np.ndarray, "n_out T-1"],
    go: Float[np.ndarray, "n_out T-1"],
) -> float:
    """Compute the loss of a trial and its gradient.

    Args:
        z: targets (n_out, T), unitless; the last step is not compared.
        weight: of each output and step (n_out, T), unitless; (0, 0) when all are 1.
        code: of the loss, see `LOSS_CODES`.
        share: factor of the gradient, unitless, in the precision of the arrays.
        o: outputs (n_out, T-1), unitless.
        go: (n_out, T-1), unitless, receives `share` times the gradient.

    Returns:
        The loss, unitless.

    Source:
        docs/model.md 3.1, equation 6.
    """
    if code == CROSS_ENTROPY:
        return _cross_entropy(z, weight, share, o, go)
    zero, one = o.dtype.type(0), o.dtype.type(1)
    n_out, steps = o.shape
    total, of_weights = zero, o.dtype.type(n_out * steps)
    if weight.shape[0] == 0:
        for k in range(n_out):
            total += _sum_of_errors(z[k], code, o[k], go[k])
    else:
        of_weights = zero
        for k in range(n_out):
            total += _weighted_sum_of_errors(z[k], weight[k], code, o[k], go[k])
            for t in range(steps):
                of_weights += weight[k, t]
    scale = share
    if code == L2:
        total = np.sqrt(total)
        scale = share / total if total > zero else zero  # without any error no direction is better
    elif code != L1:
        mean = one / of_weights if of_weights > zero else zero
        total *= mean
        scale = share * mean if code == HUBER else share * (mean + mean)
    for k in range(n_out):
        for t in range(steps):
            go[k, t] *= scale
    return total  # type: ignore[no-any-return]  # a number in the arrays' precision

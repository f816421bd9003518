"""Compiled loops of the optimizers besides plain Adam: the steps of `ratecore.rate.optimizers` entry by entry."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ratecore.rate.dynamics.training_kernels import AdamConstants, _adam_step
from ratecore.system.compilation import compiled
from ratecore.system.scalar import exp_of_negative


@compiled
def gradient_of_weights(
    w: Float[np.ndarray, "N N"], g_W: Float[np.ndarray, "N N"], scale: Float[np.ndarray, "_ N"], dale: bool
) -> None:
    """Turn the gradient of the effective weights into that of the trained ones, in place.

    Args:
        w: trained weights (N, N), unitless.
        g_W: gradient of W (N, N), unitless, changed in place.
        scale: signs from `ratecore.rate.parameters.connection_signs`, (N, N) or (1, N), unitless.
        dale: whether Dale's law holds.

    Source:
        docs/model.md 1.2, equation 4, differentiated.
    """
    zero = w.dtype.type(0)
    for i in range(len(w)):
        factor, wi, gi = scale[i if scale.shape[0] > 1 else 0], w[i], g_W[i]
        for j in range(wi.size):
            g = gi[j] * factor[j]
            gi[j] = g if wi[j] > zero or not dale else zero


@compiled
def sum_of_squares(g: Float[np.ndarray, " n"]) -> float:
    """Sum the squares of a gradient.

    Args:
        g: gradient (n,), unitless.

    Returns:
        the sum, unitless, in the precision of `g`.

    Source: none
    """
    total = g.dtype.type(0)
    for i in range(g.size):
        total += g[i] * g[i]
    return total  # type: ignore[no-any-return]  # a number in the array's precision


@compiled
def adam_with_decay(
    p: Float[np.ndarray, " n"],
    g: Float[np.ndarray, " n"],
    m: Float[np.ndarray, " n"],
    v: Float[np.ndarray, " n"],
    least: float,
    share: float,
    coupled: float,
    direct: float,
    rate: float,
    root: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Take one step of Adam or AdamW.

    Args:
        p: parameters (n,), unitless, changed in place.
        g: gradient (n,), unitless.
        m: first moments (n,), unitless, changed in place.
        v: second moments (n,), unitless, changed in place.
        least: parameters below do not decay, unitless: 0 for weights under Dale's law.
        share: factor of the gradient, from clipping, unitless.
        coupled: weight decay that is added to the gradient, unitless.
        direct: weight decay times learning rate that is taken from the parameters, unitless.
        rate: as in `AdamConstants`, unitless.
        root: as in `AdamConstants`, unitless.
        beta1: as in `AdamConstants`, per step.
        beta2: as in `AdamConstants`, per step.
        eps: as in `AdamConstants`, unitless.

    Source:
        docs/model.md 3.2; Kingma & Ba 2015; Loshchilov & Hutter 2019.
    """
    constants, zero = AdamConstants(rate, root, beta1, beta2, eps), p.dtype.type(0)
    for i in range(p.size):
        live = p[i] if p[i] > least else zero
        p[i], m[i], v[i] = _adam_step(p[i] - direct * live, share * g[i] + coupled * live, m[i], v[i], constants)


@compiled
def sgd(
    p: Float[np.ndarray, " n"],
    g: Float[np.ndarray, " n"],
    buffer: Float[np.ndarray, " n"],
    least: float,
    share: float,
    coupled: float,
    momentum: float,
    rate: float,
) -> None:
    """Take one step down the gradient, with momentum.

    Args:
        p: parameters (n,), unitless, changed in place.
        g: gradient (n,), unitless.
        buffer: sum of past gradients (n,), unitless, changed in place.
        least: as in `adam_with_decay`, unitless.
        share: as in `adam_with_decay`, unitless.
        coupled: as in `adam_with_decay`, unitless.
        momentum: share of the past gradients, per step.
        rate: learning rate, unitless.

    Source:
        docs/model.md 3.2.
    """
    zero, tiny = p.dtype.type(0), p.dtype.type(1e-30)
    for i in range(p.size):
        live = p[i] if p[i] > least else zero
        past = momentum * buffer[i] + (share * g[i] + coupled * live)
        buffer[i] = past if abs(past) > tiny else zero  # see `_or_zero`
        p[i] -= rate * past


@compiled
def exponentiated(
    w: Float[np.ndarray, " n"],
    g: Float[np.ndarray, " n"],
    dale: bool,
    revive: bool,
    smallest: float,
    share: float,
    coupled: float,
    rate: float,
) -> None:
    """Take one step of exponentiated gradient.

    Args:
        w: recurrent weights (n,), unitless, changed in place.
        g: gradient (n,), unitless.
        dale: whether Dale's law holds, so that weights below 0 are silent.
        revive: whether absent and silent weights get the smallest size.
        smallest: size of a live weight, unitless.
        share: as in `adam_with_decay`, unitless.
        coupled: as in `adam_with_decay`, unitless.
        rate: learning rate, unitless.

    Source:
        docs/model.md 3.2; Kivinen & Warmuth 1997.
    """
    zero, one = w.dtype.type(0), w.dtype.type(1)
    for i in range(w.size):
        value = w[i]
        if revive and (value == zero or (dale and value < zero)):
            value = smallest
        size = abs(value)
        slope = share * g[i] + coupled * value
        power = -rate * slope if value > zero else rate * slope  # of e
        e = exp_of_negative(-abs(power))
        new = max(size * (e if power <= zero else one / e), smallest)
        live = value > zero or (value < zero and not dale)
        w[i] = (new if value > zero else -new) if live else value


@compiled
def effective(
    w: Float[np.ndarray, "N N"], scale: Float[np.ndarray, "_ N"], dale: bool, W: Float[np.ndarray, "N N"]
) -> None:
    """Compute the effective weights.

    Args:
        w: trained weights (N, N), unitless.
        scale: signs from `ratecore.rate.parameters.connection_signs`, (N, N) or (1, N), unitless.
        dale: whether Dale's law holds.
        W: (N, N), unitless, receives the effective weights.

    Source:
        docs/model.md 1.2, equation 4.
    """
    zero = w.dtype.type(0)
    for i in range(len(w)):
        factor, wi, Wi = scale[i if scale.shape[0] > 1 else 0], w[i], W[i]
        for j in range(wi.size):
            Wi[j] = (max(wi[j], zero) if dale else wi[j]) * factor[j]

"""Compiled loops of one training update: forward pass, loss, backward pass through all steps, and Adam."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ratecore.rate.dynamics import lanes
from ratecore.rate.dynamics.kernels import RateSlopes, Slopes, States, Units, add_product, backward, forward
from ratecore.rate.dynamics.live import Entries
from ratecore.rate.dynamics.loss_kernels import loss_of_trial
from ratecore.rate.dynamics.packed import Packed
from ratecore.system.compilation import compiled


class Objective(NamedTuple):
    """The loss that an update minimises.

    Attributes:
        loss: code of the loss, see `loss_kernels.LOSS_CODES`.
        share: 1 / number of trials in the update, unitless, in the precision of the arrays.
    """

    loss: int
    share: float


class Trial(NamedTuple):
    """The stimulus, targets, weights and noise of one trial.

    Attributes:
        u: stimulus (n_in, T), unitless.
        z: targets (n_out, T), unitless.
        weight: of each output and step in the loss (n_out, T), unitless; (0, 0) when all are 1.
        noise: (T-1, N), unitless.
        rates: slopes of penalties on rates.
    """

    u: np.ndarray
    z: np.ndarray
    weight: np.ndarray
    noise: np.ndarray
    rates: RateSlopes


class Dense(NamedTuple):
    """The connections of a network, as matrices or packed.

    Attributes:
        W: effective weights (N, N), unitless; or their transpose, packed.
        W_t: transposed effective weights (N, N), unitless; or the effective weights, packed.
        w_in_t: transposed input weights (n_in, N), unitless.
    """

    W: np.ndarray | Packed
    W_t: np.ndarray | Packed
    w_in_t: np.ndarray


class Space(NamedTuple):
    """Buffers for one trial, reused by the next.

    Attributes:
        x: synaptic currents (T, N), unitless; the trial starts from x[0].
        r: firing rates (T, N), unitless.
        h: total input (T-1, N), unitless, see `States`.
        o: outputs (n_out, T-1), unitless.
        go: their gradient (n_out, T-1), unitless.
        a: alpha * dL/dx[t] for t = 1 .. T-1, (T-1, N), unitless.
        nothing: an empty array (0, 0).
    """

    x: np.ndarray
    r: np.ndarray
    h: np.ndarray
    o: np.ndarray
    go: np.ndarray
    a: np.ndarray
    nothing: np.ndarray


@compiled
def gradients_of_trial(
    dense: Dense, units: Units, objective: Objective, trial: Trial, space: Space, g: lanes.Gradients
) -> float:
    """Run one trial forward and backward.

    Args:
        dense: connections of the network.
        units: its other parameters.
        objective: the loss.
        trial: stimulus, targets, weights and noise.
        space: buffers; x[0] is read, all else is written.
        g: gradients, added to. That of W is left to BLAS: the sum over steps of a[t] r[t-1]^T.

    Returns:
        The loss of the trial, unitless.

    Source:
        docs/model.md 1.1 and 3.1, equations 1 to 3 and 6, differentiated.
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
    for k in range(b_out.size):
        w = w_out[k]
        for t in range(T - 1):
            total, now = b_out[k], r[t + 1]
            for i in range(N):
                total += w[i] * now[i]
            o[k, t] = total
    value = loss_of_trial(trial.z, trial.weight, objective.loss, objective.share, o, go)
    for k in range(b_out.size):
        for t in range(T - 1):
            g.b_out[k] += go[k, t]
        add_product(r[1:], go[k], g.w_out[k])
    g_x0 = np.empty(N, x.dtype)
    backward(dense.W, units, states, Slopes(go, space.nothing, space.nothing, trial.rates), a, g.alpha, g_x0)
    return value


@compiled
def trial_gradients(
    W: Float[np.ndarray, "N N"],
    W_t: Float[np.ndarray, "N N"],
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
    """Run one trial forward and backward, as `gradients_of_trial`.

    The arguments are the fields of Dense, Units, Objective, Trial, Space and Gradients: each tuple would cost Python a
    microsecond per call, which shows in small networks.

    Args:
        W: effective weights (N, N), unitless.
        W_t: their transpose (N, N), unitless.
        w_in_t: transposed input weights (n_in, N), unitless.
        alpha: step divided by decay time (N,), a fraction.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.
        phi: code of the activation, see `kernels.CODES`.
        loss: code of the loss, see `loss_kernels.LOSS_CODES`.
        share: 1 / number of trials in the update, unitless, in the precision of the arrays.
        u: stimulus (n_in, T), unitless.
        z: targets (n_out, T), unitless.
        weight: of each output and step in the loss (n_out, T), unitless; (0, 0) when all are 1.
        noise: (T-1, N), unitless.
        rate_mean: slope of penalties on rates, see `RateSlopes`, unitless, in the precision of the arrays.
        rate_square: the same per unit of r, unitless.
        rate_steps: steps of the trial; 0 when rates cost nothing.
        x: synaptic currents (T, N), unitless; x[0] is read, the rest is written.
        r: (T, N), unitless, receives the firing rates.
        h: (T-1, N), unitless, receives the total input.
        o: (n_out, T-1), unitless, receives the outputs.
        go: (n_out, T-1), unitless, receives their gradient.
        a: (T-1, N), unitless, receives alpha * dL/dx[t] for t = 1 .. T-1.
        nothing: an empty array (0, 0), unitless.
        g_alpha: gradient of alpha (N,), unitless, added to.
        g_w_out: gradient of w_out (n_out, N), unitless, added to.
        g_b_out: gradient of b_out (n_out,), unitless, added to.

    Returns:
        The loss of the trial, unitless.

    Source:
        docs/model.md 1.1 and 3.1, equations 1 to 3 and 6, differentiated.
    """
    return gradients_of_trial(
        Dense(W, W_t, w_in_t),
        Units(alpha, w_out, b_out, phi),
        Objective(loss, share),
        Trial(u, z, weight, noise, RateSlopes(rate_mean, rate_square, rate_steps)),
        Space(x, r, h, o, go, a, nothing),
        lanes.Gradients(g_alpha, g_w_out, g_b_out),
    )


_forward_side_by_side, _backward_side_by_side = lanes.forward, lanes.backward  # globals that numba can call


@compiled
def gradients_side_by_side(
    W: Entries,
    W_t: Entries,
    w_in: Float[np.ndarray, "N n_in"],
    units: Units,
    objective: Objective,
    trials: lanes.Trials,
    z: Float[np.ndarray, "B n_out T"],
    weight: Float[np.ndarray, "_ n_out T"],
    rates: RateSlopes,
    o: Float[np.ndarray, "n_out T LANES"],
    go: Float[np.ndarray, "n_out T-1 LANES"],
    kept: lanes.Kept,
    g: lanes.Gradients,
) -> float:
    """Run up to `live.LANES` trials forward and backward.

    Args:
        W: effective weights.
        W_t: their transpose.
        w_in: input weights (N, n_in), unitless.
        units: the other parameters of the network.
        objective: the loss.
        trials: stimuli, first states and noise.
        z: targets (B, n_out, T), unitless.
        weight: of each output and step in the loss (B, n_out, T), unitless; (0, 0, 0) when all are 1.
        rates: slopes of penalties on rates (B,); (0,) when they cost nothing.
        o: (n_out, T, LANES), unitless, receives the outputs.
        go: (n_out, T-1, LANES), unitless, receives their gradient.
        kept: buffers, written.
        g: gradients, added to.

    Returns:
        The sum of the losses of the trials, unitless.

    Source:
        docs/model.md 1.1 and 3.1, equations 1 to 3 and 6, differentiated.
    """
    B, _, T = trials.u.shape
    _forward_side_by_side(W, w_in, units, trials, o, True, kept)
    total = o.dtype.type(0)
    one, slope = np.empty((z.shape[1], T - 1), o.dtype), np.empty((z.shape[1], T - 1), o.dtype)
    all_ones = np.empty((0, 0), o.dtype)
    go[:] = o.dtype.type(0)
    for b in range(B):
        one[:] = o[:, 1:, b]
        w = weight[b] if weight.shape[0] > 0 else all_ones
        total += loss_of_trial(z[b], w, objective.loss, objective.share, one, slope)
        go[:, :, b] = slope
    _backward_side_by_side(W_t, units, kept, go, rates, g)
    return total  # type: ignore[no-any-return]  # a number in the arrays' precision


@compiled
def _or_zero(moment: float) -> float:
    """The moment, or 0 when it is too small to change a parameter.

    The first moment of a lost connection shrinks by a tenth per update and after about 800 updates leaves the range of
    normal numbers, below which arithmetic is a hundred times slower. It is negligible next to eps = 1e-8.
    """
    return moment if abs(moment) > type(moment)(1e-30) else type(moment)(0)


class AdamConstants(NamedTuple):
    """The constants of Adam in one update, in the precision of the parameters.

    Attributes:
        rate: learning rate / (1 - beta1^k) at step k, unitless.
        root: sqrt(1 - beta2^k), unitless.
        beta1: decay of the first moment, per step, as in `ratecore.rate.adam`.
        beta2: decay of the second moment, per step.
        eps: added to the root of the second moment, unitless.
    """

    rate: float
    root: float
    beta1: float
    beta2: float
    eps: float


@compiled
def _adam_step(p: float, g: float, m: float, v: float, c: AdamConstants) -> tuple[float, float, float]:
    """The parameter, its first and its second moment after a step with gradient g."""
    one = type(p)(1)
    m = _or_zero(c.beta1 * m + (one - c.beta1) * g)
    v = _or_zero(c.beta2 * v + (one - c.beta2) * g * g)
    return p - c.rate * m / (np.sqrt(v) / c.root + c.eps), m, v


@compiled
def adam(
    p: Float[np.ndarray, " n"],
    g: Float[np.ndarray, " n"],
    m: Float[np.ndarray, " n"],
    v: Float[np.ndarray, " n"],
    rate: float,
    root: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Take one step of Adam. The fields of AdamConstants are separate arguments because a tuple costs Python more.

    Args:
        p: parameters (n,), unitless, changed in place.
        g: gradient (n,), unitless.
        m: first moments (n,), unitless, changed in place.
        v: second moments (n,), unitless, changed in place.
        rate: learning rate / (1 - beta1^k) at step k, unitless.
        root: sqrt(1 - beta2^k), unitless.
        beta1: decay of the first moment, per step.
        beta2: decay of the second moment, per step.
        eps: added to the root of the second moment, unitless.

    Source:
        Kingma & Ba 2015, Algorithm 1.
    """
    constants = AdamConstants(rate, root, beta1, beta2, eps)
    for i in range(p.size):
        p[i], m[i], v[i] = _adam_step(p[i], g[i], m[i], v[i], constants)


@compiled
def adam_of_weights(
    w: Float[np.ndarray, "N N"],
    g_W: Float[np.ndarray, "N N"],
    scale: Float[np.ndarray, "_ N"],
    dale: bool,
    m: Float[np.ndarray, "N N"],
    v: Float[np.ndarray, "N N"],
    rate: float,
    root: float,
    beta1: float,
    beta2: float,
    eps: float,
    W: Float[np.ndarray, "N N"],
) -> None:
    """Take one step of Adam on the recurrent weights: one pass from the gradient of W to the new w and W.

    Args:
        w: (N, N), unitless, changed in place.
        g_W: gradient of W (N, N), unitless.
        scale: signs from `ratecore.rate.parameters.connection_signs`, (N, N) or (1, N), unitless.
        dale: whether Dale's law holds.
        m: first moments (N, N), unitless, changed in place.
        v: second moments (N, N), unitless, changed in place.
        rate: learning rate / (1 - beta1^k) at step k, unitless.
        root: sqrt(1 - beta2^k), unitless.
        beta1: decay of the first moment, per step.
        beta2: decay of the second moment, per step.
        eps: added to the root of the second moment, unitless.
        W: (N, N), unitless, receives the effective weights.

    Source:
        docs/model.md 1.2, equation 4; Kingma & Ba 2015, Algorithm 1.
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

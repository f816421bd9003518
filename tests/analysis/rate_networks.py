"""Networks whose fixed points are known."""

import numpy as np
from reference import phi
from scipy.optimize import brentq

from ratecore.analysis.rate_equations import RateEquations

ACTIVATIONS = ("sigmoid", "clipped_relu", "softplus")


def equations(W, activation="sigmoid", tau=50.0, w_in=None, **more):
    W = np.array(W, float)
    tau = np.broadcast_to(np.asarray(tau, float), len(W)).copy()
    return RateEquations(W, np.eye(len(W)) if w_in is None else np.array(w_in, float), tau, activation, **more)


def roots(f, low, high, n=4001):
    """All roots of f between bounds, by bisection of every change of sign."""
    x = np.linspace(low - 0.0137, high, n)  # so that no root of a symmetric f is on the grid itself
    y = np.array([f(v) for v in x])
    return [brentq(f, a, b, xtol=1e-14) for a, b, s in zip(x, x[1:], y[:-1] * y[1:], strict=False) if s < 0]


def random_equations(N, activation, seed, density=0.2, scale=1.0):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((N, N)) * (rng.random((N, N)) < density) * scale / np.sqrt(density * N)
    w_out, b_out = rng.standard_normal((2, N)), rng.standard_normal(2)
    return equations(W, activation, rng.uniform(20, 125, N), rng.standard_normal((N, 3)), w_out=w_out, b_out=b_out)


def ring(N=64, strength=12.0, inhibition=2.0):
    """A ring of units with cosine weights; for smooth phi, every direction of its bump is a fixed point.

    Returns the equations, the input (N,) that puts the mean of x at 0, and the amplitude of the bump.
    """
    angles = 2 * np.pi * np.arange(N) / N
    W = (strength * np.cos(angles[:, None] - angles) - inhibition) / N
    # x = A cos(theta - psi): A = strength * mean of phi(A cos) cos; the means over N angles are exact to rounding.
    (amplitude,) = roots(lambda A: strength * np.mean(phi(A * np.cos(angles), "sigmoid") * np.cos(angles)) - A, 0.1, 20)
    mean_rate = np.mean(phi(amplitude * np.cos(angles), "sigmoid"))
    return equations(W, tau=40.0), np.full(N, inhibition * mean_rate), amplitude

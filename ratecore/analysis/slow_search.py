"""Minimises the speed of the noiseless dynamics from many starts, by damped Newton steps with exact derivatives.

The speed is q(x) = 1/2 |dx/dt|^2 (Sussillo & Barak 2013). With v = dx/dt, J = dv/dx and constant input, its gradient is
J'v, and since each unit's rate depends on its own state alone, its Hessian is J'J plus a diagonal. J is -1 plus the
weights with scaled columns, so that J'J follows, entry by entry, from products of the weights that are computed once:
a step costs one Cholesky factorisation of the units on which the dynamics of others depend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg.lapack import dposv

from ratecore.analysis.rate_equations import RateEquations

SMALLEST, LARGEST = 1e-8, 1e10  # of the damping factor mu
STALLED = 20  # rejected or useless steps in a row after which a start has ended
MOST_FOUND = 8  # fixed points whose inverse Jacobian is kept


@dataclass
class Ends:
    """Where the searches ended.

    Attributes:
        x: states (K, N), unitless.
        speed: |dx/dt| there (K,), 1/ms.
        residual: largest |tau dx/dt| of a unit (K,), unitless.
        slope: |gradient of q| divided by a bound on it, |v| times the norms of the two parts of J (K,), unitless;
            0 at a minimum of q.
        iterations: steps that were tried (K,).
    """

    x: Float[np.ndarray, "K N"]
    speed: Float[np.ndarray, " K"]
    residual: Float[np.ndarray, " K"]
    slope: Float[np.ndarray, " K"]
    iterations: Float[np.ndarray, " K"]


class _Core:
    """The equations of the n units on which the dynamics of others depend, in units of a typical time constant."""

    def __init__(self, equations: RateEquations, u: Float[np.ndarray, " n_in"]):
        self.equations, self.units = equations, np.flatnonzero(equations.reaching())
        tau = equations.tau[self.units]
        self.tau = float(np.exp(np.log(tau).mean())) if tau.size else 1.0  # ms
        self.scale = self.tau / tau
        self.W = np.ascontiguousarray(equations.W[np.ix_(self.units, self.units)])
        self.drive = equations.drive(u)[self.units]
        self.KW = np.square(self.scale)[:, None] * self.W
        self.WKW = self.W.T @ self.KW
        n = len(tau)
        self.hessian, self.part, self.diagonal = np.empty((n, n)), np.empty((n, n)), np.arange(n) * (n + 1)

    def residual(self, x: Float[np.ndarray, "B n"]) -> Float[np.ndarray, "B n"]:
        residual: Float[np.ndarray, "B n"] = self.equations.phi(x) @ self.W.T + self.drive - x
        return residual

    def gradient(self, F: Float[np.ndarray, "B n"], slope: Float[np.ndarray, "B n"]) -> Float[np.ndarray, "B n"]:
        gradient: Float[np.ndarray, "B n"] = slope * (F @ self.KW) - np.square(self.scale) * F
        return gradient

    def step(
        self,
        slope: Float[np.ndarray, " n"],
        gradient: Float[np.ndarray, " n"],
        shift: float,
        bend: Float[np.ndarray, " n"] | None,
    ) -> Float[np.ndarray, " n"] | None:
        """Solves (J'J + bend + shift) p = -gradient; None where this matrix has a negative eigenvalue."""
        H, part = self.hessian, self.part
        np.multiply(self.WKW, slope, out=H)
        np.multiply(H, slope[:, None], out=H)
        np.multiply(self.KW, slope, out=part)
        np.subtract(H, part, out=H)
        np.subtract(H, part.T, out=H)
        on_diagonal = np.square(self.scale) + shift
        H.ravel()[self.diagonal] += on_diagonal if bend is None else on_diagonal + bend
        _, p, failed = dposv(H.T, -gradient, lower=1, overwrite_a=1)  # symmetric: its transpose is contiguous there
        return None if failed else p

    def complete(self, x: Float[np.ndarray, "B n"], u: Float[np.ndarray, " n_in"]) -> Float[np.ndarray, "B N"]:
        """States of all units; the others' are those at which they do not move."""
        e = self.equations
        states = np.tile(e.drive(u), (len(x), 1))
        states[:, self.units] = x
        others = np.setdiff1d(np.arange(e.N), self.units)
        before = np.full_like(states[:, others], np.nan)
        while others.size and not np.array_equal(before, states[:, others]):  # they may depend on each other, in a row
            before = states[:, others]
            states[:, others] = e.phi(states) @ e.W[others].T + e.drive(u)[others]
        return states


class _Found:
    """Fixed points that starts have reached, to which others that are close take steps without a factorisation.

    The Jacobian of a fixed point serves for all states close to it (the chord method). A start is taken over only where
    the first such step brings it ten times closer to the point, as close to it alone.
    """

    def __init__(self, core: _Core, tolerance: float):
        self.core, self.tolerance = core, tolerance
        self.points: list[Float[np.ndarray, " n"]] = []
        self.inverses: list[Float[np.ndarray, "n n"]] = []

    def add(self, x: Float[np.ndarray, "B n"]) -> None:
        """Remembers those of some fixed points that are new."""
        for state in x:
            if len(self.points) >= MOST_FOUND:
                return
            if any(np.abs(state - point).max() < 1e-4 for point in self.points):
                continue
            J = self.core.W * self.core.equations.slope(state) - np.eye(len(state))
            try:
                self.inverses.append(np.linalg.inv(J))
            except np.linalg.LinAlgError:  # on a line of fixed points
                continue
            self.points.append(state.copy())

    def take_over(
        self, x: Float[np.ndarray, "B n"], F: Float[np.ndarray, "B n"]
    ) -> tuple[Float[np.ndarray, "M n"], Bool[np.ndarray, " B"]]:
        """Where those states x, with residuals F, end that are close to a point (M, n), and which ones (B,)."""
        x, arrived = x.copy(), np.zeros(len(x), bool)
        for point, inverse in zip(self.points, self.inverses, strict=True):
            (left,) = np.nonzero(~arrived)
            if not left.size:
                break
            near = x[left] - F[left] @ inverse.T
            away = np.linalg.norm(near - point, axis=1)
            closer = away < 0.1 * np.linalg.norm(x[left] - point, axis=1)
            left, near = left[closer], near[closer]
            for _ in range(20):
                if not left.size:
                    break
                residual = self.core.residual(near)
                there = np.abs(residual).max(1) <= self.tolerance
                x[left[there]], arrived[left[there]] = near[there], True
                left, residual, before = left[~there], residual[~there], near[~there]
                near = before - residual @ inverse.T
                still = np.linalg.norm(near - point, axis=1) < 0.5 * np.linalg.norm(before - point, axis=1)
                left, near = left[still], near[still]
        return x[arrived], arrived


def slowest_states(
    equations: RateEquations,
    u: Float[np.ndarray, " n_in"],
    starts: Float[np.ndarray, "K N"],
    *,
    tolerance: float,
    speed: float = 0.0,
    floor: float = 0.0,
    max_iterations: int = 200,
) -> Ends:
    """Move each start downhill in speed, until it is at rest, at a minimum of the speed, or slow enough.

    Steps are those of Levenberg and Marquardt with a damping in proportion to |v|, which converge quadratically also
    to points of a line of fixed points (Fan & Yuan 2005). Where they get nowhere, near a minimum of q that is no fixed
    point, the exact Hessian of q takes the place of J'J.

    Args:
        equations: of the network.
        u: constant input (n_in,), unitless.
        starts: states (K, N), unitless.
        tolerance: largest |tau dx/dt| of a unit at a fixed point, unitless.
        speed: |dx/dt| at which to stop, 1/ms; 0 to go on to the minimum.
        floor: smallest damping, unitless: directions in which the state relaxes slower than
            tau / sqrt(floor) are left alone.
        max_iterations: steps per start.

    Returns:
        the ends, in the order of the starts.

    Source:
        Sussillo & Barak 2013, Neural Computation 25:626; Fan & Yuan 2005, Computing 74:23.
    """
    core = _Core(equations, u)
    x = np.array(starts, float)[:, core.units]
    iterations = np.zeros(len(x))
    if core.units.size:
        _descend(core, x, iterations, (tolerance, speed * core.tau, floor), max_iterations)
    F = core.residual(x)
    slope = equations.slope(x)
    gradient, moving = core.gradient(F, slope), np.linalg.norm(core.scale * F, axis=1)
    # Of the two parts of J each, so that it is not 0 where they cancel.
    largest = np.linalg.norm(core.scale) + np.sqrt(np.square(slope) @ (np.square(core.scale) @ np.square(core.W)))
    states = core.complete(x, u)
    return Ends(
        states,
        np.linalg.norm(equations.velocity(states, u), axis=1),
        np.abs(equations.velocity(states, u) * equations.tau).max(1),
        np.linalg.norm(gradient, axis=1) / np.maximum(largest * moving, np.finfo(float).tiny),
        iterations,
    )


def _descend(
    core: _Core,
    x: Float[np.ndarray, "K n"],
    iterations: Float[np.ndarray, " K"],
    stop: tuple[float, float, float],
    max_iterations: int,
) -> None:
    """Moves x; `stop` has tolerance, speed in units of tau, and floor."""
    tolerance, slow, floor = stop
    F = core.residual(x)
    moving = np.linalg.norm(core.scale * F, axis=1)
    mu, stalled = np.full(len(x), 1e-3), np.zeros(len(x), int)
    poor = np.zeros(len(x), bool)  # whether the last step brought little
    found = _Found(core, tolerance) if not slow else None
    for _ in range(max_iterations):
        (going,) = np.nonzero((np.abs(F).max(1) > tolerance) & (moving > slow) & (stalled < STALLED))
        if not going.size:
            return
        iterations[going] += 1
        slope = core.equations.slope(x[going])
        gradient = core.gradient(F[going], slope)
        bend = core.equations.curvature(x[going]) * (F[going] @ core.KW)
        shift = np.maximum(mu[going] * moving[going], floor)
        p, expected = np.zeros_like(gradient), np.zeros(len(going))
        for k, i in enumerate(going):
            step = core.step(slope[k], gradient[k], shift[k], bend[k]) if poor[i] else None
            if step is None:
                step = core.step(slope[k], gradient[k], shift[k], None)
            if step is not None:
                p[k] = step
        expected = 0.5 * ((p * p).sum(1) * shift - (p * gradient).sum(1))
        new_F = core.residual(x[going] + p)
        new_moving = np.linalg.norm(core.scale * new_F, axis=1)
        gain = 0.5 * (moving[going] ** 2 - new_moving**2)
        ratio = gain / np.maximum(expected, np.finfo(float).tiny)
        better = gain > 1e-4 * expected
        useless = ~better | (gain < 1e-6 * moving[going] ** 2)
        stalled[going] = np.where(useless, stalled[going] + 1, 0)
        poor[going] = gain < 0.05 * moving[going] ** 2
        factor = np.where(~better, 8.0, np.where(ratio < 0.25, 4.0, np.where(ratio > 0.75, 0.1, 1.0)))
        mu[going] = np.clip(mu[going] * factor, SMALLEST, LARGEST)
        moved = going[better]
        x[moved] += p[better]
        F[moved], moving[moved] = new_F[better], new_moving[better]
        if found is not None:
            at_rest = np.abs(F[going]).max(1) <= tolerance
            found.add(x[going[at_rest]])
            left = going[~at_rest]
            states, arrived = found.take_over(x[left], F[left])
            x[left[arrived]] = states
            F[left[arrived]] = core.residual(states)

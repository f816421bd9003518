"""The dynamics close to a fixed point: modes, their time constants, and what they integrate and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex, Float
from numpy.typing import ArrayLike
from scipy.linalg import solve_discrete_lyapunov

from ratecore.analysis.rate_equations import STEP_MS, RateEquations

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork

MOST_DEPENDENT = 1e12  # condition number of eigenvectors that are inverted


@dataclass(frozen=True, eq=False)
class Linearisation:
    """The linear dynamics around a state, d(dx)/dt = J dx + T W_in du with T = diag(1 / tau).

    Modes are in the order of their growth, the slowest of a stable point first. The k-th mode is the k-th column of
    `right`, and the k-th row of `left` measures it: left @ right is the identity matrix.

    Attributes:
        x: the state (N,), unitless.
        jacobian: J of the continuous dynamics (N, N), 1/ms.
        eigenvalues: lambda of J (N,), 1/ms; a mode decays if the real part is negative.
        multipliers: mu = 1 + 5 ms lambda of one step of the network (N,), unitless; a mode decays if |mu| < 1.
        right: right eigenvectors (N, N), unitless, columns of norm 1.
        left: left eigenvectors (N, N), unitless, rows.
        slope: phi'(x), the gain of each unit (N,), unitless.
        input_directions: T W_in (N, n_in), 1/ms: how the state moves at once with each input.
        readout_directions: w_out phi' (n_out, N), unitless: how each output changes with the state.
    """

    x: Float[np.ndarray, " N"]
    jacobian: Float[np.ndarray, "N N"]
    eigenvalues: Complex[np.ndarray, " N"]
    multipliers: Complex[np.ndarray, " N"]
    right: Complex[np.ndarray, "N N"]
    left: Complex[np.ndarray, "N N"]
    slope: Float[np.ndarray, " N"]
    input_directions: Float[np.ndarray, "N n_in"]
    readout_directions: Float[np.ndarray, "n_out N"]

    @property
    def map_jacobian(self) -> Float[np.ndarray, "N N"]:
        """Derivative of one step of the network, 1 + 5 ms J (N, N), unitless."""
        return np.eye(len(self.x)) + STEP_MS * self.jacobian

    @property
    def time_constants(self) -> Float[np.ndarray, " N"]:
        """Of each mode of the network (N,), ms: -5 ms / ln|mu|; negative if it grows, infinite if it does neither."""
        with np.errstate(divide="ignore"):
            sizes = np.log(np.abs(self.multipliers))
            return np.where(sizes == 0, np.inf, -STEP_MS / sizes)

    @property
    def continuous_time_constants(self) -> Float[np.ndarray, " N"]:
        """Of each mode in continuous time (N,), ms: -1 / Re(lambda), with the same signs."""
        with np.errstate(divide="ignore"):
            return np.where(self.eigenvalues.real == 0, np.inf, -1 / self.eigenvalues.real)

    @property
    def frequencies(self) -> Float[np.ndarray, " N"]:
        """At which each mode rotates (N,), Hz; 0 for those that do not."""
        hertz: Float[np.ndarray, " N"] = np.abs(np.angle(self.multipliers)) / (2 * np.pi * STEP_MS) * 1e3
        return hertz

    @property
    def slowest(self) -> int:
        """Index of the slowest mode, decaying or growing: that with |mu| closest to 1."""
        with np.errstate(divide="ignore"):
            return int(np.argmin(np.abs(np.log(np.abs(self.multipliers)))))

    @property
    def two_slowest(self) -> Float[np.ndarray, " 2"]:
        """Time constants of the slowest mode and of the next one (2,), ms; a complex pair is two modes."""
        taus = self.time_constants
        found = taus[np.argsort(-np.abs(taus), kind="stable")[:2]]
        return found if len(found) == 2 else np.append(found, 0.0)

    @property
    def n_unstable(self) -> int:
        """Number of modes that grow."""
        return int((np.abs(self.multipliers) > 1).sum())

    @property
    def line_direction(self) -> Float[np.ndarray, " N"]:
        """Direction of the line attractor, if there is one (N,), unitless, norm 1: the slowest right eigenvector.

        Of a complex pair it is the real part. It points to larger first outputs, or without a readout, to a positive
        sum.
        """
        return self._oriented()[0]

    @property
    def selection_vector(self) -> Float[np.ndarray, " N"]:
        """The slowest left eigenvector (N,), unitless: how far each direction moves the state along the line.

        Its product with `line_direction` is 1 if the mode is real (Mante et al. 2013).
        """
        return self._oriented()[1]

    def _oriented(self) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        right, left = self.right[:, self.slowest], self.left[self.slowest]
        line = np.ascontiguousarray(right.real)
        size = np.linalg.norm(line)
        sense = self.readout_directions[0] @ line if len(self.readout_directions) else line.sum()
        factor = size * (-1 if sense < 0 else 1)
        return line / factor, left.real * factor

    def participation(self) -> Float[np.ndarray, " N"]:
        """Compute the share of the units that take part in each mode.

        Returns:
            participation ratio of each right eigenvector divided by N (N,), a fraction: 1/N if one unit makes up the
            mode, 1 if all do equally.

        Source:
            Bell & Dean 1970, Discussions of the Faraday Society 50:55.
        """
        weight = np.abs(self.right) ** 2
        shares: Float[np.ndarray, " N"] = weight.sum(0) ** 2 / (weight**2).sum(0) / len(self.x)
        return shares

    def n_slower_than(self, tau: float) -> int:
        """Count the modes that decay or grow more slowly than a time constant.

        Args:
            tau: time constant, ms.

        Returns:
            their number, the dimension of the slow subspace.

        Source: none
        """
        return int((np.abs(self.time_constants) > tau).sum())

    def dimensionality(self) -> float:
        """Compute the dimension of fluctuations around a stable point under independent noise of all units.

        Returns:
            participation ratio (sum s)^2 / sum s^2 of the eigenvalues s of the stationary covariance, between 1 and N
            units; NaN for a point that is not stable.

        Source:
            Hu & Sompolinsky 2022, PLOS Computational Biology 18:e1010327; docs/model.md 1.1, equation 1.
        """
        if not (np.abs(self.multipliers) < 1).all():
            return float("nan")
        covariance = solve_discrete_lyapunov(self.map_jacobian, np.eye(len(self.x)), method="bilinear")
        return float(np.trace(covariance) ** 2 / (covariance**2).sum())

    def selection(self) -> Float[np.ndarray, " n_in"]:
        """Compare the selection vector with each input.

        Returns:
            cosine of the angle between the selection vector and the direction in which the input moves the state at
            once, T W_in (n_in,), in [-1, 1], unitless: 0 if the line does not integrate the input.

        Source:
            Mante et al. 2013, Nature 503:78.
        """
        return cosines(self.selection_vector, self.input_directions.T)

    def readout_alignment(self) -> Float[np.ndarray, " n_out"]:
        """Compare the line with each output.

        Returns:
            cosine of the angle between the line and the direction w_out phi' in which the output grows (n_out,), in
            [-1, 1], unitless.

        Source:
            Mante et al. 2013, Nature 503:78.
        """
        return cosines(self.line_direction, self.readout_directions)


def linearise(net: RateNetwork | RateEquations, x: ArrayLike) -> Linearisation:
    """Linearise the noiseless dynamics at a state, usually a fixed or slow point.

    Where the activation has no derivative, that on the flat side is used.

    Args:
        net: the network or its equations.
        x: the state (N,), unitless.

    Returns:
        its modes.

    Raises:
        ValueError: the state has another shape or is not finite.

    Source:
        Sussillo & Barak 2013, Neural Computation 25:626; docs/model.md 1.1, equation 1.
    """
    equations = RateEquations.of(net)
    state = np.asarray(x, float)
    if state.shape != (equations.N,) or not np.isfinite(state).all():
        raise ValueError(f"x has shape {state.shape}; it must be a state of {equations.N} finite numbers")
    J, slope = equations.jacobian(state), equations.slope(state)
    eigenvalues, right = np.linalg.eig(J)
    order = np.argsort(-np.abs(1 + STEP_MS * eigenvalues), kind="stable")
    eigenvalues, right = eigenvalues[order].astype(complex), right[:, order].astype(complex)
    left = _inverse(right)
    w_out = np.zeros((0, equations.N)) if equations.w_out is None else equations.w_out
    inputs = equations.w_in / equations.tau[:, None]
    return Linearisation(state, J, eigenvalues, 1 + STEP_MS * eigenvalues, right, left, slope, inputs, w_out * slope)


def _inverse(right: Complex[np.ndarray, "N N"]) -> Complex[np.ndarray, "N N"]:
    """The inverse of the eigenvectors; the pseudo-inverse where they are almost linearly dependent."""
    try:
        inverse: Complex[np.ndarray, "N N"] = np.linalg.inv(right)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(right)
    # The product of these norms is at least the condition number, which takes longer.
    if np.linalg.norm(right) * np.linalg.norm(inverse) > MOST_DEPENDENT and np.linalg.cond(right) > MOST_DEPENDENT:
        return np.linalg.pinv(right)
    return inverse


def cosines(a: Float[np.ndarray, " N"], rows: Float[np.ndarray, "K N"]) -> Float[np.ndarray, " K"]:
    """Compute the cosine of the angle between a vector and each of several.

    Args:
        a: vector (N,), in any units of its own.
        rows: vectors (K, N), in any units of its own.

    Returns:
        (K,), in [-1, 1], unitless; 0 where a vector is 0.

    Source: none
    """
    sizes = np.linalg.norm(rows, axis=1) * np.linalg.norm(a)
    angles: Float[np.ndarray, " K"] = np.divide(rows @ a, sizes, out=np.zeros(len(rows)), where=sizes > 0)
    return angles

"""The eigenvalues of recurrent weights: the bulk that random weights have, and the outliers beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues of a weight matrix.

    Attributes:
        eigenvalues: (N,), complex, unitless, the largest absolute value first.
        bulk_radius: radius of the disc that random weights with the same variances would fill, unitless.
        outliers: (N,), whether each eigenvalue lies outside the bulk.
    """

    eigenvalues: Complex[np.ndarray, " N"]
    bulk_radius: float
    outliers: Bool[np.ndarray, " N"]

    @property
    def radius(self) -> float:
        """The spectral radius: the largest absolute value, unitless."""
        return float(np.abs(self.eigenvalues).max(initial=0.0))

    @property
    def abscissa(self) -> float:
        """The spectral abscissa: the largest real part, unitless."""
        return float(self.eigenvalues.real.max(initial=-np.inf))


def spectrum(W: ArrayLike, groups: ArrayLike | None = None, margin: float = 0.1) -> Spectrum:
    """Compute the eigenvalues of a weight matrix, and which of them random weights would not have.

    Args:
        W: effective weights (N, N), unitless, W[i, j] from unit j to unit i; finite.
        groups: (N,), the group of each unit, such as whether it is inhibitory; one group for all units by default.
        margin: an eigenvalue is an outlier if its absolute value is above (1 + margin) times the radius of the bulk.

    Returns:
        the spectrum.

    Raises:
        ValueError: W is not a square matrix of finite numbers, `groups` has another length, or the margin is negative.

    Source:
        Rajan & Abbott 2006, Physical Review Letters 97:188104, for outliers from the means of E and I; the bulk of
        groups with different variances as in `bulk_radius`.
    """
    matrix = _square(W)
    if not margin >= 0:
        raise ValueError(f"margin = {margin}: it must be at least 0")
    values = np.linalg.eigvals(matrix).astype(complex)
    values = values[np.argsort(-np.abs(values), kind="stable")]
    bulk = bulk_radius(matrix, groups)
    return Spectrum(values, bulk, np.abs(values) > (1 + margin) * bulk)


def bulk_radius(W: ArrayLike, groups: ArrayLike | None = None) -> float:
    """Estimate the radius of the disc that the eigenvalues of random weights fill, from the variances of the weights.

    Args:
        W: weights (N, N), unitless; finite. Absent connections count as weights of 0.
        groups: (N,), the group of each unit; weights between two groups have a mean and a variance of their own. One
            group by default.

    Returns:
        the square root of the largest eigenvalue of the matrix of n_b var_ab, of the n_b senders in group b and the
        variance of the weights from b to a; unitless. The means make outliers, and do not count.

    Raises:
        ValueError: W is not a square matrix of finite numbers, or `groups` has another length.

    Source:
        Aljadeff, Stern & Sharpee 2015, Physical Review Letters 114:088101; Rajan & Abbott 2006, Physical Review Letters
        97:188104.
    """
    matrix = _square(W)
    numbers = _numbered(groups, len(matrix))
    places = [numbers == group for group in range(numbers.max(initial=-1) + 1)]
    gains = np.array([[b.sum() * matrix[np.ix_(a, b)].var() for b in places] for a in places])
    return float(np.sqrt(np.abs(np.linalg.eigvals(gains)).max())) if gains.size else 0.0


def _square(W: ArrayLike) -> Float[np.ndarray, "N N"]:
    matrix = np.asarray(W, float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"W has shape {matrix.shape}; it must be (N, N)")
    if not np.isfinite(matrix).all():
        raise ValueError("W has NaN or infinity; its numbers must be finite")
    return matrix


def _numbered(groups: ArrayLike | Sequence[str] | None, N: int) -> Int[np.ndarray, " N"]:
    """The groups as numbers from 0."""
    given = np.zeros(N) if groups is None else np.asarray(groups)
    if given.shape != (N,):
        raise ValueError(f"groups has shape {given.shape}; it must be ({N},), one for each unit")
    return np.unique(given, return_inverse=True)[1].reshape(N)

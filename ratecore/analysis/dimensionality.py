"""Principal components of activity, and how many dimensions it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.analysis.trials import activity_of, units_there

SMALLEST = 1e-12  # standard deviation below which a unit counts as silent, and is not scaled


@dataclass(frozen=True)
class PrincipalComponents:
    """Principal components of a population.

    Attributes:
        axes: unit vectors of the components (K, N), the largest variance first, unitless; 0 for units that do not
            exist. The entry with the largest absolute value of each is positive.
        mean: mean activity of each unit (N,), unitless; 0 for units that do not exist.
        scale: what the activity of each unit is divided by (N,), unitless: its standard deviation with `z_score`, 1
            without.
        variances: along each of all components (M,), M >= K, squared units of the activity, in descending order.
    """

    axes: Float[np.ndarray, "K N"]
    mean: Float[np.ndarray, " N"]
    scale: Float[np.ndarray, " N"]
    variances: Float[np.ndarray, " M"]

    @property
    def explained(self) -> Float[np.ndarray, " M"]:
        """Share of the variance along each component (M,), fractions."""
        total = self.variances.sum()
        return self.variances / total if total > 0 else np.zeros_like(self.variances)

    @property
    def participation_ratio(self) -> float:
        """Number of dimensions, unitless; see `participation_ratio`."""
        return participation_ratio(self.variances)

    def components_for(self, share: float) -> int:
        """Count the components that together have a share of the variance.

        Args:
            share: in (0, 1].

        Returns:
            their number.

        Raises:
            ValueError: the share is not in (0, 1].

        Source: none
        """
        if not 0 < share <= 1:
            raise ValueError(f"share = {share!r}; it must be above 0 and at most 1")
        return int(np.searchsorted(np.cumsum(self.explained), share * (1 - 1e-12)) + 1)

    def project(self, activity: ArrayLike) -> Float[np.ndarray, "*shape K"]:
        """Project activity onto the axes, also activity from which they were not computed.

        Args:
            activity: (..., N), units last, unitless: trials, condition means or single states.

        Returns:
            (..., K), unitless; NaN after the end of shorter trials.

        Raises:
            ValueError: it has another number of units.

        Source: none
        """
        return projected(activity, self.axes, self.mean, self.scale)


def projected(
    activity: ArrayLike,
    axes: Float[np.ndarray, "K N"],
    mean: Float[np.ndarray, " N"],
    scale: Float[np.ndarray, " N"],
) -> Float[np.ndarray, "*shape K"]:
    """Project activity onto axes.

    Args:
        activity: (..., N), units last, unitless.
        axes: (K, N), unitless; 0 for units that do not exist.
        mean: subtracted from each unit (N,), unitless.
        scale: by which each unit is divided (N,), unitless.

    Returns:
        (..., K), unitless; NaN where the activity of a unit with an entry in the axes is.

    Raises:
        ValueError: it has another number of units.

    Source: none
    """
    values = np.asarray(activity, np.float64)
    N = axes.shape[1]
    if values.ndim < 1 or values.shape[-1] != N:
        raise ValueError(f"activity: shape {values.shape}; it must have {N} units in its last dimension")
    used = (axes != 0).any(0)
    result: Float[np.ndarray, "*shape K"] = ((values - mean) / scale)[..., used] @ axes[:, used].T
    return result


def principal_components(activity: ArrayLike, n: int | None = None, z_score: bool = False) -> PrincipalComponents:
    """Compute principal components over all times of all trials.

    Args:
        activity: (B, T, N) over trials or conditions, time and units, unitless. What is NaN, as after the end of
            shorter trials, is left out, and units that are NaN throughout do not exist.
        n: number of axes; all when None.
        z_score: whether each unit is divided by its standard deviation, so that units with large rates don't dominate.

    Returns:
        The components. Variances have the divisor of a sample, the number of states less 1.

    Raises:
        ValueError: the activity has another shape, a unit is NaN where others are not, there are fewer than two
            states, or there are fewer than n components.

    Source:
        Pearson 1901 (Philosophical Magazine 2:559); eigenvectors of the covariance of units.
    """
    values = activity_of(activity)
    states, there = complete_states(values)
    if len(states) < 2:
        raise ValueError(f"activity: {len(states)} states that are not NaN; components need at least two")
    mean, scale = states.mean(0), np.ones(states.shape[1])
    states = states - mean
    if z_score:
        sd = states.std(0)
        scale = np.where(sd > SMALLEST, sd, 1.0)
        states = states / scale
    covariance = states.T @ states / (len(states) - 1)
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = np.clip(variances[::-1], 0, None), vectors[:, ::-1].T
    n = len(vectors) if n is None else n
    if not 1 <= n <= len(vectors):
        raise ValueError(f"n = {n}; it must be from 1 to {len(vectors)}, the number of units")
    axes = np.zeros((n, values.shape[2]))
    axes[:, there] = vectors[:n] * _signs(vectors[:n])[:, None]
    full_mean, full_scale = np.zeros(values.shape[2]), np.ones(values.shape[2])
    full_mean[there], full_scale[there] = mean, scale
    return PrincipalComponents(axes, full_mean, full_scale, variances)


def complete_states(values: Float[np.ndarray, "B T N"]) -> tuple[Float[np.ndarray, "S M"], np.ndarray]:
    """The states of a population that are not NaN.

    Args:
        values: (B, T, N), unitless.

    Returns:
        states of the M units that exist (S, M), unitless, and which units these are (N,).

    Raises:
        ValueError: no unit exists, or one is NaN at times at which others are not.

    Source: none
    """
    there = units_there(values)
    if not there.any():
        raise ValueError("activity: it is NaN throughout; there must be at least one unit")
    states = values[:, :, there].reshape(-1, int(there.sum()))
    missing = np.isnan(states)
    if (missing.any(1) & ~missing.all(1)).any():
        unit = int(np.flatnonzero(there)[missing[missing.any(1) & ~missing.all(1)][0].argmax()])
        raise ValueError(f"activity: unit {unit} is NaN where other units are not; all must have the same trials")
    return states[~missing[:, 0]], there


def _signs(vectors: Float[np.ndarray, "K N"]) -> Float[np.ndarray, " K"]:
    """The sign of the largest entry of each vector, by which the vector becomes the same on every machine."""
    return np.where(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(1)] < 0, -1.0, 1.0)


def participation_ratio(variances: ArrayLike) -> float:
    """Number of dimensions that activity takes, from its variances along principal components.

    It is D for equal variances along D of them, and 1 if all variance is along one.

    Args:
        variances: (M,), >= 0, squared units of the activity: the eigenvalues of the covariance.

    Returns:
        their squared sum divided by the sum of their squares, unitless; NaN if there is no variance.

    Raises:
        ValueError: they are not a list of numbers >= 0.

    Source:
        Rajan, Abbott & Sompolinsky 2010 (NeurIPS 23); Gao et al. 2017 (bioRxiv 214262).
    """
    values = np.asarray(variances, np.float64)
    if values.ndim != 1 or not np.all(values >= 0):
        raise ValueError(f"variances: shape {values.shape}; they must be a list of numbers >= 0")
    squares = float(np.square(values).sum())
    return float(values.sum() ** 2 / squares) if squares > 0 else float("nan")

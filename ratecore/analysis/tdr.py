"""Targeted dimensionality reduction: the axes along which task variables move a population (Mante et al. 2013)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.dimensionality import SMALLEST, principal_components, projected
from ratecore.analysis.trials import activity_of, categories, combinations_of, condition_means, labels_of, units_there

FEW = 8  # a variable with more distinct values than this is graded
GRADES = 4  # groups of trials into which a graded variable is divided for the condition means

Variables = Mapping[str, Sequence[Any] | NDArray[Any]]


@dataclass(frozen=True)
class TargetedAxes:
    """Axes of task variables.

    Attributes:
        variables: names of the V variables, in the order of the orthogonalisation.
        coefficients: regression coefficients (V, T, N) of the z-scored activity, before denoising, unitless: standard
            deviations of the unit for a variable that goes from 0 to its largest absolute value; NaN at times with
            too few trials.
        norms: length of the denoised coefficients of each variable at each time (V, T), unitless.
        peaks: step at which the length is largest (V,), steps.
        axes: unit vectors of the denoised coefficients at these steps (V, N), unitless.
        orthogonal: the same, orthogonalised in this order by QR (V, N), unitless; each points as its axis does.
        mean: subtracted from each unit (N,), unitless.
        scale: standard deviation of each unit (N,), unitless.
    """

    variables: tuple[str, ...]
    coefficients: Float[np.ndarray, "V T N"]
    norms: Float[np.ndarray, "V T"]
    peaks: Int[np.ndarray, " V"]
    axes: Float[np.ndarray, "V N"]
    orthogonal: Float[np.ndarray, "V N"]
    mean: Float[np.ndarray, " N"]
    scale: Float[np.ndarray, " N"]

    def project(self, activity: ArrayLike) -> Float[np.ndarray, "*shape V"]:
        """Project activity onto the orthogonalised axes.

        Args:
            activity: (..., N), units last, unitless: trials or condition means.

        Returns:
            (..., V), in standard deviations of the units, unitless.

        Raises:
            ValueError: it has another number of units.

        Source:
            Mante et al. 2013, supplementary information 6.7.
        """
        return projected(activity, self.orthogonal, self.mean, self.scale)

    @property
    def angles(self) -> Float[np.ndarray, "V V"]:
        """Angles between the axes before orthogonalisation (V, V), in units of degrees, from 0 to 90."""
        angles: Float[np.ndarray, "V V"] = np.degrees(np.arccos(np.clip(np.abs(self.axes @ self.axes.T), 0, 1)))
        return angles


def targeted_axes(
    activity: ArrayLike,
    variables: Variables,
    n_components: int = 12,
    conditions: Sequence[Any] | NDArray[Any] | None = None,
    window: slice | None = None,
) -> TargetedAxes:
    """Find the axes along which task variables move the activity of a population.

    Each unit is z-scored over all trials and times. At each time its activity is regressed on all variables and a
    constant. The coefficients are denoised by projection onto the first principal components of the condition means.
    The axis of a variable has the direction of its coefficients where they are longest; axes are orthogonalised by QR
    in the order of the variables.

    Args:
        activity: (B, T, N) over trials, time and units, unitless; NaN after the end of shorter trials.
        variables: by name: a value for each trial (B,). Numbers are divided by their largest absolute value; words must
            be two, and count as -1 and +1 in alphabetical order.
        n_components: of the denoising; 12 in the paper. All there are, where these are fewer.
        conditions: condition of each trial (B,), for the means; by default the combinations of the variables, of which
            those with more than 8 distinct values are divided into quarters.
        window: steps among which the longest coefficients are looked for; all when None.

    Returns:
        The axes.

    Raises:
        ValueError: no variable, one that is constant or follows linearly from those before it, more than two words,
            or too few trials.

    Source:
        Mante V, Sussillo D, Shenoy KV, Newsome WT (2013), Nature 503:78, supplementary information 6.4 to 6.7.
    """
    values = activity_of(activity)
    design = design_matrix(variables, len(values))
    there = units_there(values)
    scored, mean, scale = _z_scored(values[:, :, there])
    coefficients = _regressed(scored, design, tuple(variables))
    groups = combinations_of(graded_as_groups(variables), len(values))[1] if conditions is None else conditions
    means = condition_means(scored, groups)[1]
    components = principal_components(means)
    kept = components.axes[: max(min(n_components, int((components.variances > 0).sum())), 1)]
    denoised = coefficients @ kept.T  # in the space of the components, where lengths are the same
    norms = np.linalg.norm(denoised, axis=2)
    peaks = _peaks(norms, window)
    found = denoised[np.arange(len(peaks)), peaks] @ kept
    axes = found / np.linalg.norm(found, axis=1)[:, None]
    Q, R = np.linalg.qr(axes.T)
    full = [_to_all(a, there) for a in (coefficients, axes, (Q * np.sign(np.diag(R))).T)]
    return TargetedAxes(
        tuple(variables), full[0], norms, peaks, full[1], full[2], _to_all(mean, there), _to_all(scale, there, 1.0)
    )


def design_matrix(variables: Variables, n: int) -> Float[np.ndarray, "B V"]:
    """The regressors of task variables, without the constant.

    Args:
        variables: by name: a value for each of B trials; see `targeted_axes`.
        n: B, the number of trials.

    Returns:
        (B, V), from -1 to 1, unitless.

    Raises:
        ValueError: no variable, one that is constant or follows linearly from those before it, or more than two words.

    Source:
        Mante et al. 2013, supplementary information 6.4.
    """
    if not variables:
        raise ValueError("variables: there are none; name at least one with a value for each trial")
    columns: list[NDArray[np.float64]] = []
    for name, given in variables.items():
        column = regressor(name, given, n)
        before = np.column_stack([np.ones(n), *columns])
        if np.linalg.matrix_rank(np.column_stack([before, column]), tol=1e-8 * n**0.5) <= before.shape[1]:
            others = ", ".join(list(variables)[: len(columns)]) or "a constant"
            raise ValueError(
                f"{name}: it follows linearly from {others}, so that it has no axis of its own; leave it out"
            )
        columns.append(column)
    return np.column_stack(columns)


def regressor(name: str, given: Sequence[Any] | NDArray[Any], n: int) -> Float[np.ndarray, " B"]:
    """A task variable as numbers from -1 to 1.

    Args:
        name: of the variable, for messages.
        given: a value for each trial (B,); numbers or two words.
        n: B, the number of trials.

    Returns:
        (B,), unitless.

    Raises:
        ValueError: it is constant, not finite, or has more than two words.

    Source:
        Mante et al. 2013, supplementary information 6.4.
    """
    labels = labels_of(given, n, name)
    distinct, index = categories(labels)
    if len(distinct) < 2:
        raise ValueError(f"{name}: all trials have {distinct[0]!r}; a variable needs at least two values")
    if labels.dtype.kind not in "fiub":
        if len(distinct) > 2:
            shown = ", ".join(map(repr, distinct[:4]))
            raise ValueError(f"{name}: {len(distinct)} words, {shown} ...; a variable must be numbers, or two words")
        return 2.0 * index - 1
    numbers: Float[np.ndarray, " B"] = labels.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: it has numbers that are not finite; leave out these trials")
    numbers /= np.abs(numbers).max()
    return numbers


def graded_as_groups(variables: Variables) -> dict[str, NDArray[Any]]:
    """Variables with few values each: those with more than 8 are divided into quarters of the trials.

    Args:
        variables: by name: a value for each of B trials.

    Returns:
        by name: (B,), the values, or numbers of the quarters from 0.

    Source: none
    """
    groups: dict[str, NDArray[Any]] = {}
    for name, given in variables.items():
        values = np.asarray(given)
        if values.dtype.kind in "fiu" and len(np.unique(values)) > FEW:
            edges = np.quantile(values, np.arange(1, GRADES) / GRADES)
            values = np.searchsorted(edges, values, side="right")
        groups[name] = values
    return groups


def _z_scored(
    values: Float[np.ndarray, "B T N"],
) -> tuple[Float[np.ndarray, "B T N"], Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Activity in standard deviations of each unit over all trials and times, with mean and SD; silent units as 0."""
    mean = np.nanmean(values, (0, 1))
    sd = np.nanstd(values, (0, 1))
    scale = np.where(sd > SMALLEST, sd, 1.0)
    return (values - mean) / scale, mean, scale


def _regressed(
    scored: Float[np.ndarray, "B T N"], design: Float[np.ndarray, "B V"], names: tuple[str, ...]
) -> Float[np.ndarray, "V T N"]:
    """Coefficients at each time, from the trials that last that long."""
    B, T, N = scored.shape
    full = np.column_stack([design, np.ones(B)])
    lasting: Bool[np.ndarray, "B T"] = ~np.isnan(scored).any(2)
    coefficients = np.full((design.shape[1], T, N), np.nan)
    patterns, of_time = np.unique(lasting, axis=1, return_inverse=True)
    for k, trials in enumerate(patterns.T):
        own = full[trials]
        if len(own) <= full.shape[1] or np.linalg.matrix_rank(own) < full.shape[1]:
            continue
        times = np.flatnonzero(of_time.reshape(-1) == k)
        activity = scored[np.ix_(trials, times)].reshape(len(own), -1)
        solution = np.linalg.lstsq(own, activity, rcond=None)[0]
        coefficients[:, times] = solution[:-1].reshape(-1, len(times), N)
    if np.isnan(coefficients).all():
        raise ValueError(f"activity: {B} trials; a regression on {', '.join(names)} needs more")
    return coefficients


def _peaks(norms: Float[np.ndarray, "V T"], window: slice | None) -> Int[np.ndarray, " V"]:
    """The step of the longest coefficients of each variable, within the window."""
    inside = np.full(norms.shape, -np.inf)
    steps = window or slice(None)
    inside[:, steps] = np.where(np.isnan(norms[:, steps]), -np.inf, norms[:, steps])
    if not (inside > 0).any(1).all():
        raise ValueError(f"window = {window}: a variable has no effect on any unit there, or too few trials")
    peaks: Int[np.ndarray, " V"] = inside.argmax(1)
    return peaks


def _to_all(values: NDArray[np.float64], there: Bool[np.ndarray, " N"], missing: float = 0.0) -> NDArray[np.float64]:
    """Values of the units that exist, as those of all units."""
    full = np.full((*values.shape[:-1], len(there)), missing)
    full[..., there] = values
    return full

"""Lines of slow points: how straight they are, how slow, what moves the state along them and what is read out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from ratecore.analysis.linearisation import cosines, linearise
from ratecore.analysis.rate_equations import RateEquations

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork

FEWEST = 3  # points through which a line is more than a definition


@dataclass(frozen=True, eq=False)
class Line:
    """The line through slow points of one constant input, and the linear dynamics at L places along it.

    Attributes:
        share: of the variance of the points along their first principal component, a fraction.
        direction: this component (N,), unitless, norm 1; it points to larger first outputs.
        place: of each point along it (K,), unitless, 0 in their mean.
        output_correlation: between the place and the first output over all points, in [-1, 1], unitless; NaN without
            a readout.
        at: indices of the points that were linearised (L,), evenly spaced by place.
        time_constants: of the two slowest modes there (L, 2), ms; negative if a mode grows; the second is 0 of a single
            unit.
        mode_alignment: |cosine| of the slowest right eigenvector there and the direction of the line (L,), a fraction.
        selection: cosine of the selection vector there and each input (L, n_in), in [-1, 1], unitless: how far the
            slowest mode takes up the input.
        readout: cosine of the slowest right eigenvector there and the direction in which each output grows
            (L, n_out), in [-1, 1], unitless.
    """

    share: float
    direction: Float[np.ndarray, " N"]
    place: Float[np.ndarray, " K"]
    output_correlation: float
    at: Int[np.ndarray, " L"]
    time_constants: Float[np.ndarray, "L 2"]
    mode_alignment: Float[np.ndarray, " L"]
    selection: Float[np.ndarray, "L n_in"]
    readout: Float[np.ndarray, "L n_out"]


def share_along_line(x: Float[np.ndarray, "K N"]) -> float:
    """Compute how far points form a line: the share of their variance along their first principal component.

    Args:
        x: states (K, N), unitless.

    Returns:
        a fraction; 1 for a line, NaN for fewer than three different points.

    Source:
        Mante et al. 2013, Nature 503:78.
    """
    if len(np.unique(x, axis=0)) < FEWEST:
        return float("nan")
    variances = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
    return float(variances[0] / variances.sum())


def line_through(net: RateNetwork | RateEquations, x: Float[np.ndarray, "K N"], n_places: int = 12) -> Line:
    """Describe the line that slow points form, if they do.

    Args:
        net: the network or its equations.
        x: slow points (K, N), unitless, all for the same input.
        n_places: number of points along it at which the dynamics are linearised.

    Returns:
        the line.

    Raises:
        ValueError: fewer than three points.

    Source:
        Mante et al. 2013, Nature 503:78; Maheswaranathan et al. 2019, NeurIPS.
    """
    equations = RateEquations.of(net)
    x = np.asarray(x, float)
    if x.ndim != 2 or len(x) < FEWEST:
        raise ValueError(f"x has shape {x.shape}; it must be (K, {equations.N}) with at least {FEWEST} slow points")
    centred = x - x.mean(0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    outputs = equations.readout(x)
    correlation = float("nan")
    if outputs.shape[1]:
        correlation = _correlation(centred @ direction, outputs[:, 0])
        direction = direction * (-1 if correlation < 0 else 1)
    place = centred @ direction
    at = _evenly(place, n_places)
    modes = [linearise(equations, state) for state in x[at]]
    return Line(
        share_along_line(x),
        direction,
        place,
        abs(correlation),
        at,
        np.array([m.two_slowest for m in modes]),
        np.array([abs(cosines(direction, m.line_direction[None])[0]) for m in modes]),
        np.array([m.selection() for m in modes]),
        np.array([m.readout_alignment() for m in modes]),
    )


def _correlation(a: Float[np.ndarray, " K"], b: Float[np.ndarray, " K"]) -> float:
    """Pearson's correlation; 0 where one does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0


def _evenly(place: Float[np.ndarray, " K"], n: int) -> Int[np.ndarray, " L"]:
    """Indices of the points closest to n places between the ends, each once, from one end to the other."""
    closest = np.abs(place[:, None] - np.linspace(place.min(), place.max(), n)).argmin(0)
    found: Int[np.ndarray, " L"] = closest[np.append(True, np.diff(closest) != 0)]
    return found

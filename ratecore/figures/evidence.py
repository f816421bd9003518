"""Choices of several networks against the strength of the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from ratecore.figures.style import axes_or_new


@dataclass(frozen=True)
class Curve:
    """Shares of choices of several networks.

    Attributes:
        label: in the legend.
        levels: signed evidence (L,), in the task's unit.
        shares: of each network (n, L), in [0, 1].
        color: of the curve.
        line: its style.
        marker: of its points.
    """

    label: str
    levels: Float[np.ndarray, " L"]
    shares: Float[np.ndarray, "n L"]
    color: str
    line: str = "-"
    marker: str = "o"


def by_evidence(ax: Axes | None, curves: Sequence[Curve]) -> Axes:
    """Draw means over networks with their SD.

    Args:
        ax: axes to draw into; new ones when None.
        curves: in the order of the legend.

    Returns:
        the axes; shares are in percent.

    Source:
        Kim et al. 2019, Fig. 4.
    """
    ax = axes_or_new(ax)
    for curve in curves:
        mean = 100 * curve.shares.mean(0)
        sd = 100 * curve.shares.std(0, ddof=1) if len(curve.shares) > 1 else np.zeros_like(mean)
        ax.errorbar(
            curve.levels, mean, sd, fmt=curve.marker, ls=curve.line, ms=3.2, mew=0, lw=0.9, elinewidth=0.7, capsize=1.2,
            color=curve.color, label=curve.label,
        )  # fmt: skip
    ax.axvline(0, color="0.85", lw=0.6, zorder=0)
    ax.axhline(50, color="0.85", lw=0.6, zorder=0)
    ax.set_ylim(-3, 103)
    return ax

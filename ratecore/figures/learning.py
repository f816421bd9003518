"""How weights change during training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from ratecore.figures.style import COLORS, axes_or_new

Trials = Int[np.ndarray, " S"]
Course = Float[np.ndarray, " S"]


def weight_changes(
    axis: Axes | None, trials: Trials, exc: Course, inh: Course, color: str = COLORS[0], first: bool = True
) -> Axes:
    """Draw how far the weights of excitatory and of inhibitory units have changed.

    Args:
        axis: to draw on; None for a new figure.
        trials: of training (S,).
        exc: change of the weights from excitatory units as a fraction of those before training (S,), unitless.
        inh: the same from inhibitory units (S,); NaN if there are none.
        color: of both lines.
        first: whether the lines are named, as they are once on an axis.

    Returns:
        the axis.

    Source: none
    """
    axis = axes_or_new(axis, 4.0, 3.0)
    axis.plot(trials, exc, color=color, lw=1.2)
    axis.plot(trials, inh, color=color, lw=1.2, ls=":")
    if first:
        _named(axis, {"from E": "-", "from I": ":"})
        axis.set(xlabel="trial of training", ylabel="change of weights (fraction)", ylim=(0, None))
    return axis


def change_overlap(axis: Axes | None, trials: Trials, overlap: Course, color: str = COLORS[0]) -> Axes:
    """Draw how much the change of the weights so far points into the direction of the whole change.

    Args:
        axis: to draw on; None for a new figure.
        trials: of training (S,).
        overlap: cosine of the angle between both changes (S,), NaN where nothing has changed.
        color: of the line.

    Returns:
        the axis.

    Source: none
    """
    axis = axes_or_new(axis, 4.0, 3.0)
    axis.plot(trials, overlap, color=color, lw=1.2)
    low = min(0.0, float(np.nanmin(overlap, initial=0.0)), axis.get_ylim()[0] if axis.lines[1:] else 0.0)
    axis.set(xlabel="trial of training", ylabel="overlap with the whole change", ylim=(low, 1.03))
    return axis


def spectra_in_training(
    axis: Axes | None, trials: Trials, radius: Course, abscissa: Course, color: str = COLORS[0], first: bool = True
) -> Axes:
    """Draw the spectral radius and abscissa during training.

    Args:
        axis: to draw on; None for a new figure.
        trials: of training (S,).
        radius: largest absolute value of an eigenvalue (S,), unitless.
        abscissa: largest real part of an eigenvalue (S,), unitless.
        color: of both lines.
        first: whether the lines are named, as they are once on an axis.

    Returns:
        the axis.

    Source: none
    """
    axis = axes_or_new(axis, 4.0, 3.0)
    axis.plot(trials, radius, color=color, lw=1.2)
    axis.plot(trials, abscissa, color=color, lw=1.2, ls=":")
    if first:
        _named(axis, {"radius": "-", "largest real part": ":"})
        axis.set(xlabel="trial of training", ylabel="eigenvalues of W")
    return axis


def _named(axis: Axes, lines: dict[str, str]) -> None:
    """Name kinds of lines in a legend inside the axes, where colours stand for networks."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color="0.3", lw=1.2, ls=style, label=name) for name, style in lines.items()]
    axis.add_artist(axis.legend(handles=handles, fontsize=8, frameon=False, loc="best"))

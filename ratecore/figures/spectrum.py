"""The eigenvalues of a rate network's weights, before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Complex
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratecore.figures.style import COLORS, axes_or_new, color_of, new_figure
from ratecore.system.arrays import numbers

if TYPE_CHECKING:  # importing them takes longer than drawing
    from ratecore.rate.results import TrainingResult
    from ratecore.rate.saved import SavedNetwork


def eigenvalues_before_and_after(
    result: TrainingResult | SavedNetwork,
) -> tuple[Complex[np.ndarray, " N"], Complex[np.ndarray, " N"]]:
    """Compute the eigenvalues of the effective weights before and after training.

    Args:
        result: of the training, or its network as arrays.

    Returns:
        before and after, (N,) each, unitless.

    Source:
        docs/model.md 1.2, equation 4.
    """
    net: Any = getattr(result, "net", result)
    first = result.initial["w"]
    first = first if isinstance(first, np.ndarray) else first.to(net.w)
    matrices = (numbers(W).astype(np.float64) for W in (net.effective_weights(first), net.effective_weights()))
    before, after = (np.linalg.eigvals(W).astype(complex) for W in matrices)
    return before, after


def spectrum(before: Complex[np.ndarray, " N"], after: Complex[np.ndarray, " N"], title: str = "") -> Figure:
    """Draw eigenvalues in the complex plane, before training on the left and after it on the right.

    Args:
        before: eigenvalues of the effective weights before training (N,), unitless.
        after: those after training (N,), unitless.
        title: of the figure.

    Returns:
        the figure. The circle has radius 1; the text above it has the largest absolute value, and the next one whose
        value differs, since one eigenvalue far from the others is that of a mean weight that is not 0.

    Source:
        docs/model.md 1.3; Rajan & Abbott 2006, Physical Review Letters 97:188104.
    """
    figure, axes = new_figure(5.5, 3.0, columns=2, sharex=True, sharey=True)
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for axis, values, name, color in zip(
        axes, (before, after), ("before training", "after training"), COLORS, strict=False
    ):
        sizes = np.sort(np.abs(values))[::-1]
        rest = sizes[sizes < sizes[0] * (1 - 1e-6)]  # a conjugate is as large
        largest = f"|λ| ≤ {sizes[0]:.2f}" + (f", then {rest[0]:.2f}" if rest.size else "")
        axis.plot(circle.real, circle.imag, color="0.7", lw=0.8)
        axis.axhline(0, color="0.9", lw=0.6, zorder=0)
        axis.axvline(0, color="0.9", lw=0.6, zorder=0)
        axis.plot(values.real, values.imag, "o", ms=2.5, alpha=0.6, mew=0, color=color)
        axis.set(xlabel="real part", aspect="equal")
        axis.set_title(f"{name}\n{largest}", fontsize=9)
    axes[0].set(ylabel="imaginary part")
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def eigenvalues(
    axis: Axes | None, networks: Sequence[Complex[np.ndarray, " N"]], bulk_radius: float | None = None
) -> Axes:
    """Draw the eigenvalues of one or several weight matrices in the complex plane, each matrix in its colour.

    Args:
        axis: to draw on; None for a new figure.
        networks: eigenvalues of each matrix (N,), unitless.
        bulk_radius: radius of the disc that random weights would fill, unitless, drawn as a dashed circle.

    Returns:
        the axis. The solid circle has radius 1.

    Source:
        Rajan & Abbott 2006, Physical Review Letters 97:188104.
    """
    axis = axes_or_new(axis, 3.4, 3.2)
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    axis.axhline(0, color="0.9", lw=0.6, zorder=0)
    axis.axvline(0, color="0.9", lw=0.6, zorder=0)
    axis.plot(circle.real, circle.imag, color="0.6", lw=0.8)
    if bulk_radius is not None:
        axis.plot(bulk_radius * circle.real, bulk_radius * circle.imag, color="0.3", lw=0.8, ls="--")
    for k, values in enumerate(networks):
        axis.plot(values.real, values.imag, "o", ms=2.5, alpha=0.6, mew=0, color=color_of(k))
    axis.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
    return axis

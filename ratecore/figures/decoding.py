"""Figures of decoding and of the selectivity of single units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes

from ratecore.figures.style import COLORS, axes_or_new, color_of, legend

MOST_NAMES = 12  # of networks that have room beside their bars
KIND_COLORS = {"none": "0.8", "pure": COLORS[5], "linear mixed": COLORS[4], "nonlinear mixed": COLORS[1]}


def decoding_over_time(
    ax: Axes | None,
    times: Float[np.ndarray, " T"],
    scores: Mapping[str, Sequence[Float[np.ndarray, " T"]]],
    chance: float | None = None,
    interval: tuple[float, float] | None = None,
    ylabel: str = "accuracy on held-out trials",
) -> Axes:
    """Draw how well variables are decoded over time: the mean over networks, and thin lines for each.

    Args:
        ax: to draw into; a new one when None.
        times: (T,), ms.
        scores: by variable, of each network: accuracy, or R^2 (T,), fractions; NaN is not drawn.
        chance: accuracy of guesses, a fraction.
        interval: where 95 % of the accuracies of shuffled labels lie, fractions; a grey band.
        ylabel: of the vertical axis.

    Returns:
        the axes.

    Source: none
    """
    ax = axes_or_new(ax)
    if interval is not None and not np.isnan(interval).any():
        ax.axhspan(*interval, color="0.88", lw=0, zorder=0, label="95 % of\nshuffles")
    if chance is not None:
        ax.axhline(chance, color="0.5", lw=0.8, ls="--", label="chance")
    for k, (name, courses) in enumerate(scores.items()):
        values = np.array(courses)
        if len(values) > 1:
            ax.plot(times, values.T, lw=0.5, alpha=0.4, color=color_of(k))
        there = ~np.isnan(values)
        n = np.where(there.any(0), there.sum(0), np.nan)
        ax.plot(times, np.where(there, values, 0).sum(0) / n, lw=1.5, color=color_of(k), label=name)
    ax.set(xlabel="time (ms)", ylabel=ylabel, ylim=(None, 1.03))
    legend(ax)
    return ax


def cross_temporal(
    ax: Axes | None,
    times: Float[np.ndarray, " T"],
    matrix: Float[np.ndarray, "T T"],
    chance: float,
    title: str = "",
    colorbar: bool = True,
) -> Axes:
    """Draw the accuracy of decoders trained at one time and tested at another.

    Args:
        ax: to draw into; a new one when None.
        times: (T,), ms, evenly spaced.
        matrix: (T, T), training times first, fractions; NaN stays white.
        chance: accuracy of guesses, a fraction, which is white.
        title: of the axes.
        colorbar: whether there is a bar of colours.

    Returns:
        the axes.

    Source:
        King & Dehaene 2014 (Trends in Cognitive Sciences 18:203), Fig. 1.
    """
    ax = axes_or_new(ax, 4.2, 3.4)
    half = (times[1] - times[0]) / 2 if len(times) > 1 else 0.5
    ends = (times[0] - half, times[-1] + half)
    span = 1 - chance
    image = ax.imshow(
        matrix,
        origin="lower", extent=(*ends, *ends), cmap="RdBu_r", vmin=chance - span, vmax=1, interpolation="nearest",
    )  # fmt: skip
    ax.plot(ends, ends, color="k", lw=0.5, ls=":")
    ax.set(xlabel="tested at (ms)", ylabel="trained at (ms)")
    ax.set_title(title, fontsize=9)
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, label="accuracy", shrink=0.85)
        bar.ax.set_ylim(min(chance, float(np.nanmin(matrix)) if not np.isnan(matrix).all() else chance), 1)
    return ax


def selectivity_kinds(ax: Axes | None, shares: Sequence[Mapping[str, float]], labels: Sequence[str]) -> Axes:
    """Draw the shares of units by kind of selectivity, a bar per network.

    Args:
        ax: to draw into; a new one when None.
        shares: of each network: share by kind, fractions.
        labels: of the networks.

    Returns:
        the axes.

    Source:
        Rigotti et al. 2013 (Nature 497:585).
    """
    ax = axes_or_new(ax)
    y, left = np.arange(len(shares)), np.zeros(len(shares))
    for kind in shares[0]:
        widths = np.array([own[kind] for own in shares])
        ax.barh(y, widths, left=left, color=KIND_COLORS.get(kind, COLORS[3]), label=kind)
        left += widths
    ax.set(xlabel="share of units", xlim=(0, 1))
    if len(labels) <= MOST_NAMES:
        ax.set(yticks=y, yticklabels=labels)
    else:
        ax.set(yticks=[], ylabel=f"{len(labels)} networks")
    ax.invert_yaxis()
    legend(ax)
    return ax


def selectivity_scatter(
    ax: Axes | None,
    effects: Float[np.ndarray, "2 N"],
    kinds: Int[np.ndarray, " N"],
    kind_names: Sequence[str],
    names: tuple[str, str],
) -> Axes:
    """Draw the effects of two terms on each unit against each other, coloured by its kind of selectivity.

    Args:
        ax: to draw into; a new one when None.
        effects: share of the unit's variance that two terms explain (2, N), fractions.
        kinds: index into `kind_names` of each unit (N,).
        kind_names: of the kinds.
        names: of the terms.

    Returns:
        the axes.

    Source:
        Rigotti et al. 2013 (Nature 497:585).
    """
    ax = axes_or_new(ax)
    for k, kind in enumerate(kind_names):
        own: Bool[np.ndarray, " N"] = kinds == k
        color = KIND_COLORS.get(kind, COLORS[3])
        ax.plot(*effects[:, own], "o", ms=4, mew=0, alpha=0.8, color=color, label=f"{kind}: {own.sum()}")
    ax.set(xlabel=f"variance explained by {names[0]}", ylabel=f"variance explained by {names[1]}")
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    legend(ax)
    return ax


def selectivity_histogram(
    ax: Axes | None,
    values: Float[np.ndarray, " N"],
    significant: Bool[np.ndarray, " N"],
    xlabel: str,
    middle: float = 0.0,
) -> Axes:
    """Draw the distribution of a measure of selectivity over units, with the significant units filled.

    Args:
        ax: to draw into; a new one when None.
        values: of each unit (N,), unitless: d', ROC area, ...
        significant: (N,).
        xlabel: name of the measure.
        middle: its value without selectivity, unitless.

    Returns:
        the axes.

    Source: none
    """
    ax = axes_or_new(ax)
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite - middle).max()) if finite.size else 1.0
    bins = np.linspace(middle - (most or 1), middle + (most or 1), 31).tolist()
    ax.hist(finite, bins, color="0.8", label="all units")
    chosen = values[np.isfinite(values) & significant]
    ax.hist(chosen, bins, color=COLORS[1], label=f"significant: {len(chosen)}")
    ax.axvline(middle, color="k", lw=0.6)
    ax.set(xlabel=xlabel, ylabel="units")
    legend(ax)
    return ax


def tuning(
    ax: Axes | None,
    levels: Float[np.ndarray, " L"],
    mean: Float[np.ndarray, "L N"],
    sem: Float[np.ndarray, "L N"],
    xlabel: str = "evidence",
    names: Sequence[str] | None = None,
) -> Axes:
    """Draw tuning curves with standard errors, a line per unit; a handful of units can be told apart.

    Args:
        ax: to draw into; a new one when None.
        levels: evidence (L,), in any units of its own.
        mean: mean activity (L, N), unitless.
        sem: standard errors (L, N), unitless.
        xlabel: of the evidence.
        names: of the units.

    Returns:
        the axes.

    Source: none
    """
    ax = axes_or_new(ax)
    for k in range(mean.shape[1]):
        label = None if names is None else names[k]
        ax.errorbar(levels, mean[:, k], sem[:, k], fmt="o-", ms=3, lw=1.2, capsize=2, color=color_of(k), label=label)
    ax.set(xlabel=xlabel, ylabel="mean activity")
    if names is not None:
        legend(ax)
    return ax

"""Figures of populations: trajectories, targeted axes and demixed components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ratecore.figures.style import axes_or_new, color_of, legend

LINES = ("-", "--", ":", "-.")


def style_of(k: int, n: int) -> dict[str, Any]:
    """Colour and dashes of the k-th of n lines, so that as many as 32 can be told apart.

    Args:
        k: from 0.
        n: number of lines.

    Returns:
        arguments of `Axes.plot`.
    """
    dashes = 1 if n <= 8 else -(-n // 8)
    return {"color": color_of(k // dashes), "ls": LINES[k % dashes % len(LINES)]}


def explained_variance(ax: Axes | None, explained: Sequence[Float[np.ndarray, " _"]], most: int = 20) -> Axes:
    """Draw the share of the variance that the first components explain together, a line per network.

    Args:
        ax: to draw into; a new one when None.
        explained: of each network: share of each component (M,), fractions.
        most: components that are shown at most.

    Returns:
        the axes.

    Source: none
    """
    ax = axes_or_new(ax)
    for k, shares in enumerate(explained):
        shown = np.cumsum(shares)[:most]
        ax.plot(np.arange(1, len(shown) + 1), shown, "o-", ms=3, lw=1, color=color_of(k))
    ax.axhline(0.9, color="0.6", lw=0.8, ls="--")
    ax.text(most, 0.885, "90 %", ha="right", va="top", fontsize=7, color="0.4")
    ax.set(xlabel="principal components", ylabel="share of the variance, together", ylim=(0, 1.03))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def trajectories(
    ax: Axes | None,
    paths: Mapping[str, Float[np.ndarray, "T K"]],
    explained: Float[np.ndarray, " M"] | None = None,
    components: tuple[int, int] = (0, 1),
    labelled: bool = True,
) -> Axes:
    """Draw the course of each condition in the plane of two components; a circle marks its start, a square its end.

    Args:
        ax: to draw into; a new one when None.
        paths: by condition: mean activity projected onto the components (T, K), unitless; NaN is not drawn.
        explained: share of the variance of each component (M,), fractions, for the labels of the axes.
        components: which two, from 0.
        labelled: whether there is a legend.

    Returns:
        the axes.

    Source:
        Mante et al. 2013 (Nature 503:78), Fig. 2.
    """
    ax = axes_or_new(ax)
    i, j = components
    for k, (name, path) in enumerate(paths.items()):
        style = style_of(k, len(paths))
        there = path[~np.isnan(path[:, [i, j]]).any(1)][:, [i, j]]
        ax.plot(there[:, 0], there[:, 1], lw=1.3, label=name, **style)
        if len(there):
            ax.plot(*there[0], "o", ms=4, color=style["color"])
            ax.plot(*there[-1], "s", ms=4, color=style["color"])
    shares = ["" if explained is None else f" ({100 * explained[c]:.0f} %)" for c in components]
    ax.set(xlabel=f"PC {i + 1}{shares[0]}", ylabel=f"PC {j + 1}{shares[1]}")
    if labelled:
        legend(ax)
    return ax


def projections(
    ax: Axes | None,
    paths: Mapping[str, Float[np.ndarray, "T 2"]],
    names: tuple[str, str],
    labelled: bool = True,
) -> Axes:
    """Draw the course of each condition in the plane of two axes of task variables.

    Args:
        ax: to draw into; a new one when None.
        paths: by condition: mean activity projected onto the two axes (T, 2), in standard deviations of the units,
            unitless.
        names: of the variables.
        labelled: whether there is a legend.

    Returns:
        the axes.

    Source:
        Mante et al. 2013 (Nature 503:78), Fig. 2.
    """
    ax = trajectories(ax, paths, labelled=labelled)
    ax.axhline(0, color="0.9", lw=0.8, zorder=0)
    ax.axvline(0, color="0.9", lw=0.8, zorder=0)
    ax.set(xlabel=f"{names[0]} axis (SD)", ylabel=f"{names[1]} axis (SD)")
    return ax


def lengths_over_time(
    ax: Axes | None,
    times: Float[np.ndarray, " T"],
    norms: Mapping[str, Float[np.ndarray, " T"]],
) -> Axes:
    """Draw how strongly each task variable moves the population over time, with a point where its axis is taken.

    Args:
        ax: to draw into; a new one when None.
        times: (T,), ms.
        norms: by variable: length of the regression coefficients (T,), unitless.

    Returns:
        the axes.

    Source:
        Mante et al. 2013, supplementary information 6.6.
    """
    ax = axes_or_new(ax)
    for k, (name, course) in enumerate(norms.items()):
        ax.plot(times, course, lw=1.3, color=color_of(k), label=name)
        if not np.isnan(course).all():
            peak = int(np.nanargmax(course))
            ax.plot(times[peak], course[peak], "o", ms=5, color=color_of(k))
    ax.set(xlabel="time (ms)", ylabel="length of coefficients (SD)", ylim=(0, None))
    legend(ax)
    return ax


def component_courses(
    ax: Axes | None,
    times: Float[np.ndarray, " T"],
    courses: Mapping[str, Float[np.ndarray, " T"]],
    title: str = "",
    labelled: bool = True,
    significant: Bool[np.ndarray, " T"] | None = None,
) -> Axes:
    """Draw one demixed component over time, a line per condition, and a thick line below where it is significant.

    Args:
        ax: to draw into; a new one when None.
        times: (T,), ms.
        courses: by condition (T,), unitless.
        title: of the axes.
        labelled: whether there is a legend.
        significant: at which times the component is (T,).

    Returns:
        the axes.

    Source:
        Kobak et al. 2016 (eLife 5:e10989), Fig. 3.
    """
    ax = axes_or_new(ax)
    for k, (name, course) in enumerate(courses.items()):
        ax.plot(times, course, lw=1.2, label=name, **style_of(k, len(courses)))
    ax.axhline(0, color="0.9", lw=0.8, zorder=0)
    if significant is not None and significant.any():
        half = np.diff(times).mean() / 2 if len(times) > 1 else 0.5
        low, high = ax.get_ylim()
        below = low - 0.08 * (high - low)
        there = [(t - half, t + half) for t in times[significant]]
        ax.hlines([below] * len(there), *zip(*there, strict=True), color="k", lw=3, label="significant")
    ax.set(xlabel="time (ms)", ylabel="component")
    ax.set_title(title, fontsize=9)
    if labelled:
        legend(ax)
    return ax


def marginalisation_shares(ax: Axes | None, shares: Sequence[Mapping[str, float]]) -> Axes:
    """Draw the share of the variance of each marginalisation, a point per network and a bar for their mean.

    Args:
        ax: to draw into; a new one when None.
        shares: of each network: share by marginalisation, fractions that add up to 1.

    Returns:
        the axes.

    Source:
        Kobak et al. 2016 (eLife 5:e10989), Fig. 3.
    """
    ax = axes_or_new(ax)
    names = list(shares[0])
    values = np.array([[own.get(name, np.nan) for name in names] for own in shares])
    y = np.arange(len(names))
    ax.barh(y, values.mean(0), color=[color_of(k) for k in range(len(names))], alpha=0.6)
    if len(values) > 1:
        for row in values:
            ax.plot(row, y, "o", ms=3, color="0.3")
    ax.set(yticks=y, yticklabels=names, xlabel="share of the variance", xlim=(0, 1))
    ax.invert_yaxis()
    return ax

"""Figures of excitatory and inhibitory currents and of their balance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ratecore.figures.population import LINES
from ratecore.figures.style import COLORS, axes_or_new, legend

EXC, INH, NET, EXTERNAL = COLORS[1], COLORS[0], COLORS[6], COLORS[2]
TYPE_COLORS = {"E": EXC, "I": INH, "all": "0.4"}
UNITS = "units of x"


def currents_over_time(
    ax: Axes | None,
    times: Float[np.ndarray, " T"],
    excitatory: Float[np.ndarray, "C T"],
    inhibitory: Float[np.ndarray, "C T"],
    external: Float[np.ndarray, "C T"] | None = None,
    conditions: Sequence[str] = (),
    unit: str = UNITS,
) -> Axes:
    """Draw excitatory, inhibitory, external and net currents over time, which share an axis.

    Up to four conditions differ in their dashes; of more, there are thin lines and the mean.

    Args:
        ax: to draw into; a new one when None.
        times: (T,), ms.
        excitatory: mean current of each condition (C, T), in units of x.
        inhibitory: the same (C, T), <= 0, in units of x.
        external: the same from inputs (C, T), in units of x; not drawn where it is 0 throughout or
            None. The net current has it.
        conditions: their names; none for one alone.
        unit: of the currents.

    Returns:
        the axes, without a legend: lines of currents and conditions are labelled for one.

    Source: none
    """
    ax = axes_or_new(ax)
    total = excitatory + inhibitory + (0 if external is None else external)
    kinds = [("excitatory", excitatory, EXC), ("inhibitory", inhibitory, INH), ("net", total, NET)]
    if external is not None and np.nanmax(np.abs(external), initial=0) > 0:
        kinds.insert(2, ("external", external, EXTERNAL))
    few = len(excitatory) <= len(LINES)
    ax.axhline(0, color="0.7", lw=0.6, zorder=0)
    for name, courses, color in kinds:
        for k, course in enumerate(courses):
            style = {"ls": LINES[k], "lw": 1.3} if few else {"lw": 0.5, "alpha": 0.4}
            ax.plot(times, course, color=color, label=name if few and not k else "", **style)
        if not few:
            there = ~np.isnan(courses)
            n = np.where(there.any(0), there.sum(0), np.nan)
            ax.plot(times, np.where(there, courses, 0).sum(0) / n, color=color, lw=1.6, label=name)
    if few and len(conditions) > 1:
        for name, dashes in zip(conditions, LINES, strict=False):
            ax.add_line(Line2D([], [], color="0.4", lw=1.3, ls=dashes, label=name))
    ax.set(xlabel="time (ms)", ylabel=f"mean current ({unit})")
    return ax


def exc_against_inh(
    ax: Axes | None,
    excitatory: Float[np.ndarray, " N"],
    inhibitory: Float[np.ndarray, " N"],
    types: Shaped[np.ndarray, " N"],
    unit: str = UNITS,
) -> Axes:
    """Draw the mean inhibitory current onto each unit against its excitatory one; on the line, both cancel.

    Args:
        ax: to draw into; a new one when None.
        excitatory: mean current (N,), in units of x.
        inhibitory: mean current (N,), <= 0, in units of x.
        types: of the units (N,), 'E', 'I' or 'all'.
        unit: of the currents.

    Returns:
        the axes.

    Source: none
    """
    ax = axes_or_new(ax, 4.2, 3.2)
    most = float(np.nanmax(np.concatenate([excitatory, -inhibitory]), initial=0)) * 1.05 or 1.0
    ax.plot([0, most], [0, most], color="0.5", lw=0.8, ls="--", label="E = |I|")
    for name in dict.fromkeys(types.tolist()):
        own = types == name
        ax.plot(excitatory[own], -inhibitory[own], "o", ms=3, alpha=0.6, color=TYPE_COLORS[name], label=f"onto {name}")
    ax.set(xlabel=f"mean E ({unit})", ylabel=f"mean |I| ({unit})", xlim=(0, most), ylim=(0, most))
    legend(ax)
    return ax


def correlations(ax: Axes | None, correlation: Float[np.ndarray, " N"], types: Shaped[np.ndarray, " N"]) -> Axes:
    """Draw how many units have which correlation of E and |I| over time, with the median of each type.

    Args:
        ax: to draw into; a new one when None.
        correlation: of each unit (N,), unitless, in [-1, 1]; NaN is left out.
        types: of the units (N,), 'E', 'I' or 'all'.

    Returns:
        the axes.

    Source:
        Okun & Lampl 2008 (Nature Neuroscience 11:535).
    """
    ax = axes_or_new(ax, 4.2, 3.2)
    for name in dict.fromkeys(types.tolist()):
        values = correlation[(types == name) & ~np.isnan(correlation)]
        if not values.size:
            continue
        label = f"onto {name}: median {np.median(values):.2f}"
        ax.hist(values, np.linspace(-1, 1, 41).tolist(), histtype="stepfilled", alpha=0.55, color=TYPE_COLORS[name])
        ax.axvline(float(np.median(values)), color=TYPE_COLORS[name], lw=1.2, ls="--", label=label)
    ax.set(xlabel="correlation of E and |I| over time", ylabel="units", xlim=(-1.03, 1.03))
    if ax.get_legend_handles_labels()[1]:
        legend(ax, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return ax

"""Boxes and means of values at a position, and published values beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ratecore.figures.print_style import BAND, PUBLISHED

FEW = 30  # values up to which each is drawn as a point
DASHES = (0, (4, 2))  # of lines of published values
LEAST = 4  # values from which a box is drawn


@dataclass(frozen=True)
class Mark:
    """A published value.

    Attributes:
        position: on the horizontal axis, by number of the position; None for all of it.
        series: number of the series that it belongs to; None for none.
        value: in the unit of the vertical axis; None for a band alone.
        sd: in the unit of the value.
        low: lower end of a band, in the unit of the vertical axis.
        high: upper end, in the unit of the vertical axis.
    """

    position: int | None = None
    series: int | None = None
    value: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def jitter(values: Float[np.ndarray, " n"], width: float) -> Float[np.ndarray, " n"]:
    """Shifts that keep points of similar values apart, the same each time.

    Args:
        values: (n,), in the unit of any measure.
        width: largest distance of two points, in the unit of the axis.

    Returns:
        shifts (n,) in the unit of the width, around 0.

    Source: none
    """
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return (((order * 0.618034) % 1.0) - 0.5) * width  # the golden ratio keeps neighbours far apart


def draw_box(
    axis: Axes, x: float, values: Float[np.ndarray, " n"], width: float, color: str, marker: str = "o"
) -> None:
    """Draw median, quartiles and whiskers at 1.5 interquartile ranges, with the points where they are few.

    Args:
        axis: to draw into.
        x: position, in the unit of the axis.
        values: (n,), without NaN, in the unit of the axis.
        width: of the box, in the unit of the axis.
        color: of the box.
        marker: of the points.

    Source:
        Tukey 1977, Exploratory Data Analysis.
    """
    n = len(values)
    if n >= LEAST:
        line = {"color": color, "lw": 0.8}
        axis.boxplot(
            [values],
            positions=[x],
            widths=[width],
            showfliers=n > FEW,
            flierprops={"marker": ".", "ms": 2.5, "mec": color, "mfc": color},
            boxprops={**line, "facecolor": (*_rgb(color), 0.18)},
            whiskerprops=line,
            capprops=line,
            medianprops={"color": color, "lw": 1.6, "solid_capstyle": "butt"},
            patch_artist=True,
            manage_ticks=False,
        )
    elif n:
        axis.plot([x - width / 2, x + width / 2], [np.median(values)] * 2, color=color, lw=1.6)
    if n <= FEW:
        look: dict[str, Any] = {"ls": "", "marker": marker, "ms": 2.2, "mew": 0, "alpha": 0.75, "color": color}
        axis.plot(x + jitter(values, 0.55 * width), values, zorder=3, **look)


def _rgb(color: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def draw_published(
    axis: Axes,
    marks: Sequence[Mark],
    places: Mapping[tuple[int | None, int | None], float],
    width: float,
    colors: Sequence[str] = (),
) -> None:
    """Draw published values: open diamonds with their SD, dashed lines, and bands.

    Args:
        axis: to draw into.
        marks: the values.
        places: (position, series): x, also for series None.
        width: of a band at one position, in the unit of the axis.
        colors: of the series. A value of one of them has its colour, others are grey.

    Source: none
    """
    for mark in marks:
        own = mark.series is not None and len(colors) > 1
        color = colors[mark.series] if own and mark.series is not None else PUBLISHED
        band: dict[str, Any] = {"color": color, "alpha": 0.15} if own else {"color": BAND}
        x = None if mark.position is None else places[mark.position, mark.series]
        if mark.low is not None and mark.high is not None:
            if x is None:
                axis.axhspan(mark.low, mark.high, lw=0, zorder=0, **band)
            else:
                axis.fill_between([x - width / 2, x + width / 2], mark.low, mark.high, lw=0, zorder=0, **band)
        if mark.value is None:
            continue
        if x is None:
            axis.axhline(mark.value, color=color, lw=0.8, ls=DASHES, zorder=0)
        else:
            axis.errorbar(
                [x], [mark.value], None if mark.sd is None else [mark.sd], fmt="D", ms=4.2, mfc="white", mec=color,
                mew=0.9, ecolor=color, elinewidth=0.8, capsize=1.5, capthick=0.8, zorder=5,
            )  # fmt: skip


def published_handles(marks: Sequence[Mark], where: str = "published") -> list[Any]:
    """What a legend shows for published values.

    Args:
        marks: the values.
        where: they are from.

    Returns:
        artists with labels; none without values.
    """
    handles: list[Any] = []
    if any(mark.value is not None and mark.position is not None for mark in marks):
        look: dict[str, Any] = {"marker": "D", "ms": 4.2, "mfc": "white", "mec": PUBLISHED, "mew": 0.9}
        handles.append(Line2D([], [], ls="", label=where, **look))
    if any(mark.value is not None and mark.position is None for mark in marks):
        handles.append(Line2D([], [], color=PUBLISHED, lw=0.8, ls=DASHES, label=where))
    if any(mark.low is not None for mark in marks):
        handles.append(Patch(color=BAND, label=f"{where}, range"))
    return handles

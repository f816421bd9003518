"""Measures of networks over an axis of the grid, beside published values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ratecore.figures.boxes import Mark, draw_box, draw_published
from ratecore.figures.print_style import SMALLEST, spread_evenly
from ratecore.figures.style import axes_or_new
from ratecore.system.intervals import wilson_interval

Scale = Literal["categories", "linear", "log"]
# Share of the distance between two positions over which series are side by side
SLOTS = {"boxes": 0.7, "mean": 0.4}


@dataclass(frozen=True)
class Series:
    """The values of one measure in one group of networks, at each position of the axis.

    Attributes:
        label: in the legend.
        values: at each of the P positions: (n,), in the unit of the vertical axis; of a share 0 or the whole.
        color: of everything drawn.
        marker: of the means.
        line: style of the line that connects the means; '' for none.
        share: whether it is a share, drawn with Wilson's interval; `whole` is then the value of 100 %.
        whole: see `share`; in the unit of the vertical axis.
    """

    label: str
    values: Sequence[Float[np.ndarray, " _"]]
    color: str
    marker: str = "o"
    line: str = "-"
    share: bool = False
    whole: float = 1.0


@dataclass(frozen=True)
class Positions:
    """Where the values of an axis are drawn.

    Attributes:
        labels: of the P values.
        values: numbers (P,), in the unit of the axis, for the scales linear and log.
        scale: categories, side by side at equal distances; linear; or log.
    """

    labels: Sequence[str]
    values: Sequence[float] = field(default_factory=tuple)
    scale: Scale = "categories"

    @property
    def x(self) -> Float[np.ndarray, " P"]:
        """Positions (P,), in units of the axis: numbers of the categories, values, or their logarithms to base 10."""
        if self.scale == "categories":
            return np.arange(len(self.labels), dtype=float)
        values = np.asarray(self.values, float)
        return values if self.scale == "linear" else np.log10(values)

    @property
    def distance(self) -> float:
        """Smallest distance of two positions, in units of the axis; 1 where there is only one."""
        x = self.x
        return float(np.diff(np.sort(x)).min()) if len(x) > 1 else 1.0


def by_axis(
    ax: Axes | None,
    positions: Positions,
    series: Sequence[Series],
    *,
    style: Literal["mean", "boxes"] = "mean",
    published: Sequence[Mark] = (),
) -> Axes:
    """Draw measures over an axis: means with SD, shares with Wilson's intervals, or boxes.

    Args:
        ax: axes to draw into; new ones when None.
        positions: of the axis.
        series: one after the other at each position, side by side.
        style: mean with SD (n - 1 in the denominator), or boxes.
        published: values beside ours, as open diamonds and grey bands.

    Returns:
        the axes, with the number of values of each series at each position above them where there are at most three.

    Source:
        Kim et al. 2019, Fig. 1C and 2E.
    """
    ax = axes_or_new(ax)
    x = positions.x
    beside = any(mark.series is None and mark.value is not None and mark.position is not None for mark in published)
    n_slots = len(series) + beside
    used = SLOTS[style] * positions.distance
    shifts = spread_evenly(n_slots, used)
    places: dict[tuple[int | None, int | None], float] = {
        (i, k): float(x[i] + shifts[k]) for i in range(len(x)) for k in range(len(series))
    }
    places |= {(i, None): float(x[i] + shifts[-1]) for i in range(len(x))}
    slot = used / n_slots
    for k, one in enumerate(series):
        if style == "boxes" and not one.share:
            for i, values in enumerate(one.values):
                draw_box(ax, places[i, k], values, 0.8 * slot, one.color, one.marker)
        else:
            _means(ax, [places[i, k] for i in range(len(x))], one)
    draw_published(ax, published, places, SLOTS["boxes"] * positions.distance, [one.color for one in series])
    ax.set_xticks(x, list(positions.labels))
    margin = 0.6 * positions.distance if positions.scale != "linear" or len(x) < 3 else 0.04 * np.ptp(x) + 0.5 * slot
    ax.set_xlim(x.min() - margin, x.max() + margin)
    _numbers(ax, x, series)
    return ax


def _means(ax: Axes, x: list[float], series: Series) -> None:
    """Means with SD, or shares with Wilson's intervals, connected by a line."""
    there = [i for i, values in enumerate(series.values) if len(values)]
    at = np.array([x[i] for i in there])
    y = np.array([series.values[i].mean() for i in there])
    bars = np.array([_bar(series, series.values[i]) for i in there]).reshape(-1, 2).T
    if series.line and len(there) > 1:
        ax.plot(at, y, ls=series.line, lw=0.9, color=series.color, zorder=2)
    look: dict[str, Any] = {"ms": 3.6, "mew": 0, "elinewidth": 0.9, "capsize": 1.5, "capthick": 0.9, "zorder": 3}
    if len(there):
        ax.errorbar(at, y, np.abs(bars), fmt=series.marker, color=series.color, **look)


def _bar(series: Series, values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Lengths of the bar below and above the mean."""
    if not series.share:
        sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        return sd, sd
    n, k = len(values), int(np.rint(values.sum() / series.whole))
    low, high = wilson_interval(k, n)
    return series.whole * (k / n - low), series.whole * (high - k / n)


def _numbers(ax: Axes, x: Float[np.ndarray, " P"], series: Sequence[Series]) -> None:
    """Number of values of each series at each position, in rows above the axes; one row where all have the same."""
    rows = [([len(values) for values in one.values], one.color) for one in series]
    if all(row == rows[0][0] for row, _ in rows):
        rows = [(rows[0][0], "0.3")]
    if len(rows) > 3:
        return
    for k, (row, color) in enumerate(reversed(rows)):
        height: dict[str, Any] = {"xytext": (0, 2 + 7 * k), "textcoords": "offset points", "fontsize": SMALLEST}
        ax.annotate("n", (0, 1), xycoords="axes fraction", ha="right", va="bottom", color=color, **height)
        for at, n in zip(x, row, strict=True):
            ax.annotate(
                str(n), (at, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", color=color, **height
            )


def series_handles(series: Sequence[Series], style: str = "mean") -> list[Any]:
    """What a legend shows for the series.

    Args:
        series: in the order of the legend.
        style: as in `by_axis`.

    Returns:
        artists with labels.
    """
    if style == "boxes":
        look: dict[str, Any] = {"ls": "-", "lw": 1.6, "ms": 2.5, "mew": 0}
        return [Line2D([], [], color=one.color, marker=one.marker, label=one.label, **look) for one in series]
    look = {"lw": 0.9, "ms": 3.6, "mew": 0}
    return [
        Line2D([], [], color=one.color, marker=one.marker, ls=one.line or "", label=one.label, **look) for one in series
    ]

"""Histograms of values of several groups on common bins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from ratecore.figures.style import axes_or_new, color_of


def distribution(ax: Axes | None, values: Mapping[str, Float[np.ndarray, " _"]], bins: int = 25) -> Axes:
    """Draw the distribution of each group's values: the share of them in each bin.

    Args:
        ax: axes to draw into; new ones when None.
        values: by group: (n,), any unit.
        bins: number of bins, from the smallest to the largest value of all groups.

    Returns:
        the axes; triangles at the top mark the medians.

    Source: none
    """
    ax = axes_or_new(ax)
    pooled = np.concatenate([own for own in values.values() if len(own)])
    low, high = float(pooled.min()), float(pooled.max())
    edges = np.linspace(low, high, bins + 1) if low < high else np.linspace(low - 0.5, high + 0.5, bins + 1)
    for i, (name, own) in enumerate(values.items()):
        if not len(own):
            continue
        shares = 100 * np.histogram(own, edges)[0] / len(own)
        ax.stairs(shares, edges, color=color_of(i), lw=1.0, label=f"{name} (n = {len(own):,})")
        ax.stairs(shares, edges, color=color_of(i), alpha=0.12, fill=True, lw=0)
        ax.plot(
            [np.median(own)],
            [1.03 + 0.04 * i],
            "v",
            ms=4.5,
            mew=0,
            color=color_of(i),
            transform=ax.get_xaxis_transform(),
            clip_on=False,
        )
    ax.set(ylabel="share (%)", ylim=(0, None), xlim=(edges[0], edges[-1]))
    return ax

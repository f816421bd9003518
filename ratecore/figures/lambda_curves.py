"""Accuracy of spiking networks by lambda, by which their weights are divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from ratecore.figures.style import axes_or_new, color_of

ABOVE = 4  # percent by which the triangle of a group is above that of the one before
# Values of lambda (L,) and accuracies at them (L,), in [0, 1]
Search = tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]


def lambda_curves(
    ax: Axes | None, searches: Mapping[str, Sequence[Search]], best: Mapping[str, Sequence[float]]
) -> Axes:
    """Draw the mean accuracy of each group at each lambda, with a band of one SD over networks.

    Args:
        ax: axes to draw into; new ones when None.
        searches: by group: values and accuracies of each network.
        best: by group: the lambda that was chosen for each network; triangles mark their medians.

    Returns:
        the axes; accuracies are in percent. A value that not all networks of the group have is left out.

    Source:
        Kim et al. 2019, Fig. 2A.
    """
    ax = axes_or_new(ax)
    for i, (name, own) in enumerate(searches.items()):
        if not own:
            continue
        values, table = common(own)
        mean = 100 * table.mean(0)
        sd = 100 * table.std(0, ddof=1) if len(table) > 1 else np.zeros_like(mean)
        ax.plot(values, mean, "o-", ms=2.8, mew=0, lw=1.0, color=color_of(i), label=f"{name} (n = {len(own)})")
        ax.fill_between(
            values, np.maximum(mean - sd, 0), np.minimum(mean + sd, 100), color=color_of(i), alpha=0.18, lw=0
        )
        if len(best[name]):
            look: dict[str, Any] = {"ms": 4.5, "mew": 0, "color": color_of(i), "clip_on": False, "zorder": 4}
            ax.plot([np.median(best[name])], [104 + ABOVE * i], "v", **look)  # above one another, as they can be equal
    ax.set(
        xlabel="λ, by which the weights are divided",
        ylabel="accuracy (%)",
        ylim=(-3, 108 + ABOVE * (len(searches) - 1)),
    )
    ax.set_yticks(range(0, 101, 20))
    return ax


def common(searches: Sequence[Search]) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, "n L"]]:
    """The accuracies at the values that all networks have.

    Args:
        searches: values and accuracies of each network.

    Returns:
        values (L,), in increasing order, and accuracies (n, L), in [0, 1].

    Source: none
    """
    shared = sorted(set.intersection(*(set(values.tolist()) for values, _ in searches)))
    rows = [[accuracy[values.tolist().index(value)] for value in shared] for values, accuracy in searches]
    return np.array(shared), np.array(rows).reshape(len(searches), len(shared))

"""Figures of the search for lambda, by which the weights of a spiking network are divided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratecore.figures.style import COLORS, LIF, color_of, legend, new_figure, title_over
from ratecore.spiking.results import SearchSummary
from ratecore.system.intervals import wilson_interval

FADED, DROPPED = 0.3, "dropped after\nfewer trials"

# Where an accuracy is measured on other trials than those of the search
ON = {"fresh": "on fresh trials", "changed": "lesioned or stimulated"}


def scaling(searches: Mapping[str, SearchSummary], title: str = "") -> Figure:
    """Draw accuracy against lambda.

    One network has Wilson's interval at each value; several networks have one line each and their mean. Values that
    racing dropped after fewer trials are pale; a ring marks the best value.

    Args:
        searches: by network: `SearchResult.summary()`.
        title: of the figure.

    Returns:
        the figure.

    Source:
        Kim et al. 2019, Fig. 2A.
    """
    figure, axis = new_figure(5.5, 3.4)
    if len(searches) == 1:
        _one_search(axis, *searches.values())
    else:
        _many_searches(axis, searches)
    axis.axhline(0.95, color="0.7", lw=0.8, ls="--", zorder=0, label="95 %")
    axis.set(xlabel="λ, by which the weights are divided", ylim=(-0.03, 1.03))
    title_over(axis, title)
    legend(axis)
    return figure


def _curve(
    search: SearchSummary,
) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, " L"], Int[np.ndarray, " L"]]:
    """Values of lambda, accuracy and number of trials at each."""
    return np.array(search["scaling_factors"]), np.array(search["all_perfs"]), np.array(search["n_trials"])


def _one_search(axis: Axes, search: SearchSummary) -> None:
    values, accuracy, n = _curve(search)
    confidence = search["confidence"]
    ends = np.array([wilson_interval(round(p * k), k, confidence) for p, k in zip(accuracy, n.tolist(), strict=True)])
    error = np.abs(ends - accuracy[:, None])
    axis.plot(values, accuracy, color=LIF, lw=1, alpha=FADED)
    for rows, alpha, label in ((n == n.max(), 1.0, f"{n.max()} trials"), (n < n.max(), FADED, DROPPED)):
        if rows.any():
            look: dict[str, Any] = dict(fmt="o", ms=5, lw=1.2, mew=0, color=LIF, alpha=alpha, label=label)
            axis.errorbar(values[rows], accuracy[rows], error[rows].T, **look)
    best, p, low, high = search["lambda"], search["spiking_accuracy"], search["ci_low"], search["ci_high"]
    at = accuracy[values == best]
    scored, on = f"{100 * p:.0f} % [{100 * low:.0f}, {100 * high:.0f}]", ON.get(search.get("scored", "search"))
    label = f"best: λ = {best:g}" + ("" if on else f",\n{scored}")
    axis.plot(best, at[0] if at.size else p, "o", ms=11, mfc="none", mec=COLORS[1], mew=1.5, label=label)
    if on:
        # Rounding puts the end of an interval at 0 or 1 up to 1e-16 on the other side.
        ends, label = np.abs([[p - low], [high - p]]), f"{on},\n{scored}"
        axis.errorbar(best, p, ends, fmt="D", ms=5, lw=1.2, color=COLORS[1], label=label)
    axis.set_ylabel(f"accuracy ({100 * confidence:g} % interval)")


def _many_searches(axis: Axes, searches: Mapping[str, SearchSummary]) -> None:
    named = len(searches) <= len(COLORS) - 2  # more cannot be told apart; black is the mean's, yellow is too pale
    at: dict[float, list[float]] = {}
    for i, (name, search) in enumerate(searches.items()):
        values, accuracy, n = _curve(search)
        color = color_of(i) if named else "0.6"
        axis.plot(values, accuracy, lw=1, color=color, alpha=0.7 if named else 0.4, label=name if named else "")
        for rows, alpha in ((n == n.max(), 0.9), (n < n.max(), FADED)):
            axis.plot(values[rows], accuracy[rows], "o", ms=4, mew=0, color=color, alpha=alpha)
        best = values == search["lambda"]
        axis.plot(values[best], accuracy[best], "o", ms=9, mfc="none", mec=color, mew=1.2)
        for value, p in zip(values, accuracy, strict=True):
            at.setdefault(value, []).append(p)
    everywhere = sorted(value for value, accuracies in at.items() if len(accuracies) == len(searches))
    mean = [np.mean(at[value]) for value in everywhere]
    axis.plot(everywhere, mean, "-", lw=2.2, color="k", label=f"mean of {len(searches)}")
    axis.plot([], [], "o", ms=9, mfc="none", mec="0.4", mew=1.2, label="best of each")
    axis.plot([], [], "o", ms=4, mew=0, color="0.4", alpha=FADED, label=DROPPED)
    axis.set_ylabel("accuracy")

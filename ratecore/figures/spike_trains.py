"""Figures of the variability of spike trains: Fano factor over time, and intervals between spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from ratecore.figures.style import COLORS, axes_or_new, color_of, legend

KINDS = {"E": COLORS[0], "I": COLORS[1]}  # as in the other figures of spiking networks
MOST = 2.5  # largest CV or LV that has a bin of its own


def rates_over_time(
    ax: Axes | None,
    times: Float[np.ndarray, " K"],
    rates: Mapping[str, Sequence[Float[np.ndarray, " K"]]],
    stimulus: Float[np.ndarray, "M 2"] | None = None,
) -> Axes:
    """Draw the mean firing rates of types of units over time: means over networks, and thin lines for each.

    Args:
        ax: to draw into; a new one when None.
        times: (K,), ms.
        rates: by type of unit, of each network: mean rate (K,), 1/s.
        stimulus: start and end of each stimulus (M, 2), ms, which are shaded.

    Returns:
        the axes.

    Source: none
    """
    ax = axes_or_new(ax)
    _courses(ax, times, rates)
    ax.set(xlabel="time (ms)", ylabel="mean rate (1/s)", ylim=(0, None))
    _shade(ax, stimulus)
    return ax


def fano_over_time(
    ax: Axes | None,
    times: Float[np.ndarray, " K"],
    fano: Mapping[str, Sequence[Float[np.ndarray, "K _"]]],
    matched: Sequence[Float[np.ndarray, " K"]] = (),
    stimulus: Float[np.ndarray, "M 2"] | None = None,
) -> Axes:
    """Draw the Fano factor over time: the median over units, as means over networks with thin lines for each.

    Args:
        ax: to draw into; a new one when None.
        times: centres of the windows (K,), ms.
        fano: by type of unit, of each network: Fano factors (K, N), unitless; NaN does not count.
        matched: mean-matched Fano factor of each network (K,), unitless.
        stimulus: start and end of each stimulus (M, 2), ms, which are shaded.

    Returns:
        the axes. The dashed line is a Poisson process.

    Source:
        Churchland et al. 2010 (Nature Neuroscience 13:369).
    """
    ax = axes_or_new(ax)
    ax.axhline(1, color="0.5", lw=0.8, ls="--", label="Poisson")
    _courses(ax, times, {kind: [_medians(own) for own in networks] for kind, networks in fano.items()})
    if len(matched):
        _course(ax, times, matched, "k", "all, means\nmatched")
    ax.set(xlabel="time (ms)", ylabel="Fano factor", ylim=(0, None))
    _shade(ax, stimulus)
    legend(ax)
    return ax


def variation_histogram(
    ax: Axes | None,
    values: Mapping[str, Float[np.ndarray, " _"]],
    xlabel: str = "CV of intervals",
    labelled: bool = True,
) -> Axes:
    """Draw the distribution of a measure of irregularity over units, by type.

    Args:
        ax: to draw into; a new one when None.
        values: by type of unit, CV, CV2 or LV of its units (N,), unitless; NaN does not count. Values above 2.5 are in
            the last bin.
        xlabel: name of the measure.
        labelled: whether there is a legend, with the number of units.

    Returns:
        the axes. The dashed line is a Poisson process; triangles are medians.

    Source: none
    """
    ax = axes_or_new(ax)
    bins = np.linspace(0, MOST, 26)
    for k, (kind, given) in enumerate(values.items()):
        there, color = given[~np.isnan(given)], KINDS.get(kind, color_of(k))
        shown = np.minimum(there, MOST - 1e-9)
        shares = np.full(len(there), 1 / max(len(there), 1))
        label = f"{kind} ({len(there)} units)"
        ax.hist(shown, bins.tolist(), weights=shares, histtype="stepfilled", color=color, alpha=0.35)
        ax.hist(shown, bins.tolist(), weights=shares, histtype="step", color=color, lw=1.2, label=label)
        if there.size:
            middle = min(float(np.median(there)), MOST)
            ax.plot(middle, 0.98, "v", ms=5, color=color, transform=ax.get_xaxis_transform(), clip_on=False)
    ax.axvline(1, color="0.5", lw=0.8, ls="--")
    ax.set(xlabel=xlabel, ylabel="share of units", xlim=(0, MOST))
    if labelled:
        legend(ax)
    return ax


def interval_histogram(
    ax: Axes | None, edges: Float[np.ndarray, " Q1"], counts: Mapping[str, Int[np.ndarray, " Q"]]
) -> Axes:
    """Draw the distribution of the intervals between spikes, by type of unit.

    Args:
        ax: to draw into; a new one when None.
        edges: of the bins (Q + 1,), ms, on a logarithmic axis.
        counts: by type of unit, number of intervals in each bin (Q,).

    Returns:
        the axes, from the first to the last bin with an interval.

    Source: none
    """
    ax = axes_or_new(ax)
    some = np.flatnonzero(np.sum(list(counts.values()), axis=0))
    ends = (edges[some[0]], edges[some[-1] + 1]) if some.size else (edges[0], edges[-1])
    for k, (kind, given) in enumerate(counts.items()):
        total = int(given.sum())
        color, label = KINDS.get(kind, color_of(k)), f"{kind}\n({total:,} intervals)"
        ax.stairs(given / max(total, 1), edges, color=color, lw=1.2, label=label)
    ax.set(xlabel="interval (ms)", ylabel="share of intervals", xscale="log", xlim=ends, ylim=(0, None))
    legend(ax)
    return ax


def _courses(
    ax: Axes, times: Float[np.ndarray, " K"], courses: Mapping[str, Sequence[Float[np.ndarray, " K"]]]
) -> None:
    for k, (kind, own) in enumerate(courses.items()):
        if len(own):
            _course(ax, times, own, KINDS.get(kind, color_of(k)), kind)


def _course(
    ax: Axes, times: Float[np.ndarray, " K"], courses: Sequence[Float[np.ndarray, " K"]], color: str, label: str
) -> None:
    values = np.array(courses)
    if len(values) > 1:
        ax.plot(times, values.T, lw=0.5, alpha=0.4, color=color)
    there = ~np.isnan(values)
    n = np.where(there.any(0), there.sum(0), np.nan)
    ax.plot(times, np.where(there, values, 0).sum(0) / n, lw=1.5, color=color, label=label)


def _medians(values: Float[np.ndarray, "K _"]) -> Float[np.ndarray, " K"]:
    """Median of each row without NaN; NaN where there is nothing else."""
    rows = [row[~np.isnan(row)] for row in values]
    return np.array([np.median(row) if row.size else np.nan for row in rows])


def _shade(ax: Axes, stimulus: Float[np.ndarray, "M 2"] | None) -> None:
    for k, (start, stop) in enumerate(() if stimulus is None else stimulus):
        ax.axvspan(start, stop, color="0.9", lw=0, zorder=0, label="" if k else "stimulus")

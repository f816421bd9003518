"""Figures that compare spiking networks with the rate networks they come from, for one conversion or several seeds.

Colours mean the same in all figures: one each for E, I and SST units, black for the rate network and blue for the
spiking network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ratecore.figures.search import scaling
from ratecore.figures.style import (
    COLORS,
    LIF,
    STEP_MS,
    Window,
    Windows,
    color_of,
    legend,
    mark_windows,
    mean_and_sd,
    new_figure,
    title_over,
)
from ratecore.spiking.results import Comparison, Example, SearchSummary

# Mean and SD of the rate network's output, mean and SD of the spiking network's, (T,) or (n_out, T) each, unitless.
Course = Float[np.ndarray, "*out T"]
Outputs = tuple[Course, Course, Course, Course]
Units = Bool[np.ndarray, " N"]

RATE = "k"
E, I, SST = COLORS[0], COLORS[1], COLORS[2]


def conversion_figures(search: SearchSummary, comparison: Comparison) -> dict[str, Figure]:
    """Draw the figures of one converted network.

    Args:
        search: `SearchResult.summary()`.
        comparison: of the rate network with the spiking network.

    Returns:
        figures by name: scaling, raster, spiking_outputs, firing_rates, units and components.
    """
    return {"scaling": scaling({"": search}), **_one_network(comparison, f"λ = {comparison.scaling_factor:g}")}


def grid_point_figures(
    searches: Mapping[str, SearchSummary], comparisons: Sequence[Comparison], title: str = ""
) -> dict[str, Figure]:
    """Draw the figures of a grid point over its seeds.

    The search, outputs and firing rates are those of all networks; raster, units and components those of the first.

    Args:
        searches: by network: `SearchResult.summary()`.
        comparisons: one per network.
        title: of each figure.

    Returns:
        figures by the names of `conversion_figures`, without those that have no data.
    """
    made = {"scaling": scaling(searches, title)} if searches else {}
    if not comparisons:
        return made
    first, n = comparisons[0], len(comparisons)
    best = f"λ = {first.scaling_factor:g}"
    if n == 1:
        return made | _one_network(first, _lines(title, best))
    rates, inh, som = (np.concatenate([getattr(c, name) for c in comparisons]) for name in ("rates", "inh", "som"))
    title_of_all = _lines(title, f"{n} networks")
    made |= _one_network(first, _lines(title, f"first of {n} networks, {best}"))
    made["spiking_outputs"] = spiking_outputs(
        _outputs_over_networks(comparisons), first.stimulus_windows, first.response, "networks", title_of_all
    )
    made["firing_rates"] = firing_rates(rates, inh, som, title_of_all)
    return made


def _outputs_over_networks(comparisons: Sequence[Comparison]) -> dict[str, Outputs]:
    """Mean and SD over networks of their mean outputs, by condition."""
    rate: dict[str, list[Course]] = {}
    lif: dict[str, list[Course]] = {}
    for c in comparisons:
        for means, of_net in ((rate, c.rate_mean), (lif, c.lif_mean)):
            for name, mean in zip(c.conditions, of_net, strict=True):
                means.setdefault(name, []).append(mean)
    return {name: (*mean_and_sd(rate[name]), *mean_and_sd(lif[name])) for name in sorted(rate)}


def _one_network(c: Comparison, title: str) -> dict[str, Figure]:
    windows, examples = (c.stimulus_windows, c.response), dict(zip(c.conditions, c.examples, strict=True))
    outputs = {name: (c.rate_mean[i], c.rate_sd[i], c.lif_mean[i], c.lif_sd[i]) for i, name in enumerate(c.conditions)}
    return {
        "raster": raster(examples, c.inh, c.som, *windows, title),
        "spiking_outputs": spiking_outputs(outputs, *windows, "trials", title),
        "firing_rates": firing_rates(c.rates, c.inh, c.som, title),
        "units": units(c, title),
        "components": components(c, title),
    }


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _types(inh: Units, som: Units) -> list[tuple[str, Units, str]]:
    """Name, units and colour of each type that the network has; one type for all units where none is inhibitory."""
    if not inh.any():
        return [("all", ~inh, E)]
    types = [("E", ~inh, E), ("I", inh & ~som, I), ("SST", som, SST)]
    return [(name, members, color) for name, members, color in types if members.any()]


def _panels(n: int, width: float, height: float, most: int = 4, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with n axes of this size (inches), at most `most` in a row."""
    columns = min(n, most)
    rows = -(-n // columns)
    figure, axes = new_figure(width * columns + 1.5, height * rows + 0.4, rows, columns, squeeze=False, **options)
    for axis in axes.flat[n:]:
        axis.set_axis_off()
    return figure, list(axes.flat[:n])


# ------------------------------------------------------------------------------------------------------- trials


def raster(
    examples: Mapping[str, Example],
    inh: Units,
    som: Units,
    stimulus_windows: Windows,
    response: Window,
    title: str = "",
) -> Figure:
    """Draw the spikes of all units by type, with the output and the stimulus below; one column per trial.

    Args:
        examples: by condition.
        inh: inhibitory units (N,).
        som: SST units (N,).
        stimulus_windows: (K, 2), rate steps.
        response: (2,), rate steps.
        title: of the figure.

    Returns:
        the figure.

    Source:
        Kim et al. 2019, Fig. 2.
    """
    types = _types(inh, som)
    row = np.empty(len(inh), int)  # of each unit, in the order of the types
    row[np.concatenate([np.flatnonzero(members) for _, members, _ in types])] = np.arange(len(inh))
    n_in = len(next(iter(examples.values())).u)
    heights, n = (3, 1, max(0.8, 0.4 * n_in)), len(examples)
    layout: dict[str, Any] = dict(sharex=True, sharey="row", squeeze=False, height_ratios=heights)
    figure, axes = new_figure(2.6 * n + 1.5, 1 + sum(heights), 3, n, **layout)
    for (name, trial), (spikes, output, stimulus) in zip(examples.items(), axes.T, strict=True):
        times = (trial.spike_steps + 1) * trial.dt * 1000
        for kind, members, color in types:
            chosen = members[trial.spike_units]
            spikes.plot(times[chosen], row[trial.spike_units[chosen]], ".", ms=2.5, mew=0, color=color, label=kind)
        spikes.set_ylim(-1, len(inh))
        title_over(spikes, name)
        outputs = np.atleast_2d(trial.out)
        times = np.arange(1, outputs.shape[1] + 1) * trial.out_dt * 1000
        for i, course in enumerate(outputs):
            several = {} if len(outputs) == 1 else {"color": color_of(i), "label": f"output {i + 1}"}
            output.plot(times, course, **{"color": "k", "lw": 0.8, **several})
        stimulus.set(xlabel="time (ms)")
    _stimuli(list(axes[2]), [trial.u for trial in examples.values()])
    for column, trial in zip(axes.T, examples.values(), strict=True):  # once the limits, which columns share, are final
        mark_windows(column[0], stimulus_windows)
        mark_windows(column[1], stimulus_windows, response if trial.u.shape[1] >= response[1] else None)
    for axis, label in zip(axes[:, 0], ("unit", "output", "stimulus" if n_in == 1 else "input"), strict=True):
        axis.set_ylabel(label)
    last = axes[:, -1]
    dot: dict[str, Any] = dict(marker="o", ls="", ms=5)
    handles = [Line2D([], [], color=color, label=f"{kind}: {members.sum()}", **dot) for kind, members, color in types]
    legend(last[0], handles=handles, title="units", title_fontsize=8)
    marked = max(axes[1], key=lambda axis: len(axis.get_legend_handles_labels()[0]))  # a short trial has no window
    legend(last[1], handles=marked.get_legend_handles_labels()[0])
    figure.align_ylabels(axes[:, 0])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _stimuli(axes: Sequence[Axes], stimuli: Sequence[Float[np.ndarray, "n_in _"]]) -> None:
    """Draw one stimulus into each of the axes; several inputs one above the other, on one scale."""
    n_in = len(stimuli[0])
    apart = 1.1 * max(float(np.ptp(u)) for u in stimuli) or 1.0
    for axis, u in zip(axes, stimuli, strict=True):
        for i, course in enumerate(u):
            if n_in > 1:
                axis.axhline(-i * apart, color="0.8", lw=0.6, zorder=0)
            time, width = np.arange(len(course)) * STEP_MS, 0.5 if n_in > 1 else 1
            axis.plot(time, course - i * apart, lw=width, color="k", drawstyle="steps-post")
    if n_in > 1:
        axes[0].set_yticks(-apart * np.arange(n_in), [f"{i}" for i in range(n_in)])


def spiking_outputs(
    outputs: Mapping[str, Outputs],
    stimulus_windows: Windows,
    response: Window,
    over: str = "trials",
    title: str = "",
) -> Figure:
    """Draw the outputs of the rate network and of the spiking network by condition, each with a band of one SD.

    Several outputs have a panel each, in one row for a condition.

    Args:
        outputs: by condition: rate mean, rate SD, LIF mean, LIF SD, (T,) or (n_out, T) each, unitless.
        stimulus_windows: (K, 2), rate steps.
        response: (2,), rate steps.
        over: what means and SDs are taken over.
        title: of the figure.

    Returns:
        the figure.

    Source:
        Kim et al. 2019, Figs. 2 and 4.
    """
    n_out = len(np.atleast_2d(next(iter(outputs.values()))[0]))
    panels = {
        name if n_out == 1 else f"{name}, output {k + 1}": [np.atleast_2d(course)[k] for course in courses]
        for name, courses in outputs.items()
        for k in range(n_out)
    }
    most = 4 if n_out == 1 else n_out
    figure, axes = _panels(len(panels), 2.3, 2.6 if n_out == 1 else 1.9, most, sharex=True, sharey=True)
    for axis, (name, (rate, rate_sd, lif, lif_sd)) in zip(axes, panels.items(), strict=True):
        time = np.arange(len(rate)) * STEP_MS
        for mean, sd, color, style, net in ((lif, lif_sd, LIF, "-", "spiking"), (rate, rate_sd, RATE, "--", "rate")):
            axis.plot(time, mean, style, color=color, lw=1.5, label=f"{net} network")
            axis.fill_between(time, mean - sd, mean + sd, color=color, alpha=0.2, lw=0)
        axis.set_xlabel("time (ms)")
        title_over(axis, name)
    for axis in axes:
        mark_windows(axis, stimulus_windows, response)
    axes[0].set_ylabel(f"output (mean, SD over {over})" if n_out == 1 else f"output\n(mean, SD over {over})")
    legend(axes[-1])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


# -------------------------------------------------------------------------------------------------------- units


def firing_rates(rates: Float[np.ndarray, " N"], inh: Units, som: Units, title: str = "") -> Figure:
    """Draw the distribution of firing rates of each type of unit; silent units are counted in the legend.

    Args:
        rates: (N,), spikes/s.
        inh: inhibitory units (N,).
        som: SST units (N,).
        title: of the figure.

    Returns:
        the figure.

    Source:
        Kim et al. 2019, Fig. S1.
    """
    figure, axis = new_figure(5.5, 3.2)
    alive = rates[rates > 0]
    if alive.size and alive.max() > 10 * alive.min():
        bins = np.geomspace(alive.min(), alive.max(), 26)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    else:
        bins = np.linspace(0, alive.max() if alive.size else 1, 26)
    for kind, members, color in _types(inh, som):
        own, n = rates[members], int(members.sum())
        silent = int((own == 0).sum())
        label = f"{kind}: {n} units, {silent} silent,\nmedian {np.median(own):.2g} spikes/s"
        live = own[own > 0]
        weights = np.full(live.size, 100 / n)
        axis.hist(live, bins, weights=weights, histtype="stepfilled", color=color, alpha=0.15)
        axis.hist(live, bins, weights=weights, histtype="step", color=color, lw=1.5, label=label)
    axis.set(xlabel="firing rate (spikes/s)", ylabel="units of the type (%)")
    title_over(axis, title)
    legend(axis)
    return figure


def units(comparison: Comparison, title: str = "") -> Figure:
    """Draw the activity of each unit in the spiking network against that in the rate network.

    Activity is averaged over the response window. Each condition has a panel with Pearson's correlation. On the line
    the conversion is perfect.

    Args:
        comparison: of the two networks.
        title: of the figure.

    Returns:
        the figure.

    Source:
        docs/model.md 5.1, equation 7.
    """
    c = comparison
    figure, axes = _panels(len(c.conditions), 2.3, 2.5, sharex=True, sharey=True)
    for axis, name, x, y in zip(axes, c.conditions, c.rate_activity, c.lif_activity, strict=True):
        for kind, members, color in _types(c.inh, c.som):
            axis.plot(x[members], y[members], "o", ms=4, mew=0, alpha=0.6, color=color, label=kind)
        differ = x.std() > 0 and y.std() > 0  # False for NaN: no trial of the condition reaches the response window
        r = f"r = {np.corrcoef(x, y)[0, 1]:.2f}" if differ else "r not defined"
        axis.set_xlabel("rate network, activity")
        title_over(axis, f"{name}: {r}")
    ends = np.array([np.nanmin(c.rate_activity), np.nanmax(c.rate_activity)])
    low, high = axes[0].get_ylim()
    for axis in axes:
        axis.plot(ends, c.scaling_factor * ends, color="0.5", lw=1, ls="--", label="λ × rate", zorder=0)
        axis.set_ylim(low, high)
    axes[0].set_ylabel("spiking network,\nfiltered rate (spikes/s)")
    legend(axes[-1])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def components(comparison: Comparison, title: str = "") -> Figure:
    """Draw the first three principal components over time, one line per condition.

    The rate network is above, the spiking network below. Titles give the share of the variance of each component.

    Args:
        comparison: of the two networks.
        title: of the figure.

    Returns:
        the figure.

    Source:
        Kim et al. 2019, Fig. 4.
    """
    c = comparison
    figure, axes = new_figure(8, 4.6, 2, 3, sharex=True, squeeze=False)
    nets = (c.rate_components, "rate network"), (c.lif_components, "spiking network")
    for row, (pcs, label) in zip(axes, nets, strict=True):
        for p, axis in enumerate(row):
            for i, name in enumerate(c.conditions):
                line = pcs.projections[i, :, p]
                axis.plot(np.arange(len(line)) * STEP_MS, line, lw=1.3, color=color_of(i), label=name)
            title_over(axis, f"PC {p + 1}: {100 * pcs.explained[p]:.0f} % of the variance")
            mark_windows(axis, c.stimulus_windows, c.response)
        row[0].set_ylabel(f"{label}\n({'activity' if pcs is c.rate_components else 'spikes/s'})")
    for axis in axes[-1]:
        axis.set_xlabel("time (ms)")
    legend(axes[0, -1])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure

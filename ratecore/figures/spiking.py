"""Figures of spiking networks, beside the rate networks that they were: of one conversion and of several seeds.

Colours mean the same in all of them: E, I and SST units have one each, the rate network is black and the spiking one
blue.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ratecore.figures.style import COLORS, STEP_MS, color_of, legend, mark_windows, new_figure, title_over
from ratecore.system.intervals import wilson_interval

RATE, LIF = "k", COLORS[0]
E, I, SST = COLORS[0], COLORS[1], COLORS[2]
FADED, DROPPED = 0.3, "dropped after\nfewer trials"

# What the accuracy of a conversion is of, where it is not that of the trials of the search
ON = {"fresh": "on fresh trials", "changed": "lesioned or stimulated"}


def of_conversion(search: dict, comparison) -> dict[str, Figure]:
    """The figures of one converted network, by name.

    Args:
        search: `SearchResult.summary()`.   comparison: Comparison.
    """
    return {"scaling": scaling({"": search}), **_of_one(comparison, f"λ = {comparison.scaling_factor:g}")}


def of_conversions(searches: dict[str, dict], comparisons: list, title: str = "") -> dict[str, Figure]:
    """The figures of a grid point over its seeds, by the names of `of_conversion`: the search of all networks, outputs
    and firing rates of all together, and of the first network the raster, units and components.

    Args:
        searches: name of a network: its `SearchResult.summary()`.   comparisons: Comparisons of the networks.

    Returns:
        name: figure; without those that there is nothing for.
    """
    made = {"scaling": scaling(searches, title)} if searches else {}
    if not comparisons:
        return made
    first, n = comparisons[0], len(comparisons)
    one = f"λ = {first.scaling_factor:g}"
    if n == 1:
        return made | _of_one(first, _lines(title, one))
    means = {}
    for c in comparisons:
        for name, *pair in zip(c.conditions, c.rate_mean, c.lif_mean, strict=True):
            means.setdefault(name, []).append(pair)
    outputs = {}
    for name, pairs in sorted(means.items()):
        rate, lif = np.swapaxes(np.array(pairs), 0, 1)
        outputs[name] = rate.mean(0), rate.std(0), lif.mean(0), lif.std(0)
    rates, inh, som = (np.concatenate([getattr(c, name) for c in comparisons]) for name in ("rates", "inh", "som"))
    windows, all_of_them = (first.stimulus_windows, first.response), _lines(title, f"{n} networks")
    return (
        made
        | _of_one(first, _lines(title, f"first of {n} networks, {one}"))
        | {
            "spiking_outputs": spiking_outputs(outputs, *windows, "networks", all_of_them),
            "firing_rates": firing_rates(rates, inh, som, all_of_them),
        }
    )


def _of_one(c, title: str) -> dict[str, Figure]:
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


def _types(inh, som) -> list[tuple[str, np.ndarray, str]]:
    """Name, units (N,) bool and colour of each type that is there; one type of all units where none is inhibitory."""
    if not inh.any():
        return [("all", ~inh, E)]
    types = [("E", ~inh, E), ("I", inh & ~som, I), ("SST", som, SST)]
    return [(name, of, color) for name, of, color in types if of.any()]


def _panels(n: int, width: float, height: float, most: int = 4, **options):
    """A figure with n axes of this size, at most `most` in a row, and the list of them."""
    columns = min(n, most)
    rows = -(-n // columns)
    figure, axes = new_figure(width * columns + 1.5, height * rows + 0.4, rows, columns, squeeze=False, **options)
    for axis in axes.flat[n:]:
        axis.set_axis_off()
    return figure, list(axes.flat[:n])


# --------------------------------------------------------------------------------------------------- the search


def scaling(searches: dict[str, dict], title: str = "") -> Figure:
    """Accuracy against lambda (Kim et al. 2019, Fig. 2A): of one network with Wilson's interval at each value, of
    several as a line each and their mean. Values on fewer trials, dropped by racing, are pale; a ring is the best one.

    Args:
        searches: name of a network: its `SearchResult.summary()`.
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


def _one_search(axis, search) -> None:
    values, accuracy, n = (np.array(search[key]) for key in ("scaling_factors", "all_perfs", "n_trials"))
    confidence = search["confidence"]
    ends = np.array([wilson_interval(round(p * k), k, confidence) for p, k in zip(accuracy, n, strict=True)])
    error = np.abs(ends - accuracy[:, None])
    axis.plot(values, accuracy, color=LIF, lw=1, alpha=FADED)
    for of, alpha, label in ((n == n.max(), 1, f"{n.max()} trials"), (n < n.max(), FADED, DROPPED)):
        if of.any():
            axis.errorbar(values[of], accuracy[of], error[of].T, fmt="o", ms=5, lw=1.2, mew=0, color=LIF, alpha=alpha,
                          label=label)  # fmt: skip
    best, p, low, high = (search[key] for key in ("lambda", "spiking_accuracy", "ci_low", "ci_high"))
    at = accuracy[values == best]
    scored, on = f"{100 * p:.0f} % [{100 * low:.0f}, {100 * high:.0f}]", ON.get(search.get("scored", "search"))
    label = f"best: λ = {best:g}" + ("" if on else f",\n{scored}")
    axis.plot(best, at[0] if at.size else p, "o", ms=11, mfc="none", mec=COLORS[1], mew=1.5, label=label)
    if on:
        axis.errorbar(best, p, [[p - low], [high - p]], fmt="D", ms=5, lw=1.2, color=COLORS[1],
                      label=f"{on},\n{scored}")  # fmt: skip
    axis.set_ylabel(f"accuracy ({100 * confidence:g} % interval)")


def _many_searches(axis, searches) -> None:
    named = len(searches) <= len(COLORS) - 2  # more cannot be told apart; black is the mean's, yellow is too pale
    at = {}
    for i, (name, search) in enumerate(searches.items()):
        values, accuracy, n = (np.array(search[key]) for key in ("scaling_factors", "all_perfs", "n_trials"))
        color = color_of(i) if named else "0.6"
        axis.plot(values, accuracy, lw=1, color=color, alpha=0.7 if named else 0.4, label=name if named else "")
        for of, alpha in ((n == n.max(), 0.9), (n < n.max(), FADED)):
            axis.plot(values[of], accuracy[of], "o", ms=4, mew=0, color=color, alpha=alpha)
        best = values == search["lambda"]
        axis.plot(values[best], accuracy[best], "o", ms=9, mfc="none", mec=color, mew=1.2)
        for value, p in zip(values, accuracy, strict=True):
            at.setdefault(value, []).append(p)
    everywhere = sorted(value for value, found in at.items() if len(found) == len(searches))
    mean = [np.mean(at[value]) for value in everywhere]
    axis.plot(everywhere, mean, "-", lw=2.2, color="k", label=f"mean of {len(searches)}")
    axis.plot([], [], "o", ms=9, mfc="none", mec="0.4", mew=1.2, label="best of each")
    axis.plot([], [], "o", ms=4, mew=0, color="0.4", alpha=FADED, label=DROPPED)
    axis.set_ylabel("accuracy")


# ------------------------------------------------------------------------------------------------------- trials


def raster(examples: dict, inh, som, stimulus_windows, response, title: str = "") -> Figure:
    """Spikes of all units by type, with the output and the stimulus beneath; a column for each trial.

    Args:
        examples: name of a condition: `ratecore.spiking.comparison.Example`.   inh, som: (N,) bool.
        stimulus_windows, response: as in `style.mark_windows`.
    """
    types = _types(inh, som)
    row = np.empty(len(inh), int)  # of each unit, in the order of the types
    row[np.concatenate([np.flatnonzero(of) for _, of, _ in types])] = np.arange(len(inh))
    n_in = len(next(iter(examples.values())).u)
    heights = 3, 1, max(0.8, 0.4 * n_in)
    figure, axes = new_figure(2.6 * len(examples) + 1.5, 1 + sum(heights), 3, len(examples), sharex=True, sharey="row",
                              squeeze=False, height_ratios=heights)  # fmt: skip
    for (name, trial), (spikes, output, stimulus) in zip(examples.items(), axes.T, strict=True):
        times = (trial.spike_steps + 1) * trial.dt * 1000
        for kind, of, color in types:
            chosen = of[trial.spike_units]
            spikes.plot(times[chosen], row[trial.spike_units[chosen]], ".", ms=2.5, mew=0, color=color, label=kind)
        spikes.set_ylim(-1, len(inh))
        title_over(spikes, name)
        output.plot(np.arange(1, len(trial.out) + 1) * trial.out_dt * 1000, trial.out, color="k", lw=0.8)
        stimulus.set(xlabel="time (ms)")
    _stimuli(axes[2], [trial.u for trial in examples.values()])
    for column in axes.T:  # when the limits, which columns share, are those of all
        mark_windows(column[0], stimulus_windows)
        mark_windows(column[1], stimulus_windows, response)
    for axis, label in zip(axes[:, 0], ("unit", "output", "stimulus" if n_in == 1 else "input"), strict=True):
        axis.set_ylabel(label)
    last = axes[:, -1]
    handles = [Line2D([], [], marker="o", ls="", ms=5, color=color, label=f"{kind}: {of.sum()}")
               for kind, of, color in types]  # fmt: skip
    legend(last[0], handles=handles, title="units", title_fontsize=8)
    legend(last[1])
    figure.align_ylabels(axes[:, 0])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _stimuli(axes, stimuli) -> None:
    """Draws a stimulus (n_in, T) into each of the axes; several inputs one above the other, on one scale."""
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


def spiking_outputs(outputs: dict, stimulus_windows, response, over: str = "trials", title: str = "") -> Figure:
    """Outputs of the rate network and of the spiking network by condition, each with a band of one SD.

    Args:
        outputs: condition: rate mean, rate SD, LIF mean, LIF SD, each (T,).   over: what means and SDs are over.
        stimulus_windows, response: as in `style.mark_windows`.
    """
    figure, axes = _panels(len(outputs), 2.3, 2.6, sharex=True, sharey=True)
    for axis, (name, (rate, rate_sd, lif, lif_sd)) in zip(axes, outputs.items(), strict=True):
        time = np.arange(len(rate)) * STEP_MS
        for mean, sd, color, style, net in ((lif, lif_sd, LIF, "-", "spiking"), (rate, rate_sd, RATE, "--", "rate")):
            axis.plot(time, mean, style, color=color, lw=1.5, label=f"{net} network")
            axis.fill_between(time, mean - sd, mean + sd, color=color, alpha=0.2, lw=0)
        axis.set_xlabel("time (ms)")
        title_over(axis, name)
    for axis in axes:
        mark_windows(axis, stimulus_windows, response)
    axes[0].set_ylabel(f"output (mean, SD over {over})")
    legend(axes[-1])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


# -------------------------------------------------------------------------------------------------------- units


def firing_rates(rates, inh, som, title: str = "") -> Figure:
    """Distribution of the firing rates of each type; silent units, which a log axis has no place for, are counted.

    Args:
        rates: (N,) spikes/s.   inh, som: (N,) bool.
    """
    figure, axis = new_figure(5.5, 3.2)
    alive = rates[rates > 0]
    wide = alive.size and alive.max() > 10 * alive.min()
    if wide:
        bins = np.geomspace(alive.min(), alive.max(), 26)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    else:
        bins = np.linspace(0, alive.max() if alive.size else 1, 26)
    for kind, of, color in _types(inh, som):
        found, n = rates[of], int(of.sum())
        silent = int((found == 0).sum())
        label = f"{kind}: {n} units, {silent} silent,\nmedian {np.median(found):.2g} spikes/s"
        live = found[found > 0]
        weights = np.full(live.size, 100 / n)
        axis.hist(live, bins, weights=weights, histtype="stepfilled", color=color, alpha=0.15)
        axis.hist(live, bins, weights=weights, histtype="step", color=color, lw=1.5, label=label)
    axis.set(xlabel="firing rate (spikes/s)", ylabel="units of the type (%)")
    title_over(axis, title)
    legend(axis)
    return figure


def units(comparison, title: str = "") -> Figure:
    """Activity of each unit in the spiking network against that in the rate network, in the response window; a panel
    for each condition, with Pearson's correlation. On the line the conversion is perfect.
    """
    c = comparison
    figure, axes = _panels(len(c.conditions), 2.3, 2.5, sharex=True, sharey=True)
    for axis, name, x, y in zip(axes, c.conditions, c.rate_activity, c.lif_activity, strict=True):
        for kind, of, color in _types(c.inh, c.som):
            axis.plot(x[of], y[of], "o", ms=4, mew=0, alpha=0.6, color=color, label=kind)
        r = f"r = {np.corrcoef(x, y)[0, 1]:.2f}" if x.std() and y.std() else "r not defined"
        axis.set_xlabel("rate network, activity")
        title_over(axis, f"{name}: {r}")
    ends = np.array([c.rate_activity.min(), c.rate_activity.max()])
    low, high = axes[0].get_ylim()
    for axis in axes:
        axis.plot(ends, c.scaling_factor * ends, color="0.5", lw=1, ls="--", label="λ × rate", zorder=0)
        axis.set_ylim(low, high)
    axes[0].set_ylabel("spiking network,\nfiltered rate (spikes/s)")
    legend(axes[-1])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def components(comparison, title: str = "") -> Figure:
    """The first three principal components over time, rate network above and spiking network below; a line for each
    condition, and the share of the variance that each has.
    """
    c = comparison
    figure, axes = new_figure(8, 4.6, 2, 3, sharex=True, squeeze=False)
    nets = (c.rate_components, "rate network"), (c.lif_components, "spiking network")
    for row, (found, label) in zip(axes, nets, strict=True):
        for p, axis in enumerate(row):
            for i, name in enumerate(c.conditions):
                line = found.projections[i, :, p]
                axis.plot(np.arange(len(line)) * STEP_MS, line, lw=1.3, color=color_of(i), label=name)
            title_over(axis, f"PC {p + 1}: {100 * found.explained[p]:.0f} % of the variance")
            mark_windows(axis, c.stimulus_windows, c.response)
        row[0].set_ylabel(f"{label}\n({'activity' if found is c.rate_components else 'spikes/s'})")
    for axis in axes[-1]:
        axis.set_xlabel("time (ms)")
    legend(axes[0, -1])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure

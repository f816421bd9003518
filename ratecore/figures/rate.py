"""Figures of rate networks: their training, outputs and parameters, alone and over a grid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratecore.figures.graded import graded_figures
from ratecore.figures.style import (
    COLORS,
    STEP_MS,
    Window,
    Windows,
    color_of,
    legend,
    mark_windows,
    new_figure,
)
from ratecore.system.arrays import numbers

if TYPE_CHECKING:  # importing them takes longer than drawing
    import pandas as pd

    from ratecore.rate.network import RateNetwork
    from ratecore.rate.results import Evaluation, TrainingResult
    from ratecore.rate.saved import SavedNetwork
    from ratecore.settings.run import RunSettings
    from ratecore.settings.training import TrainingSettings


def run_figures(settings: RunSettings, result: TrainingResult, evaluation: Evaluation) -> dict[str, Figure]:
    """Draw the figures of one rate network.

    Args:
        settings: of the run.
        result: of its training.
        evaluation: of the trained network.

    Returns:
        figures by name: loss, outputs, weights, taus and, for tasks with graded evidence, psychometric and
            chronometric.
    """
    task, by_condition = settings.tested_task("evaluation"), evaluation.scores.by_condition()
    outputs = {name: (row["output_mean"], row["output_sd"]) for name, row in by_condition.items()}
    figures = {
        "loss": training_curve(result.losses, result.tests, settings.training),
        "outputs": outputs_by_condition(outputs, task.stimulus_windows, evaluation.response, settings.task),
        "weights": weight_matrix(result.net),
    }
    before, after = taus_before_and_after(result)
    figures["taus"] = tau_distribution(before, after, settings.network.taus)
    return figures | graded_figures(evaluation.psychometric, evaluation.chronometric, task.evidence_label)


def taus_before_and_after(
    result: TrainingResult | SavedNetwork,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Compute the synaptic decay time constants before and after training.

    Args:
        result: of the training, or its network as arrays.

    Returns:
        before and after, (N,) each, ms.

    Source:
        docs/model.md 1.4, equation 5.
    """
    net: Any = getattr(result, "net", result)
    before, after = (
        net.time_constants(taus_gaus=parameters) for parameters in (result.initial["taus_gaus"], net.taus_gaus)
    )
    return numbers(before) * STEP_MS, numbers(after) * STEP_MS


def training_curve(losses: Sequence[float], tests: Sequence[Mapping[str, Any]], training: TrainingSettings) -> Figure:
    """Draw the loss of every update with the test losses and the threshold, and the test accuracy below.

    Args:
        losses: of every update, unitless.
        tests: `TrainingResult.tests`.
        training: thresholds, loss function and batch size.

    Returns:
        the figure.

    Source:
        docs/model.md 3.3.
    """
    figure, (top, bottom) = new_figure(6.5, 4, rows=2, sharex=True, height_ratios=(2, 1))
    trials = np.minimum(np.arange(1, len(losses) + 1) * training.batch_size, tests[-1]["trial"] if tests else np.inf)
    top.plot(trials, losses, color="0.8", lw=0.6, label="training, each update")
    at = [test["trial"] for test in tests]
    top.plot(at, [t["loss"] for t in tests], "o-", ms=3, color=COLORS[0], label="test, mean of fresh trials")
    top.axhline(training.loss_threshold, color=COLORS[1], ls="--", lw=1, label="threshold")
    top.set(ylabel=f"loss ({training.loss_fn})", ylim=(0, None))
    legend(top)
    bottom.plot(at, [t["accuracy"] for t in tests], "o-", ms=3, color=COLORS[0])
    bottom.axhline(training.accuracy_threshold, color=COLORS[1], ls="--", lw=1)
    bottom.set(xlabel="trial", ylabel="test accuracy", ylim=(-0.03, 1.03))
    return figure


def outputs_by_condition(
    outputs: Mapping[str, tuple[Float[np.ndarray, "*out T"], Float[np.ndarray, "*out T"]]],
    stimulus_windows: Windows,
    response: Window,
    title: str = "",
) -> Figure:
    """Draw the mean output of each condition with a band of one SD; one panel for each of several outputs.

    Args:
        outputs: by condition: mean and SD, (T,) or (n_out, T) each, unitless; NaN, as after the longest trial of a
            condition, is not drawn.
        stimulus_windows: (K, 2), rate steps, shaded.
        response: (2,), rate steps, marked at the bottom.
        title: of the figure.

    Returns:
        the figure.

    Source:
        Kim et al. 2019, Fig. 1B.
    """
    courses = {name: (np.atleast_2d(mean), np.atleast_2d(sd)) for name, (mean, sd) in outputs.items()}
    n_out = max((len(mean) for mean, _ in courses.values()), default=1)
    height = 3.2 if n_out == 1 else 0.8 + 1.7 * n_out
    figure, axes = new_figure(5.0, height, n_out, 1, sharex=True, squeeze=False)
    for k, axis in enumerate(axes[:, 0]):
        for i, (name, (mean, sd)) in enumerate(courses.items()):
            time = np.arange(mean.shape[1]) * STEP_MS
            axis.plot(time, mean[k], color=color_of(i), lw=1.5, label=name)
            axis.fill_between(time, mean[k] - sd[k], mean[k] + sd[k], color=color_of(i), alpha=0.2, lw=0)
        mark_windows(axis, stimulus_windows, response)
        axis.set_ylabel("output (mean, SD)" if n_out == 1 else f"output {k + 1}\n(mean, SD)")
    axes[0, 0].set_title(title)
    axes[-1, 0].set_xlabel("time (ms)")
    legend(axes[0, 0])
    figure.align_ylabels(axes[:, 0])
    return figure


def tau_distribution(
    before: Float[np.ndarray, " n"], after: Float[np.ndarray, " n"], bounds: Sequence[float]
) -> Figure:
    """Draw the distribution of the synaptic decay time constants before and after training.

    Args:
        before: (n,), ms.
        after: (n,), ms.
        bounds: (tau_min, tau_max), or the one tau that all units share; steps.

    Returns:
        the figure.

    Source:
        docs/model.md 1.4.
    """
    figure, axis = new_figure(5, 3)
    low, high = (bounds[0], bounds[-1]) if len(bounds) == 2 else (bounds[0] - 1, bounds[0] + 1)
    bins = np.linspace(low * STEP_MS, high * STEP_MS, 26)
    axis.hist(before, bins, density=True, color="0.75", label="before training")
    axis.hist(after, bins, density=True, histtype="step", color=COLORS[0], lw=1.5, label="after training")
    axis.set(xlabel="synaptic decay time constant (ms)", ylabel="density")
    legend(axis)
    return figure


def weight_matrix(net: RateNetwork | SavedNetwork) -> Figure:
    """Draw the effective weights W, excitatory units first, and their distribution.

    Args:
        net: any rate network.

    Returns:
        the figure; rows of the matrix are postsynaptic units.

    Source:
        docs/model.md 1.2, equation 4.
    """
    W = numbers(net.effective_weights()).astype(np.float64)
    order = np.argsort(numbers(net.inh), kind="stable")
    n_exc = int(net.exc.sum())
    figure, (left, right) = new_figure(8, 3.2, columns=2, width_ratios=(1.2, 1))
    live = W[W != 0]
    limit = float(np.quantile(np.abs(live), 0.98)) if live.size else 1.0
    # Blue for excitation and red for inhibition, as types of units have their colours in all figures.
    image = left.imshow(W[np.ix_(order, order)], cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
    if 0 < n_exc < len(W):
        left.axvline(n_exc - 0.5, color="k", lw=0.6)
        left.axhline(n_exc - 0.5, color="k", lw=0.6)
    types = " (E, then I)" if 0 < n_exc < len(W) else ""
    left.set(xlabel=f"presynaptic unit{types}", ylabel="postsynaptic unit")
    figure.colorbar(image, ax=left, label="effective weight", shrink=0.8)
    bins = np.linspace(-limit, limit, 41)
    for sign, color, name in ((1, COLORS[0], "positive"), (-1, COLORS[1], "negative")):
        chosen = live[np.sign(live) == sign]
        right.hist(np.clip(chosen, -limit, limit), bins, color=color, alpha=0.8, label=f"{name}: {len(chosen)}")
    right.set(xlabel="effective weight (ends clipped)", ylabel="connections", yscale="log")
    right.set_title(f"{100 * live.size / W.size:.1f} % of N² alive", fontsize=9)
    legend(right)
    return figure


# ----------------------------------------------------------------------------------------------- over many networks


def loss_curves(
    curves: Mapping[str, tuple[Sequence[int], Sequence[float], bool]], threshold: float, title: str = ""
) -> Figure:
    """Draw the test loss over trials of several networks.

    Args:
        curves: by name: trials, losses at them, and whether the network met the criterion.
        threshold: loss of the criterion, unitless.
        title: of the figure.

    Returns:
        the figure.
    """
    figure, axis = new_figure(6.5, 3)
    named = len(curves) <= len(COLORS)  # more cannot be told apart
    for i, (name, (trials, losses, trained)) in enumerate(curves.items()):
        color, alpha = (color_of(i), 1.0) if named else (COLORS[0], 0.4)
        axis.plot(trials, losses, lw=1, color=color, alpha=alpha, label=name)
        axis.plot(trials[-1:], losses[-1:], "o" if trained else "x", ms=5, color=color)
    axis.axhline(threshold, color="0.4", ls="--", lw=1)
    axis.set(xlabel="trial", ylabel="test loss", ylim=(0, None), title=title)
    if named:
        legend(axis, title="● trained   × not trained", title_fontsize=8)
    return figure


MOST_PRODUCTS = 12  # rows of panels that can still be looked at
DURATIONS = ("T", "stim_on", "stim_dur", "delay", "delay_jitter", "response_delay", "response_dur")
AXIS_NAMES = {
    "N": "N (units)",
    "taus": "synaptic time constants (ms)",
    "refractory": "refractory period (ms)",
}


def axis_label(column: str, in_steps: bool = False) -> str:
    """The label of an axis of the grid.

    Args:
        column: of the axis in the table.
        in_steps: whether durations of tasks are shown as the table has them, not as `axis_value` gives them.

    Returns:
        its name in words, with its unit; 'delay in evaluation (ms)' where a network is tested elsewhere,
        'scale synapses I-E in conversion' where it is perturbed.

    Source: none
    """
    if column in AXIS_NAMES:
        return AXIS_NAMES[column]
    name, section = _tested(column)
    words = f"{name.removeprefix('perturbation_')} in {section}" if section else column
    words = re.sub(r"(?<=scale_synapses_)([EI])_([EI])\b", r"\1-\2", words)
    unit = f"steps of {STEP_MS} ms" if in_steps else "ms"
    return words.replace("_", " ") + (f" ({unit})" if name in DURATIONS else "")


def axis_value(column: str, value: str) -> str:
    """A value of an axis of the grid for its tick, in the unit of `axis_label`.

    Args:
        column: of the axis in the table.
        value: as the table has it; time constants and durations of tasks in steps of 5 ms.

    Returns:
        '20 to 100' for the time constants '4_20', '250' for a delay of '50'; other values as they are.

    Source: none
    """
    if column != "taus" and _tested(column)[0] not in DURATIONS:
        return value
    try:
        return " to ".join(f"{float(part) * STEP_MS:g}" for part in value.split("_"))
    except ValueError:  # a word, such as that of a setting that a task lacks
        return value


def _tested(column: str) -> tuple[str, str]:
    """The setting of a column, and the section in which it is tested elsewhere, or ''."""
    section, _, rest = column.partition("_")
    return (rest, section) if section in ("evaluation", "conversion") and rest else (column, "")


def against_axes(
    table: pd.DataFrame,
    value: str,
    label: str,
    limits: tuple[float | None, float | None] | None = None,
    columns: Sequence[str] = ("N", "taus"),
) -> Figure:
    """Draw a score against each axis of the grid: one point per network, one line of means per task.

    Args:
        table: one row per network, with the columns task, `value` and `columns`.
        value: column of the score.
        label: of the y axis.
        limits: of the y axis, in the unit of the score.
        columns: axes of the grid, one panel each.

    Returns:
        the figure.
    """
    return against_axes_of_products({"": (table, columns)}, value, label, limits)


def against_axes_of_products(
    products: Mapping[str, tuple[pd.DataFrame, Sequence[str]]],
    value: str,
    label: str,
    limits: tuple[float | None, float | None] | None = None,
) -> Figure:
    """Draw a score as `against_axes`, with a row of panels for each product of the grid, the first twelve of many.

    Args:
        products: name of the product: the rows of its networks, and its axes.
        value: column of the score.
        label: of the y axis.
        limits: of the y axis, in the unit of the score.

    Returns:
        the figure.

    Source: none
    """
    drawn = dict(list(products.items())[:MOST_PRODUCTS])
    most = max(len(columns) for _, columns in drawn.values())
    options = {"rows": len(drawn), "columns": most, "sharey": True, "squeeze": False}
    figure, axes = new_figure(1.5 + 3 * most, 3.2 * len(drawn), **options)
    if len(drawn) < len(products):
        figure.suptitle(f"The first {len(drawn)} of {len(products)} products of the grid", fontsize=9)
    for row, (name, (table, columns)) in zip(axes, drawn.items(), strict=True):
        _against_axes(list(row[: len(columns)]), table, value, columns)
        row[0].set_ylabel(label)
        row[0].set_title(name, loc="left")
        for axis in row[len(columns) :]:
            axis.set_axis_off()
    if limits:
        axes[0, 0].set_ylim(*limits)
    return figure


def _against_axes(axes: Sequence[Axes], table: pd.DataFrame, value: str, columns: Sequence[str]) -> None:
    """Draw a score into one panel for each axis of the grid."""
    tasks = list(dict.fromkeys(table["task"]))
    for axis, column in zip(axes, columns, strict=True):
        ticks = sorted(set(table[column].astype(str)), key=_as_numbers)
        for i, task in enumerate(tasks):
            rows = table[table["task"] == task].dropna(subset=[value])
            shift = 0.12 * (i - (len(tasks) - 1) / 2)  # tasks side by side
            x = np.array([ticks.index(str(v)) for v in rows[column]], float) + shift
            axis.plot(x, rows[value], "o", ms=4, alpha=0.5, color=color_of(i), mew=0)
            means = rows[value].astype(float).groupby(x).mean()
            axis.plot(means.index, means.values, "-_", ms=12, lw=1, color=color_of(i), label=task)
        shown = [axis_value(column, tick) for tick in ticks]
        crowded = sum(len(tick) for tick in shown) > 30
        axis.set_xticks(range(len(ticks)), shown, rotation=45 if crowded else 0, ha="right" if crowded else "center")
        axis.set_xlim(-0.5, len(ticks) - 0.5)
        axis.set_xlabel(axis_label(column))
    legend(axes[-1])


def _as_numbers(text: str) -> tuple[int, list[float], str]:
    """Sort key for the values of an axis: numbers by size, then words by the alphabet."""
    try:
        return 0, [float(part) for part in text.split("_")], text
    except ValueError:
        return 1, [], text

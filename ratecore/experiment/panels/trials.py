"""Panels from the networks themselves: example outputs, choices by evidence, searches for lambda, distributions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ratecore.experiment.panels.columns import axis_of, measure_of, words_of_value
from ratecore.experiment.panels.tables import NO_NUMBERS, say_why
from ratecore.settings.panels import (
    ByEvidenceSettings,
    DistributionSettings,
    LambdaCurvesSettings,
    PanelSettings,
)
from ratecore.system.files import read_sealed_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.experiment.axes import Axis
    from ratecore.experiment.panels.drawing import Source
    from ratecore.experiment.panels.networks import Networks
    from ratecore.experiment.runs import Run
    from ratecore.figures.evidence import Curve

NOT_CONVERTED = "No network of this panel was converted to a spiking network."
KINDS = {"rate": ("rate network", "-", "o"), "spiking": ("spiking network", "--", "s")}


def groups_of(source: Source, panel: PanelSettings, by: str | None) -> list[tuple[str, Networks]]:
    """The networks of a panel by the values of a column.

    Args:
        source: of the networks.
        panel: its settings.
        by: column; None for all networks.

    Returns:
        words for the value, and networks.
    """
    axis: Axis | None = None if by is None else axis_of(by, source.experiment)
    groups = source.networks(panel).grouped(axis)
    return [("networks" if axis is None else words_of_value(axis, value, panel.names), own) for value, own in groups]


# --------------------------------------------------------------------------------------------------------- evidence


def draw_by_evidence(source: Source, panel: ByEvidenceSettings) -> tuple[Figure, list[str]]:
    """Draw a panel of kind `by_evidence`.

    Args:
        source: of the networks.
        panel: its settings.

    Returns:
        the figure, and the sentences of its caption.
    """
    from ratecore import figures

    groups = [(name, [own.run(k) for k in own.table.index]) for name, own in groups_of(source, panel, panel.by)]
    kinds = ("rate", "spiking") if panel.network == "both" else (panel.network,)
    figure, axes = figures.print_figure(panel.width, panel.height or 72, 1, 1, panel.title)
    ax = axes[0, 0]
    curves = [c for i, (name, runs) in enumerate(groups) for kind in kinds for c in _curves(panel, name, runs, kind, i)]
    if not curves:
        return figure, [say_why(ax, any(runs for _, runs in groups), "No network of this panel has graded trials.")]
    figures.by_evidence(ax, curves)
    label = next(run for _, runs in groups for run in runs).settings.create_task().evidence_label
    ax.set_xlabel(f"{label}, cued modality" if len({c.label.rpartition(", ")[2] for c in curves}) > 1 else label)
    ax.set_ylabel("positive choices (%)" if panel.measure == "p_positive" else "correct trials (%)")
    figures.legend_below(ax, columns=2 if panel.columns == 1 else 4)
    what = "Share of positive choices" if panel.measure == "p_positive" else "Share of correct trials"
    told = "; ".join(f"{curve.label}: n = {len(curve.shares)} networks" for curve in curves)
    sentences = [f"{what} at each strength of the evidence, mean and SD over networks, by the kind of trial. {told}."]
    return figure, [*sentences, "The evidence is that of the cued modality; that of the other one varies at random."]


def _curves(panel: ByEvidenceSettings, name: str, runs: Sequence[Run], kind: str, i: int) -> list[Curve]:
    """A curve for each kind of trial."""
    from ratecore.figures.evidence import Curve
    from ratecore.figures.style import color_of

    rows: dict[str, dict[float, list[float]]] = {}
    for run in runs:
        for row in _graded(run, kind):
            rows.setdefault(row["trial_type"], {}).setdefault(row["evidence"], []).append(row[panel.measure])
    words, line, marker = KINDS[kind]
    curves = []
    for k, (trial_type, at) in enumerate(rows.items()):
        levels = sorted(at)
        n = min(len(at[level]) for level in levels)
        shares = np.array([at[level][:n] for level in levels]).T
        color = color_of(k if panel.by is None else i)
        label = ", ".join([*([] if panel.by is None else [name]), words, trial_type])
        looks = {"line": line, "marker": marker} if panel.by is None else {"line": ("-", "--")[k % 2], "marker": marker}
        curves.append(Curve(label, np.array(levels), shares, color, **looks))
    return curves


def _graded(run: Run, kind: str) -> list[dict[str, Any]]:
    """The rows of a network's psychometric function."""
    if kind == "rate":
        found: list[dict[str, Any]] = json.loads(run.scores.read_text()).get("psychometric", [])
        return found
    if not run.conversion.is_file():
        return []
    return list(read_sealed_json(run.conversion).get("psychometric", []))


# ----------------------------------------------------------------------------------------------------------- lambda


def draw_lambda_curves(source: Source, panel: LambdaCurvesSettings) -> tuple[Figure, list[str]]:
    """Draw a panel of kind `lambda_curves`.

    Args:
        source: of the networks.
        panel: its settings.

    Returns:
        the figure, and the sentences of its caption.
    """
    from ratecore import figures

    figure, axes = figures.print_figure(panel.width, panel.height or 68, 1, 1, panel.title)
    searches: dict[str, list[Any]] = {}
    best: dict[str, list[float]] = {}
    raced = False
    groups = groups_of(source, panel, panel.by)
    for name, own in groups:
        found = [read_sealed_json(run.conversion) for run in map(own.run, own.table.index) if run.conversion.is_file()]
        searches[name] = [(np.array(s["scaling_factors"], float), np.array(s["all_perfs"], float)) for s in found]
        best[name] = [float(s["lambda"]) for s in found]
        raced |= any(min(s["n_trials"]) < max(s["n_trials"]) for s in found)
    if not any(searches.values()):
        return figure, [say_why(axes[0, 0], any(len(own) for _, own in groups), NOT_CONVERTED)]
    figures.lambda_curves(axes[0, 0], searches, best)
    figures.legend_below(axes[0, 0], columns=2 if panel.columns == 1 else 4)
    told = "; ".join(f"{name}: n = {len(own)}" for name, own in searches.items())
    dropped = "Values that could no longer win had fewer trials." if raced else ""
    words = (
        "Accuracy of spiking networks by lambda, mean and SD over networks; triangles are medians of the best lambda."
    )
    return figure, [words, f"{told}.", dropped]


# ----------------------------------------------------------------------------------------------------- distribution


def draw_distribution(source: Source, panel: DistributionSettings) -> tuple[Figure, list[str]]:
    """Draw a panel of kind `distribution`.

    Args:
        source: of the networks.
        panel: its settings.

    Returns:
        the figure, and the sentences of its caption.
    """
    from ratecore import figures

    figure, axes = figures.print_figure(panel.width, panel.height or 68, 1, 1, panel.title)
    groups = groups_of(source, panel, panel.by)
    values = {name: _values(source, panel, own) for name, own in groups}
    if not any(len(own) for own in values.values()):
        return figure, [say_why(axes[0, 0], any(len(own) for _, own in groups), NO_NUMBERS)]
    labels = {"taus": "synaptic decay time constant after training (ms)", "weights": "effective weight, without zeros"}
    label = labels.get(panel.of) or measure_of(panel.of, source.experiment.settings).alone
    of = {"taus": "units", "weights": "synapses"}.get(panel.of, "networks")
    named = {of if name == "networks" else name: own for name, own in values.items()}
    figures.distribution(axes[0, 0], named, panel.bins)
    axes[0, 0].set_xlabel(label)
    axes[0, 0].set_ylabel(f"{of} (%)")
    figures.legend_below(axes[0, 0], columns=2 if panel.columns == 1 else 4)
    each = [f"{name}: n = {len(values[name]):,} {of} of {len(own)} networks" for name, own in groups if len(own)]
    told = "; ".join(each).replace("networks: ", "")
    words = f"Distribution of the {label.partition(' (')[0]} over {of}, in shares of each group; triangles are medians."
    return figure, [words, f"{told}."]


def _values(source: Source, panel: DistributionSettings, own: Networks) -> Float[np.ndarray, " n"]:
    """The values of a group: of units, synapses or networks."""
    if panel.of not in ("taus", "weights"):
        return own.numbers(measure_of(panel.of, source.experiment.settings))
    import torch

    found: list[Any] = [np.empty(0)]
    with torch.no_grad():
        for index in own.table.index:
            net = own.opened(index).load()
            if panel.of == "taus":
                found.append(net.time_constants().cpu().double().numpy().ravel() * 5)
            else:
                weights = net.effective_weights().cpu().double().numpy()
                found.append(weights[weights != 0])
    return np.concatenate(found)

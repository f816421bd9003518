"""Figures of choices and response times against the strength of evidence, of rate and of spiking networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratecore.analysis.psychometrics import PsychometricFit, binomial_intervals, fit_psychometric
from ratecore.figures.style import axes_or_new, color_of, legend, new_figure

EVIDENCE = "evidence"  # label of the axis where the unit is not known
BESIDE = 0.006  # of the range of the evidence: how far the times of a trial type are from those of the one before
Rows = Sequence[Mapping[str, Any]]


def graded_figures(psychometric: Rows, chronometric: Rows, evidence: str = EVIDENCE) -> dict[str, Figure]:
    """Draw the figures of a network on trials of graded evidence.

    Args:
        psychometric: rows of `Evaluation.psychometric`.
        chronometric: rows of `Evaluation.chronometric`.
        evidence: label of the axis of the evidence.

    Returns:
        figures by name: psychometric and chronometric, without those that have no rows.
    """
    found = {"psychometric": psychometric_figure(psychometric, evidence)} if psychometric else {}
    if chronometric:
        found["chronometric"] = chronometric_figure(chronometric, evidence)
    return found


def psychometric_figure(rows: Rows, evidence: str = EVIDENCE) -> Figure:
    """Draw choices with a logistic fit, and the accuracy, against the signed evidence.

    Args:
        rows: of `Evaluation.psychometric`.
        evidence: label of the axis of the evidence.

    Returns:
        the figure.

    Source:
        Kim et al. 2019, Fig. 3.
    """
    figure, (left, right) = new_figure(8.5, 3.2, columns=2)
    choices(left, rows, evidence)
    accuracies(right, rows, evidence)
    legend(right)
    return figure


def chronometric_figure(rows: Rows, evidence: str = EVIDENCE) -> Figure:
    """Draw response times, and the share of trials that have one, against the signed evidence.

    Args:
        rows: of `Evaluation.chronometric`.
        evidence: label of the axis of the evidence.

    Returns:
        the figure.

    Source:
        Roitman & Shadlen 2002, J Neurosci 22:9475, Fig. 3.
    """
    figure, (left, right) = new_figure(8.5, 3.2, columns=2)
    times(left, rows, evidence)
    crossings(right, rows, evidence)
    legend(right)
    return figure


def choices(ax: Axes | None, rows: Rows, evidence: str = EVIDENCE, fit: bool = True) -> Axes:
    """Draw the share of positive choices with 95 % binomial (Wilson) intervals, and a logistic fit with lapses.

    Args:
        ax: axes to draw into; new ones when None.
        rows: of `Evaluation.psychometric`.
        evidence: label of the axis of the evidence.
        fit: whether the fit is drawn, which needs three strengths of evidence.

    Returns:
        the axes; the legend of each trial type has bias, slope and lapse rate of its fit.

    Source:
        Wichmann & Hill 2001, Percept Psychophys 63:1293.
    """
    ax = axes_or_new(ax, 5.0)
    for i, (kind, own) in enumerate(_by_type(rows).items()):
        x, p, n = (np.array([row[key] for row in own]) for key in ("evidence", "p_positive", "n"))
        fitted = fit_psychometric(x, p, n) if fit and np.unique(x).size >= 3 else None
        label = kind if fitted is None else f"{kind}: {fit_text(fitted)}"
        if fitted is not None:
            fine = np.linspace(x.min(), x.max(), 201)
            ax.plot(fine, fitted(fine), "-", lw=1.2, color=color_of(i))
        _points(ax, x, p, binomial_intervals(p, n), i, label, joined=fitted is None)
    ax.axhline(0.5, color="0.85", lw=0.8, zorder=0)
    ax.axvline(0, color="0.85", lw=0.8, zorder=0)
    ax.set(xlabel=evidence, ylabel="share of positive choices", ylim=(-0.03, 1.03))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=7, frameon=False)
    return ax


def fit_text(fit: PsychometricFit) -> str:
    """Bias, slope and lapse rate of a fit in one line.

    Args:
        fit: of a psychometric function.

    Returns:
        'bias 0.02, slope 9.1, lapse 0.01'; the slope as a lower bound where the data do not determine it.
    """
    slope = f"slope {fit.slope:.3g}" if fit.determined else f"|slope| > {0.1 * abs(fit.slope):.2g}"
    return f"bias {_short(fit.bias)}, {slope}, lapse {fit.lapse:.2f}"


def _short(value: float) -> str:
    return f"{value + 0.0:.2g}" if abs(value) >= 0.005 else "0.00"


def accuracies(ax: Axes | None, rows: Rows, evidence: str = EVIDENCE) -> Axes:
    """Draw the accuracy with 95 % binomial (Wilson) intervals.

    Args:
        ax: axes to draw into; new ones when None.
        rows: of `Evaluation.psychometric`.
        evidence: label of the axis of the evidence.

    Returns:
        the axes.

    Source:
        Wilson 1927, Journal of the American Statistical Association 22:209.
    """
    return _shares(ax, rows, "accuracy", "accuracy", evidence)


def crossings(ax: Axes | None, rows: Rows, evidence: str = EVIDENCE) -> Axes:
    """Draw the share of trials whose output crosses the threshold, with 95 % binomial (Wilson) intervals.

    Args:
        ax: axes to draw into; new ones when None.
        rows: of `Evaluation.chronometric`.
        evidence: label of the axis of the evidence.

    Returns:
        the axes.

    Source:
        Wilson 1927, Journal of the American Statistical Association 22:209.
    """
    return _shares(ax, rows, "crossed", "share of trials with a response", evidence)


def times(ax: Axes | None, rows: Rows, evidence: str = EVIDENCE) -> Axes:
    """Draw the median response time with its quartiles.

    Args:
        ax: axes to draw into; new ones when None.
        rows: of `Evaluation.chronometric`; a point at which no output crosses the threshold is left out.
        evidence: label of the axis of the evidence.

    Returns:
        the axes.

    Source:
        Roitman & Shadlen 2002, J Neurosci 22:9475, Fig. 3.
    """
    ax = axes_or_new(ax, 5.0)
    for i, (kind, own) in enumerate(_by_type(rows).items()):
        there = [row for row in own if row.get("median") is not None]
        x, middle, low, high = (
            np.array([row[key] for row in there], float) for key in ("evidence", "median", "q25", "q75")
        )
        aside = BESIDE * i * np.ptp(x) if len(x) else 0.0
        _points(ax, x + aside, middle, np.stack([low, high], -1), i, kind)
    ax.axvline(0, color="0.85", lw=0.8, zorder=0)
    ax.set(xlabel=evidence, ylabel="response time (ms)\nmedian, quartiles")
    return ax


def _shares(ax: Axes | None, rows: Rows, key: str, label: str, evidence: str) -> Axes:
    ax = axes_or_new(ax, 5.0)
    for i, (kind, own) in enumerate(_by_type(rows).items()):
        x, p, n = (np.array([row[name] for row in own]) for name in ("evidence", key, "n"))
        _points(ax, x, p, binomial_intervals(p, n), i, kind)
    ax.axvline(0, color="0.85", lw=0.8, zorder=0)
    ax.set(xlabel=evidence, ylabel=label, ylim=(-0.03, 1.03))
    return ax


def _points(ax: Axes, x: Any, y: Any, ends: Any, i: int, label: str, joined: bool = True) -> None:
    """Points with bars from one end to the other, in the colour of the trial type."""
    bars = np.maximum(np.abs(ends.T - y), 0) if len(x) else np.zeros((2, 0))
    ax.errorbar(x, y, bars, fmt="o-" if joined else "o", ms=4, lw=1, elinewidth=0.8, color=color_of(i), label=label)


def _by_type(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each trial type, by increasing evidence."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=_evidence):
        found.setdefault(row["trial_type"], []).append(row)
    return {kind: found[kind] for kind in dict.fromkeys(row["trial_type"] for row in rows)}


def _evidence(row: Mapping[str, Any]) -> float:
    return float(row["evidence"])

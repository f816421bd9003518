"""Figures of tasks: what a trial of each condition looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratecore.figures.style import STEP_MS, STYLE, color_of, mark_windows, new_figure, title_over

if TYPE_CHECKING:
    from ratecore.tasks.trials import Trial

ACROSS = 4  # conditions side by side
MOST_LINES = 8  # inputs that are drawn as lines; more are drawn as an image


def trials_by_condition(trials: Sequence[Trial], title: str = "") -> Figure:
    """Draw a trial of each condition: inputs, target with the response window, and weight in the loss.

    Args:
        trials: one of each condition, with response and stimuli where they have them.
        title: of the figure.

    Returns:
        the figure, with three panels for each condition.

    Source: none
    """
    columns = _columns(len(trials))
    rows = -(-len(trials) // columns)
    n_in = min(max(len(trial.u) for trial in trials), 2 * MOST_LINES)
    figure, axes = _panels(rows, columns, (0.35 + 0.16 * n_in, 1.1, 0.4))
    low, high = _limits(trials)
    end = max(trial.T for trial in trials) * STEP_MS
    most = max(1.0, *(1.0 if trial.weight is None else float(np.max(trial.weight)) for trial in trials))
    for k in range(rows * columns):
        inputs, target, weight = axes[3 * (k // columns) : 3 * (k // columns) + 3, k % columns]
        if k >= len(trials):
            for axis in (inputs, target, weight):
                axis.set_axis_off()
            continue
        trial, first = trials[k], k % columns == 0
        title_over(inputs, trial.condition)
        _draw_inputs(inputs, trial)
        _draw_target(target, trial, (low, high))
        _draw_weight(weight, trial, most)
        for axis, name in ((inputs, "input"), (target, "target"), (weight, "weight")):
            axis.set_ylabel(name if first else "")
            axis.tick_params(labelleft=first, labelbottom=False, labelsize=8)
            axis.set_xlim(0, end)
        last = k + columns >= len(trials)
        weight.tick_params(labelbottom=last)
        weight.set_xlabel("time (ms)" if last else "")
    _legend(figure, axes[1, 0], max(np.atleast_2d(trial.target).shape[0] for trial in trials))
    height = figure.get_size_inches()[1]
    figure.suptitle(title, fontsize=STYLE["font.size"] + 1, y=1 - 0.1 / height, va="top")
    return figure


def _panels(rows: int, columns: int, heights: tuple[float, float, float]) -> tuple[Figure, Any]:
    """Three panels, one above the other, for each condition, placed by hand: matplotlib takes seconds to do so."""
    left, right, top, bottom, across = 0.7, 0.2, 0.35, 0.4, 0.25  # inches around all panels and between columns
    above, between, below = 0.25, 0.12, 0.5  # of the panels of one condition
    wide = 3.4 if columns == 1 else 2.1
    one = above + sum(heights) + 2 * between + below
    width, height = left + columns * wide + (columns - 1) * across + right, top + rows * one + bottom
    figure, axes = new_figure(width, height, rows=3 * rows, columns=columns, squeeze=False)
    figure.set_layout_engine("none")
    for row in range(rows):
        y = height - top - row * one - above
        for k, high in enumerate(heights):
            y -= high
            for column in range(columns):
                x = left + column * (wide + across)
                axes[3 * row + k, column].set_position((x / width, y / height, wide / width, high / height))
            y -= between
    for axis in axes[:, 0]:
        axis.yaxis.set_label_coords(-0.45 / wide, 0.5)
    return figure, axes


def _columns(n: int) -> int:
    """Conditions side by side: as many as leave the fewest places empty."""
    return n if n <= ACROSS else min((ACROSS, ACROSS - 1), key=lambda columns: -n % columns)


def _limits(trials: Sequence[Trial]) -> tuple[float, float]:
    """Limits of the target's axis, with room for the bar of the response window."""
    low = min(0.0, *(float(np.min(trial.target)) for trial in trials))
    high = max(0.0, *(float(np.max(trial.target)) for trial in trials))
    room = 0.15 * ((high - low) or 1)
    return low - room, high + room


def _draw_inputs(axis: Axes, trial: Trial) -> None:
    u = np.asarray(trial.u, float)
    n, time = len(u), np.arange(trial.T) * STEP_MS
    if n > MOST_LINES:
        limit = np.abs(u).max() or 1
        edges = np.append(time, trial.T * STEP_MS)
        axis.pcolormesh(edges, np.arange(n + 1) - 0.5, u, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True)
        axis.invert_yaxis()
        return
    height = max(1.0, float(np.abs(u).max()))  # of the space that each input has
    for k, row in enumerate(u):
        axis.axhline(-k, color="0.85", lw=0.5, zorder=1)
        axis.plot(time, row / height * 0.8 - k, color=color_of(k), lw=1, drawstyle="steps-post")
    axis.set_yticks(-np.arange(n), [str(k) for k in range(n)])
    axis.set_ylim(-n + 1 - (1 if u.min() < 0 else 0.3), 1)
    mark_windows(axis, trial.stimuli)


def _draw_target(axis: Axes, trial: Trial, limits: tuple[float, float]) -> None:
    time = np.arange(trial.T) * STEP_MS
    for k, row in enumerate(np.atleast_2d(trial.target)):
        axis.plot(time, row, color=color_of(k), lw=1.5, label=f"target {k}")
    axis.set_ylim(*limits)
    window = None if trial.response is None else trial.response.indices(trial.T)[:2]
    mark_windows(axis, trial.stimuli, window)
    axis.axvline(trial.T * STEP_MS, color="0.6", lw=0.8, ls=":", zorder=0)


def _draw_weight(axis: Axes, trial: Trial, most: float) -> None:
    time = np.append(np.arange(trial.T), trial.T) * STEP_MS
    weight = np.ones(trial.T) if trial.weight is None else np.asarray(trial.weight, float)
    rows = np.atleast_2d(weight)
    same = bool((rows == rows[:1]).all())
    for k, row in enumerate(rows[:1] if same else rows):
        color = "0.4" if same else color_of(k)
        axis.fill_between(time, np.append(row, row[-1]), step="post", color=color, alpha=0.5, lw=0)
    axis.set_ylim(0, 1.05 * most)
    axis.set_yticks([0, most])


def _legend(figure: Figure, axis: Axes, n_out: int) -> None:
    handles, labels = axis.get_legend_handles_labels()
    names = {f"target {k}": "target" if n_out == 1 else f"target of output {k}" for k in range(n_out)}
    named = {names.get(label, label): handle for handle, label in zip(handles, labels, strict=True)}
    figure.legend(list(named.values()), list(named), loc="lower center", ncols=4, fontsize=8, frameon=False)

"""Accuracy of perturbed networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ratecore.figures.style import axes_or_new, color_of, legend


def accuracy_against(
    axis: Axes | None, rows: Sequence[Mapping[str, Any]], column: str, by: str | None = None, label: str | None = None
) -> Axes:
    """Plot accuracy against a setting of a perturbation, from the rows of a `perturbation_sweep`.

    Rows with the same value, such as those of several networks, are averaged, with their SD; a single row has its
    confidence interval.

    Args:
        axis: to draw on; None for a new figure.
        rows: with `column`, accuracy, ci_low and ci_high (fractions) and, where it is given, `by`.
        column: of the horizontal axis; numbers, or any values as categories.
        by: a column whose values are lines of their own.
        label: of the horizontal axis; None for the name of the column.

    Returns:
        the axes.

    Raises:
        ValueError: a row lacks a column.

    Source: none
    """
    for name in (column, "accuracy", *([by] if by else [])):
        if missing := [row for row in rows if name not in row]:
            raise ValueError(f"a row has no column '{name}'; it has {', '.join(missing[0])}")
    axis = axes_or_new(axis, 5.0)
    numbers = all(isinstance(row[column], int | float) for row in rows)
    places = {value: k for k, value in enumerate(dict.fromkeys(str(row[column]) for row in rows))}
    for i, line in enumerate(dict.fromkeys(str(row[by]) if by else "" for row in rows)):
        at: dict[float, list[Mapping[str, Any]]] = {}
        for row in rows:
            if not by or str(row[by]) == line:
                at.setdefault(float(row[column]) if numbers else places[str(row[column])], []).append(row)
        x = sorted(at)
        mean = np.array([np.mean([row["accuracy"] for row in at[value]]) for value in x])
        spread = np.abs(np.transpose([_interval(at[value]) for value in x]) - mean)
        fmt = "o-" if numbers else "o"
        axis.errorbar(x, mean, spread, label=line, fmt=fmt, ms=4, capsize=2, color=color_of(i))
    if not numbers:
        axis.set_xticks(list(places.values()), list(places))
    axis.set_xlabel(label or column.replace("_", " "))
    axis.set_ylabel("accuracy")
    axis.set_ylim(-0.03, 1.03)
    if by:
        legend(axis, title=by.replace("_", " "), title_fontsize=8)
    return axis


def _interval(rows: list[Mapping[str, Any]]) -> tuple[float, float]:
    """Ends of the confidence interval of one row; mean -+ SD of several, within [0, 1]."""
    if len(rows) == 1:
        return float(rows[0]["ci_low"]), float(rows[0]["ci_high"])
    values = np.array([row["accuracy"] for row in rows])
    return max(0.0, float(values.mean() - values.std())), min(1.0, float(values.mean() + values.std()))

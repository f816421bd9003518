"""Analysis 'tdr': axes along which task variables move the activity (targeted dimensionality reduction)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.recording import Variables, kept_trials, missing, paths_of, recording
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import TdrSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHARED = 0.8  # share of a variable's variance that may follow from those before it


def analyse(material: Material, settings: TdrSettings) -> AnalysisResult:
    """Find the axes of the task's variables in the network's activity.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Source:
        Mante et al. 2013 (Nature 503:78); `ratecore.analysis.tdr`.
    """
    from ratecore.analysis.tdr import targeted_axes
    from ratecore.analysis.trials import condition_means

    drawn = recording(material, settings)
    if reason := missing(drawn.variables, settings.variables):
        return AnalysisResult(skipped=reason)
    if settings.variables:
        chosen = {name: drawn.variables[name] for name in settings.variables}
    else:
        chosen = _regressors(drawn.variables)
    if not chosen:
        return AnalysisResult(skipped="no number or pair of words differs between the trials of this task")
    trials = kept_trials(chosen)
    chosen = {name: values[trials] for name, values in chosen.items()}
    activity, conditions = drawn.activity[trials], drawn.conditions[trials]
    if not settings.variables and "context" in chosen and chosen["context"].dtype.kind == "U":
        conditions = np.array([" ".join(map(str, row)) for row in zip(*_for_conditions(chosen), strict=True)])
    found = targeted_axes(activity, chosen, settings.n_components)
    names, paths = paths_of(found.project(activity), conditions)
    means = condition_means((activity - found.mean) / found.scale, conditions)[1]
    centred = means - np.nanmean(means, (0, 1))
    along = np.nansum(np.square(centred @ found.orthogonal.T))
    angles = found.angles[np.triu_indices(len(chosen), 1)]
    numbers = {
        "share": float(along / np.nansum(np.square(centred))),
        "smallest_angle": float(angles.min()) if angles.size else float("nan"),
        "peak_ms": float(drawn.times[found.peaks[0]]),
    }
    arrays = {
        "variables": np.array(found.variables),
        "axes": found.axes,
        "orthogonal": found.orthogonal,
        "angles": found.angles,
        "norms": found.norms,
        "peaks": drawn.times[found.peaks],
        "times": drawn.times,
        "conditions": names,
        "paths": paths,
    }
    return AnalysisResult(numbers, arrays)


def _regressors(variables: Variables) -> Variables:
    """The variables that are numbers or two words, without those that follow linearly from ones before."""
    from ratecore.analysis.tdr import design_matrix

    chosen: Variables = {}
    for name, values in variables.items():
        if not kept_trials({name: values}).all():
            continue
        try:
            design = design_matrix({**chosen, name: values}, len(values))
        except ValueError:  # constant, more than two words, or nothing of its own
            continue
        before = np.column_stack([np.ones(len(values)), design[:, :-1]])
        rest = design[:, -1] - before @ np.linalg.lstsq(before, design[:, -1], rcond=None)[0]
        if not chosen or rest.var() > (1 - MOST_SHARED) * design[:, -1].var():
            chosen[name] = values
    return chosen


def _for_conditions(chosen: Variables) -> list[list[str]]:
    """Words for the conditions: each category with its value."""
    rows = []
    for name, values in chosen.items():
        if values.dtype.kind == "U":
            rows.append([str(value) for value in values])
        elif values.dtype.kind == "i" and name != "choice":
            rows.append([f"{name}{'+' if value > 0 else '-'}" if set(values) <= {-1, 1} else f"{name} {value}"
                         for value in values])  # fmt: skip
    return rows


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the courses of the conditions of the first network along its axes, and how long the coefficients are.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.population import component_courses, lengths_over_time, projections
    from ratecore.figures.style import new_figure

    label, first = next(iter(networks.items()))
    names, conditions = first["variables"].tolist(), first["conditions"].tolist()
    planes = min(max(len(names) - 1, 1), 2)
    figure, axes = new_figure(3.2 + 3.1 * planes, 3.0, columns=planes + 1, squeeze=False)
    if len(names) == 1:
        courses = dict(zip(conditions, first["paths"][:, :, 0], strict=True))
        component_courses(axes[0, 0], first["times"], courses).set_ylabel(f"{names[0]} axis (SD)")
    for k, axis in enumerate(axes[0, : min(planes, len(names) - 1)]):
        paths = dict(zip(conditions, first["paths"][:, :, [0, k + 1]], strict=True))
        projections(axis, paths, (names[0], names[k + 1]), labelled=k == planes - 1)
    lengths_over_time(axes[0, -1], first["times"], dict(zip(names, first["norms"], strict=True)))
    axes[0, 0].set_title(label, fontsize=9)
    return {"tdr_axes": figure}

"""Analysis 'dpca': the activity taken apart by time, task variables and their combinations (demixed PCA)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.recording import factors_of, kept_trials, recording
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import DpcaSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 3  # trials of each combination of the variables: one is left out by the cross-validation
REPEATS = 5  # of the cross-validation, which is most of the time
PANELS = 4  # components in the figure


def analyse(material: Material, settings: DpcaSettings) -> AnalysisResult:
    """Find the demixed components of the network's activity.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Raises:
        ValueError: the task does not have a variable that the settings name.

    Source:
        Kobak et al. 2016 (eLife 5:e10989); `ratecore.analysis.dpca`.
    """
    from ratecore.analysis.dpca import TIME, demixed_components

    drawn = recording(material, settings)
    chosen = factors_of(drawn.variables, settings.variables, LEAST, "analysis.dpca.variables")
    if not chosen:
        return AnalysisResult(skipped="no variable of this task has two values with enough trials each")
    trials = kept_trials(chosen)
    found = demixed_components(
        drawn.activity[trials],
        {name: values[trials] for name, values in chosen.items()},
        settings.n_components,
        settings.penalty,
        repeats=REPEATS,
        seed=material.settings.seed,
    )
    names, K = list(found.shares), max(len(own) for own in found.encoders.values())
    C, T, N = int(np.prod(found.means.shape[:-2])), *found.means.shape[-2:]
    courses, explained = np.full((len(names), K, C, T), np.nan), np.full((len(names), K), np.nan)
    encoders, decoders = np.full((2, len(names), K, N), np.nan)
    read = found.project(found.means.reshape(C, T, N) + found.mean)
    own_content = []
    for m, name in enumerate(names):
        n = len(found.encoders[name])
        courses[m, :n], explained[m, :n] = np.moveaxis(read[name], 2, 0), found.explained[name]
        encoders[m, :n], decoders[m, :n] = found.encoders[name], found.decoders[name]
        if n:
            own_content.append(found.content[name][0, m])
    conditions = [
        ", ".join(f"{name} {value}" for name, value in zip(found.values, cell, strict=True))
        for cell in itertools.product(*found.values.values())
    ]
    numbers = {
        "share_time": found.shares[TIME],
        "share_mixed": sum(share for name, share in found.shares.items() if " x " in name),
        "content": float(np.mean(own_content)) if own_content else float("nan"),
        "penalty": found.penalty,
    }
    arrays = {
        "marginalisations": np.array(names),
        "shares": np.array([found.shares[name] for name in names]),
        "explained": explained,
        "encoders": encoders,
        "decoders": decoders,
        "mean": found.mean,
        "conditions": np.array(conditions),
        "courses": courses,
        "times": drawn.times[found.steps],
    }
    return AnalysisResult(numbers, arrays)


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the first components of the largest marginalisations of the first network, and the shares of all networks.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.population import component_courses, marginalisation_shares
    from ratecore.figures.style import new_figure

    label, first = next(iter(networks.items()))
    names = first["marginalisations"].tolist()
    largest = np.argsort(-np.nan_to_num(first["explained"][:, 0]), kind="stable")[:PANELS]
    figure, axes = new_figure(9.5, 5.0, rows=2, columns=3, width_ratios=(1, 1, 0.9))
    places = [axes[0, 0], axes[0, 1], axes[1, 0], axes[1, 1]]
    for k, (axis, m) in enumerate(zip(places, largest, strict=False)):
        courses = dict(zip(first["conditions"].tolist(), first["courses"][m, 0], strict=True))
        title = f"{names[m]}, {100 * first['explained'][m, 0]:.1f} %"
        component_courses(axis, first["times"], courses, title, labelled=False)
        if k == 0:
            handles = axis.get_legend_handles_labels()
    for axis in places[len(largest) :]:
        axis.set_axis_off()
    shares = [dict(zip(a["marginalisations"].tolist(), a["shares"].tolist(), strict=True)) for a in networks.values()]
    marginalisation_shares(axes[0, 2], shares)
    axes[1, 2].set_axis_off()
    axes[1, 2].legend(*handles, loc="center left", fontsize=7, frameon=False)
    figure.suptitle(f"first component of each marginalisation, {label}", fontsize=9)
    return {"dpca_components": figure}

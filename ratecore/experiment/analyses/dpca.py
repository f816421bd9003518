"""Analysis 'dpca': the activity taken apart by time, task variables and their combinations (demixed PCA)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.recording import Variables, factors_of, kept_trials, missing, recording
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import DpcaSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.analysis.dpca import DemixedComponents

LEAST = 3  # trials of each combination of the variables: one is left out by the cross-validation
REPEATS = 3  # of the cross-validation, which is most of the time; with 5, two of 12 networks have the next penalty
PANELS = 4  # components in the figure


def analyse(material: Material, settings: DpcaSettings) -> AnalysisResult:
    """Find the demixed components of the network's activity.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Source:
        Kobak et al. 2016 (eLife 5:e10989); `ratecore.analysis.dpca`.
    """
    from ratecore.analysis.dpca import TIME, demixed_components

    drawn = recording(material, settings)
    if reason := missing(drawn.variables, settings.variables):
        return AnalysisResult(skipped=reason)
    chosen = factors_of(drawn.variables, settings.variables, LEAST)
    if not chosen:
        return AnalysisResult(skipped="no variable of this task has two values with enough trials each")
    trials = kept_trials(chosen)
    of_trials = {name: values[trials] for name, values in chosen.items()}
    found = demixed_components(
        drawn.activity[trials],
        of_trials,
        settings.n_components,
        settings.penalty,
        repeats=REPEATS,
        seed=material.settings.seed,
    )
    tested = _tested(drawn.activity[trials], found, of_trials, settings, material.settings.seed)
    arrays = {**_arrays(found), **tested}
    first = [(found.explained[name][0], found.content[name][0, m]) for m, name in enumerate(found.shares)
             if len(found.content[name])]  # fmt: skip
    weights, own = np.array(first).reshape(-1, 2).T
    numbers = {
        "share_time": found.shares[TIME],
        "share_mixed": sum(share for name, share in found.shares.items() if " x " in name),
        "content": float(weights @ own / weights.sum()) if weights.sum() > 0 else float("nan"),
        "penalty": found.penalty,
        "significant": float("nan"),
        "significant_ms": float("nan"),
    }
    if settings.shuffles:
        first_ones = arrays["significant"][1:, 0]  # of all marginalisations but time
        numbers["significant"] = float(first_ones.any(1).mean())
        numbers["significant_ms"] = float(first_ones[0].sum() * settings.bin_ms)
    return AnalysisResult(numbers, {**arrays, "times": drawn.times[found.steps]})


def _tested(
    activity: Float[np.ndarray, "B T N"],
    found: DemixedComponents,
    chosen: Variables,
    settings: DpcaSettings,
    seed: int,
) -> dict[str, NDArray[Any]]:
    """Accuracies of the components, those of shuffles, and where they are significant; nothing without shuffles."""
    from ratecore.analysis.dpca_significance import component_significance

    if not settings.shuffles:
        return {name: np.zeros((0, 0, 0)) for name in ("accuracy", "shuffles_most", "significant")}
    tested = component_significance(
        activity,
        chosen,
        settings.n_components,
        found.penalty,
        shuffles=settings.shuffles,
        repeats=settings.repeats,
        least_bins=settings.least_bins,
        seed=seed,
    )
    shape = (len(found.shares), settings.n_components, len(found.steps))
    accuracy, most, significant = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
    for m, name in enumerate(found.shares):
        if name in tested.classes:  # not time
            accuracy[m], most[m] = tested.accuracy[name], tested.shuffled[name].max(0)
            significant[m] = tested.significant[name]
    return {"accuracy": accuracy, "shuffles_most": most, "significant": significant}


def _arrays(found: DemixedComponents) -> dict[str, NDArray[Any]]:
    """The components, all marginalisations in one array each; NaN where one has fewer components than others."""
    names, K = list(found.shares), max(len(own) for own in found.encoders.values())
    C, T, N = int(np.prod(found.means.shape[:-2])), *found.means.shape[-2:]
    courses, explained = np.full((len(names), K, C, T), np.nan), np.full((len(names), K), np.nan)
    encoders, decoders = np.full((2, len(names), K, N), np.nan)
    read = found.project(found.means.reshape(C, T, N) + found.mean)
    for m, name in enumerate(names):
        n = len(found.encoders[name])
        courses[m, :n], explained[m, :n] = np.moveaxis(read[name], 2, 0), found.explained[name]
        encoders[m, :n], decoders[m, :n] = found.encoders[name], found.decoders[name]
    conditions = [
        ", ".join(f"{name} {value}" for name, value in zip(found.values, cell, strict=True))
        for cell in itertools.product(*found.values.values())
    ]
    return {
        "marginalisations": np.array(names),
        "shares": np.array([found.shares[name] for name in names]),
        "explained": explained,
        "encoders": encoders,
        "decoders": decoders,
        "mean": found.mean,
        "conditions": np.array(conditions),
        "courses": courses,
    }


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the first components of the largest marginalisations of the first network, and the shares of all networks.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from ratecore.figures.population import component_courses, marginalisation_shares
    from ratecore.figures.style import STYLE

    label, first = next(iter(networks.items()))
    names = first["marginalisations"].tolist()
    largest = np.argsort(-np.nan_to_num(first["explained"][:, 0]), kind="stable")[:PANELS]
    rows = -(-len(largest) // 2)
    figure = Figure(figsize=(9.5, 0.4 + 2.4 * rows), layout="constrained")
    grid = figure.add_gridspec(2 * rows, 3, width_ratios=(1, 1, 0.9))
    with rc_context(STYLE):
        places = [figure.add_subplot(grid[2 * row : 2 * row + 2, column]) for row in range(rows) for column in range(2)]
        shares_axis, words = figure.add_subplot(grid[:rows, 2]), figure.add_subplot(grid[rows:, 2])
    for axis, m in zip(places, largest, strict=False):
        courses = dict(zip(first["conditions"].tolist(), first["courses"][m, 0], strict=True))
        title = f"{names[m]}, {100 * first['explained'][m, 0]:.1f} %"
        tested = first["significant"][m, 0] if first["significant"].size else None
        component_courses(axis, first["times"], courses, title, labelled=False, significant=tested)
    labelled = max((axis.get_legend_handles_labels() for axis in places), key=lambda lines: len(lines[1]))
    words.legend(*labelled, loc="center left", fontsize=7, frameon=False)
    for axis in [*places[len(largest) :], words]:
        axis.set_axis_off()
    shares = [dict(zip(a["marginalisations"].tolist(), a["shares"].tolist(), strict=True)) for a in networks.values()]
    marginalisation_shares(shares_axis, shares)
    figure.suptitle(f"first component of each marginalisation, {label}", fontsize=9)
    return {"dpca_components": figure}

"""Analysis 'decoding': what can be read from the activity, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.recording import (
    MOST_VALUES,
    Variables,
    categories_of,
    is_category,
    kept_trials,
    missing,
    recording,
)
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import DecodingSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 4  # variables that are decoded if none is named


def analyse(material: Material, settings: DecodingSettings) -> AnalysisResult:
    """Decode the variables of the task from the network's activity.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Raises:
        ValueError: there are not enough trials of each value of a variable that the settings name.

    Source:
        King & Dehaene 2014 (Trends in Cognitive Sciences 18:203); `ratecore.analysis.decoding`.
    """
    from ratecore.analysis.decoding import decode, decode_graded

    drawn = recording(material, settings)
    if reason := missing(drawn.variables, settings.variables):
        return AnalysisResult(skipped=reason)
    chosen, graded = _chosen(drawn.variables, settings)
    if not chosen:
        return AnalysisResult(skipped=f"no variable of this task has two values with {settings.folds} trials each")
    results = []
    for name, values in chosen.items():
        trials = kept_trials({name: values})
        results.append(
            decode(
                drawn.activity[trials],
                values[trials],
                settings.classifier,
                settings.folds,
                across_time=settings.across_time,
                shuffles=settings.shuffles,
                seed=material.settings.seed,
            )
        )
    accuracy = np.array([found.accuracy for found in results])
    intervals = np.array([found.interval for found in results])
    there = ~np.isnan(accuracy[0])
    peak = int(np.nanargmax(accuracy[0])) if there.any() else 0
    above = np.flatnonzero(accuracy[0] > intervals[0, 1])
    numbers = {
        "accuracy": float(accuracy[0, peak]),
        "peak_ms": float(drawn.times[peak]) if there.any() else float("nan"),
        "onset_ms": float(drawn.times[above[0]]) if above.size else float("nan"),
        "chance": results[0].chance,
        "chance_high": float(intervals[0, 1]),
    }
    r2 = np.zeros((len(graded), len(drawn.times)))
    for k, (name, values) in enumerate(graded.items()):
        trials = kept_trials({name: values})
        rates, own = drawn.activity[trials], values[trials]
        r2[k] = decode_graded(rates, own, settings.folds, seed=material.settings.seed).r2
    matrices = [found.matrix for found in results if found.matrix is not None]
    arrays = {
        "variables": np.array(list(chosen)),
        "times": drawn.times,
        "accuracy": accuracy,
        "chance": np.array([found.chance for found in results]),
        "interval": intervals,
        "matrix": np.array(matrices).reshape(len(matrices), len(drawn.times), len(drawn.times)),
        "graded": np.array(list(graded), str),
        "r2": r2,
    }
    return AnalysisResult(numbers, arrays)


def _chosen(variables: Variables, settings: DecodingSettings) -> tuple[Variables, Variables]:
    """The variables to decode: categories, of which each value has enough trials, and graded ones, if named."""
    if not settings.variables:
        found = categories_of(variables, settings.folds)
        return {name: found[name] for name in list(found)[:MOST]}, {}
    chosen = {name: variables[name] for name in settings.variables}
    graded = {name: values for name, values in chosen.items() if values.dtype.kind == "f"}
    categories = {name: values for name, values in chosen.items() if name not in graded}
    for name, values in categories.items():
        if not is_category(values[kept_trials({name: values})], settings.folds):
            raise ValueError(
                f"analysis.decoding.variables: '{name}' has one value, more than {MOST_VALUES}, or one with fewer than "
                f"{settings.folds} trials; name another, or use more trials"
            )
    if not categories:
        raise ValueError(f"analysis.decoding.variables: {', '.join(graded)} are graded; name a category first")
    return categories, graded


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the accuracy over time, and the accuracy across times of the first variable, as means over the networks.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.decoding import cross_temporal, decoding_over_time
    from ratecore.figures.style import legend, new_figure

    first = next(iter(networks.values()))
    names, times = first["variables"].tolist(), first["times"]
    alike = [a for a in networks.values() if a["variables"].tolist() == names and len(a["times"]) == len(times)]
    chances = np.unique(first["chance"])
    interval = tuple(np.mean([a["interval"][0] for a in alike], axis=0).tolist())
    scores = {name: [a["accuracy"][k] for a in alike] for k, name in enumerate(names)}
    matrices = [a["matrix"] for a in alike if len(a["matrix"])]
    shown = list(range(len(names)))[:2] if matrices else []
    figure, axes = new_figure(4.4 + 3.2 * len(shown), 3.0, columns=1 + len(shown), squeeze=False)
    one = float(chances[0]) if len(chances) == 1 else None
    decoding_over_time(axes[0, 0], times, scores, one, interval if one is not None else None)
    for k, name in enumerate(first["graded"].tolist()):
        axes[0, 0].plot(times, first["r2"][k], color="0.3", ls=":", lw=1.3, label=f"{name} (R²)")
        legend(axes[0, 0])
    for axis, k in zip(axes[0, 1:], shown, strict=True):
        mean = np.mean([matrix[k] for matrix in matrices], axis=0)
        cross_temporal(axis, times, mean, float(first["chance"][k]), names[k], colorbar=k == shown[-1])
    return {"decoding_accuracy": figure}

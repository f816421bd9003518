"""Analysis 'selectivity': which units respond to which variables of the task, alone or in combination."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.recording import factors_of, kept_trials, missing, recording
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import SelectivitySettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.tasks.base import AbstractTask

LEAST = 2  # trials of each combination of the variables
STEP_MS = 5


def analyse(material: Material, settings: SelectivitySettings) -> AnalysisResult:
    """Determine the selectivity of the network's units in a window of the trial.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Source:
        Rigotti et al. 2013 (Nature 497:585); `ratecore.analysis.selectivity`.
    """
    from ratecore.analysis.selectivity import KINDS, classify_selectivity, d_prime, roc_area

    drawn = recording(material, settings)
    start, stop = window_of(material.task, settings.window)
    inside = (drawn.times >= start) & (drawn.times < stop)
    if not inside.any():
        inside[np.abs(drawn.times - (start + stop) / 2).argmin()] = True
    if reason := missing(drawn.variables, settings.variables):
        return AnalysisResult(skipped=reason)
    chosen = factors_of(drawn.variables, settings.variables, LEAST)
    if not chosen:
        return AnalysisResult(skipped="no variable of this task has two values with enough trials each")
    bins = drawn.activity[:, inside]
    trials = kept_trials(chosen) & ~np.isnan(bins[:, 0]).any(1)
    rates = np.nanmean(bins[trials], axis=1)
    factors = {name: values[trials] for name, values in chosen.items()}
    found = classify_selectivity(rates, factors, settings.alpha, settings.max_order, settings.least)
    pairs = [name for name, values in factors.items() if len(np.unique(values)) == 2]
    shares = found.shares()
    numbers = {
        "selective": 1 - shares["none"],
        **{kind.replace(" ", "_"): share for kind, share in shares.items() if kind != "none"},
    }
    arrays = {
        "terms": np.array(found.terms),
        "F": found.F,
        "p": found.p,
        "explained": found.explained,
        "significant": found.significant,
        "kinds": found.kinds,
        "kind_names": np.array(KINDS),
        "pairs": np.array(pairs),
        "d_prime": np.array([d_prime(rates, factors[name]) for name in pairs]).reshape(len(pairs), rates.shape[1]),
        "roc_area": np.array([roc_area(rates, factors[name]) for name in pairs]).reshape(len(pairs), rates.shape[1]),
    }
    return AnalysisResult(numbers, arrays)


def window_of(task: AbstractTask, window: str) -> tuple[float, float]:
    """The times of a window of the trial.

    Args:
        task: with these windows.
        window: 'stimulus', from the first to the end of the last, 'response', or 'trial'.

    Returns:
        start and end, ms.

    Source: none
    """
    if window == "response":
        start, stop = task.response_steps
    elif window == "stimulus" and task.stimulus_windows:
        starts, stops = zip(*task.stimulus_windows, strict=True)
        start, stop = min(starts), max(stops)
    else:
        start, stop = 0, task.T
    return float(start * STEP_MS), float(stop * STEP_MS)


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the kinds of units of all networks, and the effects and d' of the units of the first one.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.decoding import selectivity_histogram, selectivity_kinds, selectivity_scatter
    from ratecore.figures.style import new_figure

    first = next(iter(networks.values()))
    kinds, terms = first["kind_names"].tolist(), first["terms"].tolist()
    main = [k for k, term in enumerate(terms) if " x " not in term]
    panels = 1 + (len(main) > 1) + bool(len(first["pairs"]))
    figure, axes = new_figure(1 + 3.6 * panels, 2.8, columns=panels, squeeze=False)
    shares = [{kind: float((a["kinds"] == k).mean()) for k, kind in enumerate(kinds)} for a in networks.values()]
    selectivity_kinds(axes[0, 0], shares, list(networks))
    if len(main) > 1:
        two = main[0], main[1]
        selectivity_scatter(
            axes[0, 1], first["explained"][list(two)], first["kinds"], kinds, (terms[two[0]], terms[two[1]])
        )
    if len(first["pairs"]):
        name = str(first["pairs"][0])
        significant = first["significant"][terms.index(name)]
        selectivity_histogram(axes[0, -1], first["d_prime"][0], significant, f"d' of {name}")
    return {"selectivity_units": figure}

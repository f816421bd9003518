"""Analysis 'learning': how the recurrent weights change during training, from the copies that `keep_weights` keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import LearningSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COURSES = ("trials", "change", "change_exc", "change_inh", "overlap", "spectrum_trials", "radius", "abscissa")


def analyse(material: Material, settings: LearningSettings) -> AnalysisResult:
    """Describe the course of the network's weights.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says; skipped without copies of the weights.

    Source:
        `ratecore.analysis.learning`; effective weights as in docs/model.md 1.2, equation 4.
    """
    from ratecore.analysis.learning import learning

    kept = material.kept_weights
    if kept is None:
        return AnalysisResult(skipped="no weights were kept during training; set training.keep_weights")
    if len(kept["trials"]) < 2:
        return AnalysisResult(skipped="training kept the weights only once; make training.keep_weights smaller")
    W = kept["w"] * (np.diagonal(kept["m"])[None, :] * kept["som_m"])
    found = learning(W, kept["trials"], material.inhibitory, settings.n_spectra)
    numbers = {
        "change": float(found.change[-1]),
        "change_exc": float(found.change_exc[-1]),
        "change_inh": float(found.change_inh[-1]),
        "dimensionality": found.dimensionality,
        "trials_to_half": found.trials_to_half,
    }
    return AnalysisResult(numbers, {name: np.asarray(getattr(found, name)) for name in COURSES})


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the courses of all networks, a colour for each.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.learning import change_overlap, spectra_in_training, weight_changes
    from ratecore.figures.style import color_of, new_figure, seeds_legend

    figure, axes = new_figure(10.0, 3.0, columns=3)
    for k, arrays in enumerate(networks.values()):
        color = color_of(k)
        weight_changes(axes[0], arrays["trials"], arrays["change_exc"], arrays["change_inh"], color, first=k == 0)
        change_overlap(axes[1], arrays["trials"], arrays["overlap"], color)
        trials = arrays["spectrum_trials"]
        spectra_in_training(axes[2], trials, arrays["radius"], arrays["abscissa"], color, first=k == 0)
    seeds_legend(axes[2], list(networks))
    return {"learning_course": figure}

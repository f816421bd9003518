"""Every plot. Functions take data and give a matplotlib figure; none shows or keeps state."""

import ratecore.figures.backend  # noqa: F401, before anything else imports matplotlib
from ratecore.figures.graded import accuracies, choices, crossings, fit_text, graded_figures, times
from ratecore.figures.graded import chronometric_figure as chronometric
from ratecore.figures.graded import psychometric_figure as psychometric
from ratecore.figures.rate import (
    against_axes,
    loss_curves,
    outputs_by_condition,
    run_figures,
    tau_distribution,
    taus_before_and_after,
    training_curve,
    weight_matrix,
)
from ratecore.figures.search import scaling
from ratecore.figures.spectrum import eigenvalues_before_and_after, spectrum
from ratecore.figures.spiking import (
    components,
    conversion_figures,
    firing_rates,
    grid_point_figures,
    raster,
    spiking_outputs,
    units,
)
from ratecore.figures.style import COLORS, STEP_MS, STYLE, mean_and_sd, new_figure, note, png
from ratecore.figures.tasks import trials_by_condition

__all__ = [
    "COLORS",
    "STEP_MS",
    "STYLE",
    "accuracies",
    "against_axes",
    "choices",
    "chronometric",
    "components",
    "conversion_figures",
    "crossings",
    "eigenvalues_before_and_after",
    "firing_rates",
    "fit_text",
    "graded_figures",
    "grid_point_figures",
    "loss_curves",
    "mean_and_sd",
    "new_figure",
    "note",
    "outputs_by_condition",
    "png",
    "psychometric",
    "raster",
    "run_figures",
    "scaling",
    "spectrum",
    "spiking_outputs",
    "tau_distribution",
    "taus_before_and_after",
    "times",
    "training_curve",
    "trials_by_condition",
    "units",
    "weight_matrix",
]

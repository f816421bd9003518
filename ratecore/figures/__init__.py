"""Every plot. Functions take data and give a matplotlib figure; none shows or keeps state."""

import ratecore.figures.backend  # noqa: F401, before anything else imports matplotlib
from ratecore.figures.balance import correlations, currents_over_time, exc_against_inh
from ratecore.figures.decoding import (
    cross_temporal,
    decoding_over_time,
    selectivity_histogram,
    selectivity_kinds,
    selectivity_scatter,
    tuning,
)
from ratecore.figures.fixed_points import modes, selection, slow_points
from ratecore.figures.graded import accuracies, choices, crossings, fit_text, graded_figures, times
from ratecore.figures.graded import chronometric_figure as chronometric
from ratecore.figures.graded import psychometric_figure as psychometric
from ratecore.figures.perturbations import accuracy_against
from ratecore.figures.population import (
    component_courses,
    explained_variance,
    lengths_over_time,
    marginalisation_shares,
    projections,
    trajectories,
)
from ratecore.figures.rate import (
    against_axes,
    against_axes_of_products,
    loss_curves,
    outputs_by_condition,
    run_figures,
    tau_distribution,
    taus_before_and_after,
    training_curve,
    weight_matrix,
)
from ratecore.figures.search import scaling
from ratecore.figures.spectrum import eigenvalues, eigenvalues_before_and_after, spectrum
from ratecore.figures.spike_trains import fano_over_time, interval_histogram, rates_over_time, variation_histogram
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
from ratecore.figures.timescales import autocorrelations, timescale_distribution, timescales_against_synapses

__all__ = [
    "COLORS",
    "STEP_MS",
    "STYLE",
    "accuracies",
    "accuracy_against",
    "against_axes",
    "against_axes_of_products",
    "autocorrelations",
    "choices",
    "chronometric",
    "component_courses",
    "components",
    "conversion_figures",
    "correlations",
    "cross_temporal",
    "crossings",
    "currents_over_time",
    "decoding_over_time",
    "eigenvalues",
    "eigenvalues_before_and_after",
    "exc_against_inh",
    "explained_variance",
    "fano_over_time",
    "firing_rates",
    "fit_text",
    "graded_figures",
    "grid_point_figures",
    "interval_histogram",
    "lengths_over_time",
    "loss_curves",
    "marginalisation_shares",
    "mean_and_sd",
    "modes",
    "new_figure",
    "note",
    "outputs_by_condition",
    "png",
    "projections",
    "psychometric",
    "raster",
    "rates_over_time",
    "run_figures",
    "scaling",
    "selection",
    "selectivity_histogram",
    "selectivity_kinds",
    "selectivity_scatter",
    "slow_points",
    "spectrum",
    "spiking_outputs",
    "tau_distribution",
    "taus_before_and_after",
    "times",
    "timescale_distribution",
    "timescales_against_synapses",
    "training_curve",
    "trajectories",
    "trials_by_condition",
    "tuning",
    "units",
    "variation_histogram",
    "weight_matrix",
]

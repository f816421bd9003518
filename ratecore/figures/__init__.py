"""Every plot. Functions take data and give a matplotlib figure; none shows or keeps state."""

import ratecore.figures.backend  # noqa: F401, before anything else imports matplotlib
from ratecore.figures.rate import (
    against_axes,
    loss_curves,
    of_run,
    outputs_by_condition,
    psychometric,
    tau_distribution,
    taus_before_and_after,
    training_curve,
    weight_matrix,
)
from ratecore.figures.spiking import (
    components,
    firing_rates,
    of_conversion,
    of_conversions,
    raster,
    scaling,
    spiking_outputs,
    units,
)
from ratecore.figures.style import COLORS, STEP_MS, STYLE, note, png

__all__ = [
    "COLORS",
    "STEP_MS",
    "STYLE",
    "against_axes",
    "components",
    "firing_rates",
    "loss_curves",
    "note",
    "of_conversion",
    "of_conversions",
    "of_run",
    "outputs_by_condition",
    "png",
    "psychometric",
    "raster",
    "scaling",
    "spiking_outputs",
    "tau_distribution",
    "taus_before_and_after",
    "training_curve",
    "units",
    "weight_matrix",
]

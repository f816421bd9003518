"""Draws the figures of the whole grid from its table."""

import pandas as pd
from common import logging_to

from ratecore.figures import against_axes
from ratecore.grid import Experiment
from ratecore.summary import swept_columns, write_figures

with logging_to(snakemake.log[0]):  # noqa: F821
    experiment = Experiment.from_config(snakemake.config)  # noqa: F821
    axes = swept_columns(experiment)
    table = pd.read_csv(snakemake.input[0], dtype=dict.fromkeys(axes, str))  # noqa: F821
    table["needed"] = table["n_trials"].where(table["trained"])
    shown = {
        "accuracy": ("accuracy", "accuracy on fresh trials", (-0.03, 1.03)),
        "trials_to_criterion": ("needed", "trials to criterion", (0, None)),
        "trained": ("trained", "trained (share of seeds)", (-0.03, 1.03)),
        "spiking_accuracy": ("spiking_accuracy", "accuracy of the spiking network", (-0.03, 1.03)),
        "lambda": ("lambda", "best lambda", (0, None)),
    }
    made = {name: against_axes(table, *shown[name], columns=axes) for name in snakemake.output.keys()}  # noqa: F821
    write_figures(made, dict(snakemake.output.items()))  # noqa: F821

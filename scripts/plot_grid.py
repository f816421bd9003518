"""Draws the figures of the whole grid from its table."""

import pandas as pd
from common import logging_to

from ratecore.figures import against_axes
from ratecore.summary import write_figures

with logging_to(snakemake.log[0]):  # noqa: F821
    table = pd.read_csv(snakemake.input[0], dtype={"taus": str})  # noqa: F821
    table["needed"] = table["n_trials"].where(table["trained"])
    shown = {
        "accuracy": ("accuracy", "accuracy on fresh trials", (-0.03, 1.03)),
        "trials_to_criterion": ("needed", "trials to criterion", (0, None)),
        "trained": ("trained", "trained (share of seeds)", (-0.03, 1.03)),
    }
    made = {name: against_axes(table, *how) for name, how in shown.items()}
    write_figures(made, dict(snakemake.output.items()))  # noqa: F821

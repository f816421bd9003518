"""Draws docs/images/perturbations.png from results of config/examples/perturbations.yaml, given by their folder.

The networks of the figure have N = 100 and at least 2,500 trials (`network={N: 100} training={min_trials: 2500}`).
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import ratecore as rate
from ratecore import figures
from ratecore.spiking import SpikingSettings, perturbation_sweep, rate_model

OUT = Path(__file__).parent / "images" / "perturbations.png"
SHARES, FACTORS, N_TRIALS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4), (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0), 200
KEY = "inhibition"  # the factor of I-E weights, which a row has as a mapping


def main(results: str) -> None:
    """Draw the figure from the networks of a results folder.

    Args:
        results: folder of the experiment.
    """
    networks = pd.read_csv(f"{results}/summary.csv").drop_duplicates("folder")
    lesions, scaled = [], []
    for network in networks.to_dict("records"):
        path, seed = f"{results}/{network['pth']}", int(network["seed"])
        net, task = rate.load_network(path), rate.load_task(path)
        tuned = rate.tuned_units(net, task, {"condition_a": "go", "condition_b": "nogo", "top": 1.0}, seed)
        for units, order, name in (
            (np.arange(net.N), "random", "at random"),
            (tuned, "listed", "most tuned first"),
            (tuned[::-1], "listed", "least tuned first"),
        ):
            given = [{"lesion_units": "chosen", "lesion_fraction": x, "lesion_order": order} for x in SHARES]
            rows = rate.perturbation_sweep(net, task, given, N_TRIALS, seed=seed, unit_sets={"chosen": units})
            lesions += [{**row, "units": name} for row in rows]
        given = [{"scale_synapses": {"I-E": factor}} for factor in FACTORS]
        rows = rate.perturbation_sweep(net, task, given, N_TRIALS, seed=seed)
        scaled += [{**row, KEY: x, "network": "rate"} for x, row in zip(FACTORS, rows, strict=True)]
        scaling, simulation = float(network["lambda"]), SpikingSettings(dt=0.1)
        rows = perturbation_sweep(rate_model(net), task, scaling, given, N_TRIALS // 2, simulation, seed=seed)
        scaled += [{**row, KEY: x, "network": "spiking"} for x, row in zip(FACTORS, rows, strict=True)]
    figure, (left, right) = figures.new_figure(9, 3, columns=2)
    figures.accuracy_against(left, lesions, "lesion_fraction", by="units", label="share of units that is lesioned")
    figures.accuracy_against(right, scaled, KEY, by="network", label="factor of I-E weights")
    OUT.write_bytes(figures.png(figure))


if __name__ == "__main__":
    main(sys.argv[1])

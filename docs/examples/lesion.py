"""Accuracy without some of the units, at random and by tuning: `python lesion.py results/demo [figure.png]`.

For each network, the same trials are run without a growing share of all its units, and without as many of those whose
rates differ most between two conditions of the task.
"""

import sys

import numpy as np
import pandas as pd

import ratecore as rate
from ratecore import figures
from ratecore.tasks.examples import conditions_of

results, shares = sys.argv[1], (0.0, 0.05, 0.1, 0.2, 0.4)
networks = pd.read_csv(f"{results}/summary.csv").drop_duplicates("folder")
rows = []
for network in networks[networks["status"] == "trained"].itertuples():
    path = f"{results}/{network.pth}"
    net, task = rate.load_network(path), rate.load_task(path)
    a, *_, b = conditions_of(task)
    tuned = rate.tuned_units(net, task, {"condition_a": a, "condition_b": b, "top": 1.0}, seed=network.seed)
    for units, order in ((np.arange(net.N), "random"), (tuned, "listed")):
        lesions = [{"lesion_units": "chosen", "lesion_fraction": x, "lesion_order": order} for x in shares]
        sets = {"chosen": units}
        for row in rate.perturbation_sweep(net, task, lesions, 100, seed=network.seed, unit_sets=sets):
            rows.append({**row, "task": network.task, "units": "tuned first" if order == "listed" else "at random"})

table = pd.DataFrame(rows)
print(table.groupby(["task", "units", "lesion_fraction"])["accuracy"].mean().unstack().round(3).to_string())
if len(sys.argv) > 2:
    tasks = table["task"].unique()
    figure, axes = figures.new_figure(4.5 * len(tasks), 3, columns=len(tasks), squeeze=False)
    for axis, name in zip(axes[0], tasks, strict=True):
        chosen = table[table["task"] == name].to_dict("records")
        figures.accuracy_against(axis, chosen, "lesion_fraction", by="units", label="share of units that is lesioned")
        axis.set_title(name, fontsize=9)
    figure.savefig(sys.argv[2])

"""Spikes of the converted networks of a results folder: spikes.py RESULTS [OUT.png]."""

import sys
import warnings
from pathlib import Path

import numpy as np

import ratecore as rate
from ratecore import figures
from ratecore.figures.style import COLORS

exp, out = rate.open_results(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "spikes.png")
warnings.filterwarnings("ignore", message="networks that were not converted")
converted = exp.table[exp.table["lambda"].notna()]
if converted.empty:
    sys.exit(f"{sys.argv[1]}: no network was converted; set convert: true")

for task in converted["task"].unique():
    spikes = exp.spikes(task=task, trials=4)  # the first trials of the conversion, to the bit
    for network in spikes:
        found = spikes.arrays(network)  # one network is in memory at a time
        exc = np.array(found.unit_type) == "E"
        print(
            f"{task}, seed {converted['seed'][network]}: {found.correct.mean():.0%} of {len(found.numbers)} trials "
            f"correct, E {found.rates[:, exc].mean():.1f}, I {found.rates[:, ~exc].mean():.1f} spikes/s"
        )

times, units = found.of_trial(0)  # of the last network
types = np.array(found.unit_type)
place = np.argsort(np.argsort(types, kind="stable"))  # by type
figure, axis = figures.new_figure(5, 3.5)
for kind, color in zip(np.unique(types), COLORS, strict=False):
    fired = types[units] == kind
    axis.plot(times[fired], place[units[fired]], ".", markersize=2, color=color, label=kind)
axis.set(xlabel="time (ms)", ylabel="unit, by type", title=f"{task}: a trial of condition {found.condition[0]}")
figure.legend(loc="outside right upper", markerscale=4)
out.write_bytes(figures.png(figure))

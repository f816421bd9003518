"""Mean rates of excitatory and inhibitory units in each condition of a task: activity.py RESULTS [OUT.png]."""

import sys
from pathlib import Path

import dask
import numpy as np

import ratecore as rate
from ratecore import figures

exp = rate.open_results(sys.argv[1])
print(exp.table[["task", "N", "seed", "status", "accuracy"]].to_string())
task = exp.table["task"].iloc[-1]
ds = exp.activity(task=task, trials="evaluation")  # nothing is simulated yet
kinds = {"excitatory": "E", "inhibitory": "I"}
rates = {name: ds.r.where(ds.unit_type == kind).mean("unit") for name, kind in kinds.items()}
rates, condition = dask.compute(rates, ds.condition.variable)  # both kinds from one simulation of each network

figure, axes = figures.new_figure(8, 3.2, columns=2, sharey=True)
for axis, name in zip(axes, kinds, strict=True):
    for k, wanted in enumerate(np.unique(condition.values[condition.values != ""])):
        mean = rates[name].values[condition.values == wanted].mean(0)
        axis.plot(ds.time, mean, color=figures.COLORS[k % len(figures.COLORS)], label=wanted)
        print(f"{name}, {wanted}: {mean.max():.3f} at {float(ds.time[mean.argmax()]):g} ms")
    axis.set_title(f"{name} units, {task}", fontsize=9)
    axis.set_xlabel("time (ms)")
axes[0].set_ylabel("mean firing rate")
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
out = Path(sys.argv[2] if len(sys.argv) > 2 else "activity.png")
out.write_bytes(figures.png(figure))

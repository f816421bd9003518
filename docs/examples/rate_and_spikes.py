"""A rate network and the spiking network made of it, on the same task: rate_and_spikes.py RESULTS [OUT.png]."""

import sys
from pathlib import Path

import numpy as np

import ratecore as rate
from ratecore import figures
from ratecore.rate.activity import trial_activity

STEP_MS = 5
TITLES = {"go-nogo": "Go-NoGo", "xor": "Exclusive or", "mante": "Context-dependent integration"}
exp = rate.open_results(sys.argv[1])
converted = exp.table[exp.table["lambda"].notna()].drop_duplicates("task")
figure, axes = figures.new_figure(10, 4.6, 2, len(converted), sharex="col", squeeze=False)
for row, (top, bottom) in zip(converted.index, axes.T, strict=True):
    task, net = exp.tested(row)
    trials = trial_activity(task, net, exp.run_settings(row).seed, range(30))
    for k, condition in enumerate(np.unique(trials.scores.conditions)):
        outputs = trials.o[trials.scores.conditions == condition]
        mean, sd, color = outputs.mean(0), outputs.std(0), figures.COLORS[k]
        top.plot(time := STEP_MS * np.arange(task.T), mean, color=color, label=condition)
        top.fill_between(time, mean - sd, mean + sd, color=color, alpha=0.2, lw=0)
    top.set_title(f"{TITLES.get(task.name, task.name)}, N = {net.N}")
    top.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    top.set_ylim(top=1.6)
    found = exp.spikes(task=task.name, trials=1).arrays(row)  # the first trial of the conversion
    inhibitory = np.array(found.unit_type) != "E"
    place = np.argsort(np.argsort(inhibitory, kind="stable"))
    for kind, chosen, color in (("E", ~inhibitory, figures.COLORS[0]), ("I", inhibitory, figures.COLORS[1])):
        of_kind = chosen[found.units]
        bottom.plot(found.times[of_kind], place[found.units[of_kind]], ".", ms=1.5, color=color, label=kind)
    bottom.set(xlabel="time (ms)", ylim=(-1, net.N))
    print(
        f"{task.name}: {trials.scores.accuracy:.0%} of 30 trials correct, as spikes in a trial of {found.condition[0]}"
    )
axes[0, 0].set_ylabel("output of the rate network")
axes[1, 0].set_ylabel("spikes, E below I")
Path(sys.argv[2] if len(sys.argv) > 2 else "rate_and_spikes.png").write_bytes(figures.png(figure))

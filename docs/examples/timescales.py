"""How long do units remember, and is it what their synapses give them? timescales.py RESULTS [OUT.png]."""

import sys
from pathlib import Path

import numpy as np

import ratecore as rate
from ratecore import figures
from ratecore.analysis.timescales import intrinsic_timescales
from ratecore.rate.activity import trial_activity

SKIP_MS = 100  # at the start of a trial, in which activity builds up
results = rate.open_results(sys.argv[1])
taus, synaptic, usable, inhibitory, labels = [], [], [], [], []
for row in results.table.index:
    task, net = results.tested(row)
    seed = results.run_settings(row).seed
    trials = trial_activity(task, net, seed, range(100))
    found = intrinsic_timescales(trials.r[:, SKIP_MS // 5 :], 5, conditions=trials.scores.conditions)
    taus.append(found.units.tau)
    usable.append(found.units.usable)
    synaptic.append(5 * net.time_constants().detach().numpy().astype(float))
    inhibitory.append(net.inh.numpy().reshape(-1).astype(bool))
    labels.append(f"{task.name} {seed}")
    reasons = found.units.reason[~found.units.usable]
    print(
        f"{labels[-1]}: median {np.median(found.units.tau[found.units.usable]):.0f} ms of {usable[-1].sum()} units, "
        f"synapses {np.median(synaptic[-1]):.0f} ms; left out: {', '.join(np.unique(reasons)) or 'none'}"
    )

figure, (left, right) = figures.new_figure(8, 3.2, columns=2)
figures.timescale_distribution(left, taus, usable, synaptic, labels)
figures.timescales_against_synapses(right, taus, synaptic, usable, inhibitory)
Path(sys.argv[2] if len(sys.argv) > 2 else "timescales.png").write_bytes(figures.png(figure))

"""Do excitation and inhibition of trained networks balance each other? balance.py RESULTS [OUT.png]."""

import sys
from pathlib import Path

import numpy as np

import ratecore as rate
from ratecore import figures
from ratecore.analysis.balance import balance
from ratecore.analysis.currents import currents, units_by_type
from ratecore.rate.activity import trial_activity

SKIPPED = 20  # first steps, in which the network leaves its first state
results = rate.open_results(sys.argv[1])
shown = {}
for row in results.table.index:
    task, net = results.tested(row)
    seed = results.run_settings(row).seed
    trials = trial_activity(task, net, seed, range(50))
    W, w_in = (array.detach().numpy() for array in (net.effective_weights(), net.w_in))
    inhibitory = net.inh.numpy() if net.apply_dale else None
    found = balance(currents(trials.r, W, inhibitory, u=trials.u, w_in=w_in).between(SKIPPED, task.T))
    print(f"{task.name} seed {seed}:")
    for name, units in units_by_type(inhibitory, net.N).items():
        ratio, correlation = (np.nanmedian(getattr(found, what)[units]) for what in ("ratio", "correlation"))
        print(f"    onto {name} units: net / all currents {ratio:.2f}, correlation of E and |I| {correlation:.2f}")
    if task.name not in shown:
        shown[task.name] = found, np.where(net.inh, "I", "E") if net.apply_dale else np.full(net.N, "all")

figure, axes = figures.new_figure(8.5, 3.2 * len(shown), len(shown), 2, squeeze=False)
for (left, right), (found, types) in zip(axes, shown.values(), strict=True):
    figures.exc_against_inh(left, found.excitatory, found.inhibitory, types)
    figures.correlations(right, found.correlation, types)
Path(sys.argv[2] if len(sys.argv) > 2 else "balance.png").write_bytes(figures.png(figure))

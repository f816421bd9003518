"""When can the context, or the condition, be read from the activity? decoding.py RESULTS [OUT.png]."""

import sys
from pathlib import Path

import ratecore as rate
from ratecore import figures
from ratecore.analysis.decoding import decode
from ratecore.analysis.trials import bin_times, binned
from ratecore.rate.activity import trial_activity
from ratecore.tasks.variables import variables_of

BIN_MS = 50
results = rate.open_results(sys.argv[1])
shown = {}
for row in results.table.index:
    task, net = results.tested(row)
    trials = trial_activity(task, net, results.run_settings(row).seed, range(100))
    s = trials.scores
    variables = variables_of(task, trials.u, s.conditions, s.labels, s.trials)
    name = "context" if "context" in variables else "condition"  # of mante, or of any other task
    times, r = bin_times(task.T, BIN_MS), binned(trials.r, BIN_MS)
    found = decode(r, variables[name], folds=4, across_time=True, shuffles=20)
    best = found.accuracy.argmax()
    what = f"{task.name} seed {results.run_settings(row).seed}: {name}"
    print(
        f"{what} is decoded with {found.accuracy[best]:.0%} at {times[best]:.0f} ms, shuffles {found.interval[1]:.0%}"
    )
    shown[task.name] = times, name, found

figure, axes = figures.new_figure(8.5, 3.2 * len(shown), len(shown), 2, squeeze=False)
for (left, right), (task_name, (times, name, found)) in zip(axes, shown.items(), strict=True):
    figures.decoding_over_time(left, times, {name: [found.accuracy]}, found.chance, found.interval)
    figures.cross_temporal(right, times, found.matrix, found.chance, f"{task_name}: {name}")
Path(sys.argv[2] if len(sys.argv) > 2 else "decoding.png").write_bytes(figures.png(figure))

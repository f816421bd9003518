"""Fixed points of trained networks and the line of slow points between them: fixed_points.py RESULTS [OUT.png]."""

import sys

import numpy as np

import ratecore as rate
from ratecore import figures
from ratecore.analysis.fixed_points import find_fixed_points, find_slow_points
from ratecore.analysis.held_inputs import held_inputs, states_of
from ratecore.analysis.lines import line_through
from ratecore.rate.activity import trial_activity

results = rate.open_results(sys.argv[1])
for row in results.table.index:
    task, net = results.tested(row)
    seed = results.run_settings(row).seed
    trials, rng = trial_activity(task, net, seed, range(30)), np.random.default_rng(seed)
    for held in held_inputs(trials.u, trials.scores.conditions, [task.response_window] * 30):
        starts = states_of(trials.x, held.trials, 50, rng)
        points = find_fixed_points(net, held.u, starts, n_random=20, rng=rng)
        slow = find_slow_points(net, held.u, starts)
        print(f"{task.name} seed {seed}, {' and '.join(held.conditions)}:")
        for kind, tau, output in zip(points.kind, points.slowest_ms, points.output[:, 0], strict=True):
            print(f"    {kind} at output {output:.2f}, slowest mode {tau:.0f} ms")
        if len(slow.x) > 2:
            print(f"    {line_through(net, slow.x).share:.0%} of the variance of slow points is along a line")

if len(sys.argv) > 2:  # those of the last input, in the plane of their states' first two principal components
    middle = starts.mean(0)
    plane = np.linalg.svd(starts - middle, full_matrices=False)[2][:2].T
    at = [(x - middle) @ plane for x in (slow.x, points.x)]
    axis = figures.slow_points(None, np.zeros((0, 2, 2)), [], at[0], slow.speed, at[1], points.kind)
    axis.legend()
    axis.figure.savefig(sys.argv[2])

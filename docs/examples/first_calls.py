"""Runs the first network of a results folder on new trials of its task and scores it.

Usage: python first_calls.py RESULTS
"""

import sys
from pathlib import Path

import pandas as pd
import torch

import ratecore as rate

results = Path(sys.argv[1])
row = pd.read_csv(results / "summary.csv").dropna(subset="mat").iloc[0]
path = results / row["mat"]  # files are named relative to the table
net, task = rate.load_network(path), rate.load_task(path)

trials = task.generate_batch(100, seed=0)  # stimuli u (100, n_in, T), targets z, labels, conditions
with torch.no_grad():  # faster, and the results are ready for numpy and matplotlib
    x, r, o = rate.run(net, trials.u, rng=0)  # currents and rates (100, T, N), outputs (100, T)
steps = trials.steps or [o.shape[-1]] * 100  # lengths of the trials, where they differ
correct = [task.is_correct(o[k, ..., : steps[k]], trials.scored_by(k)) for k in range(100)]
print(f"{row['task']}, N = {net.N}: {sum(correct)} of 100 trials correct, mean rate {float(r.mean()):.3f}")

u, label = task.generate_stimulus(task.trial_types[0], seed=1)  # one trial; u may also be an array of your own
print("one trial:", [tuple(v.shape) for v in rate.run(net, u, rng=1)])
print("fresh trials of the evaluation:", rate.evaluate(net, task, n_trials=200).scores.accuracy)

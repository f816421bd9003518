"""How variable are the spike trains of converted networks? spike_trains.py RESULTS [OUT.png]."""

import sys
import warnings
from pathlib import Path

import numpy as np

import ratecore as rate
from ratecore import figures
from ratecore.analysis.spike_trains import interval_measures, sliding_windows, spike_counts
from ratecore.analysis.spike_variability import fano_factor

START, EDGES = 100, np.logspace(0, 4, 61)  # ms; before 100 ms, units fire that start close to threshold
exp, out = rate.open_results(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "spike_trains.png")
warnings.filterwarnings("ignore", message="networks that were not converted")
tasks = exp.table[exp.table["lambda"].notna()]["task"].unique()
if not len(tasks):
    sys.exit(f"{sys.argv[1]}: no network was converted; set convert: true")

figure, axes = figures.new_figure(11, 2.6 * len(tasks), len(tasks), 4, squeeze=False)
for (left, middle, right, last), task in zip(axes, tasks, strict=True):
    spikes = exp.spikes(task=task, trials=50)
    fano, cvs, lvs, counts = {"E": [], "I": []}, {"E": [], "I": []}, {"E": [], "I": []}, {"E": 0, "I": 0}
    for network in spikes:
        s = spikes.arrays(network)
        late, (B, N) = s.times > START, s.counts.shape
        train = s.times[late], s.units[late], s.trials[late]
        windows = sliding_windows(s.duration.max(), window_ms=100, step_ms=25, start_ms=START)
        F = fano_factor(spike_counts(*train, windows, B, N, s.duration), s.condition)
        cv, _, lv, intervals = interval_measures(*train, N, EDGES, least=5)
        print(task, network, *(f"{name} {np.nanmedian(v):.2f}" for name, v in (("Fano", F), ("CV", cv), ("LV", lv))))
        for kind, own in (("E", np.array(s.unit_type) == "E"), ("I", np.array(s.unit_type) != "E")):
            fano[kind], cvs[kind], lvs[kind] = [*fano[kind], F[:, own]], [*cvs[kind], *cv[own]], [*lvs[kind], *lv[own]]
            counts[kind] = counts[kind] + intervals[own].sum(0)
    figures.fano_over_time(left, windows.mean(1), fano).set_title(task, fontsize=9)
    for axis, name, values in ((middle, "CV of intervals", cvs), (right, "local variation LV", lvs)):
        figures.variation_histogram(axis, {kind: np.array(own) for kind, own in values.items()}, name, labelled=False)
    figures.interval_histogram(last, EDGES, counts)
out.write_bytes(figures.png(figure))

"""Times the training of a block of eight networks on one thread and on two, in turns.

    python benchmarks/block.py [--quick] [--out FILE]

The networks must be bit-identical. One-time costs of a job (imports, compilation) are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_run
from ratecore.rate.training import warm_up

torch.set_num_threads(1)


def block(threads: int, changes: dict, log) -> tuple[float, list[bytes]]:
    """Trains a block in a new folder and returns the seconds and the trained weights."""
    with tempfile.TemporaryDirectory(prefix="ratecore-block-") as folder:
        config = {"experiment": "block", "results": folder, "grid": {"seed": "0..7"}, **changes}
        experiment = Experiment.from_config(config)
        runs = [Run.at(experiment, experiment.grid_points[0], seed) for seed in experiment.seeds]
        warm_up(runs[0].settings)
        start = time.perf_counter()
        run_block("train", runs, lambda run: train_run(run, log=log), log, workers=threads)
        seconds = time.perf_counter() - start
        states = [torch.load(run.network, weights_only=True)["model_state_dict"] for run in runs]
        return seconds, [state["w"].numpy().tobytes() for state in states]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="networks of 20 units and 200 trials, one round")
    p.add_argument("--out", default="benchmarks/results/block.json")
    args = p.parse_args()
    quick = {"network": {"N": 20, "P_inh": 0.3}, "training": {"n_trials": 200}}
    ratios, times = [], []
    with open(os.devnull, "w") as log:
        for _ in range(1 if args.quick else 5):
            one, two = (block(threads, quick if args.quick else {}, log) for threads in (1, 2))
            if one[1] != two[1]:
                raise SystemExit("one and two threads gave different networks")
            ratios.append(one[0] / two[0])
            times.append((one[0], two[0]))
            print(f"1 thread {one[0]:.2f} s, 2 threads {two[0]:.2f} s: {ratios[-1]:.2f} x", flush=True)
    memory = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    result = {"ratio": statistics.median(ratios), "times": times, "peak_memory_mb": memory}
    print(f"median {result['ratio']:.2f} x; peak memory (MiB): job {memory[0]:.0f}, a worker {memory[1]:.0f}")
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    Path(args.out).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""Times the activity of many networks, drawn again from an opened experiment, and measures the peak memory.

    python benchmarks/activity.py [--networks 100 1000] [--trials 100] [--units 200]

The networks do mante. They are not trained: connections of a new network are silenced at random until as many are live
as after training, 5 %. Each number of networks runs in a separate process, so that its peak memory can be measured: it
opens the results, reads the table and takes the mean of the rates over the trials of every network, on all cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

LIVE, KINDS = 0.05, 10  # share of live connections; different networks, of which the others are copies
REDUCED = """
import resource, sys, time
start, cpu = time.perf_counter(), time.process_time()
import ratecore as rate
exp = rate.open_results(sys.argv[1])
exp.table
opened = time.perf_counter()
mean = exp.activity(trials=int(sys.argv[2])).r.mean("trial").compute()
assert mean.shape[0] == len(exp.table) and not mean.isnull().any()
end = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(opened - start, end - opened, time.process_time() - cpu, peak)
"""


def make(root: Path, networks: int, trials: int, units: int) -> Path:
    """Write the folder of an experiment whose networks are as sparse as trained ones; returns its path."""
    import numpy as np
    import torch
    import yaml

    from ratecore.experiment.grid import Experiment
    from ratecore.experiment.runs import Run
    from ratecore.experiment.stages.running import run_block
    from ratecore.experiment.summary import all_runs
    from ratecore.formats import save_pth
    from ratecore.rate.results import TrainingResult
    from ratecore.rate.training import initial_network
    from ratecore.system.files import sha256_of

    config = {"experiment": f"{networks}_networks", "results": str(root), "task": "mante", "network": {"N": units},
              "grid": {"seed": f"0..{networks - 1}"}, "evaluation": {"n_trials": trials}}  # fmt: skip
    experiment = Experiment.from_config(config)
    originals: list[Path] = []

    def work(run: Run) -> dict[str, object]:
        if len(originals) < KINDS:
            net = initial_network(run.settings)
            initial = {name: value.clone() for name, value in net.state_dict().items() if torch.is_tensor(value)}
            live = net.effective_weights() != 0
            silenced = np.random.default_rng(run.settings.seed).random(live.shape) > LIVE / live.float().mean().item()
            with torch.no_grad():
                net.w[torch.from_numpy(silenced)] = 0
            save_pth(run.network, run.settings, TrainingResult(net, initial, {}, [1.0], [], None, True, 1000))
            originals.append(run.network)
        else:
            run.network.parent.mkdir(parents=True, exist_ok=True)
            os.link(originals[run.settings.seed % KINDS], run.network)
        sha256 = sha256_of(run.network)
        return {"trained": True, "n_trials": 1000, "seconds": 1.0, "device": "cpu",
                "files": {run.relative(run.network): sha256}}  # fmt: skip

    with open(os.devnull, "w") as log:
        run_block("train", [run for _, run in all_runs(experiment)], work, log)
    (experiment.root / "config.yaml").write_text(yaml.safe_dump(config))
    return experiment.root


def measure(root: Path, trials: int) -> list[float]:
    """Seconds to open and to compute, seconds of CPU, and the peak memory in GiB, in a new process."""
    done = subprocess.run([sys.executable, "-c", REDUCED, str(root), str(trials)], check=True, capture_output=True)
    return [float(value) for value in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--units", type=int, default=200)
    args = parser.parse_args()
    print(f"{args.trials} trials of mante, N = {args.units}, on {len(os.sched_getaffinity(0))} cores")
    print("| networks | open | simulate | CPU time | peak memory |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        measure(make(Path(folder), 1, 7, args.units), 7)  # compiles the loops
        for networks in args.networks:
            root, start = make(Path(folder), networks, args.trials, args.units), time.perf_counter()
            opened, computed, cpu, peak = measure(root, args.trials)
            print(f"| {networks} | {opened:.1f} s | {computed:.1f} s | {cpu:.1f} s | {peak:.2f} GiB |", flush=True)
            assert time.perf_counter() - start >= computed


if __name__ == "__main__":
    main()

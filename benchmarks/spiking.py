"""Times trials of a spiking network against other implementations, in turns on one core, and complete searches.

    python benchmarks/spiking.py [--quick] [--out FILE]

The go-nogo network with N = 200 is trained here by ratecore. A ratio is the median over rounds of a contender's time
divided by ratecore's in the same round. The contenders are a torch loop with a sequence of vector operations per step,
as in the existing `spiking` package, and drawing only the noise, as a lower bound. The search (12 values of lambda, 100
trials) runs first, on one core and, if available, on two, in turns. Peak memory is measured after it.
"""

from __future__ import annotations

import os

CORES = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, CORES[:1])
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import resource  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from contenders_lif import textbook  # noqa: E402

from ratecore.rate.training import initial_network, train  # noqa: E402
from ratecore.settings.network import NetworkSettings  # noqa: E402
from ratecore.settings.run import RunSettings  # noqa: E402
from ratecore.spiking import ConversionSettings, SpikingSettings, kernels, rate_model, search_scaling  # noqa: E402
from ratecore.spiking.lif import Simulator  # noqa: E402
from ratecore.spiking.scoring import outputs_every  # noqa: E402
from ratecore.tasks import TaskFactory  # noqa: E402

torch.set_num_threads(1)
SCALING = 50.0


def network(quick: bool):
    """Returns a trained go-nogo network or, for a quick check, an untrained one that is equally sparse."""
    settings = RunSettings(network=NetworkSettings(N=200, taus=(4.0, 20.0), P_rec=0.05 if quick else 0.2))
    return rate_model(initial_network(settings) if quick else train(settings).net)


def trials(model, seconds: float) -> dict:
    """Returns milliseconds per trial for ratecore, the lower bound and the textbook loop, and ratios to the first."""
    settings, task = SpikingSettings(), TaskFactory.create_task("go-nogo")
    rng = np.random.default_rng(0)
    u, _ = task.generate_stimulus("go", rng)
    rare, each = Simulator(model, settings, outputs_every(settings)), Simulator(model, settings)
    randomness = rare.draw(rng, rare.steps(u.shape[1]))
    nt, twelve = randomness.kicks.size, ConversionSettings().values_for("sigmoid")
    units = model.N + -model.N % kernels.PADDING
    noise, generators = np.zeros((100, units), np.float32), np.ones((3, units), np.uint32)

    def floor():
        for k in range(nt // 100):
            kernels.fill_noise(generators, 100 * k + 1, 0.1, noise)

    calls = {
        "a trial": (lambda: rare.outputs([SCALING], u, randomness), 1),
        "a trial of 12 lambdas at once": (lambda: rare.outputs(twelve, u, randomness), 1 / 12),
        "with every spike": (lambda: each.record(SCALING, u, randomness), 1),
        "with every state": (lambda: each.record(SCALING, u, randomness, states=True), 1),
        "noise alone": (floor, 1),
        "textbook": (
            lambda: textbook(model, settings, SCALING, u, rng, nt // 50),
            50,
        ),  # all of its steps cost the same
    }
    for call, _ in calls.values():
        call()
    times, end = {name: [] for name in calls}, time.perf_counter() + seconds
    while len(times["textbook"]) < 3 or time.perf_counter() < end:
        for name, (call, factor) in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1e3 * factor * (time.perf_counter() - start))
    ours = np.array(times["a trial"])
    rows = {name: {"ms": float(np.median(t)), "ratio": float(np.median(np.array(t) / ours))}
            for name, t in times.items()}  # fmt: skip
    shared = np.array(times["a trial of 12 lambdas at once"])
    rows["textbook"]["ratio to 12 at once"] = float(np.median(np.array(times["textbook"]) / shared))
    rows["noise alone"]["a trial over it"] = float(np.median(ours / np.array(times["noise alone"])))
    return rows


def searches(model, rounds: int, n_trials: int) -> dict:
    """Returns the seconds of a full search on one and two cores and of a racing one, and its share of trials."""
    task = TaskFactory.create_task("go-nogo")
    seconds, share = {"one core": [], "two cores": [], "racing, one core": []}, 0.0
    for _ in range(rounds):
        for name, search, cores in (
            ("one core", "full", 1),
            ("two cores", "full", 2),
            ("racing, one core", "racing", 1),
        ):
            if len(CORES) < cores:
                continue
            os.sched_setaffinity(0, CORES[:cores])
            start = time.perf_counter()
            result = search_scaling(model, task, ConversionSettings(search=search, n_trials=n_trials), threads=cores)
            seconds[name].append(time.perf_counter() - start)
            share = float(result.n_trials.sum() / (12 * n_trials))
    found = {name: float(np.median(t)) for name, t in seconds.items() if t}
    if seconds["two cores"]:
        found["times faster on two"] = float(np.median(np.array(seconds["one core"]) / np.array(seconds["two cores"])))
    found |= {"share of trials in a race": share, "lambda": result.opt_scaling_factor,
              "accuracy": result.spiking_accuracy, "trials of a value": n_trials}  # fmt: skip
    return found


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="an untrained network, a second, 20 trials")
    p.add_argument("--out", default="benchmarks/results/spiking.json")
    args = p.parse_args()
    model = network(args.quick)
    found = searches(model, 1 if args.quick else 3, 20 if args.quick else 100)
    for name, value in found.items():
        print(f"search, {name}: {value:.3g}")
    parts = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    memory = dict(zip(("process", "its processes"), (part / 1024 for part in parts), strict=True))
    print("peak memory, MiB: " + ", ".join(f"{name} {value:.0f}" for name, value in memory.items()))
    os.sched_setaffinity(0, CORES[:1])
    rows = trials(model, 1 if args.quick else 30)
    print(f"{'a go-nogo trial at N = 200':34}{'ms':>10}{'ratio':>10}")
    for name, row in rows.items():
        print(f"{name:34}{row['ms']:10.2f}{row['ratio']:10.2f}")
    print(f"a trial costs {rows['noise alone']['a trial over it']:.2f} x as much as drawing its noise")
    print(f"the textbook loop costs {rows['textbook']['ratio to 12 at once']:.0f} x as much as a trial in a search")
    os.makedirs(os.path.dirname(args.out) or ".", exist_ok=True)
    with open(args.out, "w") as file:
        machine = platform.processor() or platform.machine()
        json.dump({"machine": machine, "trial": rows, "search": found, "memory_mb": memory}, file, indent=1)


if __name__ == "__main__":
    main()

"""Times one training trial and one forward pass of ratecore against other implementations, in turns on one core.

    python benchmarks/trial.py [--quick] [--out FILE]

Stimuli and noise are drawn beforehand; the time for drawing is a separate column. A ratio is the median over rounds of
a contender's time divided by ratecore's in the same round. Each size runs in a separate process, so that its peak
memory can be measured.
"""

from __future__ import annotations

import os

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import argparse  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import multiprocessing  # noqa: E402
import platform  # noqa: E402
import resource  # noqa: E402
import time  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from contenders import Floor, Fused, JaxScan, Textbook, TorchLoop  # noqa: E402

from ratecore.rate.evaluation import draw_trials, score_trials  # noqa: E402
from ratecore.rate.training import initial_network  # noqa: E402
from ratecore.settings.run import RunSettings  # noqa: E402
from ratecore.system.streams import stream  # noqa: E402

torch.set_num_threads(1)
CASES = [("go-nogo", N) for N in (10, 50, 100, 200, 400, 1000)] + [("xor", 200), ("mante", 250)]


def rounds_of(calls: dict, seconds: float) -> dict[str, list[float]]:
    """Times calls in turns, for about the given seconds and at least three rounds. Returns milliseconds per call.

    A turn is a burst of calls of about 20 ms, as in training, so that a contender does not depend on what the previous
    one left in the caches.
    """
    times, burst = {name: [] for name in calls}, {}
    for name, call in calls.items():
        call()  # compilation and first use are not counted
        start = time.perf_counter()
        call()
        burst[name] = max(1, round(0.02 / (time.perf_counter() - start)))
    end = time.perf_counter() + seconds
    while len(next(iter(times.values()))) < 3 or time.perf_counter() < end:
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(burst[name]):
                call()
            times[name].append(1e3 * (time.perf_counter() - start) / burst[name])
    return times


def case(task: str, N: int, batch: int, seconds: float, with_jax: bool) -> dict:
    """Returns the medians and ratios for one size."""
    settings = RunSettings(task=task, network={"N": N})
    net, generators = initial_network(settings), lambda: [stream(0, "trial", k) for k in range(batch)]
    trials, x0, noise = draw_trials(settings.create_task(), net, generators())
    kinds = [TorchLoop, *([JaxScan] if with_jax else []), Floor]
    if N <= 400 and batch == 1:
        kinds.insert(1, Textbook)  # minutes per trial above
    ours = Fused(settings, trials.u, trials.z, x0, noise)
    ours.train()
    ours.forward()
    memory = {Fused.name: peak_memory()}  # before the others are there
    made = [ours, *(kind(settings, trials.u, trials.z, x0, noise) for kind in kinds)]
    row = {"task": task, "N": N, "batch": batch}
    for what in ("train", "forward", "forward_for_gradients"):
        times = rounds_of({c.name: getattr(c, what) for c in made if hasattr(c, what)}, seconds)
        ours = np.array(times[Fused.name])
        row[what] = {name: {"ms": float(np.median(t)), "ratio": float(np.median(np.array(t) / ours))}
                     for name, t in times.items()}  # fmt: skip
    draw = rounds_of({"draw": lambda: draw_trials(settings.create_task(), net, generators())}, seconds / 4)
    row["draw_ms"] = float(np.median(draw["draw"]))
    if batch == 1:
        row["evaluation_trial"] = evaluation(settings, net, seconds)
    row["peak_memory_mb"] = {**memory, "all": peak_memory()}
    return row


def peak_memory() -> float:
    """Returns the peak memory of this process in MiB, including its imports."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_own_process(*arguments) -> dict:
    """Runs `case` in a new process; a forked one would start with the memory of this one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(case, *arguments).result()


def evaluation(settings, net, seconds: float) -> dict:
    """Times a trial in a test of 100 and a single forward trial, both with their stimuli and noise."""
    task, loss_fn = settings.create_task(), settings.training.loss_fn

    def score(n):
        return lambda: score_trials(task, net, loss_fn, [stream(0, "test", k) for k in range(n)])

    def single():
        from ratecore.rate.dynamics import simulate

        trials, x0, noise = draw_trials(task, net, [stream(0, "test", 0)])
        with torch.no_grad():
            simulate(net, trials.u, x0=x0, noise=noise, engine="fused")

    times = rounds_of({"of 100": score(100), "single": single}, seconds)
    of_100 = np.array(times["of 100"]) / 100
    return {"of_100_ms": float(np.median(of_100)), "single_ms": float(np.median(times["single"])),
            "ratio": float(np.median(np.array(times["single"]) / of_100))}  # fmt: skip


def table(rows: list[dict]) -> str:
    """Formats the rows: milliseconds of ratecore, and how many times as long the others take."""
    names = list(dict.fromkeys(name for row in rows for name in row["train"]))[1:]
    lines = [f"{'':22}{'ratecore ms':>12}{'draw ms':>9}" + "".join(f"{name + ' x':>16}" for name in names)]
    for row in rows:
        for what, name in (("train", "train"), ("forward", "forward"), ("forward_for_gradients", "with graph")):
            label = f"{row['task']} {row['N']} b{row['batch']} {name}"
            cells = [f"{row[what][n]['ratio']:16.2f}" if n in row[what] else f"{'-':>16}" for n in names]
            lines.append(
                f"{label:22}"[:26].ljust(26)
                + f"{row[what]['ratecore']['ms']:8.3f}{row['draw_ms']:9.3f}"
                + "".join(cells)
            )
        if e := row.get("evaluation_trial"):
            lines.append(f"    a test's trial {e['of_100_ms']:.3f} ms, {e['ratio']:.1f} x cheaper than a single one")
        memory = row["peak_memory_mb"]
        lines.append(f"    peak memory {memory['ratecore']:.0f} MiB, of all ways together {memory['all']:.0f} MiB")
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="N = 10, 50, 200 of go-nogo, a second each")
    p.add_argument("--out", default="benchmarks/results/trial.json")
    args = p.parse_args()
    with_jax = importlib.util.find_spec("jax") is not None  # not imported, to keep this process small
    if not with_jax:
        print("without JAX: pip install 'ratecore[bench]' adds it")
    cases = [("go-nogo", N) for N in (10, 50, 200)] if args.quick else CASES
    rows = []
    for task, N in cases:
        for batch in (1,) if args.quick else (1, 16):
            rows.append(in_own_process(task, N, batch, 1.0 if args.quick else 4.0, with_jax))
            print(table(rows[-1:]), flush=True)
    print("\n" + table(rows))
    os.makedirs(os.path.dirname(args.out) or ".", exist_ok=True)
    with open(args.out, "w") as file:
        json.dump({"machine": platform.processor() or platform.machine(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()

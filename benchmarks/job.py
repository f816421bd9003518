"""Shows where the time of a `train` job of the workflow goes: how much is arithmetic, and what the rest is.

    python benchmarks/job.py [--quick] [--out FILE]

The job is real: `snakemake` runs the rule `train` for one block of networks in a separate folder, on one core. The
workflow's follower mirrors it to MLflow's SQLite on the same core. `probe/sitecustomize.py`, which Python imports
automatically in the job, measures the time in functions of the package. Parts are in seconds of CPU time, except
records, which are in seconds of wall time. What remains of the wall time of the call of `snakemake` is waiting.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
ARITHMETIC = ("stimuli", "noise", "forward", "backward", "product", "optimizer", "evaluation")
BY_THE_CLOCK = ("records",)  # wall time, because the job waits for the disk
ROWS = {
    "imports": "imports",
    "compilation": "compilation (kernels from the cache)",
    "stimuli": "stimuli",
    "noise": "noise",
    "forward": "forward",
    "backward": "backward, with loss",
    "product": "weight-gradient product",
    "optimizer": "optimizer",
    "evaluation": "evaluation (tests)",
    "records": "records and .pth",
    "MLflow": "MLflow (once a workflow)",
    "Snakemake": "Snakemake (once a workflow)",
    "exit": "start and exit of the process",
    "waiting": "waiting (disk, other processes)",
    "other": "other",
}
TASK = {"grid": {"task": ["go-nogo"], "taus": [[4, 20]]}}
FULL = {**TASK, "network": {"N": 200}}
QUICK = {
    **TASK,
    "network": {"N": 20, "P_inh": 0.3},
    "training": {"n_trials": 200, "eval_freq": 100, "eval_tr": 20},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}


def _children_core() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Workplace:
    """A folder in which `snakemake` runs one training job on one core, with the probe.

    Args:
        folder: an empty folder.   changes: changes to the configuration.   networks: number of networks of the job.
            kernels: the folder of Numba's cache; by default the usual one.
    """

    def __init__(self, folder, changes: dict, networks: int, kernels=None):
        from ratecore.experiment.grid import Experiment

        self.folder = Path(folder)
        self.reports = self.folder / "reports"
        self.reports.mkdir(parents=True)
        config = {"experiment": "job", "results": str(self.folder / "results"), **changes}
        config["grid"] = {**config["grid"], "seed": list(range(networks))}
        config["seeds_per_job"] = networks
        (self.folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        self.experiment = Experiment.from_config(config)
        (grid_point,), (block,) = self.experiment.grid_points, self.experiment.blocks
        self._block, self._root = f"train/{grid_point.path}/seeds~{block}", self.experiment.root
        paths = [ROOT / "benchmarks" / "probe", ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
        self._environment.pop("MLFLOW_TRACKING_URI", None)  # a benchmark must not use a store of others
        if kernels:
            self._environment["NUMBA_CACHE_DIR"] = str(kernels)

    def snakemake(self, target, **environment) -> tuple[float, float, float]:
        """Creates one file of the workflow. Returns the start and end of the call, and its CPU seconds."""
        command = [sys.executable, "-m", "snakemake", str(target), "--snakefile", str(ROOT / "workflow" / "Snakefile"),
                   "--configfile", "config.yaml", "--cores", "1", "--show-failed-logs"]  # fmt: skip
        began, used = time.time(), _children_core()
        done = subprocess.run(
            command, cwd=self.folder, env={**self._environment, **environment}, capture_output=True, text=True
        )
        ended = time.time()
        if done.returncode:
            raise SystemExit(f"snakemake could not create {target}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return began, ended, _children_core() - used

    def train(self) -> dict:
        """Creates MLflow's database, then runs the job. Returns its reports and times."""
        before = self.snakemake(self._root / "tracking.json")
        call = self.snakemake(self._root / f"jobs/{self._block}.json", RATECORE_PROBE=str(self.reports))
        reports = [json.loads(path.read_text()) for path in sorted(self.reports.glob("*.json"))]
        jobs = [report for report in reports if report["role"] == "job"]
        if len(jobs) != 1:
            raise SystemExit(f"{len(jobs)} training jobs wrote a report to {self.reports}; expected one")
        header, values = (self._root / f"benchmarks/{self._block}.tsv").read_text().splitlines()[:2]
        seconds = float(dict(zip(header.split("\t"), values.split("\t"), strict=True))["s"])
        return {
            "call": call, "job": jobs[0], "job_s": seconds, "init_tracking_s": before[1] - before[0],
            "follower": next(report for report in reports if report["role"] == "follower"),
            "workers": [report for report in reports if report["role"] == "worker"],
        }  # fmt: skip


def forward_share(settings, seconds: float = 2.0) -> float:
    """Returns the forward pass's share of the kernel for both passes, timed in turns on one trial.

    Everything except computing the states through time, such as the loss, counts as backward.
    """
    from ratecore.rate.dynamics import kernels
    from ratecore.rate.evaluation import draw_trials
    from ratecore.rate.training import initial_network
    from ratecore.rate.updates import FusedUpdates
    from ratecore.system.streams import stream

    net, whole = initial_network(settings), []
    updates = FusedUpdates(net, settings.training)
    compiled = updates._kernels.trial_gradients

    def keep(*arguments):
        whole[:] = arguments
        return compiled(*arguments)

    updates._kernels = SimpleNamespace(**{**vars(updates._kernels), "trial_gradients": keep})
    trials, x0, noise = draw_trials(settings.create_task(), net, [stream(settings.seed, "trial", 0)])
    updates.update(trials.u, trials.z, x0, noise)
    a = inspect.signature(compiled.py_func).bind(*whole).arguments
    units = kernels.Units(*(a[name] for name in ("alpha", "w_out", "b_out", "phi")))
    states = kernels.States(*(a[name] for name in ("x", "r", "h")))
    forward = [a["W_t"], units, a["h"].copy(), a["noise"], states]
    calls, shares = {kernels.forward: forward, compiled: whole}, []
    for kernel, arguments in calls.items():
        kernel(*arguments)  # compilation and first use are not counted
    end = time.perf_counter() + seconds
    while len(shares) < 3 or time.perf_counter() < end:
        times = []
        for kernel, arguments in calls.items():
            start = time.perf_counter()
            for _ in range(20):
                kernel(*arguments)
            times.append(time.perf_counter() - start)
        shares.append(times[0] / times[1])
    return sorted(shares)[len(shares) // 2]


def parts_of(done: dict, share: float) -> tuple[dict, dict]:
    """Returns the seconds of every row, which add up to the total, and the wall and CPU time of every detail.

    Args:
        done: result of `Workplace.train`.   share: result of `forward_share`.
    """
    processes = [done["job"], *done["workers"]]
    details: dict[str, dict] = {}
    for process in processes:
        for name, (wall, core, times) in process["parts"].items():
            entry = details.setdefault(name, {"seconds": 0.0, "core_s": 0.0, "times": 0})
            for key, value in (("seconds", wall), ("core_s", core), ("times", times)):
                entry[key] += value
    parts = dict.fromkeys(ROWS, 0.0)
    on_core = 0.0
    for name, entry in details.items():
        row = name.partition("/")[0]
        seconds = entry["seconds" if row in BY_THE_CLOCK else "core_s"]
        on_core += entry["core_s"]
        if row == "gradients":
            parts["forward"] += share * seconds
            parts["backward"] += (1 - share) * seconds
        else:
            parts[row] += seconds
    # CPU time of the processes outside of everything that is timed.
    parts["other"] += sum(process["core_s"] for process in processes) - on_core
    whole = done["call"][1] - done["call"][0]
    parts["MLflow"] = done["follower"]["core_s"]
    # bash and Python before the probe starts; after its report, the clean-up of torch and Numba
    parts["exit"] = max(0.0, done["job_s"] - (done["job"]["ended"] - done["job"]["born"]))
    of_others = sum(process["core_s"] for process in [*processes, done["follower"]]) + parts["exit"]
    parts["Snakemake"] = max(0.0, done["call"][2] - of_others)
    parts["waiting"] = whole - sum(parts.values())
    return parts, details


def result_of(done: dict, share: float, networks: int) -> dict:
    """Returns all results of the benchmark, as written to the JSON file."""
    parts, details = parts_of(done, share)
    whole, job = done["call"][1] - done["call"][0], done["job"]
    follower = done["follower"]
    imports = {name: core for name, (_, core, _) in follower["parts"].items()}
    return {
        "machine": platform.processor() or platform.machine(),
        "networks": networks,
        "trials": details["gradients"]["times"],
        "whole_s": whole,
        "network_s": whole / networks,
        "parts": {row: {"seconds": seconds, "per_network": seconds / networks, "share": seconds / whole}
                  for row, seconds in parts.items()},
        "arithmetic_share": sum(parts[row] for row in ARITHMETIC) / whole,
        "details": dict(sorted(details.items(), key=lambda item: -item[1]["seconds"])),
        "forward_share_of_kernel": share,
        "job_s": done["job_s"],
        "until_work_s": job["first"]["other/blocks"] - job["born"],
        "snakemake_before_s": job["born"] - done["call"][0],
        "snakemake_after_s": done["call"][1] - done["call"][0] - (job["born"] - done["call"][0]) - done["job_s"],
        "waited_for_core_s": job["waited_for_core_s"],
        "timers_s": sum(process["timers_s"] for process in (job, *done["workers"])),
        "follower": {"core_s": follower["core_s"], "imports_s": sum(imports.values())},
        "peak_memory_mb": {"job": job["peak_memory_mb"], "follower": follower["peak_memory_mb"],
                           "workers": [process["peak_memory_mb"] for process in done["workers"]]},
        "init_tracking_s": done["init_tracking_s"],
    }  # fmt: skip


def table(result: dict) -> str:
    """Formats the result as text."""
    lines = [f"{'':40}{'total (s)':>10}{'s/network':>11}{'share':>8}"]
    for row, label in ROWS.items():
        part = result["parts"][row]
        lines.append(f"{label:40}{part['seconds']:10.3f}{part['per_network']:11.4f}{part['share']:8.1%}")
    lines.append(f"{'total':40}{result['whole_s']:10.3f}{result['network_s']:11.4f}{1:8.1%}\n")
    memory, follower, waited = (result[key] for key in ("peak_memory_mb", "follower", "waited_for_core_s"))
    lines += [
        f"a network costs {result['network_s']:.3f} s in total; overhead: {1 - result['arithmetic_share']:.1%}",
        f"peak memory (MiB): job {memory['job']:.0f}, the follower {memory['follower']:.0f}"
        + "".join(f", worker {m:.0f}" for m in memory["workers"]),
        f"{result['trials']} updates; training starts after {result['until_work_s']:.2f} s"
        + (f", and waited {waited:.2f} s for the core" if waited is not None else ""),
        f"follower: {follower['core_s']:.2f} s of CPU time, {follower['imports_s']:.2f} s of it for imports",
        f"Snakemake: {result['snakemake_before_s']:.2f} s before the job, {result['snakemake_after_s']:.2f} s after it",
        f"not counted: init_tracking in an earlier call, {result['init_tracking_s']:.2f} s",
        f"the timers themselves take about {result['timers_s']:.2f} s of this",
        "the largest costs (wall time in s, CPU time in s, calls):",
    ]
    for name, d in list(result["details"].items())[:25]:
        lines.append(f"    {name:36}{d['seconds']:10.3f}{d['core_s']:10.3f}{d['times']:9}")
    return "\n".join(lines)


def cold_compilation(folder, kernels) -> dict:
    """Returns the cost of compiling every kernel with an empty cache, from a short training of the same shape."""
    short = {**FULL, "training": {"n_trials": 100}}
    done = Workplace(folder, short, 1, kernels).train()
    of_kernels = [p["parts"].get("compilation", [0, 0, 0]) for p in (done["job"], *done["workers"])]
    return {"core_s": sum(part[1] for part in of_kernels), "job_s": done["job_s"]}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="two networks of 20 units, 200 trials; no empty cache")
    p.add_argument("--out", default="benchmarks/results/job.json")
    args = p.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    networks = 2 if args.quick else 10
    with tempfile.TemporaryDirectory(prefix="ratecore-job-") as name:
        folder, cold = Path(name), None
        if not args.quick:
            os.environ["NUMBA_CACHE_DIR"] = str(folder / "kernels")  # also for `forward_share`
            cold = cold_compilation(folder / "cold", folder / "kernels")
        workplace = Workplace(folder / "job", QUICK if args.quick else FULL, networks)
        done = workplace.train()
        settings = workplace.experiment.grid_points[0].run(0)
        result = result_of(done, forward_share(settings, 0.2 if args.quick else 2.0), networks)
    print(table(result))
    if cold:
        result["cold_compilation"] = cold
        print(f"compilation with an empty cache, once per machine: {cold['core_s']:.2f} s of CPU time")
    os.makedirs(os.path.dirname(args.out) or ".", exist_ok=True)
    Path(args.out).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

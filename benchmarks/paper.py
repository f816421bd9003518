"""Measures what the figures of the paper cost: core-seconds of each configuration by stage, and the total.

    python benchmarks/paper.py [FILE ...] [--points 3] [--measured 1] [--seeds 100] [--results FOLDER] [--out FILE]
    python benchmarks/paper.py --experiment results/paper [FILE ...]

Without --experiment, a sample of the networks of each configuration (by default of all in config/paper/) goes through
its stages here, one after another: `--measured` seeds of `--points` grid points that are spread evenly over those of
the stage. What lies between two such points is interpolated, and a figure is the sum over its grid points and
`--seeds` seeds. What is measured is kept in --results, so that a second call measures only what is new. To this comes
the start of each job, which is measured on its own.

With --experiment, the numbers are those that Snakemake wrote for each job of a finished experiment, starts included;
`--measured` and `--points` have no effect.

Seconds are those of the processor, user and system, of the process and its children.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import csv  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import resource  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from ratecore.experiment.grid import Experiment  # noqa: E402
from ratecore.experiment.runs import Run  # noqa: E402
from ratecore.experiment.stages.running import do_stage  # noqa: E402
from ratecore.experiment.stages.table import stages_of  # noqa: E402
from ratecore.rate.training import train  # noqa: E402
from ratecore.settings.network import NetworkSettings  # noqa: E402
from ratecore.settings.reading import load_yaml  # noqa: E402
from ratecore.settings.run import RunSettings  # noqa: E402
from ratecore.settings.spiking import ConversionSettings, SpikingSettings  # noqa: E402
from ratecore.settings.training import TrainingSettings  # noqa: E402
from ratecore.spiking import search_scaling  # noqa: E402

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[1]
START = "import torch, ratecore.experiment.scripts, ratecore.rate.training, ratecore.spiking.conversion, ratecore.figures"

Costs = dict[str, float]  # stage: core-seconds
Points = dict[tuple[str, str], float]  # (stage, identity of its first run): core-seconds of all its seeds


def cpu() -> float:
    """Returns the processor seconds of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def sampled(n: int, points: int) -> list[int]:
    """Returns the indices of the grid points that are measured, among n."""
    return sorted({round(k) for k in np.linspace(0, n - 1, min(n, points))})


def interpolated(n: int, measured: dict[int, float]) -> list[float]:
    """Returns the values of all n grid points, from those of some."""
    at = sorted(measured)
    return [float(value) for value in np.interp(np.arange(n), at, [measured[k] for k in at])]


class Sample:
    """Runs that are measured here; what they cost is kept in `costs.json` of the results."""

    def __init__(self, results: Path, measured: int):
        self.file, self.measured = results / "costs.json", measured
        self.known = json.loads(self.file.read_text()) if self.file.exists() else {}

    def cost(self, experiment: Experiment, stage: str, point, seed: int) -> float:
        """Returns the core-seconds of one stage of one run, after those before it."""
        run = Run.at(experiment, point, seed)
        key = f"{stage} {run.folder.name} {run.identity(stage)}"
        if key not in self.known:
            for needed in stages_of(experiment.settings)[stage].needs:
                self.cost(experiment, needed, point, seed)
            before = cpu()
            do_stage(stage, [run], experiment.settings, 1)
            self.known[key] = cpu() - before
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.known, indent=0))
        return self.known[key]

    def of_stage(self, experiment: Experiment, stage: str, points: int) -> list[float]:
        """Returns the mean core-seconds of a run at each grid point of a stage."""
        every, seeds = list(experiment.grid_points_of(stage).values()), experiment.seeds[: self.measured]
        return interpolated(
            len(every),
            {
                k: float(np.mean([self.cost(experiment, stage, every[k], seed) for seed in seeds]))
                for k in sampled(len(every), points)
            },
        )


def of_jobs(experiment: Experiment, stage: str, folder: Path) -> list[float]:
    """Returns the mean core-seconds of a run at each grid point, from what Snakemake wrote for the jobs of a stage."""
    means = []
    for path in experiment.grid_points_of(stage):
        files = sorted((folder / "benchmarks" / stage / path).glob("seeds~*.tsv"))
        if not files:
            raise SystemExit(f"{folder}: no job of {stage} has run at {path}")
        names = {file.stem.removeprefix("seeds~") for file in files}
        seconds, n = 0.0, sum(len(seeds_of(name)) for name in names)
        for file in files:
            with open(file) as table:
                seconds += float(next(csv.DictReader(table, delimiter="\t"))["cpu_time"])
        means.append(seconds / n)
    return means


def seeds_of(block: str) -> range:
    """Returns the seeds of a block by its name: 0..9, or 7."""
    first, _, last = block.partition("..")
    return range(int(first), int(last or first) + 1)


def figure(experiment: Experiment, means: Callable[[str], list[float]], seeds: int, start: float) -> Points:
    """Returns the core-seconds of each grid point of each stage for some seeds, the starts of their jobs included."""
    costs: Points = {}
    jobs = -(-seeds // experiment.settings.seeds_per_job)
    for stage in stages_of(experiment.settings):
        for point, mean in zip(experiment.grid_points_of(stage).values(), means(stage), strict=True):
            run = Run.at(experiment, point, experiment.seeds[0])
            costs[stage, f"{run.folder.name} {run.identity(stage)}"] = seeds * mean + jobs * start
    return costs


def by_stage(points: Points) -> Costs:
    """Returns core-seconds by stage."""
    found: Costs = {}
    for (stage, _), seconds in points.items():
        found[stage] = found.get(stage, 0.0) + seconds
    return found


def warm_up() -> None:
    """Compiles all loops, or reads them from the cache, which a workflow does once."""
    for task in ("go-nogo", "mante"):
        for dale in (True, False):
            settings = RunSettings(
                task=task,
                network=NetworkSettings(N=64, apply_dale=dale),
                training=TrainingSettings(n_trials=20, eval_freq=10, eval_tr=10),
            )
            net = train(settings).net
            for model in ("lif", "qif"):
                conversion = ConversionSettings(n_trials=2, scaling_factors=(50.0,))
                search_scaling(net, settings.create_task(), conversion, SpikingSettings(model=model))


def start_of_job() -> float:
    """Returns the core-seconds that a process needs before and after its work, the median of three."""
    found = []
    for _ in range(3):
        before = cpu()
        subprocess.run([sys.executable, "-c", START], cwd=ROOT, check=True)
        found.append(cpu() - before)
    return float(np.median(found))


def table(rows: dict[str, Costs], seeds: int) -> str:
    """Returns the core-hours of each figure by stage as a table in Markdown."""
    stages = list(dict.fromkeys(stage for costs in rows.values() for stage in costs))
    lines = [f"| core-hours, {seeds} seeds | {' | '.join(stages)} | sum |", "|---" * (len(stages) + 2) + "|"]
    for name, costs in rows.items():
        numbers = [costs.get(stage, 0.0) / 3600 for stage in stages]
        lines.append(f"| {name} | " + " | ".join(f"{x:.2f}" for x in [*numbers, sum(numbers)]) + " |")
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="*", type=Path, help="configurations; by default config/paper/*.yaml")
    p.add_argument("--points", type=int, default=3, help="grid points of a stage that are measured")
    p.add_argument("--measured", type=int, default=1, help="seeds that are measured")
    p.add_argument("--seeds", type=int, default=100, help="seeds of the total")
    p.add_argument("--results", type=Path, default=Path("results/cost"), help="folder of what is measured")
    p.add_argument("--experiment", type=Path, help="folder of a finished experiment")
    p.add_argument("--out", type=Path, default=Path("benchmarks/results/paper.json"))
    args = p.parse_args()
    files = args.files or sorted((ROOT / "config" / "paper").glob("*.yaml"))
    sample, start = Sample(args.results, args.measured), 0.0
    if not args.experiment:
        warm_up()
        start = start_of_job()
    rows: dict[str, Costs] = {}
    together: Points = {}
    for file in files:
        config = load_yaml(file) | {"results": str(args.results), "experiment": "paper"}
        experiment = Experiment.from_config(config)

        def means(stage: str, experiment: Experiment = experiment) -> list[float]:
            if args.experiment:
                return of_jobs(experiment, stage, args.experiment)
            return sample.of_stage(experiment, stage, args.points)

        points = figure(experiment, means, args.seeds, start)
        together |= points  # a network of several figures once
        rows[file.stem] = by_stage(points)
        print(table({file.stem: rows[file.stem]}, args.seeds).splitlines()[-1], file=sys.stderr, flush=True)
    rows["all, each network once"] = by_stage(together)
    print(table(rows, args.seeds))
    print(f"\nstart of a job: {start:.2f} core-seconds")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    machine = platform.processor() or platform.machine()
    args.out.write_text(json.dumps({"machine": machine, "seeds": args.seeds, "start": start, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()

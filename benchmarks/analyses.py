"""Compares the processor time of stage `analyse`, with all analyses and their figures, with that of the training.

    python benchmarks/analyses.py [--seeds 6] [--units 200] [--keep FOLDER]

Trains, scores, exports and converts networks that do go-nogo and mante, with default settings except that copies of
the weights are kept, and analyses them. Each stage of each task is a job in a process of its own, as in the workflow,
on one core; the figures of each grid point are drawn in another. Times are seconds of CPU time, the start of processes
and files included. The time of an analysis does not include that of trials and spikes, which analyses share.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TASKS = ("go-nogo", "mante")
STAGES = ("train", "evaluate", "export", "convert", "analyse")
SHARED = {"activity": "trials that analyses share", "spikes": "spiking trials"}  # methods of Material
JOB = """
import sys
sys.path.insert(0, {folder!r})
import analyses
analyses.job(*sys.argv[1:])
"""


class Clock:
    """CPU seconds of nested parts; that of a part excludes other parts in it."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._inner: list[float] = []

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        start = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.process_time() - start
            self.parts[part] = self.parts.get(part, 0.0) + whole - self._inner.pop()
            if self._inner:
                self._inner[-1] += whole

    def timed(self, function: Callable[..., Any], part: str | None = None) -> Callable[..., Any]:
        """The function, with the time of each call; without a part, its first argument names the analysis."""

        def call(*args: Any, **options: Any) -> Any:
            with self.time(part or args[0].name):
                return function(*args, **options)

        return call


def configuration(results: Path, seeds: int, units: int) -> dict[str, Any]:
    """All analyses of networks of both tasks."""
    from ratecore.experiment.analyses.table import ANALYSES

    return {
        "experiment": "analyses",
        "results": str(results),
        "grid": {"task": list(TASKS), "seed": f"0..{seeds - 1}"},
        "network": {"N": units},
        "training": {"keep_weights": 200},
        "analyses": list(ANALYSES),
    }


def job(stage: str, task: str, config: str, report: str) -> None:
    """Do a stage, or draw the figures of the analyses, for all networks of a task, and write the times."""
    from ratecore.experiment.grid import Experiment
    from ratecore.experiment.runs import Run
    from ratecore.experiment.stages.running import do_stage

    clock = Clock()
    experiment = Experiment.from_config(json.loads(config))
    (point,) = [point for point in experiment.grid_points if point.settings.task == task]
    if stage == "figures":
        from ratecore.experiment.point_figures import analysis_figures, write_figures

        made = analysis_figures(experiment, point)
        write_figures(made, {name: experiment.root / "figures" / task / f"{name}.png" for name in made})
    else:
        if stage == "analyse":
            _probe(clock)
        with open(os.devnull, "w") as log:
            sys.stderr = log
            ends = do_stage(stage, [Run.at(experiment, point, seed) for seed in experiment.seeds], experiment.settings)
            sys.stderr = sys.__stderr__
        for end in ends:
            if end["status"] != "done" or end.get("errors"):
                raise SystemExit(f"{stage}, {task}: {end.get('error') or end.get('errors')}")
        if stage == "train":
            clock.parts["trained"] = sum(end["trained"] for end in ends)
    Path(report).write_text(json.dumps(clock.parts))


def _probe(clock: Clock) -> None:
    """Time each analysis, and what they share."""
    from ratecore.experiment.analyses.material import Material
    from ratecore.experiment.stages import analyse

    analyse._analysed = clock.timed(analyse._analysed)
    for name, part in SHARED.items():
        setattr(Material, name, clock.timed(getattr(Material, name), part))


def run(stage: str, task: str, config: dict[str, Any], folder: Path) -> tuple[float, dict[str, float]]:
    """Run a job; returns its CPU seconds and those of its parts."""
    report = folder / f"{stage}.{task}.json"
    before = _children()
    command = [sys.executable, "-c", JOB.format(folder=str(ROOT / "benchmarks")), stage, task, json.dumps(config)]
    subprocess.run([*command, str(report)], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return _children() - before, json.loads(report.read_text())


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def table(jobs: dict[tuple[str, str], tuple[float, dict[str, float]]], seeds: int) -> list[str]:
    """Rows with the seconds of each task and of both, and those of a network."""
    from ratecore.experiment.analyses.table import ANALYSES

    rows: dict[str, list[float]] = {"training": [jobs["train", task][0] for task in TASKS]}
    parts = [jobs["analyse", task][1] for task in TASKS]
    for name in (*ANALYSES, *SHARED.values()):
        label = f"`{name}`" if name in ANALYSES else name
        rows[label] = [own.get(name, 0.0) for own in parts]
    wholes = [jobs["analyse", task][0] for task in TASKS]
    rows["start of the process, reading and writing files"] = [
        whole - sum(own.values()) for whole, own in zip(wholes, parts, strict=True)
    ]
    rows["all analyses"] = wholes
    rows["their figures"] = [jobs["figures", task][0] for task in TASKS]
    rows["analyses and figures"] = [a + f for a, f in zip(wholes, rows["their figures"], strict=True)]
    lines = [f"| step | {' | '.join(TASKS)} | both | a network |", "|---|---|---|---|---|"]
    for label, seconds in rows.items():
        cells = [*(f"{s:.1f} s" for s in seconds), f"{sum(seconds):.1f} s", f"{sum(seconds) / seeds / 2:.2f} s"]
        lines.append(f"| {' | '.join([label, *cells])} |")
    ratios = [a / t for a, t in zip(rows["analyses and figures"], rows["training"], strict=True)]
    whole = sum(rows["analyses and figures"]) / sum(rows["training"])
    lines.append(f"| share of the training | {' | '.join(f'{ratio:.2f}' for ratio in [*ratios, whole])} | |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="folder of the results; networks that are there are not made again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(args.keep or Path(folder, "results"), args.seeds, args.units)
        jobs = {}
        for task in TASKS:
            for stage in (*STAGES, "figures"):
                jobs[stage, task] = run(stage, task, config, Path(folder))
                print(f"{stage} {task}: {jobs[stage, task][0]:.1f} s", file=sys.stderr, flush=True)
    trained = sum(jobs["train", task][1]["trained"] for task in TASKS)
    print(f"{2 * args.seeds} networks, {trained:.0f} of them trained to criterion, N = {args.units}, one core of "
          f"{platform.processor() or platform.machine()}\n")  # fmt: skip
    print("\n".join(table(jobs, args.seeds)))


if __name__ == "__main__":
    main()

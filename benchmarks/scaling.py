"""Measures what a large grid costs in addition to training: checks, dry runs, the table, MLflow's database.

    python benchmarks/scaling.py [--max NETWORKS] [--block SEEDS] [--folder FOLDER] [--out FILE]

The grids of 1,000, 10,000 and 100,000 networks are simulated, with records and files as written by real stages; see
`simulated.py`. Every step is a separate process. Its CPU time, which other work on the machine changes little, is
measured in addition to its wall time. Three sizes, each ten times the previous one, give the growth t = a + b n^p with
p = lg((t3 - t2) / (t2 - t1)).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1_000, 10_000, 100_000)
REPLAYED = 40  # number of runs replayed at each size of MLflow's database
# Snakemake with jobs that take no time: --touch goes through every job and marks it as done, but sleeps in each.
SCHEDULE = (
    "-c",
    "from snakemake.executors import touch; touch.Executor.SLEEPING_TIME = 0; from snakemake.cli import main; main()",
)
STEPS = {
    "validate": "configuration checked",
    "dry_run_new": "dry run, nothing done",
    "dry_run_done": "dry run, all done",
    "start_done": "snakemake, nothing to do",
    "schedule": "all jobs scheduled, none does anything",
    "summarize": "summarize",
    "follow_first": "first look of the mirror at all runs",
    "follow_whole": "look at all runs, all mirrored",
    "deaths": "note_deaths, no run open",
    "deaths_open": "note_deaths, all runs open",
}


def configuration(networks: int, block: int) -> dict:
    """Returns a grid of task x N x taus x gain x 50 seeds; `networks` is a multiple of 1000, `block` seeds per job."""
    return {
        "experiment": "scaling",
        "seeds_per_job": block,
        "grid": {
            "task": ["go-nogo", "xor"],
            "N": [50, 100, 150, 200, 250],
            "taus": [[4, 20], [4, 50]],
            "gain": [round(0.5 + 0.01 * k, 2) for k in range(networks // 1000)],
            "seed": "0..49",
        },
    }


ORDER = ["validate", "dry_run_new", "simulate", "follow_first", "follow_whole", "summarize", "schedule",
         "dry_run_done", "start_done", "deaths", "open_all", "deaths_open"]  # fmt: skip


def experiment_here():
    """Returns the experiment in the working folder."""
    from ratecore.experiment.grid import Experiment

    return Experiment.from_yaml("config.yaml")


def uri_here() -> str:
    return f"sqlite:///{Path('results').resolve()}/mlflow.db"


def validate() -> None:
    experiment_here()


def simulate() -> None:
    """Writes all runs and jobs of the grid, and an empty database that is recorded as having them."""
    import simulated

    from ratecore.tracking.mlflow.mirror import Mirror

    experiment = experiment_here()
    simulated.write_everything(experiment, Mirror(uri_here(), "scaling", "results").store)


def summarize() -> None:
    from ratecore.experiment.jobs import TABLE_WRITTEN, note_grid, write_job
    from ratecore.experiment.summary import summarize, write_summary

    experiment = experiment_here()
    write_summary(summarize(experiment), experiment.root)
    write_job(experiment.root / TABLE_WRITTEN, [])
    note_grid(experiment, [])


def follow_whole() -> None:
    """The first part of the rule `summarize`: checks every run when nothing is left to send to MLflow."""
    from ratecore.tracking.mlflow.follow import follow

    job = {"experiment": "scaling", "results": "results", "all_runs": True}
    if not follow(job, uri_here(), lambda seconds: True):
        raise SystemExit("not all runs are mirrored")


follow_first = follow_whole  # the same step without a list of mirrored runs


def deaths() -> None:
    from ratecore.tracking.queue import note_deaths

    if note_deaths("results/scaling"):
        raise SystemExit("a run is reported as dead")


deaths_open = deaths  # the same step after `open_all`


def open_all() -> None:
    """Marks every run as open, as after a grid without an MLflow server."""
    from ratecore.tracking.queue import note_open

    os.fsync = lambda handle: None
    for record in Path("results/scaling/runs").glob("*/*/*/*/*/record.jsonl"):
        note_open("results/scaling", record.parent)


def replay(sizes: list[int]) -> None:
    """Prints the cost of a run in MLflow's SQLite at each size of the database, as JSON."""
    import mlflow_sizes

    print(json.dumps(mlflow_sizes.measure(experiment_here(), sizes, REPLAYED)))


def snakemake(*arguments: str, program: tuple[str, ...] = ("-m", "snakemake")) -> list[str]:
    return [sys.executable, *program, "--snakefile", str(ROOT / "workflow" / "Snakefile"),
            "--configfile", "config.yaml", "--cores", "1", *arguments]  # fmt: skip


def timed(folder: Path, command: list[str]) -> dict:
    """Runs a command and returns its wall and CPU seconds, peak memory in MB and output.

    The peak is at least that of this process, which therefore imports nothing large.
    """
    env = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    env |= {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))}
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{text[-4000:]}")
    return {"wall_s": seconds, "core_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024, "said": text}


def step(folder: Path, name: str) -> dict:
    """Runs one step in a folder with a config.yaml; see `timed`."""
    arguments = {
        "dry_run_new": snakemake("--dry-run", "--quiet"),
        "schedule": snakemake("--touch", "--forceall", "--quiet", program=SCHEDULE),
        "dry_run_done": snakemake("--dry-run"),
        "start_done": snakemake(),
    }
    found = timed(folder, arguments.get(name) or [sys.executable, str(Path(__file__).resolve()), "--step", name])
    if name in ("dry_run_done", "start_done") and "Nothing to be done" not in found["said"]:
        raise SystemExit(f"{name}: Snakemake has something to do:\n{found['said'][-2000:]}")
    return found


def measure(folder: Path, networks: int, block: int) -> dict:
    """Measures every step at one size. Keeps the folder with everything that was simulated."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps(configuration(networks, block)))  # JSON is YAML
    found = {}
    for name in ORDER:
        found[name] = step(folder, name)
        print("{}: {wall_s:.1f} s, CPU time {core_s:.1f} s, {peak_mb:.0f} MB".format(name, **found[name]), flush=True)
    count = [(len(files), len(folders)) for _, folders, files in os.walk(folder / "results" / "scaling")]
    files, folders = map(sum, zip(*count, strict=True))
    notes = sum(len(files) for _, _, files in os.walk(folder / ".snakemake" / "metadata"))
    for values in found.values():
        del values["said"]
    return {"steps": found, "files": files - networks, "folders": folders, "snakemake_notes": notes}  # no open notes


def exponent(values: list[float]) -> float | None:
    """Returns p of a + b n^p for values at three sizes; None for fewer values, or if nothing grows."""
    if len(values) != 3 or not values[0] < values[1] < values[2]:
        return None
    return math.log10((values[2] - values[1]) / (values[1] - values[0]))


def table(result: dict) -> str:
    """Formats the result as text."""
    sizes = result["sizes"]
    head = "".join(f"{size['networks']:>22,}" for size in sizes)
    lines = [f"{'s by the clock (on the core), peak MB':42}{head}{'p':>6}"]
    for name, label in STEPS.items():
        found = [size["steps"][name] for size in sizes]
        cells = (f"{f['wall_s']:.1f} ({f['core_s']:.1f}) {f['peak_mb']:5.0f}" for f in found)
        p = exponent([f["core_s"] for f in found])
        lines.append(f"{label:42}" + "".join(f"{cell:>22}" for cell in cells) + (f"{p:6.2f}" if p is not None else ""))
    for key, label in (("files", "files"), ("folders", "folders"), ("snakemake_notes", "notes of Snakemake")):
        p = exponent([size[key] for size in sizes])
        lines.append(f"{label:42}" + "".join(f"{size[key]:>22,}" for size in sizes) + (f"{p:6.2f}" if p else ""))
    lines.append("\nMLflow's SQLite")
    for row in result["mlflow"]:
        lines.append(
            f"  {row['runs']:>8,} runs: {row['mb']:7.0f} MB, {row['rows']:>11,} rows; one more is replayed in "
            f"{1000 * row['replay_s']:.0f} ms ({1000 * row['replay_core_s']:.0f} on the core), "
            f"found in {1000 * row['find_s']:.0f} ms; the 100 best in {_seconds(row['best_s'])}, "
            f"with statistics, made in {row['statistics_s']:.2f} s, in {_seconds(row['best_after_s'])}"
        )
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return f"{value:.2f} s" if value is not None else "more time than was waited"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--max", type=int, default=SIZES[-1], help="largest number of networks")
    p.add_argument("--block", type=int, default=50, help="seeds per job, at most 50")
    p.add_argument("--folder", type=Path, help="where the grids are simulated; about 14 files per network")
    p.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "scaling.json")
    p.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.step:
        name, *arguments = a.step
        return globals()[name](*map(json.loads, arguments))
    sizes = [size for size in SIZES if size <= a.max]
    place = Path(tempfile.mkdtemp(prefix="scaling-", dir=a.folder))
    try:
        found = []
        for networks in sizes:
            print(f"\n{networks:,} networks", flush=True)
            found.append({"networks": networks, **measure(place / str(networks), networks, a.block)})
            if networks != sizes[0]:
                shutil.rmtree(place / str(networks))
        command = [sys.executable, str(Path(__file__).resolve()), "--step", "replay", json.dumps(sizes)]
        last = timed(place / str(sizes[0]), command)
        result = {"machine": platform.processor() or platform.machine(), "block": a.block, "sizes": found,
                  "mlflow": json.loads(last["said"].splitlines()[-1])}  # fmt: skip
    finally:
        shutil.rmtree(place)
    print(table(result))
    a.out.parent.mkdir(parents=True, exist_ok=True)
    a.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

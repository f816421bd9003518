"""What a job leaves for Snakemake, and when: copied results have other modification times, and run nothing again.

Snakemake notes in the working folder with which parameters and inputs each file was made. Results that were moved, or
that another working folder made, have no such notes, and Snakemake takes every file that is there for up to date. What
a job writes therefore says itself what it is of.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ratecore.experiment.configurations import grid_hash
from ratecore.experiment.grid import Experiment
from ratecore.experiment.stages.table import STAGES, TRAIN
from ratecore.settings.run import hash_of
from ratecore.system.files import read_bounded, write_atomic
from ratecore.tasks.files import task_code

LARGEST = 2**28  # bytes of a job's file that are read; a run takes about 200
TABLE_WRITTEN = "jobs/summarize.json"  # there once the table has all networks
MARK = "jobs/written.json"  # whose modification time tells a copy
GRID = "jobs/grid.json"  # the grid that the files of all jobs are of
SLACK = 2 * 10**9  # ns by which file systems round modification times


def write_job(path, runs: list[dict]) -> None:
    """Writes the output of a block's job: a row for each run, and the time at which it was written."""
    write_atomic(path, json.dumps({"written": time.time_ns(), "runs": runs}, indent=1).encode())


def mark_times(root) -> None:
    """Writes, once, a file whose modification time is exactly the one that it holds, for `was_copied`.

    Not an output of a job: Snakemake touches these when it sees that the job has ended.
    """
    path, written = Path(root, MARK), time.time_ns()
    if not path.exists():
        write_atomic(path, json.dumps({"written": written}).encode())
        os.utime(path, ns=(written, written))


def was_copied(root) -> bool:
    """Whether the modification times of an experiment's results are not those of their writing.

    That is so after `cp -r`, in a checkout of git or git-annex, and where every file was touched; not after `cp -a`.
    """
    path = Path(root, MARK)
    written = _written(path)
    return written is not None and abs(path.stat().st_mtime_ns - written) > SLACK


def restore_times(root) -> int:
    """Gives the files of copied results modification times in the order of their writing.

    Snakemake runs a job again whose input is newer than its output, and knows nothing else of results that came from
    elsewhere. The table is written again, since the MLflow runs that it names may be others here.

    Args:
        root: folder of the experiment's results.

    Returns:
        how many files have their own times again.
    """
    root, count = Path(root), 0
    (root / TABLE_WRITTEN).unlink(missing_ok=True)
    for path in root.glob("jobs/**/*.json"):
        if (written := _written(path)) is not None:
            os.utime(path, ns=(written, written))
            count += 1
    for pattern in ("benchmarks/**/*.tsv", "figures/**/*.png", "tracking.json"):
        for path in root.glob(pattern):
            os.utime(path)  # later than any job
    return count


def _written(path: Path) -> int | None:
    try:
        written = json.loads(read_bounded(path, LARGEST))["written"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None  # of an older version, or damaged: its job is run again if its time asks for it
    return written if isinstance(written, int) and 0 <= written < 2**63 else None


def stale_files(experiment: Experiment, stages, figures=()) -> list[str]:
    """The files of jobs that were written for other settings, seeds or code of a task than those asked for now.

    Only a look at one file if the grid is that of the last launch.

    Args:
        stages: that every network goes through.   figures: files of grid points, drawn over all seeds.

    Returns:
        paths of files that are there and have to be made again, as the rules name them.
    """
    root, now = experiment.root, _grid_of(experiment)
    before = _json(root / GRID)
    if before == now:
        return []
    stale = [path for stage in stages for path, runs in _jobs(experiment, stage) if not _is_of(path, runs)]
    if not isinstance(before, dict) or before.get("seeds") != now["seeds"]:
        stale += figures
    return [str(path) for path in [*stale, (root / TABLE_WRITTEN).as_posix()] if os.path.exists(path)]


def note_grid(experiment: Experiment, stale: list[str]) -> None:
    """Removes what `stale_files` named, and notes the grid of which all files are now."""
    for path in stale:
        Path(path).unlink(missing_ok=True)
    if _json(experiment.root / GRID) != (now := _grid_of(experiment)):
        write_atomic(experiment.root / GRID, json.dumps(now).encode())


def _grid_of(experiment: Experiment) -> dict[str, str]:
    tasks = {grid_point.settings.task: grid_point.settings for grid_point in experiment.grid_points}
    code = {name: task_code(type(settings.create_task())) for name, settings in tasks.items()}
    return {
        "grid": hash_of({"settings": grid_hash(experiment.settings), "code": code}),
        "seeds": hash_of({"seeds": list(experiment.seeds)}),
    }


def _jobs(experiment: Experiment, stage: str):
    """(file, identities of its runs) of each job of a stage. A run that failed in training has that identity."""
    for path, grid_point in experiment.grid_points_of(stage).items():
        for name, seeds in experiment.blocks.items():
            file = f"{experiment.root.as_posix()}/jobs/{stage}/{path}/seeds~{name}.json"
            if os.path.exists(file):
                yield file, [{grid_point.identity(seed, *STAGES[s].settings) for s in (stage, TRAIN)} for seed in seeds]


def _is_of(path: str, runs: list[set[str]]) -> bool:
    found = _json(path)
    rows = found.get("runs") if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) != len(runs):
        return False
    return all(
        isinstance(row, dict) and row.get("identity") in allowed for row, allowed in zip(rows, runs, strict=True)
    )


def _json(path):
    try:
        return json.loads(read_bounded(path, LARGEST))
    except (OSError, ValueError, RecursionError):
        return None

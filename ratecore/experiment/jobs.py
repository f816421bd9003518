"""The outputs of jobs, which name their runs and their time of writing, so that copied results repeat no job.

Snakemake notes in the working folder which parameters and inputs each file was made with. Results that were moved or
made in another working folder have no such notes, and Snakemake takes every existing file for up to date. Outputs of
jobs therefore say which runs they belong to.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ratecore.experiment.configurations import grid_hash
from ratecore.experiment.grid import Experiment
from ratecore.experiment.stages.table import STAGES, TRAIN
from ratecore.settings.run import hash_of
from ratecore.system.files import read_bounded, write_atomic
from ratecore.tasks.files import task_code

StrPath = str | os.PathLike[str]

LARGEST = 2**28  # bytes of a job's file that are read; a run takes about 200
TABLE_WRITTEN = "jobs/summarize.json"  # exists once the table has all networks
MARK = "jobs/written.json"  # its modification time reveals a copy
GRID = "jobs/grid.json"  # the grid to which the files of all jobs belong
SLACK = 2 * 10**9  # ns by which file systems round modification times


def write_job(path: StrPath, runs: list[dict[str, Any]]) -> None:
    """Write the output of a block's job: a row for each run, and the time of writing.

    Args:
        path: of the output.
        runs: the rows.
    """
    write_atomic(path, json.dumps({"written": time.time_ns(), "runs": runs}, indent=1).encode())


def mark_times(root: StrPath) -> None:
    """Write, once, a file whose modification time is exactly the time that it contains, for `was_copied`.

    Outputs of jobs do not serve for this: Snakemake touches them when the job has ended.

    Args:
        root: folder of the experiment's results.
    """
    path, written = Path(root, MARK), time.time_ns()
    if not path.exists():
        write_atomic(path, json.dumps({"written": written}).encode())
        os.utime(path, ns=(written, written))


def was_copied(root: StrPath) -> bool:
    """Whether the modification times of an experiment's results differ from the times of writing.

    They do after `cp -r`, in a checkout of git or git-annex, and after all files were touched, but not after `cp -a`.

    Args:
        root: folder of the experiment's results.

    Returns:
        True if they differ.
    """
    path = Path(root, MARK)
    written = _written(path)
    return written is not None and abs(path.stat().st_mtime_ns - written) > SLACK


def restore_times(root: StrPath) -> int:
    """Give the files of copied results modification times in the order of their writing.

    Snakemake repeats a job whose input is newer than its output, and knows nothing else about results from elsewhere.
    The table is written again, since the MLflow runs that it names may differ here.

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
        return None  # old or damaged: its time decides whether the job runs again
    return written if isinstance(written, int) and 0 <= written < 2**63 else None


def stale_files(experiment: Experiment, stages: Iterable[str], figures: Sequence[str] = ()) -> list[str]:
    """The outputs of jobs that were written for other settings, seeds or code of a task than the current ones.

    Reads only one file if the grid is that of the last call.

    Args:
        experiment: of the configuration.
        stages: that every network goes through.
        figures: files of grid points, drawn over all seeds.

    Returns:
        paths of existing files that must be made again, as the rules name them.
    """
    root, now = experiment.root, _grid_of(experiment)
    before = _json(root / GRID)
    if before == now:
        return []
    stale = [path for stage in stages for path, runs in _jobs(experiment, stage) if not _matches(path, runs)]
    if not isinstance(before, dict) or before.get("seeds") != now["seeds"]:
        stale += figures
    return [str(path) for path in [*stale, (root / TABLE_WRITTEN).as_posix()] if os.path.exists(path)]


def note_grid(experiment: Experiment, stale: list[str]) -> None:
    """Remove the stale files and note the grid to which all files now belong.

    Args:
        experiment: of the configuration.
        stale: of `stale_files`.
    """
    for path in stale:
        Path(path).unlink(missing_ok=True)
    if _json(experiment.root / GRID) != (now := _grid_of(experiment)):
        write_atomic(experiment.root / GRID, json.dumps(now).encode())


def _grid_of(experiment: Experiment) -> dict[str, str]:
    tasks = {grid_point.settings.task: grid_point.settings for grid_point in experiment.grid_points}
    code = {name: task_code(type(settings.create_task())) for name, settings in tasks.items()}
    return {
        "grid": hash_of({"settings": grid_hash(experiment.settings), "code": code}),
        "seeds": hash_of({"seeds": _seeds_of(experiment)}),
    }


def _seeds_of(experiment: Experiment) -> Any:
    if not experiment.is_list:
        return list(experiment.seeds)
    return {product.name: list(product.seeds) for product in experiment.products}


def _jobs(experiment: Experiment, stage: str) -> Iterator[tuple[str, list[set[str]]]]:
    """(file, identities of its runs) of each job of a stage. A run that failed in training has that identity."""
    for path, grid_point in experiment.grid_points_of(stage).items():
        for name, seeds in experiment.blocks_of(grid_point).items():
            file = f"{experiment.root.as_posix()}/jobs/{stage}/{path}/seeds~{name}.json"
            if os.path.exists(file):
                yield file, [{grid_point.identity(seed, *STAGES[s].settings) for s in (stage, TRAIN)} for seed in seeds]


def _matches(path: str, runs: list[set[str]]) -> bool:
    found = _json(path)
    rows = found.get("runs") if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) != len(runs):
        return False
    return all(
        isinstance(row, dict) and row.get("identity") in allowed for row, allowed in zip(rows, runs, strict=True)
    )


def _json(path: StrPath) -> Any:
    try:
        return json.loads(read_bounded(path, LARGEST))
    except (OSError, ValueError, RecursionError):
        return None

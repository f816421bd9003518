"""What a job leaves for Snakemake, and when: copied results have other modification times, and run nothing again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ratecore.files import read_bounded, write_atomic

LARGEST = 2**28  # bytes of a job's file that are read; a run takes about 200
TABLE_WRITTEN = "jobs/summarize.json"  # there once the table has all networks
MARK = "jobs/written.json"  # whose modification time tells a copy
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

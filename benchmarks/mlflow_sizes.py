"""Measures MLflow's SQLite for growing numbers of runs: cost of one more run, time of a search, size of the file.

A few runs are replayed as in the workflow; the database is filled with copies of their rows.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
import uuid
from itertools import islice
from pathlib import Path

from ratecore.experiment.grid import Experiment
from ratecore.experiment.summary import all_runs
from ratecore.tracking.mlflow.mirror import RUN_KEY, RUN_TAG, Mirror
from ratecore.tracking.mlflow.sqlite import refresh_statistics

CHUNK = 1000  # number of runs copied at a time
FILLING = 1800.0  # maximum seconds for copying, for all sizes together
PATIENCE = 900.0  # maximum seconds to wait for a page of the UI


def _tables(db: sqlite3.Connection) -> dict[str, list[str]]:
    """Returns {name: columns} of every table with rows of a run."""
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {name: [row[1] for row in db.execute(f'PRAGMA table_info("{name}")')] for name in names}
    return {name: found for name, found in columns.items() if "run_uuid" in found}


def _rows(db: sqlite3.Connection) -> int:
    return sum(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in _tables(db))


def fill(path: Path, runs: int, templates: list[str], until: float) -> int:
    """Copies rows until the database has the given number of runs, or until the time `until`. Returns their number."""
    db = sqlite3.connect(path)
    for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -1000000"):
        db.execute(f"PRAGMA {pragma}")
    tables = _tables(db)
    db.execute("CREATE TEMP TABLE copies (old TEXT, new TEXT)")
    there = db.execute("SELECT count(*) FROM runs").fetchone()[0]
    while there < runs and time.perf_counter() < until:
        n = min(CHUNK, runs - there)
        pairs = [(templates[k % len(templates)], uuid.uuid4().hex) for k in range(n)]
        db.execute("DELETE FROM copies")
        db.executemany("INSERT INTO copies VALUES (?, ?)", pairs)
        for name, columns in tables.items():
            said = ", ".join("copies.new" if column == "run_uuid" else f't."{column}"' for column in columns)
            if name == "tags":  # the tag to find a run by has the identity in its key and value
                said = said.replace('t."value"', f"CASE t.key WHEN '{RUN_TAG}' THEN copies.new ELSE t.value END")
                said = said.replace('t."key"', f"iif(t.key LIKE '{RUN_KEY}%', '{RUN_KEY}' || copies.new, t.key)")
            db.execute(f'INSERT INTO "{name}" SELECT {said} FROM copies JOIN "{name}" t ON t.run_uuid = copies.old')
        db.commit()
        there += n
    db.close()
    return there


def _best(path: Path) -> float | None:
    """Returns the seconds to list the 100 best runs by a metric, as the UI does, in a process that has just started.

    None if it takes longer than anybody would wait.
    """
    code = """
import sys, time
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name("sizes").experiment_id
start = time.perf_counter()
client.search_runs([experiment], order_by=["metrics.`eval/loss`"], max_results=100)
print(time.perf_counter() - start)
"""
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    try:
        return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout)
    except subprocess.TimeoutExpired:
        return None


def measure(experiment: Experiment, sizes: list[int], replayed: int) -> list[dict]:
    """Returns the cost of a run at each size of the database, up to the size that can be filled in time.

    Args:
        experiment: has runs that are not in the database.   sizes: increasing numbers of runs in the database.
        replayed: number of runs that are replayed at each size.
    """
    results = experiment.settings.results
    path = Path(results).resolve() / "sizes.db"
    mirror = Mirror(f"sqlite:///{path}", "sizes", results)
    runs = iter([run for _, run in all_runs(experiment)][:: max(1, len(experiment.seeds) // 10)])
    templates = [mirror.replay(run.folder) for run in islice(runs, 20)]
    found, until = [], time.perf_counter() + FILLING
    for size in sizes:
        there = fill(path, size, templates, until)
        start, core = time.perf_counter(), time.process_time()
        for run in islice(runs, replayed):
            mirror.replay(run.folder)
        replay_s, replay_core_s = (time.perf_counter() - start) / replayed, (time.process_time() - core) / replayed
        start = time.perf_counter()
        mirror.client.search_runs([mirror.experiment_id], f"tags.`{RUN_KEY}none` = 'none'", max_results=1)
        find_s = time.perf_counter() - start
        with sqlite3.connect(path) as db:  # first as left by MLflow, then as left by the follower
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat%'").fetchall():
                db.execute(f"DELETE FROM {table}")
        best_s = _best(path)
        start = time.perf_counter()
        refresh_statistics(f"sqlite:///{path}")
        statistics_s = time.perf_counter() - start
        best_after_s = _best(path)
        with sqlite3.connect(path) as db:
            rows = _rows(db)
        found.append({"runs": there, "mb": path.stat().st_size / 1e6, "rows": rows, "replay_s": replay_s,
                      "replay_core_s": replay_core_s, "find_s": find_s, "best_s": best_s,
                      "statistics_s": statistics_s, "best_after_s": best_after_s})  # fmt: skip
        if there < size:
            break
    return found

"""Statistics of MLflow's SQLite: there when a grid has been mirrored, and never in the way of anything."""

import contextlib
import sqlite3
import threading

import pytest
from test_tracking import job_of, open_run

from ratecore.tracking import sqlite
from ratecore.tracking.follow import follow
from ratecore.tracking.sqlite import refresh_statistics, sqlite_file

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours


def rows(file, query):
    with contextlib.closing(sqlite3.connect(file)) as db:
        return db.execute(query).fetchall()


def test_a_follower_leaves_statistics(tmp_path):
    file = tmp_path / "a b%20#.db"
    folders = [open_run(tmp_path, "x", f"run{k}")[0] for k in range(3)]
    assert follow(job_of(tmp_path, "x"), f"sqlite:///{file}", lambda seconds: True)
    found = rows(file, "SELECT tbl, stat FROM sqlite_stat1")
    assert {"runs", "tags", "metrics", "latest_metrics"} <= {table for table, _ in found}
    assert any(table == "runs" and stat.startswith(f"{len(folders)} ") for table, stat in found)


def test_another_store_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: pytest.fail("it was opened"))
    for uri in ("http://127.0.0.1:9", "postgresql://me@host/mlflow", str(tmp_path), "sqlite://"):
        assert sqlite_file(uri) is None and not refresh_statistics(uri)


def test_what_is_no_database_is_left_as_it_is(tmp_path):
    missing, damaged = tmp_path / "missing.db", tmp_path / "damaged.db"
    damaged.write_bytes(b"no database" * 1000)
    assert not refresh_statistics(f"sqlite:///{missing}") and not missing.exists()
    assert not refresh_statistics(f"sqlite:///{damaged}") and damaged.read_bytes() == b"no database" * 1000


def test_a_writer_is_waited_for_and_not_for_long(tmp_path, monkeypatch):
    file = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("CREATE TABLE t (a PRIMARY KEY)")
        writer.execute("INSERT INTO t VALUES (1)")
        writer.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite, "PATIENCE", 0.1)
        assert not refresh_statistics(f"sqlite:///{file}")
        monkeypatch.setattr(sqlite, "PATIENCE", 60.0)
        end = threading.Timer(0.3, lambda: writer.execute("COMMIT"))
        end.start()
        assert refresh_statistics(f"sqlite:///{file}?timeout=60")
        end.join()
    assert rows(file, "SELECT tbl, stat FROM sqlite_stat1") == [("t", "1 1")]

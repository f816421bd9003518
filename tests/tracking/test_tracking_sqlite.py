"""Statistics of MLflow's SQLite: present after a grid has been mirrored, and never in the way."""

import contextlib
import sqlite3
import threading

import pytest
from test_tracking import job_of, open_run

from ratecore.tracking.mlflow import sqlite
from ratecore.tracking.mlflow.follow import follow
from ratecore.tracking.mlflow.sqlite import refresh_statistics, sqlite_file

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours


def rows(file, query):
    with contextlib.closing(sqlite3.connect(file)) as db:
        return db.execute(query).fetchall()


def test_a_follower_leaves_statistics(tmp_path, monkeypatch):
    file, uri = tmp_path / "a b%20#.db", f"sqlite:///{tmp_path}/a b%20#.db"
    for k in range(3):
        open_run(tmp_path, "x", f"run{k}")
    assert follow(job_of(tmp_path, "x"), uri, lambda seconds: True)
    analysed = "SELECT tbl, stat FROM sqlite_stat1"
    assert {table for table, _ in rows(file, analysed)} == {"latest_metrics", "params"}
    # What a few runs say of keys and runs would mislead SQLite once they are many: see MANY.
    key = "mlflow.ratecore.run.run1"
    how = rows(
        file,
        "EXPLAIN QUERY PLAN SELECT * FROM runs JOIN (SELECT * FROM tags WHERE key = '" + key + "') AS t "
        "ON runs.run_uuid = t.run_uuid WHERE lifecycle_stage = 'active' ORDER BY start_time",
    )
    assert "SEARCH tags" in how[0][3] and "(key=?)" in how[0][3]
    monkeypatch.setattr(sqlite, "MANY", 3)
    assert refresh_statistics(uri)
    assert any(table == "runs" and stat.startswith("3 ") for table, stat in rows(file, analysed))


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
        for table in ("runs", "params", "latest_metrics"):
            writer.execute(f"CREATE TABLE {table} (a PRIMARY KEY)")
            writer.execute(f"INSERT INTO {table} VALUES (1)")
        writer.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite, "PATIENCE", 0.1)
        assert not refresh_statistics(f"sqlite:///{file}")
        monkeypatch.setattr(sqlite, "PATIENCE", 60.0)
        end = threading.Timer(0.3, lambda: writer.execute("COMMIT"))
        end.start()
        assert refresh_statistics(f"sqlite:///{file}?timeout=60")
        end.join()
    assert rows(file, "SELECT stat FROM sqlite_stat1") == [("1 1",), ("1 1",)]

"""The quick part of the faults of servers, and that their checks detect errors."""

import shutil
import subprocess

import pytest

from faults import FAULTS, servers
from faults.servers import Work, write_records
from faults.stores import Server, environment, missing, sqlite
from faults.test_faults import assert_holds


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory, python):
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as changed, Server(folder, f"sqlite:///{folder}/mlflow.db") as server:
        changed.setattr(servers, "PYTHON", python)
        changed.setattr(servers, "SHARED", server)
        yield


@pytest.mark.usefixtures("shared_server")
@pytest.mark.parametrize("name", [name for name, one in FAULTS.items() if one.quick and one.of_servers])
def test_it_holds(name):
    assert_holds(name)


@pytest.fixture(scope="module")
def stored(tmp_path_factory, python):
    """Returns two records and the database with them."""
    root = tmp_path_factory.mktemp("results") / "few"
    folders, database = write_records(root, 2), root.parent / "mlflow.db"
    replay = [python, "-m", "ratecore.cli", "replay", root.parent, "--uri", f"sqlite:///{database}"]
    subprocess.run(replay, check=True, env=environment(), capture_output=True, timeout=1800)
    assert missing(sqlite(database), "few", folders) is None
    return root, folders, database


@pytest.mark.parametrize(
    ("sql", "seen"),
    [
        ("DELETE FROM metrics WHERE step = 20", "points: only recorded"),
        ("UPDATE metrics SET value = value + 1e-9 WHERE step = 20", "points: only recorded"),
        ("INSERT INTO metrics SELECT key, value, timestamp + 1, run_uuid, step, is_nan FROM metrics", "points"),
        ("UPDATE params SET value = 7", "params"),
        ("DELETE FROM tags WHERE key = 'k'", "tags"),
        ("UPDATE runs SET status = 'RUNNING'", "status"),
        ("UPDATE runs SET end_time = end_time + 1", "end"),
        ("UPDATE runs SET lifecycle_stage = 'deleted'", "life"),
        ("UPDATE experiments SET name = 'other' WHERE name = 'few'", "0 experiments"),
        (
            "INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage) SELECT 'second', experiment_id, 'deleted' "
            "FROM runs LIMIT 1",
            "3 runs",
        ),
    ],
)
def test_every_difference_of_a_store_is_seen(stored, tmp_path, sql, seen):
    _, folders, database = stored
    shutil.copy(database, tmp_path / "mlflow.db")
    with sqlite(tmp_path / "mlflow.db", "rw") as connection:
        connection.execute(sql)
    connection.close()
    assert seen in missing(sqlite(tmp_path / "mlflow.db"), "few", folders)


def test_a_changed_artifact_is_seen(stored):
    root, folders, database = stored
    (path, *_) = (root.parent / "mlartifacts").rglob("scores.json")
    before = path.read_text()
    path.write_text("other")
    try:
        assert "artifacts: only recorded" in missing(sqlite(database), "few", folders)
    finally:
        path.write_text(before)


def test_harm_to_the_work_is_seen(tmp_path, monkeypatch):
    work = Work.__new__(Work)
    work.folder, work.grace, networks = tmp_path, 60, {"work": ["a"], "twin": ["a"]}
    monkeypatch.setattr(Work, "runs", lambda self, name="work": [tmp_path / network for network in networks[name]])
    monkeypatch.setattr("faults.servers._weights", lambda run: {"w": run.name})

    def harmed(waited=1.0, held_up=1.0, whole=False, printed="tracking: down\n"):
        work.work = {"waited": waited, "held_up": held_up, "whole": whole}
        work.twin = {"waited": 1.0}
        (tmp_path / "work.err").write_text(printed)
        return work.harmed()

    assert harmed() is None and harmed(whole=True, printed="") is None
    assert "the work waited for 6.0 s" in harmed(waited=6.0)  # for one request of 5 s
    assert "held up" in harmed(held_up=80)
    assert "reported 0 times" in harmed(printed="") and "reported 2 times" in harmed(printed="tracking: x\n" * 2)
    networks["work"] = ["a", "b"]
    assert "networks" in harmed()

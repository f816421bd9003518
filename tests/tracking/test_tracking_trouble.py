"""The mirror in trouble: servers that are down, slow or wrong, runs deleted or refused, a follower that dies."""

import base64
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import PATIENCE
from test_tracking import job_of, open_run, write_run

from ratecore.tracking.mlflow.follow import Follower, follow
from ratecore.tracking.mlflow.mirror import Mirror
from ratecore.tracking.mlflow.sqlite import file_problem
from ratecore.tracking.mlflow.state import read_state, write_state
from ratecore.tracking.queue import mirror_message, not_mirrored, open_runs

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    return results, f"sqlite:///{results}/mlflow.db"


def test_a_disk_that_is_full_while_tables_are_made_leaves_no_half_made_database(tmp_path, monkeypatch):
    import mlflow.store.db.utils
    import prepared_store

    uri, file = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlflow.db"
    monkeypatch.setattr(mlflow.store.db.utils, "_initialize_tables", prepared_store.by_migrations)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for size in (100_000, 400_000):  # of a file; all tables take more
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with pytest.raises(Exception, match="disk"):
                Mirror(uri, "full", tmp_path)
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert file_problem(file) is None and file.stat().st_size == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    (tmp_path / ".mlflow.db.part-killed").mkdir()
    assert Mirror(uri, "full", tmp_path).client.get_experiment_by_name("full")  # in the same process, with space again
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", ".mlflow.lock"}
    assert file.stat().st_size > 400_000


def test_a_second_run_of_a_late_or_mistaken_server_goes(store, tmp_path, capfd, monkeypatch):
    from mlflow.exceptions import MlflowException

    from ratecore.tracking.mlflow import mirror as mirroring

    results, uri = store
    folder, record = open_run(results, "second", "run")
    mirror, ids = Mirror(uri, "second", results), []
    real = mirror.client.create_run

    def made_and_denied(*args, **kwargs):
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"  # MLflow would ask for a second one
        ids.append(real(*args, **kwargs).info.run_id)
        raise MlflowException("500")

    monkeypatch.setattr(mirror.client, "create_run", made_and_denied)
    with pytest.raises(MlflowException):
        mirror.replay(folder)
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] != "0"
    assert [mirror.replay(folder)] == ids  # found, not made again
    # One that a request of long ago made, seen with the next news.
    first = record.events()[0]
    tags = mirroring.run_tags("run")
    real(mirror.experiment_id, start_time=round(first["time"] * 1000), tags=tags)
    record.append("end", "train", status="done", identity="i", values={"train/n_trials": 2500})
    mirror.replay(folder)
    (run,) = mirror.client.search_runs([mirror.experiment_id])
    assert run.info.run_id == read_state(folder)["run_id"] and run.info.status == "FINISHED"
    assert len(mirror.client.get_metric_history(run.info.run_id, "train/loss")) == 25


def test_a_run_is_searched_by_a_tag_that_no_other_has(store):
    """So that a database finds it by its index, however many runs there are."""
    results, uri = store
    mirror, asked = Mirror(uri, "keyed", results), []
    ids = [mirror.replay(open_run(results, "keyed", name)[0]) for name in ("a", "b")]
    search = mirror.client.search_runs
    mirror.client.search_runs = lambda *args, **kwargs: asked.append(args[1]) or search(*args, **kwargs)
    for name in ("a", "b"):
        (results / "keyed" / "runs" / name / "mirror.json").unlink()
    assert [mirror.replay(results / "keyed" / "runs" / name) for name in ("a", "b")] == ids
    keys = [re.match(r"tags.`(.*)` = ", text)[1] for text in asked]
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as db:
        assert [db.execute("SELECT run_uuid FROM tags WHERE key = ?", [key]).fetchall() for key in keys] == [
            [(run_id,)] for run_id in ids
        ]
    assert all(key.startswith("mlflow.") for key in keys)  # which MLflow's UI does not show


@pytest.mark.parametrize("filled", [True, False])
def test_an_experiment_of_other_make_has_no_second_runs_either(store, filled):
    """One of an earlier version of ratecore, whose runs have no tag of their own, or one that was made by hand."""
    from ratecore.tracking.mlflow.mirror import RUN_TAG

    results, uri = store
    name = f"other {filled}"
    client = Mirror(uri, "first", results).client
    experiment_id = client.create_experiment(name, artifact_location=str(results / "artifacts"))
    old = client.create_run(experiment_id, tags={RUN_TAG: "a"}).info.run_id if filled else None
    folder, _ = open_run(results, name, "a")
    run_id = Mirror(uri, name, results).replay(folder)
    assert run_id == old or not filled
    (folder / "mirror.json").unlink()
    assert Mirror(uri, name, results).replay(folder) == run_id
    assert len(client.search_runs([experiment_id])) == 1


def test_a_run_deleted_by_hand_stays_deleted(store, capfd):
    results, uri = store
    folder, _ = open_run(results, "stays", "run")
    mirror = Mirror(uri, "stays", results)
    mirror.client.delete_run(mirror.replay(folder))
    (folder / "mirror.json").unlink()
    assert not follow(job_of(results, "stays"), uri, lambda seconds: True)
    assert "was deleted" in capfd.readouterr().err and not mirror.client.search_runs([mirror.experiment_id])


def test_what_mlflow_refuses_of_one_run_does_not_hold_up_the_others(store, capfd):
    results, uri = store
    (odd, record), (fine, _) = (open_run(results, "refused", name) for name in ("a", "b"))
    Mirror(uri, "refused", results).replay(odd)
    record.append("start", "train", identity="i", labels={"name": "a"}, params={"N": 21})  # MLflow keeps the 20
    assert not follow(job_of(results, "refused"), uri, lambda seconds: True)
    printed = capfd.readouterr().err
    assert "a is not mirrored: MLflow refuses it" in printed and "cannot be reached" not in printed
    assert read_state(fine)["run_id"]


def test_a_stage_done_again_shows_what_has_changed_alone(store, tmp_path):
    results, uri = store
    record, mirror = write_run(tmp_path / "twice"), Mirror(uri, "twice", results)
    for accuracy in (0.5, 0.5, 0.75):
        values, curves = {"eval/accuracy": accuracy}, {"eval_curves/x": [[0, 1.0], [10, 2.0]]}
        record.append("end", "evaluate", status="done", identity="j", values=values, curves=curves)
        run_id = mirror.replay(tmp_path / "twice")
        time.sleep(0.002)  # MLflow would take two points of the same millisecond for one
    assert [m.value for m in mirror.client.get_metric_history(run_id, "eval/accuracy")] == [0.5, 0.75]
    assert [m.step for m in mirror.client.get_metric_history(run_id, "eval_curves/x")] == [0, 10]


def test_what_a_killed_mirror_left_is_removed(store, tmp_path):
    results, uri = store
    write_run(tmp_path / "left")
    (tmp_path / "left" / ".mirror.json.x.part").touch()
    Mirror(uri, "left", results).replay(tmp_path / "left")
    assert not list((tmp_path / "left").glob(".*"))


def test_a_file_that_is_not_as_recorded_is_left_out(store, tmp_path, capfd):
    results, uri = store
    record = write_run(tmp_path / "changed")
    (tmp_path / "changed" / "scores.json").write_text("[]")
    mirror = Mirror(uri, "changed", results)
    record.append("end", "evaluate", status="done", identity="i")
    run_id = mirror.replay(tmp_path / "changed")
    assert "is missing or changed since it was recorded" in capfd.readouterr().err
    assert not mirror.client.list_artifacts(run_id, "evaluation")


def test_what_a_look_at_all_runs_could_not_bring_is_noted_for_the_next(store, monkeypatch):
    results, uri = store
    folders = [open_run(results, "noted", name)[0] for name in ("a", "b")]
    for path in (results / "noted" / "open").iterdir():
        path.unlink()
    monkeypatch.setattr(Mirror, "replay", lambda self, folder: 1 / 0)
    assert not follow(job_of(results, "noted", all_runs=True), uri, lambda seconds: True)
    assert set(open_runs(results / "noted")) == set(folders)


class OneAnswer(BaseHTTPRequestHandler):
    """Notes who asks, and answers nothing of use after a while."""

    def do_GET(self):
        self.server.asked.append(self.headers.get("Authorization"))
        time.sleep(self.server.delay)
        self.send_error(500)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def odd_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneAnswer)
    server.asked, server.delay, server.handle_error = [], 0, lambda *error: None
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_slow_server_holds_up_the_end_for_the_grace_alone_and_gets_the_login(
    tmp_path, capfd, monkeypatch, odd_server
):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "someone")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    odd_server.delay = 3600
    open_run(tmp_path, "x", "run")
    follower = Follower(f"http://127.0.0.1:{odd_server.server_address[1]}", "x", tmp_path).start()
    deadline = time.monotonic() + PATIENCE
    while not odd_server.asked:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    start = time.monotonic()
    assert not follower.stop(grace=0.5) and time.monotonic() - start < PATIENCE
    printed = capfd.readouterr().err
    assert printed.count("tracking:") == 1 and "MLflow is slow and does not have everything yet" in printed
    assert odd_server.asked[0] == "Basic " + base64.b64encode(b"someone:secret").decode()


def test_a_follower_that_was_killed_is_noticed(tmp_path, capfd):
    follower = Follower(f"sqlite:///{tmp_path}/mlflow.db", "x", tmp_path).start()
    follower._process.kill()
    assert not follower.stop()
    assert "the follower was killed" in capfd.readouterr().err


def test_the_follower_of_a_workflow_that_was_killed_finishes_and_ends(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folder, record = open_run(tmp_path, "orphan", "run")
    code = (
        "import os, sys, time; from ratecore.tracking.mlflow.follow import Follower\n"
        "f = Follower(*sys.argv[1:]).start(); print(f._process.pid, flush=True); time.sleep(3600)"
    )
    command = [sys.executable, "-c", code, uri, "orphan", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as workflow:
        follower = int(workflow.stdout.readline())
        record.append("end", "train", status="done", identity="i")
        workflow.kill()
    deadline = time.monotonic() + PATIENCE  # it is nice, and others may be busy
    while Path(f"/proc/{follower}").exists() and Path(f"/proc/{follower}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.1)
    assert not open_runs(tmp_path / "orphan") and read_state(folder)["run_id"]


def test_a_dead_server_is_reported_once_and_stops_nothing(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    folder, _ = open_run(tmp_path, "x", "run")
    looks = iter([False, False, True])
    assert not follow(job_of(tmp_path, "x"), "http://me:secret@127.0.0.1:9", lambda seconds: next(looks))
    printed = capfd.readouterr().err
    assert printed.count("MLflow cannot be reached, the runs go on") == 1 and "secret" not in printed
    assert read_state(folder) == {} and folder in open_runs(tmp_path / "x")


def test_a_follower_that_hangs_is_left_behind(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "sleeper"))
    (tmp_path / "sleeper").write_text("#!/bin/sh\nexec sleep 3600\n")
    (tmp_path / "sleeper").chmod(0o755)
    start = time.monotonic()
    assert not Follower("sqlite:///x", "x", tmp_path).start().stop(grace=0.5)
    assert time.monotonic() - start < PATIENCE
    assert "the rest is replayed later" in capfd.readouterr().err
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    assert not Follower("sqlite:///x", "x", tmp_path).start().stop()
    assert "replayed later" in capfd.readouterr().err


def test_a_file_that_cannot_be_written_holds_up_one_run_alone(store, capfd):
    results, uri = store
    folders = [open_run(results, "blocked", name)[0] for name in ("a", "b")]
    (folders[0] / "mirror.json").mkdir()
    assert not follow(job_of(results, "blocked", all_runs=True), uri, lambda seconds: True)
    printed = capfd.readouterr().err
    assert "a is not mirrored: [Errno 21] Is a directory" in printed and "cannot be reached" not in printed
    assert read_state(folders[1])["run_id"]


def test_a_run_deleted_by_hand_does_not_hold_up_the_others(store, capfd):
    results, uri = store
    folders = {name: open_run(results, "deleted", name)[0] for name in ("gone", "damaged", "fine")}
    mirror = Mirror(uri, "deleted", results)
    mirror.client.delete_run(mirror.replay(folders["gone"]))
    write_run(folders["gone"])
    data = bytearray((folders["damaged"] / "record.jsonl").read_bytes())
    data[50] ^= 1
    (folders["damaged"] / "record.jsonl").write_bytes(data)
    assert not follow(job_of(results, "deleted", all_runs=True), uri, lambda seconds: True)
    printed = capfd.readouterr().err
    assert "gone is not mirrored: its MLflow run" in printed and "line 1: the checksum" in printed
    assert read_state(folders["fine"])["run_id"]


@pytest.mark.parametrize("name", ["random", "queue", "email", "json", "types", "ratecore"])
def test_a_file_of_the_users_with_the_name_of_a_module_is_not_run(tmp_path, monkeypatch, capfd, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "PYTHONPATH", ":".join(["", *filter(None, [os.environ.get("PYTHONPATH")]), ""])
    )  # "": this folder
    (tmp_path / f"{name}.py").write_text("raise SystemExit('the file of the user was run')")
    assert Follower(f"sqlite:///{tmp_path}/mlflow.db", "x", tmp_path).start().stop()
    assert capfd.readouterr().err == ""


def test_a_mirror_that_ends_by_itself_is_reported_at_once_and_in_the_end(tmp_path, capfd, monkeypatch):
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "broken").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "broken"))
    folders = [open_run(tmp_path, "x", name)[0] for name in ("a", "b")]
    follower, printed, deadline = Follower("sqlite:///x.db", "x", tmp_path).start(), "", time.monotonic() + 60
    while "tracking:" not in printed:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        printed += capfd.readouterr().err
    assert "the follower ended by itself with exit status 3; the rest is replayed later" in printed
    assert not follower.stop() and capfd.readouterr().err == ""
    assert not_mirrored(tmp_path / "x") == 2
    assert mirror_message(tmp_path / "x").startswith("\nMLflow is incomplete for 2 networks: `ratecore replay ")
    # One that has come to MLflow is not counted, whether it is still open or not.
    size = (folders[0] / "record.jsonl").stat().st_size
    write_state(folders[0], {"store": "s", "run_id": "r", "bytes": size, "open": True})
    assert not_mirrored(tmp_path / "x") == 1 and " 1 network:" in mirror_message(tmp_path / "x")
    (tmp_path / "x" / "open" / "b").unlink()
    assert not_mirrored(tmp_path / "x") == 0 and mirror_message(tmp_path / "x") == ""
    assert not_mirrored(tmp_path / "nothing") == 0

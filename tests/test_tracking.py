"""Run records survive what happens to files; MLflow mirrors them and a second replay changes nothing."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ratecore import cli
from ratecore.files import locked, write_atomic
from ratecore.tracking import Record, RecordError
from ratecore.tracking.follow import Follower, follow
from ratecore.tracking.mlflow import Mirror, is_database, metric_name, read_state, tracking_uri, without_secrets
from ratecore.tracking.queue import close, note_deaths, note_open, open_runs

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours


def test_events_come_back_in_order(tmp_path):
    record = Record(tmp_path / "deep" / "record.jsonl")
    assert record.events() == []
    record.append("start", "train", identity="a")
    record.append("metrics", "train", step=100, values={"train/loss": 1.25}, sync=True)
    record.append("end", "train", status="done")
    assert [e["event"] for e in record.events()] == ["start", "metrics", "end"]
    assert record.events()[1]["values"] == {"train/loss": 1.25}
    assert record.last("start", "train")["identity"] == "a" and record.last("end", "export") is None


def test_a_torn_last_line_is_dropped_wherever_it_is_torn(tmp_path):
    record = Record(tmp_path / "record.jsonl")
    record.append("start", "train", identity="a")
    whole = record.path.read_bytes()
    record.append("end", "train", status="done")
    both = record.path.read_bytes()
    for cut in range(len(whole), len(both)):
        record.path.write_bytes(both[:cut])
        assert [e["event"] for e in record.events()] == ["start"], cut
        record.append("end", "train", status="again")
        assert [e.get("status") for e in record.events()] == [None, "again"], cut


def test_every_flipped_bit_is_seen(tmp_path):
    record = Record(tmp_path / "record.jsonl")
    record.append("start", "train", identity="a")
    record.append("end", "train", status="done")
    data = record.path.read_bytes()
    before = record.events()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << (position % 8)
        record.path.write_bytes(flipped)
        try:
            events = record.events()
        except RecordError as error:
            assert "record.jsonl, line" in str(error)
        else:  # the newline at the end: then the last line is a torn one
            assert position == len(data) - 1 and events == before[:1]


def test_names_that_mlflow_allows():
    assert metric_name("eval/accuracy/+-") == "eval/accuracy/plus_minus"
    assert metric_name("eval/accuracy/--") == "eval/accuracy/minus_minus"
    assert metric_name("eval/output_mean/motion -") == "eval/output_mean/motion_minus"
    assert metric_name("eval/accuracy/go-nogo: a") == "eval/accuracy/go-nogo__a"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://***@host:5000/x"),
        (
            "cannot reach postgresql+psycopg://me:p@ss@db/mlflow now",
            "cannot reach postgresql+psycopg://***@db/mlflow now",
        ),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("postgresql://db/x?user=me&password=pw&a=1", "postgresql://db/x?user=***&password=***&a=1"),
    ],
)
def test_secrets_are_taken_out(text, shown):
    assert without_secrets(text) == shown


def test_which_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri("http://host", tmp_path) == "http://host"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert tracking_uri("http://host", tmp_path) == "http://other"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    return results, f"sqlite:///{results}/mlflow.db"


def write_run(folder, name="go-nogo seed=0"):
    record = Record(folder / "record.jsonl")
    record.append("start", "train", identity="i", labels={"name": name}, tags={"task": "go-nogo", "git_commit": None},
                  params={"N": 20, "taus": "4_20"})  # fmt: skip
    for step in range(100, 2600, 100):
        record.append("metrics", "train", step=step, values={"train/test_loss": 1000 / step, "train/loss": 3.0})
    sha256 = write_atomic(folder / "scores.json", b"{}")
    record.append("artifact", "evaluate", path="scores.json", sha256=sha256, folder="evaluation")
    return record


def everything(mirror, run_id):
    run = mirror.client.get_run(run_id)
    histories = {
        name: sorted((m.step, m.timestamp, m.value) for m in mirror.client.get_metric_history(run_id, name))
        for name in run.data.metrics
    }
    artifacts = sorted(f.path for f in mirror.client.list_artifacts(run_id, "evaluation"))
    return run.info.status, run.info.end_time, run.data.params, run.data.tags, histories, artifacts


def test_a_run_is_mirrored_while_it_grows_and_once(store, tmp_path):
    results, uri = store
    record = write_run(tmp_path / "one")
    mirror = Mirror(uri, "growing", results)
    assert mirror.replay(tmp_path / "nothing") is None
    run_id = mirror.replay(tmp_path / "one")
    status, _, params, tags, histories, artifacts = everything(mirror, run_id)
    assert status == "RUNNING" and params == {"N": "20", "taus": "4_20"} and tags["task"] == "go-nogo"
    assert "git_commit" not in tags
    assert [h[0] for h in histories["train/test_loss"]] == list(range(100, 2600, 100))
    assert histories["train/test_loss"][3][2] == 2.5 and artifacts == ["evaluation/scores.json"]
    record.append("end", "train", status="done", identity="i", values={"train/n_trials": 2500}, tags={"trained": True})
    assert mirror.replay(tmp_path / "one") == run_id
    first = everything(mirror, run_id)
    assert first[0] == "FINISHED" and first[3]["trained"] == "True"
    # Replays: from the state, without it, and as another process with its own Mirror.
    for _ in range(2):
        mirror.replay(tmp_path / "one")
        (tmp_path / "one" / "mirror.json").unlink()
        assert Mirror(uri, "growing", results).replay(tmp_path / "one") == run_id
    assert everything(mirror, run_id) == first
    assert len(mirror.client.search_runs([mirror.experiment_id])) == 1
    # A later stage adds to the same run, and a failure is told.
    record.append("start", "evaluate", identity="j", labels={"name": "-"})
    mirror.replay(tmp_path / "one")
    assert mirror.client.get_run(run_id).info.status == "RUNNING"
    record.append("end", "evaluate", status="broken", identity="j", tags={"error": "OSError: disk full"})
    mirror.replay(tmp_path / "one")
    run = mirror.client.get_run(run_id)
    assert run.info.status == "FAILED" and run.data.tags["error"] == "OSError: disk full"


def open_run(results, experiment, name):
    """A run of an experiment, under way, with its note among the open ones."""
    folder = results / experiment / "runs" / name
    record = write_run(folder, name)
    note_open(results / experiment, folder)
    return folder, record


def job_of(results, experiment, whole=False):
    return {"experiment": experiment, "results": str(results), "whole": whole}


def test_two_processes_that_replay_at_once_make_one_run(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folders = [open_run(tmp_path, "together", f"run{k}")[0] for k in range(3)]
    job = json.dumps(job_of(tmp_path, "together"))
    command = [sys.executable, "-m", "ratecore.tracking.follow"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, text=True)
        for _ in range(2)
    ]
    for process in processes:
        process.communicate(job + "\n", timeout=120)
        assert process.returncode == 0
    mirror = Mirror(uri, "together", tmp_path)
    assert len(mirror.client.search_runs([mirror.experiment_id])) == 3
    run_id = read_state(folders[0])["run_id"]
    assert len(mirror.client.get_metric_history(run_id, "train/loss")) == 25


def test_open_runs_are_closed_once_mlflow_has_all_of_them(store, capfd):
    results, uri = store
    (going, _), (ended, record) = (open_run(results, "open", name) for name in ("going", "ended"))
    record.append("end", "train", status="done", identity="i")
    assert follow(job_of(results, "open"), uri, lambda seconds: True)
    root = results / "open"
    assert list(open_runs(root)) == [going] and read_state(ended)["run_id"]
    # Noted again in between: not taken away.
    note_open(root, ended)
    note = open_runs(root)[ended]
    note_open(root, ended)
    close(root, ended, note)
    assert ended in open_runs(root)
    close(root, ended, open_runs(root)[ended])
    assert ended not in open_runs(root)
    # A note that leads out of the experiment, or is none, is no run.
    (root / "open" / "x").write_text('{"folder": "../../elsewhere"}')
    (root / "open" / "y").write_text("[1")
    assert list(open_runs(root)) == [going]


def test_a_run_whose_process_is_gone_is_killed_until_it_goes_on(store):
    results, uri = store
    (dead, record), (alive, _), (ended, third) = (open_run(results, "dead", k) for k in ("dead", "alive", "ended"))
    third.append("end", "train", status="done", identity="i")
    with locked(alive / "lock"):
        assert note_deaths(results / "dead") == [dead] and note_deaths(results / "dead") == []
    mirror = Mirror(uri, "dead", results)
    run_id = mirror.replay(dead)
    run = mirror.client.get_run(run_id)
    assert run.info.status == "KILLED" and run.data.tags["error"] == "its process was killed"
    record.append("start", "train", identity="i", labels={"name": "dead"})
    assert mirror.replay(dead) == run_id and mirror.client.get_run(run_id).info.status == "RUNNING"
    record.append("end", "train", status="done", identity="i", tags={"error": ""})
    mirror.replay(dead)
    assert mirror.client.get_run(run_id).info.status == "FINISHED"


def test_the_whole_database_is_made_anew_from_the_results(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("a", "b"):
        folder, record = open_run(tmp_path, "demo", name)
        record.append("end", "train", status="done", identity="i", values={"train/n_trials": 2500}, tags={"x": name})
    assert cli.main(["replay", str(tmp_path)]) == 0
    assert "demo: all of its runs are in sqlite:///" in capsys.readouterr().out
    first, second = Mirror(f"sqlite:///{tmp_path}/mlflow.db", "demo", tmp_path), f"sqlite:///{tmp_path}/again.db"
    assert cli.main(["replay", str(tmp_path / "demo"), "--uri", second]) == 0
    assert cli.main(["replay", str(tmp_path), "--uri", second]) == 0
    again = Mirror(second, "demo", tmp_path)
    shown = [
        sorted((everything(m, run.info.run_id) for run in m.client.search_runs([m.experiment_id])), key=str)
        for m in (first, again)
    ]
    assert len(shown[0]) == 2 and shown[0] == shown[1]
    assert cli.main(["replay", str(tmp_path / "nothing")]) == 2
    (tmp_path / "demo" / "tracking.json").write_text('{"uri": "postgresql://***@db/mlflow"}')
    assert cli.main(["replay", str(tmp_path)]) == 2
    assert "give the URI with its password in MLFLOW_TRACKING_URI" in capsys.readouterr().err


def test_a_second_run_of_a_late_or_mistaken_server_goes(store, tmp_path, capfd, monkeypatch):
    from mlflow.exceptions import MlflowException

    from ratecore.tracking import mlflow as mirroring

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
    tags = {mirroring.RUN_TAG: "run"}
    real(mirror.experiment_id, start_time=round(first["time"] * 1000), tags=tags)
    record.append("end", "train", status="done", identity="i", values={"train/n_trials": 2500})
    mirror.replay(folder)
    (run,) = mirror.client.search_runs([mirror.experiment_id])
    assert run.info.run_id == read_state(folder)["run_id"] and run.info.status == "FINISHED"
    assert len(mirror.client.get_metric_history(run.info.run_id, "train/loss")) == 25


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
    said = capfd.readouterr().err
    assert "a is not mirrored: MLflow refuses it" in said and "cannot be reached" not in said
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


def test_a_file_that_is_not_as_recorded_is_left_out(store, tmp_path, capfd):
    results, uri = store
    write_run(tmp_path / "changed")
    (tmp_path / "changed" / "scores.json").write_text("[]")
    mirror = Mirror(uri, "changed", results)
    run_id = mirror.replay(tmp_path / "changed")
    assert "not there as it was recorded" in capfd.readouterr().err
    assert not mirror.client.list_artifacts(run_id, "evaluation")


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"store": "x"}', "\udce4"])
def test_a_damaged_state_is_none(tmp_path, text):
    (tmp_path / "mirror.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_state(tmp_path) == {}


def test_which_stores_are_databases():
    assert is_database("sqlite:///x") and is_database("postgresql+psycopg2://a:b@c/d")
    assert not is_database("http://host:5000") and not is_database("https://host")


def test_what_a_look_at_all_runs_could_not_bring_is_noted_for_the_next(store, monkeypatch):
    results, uri = store
    folders = [open_run(results, "noted", name)[0] for name in ("a", "b")]
    for path in (results / "noted" / "open").iterdir():
        path.unlink()
    monkeypatch.setattr(Mirror, "replay", lambda self, folder: 1 / 0)
    assert not follow(job_of(results, "noted", whole=True), uri, lambda seconds: True)
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
    odd_server.delay = 600
    open_run(tmp_path, "x", "run")
    follower = Follower(f"http://127.0.0.1:{odd_server.server_address[1]}", "x", tmp_path).start()
    deadline = time.monotonic() + 60
    while not odd_server.asked:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    start = time.monotonic()
    assert not follower.stop(grace=0.5) and time.monotonic() - start < 15
    said = capfd.readouterr().err
    assert said.count("tracking:") == 1 and "MLflow is slow, not all is mirrored yet" in said
    assert odd_server.asked[0] == "Basic " + base64.b64encode(b"someone:secret").decode()


def test_a_follower_that_was_killed_is_noticed(tmp_path, capfd):
    follower = Follower(f"sqlite:///{tmp_path}/mlflow.db", "x", tmp_path).start()
    follower._process.kill()
    assert not follower.stop()
    assert "the process that mirrors was killed" in capfd.readouterr().err


def test_the_follower_of_a_workflow_that_was_killed_finishes_and_ends(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folder, record = open_run(tmp_path, "orphan", "run")
    code = (
        "import os, sys, time; from ratecore.tracking.follow import Follower\n"
        "f = Follower(*sys.argv[1:]).start(); print(f._process.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, uri, "orphan", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as workflow:
        follower = int(workflow.stdout.readline())
        record.append("end", "train", status="done", identity="i")
        workflow.kill()
    deadline = time.monotonic() + 300  # it is nice, and others may be busy
    while Path(f"/proc/{follower}").exists() and Path(f"/proc/{follower}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.1)
    assert not open_runs(tmp_path / "orphan") and read_state(folder)["run_id"]


def test_another_store_gets_everything_from_the_start(store, tmp_path):
    results, uri = store
    write_run(tmp_path / "moved")
    first = Mirror(uri, "before", results).replay(tmp_path / "moved")
    other = Mirror(uri, "after", results)
    second = other.replay(tmp_path / "moved")
    assert first != second
    assert len(other.client.get_metric_history(second, "train/loss")) == 25


def test_a_dead_server_is_said_once_and_stops_nothing(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    folder, _ = open_run(tmp_path, "x", "run")
    looks = iter([False, False, True])
    assert not follow(job_of(tmp_path, "x"), "http://me:secret@127.0.0.1:9", lambda seconds: next(looks))
    said = capfd.readouterr().err
    assert said.count("MLflow cannot be reached, the runs go on") == 1 and "secret" not in said
    assert read_state(folder) == {} and folder in open_runs(tmp_path / "x")


def test_a_follower_that_hangs_is_left_behind(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "sleeper"))
    (tmp_path / "sleeper").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "sleeper").chmod(0o755)
    start = time.monotonic()
    assert not Follower("sqlite:///x", "x", tmp_path).start().stop(grace=0.5)
    assert time.monotonic() - start < 30
    assert "the rest is replayed later" in capfd.readouterr().err
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    assert not Follower("sqlite:///x", "x", tmp_path).start().stop()
    assert "replayed later" in capfd.readouterr().err


def test_a_run_deleted_by_hand_does_not_hold_up_the_others(store, capfd):
    results, uri = store
    folders = {name: open_run(results, "deleted", name)[0] for name in ("gone", "damaged", "fine")}
    mirror = Mirror(uri, "deleted", results)
    mirror.client.delete_run(mirror.replay(folders["gone"]))
    write_run(folders["gone"])
    data = bytearray((folders["damaged"] / "record.jsonl").read_bytes())
    data[50] ^= 1
    (folders["damaged"] / "record.jsonl").write_bytes(data)
    assert not follow(job_of(results, "deleted", whole=True), uri, lambda seconds: True)
    said = capfd.readouterr().err
    assert "gone is not mirrored: its MLflow run" in said and "line 1: the checksum" in said
    assert read_state(folders["fine"])["run_id"]


def test_a_store_made_anew_gets_everything(tmp_path):
    write_run(tmp_path / "run")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    first = Mirror(uri, "x", tmp_path).replay(tmp_path / "run")
    (tmp_path / "mlflow.db").rename(tmp_path / "old.db")
    # The client keeps a connection to each file that it has seen: the new one is seen by a new process.
    code = """
import sys
from ratecore.tracking.mlflow import Mirror
mirror = Mirror(sys.argv[1], "x", sys.argv[2])
run_id = mirror.replay(sys.argv[2] + "/run")
print(run_id, len(mirror.client.get_metric_history(run_id, "train/loss")))
"""
    out = subprocess.run([sys.executable, "-c", code, uri, str(tmp_path)], capture_output=True, text=True, check=True)
    run_id, points = out.stdout.split()[-2:]
    assert run_id != first and points == "25"


def test_a_training_done_again_shows_each_point_once(store, tmp_path):
    results, uri = store
    write_run(tmp_path / "again")
    mirror = Mirror(uri, "again", results)
    mirror.replay(tmp_path / "again")
    write_run(tmp_path / "again")  # killed, and from the start once more
    run_id = mirror.replay(tmp_path / "again")
    steps = [m.step for m in mirror.client.get_metric_history(run_id, "train/loss")]
    assert steps == list(range(100, 2600, 100))

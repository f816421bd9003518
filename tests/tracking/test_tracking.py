"""Run records survive damage to files; MLflow mirrors them, and a second replay changes nothing."""

import json
import os
import subprocess
import sys
import zlib

import pandas as pd
import pytest
from conftest import PATIENCE

from ratecore import cli
from ratecore.system.files import locked, sealed_json, write_atomic
from ratecore.tracking import Record, RecordError, queue
from ratecore.tracking.mlflow.follow import follow
from ratecore.tracking.mlflow.mirror import Mirror
from ratecore.tracking.mlflow.state import read_state
from ratecore.tracking.mlflow.translation import metric_name, status_of
from ratecore.tracking.mlflow.uri import is_database, tracking_uri
from ratecore.tracking.queue import close_run, note_deaths, note_open, open_runs

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


def test_whether_a_record_has_ended_is_seen_by_its_last_complete_line(tmp_path):
    record = Record(tmp_path / "record.jsonl")
    assert not record.has_ended()
    done, point, broken = {"status": "done"}, {"step": 1, "values": {}}, {"status": "broken"}
    for event, data in (("start", {}), ("end", done), ("start", {}), ("metrics", point), ("end", broken)):
        record.append(event, "train", **data)
        assert record.has_ended() == (event == "end")
    data = record.path.read_bytes()
    record.path.write_bytes(data[:-5])  # torn: the metrics before it are the last event
    assert not record.has_ended()
    for torn in (b"0000 {", b'{"event": "start", "stage"'):
        record.path.write_bytes(data + torn)
        assert record.has_ended()
    record.path.write_bytes(data[:-9] + b"#" + data[-8:])
    with pytest.raises(RecordError, match="checksum"):
        record.has_ended()
    record.path.write_bytes(b"0")
    assert not record.has_ended()


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


OLD, NEW = "as ratecore 0.1 wrote it", "with the checksum in the JSON"


def line_of(text, form=NEW):
    """A line of a record, by the description of the format alone."""
    checksum = f"{zlib.crc32(text.encode()):08x}"
    return f"{checksum} {text}\n" if form == OLD else f'{text[:-1]}, "crc32": "{checksum}"}}\n'


START = '{"event": "start", "stage": "train", "time": 1.5, "identity": "a \\u00b5"}'
END = '{"event": "end", "stage": "train", "time": 2, "status": "done"}'


def test_other_programs_read_a_record_line_by_line(tmp_path):
    record = Record(tmp_path / "record.jsonl")
    appended = [
        record.append("start", "train", identity="a", labels={"name": "µ, }"}),
        record.append("metrics", "train", step=100, values={"loss": 1.25}),
        record.append("end", "train", status="done"),
    ]
    lines = record.path.read_text().splitlines()
    read = [json.loads(line) for line in lines]
    assert [list(event)[-1] for event in read] == ["crc32"] * 3
    for line, event in zip(lines, read, strict=True):
        checksum = event.pop("crc32")
        assert line_of(json.dumps(event)) == line + "\n" and checksum in line
    assert read == appended == record.events()  # whose events have no checksum
    table = pd.read_json(record.path, lines=True)
    assert list(table["event"]) == ["start", "metrics", "end"] and table["crc32"].map(len).eq(8).all()


def test_a_file_may_mix_lines_of_both_forms(tmp_path):
    record = Record(tmp_path / "record.jsonl")
    step = '{"event": "metrics", "stage": "train", "time": 1.7, "step": 3, "values": {}}'
    record.path.write_text(line_of(START, OLD) + line_of(step, NEW) + line_of(step, OLD) + line_of(END, OLD))
    assert record.has_ended()
    record.append("start", "export")
    record.append("end", "export")
    assert [e["event"] for e in record.events()] == ["start", "metrics", "metrics", "end", "start", "end"]
    assert [e["stage"] for e in record.events("end")] == ["train", "export"] and record.has_ended()
    assert record.last("start", "train") == json.loads(START)


@pytest.mark.parametrize("form", [OLD, NEW])
def test_every_flipped_bit_is_seen(tmp_path, form):
    record = Record(tmp_path / "record.jsonl")
    data = (line_of(START, form) + line_of(END, form)).encode()
    record.path.write_bytes(data)
    before = record.events()
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            record.path.write_bytes(flipped)
            for kind in (None, "end", "artifact"):
                try:
                    events = record.events(kind)
                except RecordError as error:
                    assert "record.jsonl, line" in str(error)
                else:  # the newline at the end: then the last line is a torn one
                    assert position == len(data) - 1 and events == (before[:1] if kind is None else [])


@pytest.mark.parametrize("form", [OLD, NEW])
def test_a_line_that_has_lost_or_gained_a_byte_is_seen(tmp_path, form):
    record = Record(tmp_path / "record.jsonl")
    line = line_of(START, form).encode()
    for position in range(len(line) - 1):
        for other in (line[:position] + line[position + 1 :], line[:position] + b"0" + line[position:]):
            record.path.write_bytes(other + line)
            if other != line:
                with pytest.raises(RecordError, match="line 1: the checksum does not match"):
                    record.events()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "}",
        " ",
        '{"crc32": "00000000"}',
        START,
        START + " ",
        line_of(START, OLD)[9:-1],
        line_of(END).upper()[:-1],
    ],
)
def test_a_line_without_its_checksum_is_damage(tmp_path, line):
    (tmp_path / "record.jsonl").write_text(line_of(START) + line + "\n" + line_of(END))
    with pytest.raises(RecordError, match=r"record.jsonl, line 2: the checksum does not match"):
        Record(tmp_path / "record.jsonl").events()


def test_names_that_mlflow_allows():
    assert metric_name("eval/accuracy/+-") == "eval/accuracy/plus_minus"
    assert metric_name("eval/accuracy/--") == "eval/accuracy/minus_minus"
    assert metric_name("eval/output_mean/motion -") == "eval/output_mean/motion_minus"
    assert metric_name("eval/accuracy/go-nogo: a") == "eval/accuracy/go-nogo__a"


def test_a_uri_with_control_characters_is_refused_and_not_shown(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ValueError, match="tracking.uri: it must be a URI without") as error:
        tracking_uri("http://me:sesame@host\n", tmp_path)
    assert "sesame" not in str(error.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host/\x1b[2J")
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI: it must be"):
        tracking_uri("http://host", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must be an object"),
        ("{", "not an event"),
        ('{"event": "end", "time": 1}', "no 'stage'"),
        ('{"event": "end", "stage": "train", "time": NaN}', "NaN is not allowed"),
        ("[" * 100_000, "not an event"),
        ('{"event": "end", "stage": "train", "time": 1, "files": ["a"]}', "'files' is list"),
        ('{"event": "metrics", "stage": "train", "time": 1, "step": 3}', "no 'values'"),
        ('{"event": "metrics", "stage": "train", "time": 1, "step": 3, "values": {"a": "b"}}', "'values' has values"),
        ('{"event": "end", "stage": "train", "time": 1, "curves": {"a": [[1]]}}', "'curves' has values"),
        ('{"event": "end", "stage": "train", "time": 1e300}', "seconds since 1970"),
    ],
    ids=lambda v: v[:40],
)
def test_a_line_with_its_checksum_is_not_yet_an_event(tmp_path, text, message):
    for form in (OLD, NEW) if text.endswith("}") else (OLD,):
        (tmp_path / "record.jsonl").write_text(line_of(text, form))
        with pytest.raises(RecordError, match=r"record.jsonl, line 1: not an event") as error:
            Record(tmp_path / "record.jsonl").events()
        assert message in str(error.value)


def test_a_record_too_large_to_read_is_named(tmp_path):
    with open(tmp_path / "record.jsonl", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(RecordError, match="record.jsonl: it has 1,099,511,627,776 bytes; at most"):
        Record(tmp_path / "record.jsonl").events()


def test_no_file_outside_the_results_is_sent(tmp_path):
    sent = []
    mirror = Mirror.__new__(Mirror)
    mirror.client = type("Client", (), {"log_artifact": lambda self, *args: sent.append(args[1])})()
    folder = tmp_path / "results" / "x" / "runs" / "a"
    folder.mkdir(parents=True)
    for path in (tmp_path / "secret", folder / "scores.json", tmp_path / "results" / "x" / "net.mat"):
        path.write_text("{}")
    (folder / "link").symlink_to(tmp_path)
    for path in (str(tmp_path / "secret"), "../../../../secret", "link/secret"):
        with pytest.raises(RecordError, match="leads out of"):
            mirror._send_artifact("id", folder, {"path": path, "sha256": "-", "folder": ""})
    assert sent == []


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
    record.append(
        "start",
        "train",
        identity="i",
        labels={"name": name},
        tags={"task": "go-nogo", "git_commit": None},
        params={"N": 20, "taus": "4_20"},
    )
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


def test_a_note_of_a_stage_that_begins_at_that_moment_stays(tmp_path, monkeypatch):
    folder, _ = open_run(tmp_path, "x", "run")
    root = tmp_path / "x"

    def closed(meanwhile):
        note = open_runs(root)[folder]
        with monkeypatch.context() as patch:
            patch.setattr(queue, "_read_note", meanwhile)
            queue.close_run(root, folder, note)
        assert [path.name for path in (root / "open").iterdir()] == ["run"]
        assert open_runs(root)[folder] != note

    real = queue._read_note
    queue.note_open(root, folder)
    closed(lambda *args: (real(*args), queue.note_open(root, folder))[0])  # noted again after the look

    old = open_runs(root)[folder]
    queue.note_open(root, folder)
    newer = open_runs(root)[folder]
    queue.close_run(root, folder, old)  # noted again before it
    assert open_runs(root)[folder] == newer
    queue.close_run(root, folder, newer)
    queue.close_run(root, folder, newer)
    assert not list((root / "open").iterdir())


@pytest.mark.parametrize("worded", [lambda text: {"error": text}, lambda text: {"tags": {"error": text}}],
                         ids=["new", "old"])  # fmt: skip
def test_a_run_stands_as_its_worst_stage_does(worded):
    def after(*ends):
        events = [{"event": "start", "stage": "train"}]
        for stage, status in ends:
            events.append({"event": "end", "stage": stage, "status": status, **worded(f"of {stage}")})
        shown, ended, error = status_of(events)
        assert ended is events[-1]
        return shown, error

    assert status_of([{"event": "start", "stage": "train"}]) == ("RUNNING", None, "")
    assert after(("train", "broken"), ("train", "done")) == ("FINISHED", "")
    assert after(("evaluate", "broken"), ("convert r~1", "done")) == ("FAILED", "evaluate: of evaluate")
    assert after(("convert r~1", "broken"), ("convert r~2", "done")) == ("FAILED", "convert r~1: of convert r~1")
    assert after(("convert r~1", "broken"), ("convert r~2", "interrupted"))[0] == "FAILED"
    assert after(("convert r~1", "done"), ("convert r~2", "killed")) == ("KILLED", "of convert r~2")
    # With another axis there is no such step any more.
    assert after(("convert r~1", "broken"), ("convert r~1/x~2", "done")) == ("FINISHED", "")
    assert after(("convert", "broken"), ("convert r~1", "done")) == ("FINISHED", "")


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
    # What another stage or variant came to does not hide it; only the same one does.
    record.append("end", "convert refractory~2", status="done", identity="k", tags={"error": ""})
    mirror.replay(tmp_path / "one")
    run = mirror.client.get_run(run_id)
    assert run.info.status == "FAILED" and run.data.tags["error"] == "evaluate: OSError: disk full"
    record.append("end", "evaluate", status="done", identity="j", tags={"error": ""})
    mirror.replay(tmp_path / "one")
    run = mirror.client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.data.tags["error"] == ""


def open_run(results, experiment, name):
    """A run of an experiment, under way, with its note among the open ones."""
    folder = results / experiment / "runs" / name
    record = write_run(folder, name)
    note_open(results / experiment, folder)
    return folder, record


def job_of(results, experiment, all_runs=False):
    return {"experiment": experiment, "results": str(results), "all_runs": all_runs}


def test_two_processes_that_replay_at_once_make_one_run(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folders = [open_run(tmp_path, "together", f"run{k}")[0] for k in range(3)]
    job = json.dumps(job_of(tmp_path, "together"))
    command = [sys.executable, "-m", "ratecore.tracking.mlflow.follow"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, text=True)
        for _ in range(2)
    ]
    for process in processes:
        process.communicate(job + "\n", timeout=PATIENCE)
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
    close_run(root, ended, note)
    assert ended in open_runs(root)
    close_run(root, ended, open_runs(root)[ended])
    assert ended not in open_runs(root)
    # A note that leads out of the experiment, or is none, is no run.
    (root / "open" / "x").write_text('{"folder": "../../elsewhere"}')
    (root / "open" / "y").write_text("[1")
    # Nor is one that a flipped bit led to another folder.
    data = bytearray((root / "open" / "going").read_bytes())
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        (root / "open" / "going").write_bytes(changed)
        assert set(open_runs(root)) <= {going}
    (root / "open" / "going").write_bytes(data)
    assert list(open_runs(root)) == [going]


def test_a_run_whose_process_is_gone_is_killed_until_it_goes_on(store):
    results, uri = store
    (dead, record), (alive, _), (_ended, third) = (open_run(results, "dead", k) for k in ("dead", "alive", "ended"))
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


def test_the_database_is_rebuilt_from_the_results(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("a", "b"):
        _folder, record = open_run(tmp_path, "demo", name)
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
    (tmp_path / "demo" / "tracking.json").write_bytes(sealed_json({"uri": "postgresql://***@db/mlflow"}))
    assert cli.main(["replay", str(tmp_path)]) == 2
    assert "give the URI with its password in MLFLOW_TRACKING_URI" in capsys.readouterr().err
    for text in (b"[]", sealed_json({"uri": 3}), b'{"uri": "x"}', b'{"uri": "x", "checksum": 3}', b"{"):
        (tmp_path / "demo" / "tracking.json").write_bytes(text)
        assert cli.main(["replay", str(tmp_path)]) == 2
        assert "tracking.json: " in capsys.readouterr().err


def test_which_stores_are_databases():
    assert is_database("sqlite:///x") and is_database("postgresql+psycopg2://a:b@c/d")
    assert not is_database("http://host:5000") and not is_database("https://host")


def test_another_store_gets_everything_from_the_start(store, tmp_path):
    results, uri = store
    write_run(tmp_path / "moved")
    first = Mirror(uri, "before", results).replay(tmp_path / "moved")
    other = Mirror(uri, "after", results)
    second = other.replay(tmp_path / "moved")
    assert first != second
    assert len(other.client.get_metric_history(second, "train/loss")) == 25


def test_a_store_rebuilt_gets_everything(tmp_path):
    write_run(tmp_path / "run")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    first = Mirror(uri, "x", tmp_path).replay(tmp_path / "run")
    (tmp_path / "mlflow.db").rename(tmp_path / "old.db")
    # The client keeps a connection to each file that it has seen: the new one is seen by a new process.
    code = """
import sys
from ratecore.tracking.mlflow.mirror import Mirror
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


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    from ratecore.system import files

    record, write, room = Record(tmp_path / "record.jsonl"), os.write, iter([10])
    record.append("metrics", "train", step=1, values={})

    def full(handle, data):
        if (left := next(room, 0)) == 0:
            raise OSError(28, "No space left on device")
        return write(handle, data[:left])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match=f"No space left on device: '{record.path}'"):
            record.append("metrics", "train", step=2, values={})
    assert [e["step"] for e in record.events()] == [1] and not record.path.read_bytes().endswith(b"\n")
    record.append("metrics", "train", step=3, values={})
    assert [e["step"] for e in record.events()] == [1, 3]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/x'"):
            files.write_atomic(tmp_path / "x", b"x")

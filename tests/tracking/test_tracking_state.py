"""The saved state of the mirror: next to each record, and for all runs in one file."""

import json
import sys

import pytest
from test_stages import CONFIG, do
from test_tracking import job_of, write_run

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.summary import summarize
from ratecore.tracking.mlflow.follow import follow
from ratecore.tracking.mlflow.state import Mirrored, read_state, write_state
from ratecore.tracking.record import Record

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours


def test_a_damaged_state_is_none(tmp_path):
    write_state(tmp_path, {"store": "s", "run_id": "r", "bytes": 123, "open": False})
    path, state = tmp_path / "mirror.json", read_state(tmp_path)
    data = path.read_bytes()
    assert state["bytes"] == 123
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        path.write_bytes(changed)
        assert read_state(tmp_path) in ({}, state), position
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mirror.json").write_bytes(data)
    assert read_state(tmp_path / "other") == {}  # it is of another run
    for text in ("[]", "3", "[" * 50_000, ""):
        path.write_text(text)
        assert read_state(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"store": "x"}', "\udce4"])
def test_what_is_no_state_is_none(tmp_path, text):
    (tmp_path / "mirror.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_state(tmp_path) == {}


def recorded(root, *names):
    """Folders of runs with a record; the bytes of each."""
    for name in names:
        Record(root / "runs" / name / "record.jsonl").append("end", "train", status="done")
    return {root / "runs" / name: (root / "runs" / name / "record.jsonl").stat().st_size for name in names}


def test_a_run_is_mirrored_as_long_as_its_record_has_not_grown(tmp_path):
    runs = recorded(tmp_path, "a", "b")
    mirrored = Mirrored(tmp_path, "store")
    for folder, size in runs.items():
        assert mirrored.run_id(folder) is None
        mirrored.add(folder, f"id of {folder.name}", size)
        assert mirrored.run_id(folder) == f"id of {folder.name}"
    mirrored.write()
    a, b = runs
    Record(a / "record.jsonl").append("start", "evaluate")
    for store in ("store", None):
        assert Mirrored(tmp_path, store).run_id(a) is None
        assert Mirrored(tmp_path, store).run_id(b) == "id of b"
    assert Mirrored(tmp_path, "another").run_id(b) is None
    (b / "record.jsonl").unlink()
    assert Mirrored(tmp_path).run_id(b) is None


def test_two_mirrors_of_one_store_keep_what_both_note_and_another_store_starts_again(tmp_path):
    (a, size), (b, size_of_b) = recorded(tmp_path, "a", "b").items()
    first, second = Mirrored(tmp_path, "store"), Mirrored(tmp_path, "store")
    assert first.run_id(a) is None and second.run_id(a) is None  # both have read the file
    first.add(a, "1", size)
    second.add(b, "2", size_of_b)
    second.write()
    first.write()
    assert [Mirrored(tmp_path, "store").run_id(folder) for folder in (a, b)] == ["1", "2"]
    other = Mirrored(tmp_path, "another")
    other.add(b, "3", size_of_b)
    other.write()
    assert [Mirrored(tmp_path).run_id(folder) for folder in (a, b)] == [None, "3"]


def test_another_store_takes_the_list_of_the_last_one_away(tmp_path):
    (a, size), *_ = recorded(tmp_path, "a").items()
    old = Mirrored(tmp_path, "store")
    old.add(a, "1", size)
    old.write()
    Mirrored(tmp_path, "store").begin()
    assert Mirrored(tmp_path).run_id(a) == "1"
    Mirrored(tmp_path, "another").begin()  # from now on the file beside the record is asked
    assert Mirrored(tmp_path).run_id(a) is None
    Mirrored(tmp_path, "another").begin()
    (tmp_path / "mirrored.json").write_text("{")
    Mirrored(tmp_path, "another").begin()
    assert not (tmp_path / "mirrored.json").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"runs": 3}', '{"store": "s", "runs": {"a": ["x", 40]}}', "[" * 50_000])
def test_what_is_no_such_file_has_no_runs(tmp_path, text):
    (a,) = recorded(tmp_path, "a")
    (tmp_path / "mirrored.json").write_text(text)
    assert Mirrored(tmp_path).run_id(a) is None
    mirrored = Mirrored(tmp_path, "s")
    mirrored.add(a, "1", 3)
    mirrored.write()
    assert json.loads((tmp_path / "mirrored.json").read_text())["runs"] == {"a": ["1", 3]}


def test_on_a_full_disk_the_mirror_goes_on(tmp_path, monkeypatch, capfd):
    def full(self):
        raise OSError(28, "No space left on device", str(self.path))

    monkeypatch.setattr(Mirrored, "write", full)
    folder = tmp_path / "full" / "runs" / "go" / "f" / "one"
    write_run(folder)
    looks = iter([False, True])
    assert follow(
        job_of(tmp_path, "full", all_runs=True), f"sqlite:///{tmp_path}/mlflow.db", lambda seconds: next(looks)
    )
    assert capfd.readouterr().err.count("mirrored.json") == 1 and read_state(folder)["run_id"]


def test_the_table_of_a_mirrored_grid_opens_one_file_a_run(tmp_path):
    """Files are counted by the interpreter's own hook, which sees every way to open one."""
    experiment = Experiment.from_config({**CONFIG, "results": str(tmp_path)})
    runs = [Run.at(experiment, experiment.grid_points[0], seed) for seed in experiment.seeds]
    for stage in ("train", "evaluate", "export"):
        do(stage, runs)
    job, uri = job_of(tmp_path, CONFIG["experiment"], all_runs=True), f"sqlite:///{tmp_path}/mlflow.db"
    assert follow(job, uri, lambda seconds: True)
    before = summarize(experiment)
    assert sorted(before["mlflow_run_id"]) == sorted(read_state(run.folder)["run_id"] for run in runs)
    opened, looking = [], True
    sys.addaudithook(lambda name, args: name == "open" and looking and opened.append(str(args[0])))
    assert summarize(experiment).equals(before)
    of_runs = [path for path in opened if "/runs/" in path]
    opened.clear()
    assert follow(job, uri, lambda seconds: True)  # looks at all runs, whose records have not grown
    looking = False
    assert sorted(of_runs) == sorted(str(run.record.path) for run in runs)
    assert not [path for path in opened if "/runs/" in path and not path.endswith("/record.jsonl")]

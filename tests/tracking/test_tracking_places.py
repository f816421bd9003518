"""Moved or copied results: the default store and its artifacts are those in the present folder."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import PATIENCE
from faults.stores import environment, free_port
from test_tracking import job_of, open_run

from ratecore import cli
from ratecore.cli.mirror import uri_of
from ratecore.system.files import sealed_json
from ratecore.tracking.mlflow.follow import follow
from ratecore.tracking.mlflow.mirror import Mirror
from ratecore.tracking.mlflow.sqlite import (
    create_file,
    file_problem,
    has_artifacts_elsewhere,
    local_path,
    refresh_statistics,
    relocate_artifacts,
    sqlite_file,
    sqlite_uri,
)
from ratecore.tracking.mlflow.state import read_state
from ratecore.tracking.mlflow.uri import is_default, stored_uri, tracking_uri
from ratecore.tracking.record import RecordError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours


@pytest.fixture(autouse=True)
def no_store_of_the_callers(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def mirrored(results, names=("a", "b"), experiment="demo"):
    """Folder, record of finished runs in the default store of a results folder."""
    runs = []
    for name in names:
        folder, record = open_run(results, experiment, name)
        record.append("end", "train", status="done", identity="i")
        runs.append((folder, record))
    assert follow(job_of(results, experiment), tracking_uri(None, results), lambda seconds: True)
    return runs


def artifact_places(file):
    """All places of artifacts that a database names."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        rows = db.execute("SELECT artifact_location FROM experiments UNION SELECT artifact_uri FROM runs")
        return [local_path(place) for (place,) in rows]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A results folder in whose default store two runs are. Tests copy it and must not change it."""
    results = tmp_path_factory.mktemp("original") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        mirrored(results)
    return results


ODD = "a %20#? folder"


@pytest.mark.parametrize("places", [("copied", "moved"), (ODD, "copied")], ids=lambda p: p[0])
def test_the_default_store_and_its_artifacts_follow_the_folder(original, tmp_path, monkeypatch, places):
    old, sent = original, []
    real = Mirror._send
    monkeypatch.setattr(Mirror, "_send", lambda self, *args: (sent.append(args[1].name), real(self, *args)))
    for number, place in enumerate(places):
        new = tmp_path / place / "results"
        new.parent.mkdir()
        before = {} if place == "moved" else {p: p.read_bytes() for p in old.rglob("*") if p.is_file()}
        old.rename(new) if place == "moved" else shutil.copytree(old, new)
        _, record = open_run(new, "demo", f"new {number}")
        record.append("end", "train", status="done", identity="i")
        assert cli.main(["replay", str(new)]) == 0
        assert sent == [f"new {k}" for k in range(number + 1)]  # what was mirrored before is not sent again
        mirror = Mirror(tracking_uri(None, new), "demo", new)
        runs = mirror.client.search_runs([mirror.experiment_id])
        assert len(runs) == 3 + number and mirror.notes == []
        for run in runs:
            place = local_path(run.info.artifact_uri)
            assert place.is_relative_to(new / "mlartifacts" / "demo") and (place / "evaluation/scores.json").is_file()
            assert [file.path for file in mirror.client.list_artifacts(run.info.run_id)] == ["evaluation"]
        assert all(place.is_relative_to(new) for place in artifact_places(new / "mlflow.db"))
        # Nothing in the new folder names the old one, and the old one is as it was.
        assert not [path for path in new.rglob("*") if path.is_file() and f"{old}/".encode() in path.read_bytes()]
        assert before == {p: p.read_bytes() for p in old.rglob("*") if p.is_file()}
        old = new


def test_no_file_of_the_results_but_the_database_names_their_place(original):
    naming = [p.name for p in original.rglob("*") if p.is_file() and str(original).encode() in p.read_bytes()]
    assert naming == ["mlflow.db"] and stored_uri(tracking_uri(None, original), original) is None


def test_a_folder_seen_by_another_path_is_not_another_folder(original, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(original)
    assert not has_artifacts_elsewhere(f"sqlite:///{link}/mlflow.db", link)
    assert is_default(f"sqlite:///{link}/mlflow.db", original)
    assert relocate_artifacts(link / "mlflow.db", link) == []


def test_a_launch_sees_that_the_database_names_the_place_it_came_from(original, tmp_path):
    new = shutil.copytree(original, tmp_path / "an other place")
    uri = f"sqlite:///{new}/mlflow.db"
    assert has_artifacts_elsewhere(uri, new) and not has_artifacts_elsewhere(uri, tmp_path)
    relocate_artifacts(new / "mlflow.db", new)
    assert not has_artifacts_elsewhere(uri, new)
    (new / "mlflow.db").write_bytes(b"damaged")
    assert not has_artifacts_elsewhere(uri, new) and not has_artifacts_elsewhere("http://server", new)


def test_a_store_given_by_its_uri_stays_where_it_is_and_keeps_its_artifacts(tmp_path, capfd):
    uri = f"sqlite:///{tmp_path}/elsewhere/mlflow.db"
    _folder, record = open_run(tmp_path / "first", "demo", "a")
    record.append("end", "train", status="done", identity="i")
    assert follow(job_of(tmp_path / "first", "demo"), uri, lambda seconds: True)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    capfd.readouterr()
    open_run(tmp_path / "second", "demo", "a")
    assert follow(job_of(tmp_path / "second", "demo"), uri, lambda seconds: True)
    printed = capfd.readouterr().err
    assert printed.count("artifacts of the experiment 'demo' go to") == 1
    assert f"{tmp_path}/first/mlartifacts/demo, outside of {tmp_path}/second" in printed
    assert stored_uri(uri, tmp_path / "first") == uri
    assert len(Mirror(uri, "demo", tmp_path / "first").client.search_runs(["1"])) == 1


def test_the_path_that_an_earlier_version_noted_is_not_gone_back_to(original, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(original, copy)
    elsewhere = tmp_path / "mlflow.db"
    elsewhere.touch()
    for noted, used in (
        (original / "mlflow.db", copy / "mlflow.db"),
        (tmp_path / "gone/mlflow.db", copy / "mlflow.db"),
        (elsewhere, elsewhere),
    ):
        (copy / "demo" / "tracking.json").write_bytes(sealed_json({"uri": f"sqlite:///{noted}"}))
        assert uri_of(copy / "demo", None) == f"sqlite:///{used}"
    (copy / "demo" / "tracking.json").write_bytes(sealed_json({"uri": None}))
    assert uri_of(copy / "demo", None) == f"sqlite:///{copy}/mlflow.db"


@pytest.mark.parametrize(
    ("place", "printed"), [("{}/mine", True), ("s3://bucket/mine", False), ("{}/results/mine", False)]
)
def test_a_place_that_somebody_chose_is_kept_and_reported_if_it_is_another_folder(original, tmp_path, place, printed):
    results, place = tmp_path / "results", place.format(tmp_path)
    shutil.copytree(original, results)
    client = Mirror(tracking_uri(None, results), "first", results).client
    client.create_experiment("chosen", artifact_location=place)
    mirror = Mirror(tracking_uri(None, results), "chosen", results)
    assert mirror.client.get_experiment(mirror.experiment_id).artifact_location == place
    assert [note.partition(" go to ")[2] for note in mirror.notes] == [f"{place}, outside of {results}"] * printed


def test_an_interrupted_change_of_the_places_leaves_them_as_they_were(original, tmp_path):
    shutil.copytree(original, tmp_path / "new")
    file = tmp_path / "new" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TRIGGER stop BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'stopped'); END")
    before = artifact_places(file)
    with pytest.raises(sqlite3.Error, match="stopped"):
        relocate_artifacts(file, tmp_path / "new")
    assert artifact_places(file) == before
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("DROP TRIGGER stop")
    assert relocate_artifacts(file, tmp_path / "new") == ["Default", "demo"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_ui_of_a_copy_shows_the_artifacts_of_the_copy(original, tmp_path):
    """Alone, before any workflow; in a folder with a space in its name."""
    results, port = tmp_path / "a copy", free_port()
    shutil.copytree(original, results)
    for path in results.glob("mlartifacts/**/scores.json"):
        path.write_text("of the copy")
    run_id = read_state(results / "demo" / "runs" / "a")["run_id"]
    command = ["make", "-o", ".venv/installed", "ui", f"BIN={Path(sys.executable).parent}", f"PORT={port}"]
    nothing = subprocess.run(
        [*command, "RESULTS=no where"], env=environment(), cwd=ROOT, capture_output=True, text=True
    )
    assert nothing.returncode and "no where/mlflow.db: no such file" in nothing.stderr
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            [*command, f"RESULTS={results}"],
            env=environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        # The address is printed when the server answers, so that the first request has an answer.
        address = f"http://127.0.0.1:{port}"
        assert f"MLflow on {address} (Ctrl-C ends it)\n" in iter(server.stdout.readline, ""), (
            tmp_path / "log"
        ).read_text()
        query = f"get-artifact?path=evaluation/scores.json&run_uuid={run_id}"
        assert urllib.request.urlopen(f"{address}/{query}", timeout=PATIENCE).read() == b"of the copy"
    finally:
        os.killpg(server.pid, 15)
        server.wait(60)
        server.stdout.close()


@pytest.mark.parametrize("name", ["a b", "a%20b", "a#b", "a?b=c", "ü"])
def test_a_uri_names_the_file_of_any_path(tmp_path, name):
    from sqlalchemy import create_engine, text

    file = tmp_path / name / "mlflow.db"
    create_file(file)
    assert sqlite_file(sqlite_uri(file)) == file
    with create_engine(sqlite_uri(file)).connect() as connection:
        connection.execute(text("CREATE TABLE x (y)"))
    assert file.stat().st_size and [path.name for path in tmp_path.iterdir()] == [name]
    assert refresh_statistics(sqlite_uri(file)) is False and not file_problem(tmp_path / "none")


def test_one_hundred_thousand_runs_are_moved_in_seconds(original, tmp_path):
    shutil.copytree(original, tmp_path / "new")
    file = tmp_path / "new" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
        copied = ["'r' || value" if c == "run_uuid" else c for c in columns]
        numbers = "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 100000)"
        db.execute(f"CREATE TEMP TABLE numbers AS {numbers} SELECT value FROM n")
        db.execute(
            f"INSERT INTO runs ({', '.join(columns)}) SELECT {', '.join(copied)} FROM "
            "(SELECT * FROM runs LIMIT 1), numbers"
        )
        db.commit()
    start = time.monotonic()
    assert relocate_artifacts(file, tmp_path / "new") == ["Default", "demo"]
    assert time.monotonic() - start < 60
    with contextlib.closing(sqlite3.connect(file)) as db:
        there = db.execute("SELECT count(*) FROM runs WHERE artifact_uri LIKE ?", [f"{tmp_path}/new/%"]).fetchone()
    assert there == (100_002,)


@pytest.mark.parametrize("place", ["../other/results", "results", "../work/./results"])
def test_results_seen_from_the_working_folder_are_mirrored_and_lead_nowhere_else(tmp_path, monkeypatch, place):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    folder, record = open_run(Path(place), "demo", "a")
    Path(place, "demo/note.txt").write_text("of all runs")
    Path(place, "secret.txt").write_text("of nobody")
    up = os.path.relpath(Path(place, "demo"), folder)
    sha256 = {
        name: hashlib.sha256(Path(place, name).read_bytes()).hexdigest() for name in ("demo/note.txt", "secret.txt")
    }
    record.append("artifact", "train", path=f"{up}/note.txt", sha256=sha256["demo/note.txt"], folder="")
    mirror = Mirror(f"sqlite:///{tmp_path}/mlflow.db", "demo", place)
    run_id = mirror.replay(folder)
    assert "note.txt" in [file.path for file in mirror.client.list_artifacts(run_id)]
    record.append("artifact", "train", path=f"{up}/../secret.txt", sha256=sha256["secret.txt"], folder="")
    with pytest.raises(RecordError, match="leads out of"):
        mirror.replay(folder)

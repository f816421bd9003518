"""Hostile records, notes, configurations and environments, and passwords that must not be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

from faults.hostile import Place, case
from ratecore import cli
from ratecore.cli.mirror import uri_of
from ratecore.experiment.grid import Experiment
from ratecore.experiment.summary import summarize
from ratecore.settings.base import SettingsError
from ratecore.settings.network import NetworkSettings
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import RunSettings
from ratecore.system.files import sealed_json
from ratecore.tracking.mlflow.mirror import Mirror
from ratecore.tracking.mlflow.state import read_state
from ratecore.tracking.mlflow.uri import tracking_uri
from ratecore.tracking.queue import note_deaths, open_runs
from ratecore.tracking.record import LARGEST, Record, RecordError

PASSWORD = "sesame/1@x"  # letters that must be encoded in a URI, and often are not

# --------------------------------------------------------------------------------------------- records and notes


def _outside(place: Place) -> list[str]:
    """Returns paths outside the results: absolute, upwards, and through a link in the results."""
    secret = place.outside / "secret.txt"
    secret.write_text("secret")
    place.laid.append(secret)
    link = place.experiment.root / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(place.outside)
    up = os.path.relpath(secret, place.experiment.root)
    return [str(secret), up, "link/secret.txt"]


class _Client:
    """A stand-in for MLflow's client that accepts nothing."""

    def log_artifact(self, *args):
        raise AssertionError(f"a file was sent to MLflow: {args}")


@case
def record_artifacts_outside(place):
    run = place.runs[0]
    mirror = Mirror.__new__(Mirror)
    mirror.client = _Client()
    for path in _outside(place):
        path = path if path.startswith("/") else os.path.relpath(run.root / path, run.folder)
        event = {"event": "artifact", "path": path, "sha256": "-", "folder": "model"}
        place.refused(
            lambda e=event: mirror._send_artifact("id", run.folder, e), RecordError, "record.jsonl", "leads out"
        )


@case
def record_files_outside(place):
    run = place.runs[0]
    end = run.outcome("train")
    for path in _outside(place):
        run.record.append("end", "train", **{**_rest(end), "files": {path: "0" * 64}})
        place.refused(lambda: run.outcome("train"), RecordError, "record.jsonl", "leads out")
    export = run.outcome("export")
    run.record.append("end", "export", **{**_rest(export), "mat": str(place.outside / "secret.txt")})
    run.record.append("end", "train", **_rest(end))
    place.refused(lambda: summarize(place.experiment), RecordError, "record.jsonl", "leads out")


def _rest(event: dict) -> dict:
    return {key: value for key, value in event.items() if key not in ("event", "stage", "time")}


@case
def record_lines_that_are_no_events(place):
    texts = [
        "[]",
        "3",
        "{}",
        '{"event": "end", "stage": "train", "time": NaN}',
        "[" * 100_000,
        '{"event": "end", "stage": "train", "time": 1, "files": ["/etc/passwd"]}',
        '{"event": "metrics", "stage": "train", "time": 1, "step": 1}',
        '{"event": "metrics", "stage": "train", "time": 1, "step": 1, "values": {"train/loss": "low"}}',
        '{"event": "artifact", "stage": "train", "time": 1, "path": 3, "sha256": "", "folder": ""}',
    ]
    for text in texts:
        record = Record(place.folder / "record.jsonl")
        checksum = f"{zlib.crc32(text.encode()):08x}"
        for line in (f'{text[:-1]}, "crc32": "{checksum}"}}', f"{checksum} {text}"):
            record.path.write_bytes(f"{line}\n".encode())
            place.refused(record.events, RecordError, "record.jsonl, line 1")


@case
def record_of_a_gigabyte(place):
    record = Record(place.folder / "record.jsonl")
    with open(record.path, "wb") as file:
        file.truncate(LARGEST + 1)
    place.refused(record.events, RecordError, "record.jsonl", "at most")
    with open(place.folder / "mirror.json", "wb") as file:
        file.truncate(2**32)
    assert read_state(place.folder) == {}


@case
def notes_that_lead_outside(place):
    root = place.experiment.root
    before = set(open_runs(root))
    bad = place.outside / "run"
    bad.mkdir()
    place.laid += [bad, bad / "record.jsonl"]
    Record(bad / "record.jsonl").append("start", "train", identity="i", labels={"name": "x"})
    _outside(place)
    for k, folder in enumerate([str(bad), "../../outside/run", "link/run", "a\0b", 3, None, "", ".", "x" * 5000]):
        (root / "open" / ("run" if k < 3 else f"note{k}")).write_bytes(sealed_json({"folder": folder, "token": 1}))
        note_deaths(root)
        assert set(open_runs(root)) == before, folder
    (root / "open" / "deep").write_text('{"folder": ' + "[" * 30_000)
    with open(root / "open" / "large", "wb") as file:
        file.truncate(2**33)
    assert set(open_runs(root)) == before and len(Record(bad / "record.jsonl").events()) == 1
    assert not (bad / "lock").exists()


# --------------------------------------------------------------------------------------------- the configuration


def _refused_config(place: Place, config: dict, *words: str) -> None:
    place.refused(lambda: Experiment.from_config({"experiment": "x", **config}), SettingsError, *words)


@case
def config_paths(place):
    for name in ("../x", "/etc", "a/b", "..", ".", "", "a\n", "x" * 300, "-rf", "a\0b"):
        _refused_config(place, {"experiment": name}, "experiment")
    _refused_config(place, {"results": "a\0b"}, "results")
    for task in ("../x", "/etc/passwd", "xor/../../x"):
        _refused_config(place, {"task": task}, "unknown task")
        _refused_config(place, {"grid": {"task": [task]}}, "unknown task")
    for axis, value in {"activation": "../x", "taus": ["../x"], "w_dist": "/etc", "task_settings.T": "../200"}.items():
        _refused_config(place, {"grid": {axis: [value]}}, axis.rpartition(".")[2])
    _refused_config(place, {"task_settings": {"../x": {"T": 100}}}, "is no task")
    _refused_config(place, {"task_file": "a\0b"}, "task_file")


@case
def config_of_absurd_size(place):
    for grid in (
        {"seed": "0..99999999999"},
        {"seed": "0..9" + "9" * 5000},
        {"N": [10**30]},
        {"N": [10**9], "som_N": [1]},
        {"task_settings.T": [1e300]},
        {"eval_tr": [10**5000]},
    ):
        _refused_config(place, {"grid": grid}, "")
    many = {f"task_settings.{key}": list(range(1, 400)) for key in ("T", "stim_on", "stim_dur")}
    _refused_config(place, {"grid": many}, "63,521,199 grid points", "1,000,000")
    _refused_config(
        place, {"grid": {"gain": [float(k) for k in range(1, 1001)], "seed": "0..99999"}}, "100,000,000 runs"
    )


@case
def yaml_that_runs_code(place):
    path = place.folder / "config.yaml"
    for text in (
        f"experiment: !!python/object/apply:os.system ['touch {place.ran}']",
        "a: !!python/name:os.system",
        f"!!python/object/new:os.system ['touch {place.ran}']",
    ):
        path.write_text(text)
        place.refused(lambda: load_yaml(path), SettingsError, "config.yaml", "not a readable YAML")


@case
def yaml_bombs(place):
    path = place.folder / "config.yaml"
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    for key in ("experiment", "seeds_per_job", "grid", "network"):
        path.write_text("\n".join([*lines, f"{key}: *a11"]))
        place.refused(lambda: Experiment.from_yaml(path), SettingsError, "values")
    path.write_text("grid: &a {N: *a}\nexperiment: x")
    place.refused(lambda: Experiment.from_yaml(path), SettingsError, "nested")
    for text in ("[" * 100_000, "grid: " + "{a: " * 5000, "N: " + "9" * 5000, "a: 2026-02-31"):
        path.write_text(text)
        place.refused(lambda: load_yaml(path), SettingsError, "config.yaml")
    with open(path, "wb") as file:
        file.truncate(2**34)
    place.refused(lambda: load_yaml(path), SettingsError, "config.yaml", "at most")


@case
def settings_without_a_file(place):
    for values in ({"N": -1}, {"N": 10**9}, {"som_N": 5, "N": 3}, {"taus": [0.0]}, {"taus": [float("nan"), 3.0]}):
        place.refused(lambda v=values: NetworkSettings(**v), SettingsError, next(iter(values)))
    for T in (float("inf"), float("nan"), 10**12, -5, "long", None, True):
        place.refused(lambda T=T: RunSettings(task="xor").create_task().__class__({"T": T}), ValueError, "xor: T = ")


# ------------------------------------------------------------------------------------- environment and secrets


@case
def environment_with_control_characters(place):
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    for uri in (
        "sqlite:///a\x00b",
        f"http://me:{PASSWORD}@host\nfake: line",
        "http://host/\x1b[2J",
        "http://host/\u2028x",
    ):
        place.refused(lambda u=uri: tracking_uri(u, place.folder), ValueError, "tracking.uri", "control")
        if "\0" not in uri:  # not allowed in an environment
            os.environ["MLFLOW_TRACKING_URI"] = uri
            place.refused(lambda: tracking_uri("x", place.folder), ValueError, "MLFLOW_TRACKING_URI", "control")
            del os.environ["MLFLOW_TRACKING_URI"]


@case
def state_of_the_tracking(place):
    path = place.experiment.root / "tracking.json"
    for text in (b"[]", sealed_json({"uri": 3}), b"[" * 60_000, b'{"uri": "x", "checksum": 3}', b"x" * 2**17, b""):
        path.write_bytes(text)
        place.refused(lambda: uri_of(place.experiment.root, None), ValueError, "tracking.json")


@case
def passwords_in_the_configuration(place):
    uri = f"http://me:{PASSWORD}@host/x"
    query = f"x?password={PASSWORD}"
    configs = [{"tracking": uri}, {"tracking": {"url": uri}}, {"tracking": [uri]}, {uri: 1}, {"grid": {"N": [uri]}},
               {"experiment": uri}, {"tracking": {"uri": [uri]}}, {"device": query}]  # fmt: skip
    for config in configs:
        _refused_config(place, config, "")


def _follows(place: Place, uri: str, *how: str) -> str:
    """Returns the output of the follower when the store cannot be reached."""
    job = {"experiment": "faults", "results": str(place.experiment.root.parent), "all_runs": True}
    env = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "PYTHONPATH": str(Path(cli.__file__).parents[2]),
    }
    command = [sys.executable, *(how or ("-m", "ratecore.tracking.mlflow.follow"))]
    done = subprocess.run(command, input=json.dumps(job) + "\n", env=env, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr


def _no_password(place: Place, text: str, *spellings: str) -> None:
    files = [path for path in place.experiment.root.parent.rglob("*") if path.is_file() and not path.is_symlink()]
    for where, data in [("what was written", text.encode()), *((str(path), path.read_bytes()) for path in files)]:
        for spelling in spellings:
            assert spelling.encode() not in data, f"{spelling} in {where}: {data[:2000]!r}"


@case
def passwords_of_a_server(place):
    uri = "http://me:sesame%2F1%40x@127.0.0.1:9/y?token=sesame-2"
    _no_password(place, _follows(place, uri), "sesame", "MLFLOW_TRACKING_URI")


@case
def passwords_of_a_database(place):
    uris = [
        f"postgresql://me:{PASSWORD}@127.0.0.1:9/y",
        "postgresql://127.0.0.1:9/y?user=me&password=sesame-2",
        "nonsense+driver://me:sesame%31@host/y",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dsesame-3",
    ]
    # All in one process, without MLflow's pauses, which retry a database for minutes.
    code = """import json, os, sys, time
from ratecore.system.redaction import redact_output
from ratecore.tracking.mlflow.follow import follow
time.sleep = lambda seconds: None
redact_output()
job = json.loads(sys.stdin.readline())
for uri in sys.argv[1:]:
    os.environ["MLFLOW_TRACKING_URI"] = uri
    assert not follow(job, uri, lambda seconds: True)
sys.exit(1)"""
    printed = _follows(place, uris[0], "-c", code, *uris)
    assert printed.count("MLflow cannot be reached") == len(uris), printed
    _no_password(place, printed, "sesame")

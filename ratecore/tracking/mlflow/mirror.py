"""MLflow as a mirror of run records: one MLflow run for each network; replaying a record again changes nothing.

`mlflow` is imported when it is first needed, since that takes seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sys
from pathlib import Path

from ratecore.system.files import inside, locked, open_to_lock, sha256_of
from ratecore.system.redaction import without_secrets
from ratecore.system.surroundings import ensure_home_and_name
from ratecore.tracking.mlflow.sqlite import (
    ARTIFACTS,
    artifact_location,
    local_path,
    make_tables,
    same_folder,
    sqlite_file,
    take_artifacts_along,
)
from ratecore.tracking.mlflow.state import Deleted, Mirrored, read_state, write_state
from ratecore.tracking.mlflow.uri import is_database, is_default
from ratecore.tracking.mlflow.uri import tracking_uri as tracking_uri
from ratecore.tracking.record import LARGEST, Record, RecordError

RUN_TAG = "ratecore.run"  # the run's identity, for people
# With the identity behind it, the key of a tag that one run alone has. Databases keep an index of keys and none of
# values: so the MLflow run of a network is found at once, however many there are. The UI hides what begins so.
RUN_KEY = "mlflow.ratecore.run."
KEYED = "ratecore.keyed"  # tag of an experiment all of whose runs have such a key
STATUS = {"done": "FINISHED", "interrupted": "KILLED", "killed": "KILLED"}  # of an `end`; all others are FAILED
BATCH = 1000  # entries that MLflow takes in one call
# A tracking server must never hold up an exit for minutes; what it misses is replayed later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def tags_of(identity: str) -> dict[str, str]:
    """The tags by which the MLflow run of a network is found."""
    return {RUN_TAG: identity, f"{RUN_KEY}{identity}": identity}


class GoneError(RuntimeError):
    """A run that was deleted in MLflow by hand."""


class RefusedError(RuntimeError):
    """Something of a run that MLflow does not take, however often it is sent."""


class Mirror:
    """An MLflow experiment and the means to bring runs into it.

    Args:
        uri: tracking URI.   experiment: name of the MLflow experiment; made when it is not there.
        results: folder of all results; artifacts go to `mlartifacts` in it when the store is a database without a
            server, which would take them.

    Attributes:
        notes: what people should know about the store, one sentence each.

    Raises:
        MlflowException: the store cannot be reached.
    """

    def __init__(self, uri: str, experiment: str, results):
        ensure_home_and_name()
        from mlflow.tracking import MlflowClient

        database, default = is_database(uri), is_default(uri, results)
        self.root, self.notes = Path(results, experiment), []
        place = Path(results).resolve() / ARTIFACTS / experiment
        # The first client of a database makes its tables, which two processes at once would break.
        with locked(Path(results) / ".mlflow.lock") if database else contextlib.nullcontext():
            if file := sqlite_file(uri):
                make_tables(file)
                uri += f"{'&' if 'uri=true' in uri else '?'}timeout=60" * ("timeout=" not in uri)
            self.client = MlflowClient(uri)
            if default:
                take_artifacts_along(file, results)
            # The default store is the same one after its folder was moved or copied.
            name = "mlflow.db in the results folder" if default else without_secrets(uri)
            found = self._take_experiment(experiment, artifact_location(place) if database else None, name)
        if database:
            self._note_artifacts_elsewhere(found, place, default)
        self.mirrored = Mirrored(self.root, self.store)
        self.mirrored.begin()

    def _note_artifacts_elsewhere(self, experiment, place: Path, default: bool) -> None:
        """Notes that artifacts go to another folder than that of these results, unless somebody chose that folder."""
        folder = local_path(experiment.artifact_location)
        if folder is None or folder.is_relative_to(place.parents[1]) or same_folder(folder, place):
            return
        if default or folder.parts[-2:] == place.parts[-2:]:
            where = f"go to {folder}, outside of {place.parents[1]}"
            self.notes.append(f"artifacts of the experiment '{experiment.name}' {where}")

    def _take_experiment(self, experiment: str, place: str | None, store: str):
        """The experiment, made or restored if need be."""
        from mlflow.exceptions import MlflowException

        found, new = self.client.get_experiment_by_name(experiment), False
        if found is None:
            try:
                self.client.create_experiment(experiment, place, tags={KEYED: "yes"})
                new = True
            except MlflowException:  # another process made it in between
                pass
            found = self.client.get_experiment_by_name(experiment)
            if found is None:
                raise LookupError(f"MLflow has no experiment '{experiment}', although it was asked to make it")
        self.experiment_id = found.experiment_id
        # Names the store in the state beside each record: another store, or this one made anew, gets everything.
        key = f"{store}|{self.experiment_id}|{found.creation_time}"
        self.store = hashlib.sha256(key.encode()).hexdigest()[:16]
        self.deleted = Deleted(self.root, self.store)
        if found.lifecycle_stage == "deleted":
            self._restore(experiment)
        self._keyed = new or KEYED in found.tags
        if not self._keyed and not self._search("", max_results=1):  # made by hand, and empty
            self.client.set_experiment_tag(self.experiment_id, KEYED, "yes")
            self._keyed = True
        return found

    def _restore(self, experiment: str) -> None:
        """Restores an experiment that was deleted; MLflow restores its runs with it, also those deleted before it."""
        self.client.restore_experiment(self.experiment_id)
        again = sum(self._delete_again(run_id) for run_id in self.deleted.run_ids())
        kept = f"; {again} of them, deleted before it, stay deleted" if again else ""
        self.notes.append(f"the experiment '{experiment}' was deleted in MLflow and is restored with its runs{kept}")

    def _delete_again(self, run_id: str) -> bool:
        """Deletes a run, unless there is none to delete."""
        from mlflow.exceptions import MlflowException

        try:
            if self.client.get_run(run_id).info.lifecycle_stage != "active":
                return False
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # by now it is deleted for good
                return False
            raise
        self.client.delete_run(run_id)
        return True

    def note_deleted(self) -> None:
        """Notes which runs are deleted now, for a later `_restore`."""
        from mlflow.entities import ViewType

        found, token = [], None
        while True:
            page = self.client.search_runs([self.experiment_id], "", ViewType.DELETED_ONLY, 1000, page_token=token)
            found += [run.info.run_id for run in page]
            if not (token := page.token):
                break
        self.deleted.write(found)

    def _search(self, text: str, **limits) -> list:
        """Runs of the experiment, deleted ones too."""
        from mlflow.entities import ViewType

        return self.client.search_runs([self.experiment_id], text, run_view_type=ViewType.ALL, **limits)

    def replay(self, folder) -> str | None:
        """Brings what the record of one run says, and MLflow has not yet, into MLflow.

        Args:
            folder: of the run.

        Returns:
            the MLflow run's id; None when nothing is recorded yet.

        Raises:
            RecordError, GoneError, RefusedError: about this run alone.
            Exception: whatever MLflow raises about a server that does not answer.
        """
        folder = Path(folder)
        if whole := self._whole(folder):
            return whole["run_id"]
        with _record_locked(folder / "record.jsonl") as data:
            if not data:
                return None
            state = read_state(folder)
            if state.get("store") != self.store or state["bytes"] > len(data):
                state = {"store": self.store, "run_id": None, "bytes": 0}
            end = data.rfind(b"\n") + 1
            if end > state["bytes"]:
                every = Record(folder / "record.jsonl").parse(data[:end])
                run_id = self._find_or_create(folder, every[0], state["run_id"])
                if run_id != state["run_id"]:
                    state |= {"run_id": run_id, "bytes": 0}
                sent = data.count(b"\n", 0, state["bytes"])
                with _refusals():
                    self._send(run_id, folder, every[:sent], every[sent:])
                state["bytes"], state["open"] = end, every[-1]["event"] != "end"
                for left in folder.glob(".mirror.json.*.part"):  # by a mirror that was killed: the lock is ours
                    left.unlink(missing_ok=True)
                write_state(folder, state)
            return state["run_id"]

    def _whole(self, folder: Path) -> dict | None:
        """The state of a run whose record is as long as it was when it was replayed last."""
        state = read_state(folder)
        try:
            size = (folder / "record.jsonl").stat().st_size
        except FileNotFoundError:
            return None
        return state if state.get("store") == self.store and state["bytes"] == size else None

    def has_all(self, folder) -> bool:
        """Whether MLflow has the whole record of a run, and no stage of it is under way."""
        if self.mirrored.run_id(folder):
            return True
        state = self._whole(Path(folder))
        if state is None or state.get("open", True):
            return False
        self.mirrored.add(folder, state["run_id"], state["bytes"])
        return True

    def _find_or_create(self, folder: Path, first: dict, known: str | None) -> str:
        """The id of the run's one MLflow run, made when there is none.

        A server that answered too late, or with an error although it had done what it was asked to, may have made a
        second run: the oldest stays, for whoever looks.
        """
        key = f"{RUN_KEY}{folder.name}" if self._keyed else RUN_TAG  # without keys, all runs are looked through
        found = self._search(f"tags.`{key}` = '{folder.name}'")
        there = sorted((run.info.start_time, run.info.run_id) for run in found if run.info.lifecycle_stage != "deleted")
        for _, second in there[1:]:
            self.client.delete_run(second)
        if there:
            return there[0][1]
        if found or known:
            raise GoneError(f"its MLflow run {known or found[0].info.run_id} was deleted")
        tags = {**tags_of(folder.name), "mlflow.source.type": "JOB", "mlflow.source.name": "ratecore"}
        name = first.get("labels", {}).get("name", folder.name)
        with _sent_once():
            run = self.client.create_run(self.experiment_id, start_time=_milliseconds(first), tags=tags, run_name=name)
        return run.info.run_id

    def _send(self, run_id: str, folder: Path, before: list[dict], events: list[dict]) -> None:
        """Sends events; those `before` them were sent already."""
        from mlflow.entities import Metric, Param, RunTag

        metrics, params, tags, artifacts, known = [], {}, {}, {}, _points(before)
        for event in events:
            when = _milliseconds(event)
            params |= event.get("params", {})
            tags |= event.get("tags", {})
            # A stage that is done again has the same points; MLflow would show each twice.
            news = {point: value for point, value in _points_of(event).items() if _is_new(event, point, value, known)}
            known |= news
            metrics += [Metric(metric_name(name), value, when, step) for (name, step), value in news.items()]
            if event["event"] == "artifact":
                artifacts[event["path"]] = event  # of a file that was written again, the newest
        every = [*before, *events]
        status, ended, error = standing(every)
        if ended and any("error" in event.get("tags", {}) for event in every):
            tags["error"] = error
        for event in artifacts.values():
            # What a stage under way has changed since, as the conversion does a .mat, it will record again.
            self._send_artifact(run_id, folder, event, under_way=events[-1]["event"] != "end")
        for k in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[k : k + BATCH])
        params = [Param(key, str(value)) for key, value in params.items()]
        tags = [RunTag(key, str(value)) for key, value in tags.items() if value is not None]
        for k in range(0, max(len(params), len(tags)), 100):
            self.client.log_batch(run_id, params=params[k : k + 100], tags=tags[k : k + 100])
        if ended:
            self.client.set_terminated(run_id, status=status, end_time=_milliseconds(ended))
        else:
            self.client.update_run(run_id, status=status)

    def _send_artifact(self, run_id: str, folder: Path, event: dict, under_way: bool = False) -> None:
        path = folder / event["path"]
        root = next((place.parent for place in folder.parents if place.name == "runs"), folder)
        try:
            inside(root.absolute(), path.absolute())  # both may be seen from the working folder: `results: ../x`
        except ValueError as error:  # a record that would send any file of this machine to the server
            raise RecordError(f"{folder / 'record.jsonl'}: {error}") from None
        if path.is_file() and sha256_of(path) == event["sha256"]:
            self.client.log_artifact(run_id, str(path), event["folder"] or None)
        elif not under_way:
            print(f"tracking: {path} is not there as it was recorded; it is left out of MLflow", file=sys.stderr)


def standing(events: list[dict]) -> tuple[str, dict | None, str]:
    """What MLflow is to show of a run: its status, the `end` by which it ended (None while it runs), and the error.

    A stage that ended well says nothing of one that broke before, be it of another variant: the run stays FAILED, with
    that error, until the broken stage is done, or is done with other axes than it had.
    """
    last = next((e for e in reversed(events) if e["event"] in ("start", "end")), None)
    if last is None or last["event"] == "start":
        return "RUNNING", None, ""
    seen, axes, undone = set(), {}, []
    for event in reversed(events):
        if event["event"] != "end" or event["stage"] in seen:
            continue
        seen.add(event["stage"])
        stage, columns = _axes_of(event["stage"])
        of_newest = axes.setdefault(stage, columns)
        if event["status"] != "done" and columns == of_newest:
            undone.append(event)
    if not undone:
        return STATUS["done"], last, ""
    # What broke says more than what was interrupted.
    newest = next((event for event in undone if event["status"] not in STATUS), undone[0])
    error = str(newest.get("tags", {}).get("error", ""))
    return STATUS.get(newest["status"], "FAILED"), last, error if newest is last else f"{newest['stage']}: {error}"


def _axes_of(step: str) -> tuple[str, tuple[str, ...]]:
    """The stage and the axes of a step: 'convert', ('refractory',) of 'convert refractory~2'."""
    stage, _, variant = step.partition(" ")
    return stage, tuple(part.partition("~")[0] for part in variant.split("/") if part)


def _points_of(event: dict) -> dict:
    """(name, step): value of everything in an event that is a number over steps."""
    points = {(name, event.get("step", 0)): value for name, value in event.get("values", {}).items()}
    return points | {(name, step): v for name, curve in event.get("curves", {}).items() for step, v in curve}


def _points(events: list[dict]) -> dict:
    """The points that were sent with these events."""
    known = {}
    for event in events:
        known |= {p: value for p, value in _points_of(event).items() if _is_new(event, p, value, known)}
    return known


def _is_new(event: dict, point: tuple, value: float, known: dict) -> bool:
    """Whether a point is to be sent: of a training curve each step once, of all else what has changed."""
    return point not in known or (event["event"] != "metrics" and known[point] != value)


@contextlib.contextmanager
def _sent_once():
    """MLflow does not repeat a request by itself: a repeated request for a run makes a second one."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ[name]
    os.environ[name] = "0"
    try:
        yield
    finally:
        os.environ[name] = before


@contextlib.contextmanager
def _refusals():
    """Turns MLflow's errors about what was sent into a RefusedError, unlike those about a server in trouble."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
            raise RefusedError(f"MLflow refuses it: {error}".splitlines()[0]) from error
        raise


def _milliseconds(event: dict) -> int:
    return round(event["time"] * 1000)


def metric_name(name: str) -> str:
    """The name with what MLflow does not allow spelled out: 'eval/accuracy/+-' is 'eval/accuracy/plus_minus'."""
    words = re.sub(r"([+-])(?=[+-])", r"\1_", name)
    words = re.sub(r"(?<![A-Za-z0-9])-|-$", "minus", words.replace("+", "plus"))
    return re.sub(r"[^\w ./-]", "_", words).replace(" ", "_")


@contextlib.contextmanager
def _record_locked(path: Path):
    """The bytes of a record, while no other process mirrors it; b'' when there is none."""
    try:
        handle = open_to_lock(path, create=False)
    except FileNotFoundError:
        yield b""
        return
    with open(handle, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if (size := os.fstat(file.fileno()).st_size) > LARGEST:
            raise RecordError(f"{path}: it has {size:,} bytes; at most {LARGEST:,} are read")
        yield file.read()

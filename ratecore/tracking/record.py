"""The run record: an append-only file beside a run's results that says everything that happened to the run.

Each line is a CRC-32 of the rest, a space and one event as JSON. A last line that a crash tore is dropped; any other
line that does not match its checksum is an error that names it.

Events (all have `event`, `stage` and `time`, in seconds since 1970; a stage that is done for variants of a network has
the variant in its name, `convert refractory~2`):

- `start`: a stage begins; `identity`, `labels` (name of the run, of the grid and of its grid point), `grid_point` (its
  number), the stage's `settings`, and for training the task's `task_settings` with their defaults and `provenance`.
- `metrics`: `step` and `values`, numbers by name: a test during training has its trial, `loss`, `test_loss` and
  `test_accuracy`.
- `artifact`: a file of the run; `path` (relative to the run's folder), `sha256`.
- `end`: a stage ends; `identity`, `status`, its results and files, and the `error` if there was one. `done` and
  `failed` (a loss that is not finite) are final; `broken`, `interrupted` (told to end) and `killed` (found dead) are
  tried again.

Results are scientific values, each once and under one name:

- of training `trained`, `n_trials`, `seconds`, `device`, `no_gpu` (why it was trained on the CPU);
- of an evaluation `accuracy`, `loss`, `n_trials`; `conditions`, by name, with the curves `output_mean` and `output_sd`
  as [[step, value], ...]; `psychometric`, rows as in `Evaluation.psychometric`;
- of an export `mat` and `pth`;
- of a conversion `lambda`, `spiking_accuracy`, `ci_low`, `ci_high`, `mean_rate_exc`, `mean_rate_inh` (1/s) and
  `search`, [[lambda, accuracy], ...]; or `skipped`, with the reason.

Older records also hold what MLflow shows: `params`, `tags`, `values` and `curves` of a stage, a `folder` of an artifact
and `train/` before the names of a test. Such lines are still read, also before newer ones in a file.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from pathlib import Path

from ratecore.system.files import read_bounded

LARGEST = 2**28  # bytes of a record that are read; one of 100,000 tests has a tenth of it
_NUMBER = (int, float)
# What is in an event when it is there. Who wrote a line decides its checksum, so that alone makes no event of it.
_KINDS = {
    **dict.fromkeys(("event", "stage", "identity", "status", "path", "sha256", "folder", "mat", "pth", "error",
                     "device", "code_hash", "figures_hash", "skipped", "no_gpu"), str),
    **dict.fromkeys(("time", "accuracy", "loss", "seconds", "lambda", "spiking_accuracy", "ci_low", "ci_high",
                     "mean_rate_exc", "mean_rate_inh"), _NUMBER),
    **dict.fromkeys(("step", "n_trials", "grid_point"), int),
    **dict.fromkeys(("values", "curves", "params", "tags", "labels", "files", "reads", "settings", "task_settings",
                     "provenance", "conditions"), dict),
    **dict.fromkeys(("psychometric", "search"), list),
}  # fmt: skip
_OF_VALUES = {"values": _NUMBER, "labels": str, "files": str, "reads": str, "curves": list, "conditions": dict}
_NEEDED = {"metrics": ("step", "values"), "artifact": ("path", "sha256")}


class RecordError(ValueError):
    """A record whose lines cannot be trusted; the message names the file and the line."""


class Record:
    """The record of one run.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path):
        self.path = Path(path)

    def append(self, event: str, stage: str, *, sync: bool = False, **data) -> dict:
        """Adds one event in one write; `sync` waits until it is on disk. Returns the event.

        Raises:
            OSError: names the file and why it cannot be written, as on a full disk.
        """
        whole = {"event": event, "stage": stage, "time": round(time.time(), 3), **data}
        text = json.dumps(whole, allow_nan=False)
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        try:
            self._append(line, sync)
        except OSError as error:  # of a write it does not name the file
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        return whole

    def _append(self, line: bytes, sync: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)  # the umask decides
        try:
            _drop_torn_end(handle)
            while line:  # on a full disk a part is written, and the next call says why; the next append drops the part
                line = line[os.write(handle, line) :]
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)

    def events(self, kind: str | None = None) -> list[dict]:
        """All events, or those of one kind, oldest first; none when there is no file. Raises RecordError."""
        return self.parse(self._read(), kind)

    def has_ended(self) -> bool:
        """Whether the last event is an `end`, by a look at the last line alone. Raises RecordError."""
        data = self._read()
        end = data.rfind(b"\n")
        return bool(self.parse(data[data.rfind(b"\n", 0, max(end, 0)) + 1 : end + 1], "end"))

    def _read(self) -> bytes:
        try:
            return read_bounded(self.path, LARGEST)
        except FileNotFoundError:
            return b""
        except ValueError as error:
            raise RecordError(str(error)) from None

    def parse(self, data: bytes, kind: str | None = None) -> list[dict]:
        """The events in some lines of the record, or those of one kind; a torn last line is left out.

        Raises:
            RecordError: also for a line of another kind, which is checked and not decoded.
        """
        head = f'{{"event": "{kind}", '.encode() if kind else b""  # as `append` begins every line
        lines = data.split(b"\n")
        lines.pop()  # what follows the last newline: nothing, or a torn line
        events = []
        for number, line in enumerate(lines, 1):
            checksum, _, text = line.partition(b" ")
            if checksum != f"{zlib.crc32(text):08x}".encode():
                raise RecordError(f"{self.path}, line {number}: the checksum does not match; the file was damaged")
            if not text.startswith(head):
                continue
            try:
                events.append(_event(text))
            except (ValueError, RecursionError) as error:
                raise RecordError(f"{self.path}, line {number}: not an event of ratecore: {error}") from error
        return events

    def tests(self) -> dict[int, dict[str, float]]:
        """Trial: `loss`, `test_loss` and `test_accuracy` of each test during training. Raises RecordError."""
        return tests_of(self.events("metrics"))

    def last(self, event: str, stage: str) -> dict | None:
        """The newest event of this kind and stage."""
        return self.newest(event).get(stage)

    def newest(self, event: str) -> dict[str, dict]:
        """Stage: its newest event of this kind, by one look at the file."""
        return {e["stage"]: e for e in self.events(event)}


def tests_of(events: list[dict]) -> dict[int, dict[str, float]]:
    """The tests among some events, as in `Record.tests`; of a trial that was tested again, the newest."""
    tests = (event for event in events if (event["event"], event["stage"]) == ("metrics", "train"))
    return {test["step"]: {name.removeprefix("train/"): v for name, v in test["values"].items()} for test in tests}


def _event(text: bytes) -> dict:
    """The event in a line. Raises ValueError for anything else: what an event must have, and of which kind."""
    event = json.loads(text, parse_constant=_refuse)
    if not isinstance(event, dict):
        raise ValueError("it must be an object")
    for key in ("event", "stage", "time", *_NEEDED.get(str(event.get("event")), ())):
        if key not in event:
            raise ValueError(f"it has no '{key}'")
    for key, kind in _KINDS.items():
        if key in event and not isinstance(event[key], kind):
            raise ValueError(f"'{key}' is {type(event[key]).__name__}")
        if kind is dict and not all(isinstance(v, _OF_VALUES.get(key, object)) for v in event.get(key, {}).values()):
            raise ValueError(f"'{key}' holds something else than it should")
    for key, is_good in _CONTENTS.items():
        if key in event and not is_good(event[key]):
            raise ValueError(f"'{key}' holds something else than it should")
    if not 0 <= event["time"] < 1e11:
        raise ValueError(f"'time' = {event['time']}; it must be seconds since 1970")
    return event


def _is_curve(curve) -> bool:
    """Whether it is [[x, y], ...]."""
    return isinstance(curve, list) and all(
        isinstance(point, list) and len(point) == 2 and all(isinstance(v, _NUMBER) for v in point) for point in curve
    )


def _is_row(row: dict) -> bool:
    """Whether it is the scores and curves of one condition."""
    return all(isinstance(value, _NUMBER) or _is_curve(value) for value in row.values())


def _is_graded(row) -> bool:
    """Whether it is one point of a psychometric curve."""
    if not isinstance(row, dict) or not {"trial_type", "evidence"} <= row.keys():
        return False
    return all(isinstance(value, str if key == "trial_type" else _NUMBER) for key, value in row.items())


# What is in the lists and dictionaries of an event.
_CONTENTS = {
    "curves": lambda curves: all(map(_is_curve, curves.values())),
    "conditions": lambda conditions: all(map(_is_row, conditions.values())),
    "psychometric": lambda rows: all(map(_is_graded, rows)),
    "search": _is_curve,
}


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number")


def _drop_torn_end(handle: int) -> None:
    """Cuts off what follows the last newline."""
    size = os.fstat(handle).st_size
    if not size or os.pread(handle, 1, size - 1) == b"\n":
        return
    position = size
    while position > 0:
        start = max(0, position - 65536)
        found = os.pread(handle, position - start, start).rfind(b"\n")
        if found >= 0:
            os.ftruncate(handle, start + found + 1)
            return
        position = start
    os.ftruncate(handle, 0)

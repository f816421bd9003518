"""The run record: an append-only file beside a run's results with everything that happened to the run.

Each line is one event as JSON. Its last entry, `crc32`, is the checksum of the line without this entry, as eight
hexadecimal digits. An incomplete last line, as a crash leaves it, is dropped; any other line that does not match its
checksum is an error that names it. In older records, the checksum and a space come before the JSON; such lines are
still read, also in files with newer ones.

All events have `event`, `stage` and `time`, in seconds since 1970. A stage that works on variants of a network has the
variant in its name, `convert refractory~2`. The events are:

- `start`: a stage begins; `identity`, `labels` (names of the run, the grid and the grid point), `grid_point` (its
  number), the stage's `settings`, and for training `provenance` and the task's `task_settings` with their defaults.
- `metrics`: `step` and `values`, numbers by name. A test during training has its trial as `step` and the values `loss`,
  `test_loss` and `test_accuracy`, and in a curriculum the number of its `stage`.
- `artifact`: a file of the run; `path` (relative to the run's folder), `sha256`.
- `end`: a stage ends; `identity`, `status`, its results and files, and the `error` if there was one. `done` and
  `failed` (the loss is not finite) are final. `broken`, `interrupted` (told to stop) and `killed` (detected as dead)
  are retried.

Results are scientific values, each stored once and under one name:

- training: `trained`, `n_trials`, `seconds`, `device`, `no_gpu` (why it ran on the CPU);
- evaluation: `accuracy`, `loss`, `n_trials`; `conditions`, by name, with the curves `output_mean` and `output_sd` as
  [[step, value], ...], and `output_mean_2` ... of further outputs; `psychometric` and `chronometric`, rows as in
  `Evaluation`;
- export: `mat` and `pth`;
- conversion: `lambda`, `spiking_accuracy`, `ci_low`, `ci_high`, `mean_rate_exc`, `mean_rate_inh` (1/s) and `search`,
  [[lambda, accuracy], ...], and `psychometric` and `chronometric` of the spiking network, if they were asked for; or
  `skipped`, with the reason;
- analyses: `numbers`, by `<analysis>/<number>` in the units of docs/analysis.md; and why an analysis has none, in
  `left_out` where the network has not what it needs, and in `errors` where it failed; `analyses`, with a hash of
  everything that each depends on.

Older records also hold what MLflow shows: `params`, `tags`, `values` and `curves` of a stage, the `folder` of an
artifact, and `train/` before the names of a test's values. Such lines are still read, also in files with newer ones.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ratecore.system.files import AnyPath, read_bounded

Event = dict[str, Any]

SEAL = b', "crc32": "%08x"}'  # end of a line, in place of the last brace of the JSON without checksum
_SEALED = len(SEAL % 0)

LARGEST = 2**28  # bytes; the record of a training with 100,000 tests has a tenth of it
_NUMBER = (int, float)
_TEXTS = "event stage identity status path sha256 folder mat pth error device code_hash figures_hash skipped no_gpu"
_NUMBERS = "time accuracy loss seconds lambda spiking_accuracy ci_low ci_high mean_rate_exc mean_rate_inh"
_MAPPINGS = "values curves params tags labels files reads settings task_settings provenance conditions numbers left_out"
_MAPPINGS += " errors analyses"
# Types of an event's entries, none of which is required. Whoever writes a line computes its checksum, so a matching
# checksum alone does not make it an event.
_TYPES: dict[str, Any] = {
    **dict.fromkeys(_TEXTS.split(), str),
    **dict.fromkeys(_NUMBERS.split(), _NUMBER),
    **dict.fromkeys(("step", "n_trials", "grid_point"), int),
    **dict.fromkeys(_MAPPINGS.split(), dict),
    **dict.fromkeys(("psychometric", "chronometric", "search"), list),
}
_VALUE_TYPES: dict[str, Any] = {
    "values": _NUMBER,
    "labels": str,
    "files": str,
    "reads": str,
    "numbers": _NUMBER,
    "left_out": str,
    "errors": str,
    "analyses": str,
    "curves": list,
    "conditions": dict,
}
_REQUIRED = {"metrics": ("step", "values"), "artifact": ("path", "sha256")}


class RecordError(ValueError):
    """A record is damaged; the message names the file and the line."""


class Record:
    """The record of one run.

    Args:
        path: file of the record; it need not exist.
    """

    def __init__(self, path: AnyPath) -> None:
        self.path = Path(path)

    def append(self, event: str, stage: str, *, sync: bool = False, **data: Any) -> Event:
        """Append one event in one write.

        Args:
            event: kind of the event, see the module.
            stage: name of the stage, with its variant.
            sync: whether to wait until the event is on disk.
            **data: the other entries; can be written as JSON.

        Returns:
            The event.

        Raises:
            OSError: the file cannot be written, for example on a full disk; the message names it.
        """
        appended = {"event": event, "stage": stage, "time": round(time.time(), 3), **data}
        text = json.dumps(appended, allow_nan=False)
        try:
            self._append(sealed_line(text.encode()), sync)
        except OSError as error:  # errors of `os.write` do not name the file
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        return appended

    def _append(self, line: bytes, sync: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)  # the umask decides
        try:
            _drop_torn_end(handle)
            # On a full disk, a part is written and the next call gives the reason. The next append drops the part.
            while line:
                line = line[os.write(handle, line) :]
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)

    def events(self, kind: str | None = None) -> list[Event]:
        """All events, or those of one kind, oldest first; none when there is no file.

        Args:
            kind: such as `end`; all kinds when None.

        Returns:
            The events.

        Raises:
            RecordError: the file is damaged.
        """
        return self.parse(self._read(), kind)

    def has_ended(self) -> bool:
        """Whether the last event is an `end`; reads only the last line.

        Returns:
            False when there is no file.

        Raises:
            RecordError: the last line is damaged.
        """
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

    def parse(self, data: bytes, kind: str | None = None) -> list[Event]:
        """The events in lines of the record, without an incomplete last line.

        Args:
            data: the lines.
            kind: such as `end`; all kinds when None.

        Returns:
            The events, oldest first.

        Raises:
            RecordError: a line is damaged. The checksums of lines of other kinds are checked, too.
        """
        head = f'{{"event": "{kind}", '.encode() if kind else b""  # as `append` writes it
        lines = data.split(b"\n")
        lines.pop()  # what follows the last newline: nothing, or an incomplete line
        events, crc32 = [], zlib.crc32
        for number, line in enumerate(lines, 1):
            text = line[:-_SEALED] + b"}"
            if not line.endswith(SEAL % crc32(text)):
                checksum, _, text = line.partition(b" ")  # of an older record
                if checksum != b"%08x" % crc32(text):
                    raise RecordError(f"{self.path}, line {number}: the checksum does not match; the file was damaged")
            if not text.startswith(head):
                continue
            try:
                events.append(_event(text))
            except (ValueError, RecursionError) as error:
                raise RecordError(f"{self.path}, line {number}: not an event of ratecore: {error}") from error
        return events

    def tests(self) -> dict[int, dict[str, float]]:
        """The tests during training.

        Returns:
            By trial: `loss`, `test_loss` (both unitless) and `test_accuracy`, a fraction.

        Raises:
            RecordError: the file is damaged.

        Source: none
        """
        return tests_of(self.events("metrics"))

    def last(self, event: str, stage: str) -> Event | None:
        """The newest event of a kind and stage.

        Args:
            event: kind of the event.
            stage: name of the stage, with its variant.

        Returns:
            The event; None if there is none.

        Raises:
            RecordError: the file is damaged.
        """
        return self.newest(event).get(stage)

    def newest(self, event: str) -> dict[str, Event]:
        """The newest event of a kind for each stage; reads the file once.

        Args:
            event: kind of the events.

        Returns:
            The events, by the name of their stage.

        Raises:
            RecordError: the file is damaged.
        """
        return {e["stage"]: e for e in self.events(event)}


def sealed_line(text: bytes) -> bytes:
    """The line of the record that holds an event.

    Args:
        text: the event, a JSON object with at least one entry, as `json.dumps` writes it.

    Returns:
        The same object with its checksum as the last entry, and a newline.

    Source: none
    """
    return text[:-1] + SEAL % zlib.crc32(text) + b"\n"


def tests_of(events: list[Event]) -> dict[int, dict[str, float]]:
    """The tests during training among the events of a record.

    Args:
        events: oldest first.

    Returns:
        As `Record.tests`; the newest values of a trial that was tested twice.

    Source: none
    """
    tests = (event for event in events if (event["event"], event["stage"]) == ("metrics", "train"))
    return {test["step"]: {name.removeprefix("train/"): v for name, v in test["values"].items()} for test in tests}


def _event(text: bytes) -> Event:
    """Decode the event of a line. Raises ValueError if entries are missing or have a wrong type."""
    event = _DECODER.decode(text.decode())
    if not isinstance(event, dict):
        raise ValueError("it must be an object")
    for key in ("event", "stage", "time", *_REQUIRED.get(str(event.get("event")), ())):
        if key not in event:
            raise ValueError(f"it has no '{key}'")
    for key, kind in _TYPES.items():
        if key in event and not isinstance(event[key], kind):
            raise ValueError(f"'{key}' is {type(event[key]).__name__}")
        if kind is dict and not all(isinstance(v, _VALUE_TYPES.get(key, object)) for v in event.get(key, {}).values()):
            raise ValueError(f"'{key}' has values of a wrong type")
    for key, is_valid in _CONTENTS.items():
        if key in event and not is_valid(event[key]):
            raise ValueError(f"'{key}' has values of a wrong type")
    if not 0 <= event["time"] < 1e11:
        raise ValueError(f"'time' = {event['time']}; it must be seconds since 1970")
    return event


def _is_curve(curve: object) -> bool:
    """Whether it is [[x, y], ...]."""
    return isinstance(curve, list) and all(
        isinstance(point, list) and len(point) == 2 and all(isinstance(v, _NUMBER) for v in point) for point in curve
    )


def _is_condition(row: dict[str, Any]) -> bool:
    """Whether it holds the scores and curves of one condition."""
    return all(isinstance(value, _NUMBER) or _is_curve(value) for value in row.values())


def _is_graded(row: object) -> bool:
    """Whether it is one point of a psychometric or chronometric curve."""
    if not isinstance(row, dict) or not {"trial_type", "evidence"} <= row.keys():
        return False
    return all(isinstance(value, str if key == "trial_type" else _NUMBER) for key, value in row.items())


# Checks of the lists and dictionaries in an event.
_CONTENTS: dict[str, Callable[[Any], bool]] = {
    "curves": lambda curves: all(map(_is_curve, curves.values())),
    "conditions": lambda conditions: all(map(_is_condition, conditions.values())),
    "psychometric": lambda rows: all(map(_is_graded, rows)),
    "chronometric": lambda rows: all(map(_is_graded, rows)),
    "search": _is_curve,
}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not allowed")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # which `json.loads` would make again for each line


def _drop_torn_end(handle: int) -> None:
    """Cut off what follows the last newline."""
    size = os.fstat(handle).st_size
    if not size or os.pread(handle, 1, size - 1) == b"\n":
        return
    position = size
    while position > 0:
        start = max(0, position - 65536)
        newline = os.pread(handle, position - start, start).rfind(b"\n")
        if newline >= 0:
            os.ftruncate(handle, start + newline + 1)
            return
        position = start
    os.ftruncate(handle, 0)

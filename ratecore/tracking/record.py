"""The run record: an append-only file beside a run's results that says everything that happened to the run.

Each line is a CRC-32 of the rest, a space and one event as JSON. A last line that a crash tore is dropped; any other
line that does not match its checksum is an error that names it.

Events (all have `event`, `stage` and `time`, in seconds since 1970):

- `start`: a stage begins; `identity`, and for training `settings`, `labels` and `provenance`.
- `metrics`: `step` and `values`, numbers by name (`train/loss`); or `curves`: name: [[step, value], ...].
- `artifact`: a file of the run; `path` (relative to the run's folder), `sha256`, `folder` in MLflow.
- `end`: a stage ends; `identity`, `status`, its results, and the `error` if there was one. `done` and `failed` (a loss
  that is not finite) are final; `broken`, `interrupted` (told to end) and `killed` (found dead) are tried again.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from pathlib import Path


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
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _drop_torn_end(handle)
            while line:  # on a full disk a part is written, and the next call says why; the next append drops the part
                line = line[os.write(handle, line) :]
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)

    def events(self) -> list[dict]:
        """All events, oldest first; none when there is no file. Raises RecordError."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return self.parse(data)

    def parse(self, data: bytes) -> list[dict]:
        """The events in some lines of the record; a torn last line is left out. Raises RecordError."""
        lines = data.split(b"\n")
        lines.pop()  # what follows the last newline: nothing, or a torn line
        events = []
        for number, line in enumerate(lines, 1):
            checksum, _, text = line.partition(b" ")
            if checksum != f"{zlib.crc32(text):08x}".encode():
                raise RecordError(f"{self.path}, line {number}: the checksum does not match; the file was damaged")
            events.append(json.loads(text))
        return events

    def last(self, event: str, stage: str) -> dict | None:
        """The newest event of this kind and stage."""
        return next((e for e in reversed(self.events()) if (e["event"], e["stage"]) == (event, stage)), None)


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

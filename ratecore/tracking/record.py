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
        """Adds one event in one write; `sync` waits until it is on disk. Returns the event."""
        whole = {"event": event, "stage": stage, "time": round(time.time(), 3), **data}
        text = json.dumps(whole, allow_nan=False)
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _drop_torn_end(handle)
            written = os.write(handle, line)
            if written < len(line):  # a full disk: what was written is a torn line, and is dropped by the next append
                raise OSError(f"{self.path}: only {written} of {len(line)} bytes could be written")
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)
        return whole

    def events(self, kind: str | None = None) -> list[dict]:
        """All events, or those of one kind, oldest first; none when there is no file. Raises RecordError."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return self.parse(data, kind)

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
            if text.startswith(head):
                events.append(json.loads(text))
        return events

    def last(self, event: str, stage: str) -> dict | None:
        """The newest event of this kind and stage."""
        return self.newest(event).get(stage)

    def newest(self, event: str) -> dict[str, dict]:
        """Stage: its newest event of this kind, by one look at the file."""
        return {e["stage"]: e for e in self.events(event)}


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

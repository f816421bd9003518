"""Open runs: those under way, and those whose record has something that MLflow has not.

A stage writes a note, a small file in the experiment's folder `open`, before it writes to a run's record and once it
has ended. The mirror removes it when MLflow has the complete record. So neither the mirror nor the search for dead runs
has to look at every run of a large grid.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from pathlib import Path

from ratecore.system.files import (
    inside,
    locked,
    read_sealed_json,
    remove_abandoned,
    remove_leftovers,
    sealed_json,
    write_atomic,
)
from ratecore.tracking.mlflow.state import read_state
from ratecore.tracking.record import Record, RecordError


def note_open(root, folder) -> None:
    """Notes that a run is open.

    Args:
        root: folder of the experiment's results.   folder: of the run, in it.
    """
    note = {"folder": Path(folder).relative_to(root).as_posix(), "token": time.time_ns()}
    write_atomic(Path(root, "open", Path(folder).name), sealed_json(note))


def open_runs(root) -> dict[Path, dict]:
    """Folder of each open run of an experiment: its note."""
    notes = (_read(root, path) for path in sorted(Path(root).glob("open/[!.]*")))  # [!.]: a note that is being written
    return {Path(root, note["folder"]): note for note in notes if note}


def not_mirrored(root) -> int:
    """How many open runs of an experiment are missing or incomplete in MLflow. Asks no server."""
    return sum(not _is_mirrored(folder) for folder in open_runs(root))


def _is_mirrored(folder: Path) -> bool:
    """Whether some store has the complete record of a run."""
    try:
        return read_state(folder).get("bytes") == (folder / "record.jsonl").stat().st_size
    except FileNotFoundError:
        return True  # nothing is recorded yet


def words_of_mirror(root) -> str:
    """A sentence about networks that are incomplete in MLflow, for the end of a workflow; '' if there are none."""
    if not (missing := not_mirrored(root)):
        return ""
    again = f"ratecore replay {shlex.quote(Path(root).parent.as_posix())}"
    return f"\nMLflow is incomplete for {missing:,} network{'s' * (missing > 1)}: `{again}` mends it or says why not."


def _read(root, path: Path, name: str = "") -> dict | None:
    """The note in a file, for a run of that name; None when it was removed meanwhile or is no note of ratecore's."""
    try:
        note = read_sealed_json(path)
        inside(root, note["folder"])
    except (OSError, ValueError, TypeError, KeyError):
        return None  # its run is seen when all runs are looked at, in the end
    return note if Path(note["folder"]).name == (name or path.name) and Path(root, note["folder"]).is_dir() else None


def close(root, folder, note: dict) -> None:
    """Removes the note of a run, unless a newer one was written after `note` was read."""
    path = Path(root, "open", Path(folder).name)
    aside = path.with_name(f".{path.name}.{os.getpid()}.closing")
    try:
        os.rename(path, aside)  # a new note, of a stage that begins at this moment, is then another file
    except FileNotFoundError:
        return  # closed by another mirror
    if _read(root, aside, path.name) != note:
        with contextlib.suppress(FileExistsError):  # there is a still newer one
            os.link(aside, path)
    aside.unlink()


def note_deaths(root) -> list[Path]:
    """Adds an `end` with status `killed` to the record of every run whose process died without writing one.

    Removes half-written files of killed processes.

    Returns:
        the folders of these runs.
    """
    remove_abandoned(root)
    dead = []
    for folder in open_runs(root):
        try:
            with locked(folder / "lock", wait=False):
                if (start := _unended(folder)) is not None:
                    remove_leftovers(folder, but="mirror.json")
                    end = {"identity": start.get("identity"), "status": "killed", "error": "its process was killed"}
                    Record(folder / "record.jsonl").append("end", start["stage"], sync=True, **end)
                    note_open(root, folder)
                    dead.append(folder)
        except BlockingIOError:
            pass  # its process lives
        except RecordError as error:
            print(error, file=sys.stderr)
    return dead


def _unended(folder: Path) -> dict | None:
    """The `start` of the stage that a record ends within."""
    start, record = None, Record(folder / "record.jsonl")
    with contextlib.suppress(RecordError):  # whose message would not name the line
        if record.has_ended():
            return None
    for event in record.events():
        if event["event"] in ("start", "end"):
            start = event if event["event"] == "start" else None
    return start

"""Open runs: those under way, and those whose record has something that MLflow has not.

A stage leaves a small file in the experiment's folder `open` before it writes to a run's record and once it has ended.
It is removed by who has brought the whole record to MLflow. So neither the mirror nor the search for runs that died
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
    """How many runs of an experiment MLflow does not have, or not all of, as far as is noted. Asks no server."""
    return sum(not _is_mirrored(folder) for folder in open_runs(root))


def _is_mirrored(folder: Path) -> bool:
    """Whether some store has had the whole record of a run."""
    try:
        return read_state(folder).get("bytes") == (folder / "record.jsonl").stat().st_size
    except FileNotFoundError:
        return True  # nothing is recorded yet


def words_of_mirror(root) -> str:
    """What the end of a workflow says of MLflow: how many networks are missing there; '' if nothing is missing."""
    if not (missing := not_mirrored(root)):
        return ""
    again = f"ratecore replay {shlex.quote(Path(root).parent.as_posix())}"
    return f"\nMLflow is incomplete for {missing:,} network{'s' * (missing > 1)}: `{again}` mends it or says why not."


def _read(root, path: Path, name: str = "") -> dict | None:
    """A note of that name, the file's own by default; None when it was taken away in between or is not one of ours."""
    try:
        note = read_sealed_json(path)
        inside(root, note["folder"])
    except (OSError, ValueError, TypeError, KeyError):
        return None  # whose note it was is found with all other runs, in the end
    return note if Path(note["folder"]).name == (name or path.name) and Path(root, note["folder"]).is_dir() else None


def close(root, folder, note: dict) -> None:
    """Takes the note of a run away, unless it was noted again since `note` was read."""
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
    """Adds an `end` with status `killed` to the record of every run whose process is gone without one.

    Half-written files that it and other killed processes have left are removed.

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
                    message = "its process was killed"
                    end = {
                        "identity": start.get("identity"),
                        "status": "killed",
                        "error": message,
                        "tags": {"error": message},
                    }
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

"""Open runs: those with a stage under way, and those whose record is not yet complete in MLflow.

A stage writes a note, a small file in the experiment's folder `open`, before it writes to a run's record and again when
it has ended. The mirror removes the note when MLflow has the complete record. So neither the mirror nor the search for
dead runs has to look at every run of a large grid.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from ratecore.system.files import (
    AnyPath,
    inside,
    locked,
    read_sealed_json,
    remove_abandoned,
    remove_leftovers,
    sealed_json,
    write_atomic,
)
from ratecore.tracking.mlflow.state import read_state
from ratecore.tracking.record import Event, Record, RecordError

Note = dict[str, Any]


def note_open(root: AnyPath, folder: AnyPath) -> None:
    """Note that a run is open.

    Args:
        root: folder of the experiment's results.
        folder: folder of the run, in `root`.
    """
    note = {"folder": Path(folder).relative_to(root).as_posix(), "token": time.time_ns()}
    write_atomic(Path(root, "open", Path(folder).name), sealed_json(note))


def open_runs(root: AnyPath) -> dict[Path, Note]:
    """The open runs of an experiment.

    Args:
        root: folder of the experiment's results.

    Returns:
        The note of each open run, by the run's folder.
    """
    paths = sorted(Path(root).glob("open/[!.]*"))  # names with a dot: notes that are being written
    notes = (_read_note(root, path) for path in paths)
    return {Path(root, note["folder"]): note for note in notes if note}


def not_mirrored(root: AnyPath) -> int:
    """Count the open runs of an experiment that are missing or incomplete in MLflow, without asking a server.

    Args:
        root: folder of the experiment's results.

    Returns:
        Number of runs.
    """
    return sum(not _is_mirrored(folder) for folder in open_runs(root))


def _is_mirrored(folder: Path) -> bool:
    """Whether a store has the complete record of a run."""
    try:
        return bool(read_state(folder).get("bytes") == (folder / "record.jsonl").stat().st_size)
    except FileNotFoundError:
        return True  # nothing is recorded yet


def mirror_message(root: AnyPath) -> str:
    """A sentence for the end of a workflow about networks that are incomplete in MLflow.

    Args:
        root: folder of the experiment's results.

    Returns:
        The sentence after a line break, or '' if MLflow has everything.
    """
    if not (missing := not_mirrored(root)):
        return ""
    replay = f"ratecore replay {shlex.quote(Path(root).parent.as_posix())}"
    return (
        f"\nMLflow is incomplete for {missing:,} network{'s' * (missing > 1)}: "
        f"`{replay}` sends what is missing or reports why it cannot."
    )


def _read_note(root: AnyPath, path: Path, name: str = "") -> Note | None:
    """The note in a file about the run `name`; None when it has been removed or is not one of ratecore's."""
    try:
        note = read_sealed_json(path)
        inside(root, note["folder"])
    except (OSError, ValueError, TypeError, KeyError):
        return None  # the follower looks at all runs at the end, with or without a note
    return note if Path(note["folder"]).name == (name or path.name) and Path(root, note["folder"]).is_dir() else None


def close_run(root: AnyPath, folder: AnyPath, note: Note) -> None:
    """Remove the note of a run, unless a newer one has been written since.

    Args:
        root: folder of the experiment's results.
        folder: folder of the run.
        note: the note, as read before the run was mirrored.
    """
    path = Path(root, "open", Path(folder).name)
    aside = path.with_name(f".{path.name}.{os.getpid()}.closing")
    try:
        os.rename(path, aside)  # a stage that starts at this moment writes a new file
    except FileNotFoundError:
        return  # closed by another mirror
    if _read_note(root, aside, path.name) != note:
        with contextlib.suppress(FileExistsError):  # there is an even newer one
            os.link(aside, path)
    aside.unlink()


def note_deaths(root: AnyPath) -> list[Path]:
    """Record the end of stages whose process died, with status `killed`, and remove its half-written files.

    Args:
        root: folder of the experiment's results.

    Returns:
        The folders of these runs.
    """
    remove_abandoned(root)
    dead = []
    for folder in open_runs(root):
        try:
            with locked(folder / "lock", wait=False):
                if (start := _start_without_end(folder)) is not None:
                    remove_leftovers(folder, but="mirror.json")
                    end = {"identity": start.get("identity"), "status": "killed", "error": "its process was killed"}
                    Record(folder / "record.jsonl").append("end", start["stage"], sync=True, **end)
                    note_open(root, folder)
                    dead.append(folder)
        except BlockingIOError:
            pass  # its process is alive
        except RecordError as error:
            print(error, file=sys.stderr)
    return dead


def _start_without_end(folder: Path) -> Event | None:
    """The `start` of the stage under way, according to the record; None if the last stage has ended."""
    start, record = None, Record(folder / "record.jsonl")
    with contextlib.suppress(RecordError):  # read all of a damaged record: that error gives the number of the line
        if record.has_ended():
            return None
    for event in record.events():
        if event["event"] in ("start", "end"):
            start = event if event["event"] == "start" else None
    return start

"""MLflow's SQLite file: where it is, and the statistics without which it sorts large grids slowly."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from pathlib import Path

SAMPLED = 400  # rows of an index that are looked at: the time hardly grows with the file then
SORTED_BY = ("latest_metrics", "params")
# Of these a sample says that a key has SAMPLED rows. With fewer runs than that SQLite would look through all runs for
# the key that one of them alone has (`mlflow.RUN_KEY`), and go on to do so as they become many.
ALSO, MANY = ("tags", "runs"), 5_000
PATIENCE = 5.0  # seconds that another writer is waited for


def sqlite_file(uri: str) -> Path | None:
    """The file that a tracking URI names; None for another store."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def refresh_statistics(uri: str) -> bool:
    """Has SQLite look at its tables, so that it finds and sorts runs by the right indices: MLflow never does so.

    Nothing depends on it: a file that is missing, damaged or in use for long is left as it is, as is any other store.

    Returns:
        whether it was done.
    """
    if (file := sqlite_file(uri)) is None:
        return False
    try:
        place = f"{file.absolute().as_uri()}?mode=rw"  # a file that is not there is not made
        with contextlib.closing(sqlite3.connect(place, uri=True, timeout=PATIENCE)) as db:
            db.execute(f"PRAGMA analysis_limit = {SAMPLED}")
            (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
            for table in (*SORTED_BY, *(ALSO if runs >= MANY else ())):
                db.execute(f"ANALYZE {table}")
            return True
    except (sqlite3.Error, ValueError):
        return False


if __name__ == "__main__":
    refresh_statistics(sys.argv[1])

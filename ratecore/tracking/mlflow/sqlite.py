"""MLflow's SQLite file: where it is, whether it can be used, where its artifacts are, and statistics of its tables."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, unquote

SAMPLED = 400  # rows of an index that are looked at: the time hardly grows with the file then
SORTED_BY = ("latest_metrics", "params")
# Of these a sample says that a key has SAMPLED rows. With fewer runs than that SQLite would look through all runs for
# the key that one of them alone has (`mlflow.RUN_KEY`), and go on to do so as they become many.
ALSO, MANY = ("tags", "runs"), 5_000
PATIENCE = 5.0  # seconds that another writer is waited for
BEING_MADE = 3.0  # seconds within which a database that MLflow makes or upgrades changes again
ARTIFACTS = "mlartifacts"  # folder of artifacts in a results folder; in it one folder for each experiment
_FORM = re.compile(r"sqlite(?:\+pysqlite)?:///(.+)", re.S)


def sqlite_uri(file) -> str:
    """The tracking URI of a SQLite file."""
    path = str(Path(file).absolute())
    # A question mark would begin the query: such a path has to be written as SQLite's own kind of URI.
    return f"sqlite:///file:{quote(path)}?uri=true" if "?" in path else f"sqlite:///{path}"


def sqlite_file(uri: str) -> Path | None:
    """The file that a tracking URI names; None for another store, and for a database in memory."""
    match = _FORM.fullmatch(uri)
    place = match[1].partition("?")[0] if match else ""
    if place.startswith("file:"):
        place = re.sub(r"^//[^/]*", "", unquote(place.removeprefix("file:")))
    return None if place in ("", ":memory:") else Path(place)


def make_file(file: Path) -> None:
    """Makes an empty database that is not there yet, with the mode of the umask: SQLite's own would be 0644."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))


def make_tables(file: Path) -> None:
    """Makes a database with MLflow's tables, all of them or none, unless there is something in the file.

    MLflow makes and changes them in dozens of steps. A full disk or a kill in between would leave a database that no
    MLflow can use any more. Nobody else may make them at the same time.
    """
    from mlflow.tracking import MlflowClient

    make_file(file)
    if file.stat().st_size:
        return
    prefix = f".{file.name}.part-"
    for left in file.parent.glob(f"{prefix}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    # Another name each time: MLflow keeps its connections to a file, also to one that is gone.
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=prefix) as folder:
        MlflowClient(sqlite_uri(Path(folder, file.name)))
        with connected(Path(folder, file.name)) as made, connected(file) as database:
            made.backup(database)  # in one transaction


def connected(file, patience: float = PATIENCE):
    """A connection to a SQLite file that is there, closed at the end of a `with`. Raises sqlite3.Error."""
    place = f"{Path(file).absolute().as_uri()}?mode=rw"  # a file that is not there is not made
    return contextlib.closing(sqlite3.connect(place, uri=True, timeout=patience))


def refresh_statistics(uri: str) -> bool:
    """Has SQLite look at its tables, so that it finds and sorts runs by the right indices: MLflow never does so.

    Nothing depends on it: a file that is missing, damaged or in use for long is left as it is, as is any other store.

    Returns:
        whether it was done.
    """
    if (file := sqlite_file(uri)) is None:
        return False
    try:
        with connected(file) as db:
            db.execute(f"PRAGMA analysis_limit = {SAMPLED}")
            (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
            for table in (*SORTED_BY, *(ALSO if runs >= MANY else ())):
                db.execute(f"ANALYZE {table}")
            return True
    except (sqlite3.Error, ValueError):
        return False


def take_artifacts_along(file, results) -> list[str]:
    """Points the database of a results folder that was moved or copied to the artifacts in that folder.

    MLflow stores the artifacts' place as an absolute path, in each experiment and in each run. Experiments whose
    artifacts are in `<another folder>/mlartifacts/<experiment>` get `<results>/mlartifacts/<experiment>`, all in one
    transaction. Other places, such as buckets, are left as they are.

    Args:
        file: the database; one that is not there, or has no tables yet, is left alone.   results: its folder.

    Returns:
        names of the experiments that were changed.

    Raises:
        sqlite3.Error: the database cannot be changed.
    """
    folder, moved = Path(results).resolve() / ARTIFACTS, []
    if not Path(file).is_file() or not Path(file).stat().st_size:
        return moved
    with connected(file, patience=60.0) as db:
        db.isolation_level = None
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"experiments", "runs"} <= tables:
            return moved
        if not _elsewhere(db, folder):  # the usual case, for which no lock is taken
            return moved
        db.execute("PRAGMA secure_delete = ON")  # or the old paths stay in unused parts of the pages
        db.execute("BEGIN IMMEDIATE")
        for number, name, old in _elsewhere(db, folder):
            new = artifact_location(folder / name)
            db.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, number))
            for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
                if table in tables:
                    db.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                        f"WHERE experiment_id = ? AND substr({column}, 1, ?) = ?",
                        (new, len(old) + 1, number, len(old) + 1, f"{old}/"),
                    )
            moved.append(name)
        db.execute("COMMIT")
    return moved


def has_artifacts_elsewhere(uri: str, results) -> bool:
    """Whether `take_artifacts_along` would change the database of a results folder. False where that cannot be told."""
    file = sqlite_file(uri)
    if file is None or not file.is_file() or not same_folder(file.absolute().parent, Path(results).absolute()):
        return False
    try:
        with connected(file) as db:
            return bool(_elsewhere(db, Path(results).resolve() / ARTIFACTS))
    except (sqlite3.Error, OSError, ValueError):
        return False


def _elsewhere(db: sqlite3.Connection, folder: Path) -> list[tuple[int, str, str]]:
    """Id, name and place of the experiments whose artifacts are in the `mlartifacts` of another folder.

    MLflow gives its experiment `Default` a folder `mlruns` beside the process that made the database; as long as it
    has no runs, it counts, too.
    """
    rows = db.execute(
        "SELECT experiment_id, name, artifact_location, EXISTS (SELECT 1 FROM runs WHERE runs.experiment_id = "
        "experiments.experiment_id) FROM experiments WHERE artifact_location IS NOT NULL"
    ).fetchall()
    found = []
    for number, name, place, filled in rows:
        default = name == "Default" and not filled and place.endswith(f"/mlruns/{number}")
        ours = place.endswith(f"/{ARTIFACTS}/{name}")
        if (ours or default) and local_path(place) and not same_folder(local_path(place), folder / name):
            found.append((number, name, place))
    return found


def artifact_location(folder: Path) -> str:
    """A local folder as MLflow's artifact location. In a plain path MLflow would read '%' and '#' as those of a URI."""
    return folder.as_uri() if re.search("[%#?;]", str(folder)) else str(folder)


def local_path(place: str) -> Path | None:
    """The local folder that an artifact location names; None for one on a server or in a bucket."""
    place = unquote(re.sub(r"^file:(//[^/]*)?", "", place))
    return Path(place) if place.startswith("/") else None


def same_folder(one: Path, other: Path) -> bool:
    """Whether two paths name one folder, also through links and mounts."""
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def problem_of(file: Path) -> str | None:
    """Why MLflow cannot use a SQLite file that may be there or not; None if it can, as far as can be seen at once."""
    if not file.exists():
        return None
    if file.is_dir():
        return f"this is a folder; write {sqlite_uri(file / 'mlflow.db')!r}"
    if not file.is_file():
        return "this is a device or a pipe, no file"
    if not os.access(file, os.R_OK | os.W_OK):
        return "this file cannot be written by you"
    try:
        found = _schema_of(file)
        if (problem := _problem_of_schema(found, file)) and _changes(file, found):
            return None  # MLflow makes or upgrades it at this moment, in another process
        return problem
    except sqlite3.OperationalError:
        return None  # it is in use
    except sqlite3.DatabaseError as error:
        return f"this is no SQLite database, or a damaged one ({error})"


def _schema_of(file: Path) -> tuple[int, str | None]:
    """How many tables a database has, and their version as MLflow notes it; None without such a note."""
    with connected(file, patience=0.5) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        noted = (
            db.execute("SELECT version_num FROM alembic_version").fetchone() if "alembic_version" in tables else None
        )
    return len(tables), noted and noted[0]


def _problem_of_schema(found: tuple[int, str | None], file: Path) -> str | None:
    tables, version = found
    if version is not None:
        return problem_of_version(version, sqlite_uri(file))
    return "this is the database of another program: it has no table 'alembic_version'" if tables else None


def _changes(file: Path, before: tuple[int, str | None]) -> bool:
    """Whether another process changes the tables within seconds."""
    end = time.monotonic() + BEING_MADE
    while _schema_of(file) == before:
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def problem_of_version(version: str, uri: str) -> str | None:
    """Why the installed MLflow cannot use a database of this schema; None if it can, or if that cannot be told."""
    known, before = _schemas()
    if not known or version in known - before:
        return None
    if version in known:
        return f"this database was made by an older MLflow; make a copy of it, then run: mlflow db upgrade '{uri}'"
    return "this database was made by a newer MLflow than the one installed; install that one, or name another database"


def _schemas() -> tuple[set[str], set[str]]:
    """All schemas that the installed MLflow knows, and those that another one follows; no import, which takes long."""
    spec, known, before = importlib.util.find_spec("mlflow"), set(), set()
    folder = Path(spec.origin).parent / "store" / "db_migrations" / "versions" if spec and spec.origin else None
    for path in folder.glob("*.py") if folder else ():
        found = dict(re.findall(r"^(revision|down_revision)\b[^=\n]*=\s*[\"'](\w+)[\"']", path.read_text(), re.M))
        known |= {found["revision"]} if "revision" in found else set()
        before |= {found["down_revision"]} if "down_revision" in found else set()
    return known, before


def prepared(results) -> str:
    """The tracking URI of the database of a results folder, ready to be served.

    Artifacts that were moved or copied with the folder are put right, and SQLite looks at its tables.

    Raises:
        FileNotFoundError: there is no database.   ValueError: MLflow cannot use it.
    """
    file = Path(results, "mlflow.db")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; run the workflow first, or name its results folder")
    if problem := problem_of(file):
        raise ValueError(f"{file}: {problem}")
    try:
        take_artifacts_along(file, results)
    except sqlite3.Error as error:
        print(f"{file}: artifacts may be those of the folder it was copied from: {error}", file=sys.stderr)
    refresh_statistics(sqlite_uri(file))
    return sqlite_uri(file.resolve())

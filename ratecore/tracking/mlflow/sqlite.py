"""MLflow's SQLite file: its path, whether MLflow can use it, where its artifacts are, and statistics of its tables."""

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

from ratecore.system.files import AnyPath

SAMPLED = 400  # rows of an index that SQLite analyses, so that the time hardly grows with the file
SORTED_BY = ("latest_metrics", "params")  # tables by which the UI sorts
# From these, the sample concludes that each key has SAMPLED rows. With fewer runs than that, SQLite would search all
# runs for a key that only one has (`mirror.RUN_KEY`), and would still do so with many runs.
KEYED_TABLES, MANY = ("tags", "runs"), 5_000
PATIENCE = 5.0  # seconds to wait for another writer
CREATION = 3.0  # seconds within which a database that MLflow creates or upgrades changes again
ARTIFACTS = "mlartifacts"  # folder of artifacts in a results folder; in it one folder for each experiment
_SQLITE_URI = re.compile(r"sqlite(?:\+pysqlite)?:///(.+)", re.S)


def sqlite_uri(file: AnyPath) -> str:
    """The tracking URI of a SQLite file.

    Args:
        file: the file, which need not exist.

    Returns:
        The URI, with an absolute path.
    """
    path = str(Path(file).absolute())
    # A question mark would start the query, so such a path is written as SQLite's own kind of URI.
    return f"sqlite:///file:{quote(path)}?uri=true" if "?" in path else f"sqlite:///{path}"


def sqlite_file(uri: str) -> Path | None:
    """The file that a tracking URI names.

    Args:
        uri: tracking URI.

    Returns:
        The path; None for another store or a database in memory.
    """
    match = _SQLITE_URI.fullmatch(uri)
    path = match[1].partition("?")[0] if match else ""
    if path.startswith("file:"):
        path = re.sub(r"^//[^/]*", "", unquote(path.removeprefix("file:")))
    return None if path in ("", ":memory:") else Path(path)


def create_file(file: Path) -> None:
    """Create an empty database if it is missing. The umask decides its mode; SQLite's would be 0644.

    Args:
        file: the database.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))


def create_tables(file: Path) -> None:
    """Create a database with all of MLflow's tables or none, unless the file has contents.

    MLflow creates and changes its tables in dozens of steps. A full disk or a kill in between would leave a database
    that no MLflow can use.

    Args:
        file: the database; the caller prevents others from creating it at the same time.
    """
    from mlflow.tracking import MlflowClient

    create_file(file)
    if file.stat().st_size:
        return
    prefix = f".{file.name}.part-"
    for part in file.parent.glob(f"{prefix}*"):  # of a killed process
        shutil.rmtree(part, ignore_errors=True)
    # The name differs each time: MLflow keeps its connections to a file, even to one that is deleted.
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=prefix) as folder:
        MlflowClient(sqlite_uri(Path(folder, file.name)))
        with connected(Path(folder, file.name)) as complete, connected(file) as database:
            complete.backup(database)  # in one transaction


def connected(file: AnyPath, patience: float = PATIENCE) -> contextlib.closing[sqlite3.Connection]:
    """Connect to an existing SQLite file.

    Args:
        file: the database.
        patience: how long to wait for another writer, s.

    Returns:
        Context manager that gives the connection and closes it.

    Raises:
        sqlite3.Error: the file is missing, damaged or in use.
    """
    uri = f"{Path(file).absolute().as_uri()}?mode=rw"  # does not create a missing file
    return contextlib.closing(sqlite3.connect(uri, uri=True, timeout=patience))


def refresh_statistics(uri: str) -> bool:
    """Update SQLite's statistics, so that it uses the right indices to find and sort runs; MLflow never does so.

    This only saves time. Files that are missing, damaged or in use are left as they are.

    Args:
        uri: tracking URI.

    Returns:
        Whether it was done; False for other stores.
    """
    if (file := sqlite_file(uri)) is None:
        return False
    try:
        with connected(file) as db:
            db.execute(f"PRAGMA analysis_limit = {SAMPLED}")
            (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
            for table in (*SORTED_BY, *(KEYED_TABLES if runs >= MANY else ())):
                db.execute(f"ANALYZE {table}")
            return True
    except (sqlite3.Error, ValueError):
        return False


def relocate_artifacts(file: AnyPath, results: AnyPath) -> list[str]:
    """Point the database of a results folder that was moved or copied to the artifacts in that folder.

    MLflow stores absolute paths of artifacts, in each experiment and in each run. Those of experiments in
    `<another folder>/mlartifacts/<experiment>` become `<results>/mlartifacts/<experiment>`, all in one transaction.
    Other locations, such as buckets, are left as they are.

    Args:
        file: the database; left as it is when it is missing or has no tables yet.
        results: its folder.

    Returns:
        Names of the experiments that were changed.

    Raises:
        sqlite3.Error: the database cannot be changed.
    """
    folder = Path(results).resolve() / ARTIFACTS
    moved: list[str] = []
    if not Path(file).is_file() or not Path(file).stat().st_size:
        return moved
    with connected(file, patience=60.0) as db:
        db.isolation_level = None
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"experiments", "runs"} <= tables:
            return moved
        if not _elsewhere(db, folder):  # the usual case, which needs no lock
            return moved
        db.execute("PRAGMA secure_delete = ON")  # otherwise the old paths stay in unused parts of pages
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


def has_artifacts_elsewhere(uri: str, results: AnyPath) -> bool:
    """Whether `relocate_artifacts` would change the database of a results folder.

    Args:
        uri: tracking URI.
        results: folder of all results.

    Returns:
        False also where that is unknown, for example for other stores.
    """
    file = sqlite_file(uri)
    if file is None or not file.is_file() or not same_folder(file.absolute().parent, Path(results).absolute()):
        return False
    try:
        with connected(file) as db:
            return bool(_elsewhere(db, Path(results).resolve() / ARTIFACTS))
    except (sqlite3.Error, OSError, ValueError):
        return False


def _elsewhere(db: sqlite3.Connection, folder: Path) -> list[tuple[int, str, str]]:
    """Id, name and location of the experiments with artifacts in the `mlartifacts` of another folder.

    MLflow gives its experiment `Default` a folder `mlruns` in the working folder of the process that created the
    database. It is included as long as it has no runs.
    """
    rows = db.execute(
        "SELECT experiment_id, name, artifact_location, EXISTS (SELECT 1 FROM runs WHERE runs.experiment_id = "
        "experiments.experiment_id) FROM experiments WHERE artifact_location IS NOT NULL"
    ).fetchall()
    elsewhere = []
    for number, name, location, filled in rows:
        default = name == "Default" and not filled and location.endswith(f"/mlruns/{number}")
        ours = location.endswith(f"/{ARTIFACTS}/{name}")
        local = local_path(location)
        if (ours or default) and local and not same_folder(local, folder / name):
            elsewhere.append((number, name, location))
    return elsewhere


def artifact_location(folder: Path) -> str:
    """A local folder as an artifact location for MLflow, which reads '%' and '#' in plain paths as in URIs.

    Args:
        folder: absolute path.

    Returns:
        The path, or a URI if the path has such characters.
    """
    return folder.as_uri() if re.search("[%#?;]", str(folder)) else str(folder)


def local_path(location: str) -> Path | None:
    """The local folder that an artifact location names.

    Args:
        location: as MLflow has it.

    Returns:
        The folder; None for a location on a server or in a bucket.
    """
    path = unquote(re.sub(r"^file:(//[^/]*)?", "", location))
    return Path(path) if path.startswith("/") else None


def same_folder(first: Path, second: Path) -> bool:
    """Whether two paths name the same folder, also through links and mounts.

    Args:
        first: a path.
        second: a path.

    Returns:
        False also when a folder does not exist.
    """
    try:
        return first == second or first.samefile(second)
    except OSError:
        return False


def file_problem(file: Path) -> str | None:
    """Why MLflow cannot use a file as its SQLite database.

    Args:
        file: the file, which need not exist.

    Returns:
        The reason; None if a quick look shows none.
    """
    if not file.exists():
        return None
    if file.is_dir():
        return f"this is a folder; write {sqlite_uri(file / 'mlflow.db')!r}"
    if not file.is_file():
        return "this is a device or a pipe, not a file"
    if not os.access(file, os.R_OK | os.W_OK):
        return "you have no permission to write to this file"
    try:
        schema = _read_schema(file)
        if (problem := _schema_problem(schema, file)) and _changes(file, schema):
            return None  # MLflow is creating or upgrading it in another process
        return problem
    except sqlite3.OperationalError:
        return None  # it is in use
    except sqlite3.DatabaseError as error:
        return f"this is not a SQLite database, or it is damaged ({error})"


def _read_schema(file: Path) -> tuple[int, str | None]:
    """The number of tables of a database, and MLflow's note of their version; None without such a note."""
    with connected(file, patience=0.5) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        has_version = "alembic_version" in tables
        noted = db.execute("SELECT version_num FROM alembic_version").fetchone() if has_version else None
    return len(tables), noted and noted[0]


def _schema_problem(schema: tuple[int, str | None], file: Path) -> str | None:
    tables, version = schema
    if version is not None:
        return version_problem(version, sqlite_uri(file))
    return "this is the database of another program: it has no table 'alembic_version'" if tables else None


def _changes(file: Path, before: tuple[int, str | None]) -> bool:
    """Whether another process changes the tables within seconds."""
    end = time.monotonic() + CREATION
    while _read_schema(file) == before:
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def version_problem(version: str, uri: str) -> str | None:
    """Why the installed MLflow cannot use a database.

    Args:
        version: version of the database's schema.
        uri: tracking URI, for the message.

    Returns:
        The reason; None if there is none, or it is unknown.
    """
    known, outdated = _schema_versions()
    if not known or version in known - outdated:
        return None
    if version in known:
        return f"this database was made by an older MLflow; make a copy of it, then run: mlflow db upgrade '{uri}'"
    return "this database was made by a newer MLflow than the one installed; install that one, or name another database"


def _schema_versions() -> tuple[set[str], set[str]]:
    """All schemas that the installed MLflow knows, and the outdated ones; without importing it, which is slow."""
    spec = importlib.util.find_spec("mlflow")
    known: set[str] = set()
    outdated: set[str] = set()
    folder = Path(spec.origin).parent / "store" / "db_migrations" / "versions" if spec and spec.origin else None
    for path in folder.glob("*.py") if folder else ():
        names = dict(re.findall(r"^(revision|down_revision)\b[^=\n]*=\s*[\"'](\w+)[\"']", path.read_text(), re.M))
        known |= {names["revision"]} if "revision" in names else set()
        outdated |= {names["down_revision"]} if "down_revision" in names else set()
    return known, outdated


def prepare_store(results: AnyPath) -> str:
    """Prepare the database of a results folder for MLflow's server: its artifacts' paths and its statistics.

    Args:
        results: folder of all results.

    Returns:
        The tracking URI.

    Raises:
        FileNotFoundError: there is no database.
        ValueError: MLflow cannot use it.
    """
    file = Path(results, "mlflow.db")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; run the workflow first, or name its results folder")
    if problem := file_problem(file):
        raise ValueError(f"{file}: {problem}")
    try:
        relocate_artifacts(file, results)
    except sqlite3.Error as error:
        print(f"{file}: its artifacts may be in the folder that it was copied from: {error}", file=sys.stderr)
    refresh_statistics(sqlite_uri(file))
    return sqlite_uri(file.resolve())

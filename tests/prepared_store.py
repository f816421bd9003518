"""MLflow's tables, made once by its migrations and then copied: they take a second for each new database."""

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import mlflow.store.db.utils
import sqlalchemy

by_migrations = mlflow.store.db.utils._initialize_tables


@cache
def tables() -> bytes:
    """A SQLite file with MLflow's tables and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mlflow.db")
        engine = sqlalchemy.create_engine(f"sqlite:///{file}")
        by_migrations(engine)
        engine.dispose()
        return file.read_bytes()


def _copied(engine) -> None:
    """In the place of MLflow's function: fills an empty SQLite file, and leaves all else to the migrations."""
    if engine.dialect.name != "sqlite" or not engine.url.database or sqlalchemy.inspect(engine).get_table_names():
        by_migrations(engine)
        return
    with closing(sqlite3.connect(":memory:")) as source, closing(engine.raw_connection()) as target:
        source.deserialize(tables())
        source.backup(target.driver_connection)


def install() -> None:
    """Makes MLflow in this process, and in those that it forks, copy the tables."""
    tables()
    mlflow.store.db.utils._initialize_tables = _copied

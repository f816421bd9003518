"""A tracking URI that can never work is refused before any job, with the nearest valid form."""

import os
import sqlite3
import sys
import threading

import pytest
from test_tracking import open_run

from ratecore import cli
from ratecore.tracking.mlflow import sqlite
from ratecore.tracking.mlflow.follow import follow
from ratecore.tracking.mlflow.sqlite import version_problem
from ratecore.tracking.mlflow.uri import check_uri, is_database, tracking_uri

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours

# What MLflow 3 takes: tried with its client, once.
USABLE = [
    "sqlite:///results/mlflow.db", "sqlite:////tmp/a b#%20.db", "sqlite+pysqlite:///x.db", "sqlite:///x.db?timeout=5",
    "sqlite:///file:x.db?uri=true", "http://localhost:5000", "https://me:se%2Fcret@mlflow.lab.org/prefix/", "HTTP://host",
    "http://[::1]:5000", "postgresql://me:secret@db:5432/mlflow", "postgresql+psycopg2:///mlflow?host=/run",
    "databricks", "databricks://profile",
]  # fmt: skip
# What is given: what is wrong with it, the nearest right form (None where there is none).
REFUSED = {
    "sqlite://results/mlflow.db": ("2 slashes", "sqlite:///results/mlflow.db"),
    "sqlite:/srv/mlflow.db": ("1 slash ", "sqlite:////srv/mlflow.db"),
    "sqlite:mlflow.db": ("no slash", "sqlite:///mlflow.db"),
    "sqlite:///~/x.db": ("'~'", f"sqlite:///{os.path.expanduser('~')}/x.db"),
    "sqlite:///$HOME/x.db": ("variables", f"sqlite:///{os.environ.get('HOME', '$HOME')}/x.db"),
    "sqlite:///": ("in memory", "sqlite:///results/mlflow.db"),
    "sqlite://": ("in memory", "sqlite:///results/mlflow.db"),
    "sqlite:///:memory:": ("in memory", "sqlite:///results/mlflow.db"),
    "sqlite+aiosqlite:///x.db": ("driver 'aiosqlite'", "sqlite:///x.db"),
    "SQLite:///x.db": ("does not know the scheme", "sqlite:///x.db"),
    "sqlite3:///x.db": ("does not know the scheme", "sqlite:///x.db"),
    "sqlite:////proc/self/mem/x.db": ("a file, not a folder", None),
    "/": ("folders of files", "sqlite:////mlflow.db"),
    "mlruns": ("folders of files", "sqlite:///mlruns/mlflow.db"),
    "/srv/mlruns/": ("folders of files", "sqlite:////srv/mlruns/mlflow.db"),
    "file:///srv/mlruns": ("folders of files", "sqlite:////srv/mlruns/mlflow.db"),
    "file:mlruns": ("folders of files", "sqlite:///mlruns/mlflow.db"),
    "results/mlflow.db": ("it has no scheme", "sqlite:///results/mlflow.db"),
    "htp://localhost:5000": ("scheme 'htp:' (", "http://localhost:5000"),
    "localhost:5000": ("it has no scheme", "http://localhost:5000"),
    "mlflow.lab.org": ("it has no scheme", "http://mlflow.lab.org"),
    "http//host:5000": ("a colon is missing", "http://host:5000"),
    "http:/host:5000": ("two slashes", "http://host:5000"),
    "http://": ("no host", "http://127.0.0.1:5000"),
    "http://local host:5000": ("a space in it", None),
    "http://host:port": ("host or port", None),
    "http://host:99999": ("host or port", None),
    "http://host:5000/#/experiments/3": ("the address of a page", "http://host:5000"),
    " http://host:5000": ("a space before or after", "http://host:5000"),
    "sqlite:///x.db ": ("a space before or after", "sqlite:///x.db"),
    "http://me:sesame/7@host": ("host or port", None),
    "user:sesame@host:5000": ("does not know the scheme", None),
    "postgres://me:sesame@db/mlflow": ("does not know the scheme 'postgres:'", "postgresql://***@db/mlflow"),
    "postgres+psycopg2://me:sesame@db/mlflow": ("does not know the scheme", "postgresql+psycopg2://***@db/mlflow"),
    "mariadb://me:sesame@db/mlflow": ("does not know the scheme", "mysql://***@db/mlflow"),
    "postgresql:me:sesame@db/mlflow": ("two slashes", "postgresql://***@db/mlflow"),
    "postgresql://me:sesame@db:port/mlflow": ("<host>:<port>", None),
    "postgresql://me:ses ame@db/mlflow": ("a space in it", None),
    "postgresql+nope://me:sesame@db/mlflow": ("no driver 'nope'", "postgresql://***@db/mlflow"),
    "mysql+pymysql://me:sesame@db/mlflow": ("pymysql is not installed (pip install pymysql)", None),
    "mssql+pyodbc://me:sesame@db/mlflow": ("pyodbc is not installed (pip install pyodbc)", None),
    "postgresql+asyncpg://me:sesame@db/mlflow": ("MLflow cannot use this driver", "postgresql://***@db/mlflow"),
    '"sqlite:///x.db"': ("quotation marks", "sqlite:///x.db"),
    "http:\\\\host:5000": ("backslashes", "http://host:5000"),
    "sqlite:///sqlite:///x.db": ("two schemes", "sqlite:///x.db"),
    "http://http://host:5000": ("two schemes", "http://host:5000"),
    "http://host,5000": ("'host,5000' is not a host", "http://host:5000"),
    "http://host:5000,other": ("host or port", None),
    "`http://host:5000`": ("quotation marks", "http://host:5000"),
    "http://host:0": ("no port 0", None),
    "sqlite:////dev/null": ("a device", None),
    "s3://bucket/mlflow": ("a store for artifacts", None),
    "uc:http://host": ("a model registry", "databricks"),
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sqlite, "CREATION", 0.0)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("uri", USABLE)
def test_what_mlflow_takes_is_taken(uri):
    assert check_uri("tracking.uri", uri) == uri
    assert is_database(uri) == uri.startswith(("sqlite", "postgresql"))


@pytest.mark.parametrize("uri", REFUSED)
def test_what_can_never_work_is_refused_with_the_nearest_right_form(uri):
    wrong, right = REFUSED[uri]
    with pytest.raises(ValueError) as error:
        check_uri("tracking.uri", uri)
    printed = str(error.value)
    assert (
        printed.startswith("tracking.uri = '")
        and wrong in printed
        and not any(s in printed for s in ("sesame", "ses ame"))
    )
    assert printed.partition("; write ")[2] == (f"'{right}'" if right else "")
    if right and "***" not in right and not right.startswith("/"):
        assert check_uri("tracking.uri", right) == right  # the advice can be followed
    assert os.listdir() == []


def test_a_missing_driver_names_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(ValueError, match=r"psycopg2 is not installed \(pip install 'ratecore\[postgres\]'\)"):
        check_uri("tracking.uri", "postgresql://me:secret@db/mlflow")


def test_the_scheme_of_a_plugin_is_taken_and_so_is_a_folder_where_mlflow_is_told_to(monkeypatch):
    from importlib import metadata

    entry = metadata.EntryPoint("azureml", "azureml.mlflow:store", "mlflow.tracking_store")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == "mlflow.tracking_store" else [])
    assert check_uri("tracking.uri", "azureml://region.api")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert check_uri("tracking.uri", "file:///srv/mlruns") and check_uri("tracking.uri", "mlruns")


def test_every_way_to_name_a_store_is_checked(tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError, match="^tracking.uri = 'mlruns': "):
        tracking_uri("mlruns", tmp_path)
    open_run(tmp_path / "results", "demo", "a")
    assert cli.main(["replay", "results", "--uri", "postgres://me:sesame@db/x"]) == 2
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite://results/mlflow.db")
    with pytest.raises(ValueError, match="^the environment's MLFLOW_TRACKING_URI = 'sqlite://results/mlflow.db': "):
        tracking_uri("http://host", tmp_path)
    assert cli.main(["replay", "results"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: --uri = 'postgres://***@db/x'") and "MLFLOW_TRACKING_URI" in second


def test_a_job_on_another_machine_may_lack_what_only_the_store_needs(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    uri = f"sqlite:///{tmp_path}/file/disk/mlflow.db"
    assert tracking_uri(uri, tmp_path, check=False) == uri
    with pytest.raises(ValueError, match="a file, not a folder"):
        tracking_uri(uri, tmp_path)
    (tmp_path / "mlflow.db").mkdir()
    assert tracking_uri(None, tmp_path, check=False) == f"sqlite:///{tmp_path}/mlflow.db"


def database(path, statements):
    with sqlite3.connect(path) as db:
        db.executescript(statements)
    db.close()
    return path


SCHEMA = "CREATE TABLE runs (a); CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('{}');"


def test_a_file_that_mlflow_cannot_use_is_named_before_any_job(tmp_path):
    folder, text, other = tmp_path / "folder", tmp_path / "text.db", tmp_path / "other.db"
    folder.mkdir()
    text.write_text("no database" * 1000)
    database(other, "CREATE TABLE birds (name)")
    (tmp_path / "empty.db").touch()
    old, new = (database(tmp_path / f"{v}.db", SCHEMA.format(v)) for v in ("451aebb31d03", "ffffffffffff"))
    for path, printed in (
        (folder, f"this is a folder; write 'sqlite:///{folder}/mlflow.db'"),
        (other, "another program"),
        (text, "not a SQLite database"),
        (old, f"older MLflow; .*mlflow db upgrade 'sqlite:///{old}'"),
        (new, "newer MLflow than the one installed"),
    ):
        with pytest.raises(ValueError, match=printed):
            check_uri("tracking.uri", f"sqlite:///{path}")
    assert check_uri("tracking.uri", f"sqlite:///{tmp_path}/empty.db")
    old.rename(tmp_path / "mlflow.db")
    with pytest.raises(ValueError, match=f"^{tmp_path}/mlflow.db: .* older MLflow"):
        tracking_uri(None, tmp_path)


def test_a_database_that_is_in_use_is_no_error(tmp_path):
    file = database(tmp_path / "x.db", SCHEMA.format("ffffffffffff"))
    with sqlite3.connect(file, isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        assert check_uri("tracking.uri", f"sqlite:///{file}")
    db.close()


def test_a_database_that_mlflow_makes_at_this_moment_is_no_error(tmp_path, monkeypatch):
    """As one that two workflows find missing when they begin: the tables are made first, then brought up to date."""
    files = [
        database(tmp_path / "a.db", "CREATE TABLE runs (a)"),
        database(tmp_path / "b.db", SCHEMA.format("451aebb31d03")),
    ]
    changes = "CREATE TABLE experiments (a)", "UPDATE alembic_version SET version_num = '90e64c465722'"
    for file, change in zip(files, changes, strict=True):
        with pytest.raises(ValueError):
            check_uri("tracking.uri", f"sqlite:///{file}")
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, "CREATION", 60.0)
            later = threading.Timer(0.3, database, (file, change))
            later.start()
            assert check_uri("tracking.uri", f"sqlite:///{file}")
            later.join()


def test_the_head_of_mlflows_schemas_is_the_one_it_makes(tmp_path):
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert version_problem(_get_latest_schema_revision(), "sqlite:///x") is None


def test_a_server_database_of_another_version_is_one_sentence(tmp_path, monkeypatch, capfd):
    from mlflow.exceptions import MlflowException

    from ratecore.tracking.mlflow import mirror as mirroring

    def refuse(*args):
        raise MlflowException("Detected out-of-date database schema (found version 451aebb31d03, but expected x). Take")

    monkeypatch.setattr(mirroring, "Mirror", refuse)
    open_run(tmp_path, "x", "run")
    job = {"experiment": "x", "results": str(tmp_path), "all_runs": False}
    assert not follow(job, "postgresql://me:sesame@db/mlflow", lambda seconds: True)
    printed = capfd.readouterr().err
    assert "made by an older MLflow" in printed and "mlflow db upgrade 'postgresql://***@db/mlflow'" in printed

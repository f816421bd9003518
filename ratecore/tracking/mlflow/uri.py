"""Tracking URIs: which store is used, and a refusal of those by which MLflow can never be reached."""

from __future__ import annotations

import difflib
import os
import re
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from ratecore.system.files import check_writable
from ratecore.system.redaction import without_secrets
from ratecore.tracking.mlflow.sqlite import problem_of, sqlite_file, sqlite_uri

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# What people write for the schemes that MLflow and SQLAlchemy know.
MEANT = {"postgres": "postgresql", "pg": "postgresql", "psql": "postgresql", "mariadb": "mysql", "sqlite3": "sqlite"}
SCHEMES = ("http", "https", "databricks", *DATABASES)
EXTRAS = {"psycopg2": "pip install 'ratecore[postgres]'"}
QUOTES = ("'", '"', "`")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.S)


def tracking_uri(configured: str | None, results, check: bool = True) -> str:
    """The MLflow tracking URI: of the environment, of the configuration, or a SQLite file in the results folder.

    Args:
        configured: as the configuration has it.   results: folder of all results.
        check: whether it is checked. A job on another machine does not talk to MLflow; what is missing there, such as a
            driver or a local disk, is no mistake.

    Raises:
        ValueError: one by which MLflow can never be reached; see `check_uri`.
    """
    given = {"the environment's MLFLOW_TRACKING_URI": os.environ.get("MLFLOW_TRACKING_URI"), "tracking.uri": configured}
    for name, uri in given.items():
        if uri:
            return check_uri(name, uri) if check else uri
    file = Path(results).resolve() / "mlflow.db"
    if check and (problem := _problem_of_file(file)):
        raise ValueError(f"{file}: {problem}")
    return sqlite_uri(file)


def is_default(uri: str, results) -> bool:
    """Whether a URI names the SQLite file in the results folder, by whatever path."""
    file = sqlite_file(uri)
    return file is not None and file.resolve() == Path(results).resolve() / "mlflow.db"


def stored_uri(uri: str, results) -> str | None:
    """The URI as files of the results hold it: without its password, and None for the default store.

    That store follows the folder, so a path would be wrong as soon as the folder is moved or copied.
    """
    return None if is_default(uri, results) else without_secrets(uri, uri)


def is_database(uri: str) -> bool:
    """Whether MLflow's client opens the store itself, rather than asking a server."""
    return uri.partition(":")[0].partition("+")[0] in DATABASES


def check_uri(name: str, uri: str) -> str:
    """The URI, if MLflow can use one like it. Whether a server answers is not tried.

    Args:
        name: what it was given by, for the message.

    Raises:
        ValueError: names the value without its password, what is wrong, and the nearest right form.
    """
    if not uri.isprintable():  # the value is not shown: what redacts it works on single lines
        raise ValueError(f"{name}: it must be a URI without line breaks and other control characters")
    problem, right = _problem_of(uri)
    if problem is None:
        return uri
    shown = re.sub(r"^(\s*[A-Za-z][\w+.-]*:/*)[^@]*@", r"\1***@", uri)  # also where a slash of '://' is missing
    hint = f"; write {right!r}" if right else ""
    raise ValueError(without_secrets(f"{name} = {shown!r}: {problem}{hint}", uri, right or ""))


def _problem_of(uri: str) -> tuple[str | None, str | None]:
    """What is wrong with a URI, and the nearest right form; None for nothing, or where there is no such form."""
    if uri != uri.strip():
        return "a space before or after it", uri.strip()
    if uri.startswith(QUOTES) or uri.endswith(QUOTES):
        return "there are quotation marks in it", uri.strip("".join(QUOTES))
    if re.match(r"[A-Za-z][\w+.-]+:/*\\", uri):
        return "its slashes are backslashes", uri.replace("\\", "/")
    if twice := re.match(r"[A-Za-z][\w+.-]+:/+([A-Za-z][\w+.-]+:/{2,}.*)", uri):
        return "it has two schemes", twice[1]
    match = _SCHEME.fullmatch(uri)
    if match is None or re.fullmatch(r"[\w.-]+:\d+(/.*)?", uri):
        return _problem_without_scheme(uri)
    scheme, rest = match[1], match[2]
    kind, plus, driver = scheme.partition("+")
    if meant := MEANT.get(kind.lower()) or (kind.lower() if kind.lower() in DATABASES and kind != kind.lower() else ""):
        return f"'{kind}:' is no scheme that MLflow knows", f"{meant}{plus}{driver}:{rest}"
    if kind == "sqlite":
        return _problem_of_sqlite(uri, driver, rest)
    if kind in DATABASES:
        return _problem_of_database(uri, scheme, rest)
    if scheme.lower() in ("http", "https"):
        return _problem_of_server(uri, scheme, rest)
    if scheme == "file":
        return _problem_of_folder(re.sub(r"^//(localhost(?=/))?", "", rest))
    return _problem_of_scheme(scheme, rest)


def _problem_without_scheme(uri: str) -> tuple[str | None, str | None]:
    if uri == "databricks":
        return None, None
    if uri in ("uc", "databricks-uc"):
        return _problem_of_scheme(uri, "")
    if slip := re.fullmatch(r"(https?)//(.+)", uri):
        return "a colon is missing", f"{slip[1]}://{slip[2]}"
    host = uri.partition("/")[0]
    if re.fullmatch(r"(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?|[\w-]+:\d+", host) and not _is_file(uri):
        return "it has no scheme", f"http://{uri}"
    if _is_file(uri):
        return "it has no scheme", _sqlite(os.path.expanduser(uri))
    return _problem_of_folder(uri)


def _is_file(text: str) -> bool:
    return text.endswith((".db", ".sqlite", ".sqlite3"))


def _sqlite(path: str) -> str:
    return f"sqlite:///{path}"


def _problem_of_folder(path: str) -> tuple[str | None, str | None]:
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return None, None
    file = path if _is_file(path) else f"{os.path.expanduser(path).rstrip('/')}/mlflow.db"
    return "MLflow no longer keeps runs in folders of files, but in databases", _sqlite(file)


def _problem_of_sqlite(uri: str, driver: str, rest: str) -> tuple[str | None, str | None]:
    if driver not in ("", "pysqlite"):
        return f"MLflow cannot use the driver '{driver}'", f"sqlite:{rest}"
    slashes = len(rest) - len(rest.lstrip("/"))
    place = rest.lstrip("/")
    if not place or place.startswith((":memory:", "?")):
        return "a database in memory is gone with the process that made it", _sqlite("results/mlflow.db")
    if slashes < 3:  # with one slash or none, the path is as it would be for any other program
        right = _sqlite(f"/{place}" if slashes == 1 else os.path.expanduser(place))
        return f"it has {slashes or 'no'} slash{'es' * (slashes > 1)} after 'sqlite:', three are needed", right
    file = sqlite_file(uri)
    if file is None:
        return "it names no file", _sqlite("results/mlflow.db")
    if file.parts[0].startswith("~") or place.startswith("~"):
        return "'~' is not expanded in it", _sqlite(os.path.expandvars(os.path.expanduser(place)))
    if os.path.expandvars(place) != place:
        return "variables are not expanded in it", _sqlite("/" * (slashes - 3) + os.path.expandvars(place))
    return _problem_of_file(file), None


def _problem_of_file(file: Path) -> str | None:
    try:
        check_writable(file.absolute().parent)
        return problem_of(file)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"


def _problem_of_database(uri: str, scheme: str, rest: str) -> tuple[str | None, str | None]:
    if not rest.startswith("//"):
        return "two slashes are missing", f"{scheme}://{rest.lstrip('/')}"
    if re.search(r"\s", rest):
        return "there is a space in it; in names and passwords write %20", None
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ImportError:
        return "MLflow is not installed (pip install 'ratecore[workflow]')", None
    try:
        dialect = make_url(uri).get_dialect()
        if dialect.is_async:
            return "MLflow cannot use this driver", f"{scheme.partition('+')[0]}:{rest}"
        dialect.import_dbapi()
    except NoSuchModuleError:
        return f"there is no driver '{scheme.partition('+')[2]}'", f"{scheme.partition('+')[0]}:{rest}"
    except ModuleNotFoundError as error:
        how = EXTRAS.get(error.name, f"pip install {PACKAGES.get(error.name, error.name)}")
        return f"its driver {error.name} is not installed ({how})", None
    except (ArgumentError, ValueError):
        return "it is not <scheme>://<user>:<password>@<host>:<port>/<database>, with special letters as %XX", None
    return None, None


PACKAGES = {"MySQLdb": "mysqlclient"}  # distributions whose modules have other names


def _problem_of_server(uri: str, scheme: str, rest: str) -> tuple[str | None, str | None]:
    if not rest.startswith("//") or rest.startswith("///"):
        return f"two slashes are needed after '{scheme}:'", f"{scheme}://{rest.lstrip('/')}"
    if re.search(r"\s", rest):
        return "there is a space in it; in names and passwords write %20", None
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or port cannot be read; in names and passwords write special letters as %XX", None
    if not host:
        return "it names no host", f"{scheme}://127.0.0.1:5000"
    if port == 0:
        return "there is no port 0", None
    if "," in host or ";" in host:
        return f"'{host}' is no host", re.sub(r"[,;](?=\d+(/|$))", ":", uri) if re.search(
            r"[,;]\d+(/|$)", uri
        ) else None
    if parts.fragment or parts.query or uri.endswith(("#", "?")):
        return "this is the address of a page, not of the server", re.split("[?#]", uri)[0].rstrip("/")
    return None, None


def _problem_of_scheme(scheme: str, rest: str) -> tuple[str | None, str | None]:
    """Of a scheme that is none of MLflow's own."""
    if scheme == "databricks":
        return None, None
    if scheme in ("uc", "databricks-uc"):
        return "this is a registry of models, where MLflow keeps no runs", "databricks"
    if scheme in {entry.name for entry in metadata.entry_points(group="mlflow.tracking_store")}:
        return None, None  # of a plugin
    if scheme in ("s3", "gs", "wasbs", "abfss", "hdfs", "dbfs", "mlflow-artifacts"):
        return "this is a place for artifacts, where MLflow keeps no runs; name a server or a database", None
    problem = f"'{scheme}:' is no scheme that MLflow knows ({', '.join(SCHEMES)})"
    kind, plus, driver = scheme.partition("+")
    near = difflib.get_close_matches(kind.lower(), [*SCHEMES, *MEANT], 1)
    return problem, f"{MEANT.get(near[0], near[0])}{plus}{driver}:{rest}" if near else None

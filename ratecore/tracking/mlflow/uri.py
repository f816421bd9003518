"""Tracking URIs: which store is used, and checks for URIs with which MLflow can never work."""

from __future__ import annotations

import difflib
import os
import re
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from ratecore.system.files import AnyPath, check_writable
from ratecore.system.redaction import without_secrets
from ratecore.tracking.mlflow.sqlite import file_problem, sqlite_file, sqlite_uri

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# What people write instead of the schemes that MLflow and SQLAlchemy know.
SYNONYMS = {"postgres": "postgresql", "pg": "postgresql", "psql": "postgresql", "mariadb": "mysql", "sqlite3": "sqlite"}
SCHEMES = ("http", "https", "databricks", *DATABASES)
EXTRAS = {"psycopg2": "pip install 'ratecore[postgres]'"}
PACKAGES = {"MySQLdb": "mysqlclient"}  # packages whose modules have other names
QUOTES = ("'", '"', "`")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.S)

Problem = tuple[str | None, str | None]  # what is wrong, and a correction


def tracking_uri(configured: str | None, results: AnyPath, check: bool = True) -> str:
    """The MLflow tracking URI: from the environment, from the configuration, or a SQLite file in the results folder.

    Args:
        configured: value in the configuration.
        results: folder of all results.
        check: whether to check the URI. Jobs on other machines do not use MLflow and need no drivers or local disks.

    Returns:
        The URI.

    Raises:
        ValueError: MLflow can never work with the URI; see `check_uri`.
    """
    given = {"the environment's MLFLOW_TRACKING_URI": os.environ.get("MLFLOW_TRACKING_URI"), "tracking.uri": configured}
    for name, uri in given.items():
        if uri:
            return check_uri(name, uri) if check else uri
    file = Path(results).resolve() / "mlflow.db"
    if check and (problem := _file_problem(file)):
        raise ValueError(f"{file}: {problem}")
    return sqlite_uri(file)


def is_default(uri: str, results: AnyPath) -> bool:
    """Whether a URI names the SQLite file in the results folder, by any path.

    Args:
        uri: tracking URI.
        results: folder of all results.

    Returns:
        False for all other stores.
    """
    file = sqlite_file(uri)
    return file is not None and file.resolve() == Path(results).resolve() / "mlflow.db"


def stored_uri(uri: str, results: AnyPath) -> str | None:
    """The URI as it is written to files of the results.

    Args:
        uri: tracking URI.
        results: folder of all results.

    Returns:
        The URI without its password; None for the default store, whose path changes when the folder is moved.
    """
    return None if is_default(uri, results) else without_secrets(uri, uri)


def is_database(uri: str) -> bool:
    """Whether MLflow's client opens the store itself, without a tracking server.

    Args:
        uri: tracking URI.

    Returns:
        True for database URIs.
    """
    return uri.partition(":")[0].partition("+")[0] in DATABASES


def check_uri(name: str, uri: str) -> str:
    """Check that MLflow can use a URI, without contacting a server.

    Args:
        name: the setting or variable that the URI is from, for the message.
        uri: tracking URI.

    Returns:
        The URI.

    Raises:
        ValueError: MLflow cannot use it. The message has the value without its password, the reason and a correction.
    """
    if not uri.isprintable():  # the value is not shown, since passwords are removed from single lines only
        raise ValueError(f"{name}: it must be a URI without line breaks and other control characters")
    problem, correction = _uri_problem(uri)
    if problem is None:
        return uri
    shown = re.sub(r"^(\s*[A-Za-z][\w+.-]*:/*)[^@]*@", r"\1***@", uri)  # also where a slash of '://' is missing
    hint = f"; write {correction!r}" if correction else ""
    raise ValueError(without_secrets(f"{name} = {shown!r}: {problem}{hint}", uri, correction or ""))


def _uri_problem(uri: str) -> Problem:
    """What is wrong with a URI, and a correction; None where there is none."""
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
        return _no_scheme_problem(uri)
    scheme, rest = match[1], match[2]
    kind, plus, driver = scheme.partition("+")
    lower = kind.lower()
    if meant := SYNONYMS.get(lower) or (lower if lower in DATABASES and kind != lower else ""):
        return f"MLflow does not know the scheme '{kind}:'", f"{meant}{plus}{driver}:{rest}"
    if kind == "sqlite":
        return _sqlite_problem(uri, driver, rest)
    if kind in DATABASES:
        return _database_problem(uri, scheme, rest)
    if scheme.lower() in ("http", "https"):
        return _server_problem(uri, scheme, rest)
    if scheme == "file":
        return _folder_problem(re.sub(r"^//(localhost(?=/))?", "", rest))
    return _scheme_problem(scheme, rest)


def _no_scheme_problem(uri: str) -> Problem:
    if uri == "databricks":
        return None, None
    if uri in ("uc", "databricks-uc"):
        return _scheme_problem(uri, "")
    if slip := re.fullmatch(r"(https?)//(.+)", uri):
        return "a colon is missing", f"{slip[1]}://{slip[2]}"
    host = uri.partition("/")[0]
    if re.fullmatch(r"(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?|[\w-]+:\d+", host) and not _is_file(uri):
        return "it has no scheme", f"http://{uri}"
    if _is_file(uri):
        return "it has no scheme", _sqlite(os.path.expanduser(uri))
    return _folder_problem(uri)


def _is_file(text: str) -> bool:
    return text.endswith((".db", ".sqlite", ".sqlite3"))


def _sqlite(path: str) -> str:
    return f"sqlite:///{path}"


def _folder_problem(path: str) -> Problem:
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return None, None
    file = path if _is_file(path) else f"{os.path.expanduser(path).rstrip('/')}/mlflow.db"
    return "MLflow no longer keeps runs in folders of files, but in databases", _sqlite(file)


def _sqlite_problem(uri: str, driver: str, rest: str) -> Problem:
    if driver not in ("", "pysqlite"):
        return f"MLflow cannot use the driver '{driver}'", f"sqlite:{rest}"
    slashes = len(rest) - len(rest.lstrip("/"))
    path = rest.lstrip("/")
    if not path or path.startswith((":memory:", "?")):
        return "a database in memory is lost when its process ends", _sqlite("results/mlflow.db")
    if slashes < 3:  # with one slash or none, the path means what it does anywhere else
        correction = _sqlite(f"/{path}" if slashes == 1 else os.path.expanduser(path))
        return f"it has {slashes or 'no'} slash{'es' * (slashes > 1)} after 'sqlite:', three are needed", correction
    file = sqlite_file(uri)
    if file is None:
        return "it names no file", _sqlite("results/mlflow.db")
    if file.parts[0].startswith("~") or path.startswith("~"):
        return "'~' is not expanded in it", _sqlite(os.path.expandvars(os.path.expanduser(path)))
    if os.path.expandvars(path) != path:
        return "variables are not expanded in it", _sqlite("/" * (slashes - 3) + os.path.expandvars(path))
    return _file_problem(file), None


def _file_problem(file: Path) -> str | None:
    try:
        check_writable(file.absolute().parent)
        return file_problem(file)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"


def _database_problem(uri: str, scheme: str, rest: str) -> Problem:
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
        module = error.name or ""
        how = EXTRAS.get(module, f"pip install {PACKAGES.get(module, module)}")
        return f"its driver {module} is not installed ({how})", None
    except (ArgumentError, ValueError):
        return "it is not <scheme>://<user>:<password>@<host>:<port>/<database>, with special letters as %XX", None
    return None, None


def _server_problem(uri: str, scheme: str, rest: str) -> Problem:
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
        has_port = re.search(r"[,;]\d+(/|$)", uri)
        return f"'{host}' is not a host", re.sub(r"[,;](?=\d+(/|$))", ":", uri) if has_port else None
    if parts.fragment or parts.query or uri.endswith(("#", "?")):
        return "this is the address of a page, not of the server", re.split("[?#]", uri)[0].rstrip("/")
    return None, None


def _scheme_problem(scheme: str, rest: str) -> Problem:
    """What is wrong with a scheme that is not one of MLflow's own."""
    if scheme == "databricks":
        return None, None
    if scheme in ("uc", "databricks-uc"):
        return "this is a model registry, in which MLflow stores no runs", "databricks"
    if scheme in {entry.name for entry in metadata.entry_points(group="mlflow.tracking_store")}:
        return None, None  # a plugin has it
    if scheme in ("s3", "gs", "wasbs", "abfss", "hdfs", "dbfs", "mlflow-artifacts"):
        return "this is a store for artifacts, in which MLflow stores no runs; name a server or a database", None
    problem = f"MLflow does not know the scheme '{scheme}:' ({', '.join(SCHEMES)})"
    kind, plus, driver = scheme.partition("+")
    near = difflib.get_close_matches(kind.lower(), [*SCHEMES, *SYNONYMS], 1)
    return problem, f"{SYNONYMS.get(near[0], near[0])}{plus}{driver}:{rest}" if near else None

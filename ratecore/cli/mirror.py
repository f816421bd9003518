"""`ratecore replay` and `ratecore ui`: the MLflow of a results folder."""

from __future__ import annotations

import errno
import http.client
import os
import select
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from ratecore.system.files import AnyPath, read_sealed_json


def experiments_in(folder: AnyPath) -> list[Path]:
    """Folders of experiments in a results folder, or the folder itself if it is one. Raises FileNotFoundError."""
    folder = Path(folder)
    found = [folder] if (folder / "runs").is_dir() else sorted(path.parent for path in folder.glob("*/runs"))
    if not found:
        raise FileNotFoundError(f"{folder}: no experiment in it, that is, no folder with a folder 'runs'")
    return found


def uri_of(root: Path, given: str | None) -> str:
    """The tracking URI for an experiment: as given, of the environment, as last used, or the results' SQLite file."""
    from ratecore.tracking.mlflow.uri import check_uri, tracking_uri

    if given:
        return check_uri("--uri", given)
    used = None
    if (root / "tracking.json").is_file():
        used = read_sealed_json(root / "tracking.json").get("uri")
        if not isinstance(used, str | None):
            raise ValueError(f"{root / 'tracking.json'}: its 'uri' is no text; name the store with --uri")
        if used and "***" in used and not os.environ.get("MLFLOW_TRACKING_URI"):
            raise ValueError(f"{root}: its MLflow is at {used}; give the URI with its password in MLFLOW_TRACKING_URI")
    return tracking_uri(None if used and _was_default(used, root) else used, root.parent)


def _was_default(uri: str, root: Path) -> bool:
    """Whether a URI is that of the default store where the results were before: earlier versions noted its path."""
    from ratecore.tracking.mlflow.sqlite import sqlite_file

    file = sqlite_file(uri)
    if file is None or file.name != "mlflow.db" or not (root.parent / "mlflow.db").is_file():
        return False
    return not file.exists() or (file.parent / root.name / "runs").is_dir()  # moved, or copied


def replay_command(results: AnyPath, uri: str | None) -> int:
    """Replays all runs. Returns 0 when MLflow has everything."""
    from ratecore.system.redaction import redact_output, without_secrets
    from ratecore.tracking.mlflow.follow import follow

    redact_output(uri or "")  # MLflow and what it imports write to standard error, too
    complete = True
    for root in experiments_in(results):
        place = uri_of(root, uri)
        job = {"experiment": root.name, "results": str(root.parent), "all_runs": True}
        done = follow(job, place, lambda seconds: True)
        print(f"{root.name}: {'all' if done else 'not all'} of its runs are in {without_secrets(place, place)}")
        complete = complete and done
    return 0 if complete else 1


def store_of(results: AnyPath, uri: str | None) -> str:
    """The tracking URI by which a results folder is looked at.

    Args:
        results: folder of all results, or of one experiment in it.   uri: as given, or None for the database in the
            folder, or else the store that the last workflow noted.

    Raises:
        FileNotFoundError: no database and no experiment.   ValueError: a database or URI that cannot be used.
    """
    from ratecore.tracking.mlflow.sqlite import prepare_store
    from ratecore.tracking.mlflow.uri import check_uri

    if uri:
        return check_uri("--uri", uri)
    folder = Path(results)
    if not (folder / "mlflow.db").is_file() and (folder / "runs").is_dir():
        folder = folder.absolute().parent
    if not (folder / "mlflow.db").is_file():
        for root in sorted(path.parent for path in folder.glob("*/tracking.json")):
            if not (found := uri_of(root, None)).startswith("sqlite:"):
                return found
    return prepare_store(folder)


def ui_command(results: AnyPath, host: str, port: int, uri: str | None) -> int:
    """Becomes MLflow's server for a results folder, and prints its address when it answers.

    Returns only where the results are on a server that runs already, which it names.
    """
    from ratecore.system.redaction import without_secrets

    if not 1 <= port <= 65535:
        raise ValueError(f"--port {port}: it must be a whole number from 1 to 65535")
    store = store_of(results, uri)
    if store.startswith(("http://", "https://")):
        print(f"These results are on the MLflow server {without_secrets(store, store)}")
        return 0
    if find_spec("mlflow") is None:
        raise ValueError("MLflow is not installed: pip install 'ratecore[workflow]'")
    _refuse_port_in_use(host, port)
    # Neither a `random.py` in this folder nor a password in a list of processes.
    os.environ |= {"PYTHONSAFEPATH": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_BACKEND_STORE_URI": store}
    print("MLflow starts ...", flush=True)
    _announce_when_it_answers(host, port)
    server = ["-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    os.execv(sys.executable, [sys.executable, *server])


def _announce_when_it_answers(host: str, port: int) -> None:
    """Starts a process that prints the address when the server answers, and that ends with this one.

    It is no child of this process, which becomes the server and would not notice that a child has ended.
    """
    ended, open_until_the_end = os.pipe()
    os.set_inheritable(open_until_the_end, True)
    if child := os.fork():
        os.close(ended)
        os.waitpid(child, 0)
        return
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(open_until_the_end)
        if os.fork() == 0:
            while not _answers(host, port):
                if select.select([ended], [], [], 0.2)[0]:
                    return
            print(f"MLflow on http://{f'[{host}]' if ':' in host else host}:{port} (Ctrl-C ends it)", flush=True)
    finally:
        os._exit(0)


def _answers(host: str, port: int) -> bool:
    """Whether a server answers a request, with whatever status."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/health")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _refuse_port_in_use(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except socket.gaierror:
        raise ValueError(f"--host {host}: there is no such host") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValueError(f"--port {port}: it is in use; name another one, as --port {port + 1}") from None
        raise ValueError(f"--host {host} --port {port}: {error.strerror}") from None

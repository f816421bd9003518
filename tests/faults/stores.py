"""What the faults of servers need: an MLflow server, a slow or faulty proxy, PostgreSQL, and checks of a store."""

from __future__ import annotations

import glob
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
MLFLOW_TAGS = {"mlflow.runName", "mlflow.source.name", "mlflow.source.type", "mlflow.user", "ratecore.run"}


def environment(**more) -> dict[str, str]:
    """Returns the environment of a child process: this checkout's ratecore, no tracking settings, one thread."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "PYTEST"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **more,
    }


def free_port() -> int:
    """Returns a free port."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """`mlflow server` that also serves artifacts; can be killed, stopped and restarted.

    Args:
        folder: folder for its artifacts and log.   database: URI of its database.
    """

    def __init__(self, folder, database: str):
        self.folder, self.database, self.port = Path(folder), database, free_port()
        self.uri, self.artifacts = f"http://127.0.0.1:{self.port}", Path(folder, "artifacts")
        self._process = None

    def __enter__(self) -> Server:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
                   "--workers", "1", "--backend-store-uri", self.database,
                   "--artifacts-destination", str(self.artifacts)]  # fmt: skip
        with open(self.folder / "server.log", "ab") as log:
            # In a new process group, since it starts worker processes.
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env=environment(), start_new_session=True
            )
        deadline = time.monotonic() + 1800
        while True:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=60).read()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"no MLflow server: {(self.folder / 'server.log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.2)

    def __exit__(self, *error) -> None:
        self.send(signal.SIGCONT)
        self.kill()

    def send(self, number: int) -> None:
        """Sends a signal to all processes of the server."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kills the server at once, like a power cut; does nothing if it is already dead."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None


class Proxy:
    """A proxy that forwards every request after `delay` seconds, unless `refuse` says to answer 500.

    Attributes:
        delay: seconds.   refuse: () -> '' to answer like the server, 'before' to answer 500 without asking it, 'after'
            to answer 500 after it has processed the request.   requests: number of requests so far.
    """

    def __init__(self, port: int):
        self.delay, self.refuse, self.requests = 0.0, lambda: "", 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.requests += 1
                time.sleep(proxy.delay)
                how = proxy.refuse()
                status, headers, answer = 500, {}, b"broken"
                if how != "before":
                    server = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                    server.request(self.command, self.path, body, dict(self.headers))
                    reply = server.getresponse()
                    data = reply.read()
                    server.close()
                    if how != "after":
                        status, headers, answer = reply.status, dict(reply.getheaders()), data
                self.send_response(status)
                self.send_header("Content-Type", headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def log_message(self, *arguments):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # the client did not wait for the answer

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self._server.shutdown()
        self._server.server_close()


def postgresql_programs() -> Path | None:
    """Returns the folder of PostgreSQL's server programs; None if it is not installed."""
    found = [Path(name).parent for name in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    on_path = shutil.which("initdb")
    return max(found, key=lambda path: int(path.parts[-2]), default=Path(on_path).parent if on_path else None)


class Postgresql:
    """A separate PostgreSQL, with a password, on a free port of this machine."""

    def __enter__(self) -> Postgresql:
        programs, self.port, self._databases = postgresql_programs(), free_port(), 0
        # Root may not run it; use the user created by the package.
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="ratecore-postgresql-"))
        (self.folder / "password").write_text("sec ret")
        if user:
            for path in (self.folder, self.folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        quiet = {"cwd": self.folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, **user}
        subprocess.run([programs / "initdb", "-D", self.folder / "data", "-U", "keeper", "--no-sync",
                        "-A", "scram-sha-256", "--pwfile", self.folder / "password"], check=True, **quiet)  # fmt: skip
        self._process = subprocess.Popen(
            [programs / "postgres", "-D", self.folder / "data", "-c", f"port={self.port}",
             "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
             "-c", "fsync=off"],
            **{**quiet, "stderr": subprocess.DEVNULL},
        )  # fmt: skip
        deadline = time.monotonic() + 1800
        while True:
            try:
                self.connect("postgres").close()
                return self
            except Exception:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def __exit__(self, *error) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        shutil.rmtree(self.folder)

    def connect(self, database: str):
        """Returns a connection to one of its databases."""
        import psycopg2

        return psycopg2.connect(host="127.0.0.1", port=self.port, user="keeper", password="sec ret", dbname=database)

    def fresh(self) -> tuple[str, str]:
        """Creates an empty database and returns its name and URI."""
        self._databases += 1
        name = f"fresh{self._databases}"
        connection = self.connect("postgres")
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        return name, f"postgresql://keeper:sec%20ret@127.0.0.1:{self.port}/{name}"


def missing(connection, experiment: str, folders, artifacts=None) -> str | None:
    """Compares a store with the records of runs; returns what is missing or superfluous, or None if all is correct.

    Args:
        connection: connection to the database, which is closed.   experiment: name.   folders: folders of all runs of
            the experiment.   artifacts: where the server keeps them; None if the database has their location.
    """
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT experiment_id, name FROM experiments")
        found = [number for number, name in cursor.fetchall() if name == experiment]
        if len(found) != 1:
            return f"{len(found)} experiments of this name"
        cursor.execute(
            "SELECT run_uuid, lifecycle_stage, status, start_time, end_time, artifact_uri, name FROM runs"
            f" WHERE experiment_id = {found[0]}"
        )
        runs, by_tag = {row[0]: row[1:] for row in cursor.fetchall()}, {}
        for run_id in runs:
            cursor.execute(f"SELECT key, value FROM tags WHERE run_uuid = '{run_id}'")
            by_tag.setdefault(dict(cursor.fetchall()).get("ratecore.run"), []).append(run_id)
        if len(runs) != len(folders) or set(by_tag) != {folder.name for folder in folders}:
            return f"{len(runs)} runs (deleted ones counted) for {len(folders)} records"
        for folder in folders:
            (run_id,) = by_tag[folder.name]
            if wrong := _difference(_recorded(folder), _stored(cursor, run_id, runs[run_id], artifacts)):
                return f"{folder.name}: {wrong}"
    finally:
        connection.close()
    return None


def _difference(recorded: dict, stored: dict) -> str | None:
    for what, value in recorded.items():
        if value != stored[what]:
            pairs = [set(map(str, v.items() if isinstance(v, dict) else [v])) for v in (value, stored[what])]
            more = [sorted(one - other)[:3] for one, other in (pairs, pairs[::-1])]
            return f"{what}: only recorded {more[0]}, only stored {more[1]}"
        if what == "points" and stored["rows"] != len(value):
            return f"{stored['rows']} rows for {len(value)} points"
    return None


def _recorded(folder) -> dict:
    """Returns what a store must have of a run, read from its record without ratecore's own reader."""
    from ratecore.tracking.mlflow.translation import Translation, metric_name

    events = [json.loads(line) for line in Path(folder, "record.jsonl").read_text().splitlines()]
    points, params, tags, artifacts, end, translate = {}, {}, {}, {}, None, Translation()
    for event in events:
        when, shown = round(event["time"] * 1000), translate(event)
        for (name, step), value in shown.points.items():
            points.setdefault((metric_name(name), step), (float(value), when))
        params |= {key: str(value) for key, value in shown.params.items()}
        tags |= {key: str(value) for key, value in shown.tags.items() if value is not None}
        if event["event"] == "artifact":
            artifacts[f"{shown.folder}/{Path(event['path']).name}"] = event["sha256"]
        end = when if event["event"] == "end" else None
    return {"life": "active", "status": "FINISHED" if end else "RUNNING", "name": events[0]["labels"]["name"],
            "start": round(events[0]["time"] * 1000), "end": end, "points": points, "params": params, "tags": tags,
            "artifacts": artifacts}  # fmt: skip


def _stored(cursor, run_id: str, row: tuple, artifacts) -> dict:
    """Returns what the store has: the rows of its tables, and the bytes of its artifacts."""
    life, status, start, end, place, name = row
    tables = []
    for columns in ("key, step, value, timestamp FROM metrics", "key, value FROM params", "key, value FROM tags"):
        cursor.execute(f"SELECT {columns} WHERE run_uuid = '{run_id}'")
        tables.append(cursor.fetchall())
    points = {(key, step): (value, when) for key, step, value, when in tables[0]}
    tags = {
        key: value for key, value in tables[2] if not key.startswith("mlflow.ratecore.run.") and key not in MLFLOW_TAGS
    }
    root = Path(place.replace("mlflow-artifacts:", str(artifacts)))
    files = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }
    return {"life": life, "status": status, "name": name, "start": start, "end": end, "points": points,
            "rows": len(tables[0]), "params": dict(tables[1]), "tags": tags, "artifacts": files}  # fmt: skip


def sqlite(path, mode: str = "ro") -> sqlite3.Connection:
    """Returns a connection to an existing SQLite file, read-only unless the mode is 'rw'."""
    return sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=60)

"""docs/tracking.md as followed by a reader: its commands run unchanged, if PostgreSQL is installed."""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import PATIENCE
from faults.stores import Postgresql, environment, free_port, missing, postgresql_programs, sqlite
from workflow.checkout import SMALL, Checkout

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "docs" / "tracking.md").read_text(), re.M | re.S)
MLFLOW = Path(sys.executable).with_name("mlflow")  # with processes of its own, which are ended as a group
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(postgresql_programs() is None, reason="PostgreSQL's server is not installed"),
]


def block(containing):
    (found,) = [text for text in BLOCKS if containing in text]
    return found


class Reader:
    """Runs blocks of the text in a folder with a small grid, PostgreSQL and free ports."""

    def __init__(self, folder, postgresql, python):
        self.checkout, self.python = Checkout(folder, python), python
        self.folder, self.port, self.server = folder, free_port(), None
        self.checkout.configure(grid={"seed": [0]}, task_settings=SMALL["task_settings"]["go-nogo"])
        path = os.pathsep.join([str(Path(python).parent), str(postgresql_programs()), os.environ["PATH"]])
        # The text's address has no port: PostgreSQL's own variable names the one of this test.
        self.env = environment(
            PATH=path,
            PGHOST="127.0.0.1",
            PGPORT=str(postgresql.port),
            PGUSER="keeper",
            PGPASSWORD="sec ret",
            PYTHONWARNINGS="ignore",
        )

    def command(self, text):
        for old, new in {":5000": f":{self.port}", "--port 5000": f"--port {self.port}"}.items():
            text = text.replace(old, new)
        return ["bash", "-euc", text]

    def run(self, text, **env):
        done = subprocess.run(
            self.command(text),
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def serving(self, text):
        with open(self.folder / "server.log", "wb") as log:
            process = subprocess.Popen(
                self.command(text.replace("mlflow server", f"exec {MLFLOW} server")),
                stdout=log,
                cwd=self.folder,
                env=self.env,
                stderr=log,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    yield urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=60).read()
                    return
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline, (
                        self.folder / "server.log"
                    ).read_text()[-2000:]
                    time.sleep(0.5)
        finally:
            os.killpg(process.pid, 15)
            process.wait(PATIENCE)


def test_every_command_of_the_text(tmp_path, python):
    with Postgresql() as postgresql:
        reader = Reader(tmp_path, postgresql, python)
        local = block("var/tmp").replace("/var/tmp", str(tmp_path))
        # One machine, a file elsewhere.
        reader.run(local)
        (run,) = sorted(path.parent for path in (tmp_path / "results/small/runs").rglob("record.jsonl"))
        assert missing(sqlite(tmp_path / "mlflow.db"), "small", [run]) is None
        # Many machines.
        reader.run(block("psql"))
        with reader.serving(block("mlflow server")):

            def stored():
                return missing(postgresql.connect("mlflow"), "small", [run], tmp_path / "mlflow-artifacts")

            # Moved from the file to the server; then a workflow on it has nothing to add.
            assert "all of its runs are in http://" in reader.run(block("results --uri http"))
            assert stored() is None
            reader.run(block("URI=http"))
            assert stored() is None
            server = f"http://127.0.0.1:{reader.port}"
            (row,) = reader.checkout.rows()
            tag = {"RUN_ID": row["mlflow_run_id"], "MLFLOW_TRACKING_URI": server}
            delete, restore = block("runs delete").splitlines()
            reader.run(delete, **tag)
            assert "was deleted" in said_of_a_deleted_run(reader, run, server)
            reader.run(restore, **tag)
            assert stored() is None
            reader.run(block("ratecore replay results\n"), MLFLOW_TRACKING_URI=server)
        # The database of one machine, made again.
        (tmp_path / "mlflow.db").rename(tmp_path / "results/mlflow.db")
        assert "all of its runs are in sqlite:///" in reader.run(block("mlflow.old.db"))
        assert missing(sqlite(tmp_path / "results/mlflow.db"), "small", [run]) is None


def said_of_a_deleted_run(reader, run, server):
    """What a replay of a deleted run says, which does not know any more how far it was."""
    (run / "mirror.json").unlink()
    (reader.folder / "results/small/mirrored.json").unlink()
    done = subprocess.run(
        [reader.python, "-m", "ratecore.cli", "replay", "results", "--uri", server],
        cwd=reader.folder,
        env=reader.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    return done.stderr


def test_every_block_is_run_by_the_test_above_or_installs():
    source = Path(__file__).read_text()
    named = re.findall(r'block\("([^"]+)"\)', source)
    for text in BLOCKS:
        by_test = [part for part in named if part.replace("\\n", "\n") in text]
        # `make ui` is started by tests/test_readme.py
        assert by_test or text.startswith(("source .venv/bin/activate\npip install", "make ui")), text

"""Users other than the one who installed ratecore: two in one group, and one without a home folder or name."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from test_tracking import open_run, write_run

from ratecore.system.files import locked, write_atomic, write_new
from ratecore.tracking import Record

ROOT = Path(__file__).parents[2]
GROUP, ONE, OTHER = 20_000, 20_001, 20_002  # none of them has an entry in passwd
as_root = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can start processes of other users"
)
# The user may read everything, since Python itself may be in a home of others, and write only what is the user's.
READS = "-all,+dac_read_search"


def do_as(user, code, *arguments, umask=0o002, cwd="/", **environment):
    """Runs Python code as a user of the group. Returns the finished process."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    become = [
        "setpriv",
        f"--reuid={user}",
        f"--regid={GROUP}",
        "--clear-groups",
        f"--inh-caps={READS}",
        f"--ambient-caps={READS}",
    ]
    command = [*become, sys.executable, "-P", "-c", code, *map(str, arguments)]
    return subprocess.run(command, umask=umask, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture
def shared():
    """A setgid folder of the group, which both users can reach."""
    if (done := do_as(ONE, "import ratecore, numba")).returncode:
        pytest.skip(f"other users cannot use this installation: {done.stderr[-500:]}")
    folder = Path(tempfile.mkdtemp())
    try:
        os.chown(folder, ONE, GROUP)
        folder.chmod(0o2775)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o027, 0o077])
def test_files_and_folders_get_the_mode_that_the_umask_asks_for(tmp_path, umask):
    before = os.umask(umask)
    try:
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
        asked = {True: (tmp_path / "folder").stat().st_mode, False: (tmp_path / "file").stat().st_mode}
        write_atomic(tmp_path / "new" / "a", b"1")
        write_atomic(tmp_path / "new" / "a", b"2", keep=tmp_path / "new" / "before")
        write_new(tmp_path / "new" / "b", b"1")
        Record(tmp_path / "new" / "run" / "record.jsonl").append("start", "train")
        open_run(tmp_path / "new", "experiment", "run")
        with locked(tmp_path / "new" / "lock"):
            pass
    finally:
        os.umask(before)
    for path in (tmp_path / "new").rglob("*"):
        assert path.stat().st_mode == asked[path.is_dir()], path


def test_a_file_that_is_written_again_has_the_mode_of_its_writer(tmp_path):
    """So that a file of one user can be replaced by another one, whose it is then."""
    (tmp_path / "a").touch(mode=0o600)
    write_atomic(tmp_path / "a", b"1")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


WORK = """
import sys
from ratecore.tracking import Record
from ratecore.tracking.mlflow.follow import follow
from ratecore.tracking.queue import note_deaths, note_open
from ratecore.system.files import locked, write_atomic
from ratecore.tracking.mlflow.uri import tracking_uri
from pathlib import Path
results, text = Path(sys.argv[1]), sys.argv[2]
root = results / "demo"
folder = root / "runs" / "task" / "run"
note_deaths(root)
with locked(folder / "lock"):
    record = Record(folder / "record.jsonl")
    record.append("start", "train", identity="i", labels={"name": "run"})
    note_open(root, folder)
    sha256 = write_atomic(folder / "net.mat", text.encode())
    record.append("artifact", "export", path="net.mat", sha256=sha256, folder="model")
    record.append("end", "train", status="done", identity="i")
    note_open(root, folder)
job = {"experiment": "demo", "results": str(results), "all_runs": True}
assert follow(job, tracking_uri(None, results), lambda seconds: True)
"""


@as_root
def test_two_users_of_one_group_continue_each_others_grid(shared):
    results = shared / "results"
    for user, text in ((ONE, "first"), (OTHER, "second"), (ONE, "third")):
        done = do_as(user, WORK, results, text)
        assert done.returncode == 0, done.stderr
        assert "tracking:" not in done.stderr
        (artifact,) = results.glob("mlartifacts/demo/*/artifacts/model/net.mat")
        assert artifact.read_text() == text
    for path in results.rglob("*"):
        status = path.stat()
        assert status.st_gid == GROUP and status.st_mode & stat.S_IWGRP, path


@as_root
def test_a_lock_of_another_user_that_can_only_be_read_holds_all_the_same(shared):
    lock, code = (
        shared / "lock",
        "import sys; from ratecore.system.files import locked\nwith locked(sys.argv[1], wait=False): {}",
    )
    assert do_as(ONE, code, lock, umask=0o022).returncode == 0
    assert lock.stat().st_mode & 0o777 == 0o644
    assert do_as(OTHER, code, lock).returncode == 0
    with locked(lock):
        assert "BlockingIOError" in do_as(OTHER, code, lock).stderr


@as_root
def test_a_gpu_is_leased_by_a_third_user_too(shared):
    code = (
        "import sys; from ratecore.system.devices import leased_device\n"
        "with leased_device(['0'], folder=sys.argv[1]): pass"
    )
    (shared / "gpus").mkdir()
    for user in (OTHER, ONE, OTHER + 1):
        (shared / "gpus").chmod(0o1777)
        done = do_as(user, code, shared / "gpus", umask=0o077)
        assert done.returncode == 0, done.stderr


@as_root
def test_a_record_that_cannot_be_written_is_named_and_one_that_can_be_read_is_mirrored(shared):
    write_run(shared / "run")
    os.chmod(shared / "run" / "record.jsonl", 0o644)
    os.chmod(shared / "run", 0o777)
    code = """
import sys
from ratecore.tracking import Record
from ratecore.tracking.mlflow.mirror import _record_locked
from pathlib import Path
path = Path(sys.argv[1])
with _record_locked(path) as data:
    assert data.count(b"\\n") == 27, data
Record(path).append("start", "train")
"""
    path = shared / "run" / "record.jsonl"
    assert f"Permission denied: '{path}'" in do_as(OTHER, code, path).stderr


@as_root
def test_a_database_that_cannot_be_written_is_refused_before_any_job(shared):
    code = "import sys; from ratecore.tracking.mlflow.uri import check_uri; check_uri('--uri', sys.argv[1])"
    (shared / "closed").mkdir(mode=0o755)
    (shared / "x.db").touch(mode=0o644)
    for place, printed in (
        ("closed/x.db", f"{shared}/closed: cannot write in this folder"),
        ("x.db", "no permission to write"),
    ):
        assert printed in do_as(OTHER, code, f"sqlite:///{shared}/{place}").stderr


@as_root
@pytest.mark.parametrize("place", ["Dockerfile", "nowhere"])
def test_a_user_id_without_a_name_can_run_snakemake(shared, place):
    """With the environment of the image under any --user, or, once the workflow is read, with none at all."""
    found = re.search(r"^ENV (.*)$", (ROOT / "Dockerfile").read_text(), re.M)[1] if place == "Dockerfile" else ""
    env = dict(pair.split("=") for pair in found.split())
    settle = "" if env else "from ratecore.system.surroundings import settle_workflow; settle_workflow()\n"
    code = f"""
import getpass, os, pathlib
{settle}from snakemake.cli import get_argument_parser
get_argument_parser()
assert os.access(pathlib.Path.home(), os.W_OK) and getpass.getuser()
assert {bool(env)} or os.environ["PYTHONSAFEPATH"] == "1"
assert {bool(env)} or os.environ["PYTHONHASHSEED"] == "0"
"""
    done = do_as(ONE, code, **env)
    assert done.returncode == 0, done.stderr

"""Programs of the warm Python run as those of a new interpreter do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PATIENCE
from warm_python import PACKAGES

SCRIPT = "import sys, os; print(__name__, sys.argv, os.getcwd(), sys.path[0]); import beside; print(beside.__file__)"
PROGRAMS = {
    "module": ["-m", "json.tool", "--sort-keys"],
    "arguments": ["-c", "import sys; print(sys.argv, __name__, sys.path[0] in ('', __import__('os').getcwd()))", "a b"],
    "environment": ["-c", "import os; print(os.environ['NAME'], os.getcwd(), os.umask(0))"],
    "standard error": ["-c", "import sys; print('x', file=sys.stderr)"],
    "path": ["-c", "import beside; print(beside.__file__)"],
    "safe path": ["-P", "-c", "import beside"],
    "script": ["script.py", "-m", "a"],
    "status": ["-c", "raise SystemExit(3)"],
    "words": ["-c", "import sys; sys.exit('no such thing')"],
    "at exit": ["-c", "import atexit; atexit.register(print, 'last'); print('first')"],
    "thread": ["-c", "import threading; threading.Timer(0.1, print, ['late']).start()"],
    "killed": ["-c", "import os; os.kill(os.getpid(), 9)"],
    "terminated": ["-c", "import os; os.kill(os.getpid(), 15)"],
    "own options": ["-W", "error", "-c", "import sys; print(sys.warnoptions)"],
    "no script": ["nothing.py"],
}  # fmt: skip


@pytest.mark.parametrize("arguments", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_does_what_it_does_in_a_new_interpreter(python, tmp_path, arguments):
    (tmp_path / "beside.py").touch()
    (tmp_path / "script.py").write_text(SCRIPT)
    env = {"PATH": os.environ["PATH"], "NAME": "ä b", "PYTHONDONTWRITEBYTECODE": "1"}
    warm, new = (
        subprocess.run([program, *arguments], input='{"b": 1, "a": 2}', capture_output=True, text=True, cwd=tmp_path,
                       env=env, umask=0o027)
        for program in (python, sys.executable)
    )  # fmt: skip
    assert (warm.returncode, warm.stdout) == (new.returncode, new.stdout)
    assert warm.stderr.splitlines()[-1:] == new.stderr.splitlines()[-1:]  # without the lines of a traceback


def test_the_packages_are_there_and_ratecore_is_imported_from_its_own_path(python, tmp_path):
    (tmp_path / "ratecore.py").write_text("name = 'another'")
    code = (
        f"import sys; print(set({PACKAGES!r}) <= set(sys.modules), sys.executable)\n"
        "import ratecore; print(ratecore.name)"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout == f"True {python}\nanother\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_ends_with_its_caller(python, tmp_path, number):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
    with subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait() == -number
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()

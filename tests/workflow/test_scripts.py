"""Shared code of the scripts: logs that keep earlier attempts, and one line for a job that was told to stop."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def attempt(log, body: str) -> subprocess.CompletedProcess:
    """A job's script of which Snakemake has removed the log before."""
    log.unlink(missing_ok=True)
    code = "import os, signal\nfrom ratecore.experiment.scripts import *\n" + f"with logging_to({str(log)!r}):\n"
    code += "".join(f"    {line}\n" for line in body.splitlines())
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_a_log_keeps_earlier_attempts(tmp_path):
    log = tmp_path / "seeds~0.log"
    killed = attempt(
        log, "print('trained')\nimport subprocess; subprocess.run(['echo', 'a child'])\nos.kill(os.getpid(), 9)"
    )
    assert killed.returncode == -9
    assert attempt(log, "print('is done already')").returncode == 0
    text = re.sub(r"on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\d", "on DATE", log.read_text())
    assert text == "trained\na child\n\n---- again on DATE ----\nis done already\n"


@pytest.mark.parametrize(
    ("body", "status", "last"),
    [
        (
            "from ratecore.experiment.checkpoints import Interrupted; raise Interrupted(143, 10800)",
            128 + signal.SIGTERM,
            "stopped, saved at trial 10,800; run the same command to continue",
        ),
        ("raise KeyboardInterrupt", 128 + signal.SIGINT, "stopped; run the same command to continue"),
        ("os.kill(os.getpid(), signal.SIGTERM)", 128 + signal.SIGTERM, "stopped; run the same command to continue"),
    ],
    ids=["while_training", "ctrl_c", "sigterm"],
)
def test_a_job_that_was_stopped_says_so_in_a_line(tmp_path, body, status, last):
    done = attempt(tmp_path / "job.log", body)
    assert done.returncode == status and done.stderr == ""
    assert (tmp_path / "job.log").read_text() == last + "\n"


@pytest.mark.parametrize(
    ("body", "traceback"),
    [
        ("raise StageError('1 of 2 runs broke in train:\\n  seed=0: OSError: full')", False),
        ("raise OSError('full')", True),
        ("raise SystemExit('full')", True),
    ],
)
def test_an_error_is_in_the_log_and_on_standard_error(tmp_path, body, traceback):
    done = attempt(tmp_path / "job.log", body)
    log = (tmp_path / "job.log").read_text()
    assert done.returncode == 1 and done.stderr.strip().endswith("full") and log.strip().endswith("full")
    assert ("Traceback" in log) == traceback

"""The environment that other programs rely on: a home folder, a user name, Python's own modules."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path


def ensure_home_and_name() -> None:
    """Set HOME and LOGNAME where the user has neither.

    A user id without an entry in passwd (`docker run --user`) has none, and MLflow and Snakemake fail when they ask.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["LOGNAME"] = f"uid{os.getuid()}"


def settle_workflow() -> None:
    """Set the environment of Snakemake and all its jobs."""
    ensure_home_and_name()
    # hash() of strings and the order of sets, which a user's task may depend on, are the same in all jobs.
    os.environ.setdefault("PYTHONHASHSEED", "0")
    os.environ["PYTHONSAFEPATH"] = "1"  # so that a user's `random.py` in the working folder does not hide Python's

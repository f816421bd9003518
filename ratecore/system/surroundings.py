"""What programs of others need around them and may not find: a home, a name of the user, Python's own modules."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path


def have_a_home_and_a_name() -> None:
    """Gives this process a HOME and a LOGNAME where there are none.

    A user id without an entry in passwd, as `docker run --user` makes it, has neither, and MLflow and Snakemake end
    with an error when they ask for them.
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
    """Prepares the environment that Snakemake and all its jobs get."""
    have_a_home_and_a_name()
    # hash() of words and the order of sets, which a user's task may use, are the same in all jobs.
    os.environ.setdefault("PYTHONHASHSEED", "0")
    os.environ["PYTHONSAFEPATH"] = "1"  # a user's `random.py` in the working folder is not Python's own

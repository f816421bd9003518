"""What a run was made with: code, versions, machine."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from ratecore import __version__
from ratecore.tracking.environment import environment

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def code_hash() -> str:
    """SHA-256 (16 hex digits) over the package's own source files."""
    digest = hashlib.sha256()
    # Without the scripts of the workflow, which an installed package brings along and a checkout has beside it.
    for path in sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("repository/**/*.py"))):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def git_commit() -> str | None:
    """Commit of the checkout that the package (or else the working folder) is in, with '-dirty' after local changes."""
    for folder in (PACKAGE, Path.cwd()):
        try:
            git = ["git", "-C", str(folder)]
            commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
            if commit.returncode == 0:
                changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True,
                                         text=True, timeout=30)  # fmt: skip
                return commit.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")
        except (OSError, subprocess.TimeoutExpired):
            return None  # no git, or a file system too slow for it: the code hash still says what ran
    return None


@cache
def provenance() -> dict:
    """Git commit, code hash, the environment's hash, versions of what the numbers depend on most, and the machine."""
    versions = {name: metadata.version(name) for name in ("torch", "numpy", "numba")}
    return {
        "git_commit": git_commit(),
        "code_hash": code_hash(),
        "python": sys.version.split()[0],
        "environment": environment().hash,  # names the list of all versions: see `environment.write_environment`
        "versions": {"ratecore": __version__, **versions},
        "platform": platform.platform(),
        "host": platform.node(),
    }

"""What a run was made with: code, versions and machine."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ratecore import __version__
from ratecore.tracking.environment import environment

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def code_hash() -> str:
    """Hash the package's own source files.

    Returns:
        16 hex digits.
    """
    digest = hashlib.sha256()
    # Without the scripts of the workflow: an installed package contains them, the package in a checkout does not.
    for path in sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("repository/**/*.py"))):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def git_commit() -> str | None:
    """Find the commit of the checkout that contains the package, or else of the one that contains the working folder.

    Returns:
        The commit, with '-dirty' if tracked files have changed; None outside a checkout or without git.
    """
    for folder in (PACKAGE, Path.cwd()):
        try:
            git = ["git", "-C", str(folder)]
            commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
            if commit.returncode == 0:
                status = [*git, "status", "--porcelain", "--untracked-files=no"]
                changed = subprocess.run(status, capture_output=True, text=True, timeout=30)
                return commit.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")
        except (OSError, subprocess.TimeoutExpired):
            return None  # no git, or a file system too slow for it; the code hash still identifies the code
    return None


@cache
def provenance() -> dict[str, Any]:
    """Describe the code, the environment and the machine of this process.

    Returns:
        Git commit, code hash, hash of the environment, versions of the packages that numbers depend on most, platform
        and host.
    """
    versions = {name: metadata.version(name) for name in ("torch", "numpy", "numba")}
    return {
        "git_commit": git_commit(),
        "code_hash": code_hash(),
        "python": sys.version.split()[0],
        "environment": environment().hash,  # names the file that `environment.write_environment` writes
        "versions": {"ratecore": __version__, **versions},
        "platform": platform.platform(),
        "host": platform.node(),
    }

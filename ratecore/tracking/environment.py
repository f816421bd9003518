"""The Python environment of a run, complete enough to be installed again.

A run's record names it by a hash; its list is a file of its own, written once for all runs that were made with it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ratecore.system.files import sha256_of, write_atomic
from ratecore.system.redaction import without_secrets

# Builds of torch with a '+cpu' or '+cu126' in the version are not in the usual index.
OWN_INDEX = "# torch's +{} build is in PyTorch's own index: give pip its --extra-index-url (pytorch.org, Get Started)"


class Environment(NamedTuple):
    """Attributes: `text` in the format of `pip install -r`; `hash`, 16 hex digits of its SHA-256."""

    hash: str
    text: str


@cache
def environment() -> Environment:
    """The environment of this process: Python, platform and every installed distribution with its version."""
    text = described(metadata.distributions())
    return Environment(hashlib.sha256(text.encode()).hexdigest()[:16], text)


def write_environment(root) -> tuple[Path, str]:
    """Writes the environment of this process to `<root>/environments/environment-<hash>.txt`, if it is not there.

    Args:
        root: folder of an experiment's results.

    Returns:
        the file and the SHA-256 of its bytes.

    Raises:
        OSError: it cannot be written.
    """
    this = environment()
    path, data = Path(root, "environments", f"environment-{this.hash}.txt"), this.text.encode()
    sha256 = hashlib.sha256(data).hexdigest()
    if not path.is_file() or sha256_of(path) != sha256:
        write_atomic(path, data)
    return path, sha256


def described(distributions: Iterable[metadata.Distribution]) -> str:
    """The text of an environment with these distributions."""
    lines = {}
    for found in distributions:
        if "_vendor" in Path(found.locate_file("")).parts:
            continue  # part of setuptools, which puts it on the path once it is imported
        head = (found.read_text("METADATA") or found.read_text("PKG-INFO") or "").partition("\n\n")[0]
        fields = dict(re.findall(r"^(Name|Version): *(\S+)", head, re.M))
        if len(fields) == 2:  # else what a broken installation left behind, which nothing can import by its name
            name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
            lines.setdefault(name, _line(name, fields["Version"], found.read_text("direct_url.json")))  # as imports do
    local = {match[1] for line in lines.values() if (match := re.match(r"torch[\w-]*==[^+\s]+\+(\w+)", line))}
    # What wheels are chosen by; the kernel is in each record, and would make another environment of every node.
    machine = " ".join([sysconfig.get_platform(), *platform.libc_ver()]).strip()
    return "\n".join([
        f"# Python {platform.python_version()} ({platform.python_implementation()}), {machine}",
        *(OWN_INDEX.format(build) for build in sorted(local)),
        *(lines[name] for name in sorted(lines)), "",
    ])  # fmt: skip


def _line(name: str, version: str, direct: str | None) -> str:
    """What pip is told of one distribution; a comment for one that is in no index.

    Args:
        direct: the text of its direct_url.json (PEP 610), there unless it came from an index.
    """
    try:
        origin = json.loads(direct) if direct else {}
        url = without_secrets(str(origin.get("url", "")))
        vcs, archive, folder = (origin.get(f"{kind}_info") for kind in ("vcs", "archive", "dir"))
        if vcs is not None:
            return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}  # {version}"
        if archive is not None and not url.startswith("file:"):
            return f"{name} @ {url}  # {version}"
        if archive is not None:  # a file of one machine: perhaps an index has the same
            return f"{name}=={version}  # from the file {url.rpartition('/')[2]}"
        if folder is not None:
            return f"# {name}=={version} from a folder{', editable' * bool(folder.get('editable'))}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{name}=={version}  # from elsewhere: its direct_url.json cannot be read"
    return f"{name}=={version}"

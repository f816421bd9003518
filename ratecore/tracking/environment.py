"""The Python environment of a run, complete enough to be installed again.

A run's record has the hash of its environment. The list of packages is in a file that all runs of the same environment
share.
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

from ratecore.system.files import AnyPath, sha256_of, write_atomic
from ratecore.system.redaction import without_secrets

# Builds of torch with '+cpu' or '+cu126' in the version are not on PyPI.
TORCH_INDEX = "# torch's +{} build is in PyTorch's own index: give pip its --extra-index-url (pytorch.org, Get Started)"


class Environment(NamedTuple):
    """A Python environment.

    Attributes:
        hash: 16 hexadecimal digits of the SHA-256 of `text`.
        text: the packages, as `pip install -r` reads them.
    """

    hash: str
    text: str


@cache
def environment() -> Environment:
    """The environment of this process: Python, the platform and the versions of all installed packages.

    Returns:
        The environment.
    """
    text = requirements(metadata.distributions())
    return Environment(hashlib.sha256(text.encode()).hexdigest()[:16], text)


def write_environment(root: AnyPath) -> tuple[Path, str]:
    """Write the environment of this process to `<root>/environments/environment-<hash>.txt`, if it is not there.

    Args:
        root: folder of an experiment's results.

    Returns:
        The file and the SHA-256 of its contents.

    Raises:
        OSError: the file cannot be written.
    """
    current = environment()
    path, data = Path(root, "environments", f"environment-{current.hash}.txt"), current.text.encode()
    sha256 = hashlib.sha256(data).hexdigest()
    if not path.is_file() or sha256_of(path) != sha256:
        write_atomic(path, data)
    return path, sha256


def requirements(distributions: Iterable[metadata.Distribution]) -> str:
    """List packages as `pip install -r` reads them, after comments with Python and the platform.

    Args:
        distributions: the packages; of two with the same name, the first one counts, as in imports.

    Returns:
        One line per package, sorted by name.
    """
    lines: dict[str, str] = {}
    for distribution in distributions:
        if "_vendor" in Path(str(distribution.locate_file(""))).parts:
            continue  # part of setuptools, which adds it to the path when it is imported
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        fields = dict(re.findall(r"^(Name|Version): *(\S+)", text.partition("\n\n")[0], re.M))
        if len(fields) == 2:  # otherwise the rest of a broken installation
            name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
            lines.setdefault(name, _requirement(name, fields["Version"], distribution.read_text("direct_url.json")))
    local = {match[1] for line in lines.values() if (match := re.match(r"torch[\w-]*==[^+\s]+\+(\w+)", line))}
    # What pip chooses wheels by. The kernel is in each record; here it would give each node an environment of its own.
    machine = " ".join([sysconfig.get_platform(), *platform.libc_ver()]).strip()
    head = f"# Python {platform.python_version()} ({platform.python_implementation()}), {machine}"
    indices = (TORCH_INDEX.format(build) for build in sorted(local))
    return "\n".join([head, *indices, *(lines[name] for name in sorted(lines)), ""])


def _requirement(name: str, version: str, direct: str | None) -> str:
    """The line of one package; a comment for one that no index has.

    Args:
        name: normalized name.
        version: its version.
        direct: contents of its direct_url.json (PEP 610), which packages from an index do not have.
    """
    try:
        origin = json.loads(direct) if direct else {}
        url = without_secrets(str(origin.get("url", "")))
        vcs, archive, folder = (origin.get(f"{kind}_info") for kind in ("vcs", "archive", "dir"))
        if vcs is not None:
            return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}  # {version}"
        if archive is not None and not url.startswith("file:"):
            return f"{name} @ {url}  # {version}"
        if archive is not None:  # a local file; an index may have the same version
            return f"{name}=={version}  # from the file {url.rpartition('/')[2]}"
        if folder is not None:
            return f"# {name}=={version} from a folder{', editable' * bool(folder.get('editable'))}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{name}=={version}  # from elsewhere: its direct_url.json cannot be read"
    return f"{name}=={version}"

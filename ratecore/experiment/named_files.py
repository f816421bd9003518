"""The files of networks that a grid names (`grid.networks_from`): folders, patterns and single files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ratecore.settings.base import SettingsError, shown
from ratecore.settings.network_from import NETWORKS_FROM
from ratecore.settings.reading import local_path

KEY = ("grid", NETWORKS_FROM)  # that messages name
SUFFIXES = (".mat", ".pth", ".pt")


def named_files(given: Any) -> list[Path]:
    """The files that `grid.networks_from` names.

    Args:
        given: a list of folders, patterns and files; an entry that begins with '!' leaves files out.

    Returns:
        the files, each once, sorted by name.

    Raises:
        SettingsError: an entry that names no file, or leaves out none.
    """
    if not isinstance(given, list) or not given or not all(isinstance(e, str | os.PathLike) and str(e) for e in given):
        allowed = "it must be a folder with .mat files, a pattern such as models/**/*.mat, a file, or a list of these"
        raise SettingsError([(KEY, f" = {shown(given)}: {allowed}")])
    entries = [os.fspath(entry) for entry in given]
    without = [_expanded(entry[1:]) for entry in entries if entry.startswith("!")]
    found: dict[str, Path] = {}
    for entry in entries:
        if not entry.startswith("!"):
            for path in _of_entry(entry):
                found.setdefault(os.path.realpath(path), path)
    for pattern in without:
        matching = [key for key, path in found.items() if _matches(path, pattern)]
        if not matching:
            raise SettingsError(
                [(KEY, f" = {shown('!' + pattern)}: it leaves out no file; the others name none like it")]
            )
        for key in matching:
            del found[key]
    if not found:
        raise SettingsError([(KEY, f" = {shown(given)}: no file is left")])
    return sorted(found.values(), key=lambda path: (path.name, str(path)))


def _matches(path: Path, pattern: str) -> bool:
    return path.match(pattern) or os.path.realpath(path) == os.path.realpath(pattern)


def _expanded(entry: str) -> str:
    try:
        return local_path(entry) or ""
    except ValueError as error:
        raise SettingsError([(KEY, f" = {shown(entry)}: {error}")]) from None


def _of_entry(entry: str) -> list[Path]:
    path = Path(_expanded(entry))
    if path.is_dir():
        files = _once([Path(name) for name in sorted(glob.glob(f"{glob.escape(str(path))}/*"))])
        if not files:
            deeper = sum(1 for name in glob.iglob(f"{glob.escape(str(path))}/**/*.mat", recursive=True))
            below = shown(os.path.join(entry, "**", "*.mat"))
            hint = f"; {below} names the {deeper} in folders below it" if deeper else ""
            raise SettingsError([(KEY, f" = {shown(entry)}: the folder has no .mat or .pth file{hint}")])
        return files
    if glob.has_magic(str(path)) and not path.exists():
        files = _once([Path(name) for name in sorted(glob.glob(str(path), recursive=True))])
        if not files:
            raise SettingsError([(KEY, f" = {shown(entry)}: no .mat or .pth file has such a name")])
        return files
    if not path.exists():
        raise SettingsError([(KEY, f" = {shown(entry)}: there is no such file or folder")])
    return [path]


def _once(paths: Iterable[Path]) -> list[Path]:
    """The files of networks among paths; of a `.mat` and the `.pth` that was saved with it, the `.mat`."""
    files = [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    mats = {path.with_suffix("") for path in files if path.suffix.lower() == ".mat"}
    return [path for path in files if path.suffix.lower() == ".mat" or path.with_suffix("") not in mats]

"""What was analysed before: an analysis that has been done for a network is not done again for others beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratecore.experiment.analyses.results import Arrays
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import ANALYSE, row_of
from ratecore.settings.run import hash_of
from ratecore.system.files import sha256_of, write_atomic

PART = "analysis-{}.npz"  # of an analysis that is done while others are not, beside the file of all


@dataclass(frozen=True)
class Done:
    """An analysis of a network that is done, as the record has it.

    Attributes:
        numbers: by name, to six digits; without those that are not defined for the network.
        arrays: by name.
        skipped: why the network has none; None if it has.
        error: why the analysis failed; None if it did not.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    skipped: str | None = None
    error: str | None = None


def identities(run: Run) -> dict[str, str]:
    """Hash everything that each chosen analysis of a run depends on: settings, code, and the files that it reads.

    Unlike the identity of the stage, that of an analysis does not change with the others.

    Args:
        run: to analyse.

    Returns:
        analysis: hex digits.
    """
    hashes: dict[Path, str] = {}
    found: dict[str, str] = {}
    for name in run.settings.analyses:
        row, alone = row_of(ANALYSE, (name,)), run.settings.model_copy(update={"analyses": (name,)})
        files = {of: run.file(of) for of in (*row.reads, *row.reads_if_there)}
        for path in files.values():
            if path not in hashes:
                hashes[path] = sha256_of(path) if path.is_file() else ""
        found[name] = hash_of(
            {
                "settings": alone.identity(*row.settings),
                "code": table.code_hash(ANALYSE, analyses=(name,)),
                "reads": {of: hashes[path] for of, path in files.items()},
            }
        )
    return found


def done_before(run: Run, wanted: Mapping[str, str]) -> dict[str, Done]:
    """Find the analyses of a run that are done already, by any variant, or by a call that did not end.

    Args:
        run: to analyse.
        wanted: identity of each analysis, as of `identities`.

    Returns:
        analysis: its results. Files that were changed or damaged since are not used.
    """
    found = {name: part for name, identity in wanted.items() if (part := _part(run, name, identity))}
    for end in reversed(run.record.events("end")):
        same = [name for name, identity in end.get("analyses", {}).items() if wanted.get(name) == identity]
        if left := [name for name in same if name not in found]:
            found |= _of_stage(run, end, left)
    return found


def keep_part(run: Run, name: str, identity: str, done: Done) -> None:
    """Write the file of an analysis, for a call that goes on if this one is killed.

    Args:
        run: that is analysed.
        name: of the analysis.
        identity: of `identities`.
        done: its results.
    """
    from ratecore.formats.analysis_parts import part_bytes

    values = {"identity": identity, "numbers": dict(done.numbers), "skipped": done.skipped, "error": done.error}
    write_atomic(run.folder_of(ANALYSE) / PART.format(name), part_bytes(done.arrays, values))


def _part(run: Run, name: str, identity: str) -> Done | None:
    from ratecore.formats.analysis_parts import load_part
    from ratecore.formats.errors import FormatError

    try:
        arrays, values = load_part(run.folder_of(ANALYSE) / PART.format(name))
    except (FileNotFoundError, FormatError):
        return None
    if values.pop("identity") != identity:
        return None
    return Done(values["numbers"], arrays, values["skipped"], values["error"])


def _of_stage(run: Run, end: Mapping[str, Any], names: list[str]) -> dict[str, Done]:
    """Some analyses of a call that ended; none if its file is not as it was written."""
    from ratecore.formats.npz import load_analysis

    arrays: dict[str, dict[str, Any]] = {}
    for path, sha256 in end.get("files", {}).items():
        file = run.named(path)
        if not file.is_file() or sha256_of(file) != sha256:
            return {}
        arrays |= load_analysis(file)
    numbers: dict[str, dict[str, float]] = {}
    for key, value in end.get("numbers", {}).items():
        name, _, number = key.partition("/")
        numbers.setdefault(name, {})[number] = value
    return {
        name: Done(
            numbers.get(name, {}),
            arrays.get(name, {}),
            end.get("left_out", {}).get(name),
            end.get("errors", {}).get(name),
        )
        for name in names
    }

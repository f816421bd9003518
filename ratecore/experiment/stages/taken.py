"""Results of a stage that another grid has made for the same network under the name of another variant.

The folder of a variant is named after the axes of its grid. In another grid the same settings can have another name,
while their identity, which is what the numbers depend on, stays the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import STAGES, row_of
from ratecore.system.files import read_sealed_json
from ratecore.tracking import RecordError

NOT_TAKEN = ("event", "stage", "time", "identity", "code_hash", "reads", "status", "files", "taken_from")


@dataclass(frozen=True)
class Finished:
    """A stage that is finished for another variant of the network.

    Attributes:
        step: the stage as the record names it there.
        files: name in the folder of a variant: the file, and its SHA-256.
        fields: of its `end`, which hold here, too.
    """

    step: str
    files: dict[str, tuple[Path, str]]
    fields: dict[str, Any]


def finished_elsewhere(stage: str, run: Run) -> Finished | None:
    """Find the results of a stage under another variant of the same network.

    They must have the same identity, come from the same code and the same files of earlier stages, and be unchanged.

    Args:
        stage: its name.
        run: for which the stage is not complete.

    Returns:
        the results; None if there are none, or if the stage is done quickly: its files are named by time (exports).
    """
    row = row_of(stage, run.settings.analyses)
    if not row.variants or row.paths:
        return None
    own: set[tuple[str, str]] | None = None
    for step, end in run.record.newest("end").items():
        if step.partition(" ")[0] != stage or step == run.step(stage):
            continue
        if end.get("status") != "done" or "skipped" in end or end.get("errors"):
            continue
        if end.get("identity") != run.identity(stage) or end.get("code_hash") != run.code_hash(stage):
            continue
        own = _by_name(run.reads(stage)) if own is None else own
        if _by_name(end.get("reads", {})) == own and (files := _files_of(run, step, end)) is not None:
            return Finished(step, files, {key: value for key, value in end.items() if key not in NOT_TAKEN})
    return None


def _by_name(reads: dict[str, str]) -> set[tuple[str, str]]:
    """Files by their names alone, whatever the variant they are of."""
    return {(PurePosixPath(path).name, sha256) for path, sha256 in reads.items()}


def _files_of(run: Run, step: str, end: dict[str, Any]) -> dict[str, tuple[Path, str]] | None:
    """The files in the folder of a variant; None if one is missing or was changed."""
    folder = run.folder / step.partition(" ")[2]
    files: dict[str, tuple[Path, str]] = {}
    for path, sha256 in end.get("files", {}).items():
        try:
            file = run.named(path)
        except RecordError:  # it leads out of the results; the stage itself reports such a record of its own
            return None
        name = os.path.relpath(file, folder)
        if name.startswith(os.pardir):
            continue  # the `.mat` of that variant, see `add_to_export`
        if not run.holds({path: sha256}):
            return None
        files[name] = (file, sha256)
    return files


def add_to_export(stage: str, run: Run) -> Path | None:
    """Add what was taken to the file of an earlier stage, as the stage itself does: lambda to the `.mat`.

    Args:
        stage: its name.
        run: whose results were taken.

    Returns:
        the file; None if the stage adds to none.

    Raises:
        FileNotFoundError: the earlier stage is not done.
    """
    row = STAGES[stage]
    if row.adds_to is None:
        return None
    from ratecore.formats.mat import add_to_mat  # with torch, which jobs of other stages import only to work

    earlier, key = row.adds_to
    end = run.outcome(earlier, code=False)
    if end is None:
        raise FileNotFoundError(
            f"{run.folder}: the network is not exported, or its files were changed; run '{earlier}' again"
        )
    mat, found = run.named(end[key]), read_sealed_json(run.conversion)
    names = ("opt_scaling_factor", "all_perfs", "scaling_factors")
    add_to_mat(mat, {name: found[name] for name in names})
    return mat

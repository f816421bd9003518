"""A run's folder: its files, its record, and which of its stages are complete."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from ratecore.experiment.grid import Experiment
from ratecore.experiment.points import GridPoint
from ratecore.experiment.products import GRIDS
from ratecore.experiment.progress import say
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import ANALYSE, STAGES, TRAIN, WRITTEN_BY, row_of
from ratecore.settings.run import RunSettings
from ratecore.system.files import inside, locked, sha256_of
from ratecore.tracking import Record, RecordError
from ratecore.tracking.queue import note_open

FINAL = ("done", "failed")  # an `end` with one of these is final; 'broken' is tried again


@dataclass
class Run:
    """One network and everything that the workflow knows about it.

    If the grid sweeps settings of later stages, a network is trained once, and these stages are done for each of its
    variants, in folders of their own.

    Attributes:
        folder: of the run.
        root: of the experiment's results.
        settings: of the run.
        labels: for people: `name` of the run, `grid` (its experiment), `cell` (its grid point) and, where the grid is a
            list, `grids` (the products that train it).
        variants: stage: path of the variant (`refractory~2`), for stages that have variants in this grid.
        grid_point: number of the first grid point that trains this network.
        draws: whether its stages draw figures of their own (`figures.networks`).
    """

    folder: Path
    root: Path
    settings: RunSettings
    labels: dict[str, str] = field(default_factory=dict)
    variants: dict[str, str] = field(default_factory=dict)
    grid_point: int = 0
    draws: bool = True

    @classmethod
    def at(cls, experiment: Experiment, grid_point: GridPoint, seed: int) -> Run:
        """The run at a grid point and a seed.

        Args:
            experiment: of the grid.
            grid_point: of the run.
            seed: of the run.

        Returns:
            the run.
        """
        settings = grid_point.run(seed)
        columns = experiment.columns(TRAIN)
        network = experiment.grid_points_of(TRAIN)[grid_point.path_in(columns)]
        swept = [a.column for a in experiment.axes if len(a.values) > 1 and a.column in columns and a.column != "task"]
        known = grid_point.known_values
        parts = [*(f"{column}={known[column]}" for column in swept if known[column] is not None), f"seed={seed}"]
        name = " ".join([grid_point.values["task"], *parts])
        labels = {"name": name, "grid": experiment.settings.experiment, "cell": grid_point.path_in(columns)}
        if experiment.is_list:
            labels[GRIDS] = " ".join(network.grids(seed))
        variants = {stage: path for stage in STAGES if (path := experiment.variant(grid_point, stage))}
        draws = experiment.settings.figures.networks
        return cls(experiment.folder(settings), experiment.root, settings, labels, variants, network.number, draws)

    def step(self, stage: str) -> str:
        """The stage as the record names it.

        Args:
            stage: its name.

        Returns:
            the name, with its variant if it has one.
        """
        return " ".join(filter(None, [stage, self.variants.get(stage)]))

    def name(self, stage: str) -> str:
        """The name of the run in a stage, for people.

        Args:
            stage: its name.

        Returns:
            the name, with the variant if there is one.
        """
        return " ".join(filter(None, [self.labels.get("name", "run"), self.variants.get(stage)]))

    def folder_of(self, stage: str) -> Path:
        """The folder of what a stage writes.

        Args:
            stage: its name.

        Returns:
            the folder of the run or of the variant.
        """
        return self.folder / self.variants.get(stage, "")

    def file(self, name: str) -> Path:
        """A file that a stage writes.

        Args:
            name: of the file in its `Stage.files`.

        Returns:
            the path.
        """
        stage = WRITTEN_BY[name]
        return self.folder_of(stage.name) / stage.files[name]

    @property
    def network(self) -> Path:
        """The trained network, as `formats.save_pth` writes it."""
        return self.file("network")

    @property
    def evaluation(self) -> Path:
        """The scores as arrays (`.npz`)."""
        return self.file("evaluation")

    @property
    def scores(self) -> Path:
        """The scores as readable JSON."""
        return self.file("scores")

    @property
    def conversion(self) -> Path:
        """The search for lambda and the performance of the spiking network, as JSON."""
        return self.file("conversion")

    @property
    def comparison(self) -> Path:
        """The rate and the spiking network on the same trials, as arrays (`.npz`)."""
        return self.file("comparison")

    @cached_property
    def record(self) -> Record:
        """The record of the run."""
        return Record(self.folder / "record.jsonl")

    def identity(self, stage: str) -> str:
        """Hash of the settings that the stage's numbers depend on.

        Args:
            stage: its name.

        Returns:
            hex digits.
        """
        return self.settings.identity(*STAGES[stage].settings)

    def code_hash(self, stage: str) -> str:
        """Hash of the code that the stage's numbers come from.

        Args:
            stage: its name.

        Returns:
            hex digits.
        """
        if stage == ANALYSE:
            return table.code_hash(stage, analyses=self.settings.analyses)
        return table.code_hash(stage)

    def outcome(
        self, stage: str, verify: bool = True, ends: dict[str, dict[str, Any]] | None = None, code: bool = True
    ) -> dict[str, Any] | None:
        """The stage's `end` event if the stage is complete: final, of this identity, its files present and unchanged.

        Scores and exports made by another version of the code are redone, which is cheap, and so are failures. Networks
        trained by another version are kept.

        Args:
            stage: its name.
            verify: whether to check the contents of the files and the code against the record, too.
            ends: the record's newest `end` of each stage, if it was read before.
            code: whether results of another version of the code count as incomplete, with `verify`.

        Returns:
            the event; None if the stage is not complete.

        Raises:
            RecordError: the record is damaged, or names a file outside the experiment's results.
        """
        ends = self.record.newest("end") if ends is None else ends
        end = ends.get(self.step(stage))
        if end is None or end.get("identity") != self.identity(stage) or end.get("status") not in FINAL:
            return None
        row = STAGES[stage]
        lasting = row.lasts and end["status"] == "done"
        if verify and code and not lasting and end.get("code_hash") != self.code_hash(stage):
            return None
        self._check_paths(ends, verify)  # report paths out of the results first
        if row.adds_to and "skipped" not in end:
            other, key = row.adds_to
            if ends.get(self.step(other), {}).get(key) not in end.get("files", {}):
                return None  # it was added to a file that has been replaced since
        return end if self.holds({**end.get("files", {}), **end.get("reads", {})}, verify) else None

    def holds(self, files: Mapping[str, str], verify: bool = True) -> bool:
        """Whether all of some files are there and as they were recorded.

        Args:
            files: path as recorded: SHA-256.
            verify: whether to check their contents, too.

        Returns:
            True if they are.

        Raises:
            RecordError: a file is outside the experiment's results.
        """
        for path, sha256 in files.items():
            file = self.named(path, verify)
            if not os.path.isfile(file) or (verify and not _is_as_written(file, sha256)):
                return False
        return True

    def _check_paths(self, ends: dict[str, dict[str, Any]], links: bool) -> None:
        """Raise RecordError if the newest `end` of a stage names a file outside the experiment's results."""
        for name, stage in STAGES.items():
            for key in stage.paths:
                if (path := ends.get(self.step(name), {}).get(key)) is not None:
                    self.named(path, links)

    def named(self, path: str, links: bool = True) -> Path:
        """The absolute path of a file that the record names.

        Args:
            path: as recorded.
            links: whether links are followed, see `inside`.

        Returns:
            the path.

        Raises:
            RecordError: it is outside the experiment's results.
        """
        try:
            return inside(self.root, path, links)
        except ValueError as error:
            raise RecordError(f"{self.record.path}: {error}") from None

    def reads(self, stage: str) -> dict[str, str]:
        """The files that a stage reads, as they are now.

        Args:
            stage: its name.

        Returns:
            path: SHA-256.
        """
        row = row_of(stage, self.settings.analyses)
        files = [self.file(name) for name in row.reads]
        files += [file for file in map(self.file, row.reads_if_there) if file.is_file()]
        return {self.relative(file): sha256_of(file) for file in files}

    def note_open(self) -> None:
        """Note that the record has grown or will grow, see `tracking.queue`."""
        note_open(self.root, self.folder)

    @contextlib.contextmanager
    def locked(self, log: TextIO | None = None) -> Iterator[None]:
        """Hold the lock of the run, so that no other process works on it. Wait for one that does.

        It can be a job of a Snakemake that died.

        Args:
            log: file for the message about waiting; None for standard error.

        Yields:
            None.
        """
        lock = self.folder / "lock"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(lock, wait=False))
            except BlockingIOError:
                message = f"waiting for another process that works on this network (`fuser {lock}` finds it)"
                say(f"{self.name(TRAIN)}: {message}", log or sys.stderr)
                stack.enter_context(locked(lock))
            yield

    def relative(self, path: str | os.PathLike[str], start: str | os.PathLike[str] | None = None) -> str:
        """The path as the record names it.

        Args:
            path: of a file.
            start: the folder it is relative to; None for the experiment's.

        Returns:
            the path.
        """
        return Path(os.path.relpath(path, start or self.root)).as_posix()


def _is_as_written(file: Path, sha256: str) -> bool:
    """Whether a file is as it was recorded; lambda may have been added to a `.mat` since."""
    if sha256_of(file) == sha256:
        return True
    if file.suffix != ".mat":
        return False
    from ratecore.formats import FormatError, load_mat, sha256_without_additions

    try:
        load_mat(file, ())  # an unreadable addition would block the next one
    except FormatError:
        return False
    return sha256_without_additions(file) == sha256

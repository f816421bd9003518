"""A run's folder: its files, its record, and whether a stage of it is done."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ratecore.experiment.grid import LATER, Cell, Experiment
from ratecore.experiment.progress import say
from ratecore.settings.run import RunSettings
from ratecore.system.files import inside, locked, sha256_of
from ratecore.tracking import Record, RecordError
from ratecore.tracking.provenance import code_hash
from ratecore.tracking.queue import note_open

# What the numbers of each stage depend on, as arguments of `RunSettings.identity`.
DEPENDS_ON = {"train": ("training",), "evaluate": ("training", "evaluation"), "export": ("training", "evaluation"),
              "convert": ("training", "spiking", "conversion")}  # fmt: skip
# The files that each stage reads: it is done only for these very files.
READS = {"train": (), "evaluate": ("network",), "export": ("network", "evaluation"), "convert": ("network",)}
FINAL = ("done", "failed")  # an `end` with one of these is not tried again; 'broken' is


@dataclass
class Run:
    """One network and everything that the workflow knows of it.

    Where the grid sweeps what comes after training, a network is trained once and the later stages are done for each
    of its variants, in a folder of their own.

    Attributes:
        folder: of the run.   root: of the experiment's results.   settings: of the run.
        labels: `name` of the run, `grid` and `cell`, its experiment and grid point, for people.
        variants: stage: path of the variant (`refractory~2`), for stages that the grid has variants of.
        grid_point: number of the first grid point that trains this network.
    """

    folder: Path
    root: Path
    settings: RunSettings
    labels: dict[str, str] = field(default_factory=dict)
    variants: dict[str, str] = field(default_factory=dict)
    grid_point: int = 0

    @classmethod
    def of(cls, experiment: Experiment, cell: Cell, seed: int) -> Run:
        """The run of one seed of a grid point."""
        settings = cell.run(seed)
        columns = experiment.columns("train")
        network = experiment.cells_of("train")[cell.path_in(columns)]
        swept = [a.column for a in experiment.axes if len(a.values) > 1 and a.column in columns and a.column != "task"]
        parts = [*(f"{column}={cell.values[column]}" for column in swept), f"seed={seed}"]
        name = " ".join([cell.values["task"], *parts])
        labels = {"name": name, "grid": experiment.settings.experiment, "cell": cell.path_in(columns)}
        variants = {stage: path for stage in LATER if (path := experiment.variant(cell, stage))}
        return cls(experiment.folder(settings), experiment.root, settings, labels, variants, network.number)

    def step(self, stage: str) -> str:
        """The stage as the record names it: with its variant, where it has one."""
        return " ".join(filter(None, [stage, self.variants.get(stage)]))

    def name(self, stage: str) -> str:
        """What people call the run in a stage."""
        return " ".join(filter(None, [self.labels.get("name", "run"), self.variants.get(stage)]))

    def place(self, stage: str) -> Path:
        """The folder of what a stage writes."""
        return self.folder / self.variants.get(stage, "")

    @property
    def network(self) -> Path:
        """The trained network, as `formats.save_pth` writes it."""
        return self.folder / "network.pth"

    @property
    def evaluation(self) -> Path:
        """The scores as arrays (`.npz`)."""
        return self.place("evaluate") / "evaluation.npz"

    @property
    def scores(self) -> Path:
        """The scores as JSON, to be read."""
        return self.place("evaluate") / "scores.json"

    @property
    def conversion(self) -> Path:
        """The search for lambda and what the spiking network does with it, as JSON."""
        return self.place("convert") / "conversion.json"

    @property
    def comparison(self) -> Path:
        """The rate and the spiking network on the same trials, as arrays (`.npz`)."""
        return self.place("convert") / "comparison.npz"

    @cached_property
    def record(self) -> Record:
        return Record(self.folder / "record.jsonl")

    def identity(self, stage: str) -> str:
        """Hash of what the stage's numbers depend on."""
        return self.settings.identity(*DEPENDS_ON[stage])

    def outcome(
        self, stage: str, verify: bool = True, ends: dict[str, dict] | None = None, code: bool = True
    ) -> dict | None:
        """The stage's `end` event if the stage is whole: final, of this identity, its files there and unchanged.

        What other code has scored, written or failed is not whole: it is quickly done again. A network that other code
        has trained is: training it again would take long and replace it.

        Args:
            verify: whether the files' contents and the code are checked against the record, too.
            ends: the record's newest `end` of each stage, if it was read before.
            code: whether what other code has done counts as not whole, with `verify`.

        Raises:
            RecordError: the record is damaged, or names a file outside the experiment's results.
        """
        ends = self.record.newest("end") if ends is None else ends
        end = ends.get(self.step(stage))
        if end is None or end.get("identity") != self.identity(stage) or end.get("status") not in FINAL:
            return None
        lasting = stage == "train" and end["status"] == "done"
        if verify and code and not lasting and end.get("code_hash") != code_hash():
            return None
        exported = ends.get(self.step("export"), {}).get("mat")
        if exported is not None:
            self.named(exported, verify)  # one that leads out of the results is named before anything else
        if stage == "convert" and "skipped" not in end and exported not in end.get("files", {}):
            return None  # the lambda is in another file than the one that was exported last
        for path, sha256 in {**end.get("files", {}), **end.get("reads", {})}.items():
            file = self.named(path, verify)
            if not os.path.isfile(file) or (verify and not _is_as_written(file, sha256)):
                return None
        return end

    def named(self, path: str, links: bool = True) -> Path:
        """The place of a file that the record names. Raises RecordError: outside the experiment's results."""
        try:
            return inside(self.root, path, links)
        except ValueError as error:
            raise RecordError(f"{self.record.path}: {error}") from None

    def reads(self, stage: str) -> dict[str, str]:
        """Path: SHA-256 of the files that a stage reads, as they are now."""
        return {self.relative(file): sha256_of(file) for file in (getattr(self, name) for name in READS[stage])}

    def note_open(self) -> None:
        """Notes that the record has grown or will: see `tracking.queue`."""
        note_open(self.root, self.folder)

    @contextlib.contextmanager
    def locked(self, log=None):
        """No other process works on this run meanwhile; one that does, as of a Snakemake that died, is waited for.

        Args:
            log: file for the message that says so, standard error when None.
        """
        lock = self.folder / "lock"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(lock, wait=False))
            except BlockingIOError:
                message = f"another process is at work on it and is waited for (`fuser {lock}` finds it)"
                say(f"{self.name('train')}: {message}", log or sys.stderr)
                stack.enter_context(locked(lock))
            yield

    def relative(self, path, start=None) -> str:
        """The path as the record names it: from the experiment's folder, or from `start`."""
        return Path(os.path.relpath(path, start or self.root)).as_posix()


def _is_as_written(file: Path, sha256: str) -> bool:
    """Whether a file is what was recorded of it; a `.mat` may have had its lambda added since."""
    if sha256_of(file) == sha256:
        return True
    if file.suffix != ".mat":
        return False
    from ratecore.formats import FormatError, load_mat, sha256_without_additions

    try:
        load_mat(file, ())  # an addition that cannot be read stands in the way of the next one
    except FormatError:
        return False
    return sha256_without_additions(file) == sha256

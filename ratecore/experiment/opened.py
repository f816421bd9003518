"""Networks of results that someone opens: those of an experiment's folder, and the one in a single file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ratecore.experiment.configurations import CONFIG
from ratecore.experiment.grid import Experiment
from ratecore.experiment.networks_from import with_kept
from ratecore.experiment.runs import Run
from ratecore.settings.analysis import KNOWN
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import RunSettings
from ratecore.tasks import AbstractTask

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork
    from ratecore.spiking.source import RateModel

RUNS = "runs"
SUFFIXES = (".mat", ".pth", ".pt")
ALLOWED = "the folder of an experiment, such as results/demo, or the .mat or .pth file of a network"


class OpenedExperiment(Experiment):
    """An experiment whose results are where they are found, wherever its configuration says they would be."""

    opened: Path

    @property
    def root(self) -> Path:
        """Folder of the experiment's results."""
        return self.opened


def open_experiment(
    root: Path, task_file: str | os.PathLike[str] | None = None, panels: Any = None
) -> OpenedExperiment:
    """Open the folder of an experiment. Nothing is written or locked.

    Args:
        root: the folder.
        task_file: in place of that in the configuration.
        panels: in place of those in the configuration.

    Returns:
        the experiment.

    Raises:
        ValueError: the folder has no results of ratecore; the message says what is missing.
        SettingsError: its configuration is not valid.
    """
    if not (root / CONFIG).is_file():
        raise ValueError(f"{root}: {_why_not(root)}; it must be {ALLOWED}")
    config = load_yaml(root / CONFIG)
    if isinstance(config, dict):
        file = task_file or config.get("task_file")
        if isinstance(file, str | os.PathLike):
            config = {**config, "task_file": _found(Path(file), root)}
        if panels is not None:
            config = {**config, "panels": panels}
        config = with_kept(config, root)
        config = _with_analyses(config, root)
    experiment = cast("OpenedExperiment", OpenedExperiment.from_config(config))
    experiment.opened = root
    return experiment


def _with_analyses(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """The configuration with the place of the file of a user's analyses; without these where there is no file."""
    if not isinstance(config.get("analysis_file"), str):
        return config
    file, names = Path(_found(Path(config["analysis_file"]), root)), config.get("analyses")
    if file.is_file():
        return {**config, "analysis_file": str(file)}
    kept = {key: value for key, value in config.items() if key != "analysis_file"}
    known = {"analyses": [name for name in names if name in KNOWN]} if isinstance(names, list) else {}
    sections = {name: own for name, own in kept.get("analysis", {}).items() if name in KNOWN}
    axes = {axis: v for axis, v in kept.get("grid", {}).items() if _is_known(axis)}
    return {**kept, **known, "analysis": sections, "grid": axes}


def _is_known(axis: str) -> bool:
    section, _, rest = axis.partition(".")
    return section != "analysis" or rest.partition(".")[0] in KNOWN


def _why_not(root: Path) -> str:
    """What a folder lacks to be that of an experiment."""
    inside = sorted(path for path in root.iterdir() if (path / CONFIG).is_file()) if root.is_dir() else []
    if inside:
        names = ", ".join(path.name for path in inside)
        return f"it holds the results of several experiments ({names}); open one of them, as {str(inside[0])!r}"
    if (root / RUNS).is_dir():
        return f"there are networks in {RUNS}/ but no {CONFIG}, the configuration that the workflow keeps with them"
    files = sum(path.suffix in SUFFIXES for path in root.iterdir())
    if files:
        only = "1 file of a network; open it" if files == 1 else f"{files} files of networks; open one of them"
        return f"there is no {CONFIG} and no {RUNS}/, only {only}"
    return f"no results of ratecore: there is no {CONFIG} and no {RUNS}/"


def _found(file: Path, root: Path) -> str:
    """A task file as its path is written, or, where that leads nowhere, as seen from a folder above the results."""
    places = [file.expanduser(), *(parent / file for parent in root.resolve().parents)]
    return str(next((path for path in places if path.is_file()), file))


@dataclass(frozen=True)
class Opened:
    """A network and how it is tested; nothing is read before it is asked for.

    Attributes:
        file: `.pth` or `.mat` of the trained network.
        folder: with its results.
        seed: of the run.
        n_trials: number of trials of its evaluation.
        settings: of the run, unless it is opened from a file alone.
        run: with the files of its stages, likewise.
    """

    file: Path
    folder: str
    seed: int
    n_trials: int
    settings: RunSettings | None = None
    run: Run | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_run(cls, run: Run) -> Opened:
        """The network of a run.

        Args:
            run: of an experiment.

        Returns:
            the network.
        """
        s = run.settings
        return cls(run.network, run.relative(run.folder), s.seed, s.evaluation.n_trials, s, run)

    def load(self) -> RateNetwork:
        """Read the trained network.

        Returns:
            the network, on the CPU.

        Raises:
            FormatError: the file is missing or damaged.
        """
        from ratecore.formats import load_network
        from ratecore.formats.pth import result_from_pth

        return load_network(self.file) if self.settings is None else result_from_pth(self.file).net

    @cached_property
    def task(self) -> AbstractTask:
        """The task that the network was trained on."""
        if self.settings is not None:
            return self.settings.create_task()
        from ratecore.formats import load_task

        return load_task(self.file)

    @cached_property
    def n_units(self) -> int:
        """Number of units."""
        return self.load().N if self.settings is None else self.settings.network.N

    @property
    def loss_fn(self) -> str:
        """Name of the loss."""
        return "l2" if self.settings is None else self.settings.training.last.loss_fn

    def tested_task(self) -> AbstractTask:
        """The task that the network is evaluated on.

        Returns:
            the task.
        """
        return self.task if self.settings is None else self.settings.tested_task("evaluation")

    def tested(self, net: RateNetwork) -> tuple[AbstractTask, RateNetwork]:
        """The task and the network as they are evaluated.

        Args:
            net: the trained network.

        Returns:
            the task, and the network, which is `net` where no setting of the evaluation changes it.
        """
        from ratecore.rate.testing import tested

        return (self.task, net) if self.settings is None else tested(self.settings, net)

    def spiking_model(self) -> RateModel:
        """What carries over to a spiking network.

        Returns:
            the model.

        Raises:
            FormatError: the file is missing or damaged.
            ValueError: the network cannot become a spiking one.
        """
        from ratecore.spiking.source import rate_model

        return rate_model(self.file)

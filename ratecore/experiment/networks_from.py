"""Files of networks as points of a grid (`grid.networks_from`): which files, and what each tells of its run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ratecore.experiment.named_files import KEY, named_files
from ratecore.settings.base import Problem, SettingsError, task_key, task_name
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.grid import products_in
from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_from import NETWORKS_FROM, PATH, NetworkFromSettings
from ratecore.settings.run import AFTER_TRAINING
from ratecore.system.files import read_bounded, sha256_of, write_atomic
from ratecore.tasks.files import load_task_file

KEPT = "networks_from.json"  # in the folder of an experiment: what the files told, for when they are elsewhere
TRAINED = "trained"  # origin of networks that were trained here
PUBLISHED = ("published_lambda", "published_spiking_accuracy", "published_accuracy", "published_loss")
LARGEST = 2**28  # bytes of that file that are read
MOST_NAMED = 20  # files that an error names
OURS = "ratecore"  # origin of files that tell all of their settings
DRAWN_BY = ("P_inh", "P_rec", "gain", "w_dist")  # how weights were drawn, on which nothing depends any more
NOT_TOLD = (*DRAWN_BY, "noise_sd", "x0_sd", "input_noise_sd")  # by no file of other programs
# Settings of training that still matter: by which loss a network is scored, and when it counts as trained.
OF_TRAINING = ("loss_fn", "loss_threshold", "accuracy_threshold")


@dataclass(frozen=True)
class FileNetwork:
    """The network of a file, and what the file tells of its run.

    Attributes:
        file: path, as it was found.
        sha256: of the file.
        state: time of change (ns) and size (bytes) of the file when it was read.
        origin: program that wrote it.
        task: name of its task.
        told_task: whether the file or its name tells it, not the configuration.
        task_settings: those that the file tells.
        network: settings that it tells.
        seed: of its run; None where it does not tell it.
        notes: what was assumed or converted.
        base: settings of a network in the configuration, for what the file does not tell.
    """

    file: str
    sha256: str
    state: tuple[int, int]
    origin: str
    task: str
    told_task: bool
    task_settings: dict[str, Any]
    network: dict[str, Any]
    seed: int | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)
    base: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __str__(self) -> str:
        return str(self.setting)  # in paths

    @property
    def setting(self) -> NetworkFromSettings:
        """The setting `training.network_from` of its run."""
        return NetworkFromSettings(file=self.file, sha256=self.sha256)

    def told(self) -> dict[str, Any]:
        """What the file tells.

        Returns:
            as values of JSON.
        """
        return {key: value for key, value in vars(self).items() if key != "base"}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the network by name: those that the file tells, and those that stand for what it does not."""
        rest = () if self.origin == OURS else NOT_TOLD
        return {key: self.base[key] for key in rest if key in self.base} | self.network

    def fill(self, values: dict[str, Any]) -> None:
        """Put the network into the settings of a run, in place of what would be trained.

        Args:
            values: arguments of RunSettings, with `task_settings` of this task; changed. Of the network and of training
                only what no file tells stays.
        """
        training = values["training"]
        values["task"] = self.task
        values["network"] = self.settings
        values["task_settings"] = values["task_settings"] | self.task_settings
        values["training"] = {key: training[key] for key in OF_TRAINING} | {PATH[-1]: self.setting}


def products_of_files(
    axes: dict[tuple[str, ...], Any], seeds: tuple[int, ...] | None, settings: ExperimentSettings, key: str
) -> list[tuple[dict[tuple[str, ...], Any], tuple[int, ...]]]:
    """The part of a grid that has the networks of files.

    Args:
        axes: keys of each setting that the part sweeps: its values; with `networks_from`.
        seeds: that it names.
        settings: of the experiment.
        key: what messages call the part.

    Returns:
        axes and seeds of the networks of each seed; those of files that tell none have seed 0. Settings in which the
        files differ are axes, too.

    Raises:
        SettingsError: an axis that the files decide, more than one seed, or files that cannot be used.
    """
    if decided := [".".join(path) for path, values in axes.items() if not _may_be_swept(path, values)]:
        kept_free = f"{', '.join(AFTER_TRAINING)}, {', '.join(f'training.{name}' for name in OF_TRAINING)}"
        raise SettingsError(
            f"{key}: {', '.join(decided)} cannot be swept with {NETWORKS_FROM}, whose files decide it; allowed: "
            f"settings of {kept_free}; and one value of what files do not tell"
        )
    if seeds is not None and len(seeds) > 1:
        raise SettingsError(
            f"{key}.seed: {len(seeds)} seeds, but a network of {NETWORKS_FROM} is not drawn, and would count more than "
            "once; give one seed, from which its trials are drawn, and more trials by evaluation.n_trials"
        )
    if settings.task_file:
        load_task_file(settings.task_file)
    default = settings.task if "task" in settings.model_fields_set else None
    task = task_name(axes.get(("task",), [default])[0])
    base = settings.network.model_dump(mode="json")
    base |= {path[1]: values[0] for path, values in axes.items() if path[0] == "network"}
    every = [replace(network, base=base) for network in networks_from(axes[PATH], task, _kept_of(settings))]
    by_seed: dict[tuple[int, ...], list[FileNetwork]] = {}
    for network in every:
        by_seed.setdefault(seeds or (network.seed or 0,), []).append(network)
    rest = {path: values for path, values in axes.items() if path != PATH and not decided_by_file(path)}
    return [(_axes_of(part, every) | {PATH: part} | rest, own) for own, part in by_seed.items()]


def refuse_by_hand(settings: ExperimentSettings) -> None:
    """Check that a configuration does not set what `networks_from` sets.

    Args:
        settings: of the experiment.

    Raises:
        SettingsError: it does.
    """
    if settings.training.network_from is not None:
        raise SettingsError([(PATH, f": files of networks are named in the grid, as {NETWORKS_FROM}: [...]")])


def decided_by_file(path: tuple[str, ...]) -> bool:
    """Whether the file of a network decides a setting, or what stands for it where the file does not tell it.

    Args:
        path: keys of the setting.

    Returns:
        True for the task and the settings of the network.
    """
    return path[0] in ("task", "network")


def _may_be_swept(path: tuple[str, ...], values: Any) -> bool:
    """Whether networks of files can have an axis: it counts, and no file decides it."""
    if path == PATH or path[0] in AFTER_TRAINING or (path[0] == "training" and path[1] in OF_TRAINING):
        return True
    for_what_is_not_told = path[0] in ("task", "task_settings") or (path[0] == "network" and path[1] in NOT_TOLD)
    return for_what_is_not_told and len(values) == 1


def _kept_of(settings: ExperimentSettings) -> Path:
    return Path(settings.results, settings.experiment, KEPT)


def _axes_of(part: Sequence[FileNetwork], every: Sequence[FileNetwork]) -> dict[tuple[str, ...], list[Any]]:
    """The settings of networks in which some differ, each with its values; besides those that all grids have."""
    settings = {network: NetworkSettings(**network.settings).model_dump(mode="json") for network in every}

    def values(name: str, networks: Sequence[FileNetwork]) -> list[Any]:
        found = [settings[network][name] for network in networks]
        return list({json.dumps(value, sort_keys=True): value for value in found}.values())

    names = NetworkSettings.model_fields
    differ = dict.fromkeys(("N", "taus", *(name for name in names if len(values(name, every)) > 1)))
    tasks = list(dict.fromkeys(network.task for network in part))
    return {("task",): tasks, **{("network", name): values(name, part) for name in differ}}


def networks_from(given: Any, task: str | None, kept: Path | None = None) -> tuple[FileNetwork, ...]:
    """The networks that `grid.networks_from` names, each checked.

    Args:
        given: a folder, a pattern or a file, or a list of them; one that begins with '!' leaves files out. Also what
            `keep` wrote, in their place.
        task: of networks whose file and its name do not tell it; None where the configuration sets none.
        kept: file of `keep`, which saves reading what has not changed.

    Returns:
        the networks, in the order of the files' names.

    Raises:
        SettingsError: no files, files that are no networks, or two of the same content; each is named with the reason.
    """
    given = [given] if isinstance(given, str | os.PathLike) else given
    if isinstance(given, list) and given and all(isinstance(entry, dict) for entry in given):
        try:
            return tuple(map(_from_json, given))
        except (KeyError, TypeError):
            named_files(given)  # which says what it must be
    parts = {} if kept is None else read_kept(kept)
    known = {(network.file, network.state): network for part in parts.values() for network in part}
    found: list[FileNetwork] = []
    problems: list[Problem] = []
    for path in (paths := named_files(given)):
        try:
            state = path.stat()
            network = known.get((str(path), (state.st_mtime_ns, state.st_size)))
            if network is None or not (network.told_task or network.task == task):
                network = _read(path, task)
            found.append(network)
        except (ValueError, OSError) as error:
            message = str(error) if isinstance(error, ValueError) else f"{path}: {error.strerror}"
            problems.append((KEY, f": {message if str(path) in message else f'{path}: {message}'}"))
    problems += _repeated(found)
    if problems:
        raise SettingsError(_all(problems, len(paths)))
    return tuple(found)


def _all(problems: list[Problem], n: int) -> list[Problem]:
    """The problems, and how to go on with the other files."""
    rest = len(problems) - MOST_NAMED
    more = [(KEY, f": {rest} more files cannot be used")] if rest > 0 else []
    advice = f": {len(problems)} of {n} files cannot be used; '!<name>' in the list leaves a file out"
    return [*problems[:MOST_NAMED], *more, (KEY, advice)]


def _repeated(found: Sequence[FileNetwork]) -> list[Problem]:
    first: dict[str, FileNetwork] = {}
    problems: list[Problem] = []
    for network in found:
        if (other := first.setdefault(network.sha256, network)) is not network:
            problems.append(
                (KEY, f": {network.file}: it has the same content as {other.file}; one network counts once")
            )
    return problems


def _read(path: Path, task: str | None) -> FileNetwork:
    """Read a file. Raises ValueError that names it."""
    from ratecore.formats.told import PORT, task_of, told_by  # with torch, which takes a second

    state = path.stat()
    sha256 = sha256_of(path)
    file, told = told_by(path)
    if told.origin == PORT and path.suffix.lower() != ".mat":
        raise ValueError(f"{path}: a .pth of the PyTorch port, whose network is in the .mat beside it; name that file")
    named = re.match(r"Task_(.+?)_N_\d", path.name)
    name, settings = task_of(file, named[1] if named else task)
    if name is None:
        raise ValueError(
            f"{path}: neither the file nor its name (Task_<task>_N_...) tells its task; set task: in the configuration"
        )
    return FileNetwork(
        str(path),
        sha256,
        (state.st_mtime_ns, state.st_size),
        told.origin,
        task_key(name),
        named is not None or file.task.name is not None,
        settings,
        told.network,
        told.seed,
        told.notes,
    )


def not_told(network: FileNetwork) -> list[str]:
    """What a file does not tell, so that the configuration, or seed 0, stands for it.

    Args:
        network: of the file.

    Returns:
        names of settings.
    """
    drawn = [] if network.origin == OURS else [name for name in DRAWN_BY if name not in network.network]
    return [*([] if network.told_task else ["task"]), *(["seed"] if network.seed is None else []), *drawn]


def keep(root: str | os.PathLike[str], networks: Mapping[str, Sequence[FileNetwork]]) -> None:
    """Write what the files of an experiment told into the folder of its results, so that it opens without them.

    Args:
        root: folder of the experiment's results.
        networks: name of a part of the grid: its networks; nothing is written for none.
    """
    if networks:
        entries = {name: [network.told() for network in part] for name, part in networks.items()}
        text = json.dumps(entries, indent=1, sort_keys=True)
        path = Path(root, KEPT)
        if not path.is_file() or path.read_text(errors="replace") != text:
            write_atomic(path, text.encode())


def read_kept(path: Path) -> dict[str, tuple[FileNetwork, ...]]:
    """Read what `keep` wrote.

    Args:
        path: of the file.

    Returns:
        the networks by the name of their part of the grid; none without the file, or where it is damaged, since it is
        written again.
    """
    try:
        entries = json.loads(read_bounded(path, LARGEST))
        return {name: tuple(map(_from_json, part)) for name, part in entries.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def with_kept(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """The configuration of results with the networks that they have, in place of the names of their files.

    Args:
        config: as it was kept with the results.
        root: folder of the results.

    Returns:
        the configuration; the same without networks of files.
    """
    kept, grid = read_kept(root / KEPT), config.get("grid") or {}
    parts = [grid] if isinstance(grid, dict) else grid
    if not kept or not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return config
    filled = []
    for name, part in zip(products_in(grid), parts, strict=True):
        own = [network.told() for network in kept.get(name, ())]
        filled.append({**part, NETWORKS_FROM: own} if own and NETWORKS_FROM in part else part)
    return {**config, "grid": filled[0] if isinstance(grid, dict) else filled}


def _from_json(entry: dict[str, Any]) -> FileNetwork:
    values = {**entry, "state": tuple(entry["state"]), "notes": tuple(entry["notes"])}
    return FileNetwork(**values)

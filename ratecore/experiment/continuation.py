"""Resuming from a training that differs only in when it stops: `n_trials`, `min_trials` and the thresholds.

A curriculum has a rule for each stage, and is trained from its start; so is a network whose weights are kept.
Every trial and every test comes from a stream of the run's seed, so two such trainings take the same steps until one
of them stops, and the longer one can go on from there to the same bits.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ratecore.experiment.checkpoints import NEWEST, PREVIOUS
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import TRAIN
from ratecore.formats import FormatError, result_from_checkpoint, result_from_pth
from ratecore.rate.results import TrainingResult
from ratecore.rate.training import meets_criterion
from ratecore.settings.run import RunSettings
from ratecore.system.files import read_bounded, sha256_of
from ratecore.tracking import Record, RecordError

if TYPE_CHECKING:
    from ratecore.formats.containers import StrPath
    from ratecore.formats.pth import Device

STOPPING = ("n_trials", "min_trials", "loss_threshold", "accuracy_threshold")
RULES = "stopping_rules.jsonl"  # in the folder of all runs: values of these settings
LARGEST_RULES = 2**20  # bytes that are read


class Earlier(NamedTuple):
    """An earlier training of the same network.

    Attributes:
        result: to continue from.
        settings: of the earlier run.
        folder: of the earlier run.
    """

    result: TrainingResult
    settings: RunSettings
    folder: Path

    def differences(self, settings: RunSettings) -> str:
        """The earlier values of the settings that differ: 'n_trials = 6000'.

        Args:
            settings: of the new run.

        Returns:
            the values, separated by commas.
        """
        own, new = _rule(self.settings), _rule(settings)
        return ", ".join(f"{key} = {own[key]}" for key in STOPPING if own[key] != new[key])


def note_rule(root: StrPath, settings: RunSettings) -> None:
    """Note the stopping rule of a training, so that later trainings with another rule find it.

    Args:
        root: folder of the experiment.
        settings: of the run.
    """
    rule = _rule(settings)
    if not _can_continue(settings):
        return
    if rule not in _rules(root):
        handle = os.open(Path(root, "runs", RULES), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(handle, f"{json.dumps(rule)}\n".encode())
        finally:
            os.close(handle)


def _can_continue(settings: RunSettings) -> bool:
    """Whether the run has one stopping rule, and no files on the way that a run with another rule does not have."""
    return not settings.training.stages and settings.training.keep_weights is None


def _rule(settings: RunSettings) -> dict[str, Any]:
    return settings.training.model_dump(include=set(STOPPING))


def _rules(root: StrPath) -> list[dict[str, Any]]:
    """The rules noted so far. An unreadable line only costs the training that it would have saved."""
    rules = []
    with contextlib.suppress(OSError, ValueError):
        for line in read_bounded(Path(root, "runs", RULES), LARGEST_RULES).splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                rules.append(json.loads(line))
    return rules


def earlier_training(root: StrPath, folder: StrPath, settings: RunSettings, device: Device = "cpu") -> Earlier | None:
    """Find the longest training that this one can continue from.

    Networks and checkpoints made by other training code, and modified files, are ignored.

    Args:
        root: folder of the experiment.
        folder: of the run to be trained.
        settings: of that run.
        device: torch device of the result.

    Returns:
        the training; None if there is none.
    """
    found, own = [], _rule(settings)
    if not _can_continue(settings):
        return None
    for rule in _rules(root):
        if rule == own or not isinstance(rule, dict):
            continue
        with contextlib.suppress(ValueError):  # the line has something else
            training = type(settings.training)(**{**settings.training.model_dump(), **rule})
            other = settings.model_copy(update={"training": training})
            earlier = Path(folder).parent / other.identity("training")
            for result in _results(root, earlier, other, device) if earlier.is_dir() else ():
                if leads_to(result, other, settings):
                    found.append(Earlier(result, other, earlier))
    return max(found, key=lambda earlier: (earlier.result.trained, earlier.result.n_trials), default=None)


def _results(root: StrPath, folder: Path, settings: RunSettings, device: Device) -> Iterator[TrainingResult]:
    """What a run has left: its network, or the checkpoints of an interrupted training."""
    # Damage is reported when work on that run starts; this run can do without its files.
    with contextlib.suppress(RecordError, FormatError, OSError):
        end = Record(folder / "record.jsonl").last("end", TRAIN) or {}
        network = folder / "network.pth"
        written = end.get("files", {}).get(Path(os.path.relpath(network, root)).as_posix())
        same_code = end.get("code_hash") == table.code_hash(TRAIN)
        if end.get("status") == "done" and same_code and sha256_of(network) == written:
            result = result_from_pth(network, device)
            result.seconds = end.get("seconds", 0.0)
            yield result
    for name in (NEWEST, PREVIOUS):
        with contextlib.suppress(FormatError, OSError):
            yield result_from_checkpoint(folder / name, settings, table.code_hash(TRAIN), device)


def leads_to(result: TrainingResult, settings: RunSettings, wanted: RunSettings) -> bool:
    """Whether a training with the wanted settings passes through the state of another training.

    Args:
        result: of the other training. If so, a last test that the wanted training does not make is removed from it, and
            `trained` is set to whether the wanted training has met its criterion.
        settings: of the other run.
        wanted: settings that differ from them only in `STOPPING`.

    Returns:
        True if it does.
    """
    training, limit, tests = wanted.training, settings.training.n_trials, result.tests
    if result.n_trials > training.n_trials or result.n_trials % training.batch_size:
        return False  # too long, or its last update had fewer trials
    if tests and result.n_trials == tests[-1]["trial"] == limit < training.n_trials:
        before = tests[-2]["trial"] if len(tests) > 1 else 0
        if limit // training.eval_freq == before // training.eval_freq:  # a test made only because training ended
            tests.pop()
            result.last_test = None
    task = wanted.create_task()
    met = [meets_criterion(test, training, task) for test in tests]
    if any(met[:-1]) or (any(met) and tests[-1]["trial"] < result.n_trials):
        return False  # the wanted training stops earlier
    result.trained = any(met)
    return True

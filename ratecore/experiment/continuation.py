"""Resuming from a training that differs only in when it stops: `n_trials`, `min_trials` and the thresholds.

Every trial and every test comes from a stream of the run's seed, so two such trainings take the same steps until one
of them stops, and the longer one can go on from there to the same bits.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ratecore.experiment.checkpoints import NEWEST, PREVIOUS
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import TRAIN
from ratecore.formats import FormatError, result_from_checkpoint, result_from_pth
from ratecore.rate.training import TrainingResult, meets_criterion
from ratecore.settings.run import RunSettings
from ratecore.system.files import read_bounded, sha256_of
from ratecore.tracking import Record, RecordError

STOPPING = ("n_trials", "min_trials", "loss_threshold", "accuracy_threshold")
RULES = "stopping_rules.jsonl"  # in the folder of all runs: the values of these that networks were trained with
LARGEST_RULES = 2**20  # bytes of it that are read


class Earlier(NamedTuple):
    """An earlier training of the same network.

    Attributes:
        result: to go on from.   settings: of the earlier run.   folder: of the earlier run.
    """

    result: TrainingResult
    settings: RunSettings
    folder: Path

    def differences(self, settings: RunSettings) -> str:
        """The earlier values of what is other in `settings`: 'n_trials = 6000'."""
        own, new = _rule(self.settings), _rule(settings)
        return ", ".join(f"{key} = {own[key]}" for key in STOPPING if own[key] != new[key])


def note_rule(root, settings: RunSettings) -> None:
    """Notes when trainings of the experiment in `root` stop, so that later ones with another rule find them."""
    rule = _rule(settings)
    if rule not in _rules(root):
        handle = os.open(Path(root, "runs", RULES), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(handle, f"{json.dumps(rule)}\n".encode())
        finally:
            os.close(handle)


def _rule(settings: RunSettings) -> dict:
    return settings.training.model_dump(include=set(STOPPING))


def _rules(root) -> list[dict]:
    """What was noted. A line that cannot be read costs nothing but the training that it would have saved."""
    rules = []
    with contextlib.suppress(OSError, ValueError):
        for line in read_bounded(Path(root, "runs", RULES), LARGEST_RULES).splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                rules.append(json.loads(line))
    return rules


def earlier_training(root, folder, settings: RunSettings, device="cpu") -> Earlier | None:
    """The longest training that this one can resume from, or None.

    Networks and checkpoints of other training code, and files that were changed, are left out.

    Args:
        root: folder of the experiment.   folder: of the run that is to be trained.   settings: of that run.
        device: torch device of the result.
    """
    found, own = [], _rule(settings)
    for rule in _rules(root):
        if rule == own or not isinstance(rule, dict):
            continue
        with contextlib.suppress(ValueError):  # a line with something else in it
            other = settings.model_copy(update={"training": type(settings.training)(
                **{**settings.training.model_dump(), **rule})})  # fmt: skip
            earlier = Path(folder).parent / other.identity("training")
            for result in _results(root, earlier, other, device) if earlier.is_dir() else ():
                if leads_to(result, other, settings):
                    found.append(Earlier(result, other, earlier))
    return max(found, key=lambda earlier: (earlier.result.trained, earlier.result.n_trials), default=None)


def _results(root, folder: Path, settings: RunSettings, device) -> Iterator[TrainingResult]:
    """What is left of a run: its network, or the checkpoints of a training that was interrupted."""
    # Whatever is damaged there is named when that run is worked on; this one can do without it.
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
    """Whether a training with `wanted` passes through the state of another one.

    Args:
        result: of the other one; where it does, a last test that the wanted training does not make is taken out of it,
            and `trained` says whether the wanted one has met its criterion.
        settings: of the other run.   wanted: settings that differ from them in `STOPPING` alone.
    """
    training, limit, tests = wanted.training, settings.training.n_trials, result.tests
    if result.n_trials > training.n_trials or result.n_trials % training.batch_size:
        return False  # it is longer, or its last update held fewer trials than the others
    if tests and result.n_trials == tests[-1]["trial"] == limit < training.n_trials:
        before = tests[-2]["trial"] if len(tests) > 1 else 0
        if limit // training.eval_freq == before // training.eval_freq:  # a test made because it was the end
            tests.pop()
            result.last_test = None
    task = wanted.create_task()
    met = [meets_criterion(test, training, task) for test in tests]
    if any(met[:-1]) or (any(met) and tests[-1]["trial"] < result.n_trials):
        return False  # the wanted training stops before
    result.trained = any(met)
    return True

"""The network of a file as the result of a training that took place elsewhere (`grid.networks_from`)."""

from __future__ import annotations

import copy
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratecore.formats.containers import Content
from ratecore.formats.errors import FormatError
from ratecore.formats.mat import network_from_arrays
from ratecore.formats.pth import result_of_content
from ratecore.formats.told import Told, told_by
from ratecore.rate.results import TrainingResult
from ratecore.settings.reading import local_path
from ratecore.settings.run import RunSettings
from ratecore.system.files import sha256_of


def adopted(settings: RunSettings) -> tuple[TrainingResult, Told]:
    """Read the network of a run that is not trained here.

    Args:
        settings: of the run, with `training.network_from`.

    Returns:
        the network as the result of its training, on the CPU, in the precision of ratecore's networks; and what its
        file tells.

    Raises:
        FormatError: the file is missing or damaged, or has changed since the workflow was planned.
    """
    own = settings.training.network_from
    assert own is not None  # the caller has looked
    path = Path(local_path(own.file) or "")
    if path.is_file() and sha256_of(path) != own.sha256:
        raise FormatError(f"{path}: it has changed since the grid was planned; say the same command again")
    file, told = told_by(path)
    if file.content is not None:
        result = result_of_content(path, file.content)
        _name(result, settings)
        return result, told
    arrays = file.arrays or {}
    net = network_from_arrays(arrays | {"settings": settings.network}, "cpu", torch.float32)
    result = TrainingResult(
        net,
        _before(net.state_dict(), arrays),
        losses=told.losses,
        n_trials=told.n_trials or 0,
        trained=_meets(told, settings),
        finished=_finished(path),
    )
    if test := _last_test(told):
        result.tests.append(test)
    if arrays["w0"] is None:
        told = replace(told, notes=(*told.notes, "it has no w0: the weights after training stand for those before it"))
    return result, told


def _name(result: TrainingResult, settings: RunSettings) -> None:
    """Give a network the settings of its run: those of its file, and what that does not tell."""
    state = result.net.state_dict() | {"_extra_state": settings.network.model_dump(mode="json")}
    result.net.load_state_dict(state)


def _before(state: dict[str, Any], arrays: Content) -> dict[str, Any]:
    """The state before training, as far as a file has it."""
    before = copy.deepcopy(state)
    for name in ("w", "taus_gaus"):
        if (value := arrays[f"{name}0"]) is not None:
            before[name] = torch.from_numpy(np.ascontiguousarray(value)).to(before[name].dtype)
    return before


def _meets(told: Told, settings: RunSettings) -> bool:
    """Whether a network counts as trained: by its file, else by its last test, else since its authors saved it."""
    if told.trained is not None:
        return told.trained
    loss, accuracy = told.published.get("loss"), told.published.get("accuracy")
    training = settings.training
    low = loss is None or loss < training.loss_threshold
    return low and (accuracy is None or accuracy > training.accuracy_threshold)


def _last_test(told: Told) -> dict[str, Any] | None:
    if not told.n_trials or not {"loss", "accuracy"} <= told.published.keys():
        return None
    recent = told.losses[-100:] or [told.published["loss"]]
    scores = {"loss": told.published["loss"], "accuracy": told.published["accuracy"]}
    return {"trial": told.n_trials, "updates": told.n_trials, "train_loss": float(np.mean(recent)), **scores}


def _finished(path: Path) -> float:
    """When a training ended, s since 1970: by the name of its file, else by the file's time."""
    if found := re.search(r"_(\d{4}_\d\d_\d\d_\d{6})", path.name):
        try:
            return time.mktime(time.strptime(found[1], "%Y_%m_%d_%H%M%S"))
        except ValueError:
            pass
    return path.stat().st_mtime

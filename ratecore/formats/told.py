"""What the file of a network tells about it: settings, task, training, and the scores that its authors kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ratecore.formats.conform import port_inputs
from ratecore.formats.containers import Content, StrPath
from ratecore.formats.errors import FormatError
from ratecore.formats.mat import read_variables
from ratecore.formats.pth import network_from_state
from ratecore.formats.reading import NetworkFile, read_network, unpacked
from ratecore.formats.single import number, numbers

OURS, PORT, ORIGINAL, OTHER = "ratecore", "rate", "original", "other"
_OF_TRAINING = ("losses", "tr", "trained", "seed", "eval_perf_mean", "eval_loss_mean")
_OF_CONVERSION = ("opt_scaling_factor", "all_perfs", "scaling_factors")


@dataclass(frozen=True)
class Told:
    """What a file tells. None, or a missing key, is what it does not tell.

    Attributes:
        origin: program that wrote it: 'original' (the released code of the paper), 'rate' (its PyTorch port),
            'ratecore', or 'other'.
        network: settings of the network, by name.
        seed: of the run.
        trained: whether the criterion was met.
        losses: of every update, unitless.
        n_trials: of the training.
        published: scores of the file's authors: `accuracy` and `spiking_accuracy` (fractions), `loss` and `lambda`
            (unitless).
        notes: what was assumed, converted or is worth knowing.
    """

    origin: str
    network: dict[str, Any]
    seed: int | None = None
    trained: bool | None = None
    losses: list[float] = field(default_factory=list)
    n_trials: int | None = None
    published: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def told_by(path: StrPath) -> tuple[NetworkFile, Told]:
    """Read a network and what its file tells about it.

    Args:
        path: of a `.mat` or `.pth` file.

    Returns:
        the network, and what the file tells.

    Raises:
        FormatError: missing, damaged, or not the file of a network.
    """
    file = read_network(path, quiet=True)
    notes = tuple(note for _, of_file in file.notes for note in of_file)
    if file.content is not None:
        return file, _told_by_pth(file.content, notes)
    arrays = file.arrays or {}
    settings = arrays["settings"]
    network = settings.model_dump(mode="json", include=settings.model_fields_set)
    mat = Path(path).with_suffix(".mat")  # the PyTorch port has its arrays there
    names = ("w", "x", "task_settings", *_OF_TRAINING, *_OF_CONVERSION)
    content = unpacked(read_variables(mat, names, nested=True), mat, names, [])
    origin = _origin(content, file)
    seed = _number(content, "seed")
    return file, Told(
        origin=origin,
        network=network,
        seed=int(seed) if seed is not None and seed >= 0 and seed.is_integer() else None,
        trained=None if (trained := _number(content, "trained")) is None else bool(trained),
        **_course(content, origin),
        published=_published(content),
        notes=notes,
    )


def _told_by_pth(content: Content, notes: tuple[str, ...]) -> Told:
    run = content.get("run_settings")
    run = run if isinstance(run, dict) else {}
    seed = run.get("seed")
    return Told(
        origin=OURS,
        network=network_from_state(content["model_state_dict"], "cpu").settings.model_dump(mode="json"),
        seed=seed if isinstance(seed, int) else None,
        trained=bool(content.get("trained")),
        n_trials=content.get("trial"),
        notes=notes,
    )


def _origin(content: Content, file: NetworkFile) -> str:
    """The program that wrote a `.mat`, by what only its files have."""
    if "trained" in content and "task_settings" in content:
        return OURS
    if file.path.suffix.lower() != ".mat":
        return PORT
    arrays = file.arrays or {}
    shape, N, n_in = np.shape(content.get("x", ())), len(arrays["w"]), arrays["w_in"].shape[1]
    if shape == (N, 1) or (file.task.u is not None and port_inputs(file.task.u, n_in)):
        return PORT  # the state of the last step only
    return ORIGINAL if len(shape) == 3 and shape[1:] == (N, 1) else OTHER


def _number(content: Content, key: str) -> float | None:
    """A variable that is one finite number; None for anything else, as other programs have it."""
    try:
        return number(content, key) if key in content else None
    except ValueError:
        return None


def _course(content: Content, origin: str) -> dict[str, Any]:
    """Number of trials and losses. The published code counts trials from 0, and its last losses can be unused zeros."""
    try:
        losses = numbers(content, "losses").ravel().tolist() if "losses" in content else []
    except ValueError:
        losses = []
    tr = _number(content, "tr")
    if tr is None or tr < 0 or not tr.is_integer():
        return {"losses": losses, "n_trials": len(losses) or None}
    n_trials = int(tr) + (origin != OURS)
    return {"losses": losses[:n_trials], "n_trials": n_trials}


def _published(content: Content) -> dict[str, float]:
    """The scores that the authors of a file kept in it."""
    found = {
        "accuracy": _number(content, "eval_perf_mean"),
        "loss": _number(content, "eval_loss_mean"),
        "lambda": _number(content, "opt_scaling_factor"),
    }
    if found["lambda"] is not None:
        found["spiking_accuracy"] = _accuracy_at(content, found["lambda"])
    return {key: value for key, value in found.items() if value is not None and math.isfinite(value)}


def _accuracy_at(content: Content, scaling_factor: float) -> float | None:
    """The accuracy that a search kept for its best lambda; None where the file does not say which one it is."""
    try:
        accuracies = numbers(content, "all_perfs").ravel()
        at = np.isclose(numbers(content, "scaling_factors").ravel(), scaling_factor)
    except (ValueError, KeyError):
        return None
    return float(accuracies[at][0]) if accuracies.shape == at.shape and at.any() else None


def task_of(file: NetworkFile, name: str | None) -> tuple[str | None, dict[str, Any]]:
    """The task that a network was trained on, as far as its file tells.

    Args:
        file: of `told_by`.
        name: of the task where the file does not tell it.

    Returns:
        name of the task, and the settings of it that the file tells or its example stimulus shows; (None, {}) where it
        is not known.

    Raises:
        FormatError: the network has other inputs or outputs than the task, or those of the PyTorch port.
        ValueError: an unknown task.
    """
    name = file.task.name or name
    if name is None:
        return None, {}
    settings = file.task.known_settings(name)
    u = file.task.u
    if name == "mante" and u is not None and port_inputs(u, file.task.n_in):
        raise FormatError(
            f"{file.path}: its inputs are those of the PyTorch port's mante (context, colour, motion), and task mante "
            "here has motion, colour and one per context, so that no score would mean anything"
        )
    return name, settings

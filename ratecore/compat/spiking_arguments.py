"""Arguments of the `spiking` package's functions, in every form that its documentation shows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping

import numpy as np


def number(scaling_factor) -> float:
    """lambda from a number, an array of one, or the result of a search of one file.

    Raises:
        ValueError: several numbers, or none.
    """
    if isinstance(scaling_factor, Mapping):
        raise ValueError(
            f"scaling_factor is of {len(scaling_factor)} files ({', '.join(map(str, scaling_factor))}); give that of "
            "the network, such as found['name.mat']"
        )
    try:
        values = np.asarray(scaling_factor, float).ravel()
    except (TypeError, ValueError):
        raise ValueError(f"scaling_factor = {scaling_factor!r}; it must be a number above 0") from None
    if values.size != 1:
        raise ValueError(f"scaling_factor has {values.size} values; it must be one number above 0")
    return float(values[0])


def plain_content(model):
    """The content of a file with arrays in place of tensors; anything else as it is."""
    if not isinstance(model, dict):
        return model
    return {key: v.detach().cpu().numpy() if hasattr(v, "detach") else v for key, v in model.items()}


class ScalingByFile(float):
    """lambda of the one network in a folder: a number, and like the result for a larger folder a mapping by file."""

    def __new__(cls, found: dict[str, float]):
        self = super().__new__(cls, next(iter(found.values())))
        self._found = dict(found)
        return self

    def __getitem__(self, name):
        return self._found[name]

    def __iter__(self):
        return iter(self._found)

    def __len__(self):
        return len(self._found)

    def __contains__(self, name):
        return name in self._found

    def __eq__(self, other):
        return self._found == other if isinstance(other, Mapping) else float(self) == other

    def __reduce__(self):
        return ScalingByFile, (self._found,)

    __hash__ = float.__hash__

    def keys(self):
        """Names of the files: one."""
        return self._found.keys()

    def values(self):
        """Their lambdas."""
        return self._found.values()

    def items(self):
        """(name, lambda) of each file."""
        return self._found.items()

    def get(self, name, default=None):
        """lambda of a file, or `default`."""
        return self._found.get(name, default)


def searched_values(scaling_factors, scaling_range) -> list[float] | None:
    """The values of lambda to search, or None for those of the paper.

    Raises:
        ValueError: both forms are given, or a range that is none.
    """
    if scaling_range is None:
        if scaling_factors is None:
            return None
        values = [float(v) for v in np.ravel(scaling_factors)]
        if isinstance(scaling_factors, tuple) and len(values) == 3 and values[2] < values[0] < values[1]:
            first, last, step = (f"{v:g}" for v in values)
            warnings.warn(
                f"scaling_factors = {scaling_factors}: three values of lambda are searched; if a range is meant, write "
                f"range({first}, {last}, {step})",
                stacklevel=4,
            )
        return values
    if scaling_factors is not None:
        raise ValueError("scaling_range and scaling_factors are both given; one of them says what is searched")
    ends = [float(v) for v in np.ravel(scaling_range)]
    if len(ends) != 2 or not 0 < ends[0] <= ends[1]:
        raise ValueError(f"scaling_range = {scaling_range}; it must be a first value above 0 and a last one")
    return np.arange(ends[0], ends[1] + 1e-9, 5.0).tolist()


def threads_for(threads: int, parallel) -> int:
    """Processes at once: `threads`, or with parallel=True as many as there are cores."""
    return len(os.sched_getaffinity(0)) if parallel and threads == 1 else threads


def split_amplitude(settings: dict | None) -> tuple[dict, float | None]:
    """The settings of a task, and of them `eval_amp_thresh`, the output from which on a trial is answered."""
    settings, amplitude = dict(settings or {}), None
    for key in ("eval_amp_thresh", "eval_amp_threh"):
        amplitude = settings.pop(key, amplitude)
    return settings, amplitude


def with_amplitude(task, amplitude: float | None):
    """The task, in whose criterion `amplitude` is the output from which on a trial counts as answered.

    With another amplitude than the published one, 1 - amplitude bounds the output in NoGo trials.

    Raises:
        ValueError: outside (0, 1) for a task that bounds NoGo trials, not above 0, or a task with another criterion.
    """
    if amplitude is None:
        return task
    if not hasattr(task, "amplitude"):
        raise ValueError(f"eval_amp_thresh: task {task.name} has a criterion of its own, `is_correct`")
    value, below = float(amplitude), 1.0 if hasattr(task, "quiet") else np.inf
    if not 0 < value < below:
        raise ValueError(f"eval_amp_thresh = {amplitude}; it must be above 0" + (" and below 1" if below == 1 else ""))
    if value != type(task).amplitude:
        task.amplitude = value
        if hasattr(task, "quiet"):
            task.quiet = 1 - value
    return task

"""Arguments of the `spiking` package's functions, in all forms that its documentation shows."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from pathlib import Path
from typing import Any

import numpy as np

from ratecore.settings.spiking import ConversionSettings


def number(scaling_factor: Any) -> float:
    """Get lambda from a number, an array of one number, or the result of a search for one file.

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


def count(name: str, value: Any, least: int = 1) -> int:
    """Check an integer. Raises ValueError with its name for anything else, or one below `least`."""
    whole = isinstance(value, int | float | np.number) and not isinstance(value, bool) and value == _cut(value)
    if not whole or value < least:
        raise ValueError(f"{name} = {value!r}; it must be a whole number, at least {least}")
    return int(value)


def _cut(value: Any) -> int | None:
    """The integer part of a number, or None for NaN and infinity."""
    return int(value) if -np.inf < value < np.inf else None


def seed_of(seed: Any) -> int | np.random.Generator | None:
    """Check a seed: an integer, a generator, or None or False for fresh entropy. Raises ValueError."""
    if seed is None or seed is False or isinstance(seed, np.random.Generator):
        return None if seed is False else seed
    return count("seed", seed, 0)


def path_of(name: str, value: Any) -> Path:
    """Check the path of a file or a folder. Raises TypeError with the argument's name for anything else."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} is a {type(value).__name__}; it must be the path of a file or a folder")
    return Path(value)


def plain_content(model: Any) -> Any:
    """Replace tensors in the content of a file by arrays; anything else is returned as it is."""
    if not isinstance(model, dict):
        return model
    return {key: v.detach().cpu().numpy() if hasattr(v, "detach") else v for key, v in model.items()}


class ScalingByFile(float):
    """The result of the `spiking` package's search for a folder of one file.

    It is lambda, a number, and like the result for several files a mapping from the file's name to lambda.
    """

    _by_name: dict[str, float]

    def __new__(cls, by_name: dict[str, float]) -> ScalingByFile:
        self = super().__new__(cls, next(iter(by_name.values())))
        self._by_name = dict(by_name)
        return self

    def __getitem__(self, name: str) -> float:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __eq__(self, other: object) -> bool:
        return self._by_name == other if isinstance(other, Mapping) else float(self) == other

    def __reduce__(self) -> tuple[type[ScalingByFile], tuple[dict[str, float]]]:
        return ScalingByFile, (self._by_name,)

    __hash__ = float.__hash__

    def keys(self) -> KeysView[str]:
        """Names of the files: one."""
        return self._by_name.keys()

    def values(self) -> ValuesView[float]:
        """lambda of each file, unitless."""
        return self._by_name.values()

    def items(self) -> ItemsView[str, float]:
        """Name and lambda of each file."""
        return self._by_name.items()

    def get(self, name: str, default: Any = None) -> Any:
        """lambda of a file, or `default`."""
        return self._by_name.get(name, default)


def values_in_words(text: str) -> list[float]:
    """Parse '20:75:5' (first, last and step, the last one included), '20:75' (step 1) or '20,25,40'.

    Raises:
        ValueError: anything else.
    """
    try:
        if ":" not in text:
            values = [float(part) for part in text.split(",")]
        else:
            first, last, step = (float(part) for part in [*text.split(":"), "1"][:3])
            values = [first + k * step for k in range(math.floor((last - first) / step + 1e-9) + 1)]
        ConversionSettings(scaling_factors=tuple(values))
        if text.count(":") > 2:
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(
            f"scaling_factors = {text!r}; give first:last:step or values separated by commas, above 0 and without "
            "repeats"
        ) from None
    return values


def searched_values(scaling_factors: Any, scaling_range: Any) -> list[float] | None:
    """Get the values of lambda to search, or None for those of the paper.

    Raises:
        ValueError: both forms are given, or an invalid range.
    """
    if scaling_range is None:
        if scaling_factors is None:
            return None
        if isinstance(scaling_factors, str):
            return values_in_words(scaling_factors)
        given = np.ravel(_plain(scaling_factors))
        if given.size and given.dtype.kind not in "iuf":
            raise ValueError(f"scaling_factors = {scaling_factors!r}; it must be numbers above 0")
        values = [float(v) for v in given]
        if isinstance(scaling_factors, tuple) and len(values) == 3 and values[2] < values[0] < values[1]:
            first, last, step = (f"{v:g}" for v in values)
            warnings.warn(
                f"scaling_factors = {scaling_factors}: three values of lambda are searched; if a range is meant, write "
                f"range({first}, {last}, {step})",
                stacklevel=4,
            )
        return values
    if scaling_factors is not None:
        raise ValueError("scaling_range and scaling_factors are both given; give one of them")
    try:
        ends = [float(v) for v in np.ravel(scaling_range)]
    except (TypeError, ValueError):
        ends = []
    if len(ends) != 2 or not 0 < ends[0] <= ends[1]:
        raise ValueError(f"scaling_range = {scaling_range}; it must be a first value above 0 and a last one")
    return [float(v) for v in np.arange(ends[0], ends[1] + 1e-9, 5.0)]


def _plain(values: Any) -> Any:
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def threads_for(threads: Any, parallel: Any) -> int:
    """Get the number of processes: `threads`, or with parallel=True the number of cores."""
    threads = count("threads", threads)
    return len(os.sched_getaffinity(0)) if parallel and threads == 1 else threads


def split_amplitude(settings: Any) -> tuple[dict[str, Any], float | None]:
    """Separate `eval_amp_thresh`, the output that counts as an answer, from the settings of a task."""
    if not isinstance(settings or {}, Mapping):
        raise ValueError(f"task_settings is a {type(settings).__name__}; it must be a dict of a task's settings")
    rest, amplitude = dict(settings or {}), None
    for key in ("eval_amp_thresh", "eval_amp_threh"):
        amplitude = rest.pop(key, amplitude)
    return rest, amplitude


def with_amplitude(task: Any, amplitude: float | None) -> Any:
    """Set the output that counts as an answer in a task's criterion, `eval_amp_thresh` of the `spiking` package.

    With another amplitude than the published one, 1 - amplitude bounds the output in NoGo trials.

    Raises:
        ValueError: outside (0, 1) for a task that bounds NoGo trials, not above 0, or a task with another criterion.
    """
    if amplitude is None:
        return task
    if not hasattr(task, "amplitude"):
        raise ValueError(f"eval_amp_thresh: task {task.name} has a criterion of its own, `is_correct`")
    below = 1.0 if hasattr(task, "quiet") else np.inf
    value = float(amplitude) if isinstance(amplitude, int | float | np.number) else np.nan
    if not 0 < value < below:
        raise ValueError(
            f"eval_amp_thresh = {amplitude!r}; it must be above 0" + (" and below 1" if below == 1 else "")
        )
    if value != type(task).amplitude:
        task.amplitude = value
        if hasattr(task, "quiet"):
            task.quiet = 1 - value
    return task

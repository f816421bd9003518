"""What the analyses of populations share: binned activity of trials, and the variables that they are related to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from ratecore.experiment.analyses.material import Material
from ratecore.settings.analysis import CHOICE, PopulationSettings

if TYPE_CHECKING:
    from ratecore.rate.results import Activity
    from ratecore.tasks.base import AbstractTask

MOST_VALUES = 8  # of a variable that counts as a category
MOST_FACTORS = 3  # that are combined

Variables = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Recording:
    """Activity of B trials.

    Attributes:
        activity: (B, K, N) in K bins, unitless; NaN after the end of shorter trials.
        times: centres of the bins (K,), ms.
        variables: by name, a value for each trial (B,).
        conditions: name of each trial's condition (B,).
    """

    activity: Float[np.ndarray, "B K N"]
    times: Float[np.ndarray, " K"]
    variables: Variables
    conditions: Shaped[np.ndarray, " B"]


def recording(material: Material, settings: PopulationSettings) -> Recording:
    """Draw the activity of a network in bins. Analyses with the same settings share it.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        the trials; only correct ones with `correct_only`. Nothing may change its arrays.

    Raises:
        ValueError: no trial is correct, or bins are longer than trials.

    Source: none
    """
    same = (settings.n_trials, settings.bin_ms, settings.signal, settings.correct_only)
    return material.shared(("recording", *same), lambda: _drawn(material, settings))


def _drawn(material: Material, settings: PopulationSettings) -> Recording:
    from ratecore.analysis.trials import bin_times, binned

    drawn = material.activity(settings.n_trials)
    kept = np.ones(len(drawn.steps), bool)
    if settings.correct_only:
        kept = np.asarray(drawn.scores.correct, np.float64) == 1
        if not kept.any():
            raise ValueError(f"correct_only = true: none of the {len(kept)} trials is correct")
    signal = getattr(drawn, settings.signal)
    signal = signal if kept.all() else signal[kept]
    variables = {name: values[kept] for name, values in variables_of_trials(material.task, drawn).items()}
    times = bin_times(signal.shape[1], settings.bin_ms)
    return Recording(binned(signal, settings.bin_ms), times, variables, drawn.scores.conditions[kept])


def variables_of_trials(task: AbstractTask, drawn: Activity) -> Variables:
    """The variables of trials: the network's choice first, and those of the task.

    Args:
        task: that drew the trials.
        drawn: the trials.

    Returns:
        By name, a value for each trial (B,). `choice` is +1 or -1, for tasks with one output: whether its mean in the
        response window is above 0, or, if the target is never negative, above half of its range.

    Source: none
    """
    from ratecore.tasks.variables import variables_of

    scores = drawn.scores
    found = variables_of(task, drawn.u, scores.conditions, scores.labels, scores.trials)
    if drawn.z.ndim == 2:
        found = {CHOICE: choices(task, drawn), **found}
    return found


def choices(task: AbstractTask, drawn: Activity) -> Shaped[np.ndarray, " B"]:
    """Which of two answers the output gives in each trial.

    Args:
        task: that drew the trials.
        drawn: trials of a task with one output.

    Returns:
        (B,), +1 or -1.

    Source: none
    """
    from ratecore.tasks.trials import response_of

    trials: Sequence[Any] = drawn.scores.trials or [None] * len(drawn.steps)
    windows = [response_of(task, trial) for trial in trials]
    targets = np.concatenate([z[window] for z, window in zip(drawn.z, windows, strict=True)])
    low, high = np.nanmin(targets), np.nanmax(targets)
    middle = 0.0 if low < 0 else (low + high) / 2
    means = np.array([np.nanmean(o[window]) for o, window in zip(drawn.o, windows, strict=True)])
    return np.where(means > middle, 1, -1)


def missing(variables: Variables, names: Iterable[str]) -> str | None:
    """Why an analysis leaves out a task that does not have a variable, as other tasks of the grid do.

    Args:
        variables: of the trials.
        names: of the variables that the settings name.

    Returns:
        the reason; None if the task has all of them.
    """
    for name in names:
        if name not in variables:
            return f"the task has no variable '{name}'; it has {', '.join(variables)}"
    return None


def kept_trials(variables: Variables) -> Shaped[np.ndarray, " B"]:
    """The trials that have all of some variables.

    Args:
        variables: of the trials.

    Returns:
        (B,), bool.

    Source: none
    """
    present = [values != "" if values.dtype.kind == "U" else ~np.isnan(values) for values in variables.values()]
    there: Shaped[np.ndarray, " B"] = np.logical_and.reduce(present)
    return there


def is_category(values: NDArray[Any], least: int = 1) -> bool:
    """Whether a variable is a category of which every value occurs often enough.

    Args:
        values: of each trial (B,).
        least: trials of each value.

    Returns:
        True for 2 to 8 words or whole numbers.

    Source: none
    """
    if values.dtype.kind == "f":
        return False
    counts = np.unique(values, return_counts=True)[1]
    return 2 <= len(counts) <= MOST_VALUES and int(counts.min()) >= least


def categories_of(variables: Variables, least: int) -> Variables:
    """The variables that are categories, without those that follow one to one from one before.

    Args:
        variables: of the trials.
        least: trials that each value needs.

    Returns:
        the categories; the condition only if there is no other but the choice.
    """
    chosen: Variables = {}
    for name, values in variables.items():
        complete = kept_trials({name: values}).all()
        if complete and is_category(values, least) and not any(_same(values, other) for other in chosen.values()):
            chosen[name] = values
    if set(chosen) - {"condition", CHOICE}:
        chosen.pop("condition", None)
    return chosen


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether each value of one goes with one value of the other."""
    n = [len(np.unique(values)) for values in (a, b)]
    pairs = len(set(zip(a.tolist(), b.tolist(), strict=True)))
    return n == [pairs, pairs]


def crossed(variables: Variables, least: int) -> Variables:
    """As many categories as possible, three at most, of which every combination occurs often enough.

    Args:
        variables: categories, those to be preferred first.
        least: trials that each combination needs.

    Returns:
        the chosen ones.
    """
    chosen: Variables = {}
    for name, values in variables.items():
        tried = {**chosen, name: values}
        if len(chosen) < MOST_FACTORS and _smallest_cell(tried) >= least:
            chosen = tried
    return chosen


def _smallest_cell(variables: Mapping[str, NDArray[Any]]) -> int:
    levels = [np.unique(values) for values in variables.values()]
    cells = itertools.product(*levels)
    columns = list(variables.values())
    return min(int(np.logical_and.reduce([c == v for c, v in zip(columns, cell, strict=True)]).sum()) for cell in cells)


def factors_of(variables: Variables, names: Sequence[str], least: int) -> Variables:
    """The categories that an analysis combines: those that are named, or as many of the task's as possible.

    Args:
        variables: of the trials.
        names: from the settings; none to choose here. The choice comes last then, since it follows from the others in
            a trained network.
        least: trials that each combination needs.

    Returns:
        the categories.
    """
    if names:
        return {name: variables[name] for name in names}
    ordered = {name: values for name, values in variables.items() if name != CHOICE}
    if CHOICE in variables:
        ordered[CHOICE] = variables[CHOICE]
    return crossed(categories_of(ordered, least), least)


def paths_of(
    projected: Float[np.ndarray, "B K M"], conditions: Shaped[np.ndarray, " B"]
) -> tuple[Shaped[np.ndarray, " C"], Float[np.ndarray, "C K M"]]:
    """Mean course of each condition.

    Args:
        projected: (B, K, M), unitless.
        conditions: of the trials (B,).

    Returns:
        names (C,), and means (C, K, M), unitless.

    Source: none
    """
    from ratecore.analysis.trials import condition_means

    names, means = condition_means(projected, conditions)
    return np.array([str(name) for name in names]), means

"""What trials differ in, by name: the variables that analyses of activity relate it to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.tasks import values
from ratecore.tasks.trials import Trial
from ratecore.tasks.values import TaskError

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

NO_VARIABLES = ("seed", "scored_by")  # in the info of Trials of neurogym's tasks and of several tasks


def default_variables(condition: str, label: Any) -> dict[str, Any]:
    """The variables of a trial of a task that names none.

    Args:
        condition: of the trial.
        label: of the trial, or the Trial of a task that draws Trials.

    Returns:
        `condition`, and every number and word in the `info` of a Trial.
    """
    info = label.info if isinstance(label, Trial) else {}
    plain = {name: value for name, value in info.items() if _is_value(value) and name not in NO_VARIABLES}
    return {"condition": condition, **plain}


def _is_value(value: object) -> bool:
    return isinstance(value, str | bool | np.bool_ | int | float | np.integer | np.floating)


def variables_of(
    task: AbstractTask,
    u: Float[np.ndarray, "B n_in T"],
    conditions: Sequence[str] | NDArray[Any],
    labels: Sequence[Any],
    trials: Sequence[Trial] | None = None,
) -> dict[str, NDArray[Any]]:
    """The variables of trials, by `AbstractTask.variables`.

    Args:
        task: that drew the trials.
        u: stimuli (B, n_in, T), unitless; NaN after the end of shorter trials.
        conditions: of the trials (B,).
        labels: of the trials, B of them.
        trials: the Trials, of a task that draws Trials.

    Returns:
        By name, a value for each trial (B,): whole numbers and words are categories, other numbers are graded. NaN, or
        '', for trials that do not have the variable.

    Raises:
        TaskError: the task's method raised an exception or returned anything but numbers and words by name.

    Source: none
    """
    rows = []
    for k, (condition, label) in enumerate(zip(conditions, labels, strict=True)):
        own = label if trials is None else trials[k]
        stimulus = u[k] if trials is None else u[k, :, : trials[k].T]
        try:
            found: object = task.variables(stimulus, str(condition), own)
        except values.FAULTS as error:
            raise values.raised(task, "variables", error) from error
        if not isinstance(found, Mapping) or not all(isinstance(n, str) and _is_value(v) for n, v in found.items()):
            call = values.where(task, "variables")
            raise TaskError(f"{call} returned {values.describe(found)}; it must be numbers and words by name")
        rows.append(dict(found))
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(given: list[Any]) -> NDArray[Any]:
    """Values as words if one is a word, as numbers with NaN if one is graded or missing, else as whole numbers."""
    if any(isinstance(value, str) for value in given):
        return np.array(["" if value is None else str(value) for value in given])
    if any(value is None or isinstance(value, float | np.floating) for value in given):
        return np.array([np.nan if value is None else float(value) for value in given])
    return np.array([int(value) for value in given])

"""Names of variables in the settings of analyses, checked before any job."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ratecore.settings.analysis import CHOICE
from ratecore.settings.base import SettingsError, did_you_mean, shown
from ratecore.settings.run import RunSettings
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.variables import variables_of

TRIALS = 30  # that are drawn to see which variables a task has


def check_variables(points: Iterable[RunSettings]) -> None:
    """Check that some task of a grid has each variable that an analysis names; other tasks are left out of it.

    Args:
        points: settings of the grid points.

    Raises:
        SettingsError: a variable that no task has; the message lists those that there are.
    """
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    tasks: dict[tuple[str, str], RunSettings] = {}
    for settings in points:
        for analysis in settings.analyses:
            names: tuple[str, ...] = getattr(getattr(settings.analysis, analysis), "variables", ())
            wanted |= {(analysis, name): names for name in names}
            if names:
                tasks.setdefault((settings.task, repr(settings.task_settings)), settings)
    known: dict[str, None] = {}
    for settings in tasks.values():
        known |= dict.fromkeys(variables_that(settings.create_task()))
    for (analysis, name), names in wanted.items():
        if name not in known:
            message = (
                f" = {shown(list(names))}: no task has the variable '{name}'{did_you_mean(name, known)}; available: "
            )
            raise SettingsError([(("analysis", analysis, "variables"), message + ", ".join(known))])


def variables_that(task: AbstractTask) -> list[str]:
    """The variables that a task has in the first trials drawn here, with the choice.

    Args:
        task: the task.

    Returns:
        their names.
    """
    batch = task.generate_batch([np.random.default_rng([0, k]) for k in range(TRIALS)])
    found = variables_of(task, batch.u, batch.conditions, batch.labels, batch.trials)
    return [*([CHOICE] if batch.z.ndim == 2 else []), *found]

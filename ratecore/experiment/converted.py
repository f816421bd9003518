"""Converted networks: which of them a selection has, and what is simulated of each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ratecore.experiment.opened import Opened
from ratecore.settings.base import shown
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.tasks.base import AbstractTask

if TYPE_CHECKING:
    import pandas as pd

    from ratecore.spiking.source import RateModel

CONVERSION = "conversion"  # trials on which the conversion scored the network
MOST_NAMED = 20  # networks that a message names


@dataclass(frozen=True)
class Source:
    """A converted network and its trials.

    Attributes:
        opened: the network.
        labels: what tells it apart: task, seed, axes of the grid, folder.
        scaling_factor: lambda, unitless.
        trials: as in `Results.spikes`.
    """

    opened: Opened
    labels: Mapping[str, Any]
    scaling_factor: float
    trials: str | int | Sequence[int]

    @property
    def conversion(self) -> ConversionSettings:
        """How the network was converted; the defaults for a file alone."""
        settings = self.opened.settings
        return ConversionSettings() if settings is None else settings.conversion

    @property
    def numbers(self) -> list[int]:
        """Numbers of its trials."""
        if isinstance(self.trials, str):
            n, fresh = self.conversion.n_trials, self.conversion.fresh_trials
            return list(range(n, n + fresh) if fresh else range(n))
        return list(range(self.trials) if isinstance(self.trials, int) else self.trials)

    @cached_property
    def task(self) -> AbstractTask:
        """The task that the spiking network is scored on."""
        settings = self.opened.settings
        return self.opened.task if settings is None else settings.tested_task("conversion")

    def tested(self) -> tuple[AbstractTask, RateModel, SpikingSettings]:
        """What the conversion scored: the network with its lesion, perturbation and stimulation.

        Returns:
            the task, the network and the settings of the simulation.
        """
        settings, model = self.opened.settings, self.opened.spiking_model()
        if settings is None:
            return self.task, model, SpikingSettings()
        from ratecore.spiking.conversion import scored_network
        from ratecore.spiking.testing import tested

        task, model, spiking = tested(settings, model, self.opened.load())
        model = scored_network(model, settings.conversion, settings.seed, spiking.use_initial_weights)
        return task, model, spiking


def converted(
    rows: pd.DataFrame, opened: Sequence[Opened | None], axes: Sequence[str], trials: str | int | Sequence[int]
) -> dict[int, Source]:
    """The converted networks of a selection. A warning names those that were not converted.

    Args:
        rows: of the table.
        opened: the network of each row, or None.
        axes: columns of the grid's axes.
        trials: as in `Results.spikes`.

    Returns:
        index in the table: the network.

    Raises:
        ValueError: as in `Results.spikes`.
    """
    trials = _checked(trials)
    if len(tasks := rows["task"].astype(str).unique()) > 1:
        raise ValueError(
            f"networks of several tasks are selected ({', '.join(tasks)}); choose one, as task={tasks[0]!r}"
        )
    sources, left_out = {}, []
    for (index, row), network in zip(rows.iterrows(), opened, strict=True):
        scaling_factor = row.get("lambda", np.nan)
        if network is None or not _is_number(scaling_factor):
            left_out.append(f"{index} ({_why_not(row)})")
        else:
            sources[int(str(index))] = Source(network, _labels(row, axes, network), float(scaling_factor), trials)
    if left_out:
        _say(left_out, bool(sources))
    if not sources:
        raise ValueError("no network of this selection is there")
    return sources


def _say(left_out: list[str], others: bool) -> None:
    """Warn of networks without spikes; raise ValueError if there are no others."""
    more = f" and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
    listed = ", ".join(left_out[:MOST_NAMED]) + more
    if not others:
        raise ValueError(
            f"no network of this selection was converted to a spiking one, by its row: {listed}; set convert: true in "
            "the configuration, or find lambda with `ratecore convert`"
        )
    warnings.warn(f"networks that were not converted are left out, by their row: {listed}", stacklevel=4)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _why_not(row: pd.Series[Any]) -> str:
    status = str(row["status"])
    return "not converted" if status in ("trained", "not known") else status


def _labels(row: pd.Series[Any], axes: Sequence[str], network: Opened) -> dict[str, Any]:
    """Plain values of the columns that tell networks apart."""
    labels: dict[str, Any] = {}
    for column in dict.fromkeys(("task", "seed", *axes)):
        value = row[column]
        labels[column] = value.item() if isinstance(value, np.generic) else value
    return labels | {"folder": network.folder}


def _checked(trials: Any) -> str | int | list[int]:
    """Raise ValueError for what does not name trials."""
    if isinstance(trials, str) and trials == CONVERSION:
        return trials
    if not isinstance(trials, str | bool):
        array: NDArray[Any] = np.asarray(trials)
        whole = array.dtype.kind in "iu" and array.size > 0
        if whole and array.ndim == 0 and array > 0:
            return int(array)
        if whole and array.ndim == 1 and array.min() >= 0:
            return [int(k) for k in array]
    raise ValueError(
        f"trials = {shown(trials)}; it must be '{CONVERSION}', for those on which the conversion scored the network, "
        "how many of the first trials (1 or more), or a list of numbers of trials from 0"
    )

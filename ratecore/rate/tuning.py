"""Sets of units that are found from the activity of the network itself: by their tuning (docs/perturbations.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from ratecore.rate.dynamics import run
from ratecore.rate.evaluation import CHUNK, draw_trials, one_thread
from ratecore.rate.network import RateNetwork
from ratecore.rate.perturbation import sets_with_areas, types_of
from ratecore.rate.synapses import units_of
from ratecore.settings.base import SettingsError, did_you_mean
from ratecore.settings.run import RunSettings
from ratecore.settings.spiking import RATE_STEP
from ratecore.settings.unit_sets import TuningSettings, UnitSet
from ratecore.system.streams import stream
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.trials import response_of


def mean_rates(
    net: RateNetwork, task: AbstractTask, seed: int, n_trials: int, window: tuple[float, float] | None = None
) -> tuple[Float[np.ndarray, "B N"], list[str]]:
    """Average the rates of trials over a window.

    Args:
        net: the network.
        task: draws the trials.
        seed: of the run, for its stream `tuning`.
        n_trials: number of trials B.
        window: start and end in ms; None for the response window of each trial.

    Returns:
        mean rate of each unit in each trial (B, N), unitless, NaN for a trial that ends before the window; and the
        condition of each trial.

    Source:
        docs/model.md 8.
    """
    means, conditions = np.full((n_trials, net.N), np.nan), []
    for first in range(0, n_trials, CHUNK):
        numbers = range(first, min(first + CHUNK, n_trials))
        trials, x0, noise = draw_trials(task, net, [stream(seed, "tuning", k) for k in numbers])
        with torch.no_grad(), one_thread():
            _, r, _ = run(net, trials.u, x0=x0, noise=noise, finite=False)
        rates = r.double().cpu().numpy()
        for b, k in enumerate(numbers):
            drawn = None if trials.trials is None else trials.trials[b]
            T = rates.shape[1] if drawn is None else drawn.T
            steps = slice(*(round(ms / RATE_STEP) for ms in window)) if window else response_of(task, drawn)
            if (part := rates[b, :T][steps]).size:
                means[k] = part.mean(0)
        conditions += list(trials.conditions)
    return means, conditions


def tuned_units(
    net: RateNetwork,
    task: AbstractTask,
    tuning: TuningSettings | Mapping[str, Any],
    seed: int = 0,
) -> Int[np.ndarray, " n"]:
    """Find the units whose mean rates differ most between two conditions of a task.

    Args:
        net: the network, unperturbed.
        task: draws the trials.
        tuning: conditions, window and share of the units, or fields of these settings.
        seed: of the run, for its stream `tuning`.

    Returns:
        indices (n,), those with the largest difference first; with `prefers` a or b only units that differ in this
        direction.

    Raises:
        ValueError: no trial has one of the conditions, or no unit is compared.

    Source:
        docs/model.md 8.
    """
    s = tuning if isinstance(tuning, TuningSettings) else TuningSettings(**dict(tuning))
    means, conditions = mean_rates(net, task, seed, s.n_trials, s.window)
    usable = np.isfinite(means).all(1)
    a, b = (_trials_of(name, conditions, usable, s.n_trials) for name in (s.condition_a, s.condition_b))
    difference = means[a].mean(0) - means[b].mean(0)
    if s.measure == "d_prime":
        sd = np.sqrt((means[a].var(0) + means[b].var(0)) / 2)
        # A unit without any variability differs infinitely, or not at all.
        difference = np.divide(difference, sd, out=np.sign(difference) * np.inf, where=sd > 0)
        difference[np.isnan(difference)] = 0
    units = np.sort(units_of(s.among, types_of(net), sets_with_areas(net, None)))
    if not units.size:
        raise ValueError(f"among = '{s.among}': the network has no such unit")
    size = {"either": np.abs(difference), "a": difference, "b": -difference}[s.prefers][units]
    order = np.argsort(-size, kind="stable")[: max(1, round(s.top * units.size))]
    return units[order] if s.prefers == "either" else units[order[size[order] > 0]]


def _trials_of(condition: str, conditions: list[str], usable: Bool[np.ndarray, " B"], n: int) -> Bool[np.ndarray, " B"]:
    chosen: Bool[np.ndarray, " B"] = np.array([name == condition for name in conditions]) & usable
    if not chosen.any():
        known = sorted(set(conditions))
        if condition in known:
            raise ValueError(f"condition '{condition}': all of its trials end before the window")
        hint = did_you_mean(condition, known)
        raise ValueError(f"condition '{condition}' is that of none of {n} trials{hint}; they have {', '.join(known)}")
    return chosen


def unit_sets_of(
    settings: RunSettings, net: RateNetwork, sections: Iterable[str] = ("evaluation", "spiking", "conversion")
) -> dict[str, Int[np.ndarray, " n"]]:
    """Find the units of the named sets and areas that some sections of a run's settings can use.

    Args:
        settings: of the run.
        net: the trained rate network, whose activity sets by tuning depend on, also those of the spiking network.
        sections: whose sets are wanted; others are left out.

    Returns:
        indices of the units by name (n,).

    Raises:
        SettingsError: a set that this network cannot have, such as by a condition that its task has not.

    Source: none
    """
    wanted = settings.sets_used_in(*sections)
    types, areas = types_of(net), sets_with_areas(net, None)
    return {**areas, **{name: _members(name, own, settings, net, types, areas) for name, own in wanted.items()}}


def _members(
    name: str, own: UnitSet, settings: RunSettings, net: RateNetwork, types: Any, areas: Any
) -> Int[np.ndarray, " n"]:
    try:
        if own.tuning is not None:
            return tuned_units(net, settings.create_task(), own.tuning, settings.seed)
        listed = own.listed()
        return units_of(own.units or () if listed is None else listed, types, areas)
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError([(("unit_sets", name), f": {error}")]) from None

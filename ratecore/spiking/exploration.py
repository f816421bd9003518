"""Effects of changes to a spiking network: lesions, artificial stimulation, refractory periods.

Every variant has the same trials, with the same initial membrane potentials and the same noise, so that differences
come only from the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ratecore.rate.lesions import check_lesion
from ratecore.rate.synapses import Sets
from ratecore.settings.perturbation import PerturbationSettings, names_of
from ratecore.settings.spiking import SpikingSettings, StimulationSettings
from ratecore.spiking.perturbation import perturbed
from ratecore.spiking.scoring import TrialsOfTask, run_trials
from ratecore.spiking.source import RateModel
from ratecore.tasks import AbstractTask

SYNAPSES = ("all", "E-E", "E-I", "I-E", "I-I")  # from - to

Row = dict[str, Any]
Rng = np.random.Generator | np.random.SeedSequence | int | None


def sweep(
    variants: Iterable[tuple[Row, RateModel, SpikingSettings]],
    task: AbstractTask,
    scaling_factor: float,
    n_trials: int = 100,
    *,
    seed: int = 0,
    threads: int = 1,
) -> list[Row]:
    """Score variants of a network at one lambda on the same trials.

    Args:
        variants: of each the values that name it, the network and the settings.
        task: any task that can be scored.
        scaling_factor: lambda, unitless.
        n_trials: per variant.
        seed: of the trials.
        threads: processes at once.

    Returns:
        one row per variant: its names, n, accuracy, ci_low, ci_high (Wilson, 95 %), mean_rate_exc and mean_rate_inh
        (spikes/s).
    """
    rows = []
    for names, model, settings in variants:
        trials = TrialsOfTask(model, task, settings, seed)
        (result,) = run_trials(trials, range(n_trials), [scaling_factor], threads)
        rows.append({**names, "n": n_trials, **result.scores()})
    return rows


def lesioned(
    model: RateModel,
    fraction: float,
    synapses: str = "all",
    rng: Rng = None,
    initial: bool = False,
    *,
    scale: float = 0.0,
    self_connections: bool = True,
) -> tuple[RateModel, int]:
    """Remove a random fraction of a network's live synapses.

    With the same seed, a larger fraction removes a superset of the synapses.

    Args:
        model: the network, which stays as it is.
        fraction: of the synapses, in [0, 1].
        synapses: 'all', or those from one type to another: E-E, E-I, I-E, I-I.
        rng: generator or seed.
        initial: whether the weights before training are lesioned, which `use_initial_weights` simulates.
        scale: factor for the chosen weights, in [0, 1]; 0 removes them.
        self_connections: whether a unit's synapse onto itself can be chosen.

    Returns:
        the lesioned network and the number of chosen synapses.

    Raises:
        ValueError: fraction or scale outside [0, 1], unknown synapses.

    Source:
        docs/model.md 7.
    """
    check_lesion(fraction, scale)
    if synapses not in SYNAPSES:
        raise ValueError(f"synapses = {synapses!r}; allowed: {', '.join(SYNAPSES)}")
    weights = model.weights(initial)
    candidates = weights != 0  # a weight that training has silenced is no synapse
    if synapses != "all":
        units = {"E": ~model.inh, "I": model.inh}
        candidates &= units[synapses[2]][:, None] & units[synapses[0]][None, :]
    if not self_connections:
        candidates &= ~np.eye(model.N, dtype=bool)
    index = np.flatnonzero(candidates)
    chosen = np.random.default_rng(rng).permutation(index)[: round(fraction * index.size)]
    W = weights.copy()
    W.flat[chosen] = scale * W.flat[chosen] if scale else 0
    changed = replace(model, W_initial=W) if initial else replace(model, W=W)
    return changed, chosen.size


def lesion_sweep(
    model: RateModel,
    task: AbstractTask,
    scaling_factor: float,
    fractions: Iterable[float],
    synapses: str = "all",
    n_trials: int = 100,
    settings: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> list[Row]:
    """Measure accuracy against the fraction of synapses that is lost.

    Args:
        model: the network.
        task: any task that can be scored.
        scaling_factor: lambda, unitless.
        fractions: of the synapses, in [0, 1].
        synapses: 'all', or those from one type to another: E-E, E-I, I-E, I-I.
        n_trials: per variant.
        settings: of the simulation.
        seed: of the trials and of the choice of synapses.
        threads: processes at once.

    Returns:
        rows of `sweep` with fraction, synapses and n_lesioned.

    Source:
        docs/model.md 7.
    """
    settings = settings or SpikingSettings()
    variants: list[tuple[Row, RateModel, SpikingSettings]] = []
    for fraction in fractions:
        changed, gone = lesioned(model, fraction, synapses, np.random.default_rng(seed), settings.use_initial_weights)
        variants.append(({"fraction": fraction, "synapses": synapses, "n_lesioned": gone}, changed, settings))
    return sweep(variants, task, scaling_factor, n_trials, seed=seed, threads=threads)


def stimulation_sweep(
    model: RateModel,
    task: AbstractTask,
    scaling_factor: float,
    stimulations: Iterable[StimulationSettings | Mapping[str, Any]],
    n_trials: int = 100,
    settings: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> list[Row]:
    """Measure accuracy under artificial stimulation.

    Args:
        model: the network.
        task: any task that can be scored.
        scaling_factor: lambda, unitless.
        stimulations: settings, or fields of them; one variant each.
        n_trials: per variant.
        settings: of the simulation.
        seed: of the trials.
        threads: processes at once.

    Returns:
        rows of `sweep` with mode, units, window (ms) and amplitude (mV).

    Source:
        docs/model.md 5.4.
    """
    base = (settings or SpikingSettings()).model_dump()
    variants: list[tuple[Row, RateModel, SpikingSettings]] = []
    for stimulation in stimulations:
        values = StimulationSettings(**dict(stimulation)).model_dump()
        names = {key: values[key] for key in ("mode", "units", "window", "amplitude")}
        variants.append((names, model, SpikingSettings(**{**base, "stimulation": values})))
    return sweep(variants, task, scaling_factor, n_trials, seed=seed, threads=threads)


def refractory_sweep(
    model: RateModel,
    task: AbstractTask,
    scaling_factor: float,
    refractory_periods: Iterable[float],
    n_trials: int = 100,
    settings: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> list[Row]:
    """Measure accuracy against the absolute refractory period.

    Args:
        model: the network.
        task: any task that can be scored.
        scaling_factor: lambda, unitless.
        refractory_periods: ms, one variant each.
        n_trials: per variant.
        settings: of the simulation.
        seed: of the trials.
        threads: processes at once.

    Returns:
        rows of `sweep` with refractory (ms).

    Source:
        Kim et al. 2019, Fig. 6A.
    """
    base = (settings or SpikingSettings()).model_dump()
    variants = [
        ({"refractory": float(ms)}, model, SpikingSettings(**{**base, "refractory": float(ms)}))
        for ms in refractory_periods
    ]
    return sweep(variants, task, scaling_factor, n_trials, seed=seed, threads=threads)


def perturbation_sweep(
    model: RateModel,
    task: AbstractTask,
    scaling_factor: float,
    perturbations: Iterable[PerturbationSettings | Mapping[str, Any]],
    n_trials: int = 100,
    settings: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
    unit_sets: Sets | None = None,
) -> list[Row]:
    """Measure accuracy and firing rates of a spiking network under perturbations. `{}` is the network as it is.

    Args:
        model: the network.
        task: any task that can be scored.
        scaling_factor: lambda, unitless.
        perturbations: settings, or fields of them; one variant each.
        n_trials: per variant.
        settings: of the simulation.
        seed: of the trials and of what is random in a perturbation.
        threads: processes at once.
        unit_sets: indices of the units of each named set that the settings use (n,); by default those of `model`.

    Returns:
        rows of `sweep` with the settings that differ between the variants or from their defaults.

    Raises:
        ValueError: an unknown group of units, or an index outside the network.
        SettingsError: fields that are no settings of a perturbation.

    Source:
        docs/model.md 8.
    """
    given = [p if isinstance(p, PerturbationSettings) else PerturbationSettings(**dict(p)) for p in perturbations]
    variants = [
        (names, perturbed(model, own, seed, unit_sets), settings or SpikingSettings())
        for names, own in zip(names_of(given), given, strict=True)
    ]
    return sweep(variants, task, scaling_factor, n_trials, seed=seed, threads=threads)

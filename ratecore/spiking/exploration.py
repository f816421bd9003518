"""What a spiking network does when it is changed: lesions, artificial stimulation, refractory periods.

Every variant has the same trials, with the same membranes at the start and the same noise, so that differences come
from the change alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ratecore.rate.network import check_lesion
from ratecore.settings.spiking import SpikingSettings, StimulationSettings
from ratecore.spiking.scoring import TrialsOfTask, run_trials
from ratecore.spiking.source import RateModel

SYNAPSES = ("all", "E-E", "E-I", "I-E", "I-I")  # from - to


def sweep(variants, task, scaling_factor: float, n_trials: int = 100, *, seed: int = 0, threads: int = 1) -> list[dict]:
    """Scores variants of a network at one lambda on the same trials.

    Args:
        variants: (dict that names it, RateModel, SpikingSettings) of each.   task: an AbstractTask.
        seed: of the trials.   threads: processes at once.

    Returns:
        a row for each variant: its names, n, accuracy, ci_low, ci_high (Wilson, 95 %), mean_rate_exc, mean_rate_inh.
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
    rng=None,
    initial: bool = False,
    *,
    scale: float = 0.0,
    self_connections: bool = True,
) -> tuple[RateModel, int]:
    """The model without a fraction of its live synapses, chosen at random; of one seed a larger fraction has the same
    ones and more.

    Args:
        synapses: 'all', or those from - to one type: E-E, E-I, I-E, I-I.   rng: generator or seed.
        initial: whether the weights before training are lesioned, which `use_initial_weights` simulates.
        scale: factor of the chosen weights, in [0, 1]; 0 removes them.
        self_connections: whether a unit's synapse onto itself can be chosen.

    Returns:
        the model, the number of chosen synapses.

    Raises:
        ValueError: fraction or scale outside [0, 1], unknown synapses.
    """
    check_lesion(fraction, scale)
    if synapses not in SYNAPSES:
        raise ValueError(f"synapses = {synapses!r}; allowed: {', '.join(SYNAPSES)}")
    weights = model.weights(initial)
    candidates = weights != 0  # what training has silenced is no synapse
    if synapses != "all":
        of = {"E": ~model.inh, "I": model.inh}
        candidates &= of[synapses[2]][:, None] & of[synapses[0]][None, :]
    if not self_connections:
        candidates &= ~np.eye(model.N, dtype=bool)
    index = np.flatnonzero(candidates)
    chosen = np.random.default_rng(rng).permutation(index)[: round(fraction * index.size)]
    W = weights.copy()
    W.flat[chosen] = scale * W.flat[chosen] if scale else 0
    return replace(model, **{"W_initial" if initial else "W": W}), chosen.size


def lesion_sweep(
    model: RateModel,
    task,
    scaling_factor: float,
    fractions,
    synapses: str = "all",
    n_trials: int = 100,
    settings: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> list[dict]:
    """Rows of `sweep` with fraction, synapses and n_lesioned: accuracy against the share of synapses that is lost."""
    settings, variants = settings or SpikingSettings(), []
    for fraction in fractions:
        changed, gone = lesioned(model, fraction, synapses, np.random.default_rng(seed), settings.use_initial_weights)
        variants.append(({"fraction": fraction, "synapses": synapses, "n_lesioned": gone}, changed, settings))
    return sweep(variants, task, scaling_factor, n_trials, seed=seed, threads=threads)


def stimulation_sweep(
    model: RateModel,
    task,
    scaling_factor: float,
    stimulations,
    n_trials: int = 100,
    settings: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> list[dict]:
    """Rows of `sweep` with mode, units, window and amplitude, one for each of `stimulations` (StimulationSettings)."""
    base, variants = (settings or SpikingSettings()).model_dump(), []
    for stimulation in stimulations:
        values = StimulationSettings(**dict(stimulation)).model_dump()
        names = {key: values[key] for key in ("mode", "units", "window", "amplitude")}
        variants.append((names, model, SpikingSettings(**{**base, "stimulation": values})))
    return sweep(variants, task, scaling_factor, n_trials, seed=seed, threads=threads)


def refractory_sweep(
    model: RateModel,
    task,
    scaling_factor: float,
    refractory_periods,
    n_trials: int = 100,
    settings: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> list[dict]:
    """Rows of `sweep` with refractory (ms), one for each period (Kim et al. 2019, Fig. 6A)."""
    base = (settings or SpikingSettings()).model_dump()
    variants = [
        ({"refractory": float(ms)}, model, SpikingSettings(**{**base, "refractory": float(ms)}))
        for ms in refractory_periods
    ]
    return sweep(variants, task, scaling_factor, n_trials, seed=seed, threads=threads)

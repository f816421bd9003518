"""Effects of changes to a trained rate network, on the same trials for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ratecore.rate.evaluation import evaluate
from ratecore.rate.network import RateNetwork
from ratecore.rate.perturbation import perturbed
from ratecore.rate.synapses import Sets
from ratecore.settings.perturbation import RatePerturbationSettings, names_of
from ratecore.settings.training import EvaluationSettings
from ratecore.system.intervals import wilson_interval
from ratecore.tasks.base import AbstractTask

Row = dict[str, Any]


def perturbation_sweep(
    net: RateNetwork,
    task: AbstractTask,
    perturbations: Iterable[RatePerturbationSettings | Mapping[str, Any]],
    n_trials: int = 100,
    *,
    seed: int = 0,
    unit_sets: Sets | None = None,
    loss_fn: str = "l2",
) -> list[Row]:
    """Measure accuracy and loss of a rate network under perturbations.

    All variants get the same trials with the same noise, those of the evaluation of a run with this seed, so that
    differences come only from the perturbation. `{}` is the network as it is.

    Args:
        net: the trained network.
        task: any task that can be scored.
        perturbations: settings, or fields of them; one variant each.
        n_trials: per variant.
        seed: of the trials and of what is random in a perturbation.
        unit_sets: indices of the units of each named set that the settings use (n,).
        loss_fn: name of the loss, as in `training.loss_fn`.

    Returns:
        one row per variant: the settings that differ between them or from their defaults, n, accuracy, ci_low, ci_high
        (Wilson, 95 %) and loss.

    Raises:
        ValueError: an unknown group of units, or an index outside the network.
        SettingsError: fields that are no settings of a perturbation.

    Source:
        docs/model.md 8.
    """
    variants = [
        p if isinstance(p, RatePerturbationSettings) else RatePerturbationSettings(**dict(p)) for p in perturbations
    ]
    settings = EvaluationSettings(n_trials=n_trials, psychometric_trials=0)
    rows = []
    for names, own in zip(names_of(variants), variants, strict=True):
        scores = evaluate(task, perturbed(net, own, seed, unit_sets), seed, settings, loss_fn).scores
        low, high = wilson_interval(int(scores.correct.sum()), n_trials)
        measured = {"accuracy": scores.accuracy, "ci_low": low, "ci_high": high, "loss": float(scores.losses.mean())}
        rows.append({**names, "n": n_trials, **measured})
    return rows

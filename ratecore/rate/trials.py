"""Trials as arrays: how they are drawn and what of their scores needs no PyTorch (docs/model.md 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.rate.results import Scores
from ratecore.system.arrays import arrays_of_trials
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.trials import Trial, score
from ratecore.tasks.whole_trials import check_weights

CHUNK = 100  # trials run at once, so that memory does not grow with their number


def drawn_arrays(
    task: AbstractTask, generators: list[np.random.Generator], exact: type[np.floating[Any]], trials: Any = None
) -> tuple[Any, Float[np.ndarray, "B n_in T"], Float[np.ndarray, "B *out T"]]:
    """Draw trials, each from its own generator.

    Args:
        task: draws the trials.
        generators: B of them, see `ratecore.system.streams`.
        exact: type of the numbers in the results.
        trials: Trials drawn already from the same generators; drawn here when None.

    Returns:
        the Trials, and their u (B, n_in, T) and z (B, T) or (B, n_out, T), unitless.

    Raises:
        ValueError: the task's trials do not have the shapes that it declares, or no finite numbers.

    Source:
        docs/model.md 2.
    """
    if trials is None and trials_are_checked(task):
        trials = task.generate_batch(generators)
        return trials, trials.u.astype(exact, copy=False), trials.z.astype(exact, copy=False)
    trials = task.generate_batch(generators) if trials is None else trials
    u, z = arrays_of_trials(task, trials, len(generators), exact)
    check_weights(task, trials)
    return trials, u, z


def trials_are_checked(task: AbstractTask) -> bool:
    """Tell whether a task's batches come from `ratecore.tasks.trials.collect`, which has checked all of their numbers.

    Args:
        task: draws the trials.

    Returns:
        False for a task that makes its own batches.
    """
    kind, own = type(task), vars(task)
    return (  # written out, since it is asked at every update
        getattr(kind, "generate_batch", None) is AbstractTask.generate_batch
        and getattr(kind, "collect", None) is AbstractTask.collect
        and "generate_batch" not in own
        and "collect" not in own
    )


def scores_of_outputs(
    task: AbstractTask, trials: Any, rows: Float[np.ndarray, "B *out _"], losses: Float[np.ndarray, " B"]
) -> Scores:
    """Score the outputs of trials.

    Args:
        task: scores the trials.
        trials: Trials.
        rows: outputs (B, T), or (B, n_out, T) of several outputs, float64, unitless, rows[..., 0] the readout of r[0].
        losses: of the trials (B,), unitless.

    Returns:
        scores of the B trials.

    Source:
        docs/model.md 2 and 3.
    """
    drawn: Sequence[Trial] | None = trials.trials
    if drawn is None:
        correct = np.array([score(task, row, label) for row, label in zip(rows, trials.labels, strict=True)])
    else:
        correct = np.array([score(task, row[..., : trial.T], trial) for row, trial in zip(rows, drawn, strict=True)])
        rows = _to_length(rows, drawn, task.T)
    return Scores(losses, correct, rows, trials.labels, np.array(trials.conditions), drawn)


def _to_length(rows: Float[np.ndarray, "B *out _"], drawn: Sequence[Trial], T: int) -> Float[np.ndarray, "B *out T"]:
    """Outputs over T steps, NaN after the end of shorter trials."""
    if rows.shape[-1] == T and all(trial.T == T for trial in drawn):
        return rows
    to_length = np.full((*rows.shape[:-1], T), np.nan)
    for row, given, trial in zip(to_length, rows, drawn, strict=True):
        row[..., : trial.T] = given[..., : trial.T]
    return to_length


def join_scores(parts: list[Scores]) -> Scores:
    """Join the scores of several groups of trials.

    Args:
        parts: the groups, in order.

    Returns:
        scores of all trials.
    """
    return Scores(
        np.concatenate([p.losses for p in parts]),
        np.concatenate([p.correct for p in parts]),
        np.concatenate([p.outputs for p in parts]),
        [label for p in parts for label in p.labels],
        np.concatenate([p.conditions for p in parts]),
        None if parts[0].trials is None else [trial for p in parts for trial in p.trials or ()],
    )

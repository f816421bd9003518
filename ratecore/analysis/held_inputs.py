"""Inputs that are held constant to look for fixed points: those of a task's conditions in a part of the trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped


@dataclass(frozen=True, eq=False)
class HeldInput:
    """A constant input and the trials that it stands for.

    Attributes:
        u: the input (n_in,), unitless.
        conditions: names of the conditions whose mean input it is.
        trials: indices of their trials (M,).
    """

    u: Float[np.ndarray, " n_in"]
    conditions: tuple[str, ...]
    trials: Int[np.ndarray, " M"]


def held_inputs(
    u: Float[np.ndarray, "B n_in T"],
    conditions: Shaped[np.ndarray, " B"],
    windows: Sequence[slice],
    within: float = 1e-3,
) -> list[HeldInput]:
    """Average the input of each condition over a window; conditions with the same mean input share one.

    Args:
        u: inputs of B trials (B, n_in, T), unitless; NaN after the end of shorter trials.
        conditions: name of each trial's condition (B,).
        windows: steps of each trial to average over, B slices.
        within: largest difference of two inputs that count as the same, unitless.

    Returns:
        the inputs, in the alphabetical order of their first conditions.

    Raises:
        ValueError: arrays of different numbers of trials, or a window without any step of its trial.

    Source: none
    """
    u, names = np.asarray(u, float), np.asarray(conditions)
    if u.ndim != 3 or len(names) != len(u) or len(windows) != len(u):
        raise ValueError(
            f"u has shape {u.shape}, with {len(names)} conditions and {len(windows)} windows; they must be "
            "(B, n_in, T) with B of each"
        )
    means = np.empty(u.shape[:2])
    for k, (trial, window) in enumerate(zip(u, windows, strict=True)):
        steps = trial[:, window]
        steps = steps[:, ~np.isnan(steps).any(0)]
        if not steps.size:
            raise ValueError(f"the window {window.start}..{window.stop} has no step of trial {k}")
        means[k] = steps.mean(1)
    found: list[HeldInput] = []
    for name in np.unique(names):
        trials = np.flatnonzero(names == name)
        value = means[trials].mean(0)
        for i, other in enumerate(found):
            if np.abs(other.u - value).max() <= within:
                both = np.append(other.trials, trials)
                found[i] = HeldInput(other.u, (*other.conditions, str(name)), np.sort(both))
                break
        else:
            found.append(HeldInput(value, (str(name),), trials))
    return found


def states_of(
    x: Float[np.ndarray, "B T N"], trials: Int[np.ndarray, " M"], n: int, rng: np.random.Generator
) -> Float[np.ndarray, "n N"]:
    """Draw states from the activity in some trials, each from any trial and step.

    Args:
        x: activity (B, T, N), unitless; NaN after the end of shorter trials.
        trials: indices of the trials (M,).
        n: number of states.
        rng: generator.

    Returns:
        (n, N), unitless, float64.

    Source:
        Sussillo & Barak 2013, Neural Computation 25:626.
    """
    x = np.asarray(x)
    lengths = (~np.isnan(x[trials, :, 0])).sum(1)
    chosen = rng.choice(len(trials), n, p=lengths / lengths.sum())
    steps = rng.integers(lengths[chosen])
    states: Float[np.ndarray, "n N"] = x[trials[chosen], steps].astype(float)
    return states

"""Named random streams of a run: any draw can be repeated alone, whatever else was drawn before it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

# Numbers, not hashes of the names: they are part of every result and must never change.
STREAMS = {
    "initialisation": 0,
    "trial": 1,
    "test": 2,
    "evaluation": 3,
    "example": 4,
    "lif_trial": 5,
    "psychometric": 6,
    "comparison": 7,
    "lesion": 8,
    "positions": 20,
    "unit_lesion": 30,
    "shuffle": 31,
    "weight_noise": 32,
    "tuning": 33,
    "fixed_points": 40,
}


def stream(seed: int, name: str, k: int = 0) -> np.random.Generator:
    """The generator for the k-th draw from stream `name` of the run with this seed.

    Args:
        seed: seed of the run, >= 0.
        name: one of `STREAMS`.
        k: index within the stream, for instance the number of the trial.

    Returns:
        A new generator, at the start of the draw.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(STREAMS[name], k))  # as spawned children: no two can collide
    return np.random.Generator(np.random.SFC64(sequence))


def draw_inhibitory(N: int, P_inh: float, apply_dale: bool, rng: np.random.Generator) -> Bool[np.ndarray, " N"]:
    """Draw which units are inhibitory; without Dale's law none is.

    Args:
        N: number of units.
        P_inh: probability that a unit is inhibitory.
        apply_dale: whether Dale's law holds.
        rng: generator of the run's stream "initialisation".

    Returns:
        Mask of the inhibitory units (N,).

    Source:
        docs/model.md 1.2.
    """
    return rng.random(N) < P_inh if apply_dale else np.zeros(N, bool)

"""Named random streams of a run: every draw can be made again alone, whatever else was drawn before it."""

from __future__ import annotations

import numpy as np

# Numbers, not hashes of the names: they are part of every result and must never change.
STREAMS = {
    "initialisation": 0, "trial": 1, "test": 2, "evaluation": 3, "example": 4, "lif_trial": 5, "psychometric": 6,
    "comparison": 7, "lesion": 8,
}  # fmt: skip


def stream(seed: int, name: str, k: int = 0) -> np.random.Generator:
    """The generator of the k-th draw of stream `name` of the run with this seed.

    Args:
        seed: the run's seed, >= 0.
        name: one of `STREAMS`.
        k: index within the stream, for instance the number of the trial.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(STREAMS[name], k))  # as spawned children: no two can collide
    return np.random.Generator(np.random.SFC64(sequence))


def draw_inhibitory(N: int, P_inh: float, apply_dale: bool, rng: np.random.Generator) -> np.ndarray:
    """(N,) bool: the inhibitory units, each with probability `P_inh`; none without Dale's law (docs/model.md 1)."""
    return rng.random(N) < P_inh if apply_dale else np.zeros(N, bool)

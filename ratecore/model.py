"""The `rate` package's import path of task functions, losses and the network: `from ratecore.model import ...`.

A stimulus drawn without `seed` comes from fresh entropy; the global generators are neither read nor set. `seed` is a
number or a `numpy.random.Generator`, or as in the `rate` package False for none and True for the same trial each time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.compat.absent import missing
from ratecore.compat.rate_network import FR_RNN_dale, eval_rnn
from ratecore.rate.losses import loss_op
from ratecore.tasks import AbstractTask, GoNogoTask, ManteTask, XORTask

__all__ = [
    "FR_RNN_dale",
    "eval_rnn",
    "generate_input_stim_go_nogo",
    "generate_input_stim_mante",
    "generate_input_stim_xor",
    "generate_target_continuous_go_nogo",
    "generate_target_continuous_mante",
    "generate_target_continuous_xor",
    "loss_op",
]


SEED_OF_TRUE = 42  # that the `rate` package seeds NumPy's global generator with for `seed=True`

Seed = int | np.random.Generator | None


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, __all__)


def _stimulus(task: AbstractTask, seed: Seed) -> tuple[Any, Any]:
    if isinstance(seed, bool):
        seed = SEED_OF_TRUE if seed else None
    u, label = task.generate_stimulus(seed=seed)
    return u, label


def generate_input_stim_go_nogo(settings: dict[str, Any], seed: Seed = None) -> tuple[Float[np.ndarray, "1 T"], int]:
    """`generate_input_stim_go_nogo` of the `rate` package: stimulus u (1, T), unitless, and label, 1 or 0 (NoGo)."""
    return _stimulus(GoNogoTask(settings), seed)


def generate_target_continuous_go_nogo(
    settings: dict[str, Any], label: Any, seed: Seed = None
) -> Float[np.ndarray, " T"]:
    """`generate_target_continuous_go_nogo` of the `rate` package: target z (T,), unitless. `seed` changes nothing."""
    z: Float[np.ndarray, " T"] = GoNogoTask(settings).generate_target(label)
    return z


def generate_input_stim_xor(settings: dict[str, Any], seed: Seed = None) -> tuple[Float[np.ndarray, "2 T"], str]:
    """`generate_input_stim_xor` of the `rate` package: stimulus u (2, T), unitless, and label, 'same' or 'diff'."""
    return _stimulus(XORTask(settings), seed)


def generate_target_continuous_xor(settings: dict[str, Any], label: Any, seed: Seed = None) -> Float[np.ndarray, " T"]:
    """`generate_target_continuous_xor` of the `rate` package: target z (T,), unitless. `seed` changes nothing."""
    z: Float[np.ndarray, " T"] = XORTask(settings).generate_target(label)
    return z


def generate_input_stim_mante(settings: dict[str, Any], seed: Seed = None) -> tuple[Float[np.ndarray, "4 T"], int]:
    """`generate_input_stim_mante` of the `rate` package: stimulus u (4, T), unitless, and label, +1 or -1."""
    return _stimulus(ManteTask(settings), seed)


def generate_target_continuous_mante(
    settings: dict[str, Any], label: Any, seed: Seed = None
) -> Float[np.ndarray, " T"]:
    """`generate_target_continuous_mante` of the `rate` package: target z (T,), unitless. `seed` changes nothing."""
    z: Float[np.ndarray, " T"] = ManteTask(settings).generate_target(label)
    return z

"""The `rate` package's import path: `from ratecore.model import ...` finds the task functions, losses and the network.

A stimulus drawn without `seed` comes from fresh entropy; the global generators are neither read nor reset. `seed` is a
number or a `numpy.random.Generator`, or as in the `rate` package False for none and True for always the same trial.
"""

from __future__ import annotations

from ratecore.compat.absent import missing
from ratecore.compat.rate_network import FR_RNN_dale, eval_rnn
from ratecore.rate.losses import loss_op
from ratecore.tasks import GoNogoTask, ManteTask, XORTask

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


SEED_OF_TRUE = 42  # with which the `rate` package seeds NumPy's global generator for `seed=True`


def __getattr__(name):
    raise missing(__name__, name, __all__)


def _stimulus(task, seed):
    if isinstance(seed, bool):
        seed = SEED_OF_TRUE if seed else None
    return task.generate_stimulus(seed=seed)


def generate_input_stim_go_nogo(settings: dict, seed=None):
    """A Go-NoGo stimulus u (1, T) and its label, 1 (Go) or 0 (NoGo)."""
    return _stimulus(GoNogoTask(settings), seed)


def generate_target_continuous_go_nogo(settings: dict, label, seed=None):
    """The target z (T,) of a Go-NoGo trial; nothing in it is random, so `seed` changes nothing."""
    return GoNogoTask(settings).generate_target(label)


def generate_input_stim_xor(settings: dict, seed=None):
    """An XOR stimulus u (2, T) and its label, 'same' or 'diff'."""
    return _stimulus(XORTask(settings), seed)


def generate_target_continuous_xor(settings: dict, label, seed=None):
    """The target z (T,) of an XOR trial; nothing in it is random, so `seed` changes nothing."""
    return XORTask(settings).generate_target(label)


def generate_input_stim_mante(settings: dict, seed=None):
    """A Mante stimulus u (4, T) and its label, +1 or -1."""
    return _stimulus(ManteTask(settings), seed)


def generate_target_continuous_mante(settings: dict, label, seed=None):
    """The target z (T,) of a Mante trial; nothing in it is random, so `seed` changes nothing."""
    return ManteTask(settings).generate_target(label)

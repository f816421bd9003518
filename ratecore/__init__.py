"""ratecore: rate recurrent neural networks with biological constraints. `import ratecore as rate`.

Names are imported when they are first used, so that `import ratecore` stays quick.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "AbstractRateRNN": "network",
    "FR_RNN_dale": "network",
    "NetworkSettings": "config",
    "TrainingSettings": "config",
    "run": "dynamics",
    "AbstractTask": "tasks",
    "GoNogoTask": "tasks",
    "ManteTask": "tasks",
    "TaskFactory": "tasks",
    "XORTask": "tasks",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f"ratecore.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ratecore' has no attribute '{name}'")


def __dir__():
    return sorted(set(globals()) | set(_HOMES))

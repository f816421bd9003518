"""ratecore: rate recurrent neural networks with biological constraints. `import ratecore as rate`.

Names are imported when they are first used, so that `import ratecore` stays quick.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "config": ("NetworkSettings", "RNNConfig", "RunSettings", "TrainingSettings", "create_default_config",
               "validate_config"),
    "devices": ("set_gpu",),
    "dynamics": ("run",),
    "evaluation": ("eval_rnn", "evaluate"),
    "factory": ("RateRNNFactory",),
    "formats": ("load_network", "load_task"),
    "losses": ("loss_op",),
    "main": ("restricted_float", "str2bool"),
    "network": ("AbstractRateRNN", "FR_RNN_dale"),
    "tasks": ("AbstractTask", "GoNogoTask", "ManteTask", "TaskFactory", "XORTask"),
    "training": ("train",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name):
    if name in _HOME_OF:
        return getattr(import_module(f"ratecore.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'ratecore' has no attribute '{name}'")


def __dir__():
    return sorted(set(globals()) | set(_HOME_OF))

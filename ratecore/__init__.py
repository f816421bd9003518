"""ratecore: rate recurrent neural networks with biological constraints. `import ratecore as rate`.

Names are imported when they are first used, so that `import ratecore` stays quick.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "compat.generators": ("AbstractLossFunction", "AbstractTargetGenerator", "AbstractTaskGenerator"),
    "compat.config": ("RNNConfig", "create_default_config", "validate_config"),
    "settings.network": ("NetworkSettings",),
    "settings.own_analyses": ("register_analysis",),
    "settings.run": ("RunSettings",),
    "settings.spiking": ("ConversionSettings", "SpikingSettings"),
    "settings.training": ("EvaluationSettings", "TrainingSettings"),
    "system.devices": ("set_gpu",),
    "rate.dynamics": ("run",),
    "rate.evaluation": ("evaluate",),
    "rate.exploration": ("perturbation_sweep",),
    "rate.perturbation": ("perturbed",),
    "rate.tuning": ("tuned_units",),
    "settings.perturbation": ("RatePerturbationSettings",),
    "experiment.opening": ("open_results",),
    "compat.factory": ("RateRNNFactory",),
    "compat.rate_network": ("AbstractRateRNN", "FR_RNN_dale", "eval_rnn", "load_network", "train"),
    "formats": ("load_task",),
    "rate.losses": ("loss_op",),
    "main": ("restricted_float", "str2bool"),
    "model": (
        "generate_input_stim_go_nogo",
        "generate_input_stim_mante",
        "generate_input_stim_xor",
        "generate_target_continuous_go_nogo",
        "generate_target_continuous_mante",
        "generate_target_continuous_xor",
    ),
    "tasks": ("AbstractTask", "GoNogoTask", "ManteTask", "TaskFactory", "Trial", "XORTask"),
    "system.shipped": ("workflow_path",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"ratecore.{_HOME_OF[name]}"), name)
    if name == "create_rate_config":  # as `spikeRNN` calls it
        return __getattr__("create_default_config")
    if name in ("rate", "spiking"):  # `import ratecore` alone is enough for `ratecore.spiking`
        return import_module(f"ratecore.{name}")
    from ratecore.compat.absent import missing

    raise missing("ratecore", name, _HOME_OF)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME_OF))

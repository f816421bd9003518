"""Spiking networks from trained rate networks (docs/model.md 5): simulation, the search for lambda, exploration.

Names are imported on first use, so that the settings can be read without compiled code.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# Names by the module that defines them
_HOMES = {
    "spiking.abstract": """
        AbstractSpikingConverter AbstractSpikingEvaluator AbstractSpikingRNN SpikingConfig SpikingRNNFactory
        create_default_spiking_config validate_spiking_config
    """,
    "spiking.companion": "LIF_network_fnc evaluate_task lambda_grid_search",
    "spiking.comparison": "Comparison compare",
    "spiking.conversion": "SearchResult evaluate_scaling search_scaling",
    "spiking.eval_go_nogo": "eval_go_nogo",
    "spiking.eval_tasks": """
        GoNogoSpikingEvaluator LIFNetworkAdapter ManteSpikingEvaluator SpikingEvaluatorFactory XORSpikingEvaluator
        evaluate_single_trial load_model_and_scaling_factor
    """,
    "spiking.eval_xor": "eval_xor",
    "spiking.exploration": "lesion_sweep perturbation_sweep refractory_sweep stimulation_sweep",
    "spiking.lif": "Trial simulate",
    "spiking.scoring": "wilson_interval",
    "spiking.source": "RateModel rate_model",
    "spiking.tasks": "AbstractSpikingTask GoNogoSpikingTask ManteSpikingTask SpikingTaskFactory XORSpikingTask",
    "spiking.utils": """
        check_gpu_availability create_connectivity_masks format_spike_data generate_lif_params load_rate_model
        set_random_seed validate_scaling_factor validate_stimulus
    """,
    "settings.perturbation": "PerturbationSettings",
    "settings.spiking": "ConversionSettings SpikingSettings StimulationSettings",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"ratecore.{_HOME_OF[name]}"), name)
    from ratecore.compat.absent import missing

    raise missing("ratecore.spiking", name, _HOME_OF)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME_OF))


class _Package(ModuleType):
    """Keeps a function when the submodule of the same name is imported, such as `lambda_grid_search`."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

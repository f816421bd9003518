"""Spiking networks from trained rate networks (SPEC 5): simulation, the search for lambda, exploration.

Names are imported when they are first used, so that the settings can be read without compiled code.
"""

from importlib import import_module

_HOMES = {
    "companion": ("LIF_network_fnc", "evaluate_task", "lambda_grid_search"),
    "comparison": ("Comparison", "compare"),
    "conversion": ("SearchResult", "evaluate_scaling", "search_scaling"),
    "exploration": ("lesion_sweep", "refractory_sweep", "stimulation_sweep"),
    "lif": ("Trial", "simulate"),
    "scoring": ("wilson_interval",),
    "settings": ("ConversionSettings", "SpikingSettings", "StimulationSettings"),
    "source": ("RateModel", "rate_model"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name):
    if name in _HOME_OF:
        return getattr(import_module(f"ratecore.spiking.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'ratecore.spiking' has no attribute '{name}'")


def __dir__():
    return sorted(set(globals()) | set(_HOME_OF))

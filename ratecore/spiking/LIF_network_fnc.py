"""The `spiking` package's import path of `LIF_network_fnc`."""

from ratecore.spiking.companion import LIF_network_fnc

__all__ = ["LIF_network_fnc"]

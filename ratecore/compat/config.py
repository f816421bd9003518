"""The existing packages' configuration of a network."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from ratecore.settings.base import SettingsError, did_you_mean
from ratecore.settings.network import NetworkSettings


@dataclass
class RNNConfig:
    """Parameters of a network, as in the `rate` package.

    Attributes:
        N: number of units.   P_inh: probability that a unit is inhibitory.   P_rec: of a connection at the start.
        som_N: number of SST units.   gain: scale of the starting weights.   apply_dale: whether Dale's law holds.
        w_dist: 'gaus' or 'gamma'.   device: torch device.
    """

    N: int
    P_inh: float
    P_rec: float
    som_N: int = 0
    gain: float = 1.5
    apply_dale: bool = True
    w_dist: str = "gaus"
    device: str = "cpu"

    def network_settings(self) -> NetworkSettings:
        """The same as validated settings."""
        return NetworkSettings(**{f.name: getattr(self, f.name) for f in fields(self) if f.name != "device"})


def validate_config(config: RNNConfig) -> None:
    """Raises ValueError with every problem of `config`: key, value and what is allowed."""
    config.network_settings()
    if not re.fullmatch(r"cpu|cuda(:\d+)?", str(config.device)):
        raise SettingsError(f"device = {config.device!r}: it must be 'cpu', 'cuda' or 'cuda:<index>'")


def create_default_config(**changes: Any) -> RNNConfig:
    """The default network's configuration with `changes`, validated. Raises ValueError, also for an unknown key."""
    known = [f.name for f in fields(RNNConfig)]
    for key in changes.keys() - set(known):
        raise SettingsError(f"unknown setting '{key}'{did_you_mean(key, known)}; allowed: {', '.join(known)}")
    default = NetworkSettings()
    config = RNNConfig(**{"N": default.N, "P_inh": default.P_inh, "P_rec": default.P_rec, **changes})
    validate_config(config)
    return config

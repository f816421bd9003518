"""Configuration, interfaces and factory of the `spiking` package's networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.compat.spiking_arguments import number
from ratecore.settings.base import SettingsError, did_you_mean
from ratecore.settings.spiking import SpikingSettings


@dataclass
class SpikingConfig:
    """`SpikingConfig` of the `spiking` package: parameters of a spiking network.

    Attributes:
        N: number of units.
        dt: step, s.
        downsample: factor for the length of a step.
        scaling_factor: lambda, unitless.
        tref: refractory period, s.
        tm: membrane time constant, s.
        vreset: membrane potential after a spike, mV.
        vpeak: threshold, mV.
        tr: synaptic rise time, s.
        use_initial_weights: whether the weights before training are used.
        device: name of a torch device.
    """

    N: int
    dt: float = 0.00005
    downsample: int = 1
    scaling_factor: float = 50.0
    tref: float = 0.002
    tm: float = 0.010
    vreset: float = -65.0
    vpeak: float = -40.0
    tr: float = 0.002
    use_initial_weights: bool = False
    device: str = "cpu"

    def spiking_settings(self) -> SpikingSettings:
        """Convert to ratecore's validated settings, in ms."""
        seconds = {"dt": self.dt, "tau_m": self.tm, "refractory": self.tref, "tau_rise": self.tr}
        values: dict[str, Any] = {name: round(1000 * value, 9) for name, value in seconds.items()}
        values |= {"downsample": self.downsample, "v_reset": self.vreset, "threshold": self.vpeak}
        return SpikingSettings(**values, use_initial_weights=self.use_initial_weights)


def validate_spiking_config(config: SpikingConfig) -> None:
    """`validate_spiking_config` of the `spiking` package: raise ValueError for an impossible parameter."""
    if not isinstance(config.N, int | np.integer) or config.N < 1:
        raise SettingsError(f"N = {config.N!r}: it must be a whole number of units, at least 1")
    if not number(config.scaling_factor) > 0:
        raise SettingsError(f"scaling_factor = {config.scaling_factor}: it must be above 0")
    config.spiking_settings()


def create_default_spiking_config(**changes: Any) -> SpikingConfig:
    """`create_default_spiking_config` of the `spiking` package: the default configuration, N = 200, with `changes`.

    Raises ValueError, also for an unknown key.
    """
    known = [f.name for f in fields(SpikingConfig)]
    for key in changes.keys() - set(known):
        raise SettingsError(f"unknown setting '{key}'{did_you_mean(key, known)}; allowed: {', '.join(known)}")
    config = SpikingConfig(**{"N": 200, **changes})
    validate_spiking_config(config)
    return config


class AbstractSpikingRNN(ABC):
    """`AbstractSpikingRNN` of the `spiking` package: the interface of a user's spiking network.

    Args:
        config: parameters; `N` and `device` become attributes.
    """

    def __init__(self, config: SpikingConfig) -> None:
        import torch

        self.config, self.N, self.device = config, config.N, torch.device(config.device)

    @abstractmethod
    def load_rate_weights(self, model_path: Any) -> None:
        """Load the weights of a trained rate network."""

    def initialize_lif_params(self) -> None:  # noqa: B027
        """Set the parameters of the units; not needed where they are those of the configuration."""

    @abstractmethod
    def simulate(self, stimulus: Any, stims: Any) -> Any:
        """Run a trial: spikes (N, nt), membranes (N, nt, mV) or None, output (nt,), dict with dt (s) and nt."""

    def compute_firing_rates(self, spikes: ArrayLike) -> Float[np.ndarray, " N"]:
        """Compute the firing rate of each unit (N,), spikes/s, from spikes (N, nt)."""
        return np.asarray((np.asarray(spikes) > 0).mean(-1) / (self.config.dt * self.config.downsample))


class AbstractSpikingConverter(ABC):
    """`AbstractSpikingConverter` of the `spiking` package: makes a spiking network from a rate network."""

    @abstractmethod
    def convert(self, rate_model_path: Any, config: SpikingConfig) -> AbstractSpikingRNN:
        """Make the spiking network."""

    @abstractmethod
    def optimize_scaling_factor(self, rate_model_path: Any, task_type: str, n_trials: int = 100) -> float:
        """Find the best lambda, unitless."""


class AbstractSpikingEvaluator(ABC):
    """`AbstractSpikingEvaluator` of the `spiking` package: scores spiking networks."""

    @abstractmethod
    def evaluate_task_performance(self, spiking_rnn: Any, task_type: str, n_trials: int = 100) -> dict[str, float]:
        """Score a network on a task."""

    @abstractmethod
    def compare_with_rate_model(self, spiking_rnn: Any, rate_model_path: Any) -> dict[str, Any]:
        """Compare a network with its rate network."""

    @abstractmethod
    def analyze_spike_dynamics(self, spikes: Any, dt: float) -> dict[str, Any]:
        """Compute statistics of spikes (N, nt), with steps of dt s."""


class SpikingRNNFactory:
    """`SpikingRNNFactory` of the `spiking` package: the registry of kinds of spiking networks."""

    _registry: ClassVar[dict[str, Any]] = {}

    @classmethod
    def register(cls, name: str, spiking_rnn_class: type) -> None:
        """Make a class available as `name`. Raises TypeError unless it is a subclass of AbstractSpikingRNN."""
        if not (isinstance(spiking_rnn_class, type) and issubclass(spiking_rnn_class, AbstractSpikingRNN)):
            raise TypeError(f"register: {spiking_rnn_class!r} is not a subclass of AbstractSpikingRNN")
        cls._registry[name] = spiking_rnn_class

    @classmethod
    def create(cls, name: str, config: SpikingConfig, **more: Any) -> AbstractSpikingRNN:
        """Make a network of kind `name`; `more` goes to its constructor. Raises ValueError for an unknown kind."""
        if name not in cls._registry:
            available = ", ".join(cls.list_available()) or "none is registered"
            raise ValueError(f"unknown network '{name}'{did_you_mean(name, cls._registry)}; available: {available}")
        network: AbstractSpikingRNN = cls._registry[name](config, **more)
        return network

    @classmethod
    def list_available(cls) -> list[str]:
        """List all registered kinds, sorted."""
        return sorted(cls._registry)


class LIFNetworkAdapter(AbstractSpikingRNN):
    """`LIFNetworkAdapter` of the `spiking` package: a file's spiking network with the interface AbstractSpikingRNN.

    Args:
        model_path: of a network's file, or any network that `rate_model` accepts.
        scaling_factor: lambda, unitless.
        seed: of the trials; fresh entropy when None.
    """

    def __init__(self, model_path: Any, scaling_factor: Any, seed: Any = None) -> None:
        self.scaling_factor, self._rng = number(scaling_factor), np.random.default_rng(seed)
        self.load_rate_weights(model_path)
        super().__init__(SpikingConfig(N=self.model.N, scaling_factor=self.scaling_factor))

    def load_rate_weights(self, model_path: Any) -> None:
        """Replace the network by another one, run with its trained weights and without downsampling."""
        from ratecore.spiking.source import rate_model

        self.model_path, self.model = model_path, rate_model(model_path)
        self.use_initial_weights, self.downsample = False, 1
        self.config = SpikingConfig(N=self.model.N, scaling_factor=self.scaling_factor)
        self.N = self.model.N

    def simulate(self, stimulus: Any, stims: Any = None) -> Any:
        """Run a trial on stimulus (n_in, T): spikes (N, nt), membranes (N, nt, mV), output (nt,) and params."""
        from ratecore.compat.spiking_simulation import LIF_network_fnc

        _, membranes, spikes, _, _, out, params = LIF_network_fnc(
            self.model, self.scaling_factor, stimulus, stims, self.downsample, self.use_initial_weights, rng=self._rng
        )
        return spikes, membranes, out, params

"""Configuration, interfaces and factory of the `spiking` package's networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from ratecore.compat.spiking_arguments import number
from ratecore.settings.base import SettingsError, did_you_mean
from ratecore.settings.spiking import SpikingSettings


@dataclass
class SpikingConfig:
    """Parameters of a spiking network, as in the `spiking` package; times in seconds, membranes in mV.

    Attributes:
        N: number of units.   dt: step.   downsample: steps that many times as long.   scaling_factor: lambda.
        tref: refractory period.   tm: membrane time constant.   vreset: after a spike.   vpeak: threshold.
        tr: synaptic rise time.   use_initial_weights: the weights before training.   device: name of a torch device.
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
        """The same as ratecore's validated settings, in ms."""
        ms = {name: round(1000 * value, 9) for name, value in
              (("dt", self.dt), ("tau_m", self.tm), ("refractory", self.tref), ("tau_rise", self.tr))}  # fmt: skip
        return SpikingSettings(**ms, downsample=self.downsample, v_reset=self.vreset, threshold=self.vpeak,
                               use_initial_weights=self.use_initial_weights)  # fmt: skip


def validate_spiking_config(config: SpikingConfig) -> None:
    """Raises ValueError for a parameter that cannot be, with its name and value."""
    if not isinstance(config.N, int | np.integer) or config.N < 1:
        raise SettingsError(f"N = {config.N!r}: it must be a whole number of units, at least 1")
    if not number(config.scaling_factor) > 0:
        raise SettingsError(f"scaling_factor = {config.scaling_factor}: it must be above 0")
    config.spiking_settings()


def create_default_spiking_config(**changes) -> SpikingConfig:
    """The default configuration, N = 200, with `changes`. Raises ValueError, also for an unknown key."""
    known = [f.name for f in fields(SpikingConfig)]
    for key in changes.keys() - set(known):
        raise SettingsError(f"unknown setting '{key}'{did_you_mean(key, known)}; allowed: {', '.join(known)}")
    config = SpikingConfig(**{"N": 200, **changes})
    validate_spiking_config(config)
    return config


class AbstractSpikingRNN(ABC):
    """A spiking network of your own.

    Args:
        config: SpikingConfig, kept with its `N` and `device`.
    """

    def __init__(self, config: SpikingConfig):
        import torch

        self.config, self.N, self.device = config, config.N, torch.device(config.device)

    @abstractmethod
    def load_rate_weights(self, model_path) -> None:
        """Takes over the weights of a trained rate network."""

    def initialize_lif_params(self) -> None:  # noqa: B027
        """Sets the parameters of the units; there is nothing to do where they are those of the configuration."""

    @abstractmethod
    def simulate(self, stimulus, stims: dict):
        """A trial: spikes (N, nt), membranes (N, nt) or None, output (nt,), dict with dt (s) and nt."""

    def compute_firing_rates(self, spikes) -> np.ndarray:
        """Spikes a second of each unit (N,), of spikes (N, nt)."""
        spikes = np.asarray(spikes)
        return (spikes > 0).mean(-1) / (self.config.dt * self.config.downsample)


class AbstractSpikingConverter(ABC):
    """A way of your own to make a spiking network from a rate network."""

    @abstractmethod
    def convert(self, rate_model_path, config: SpikingConfig) -> AbstractSpikingRNN:
        """The spiking network."""

    @abstractmethod
    def optimize_scaling_factor(self, rate_model_path, task_type: str, n_trials: int = 100) -> float:
        """The best lambda."""


class AbstractSpikingEvaluator(ABC):
    """A way of your own to score spiking networks."""

    @abstractmethod
    def evaluate_task_performance(self, spiking_rnn, task_type: str, n_trials: int = 100) -> dict[str, float]:
        """Scores on a task."""

    @abstractmethod
    def compare_with_rate_model(self, spiking_rnn, rate_model_path) -> dict:
        """How it compares with the rate network."""

    @abstractmethod
    def analyze_spike_dynamics(self, spikes, dt: float) -> dict:
        """Statistics of its spikes (N, nt), with steps of dt s."""


class SpikingRNNFactory:
    """The registry of kinds of spiking networks."""

    _registry: ClassVar[dict[str, type]] = {}

    @classmethod
    def register(cls, name: str, spiking_rnn_class: type) -> None:
        """Makes a class available as `name`. Raises TypeError for what is no subclass of AbstractSpikingRNN."""
        if not (isinstance(spiking_rnn_class, type) and issubclass(spiking_rnn_class, AbstractSpikingRNN)):
            raise TypeError(f"register: {spiking_rnn_class!r} is not a subclass of AbstractSpikingRNN")
        cls._registry[name] = spiking_rnn_class

    @classmethod
    def create(cls, name: str, config: SpikingConfig, **more) -> AbstractSpikingRNN:
        """A network of kind `name`; `more` goes to its constructor. Raises ValueError for an unknown kind."""
        if name not in cls._registry:
            available = ", ".join(cls.list_available()) or "none is registered"
            raise ValueError(f"unknown network '{name}'{did_you_mean(name, cls._registry)}; available: {available}")
        return cls._registry[name](config, **more)

    @classmethod
    def list_available(cls) -> list[str]:
        """Names of all registered kinds, sorted."""
        return sorted(cls._registry)


class LIFNetworkAdapter(AbstractSpikingRNN):
    """The spiking network of a file, with the interface of AbstractSpikingRNN.

    Args:
        model_path: of a network's file, or any network that `rate_model` takes.   scaling_factor: lambda.
        seed: of the trials; fresh entropy when None.
    """

    def __init__(self, model_path, scaling_factor: float, seed=None):
        from ratecore.spiking.source import rate_model

        self.model_path, self.scaling_factor = model_path, number(scaling_factor)
        self.use_initial_weights, self.downsample = False, 1
        self.model, self._rng = rate_model(model_path), np.random.default_rng(seed)
        super().__init__(SpikingConfig(N=self.model.N, scaling_factor=self.scaling_factor))

    def load_rate_weights(self, model_path) -> None:
        """Takes over another network."""
        self.__init__(model_path, self.scaling_factor, self._rng)

    def simulate(self, stimulus, stims: dict | None = None):
        """A trial on stimulus (n_in, T): spikes (N, nt), membranes (N, nt), output (nt,), params as LIF_network_fnc."""
        from ratecore.compat.spiking_simulation import LIF_network_fnc

        _, membranes, spikes, _, _, out, params = LIF_network_fnc(
            self.model, self.scaling_factor, stimulus, stims, self.downsample, self.use_initial_weights, rng=self._rng
        )
        return spikes, membranes, out, params

"""Material of a network that is not trained, converted at a lambda of choice."""

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

from ratecore.experiment.analyses.spiking import spikes_of
from ratecore.rate.network import RateNetwork
from ratecore.settings.run import RunSettings

LAMBDA = 4.0


@dataclass
class Untrained:
    """What analyses of spikes ask of a `Material`."""

    settings: RunSettings
    not_converted: str = ""

    @cached_property
    def result(self):
        net = RateNetwork(self.settings.network, self.settings.create_task().n_inputs, rng=5)
        return SimpleNamespace(net=net, initial=dict(net.state_dict()))

    @property
    def converted_from(self):
        return self.result

    def spikes(self, n_trials):
        return spikes_of(self.settings, self.result, LAMBDA, n_trials)

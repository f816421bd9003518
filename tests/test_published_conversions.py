"""Networks trained here and converted, against what the paper reports (SPEC 7, Fig. 7)."""

import functools

import pytest

from ratecore.config import NetworkSettings, RunSettings
from ratecore.spiking import ConversionSettings, SpikingSettings, rate_model, search_scaling
from ratecore.training import train

pytestmark = pytest.mark.slow


@functools.cache
def trained(activation, seed):
    settings = RunSettings(seed=seed, network=NetworkSettings(N=250, taus=(4.0, 10.0), activation=activation))
    result = train(settings)
    assert result.trained
    return settings, rate_model(result.net)


@functools.cache
def accuracies(activation, seeds, noise_sd=0.1):
    found = []
    for seed in range(seeds):
        settings, model = trained(activation, seed)
        spiking = SpikingSettings(noise_sd=noise_sd)
        result = search_scaling(model, settings.create_task(), ConversionSettings(), spiking, seed=seed)
        found.append(result.spiking_accuracy)
    return found


def test_networks_of_sigmoid_units_go_over_and_those_of_clipped_ones_do_not():
    sigmoid, clipped = accuracies("sigmoid", 10), accuracies("clipped_relu", 4)
    assert max(clipped) < 0.95 and sum(clipped) / 4 < 0.75  # in the paper 0 of 100, 59.7 +- 9.5 %
    assert sum(sigmoid) / 10 > 0.85 and min(sigmoid) > max(clipped)


@pytest.mark.xfail(
    reason="with the published noise 5 of these 10 networks do; the paper reports 94 of 100", strict=True
)
def test_eight_of_ten_sigmoid_networks_reach_95_percent():
    assert sum(accuracy >= 0.95 for accuracy in accuracies("sigmoid", 10)) >= 8


def test_without_noise_on_the_membrane_every_sigmoid_network_reaches_95_percent():
    assert min(accuracies("sigmoid", 10, 0.0)) >= 0.95

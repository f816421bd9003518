"""Networks trained here and converted, against what the paper reports (docs/model.md 6, Fig. 7)."""

import functools

import pytest

from ratecore.rate.training import train
from ratecore.settings.network import NetworkSettings
from ratecore.settings.run import RunSettings
from ratecore.settings.training import TrainingSettings
from ratecore.spiking import ConversionSettings, SpikingSettings, rate_model, search_scaling

pytestmark = pytest.mark.paper


@functools.cache
def trained(activation, seed, min_trials=None):
    settings = RunSettings(
        seed=seed,
        network=NetworkSettings(N=250, taus=(4.0, 10.0), activation=activation),
        training=TrainingSettings(min_trials=min_trials),
    )
    result = train(settings)
    assert result.trained
    return settings, rate_model(result.net)


@functools.cache
def accuracies(activation, seeds, noise_sd=0.1, min_trials=None, refine=0):
    found = []
    for seed in range(seeds):
        settings, model = trained(activation, seed, min_trials)
        spiking, conversion = SpikingSettings(noise_sd=noise_sd), ConversionSettings(refine=refine)
        result = search_scaling(model, settings.create_task(), conversion, spiking, seed=seed)
        found.append(result.spiking_accuracy)
    return found


# These two in one worker, which trains their networks once.
@pytest.mark.xdist_group("threshold")
def test_networks_of_sigmoid_units_go_over_and_those_of_clipped_ones_do_not():
    sigmoid, clipped = accuracies("sigmoid", 10), accuracies("clipped_relu", 4)
    assert max(clipped) < 0.95 and sum(clipped) / 4 < 0.75  # in the paper 0 of 100, 59.7 +- 9.5 %
    assert sum(sigmoid) / 10 > 0.85 and min(sigmoid) > max(clipped)


@pytest.mark.xdist_group("threshold")
def test_without_noise_on_the_membrane_every_sigmoid_network_reaches_95_percent():
    assert min(accuracies("sigmoid", 5, 0.0)) >= 0.95


def test_most_sigmoid_networks_trained_for_longer_reach_95_percent():
    # In the paper 94 of 100, on average 98.8 +- 4.7 %. Networks that have just met the criterion, after 1,500 trials,
    # come to 5 of these 10 (docs/spiking.md); those that were trained for 4,000 trials to 8 (97.4 %) on one processor,
    # and to 7 (96.2 %) on another, which rounds differently. If 8 of 10 do in the long run, fewer than 5 of ten do by
    # chance in less than one case of a hundred.
    reached = accuracies("sigmoid", 10, min_trials=4000, refine=2)
    assert sum(accuracy >= 0.95 for accuracy in reached) >= 5 and sum(reached) / 10 > 0.93

"""Perturbed spiking networks against the reference, smaller networks, and models perturbed by hand."""

from dataclasses import replace

import numpy as np
import pytest
import reference_lif
import torch
from network_gradients import network
from test_conversion import model as near_threshold
from test_conversion import task
from test_lif import content, noise_of, stimulus

from ratecore import NetworkSettings, spiking
from ratecore.rate.network import RateNetwork
from ratecore.rate.perturbation import perturbed as perturbed_rate
from ratecore.settings.perturbation import KINDS, PerturbationSettings
from ratecore.spiking import SpikingSettings, rate_model
from ratecore.spiking.conversion import convert, scored_network
from ratecore.spiking.exploration import lesion_sweep, perturbation_sweep
from ratecore.spiking.lif import Randomness, Simulator
from ratecore.spiking.perturbation import perturbed
from ratecore.spiking.scoring import TrialsOfTask, run_trials

GONE = [1, 4, 9]


def record(model, randomness_of=None, settings=None, u=None):
    """A trial, with the randomness of a simulator of another model, and that randomness."""
    settings = settings or SpikingSettings(dt=0.1)
    u = stimulus() if u is None else u
    simulator = Simulator(model, settings)
    randomness = Simulator(randomness_of or model, settings).draw(np.random.default_rng(3), simulator.steps(u.shape[1]))
    return simulator, randomness, u


@pytest.mark.parametrize("kind", ["lif", "qif"])
def test_a_lesioned_network_is_the_smaller_network_of_the_units_that_are_left(kind):
    model, settings = rate_model(content()), SpikingSettings(dt=0.1, model=kind)
    kept = np.setdiff1d(np.arange(12), GONE)
    lesioned = perturbed(model, {"lesion_units": GONE})
    small = replace(
        model, W=model.W[np.ix_(kept, kept)], W_initial=None, w_in=model.w_in[kept], w_out=model.w_out[:, kept],
        tau=model.tau[kept], tau_initial=model.tau_initial[kept], inh=model.inh[kept], som=model.som[kept],
    )  # fmt: skip
    simulator, randomness, u = record(lesioned, settings=settings)
    part = Randomness(randomness.v0[kept], np.ascontiguousarray(randomness.seeds[:, kept]), randomness.kicks)
    whole = simulator.record(3.0, u, randomness, states=True)
    alone = Simulator(small, settings).record(3.0, u, part, states=True)
    assert len(alone.spike_units) > 50
    np.testing.assert_array_equal(whole.spike_steps, alone.spike_steps)
    np.testing.assert_array_equal(whole.spike_units, kept[alone.spike_units])
    np.testing.assert_allclose(whole.out, alone.out, rtol=1e-10, atol=1e-12)
    for name in ("v", "ipsc", "r"):
        np.testing.assert_allclose(getattr(whole, name)[:, kept], getattr(alone, name), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(whole.rates[GONE], 0)
    assert not whole.r[:, GONE].any() and (whole.v[:, GONE] == -65).all()


@pytest.mark.parametrize("downsample", [1, 2])
@pytest.mark.parametrize("window", [None, (20, 45)], ids=str)
def test_a_current_is_one_more_input(window, downsample):
    data, settings = content(), SpikingSettings(dt=0.1, downsample=downsample)
    stimulated = perturbed(
        rate_model(data),
        {"stimulation_units": "inh", "stimulation_current": 12.5, "stimulation_window": window},
    )
    simulator, randomness, u = record(stimulated, settings=settings)
    trial = simulator.record(3.0, u, randomness, states=True)
    on = np.ones(u.shape[1]) if window is None else np.isin(np.arange(u.shape[1]), range(4, 9))
    model = rate_model(data)
    p = dict(
        W=model.W / 3, w_out=model.w_out[0] / 3, w_in=np.column_stack([model.w_in, np.where(model.inh, 12.5, 0)]),
        td=model.tau, tr=2.0, tau_m=10.0, refractory=2.0, dt=0.1, qif=False, threshold=-40.0, reset=-65.0, peak=30.0,
        downsample=downsample, bias=-40.0, bias_out=0.0,
    )  # fmt: skip
    noise, nowhere = noise_of(randomness, 0.1), np.zeros(12, bool)
    expected = reference_lif.lif(p, np.vstack([u, on]), randomness.v0, noise, randomness.kicks, nowhere)
    assert expected["spikes"].sum() > 50
    np.testing.assert_array_equal(trial.raster(12).T, expected["spikes"])
    for name in ("v", "ipsc", "r", "out"):
        np.testing.assert_allclose(getattr(trial, name), expected[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {"lesion_units": "exc", "lesion_fraction": 0.5},
        {"scale_synapses": {"I-E": 2, "E-E": 0.5}},
        {"shuffle_synapses": "all", "shuffle_keeps": "in_degree"},
        {"shuffle_synapses": ["E-I"], "shuffle_keeps": "number"},
        {"weight_noise": 0.3},
        {"inputs_to": "inh"},
        {"lesion_units": [3], "shuffle_synapses": "E-E", "scale_synapses": {"a->b": 3}, "inputs_to": "a"},
    ],
    ids=str,
)
def test_it_is_the_spiking_network_of_the_perturbed_rate_network(given):
    row = {"areas": {"b": 5, "a": 7}, "P_rec": 0.6, "som_N": 1, "long_range": "all"}
    net = network(row, torch.float64)
    sets = {"b": np.arange(5), "a": np.arange(5, 12)}
    own, of_rate = perturbed(rate_model(net), given, 2, sets), rate_model(perturbed_rate(net, given, 2))
    for name in ("W", "w_in", "w_out", "b_out", "tau"):
        np.testing.assert_allclose(getattr(own, name), getattr(of_rate, name), rtol=1e-12, atol=1e-15)


def test_weights_before_training_are_changed_in_the_same_way():
    model = rate_model(content())
    changed = perturbed(model, {"scale_synapses": {"E-I": 0}, "lesion_units": GONE})
    for before, after in ((model.W, changed.W), (model.W_initial, changed.W_initial)):
        by_hand = before.copy()
        by_hand[np.ix_(model.inh, ~model.inh)] = 0
        by_hand[GONE], by_hand[:, GONE] = 0, 0
        np.testing.assert_array_equal(after, by_hand)
    assert perturbed(model, {}) is model


def test_models_of_structured_networks_know_where_connections_can_be():
    net = RateNetwork(NetworkSettings(N=20, P_inh=0.4, som_N=2, autapses=False), 1, 0)
    model = rate_model(net)
    np.testing.assert_array_equal(model.allowed, net.connection_signs(True).numpy() != 0)
    assert rate_model(RateNetwork(NetworkSettings(N=20), 1, 0)).allowed is None
    moved = perturbed(model, {"shuffle_synapses": "all", "shuffle_keeps": "number"}).W
    assert not moved[~model.allowed].any() and not moved.diagonal().any()


def test_a_sweep_scores_models_perturbed_by_hand_the_same():
    model, settings = near_threshold(), SpikingSettings(dt=0.5)
    given = [{}, {"scale_synapses": {"E-E": 0}}, {"inputs_to": "exc"}, {"lesion_units": "inh"}]
    rows = perturbation_sweep(model, task(), 8.0, given, 12, settings, seed=2)
    W = model.W.copy()
    W[np.ix_(~model.inh, ~model.inh)] = 0
    by_hand = [
        model,
        replace(model, W=W),
        replace(model, w_in=np.where(model.inh[:, None], 0, model.w_in)),
        replace(
            model, W=np.where(model.inh | model.inh[:, None], 0, model.W), w_out=np.where(model.inh, 0, model.w_out)
        ),
    ]
    for row, changed in zip(rows, by_hand, strict=True):
        (expected,) = run_trials(TrialsOfTask(changed, task(), settings, 2), range(12), [8.0])
        assert row["accuracy"] == expected.accuracy
        np.testing.assert_allclose(row["mean_rate_exc"], np.mean(expected.rate_exc))
    assert [row["scale_synapses"] for row in rows] == [{}, {"E-E": 0}, {}, {}]
    assert np.isnan(rows[3]["mean_rate_inh"]) and rows[0]["mean_rate_inh"] > 0  # there are no units of this type left
    (without,) = lesion_sweep(model, task(), 8.0, [1.0], "E-E", 12, settings, seed=2)
    assert without["mean_rate_exc"] == rows[1]["mean_rate_exc"] and set(KINDS) > {"E-E"}


def test_lambda_is_searched_in_the_intact_network():
    model, settings = near_threshold(), SpikingSettings(dt=0.5)
    search = {"scaling_factors": [4, 8, 12], "n_trials": 10}
    intact, same = convert(model, task(), spiking.ConversionSettings(**search), settings, seed=1)
    changes = {"perturbation": {"lesion_units": "left"}}
    sets = {"left": np.array([0, 2, 4, 5])}
    found, scored = convert(
        replace(model, sets=sets), task(), spiking.ConversionSettings(**search, **changes), settings, seed=1
    )
    assert same is model and (intact.scored, found.scored) == ("search", "changed")
    assert found.opt_scaling_factor == intact.opt_scaling_factor
    np.testing.assert_array_equal(found.all_perfs, intact.all_perfs)
    assert np.flatnonzero(scored.silent).tolist() == [0, 2, 4, 5]
    (expected,) = run_trials(TrialsOfTask(scored, task(), settings, 1), range(10), [found.opt_scaling_factor])
    assert found.spiking_accuracy == expected.accuracy
    np.testing.assert_allclose(found.mean_rate_exc, np.nanmean(expected.rate_exc))
    assert scored_network(model, spiking.ConversionSettings()) is model


def test_stimulation_takes_named_sets():
    model = replace(rate_model(content()), sets={"left": np.array([2, 5])})
    settings = SpikingSettings(dt=0.1, stimulation={"mode": "exc", "units": "left"})
    assert np.flatnonzero(Simulator(model, settings).hit).tolist() == [2, 5]
    inside = settings.model_copy(update={"stimulation": settings.stimulation.model_copy(update={"units": "left.inh"})})
    assert (
        np.flatnonzero(Simulator(model, inside).hit).tolist()
        == np.intersect1d([2, 5], np.flatnonzero(model.inh)).tolist()
    )
    with pytest.raises(ValueError, match="'lefd' is no group of units .did you mean 'left'"):
        Simulator(model, SpikingSettings(stimulation={"mode": "exc", "units": "lefd"}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"noise_sd": 1.0}, "unknown setting 'noise_sd'"),
        ({"lesion_units": "pv"}, "'pv' is no group of units; allowed: all, exc, inh, som"),
        ({"lesion_units": [99]}, "units = .99.: they must be indices from 0 to 11"),
        ({"scale_synapses": {"E->I": 1}}, "'E' is no group of units"),
    ],
    ids=str,
)
def test_wrong_perturbations(given, message):
    with pytest.raises(ValueError, match=message):
        perturbed(rate_model(content()), given)


def test_settings_of_a_perturbation_can_be_given_whole():
    model = rate_model(content())
    settings = PerturbationSettings(inputs_to="exc")
    np.testing.assert_array_equal(perturbed(model, settings).w_in, perturbed(model, {"inputs_to": "exc"}).w_in)

"""Synaptic currents from spikes: those of the simulation, and of single spikes by the formula of the filter."""

import numpy as np
import pytest

from ratecore.analysis.balance import balance
from ratecore.analysis.synaptic import synaptic_currents
from ratecore.rate.network import RateNetwork
from ratecore.settings.network import NetworkSettings
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.lif import Simulator
from ratecore.spiking.source import rate_model

W = np.array([[0, 0.3, -0.2], [0, 0, 0], [0, 0, 0]])
TAU = [20.0, 30, 40]


@pytest.mark.parametrize("rise", [2.0, 0.0])
def test_both_currents_add_up_to_those_of_the_simulation(rise):
    net = RateNetwork(NetworkSettings(N=60, P_inh=0.3), 2, rng=1)
    model = rate_model(net)
    simulator = Simulator(model, SpikingSettings(tau_rise=rise), 1)
    rng = np.random.default_rng(2)
    trial = simulator.record(20.0, rng.normal(0, 5, (2, 41)), simulator.draw(rng, simulator.steps(41)), states=True)
    assert trial.spike_steps.size > 400
    found = synaptic_currents(
        (trial.spike_steps + 1) * 0.05,
        trial.spike_units,
        np.zeros(trial.spike_steps.size, int),
        model.W / 20,
        model.tau,
        [trial.nt * 0.05],
        model.inh,
        tau_rise=rise,
    )
    expected = trial.ipsc.reshape(40, 100, 60).mean(1)
    np.testing.assert_allclose(found.recurrent[0], expected, atol=1e-9 * np.abs(expected).max())
    assert (found.excitatory >= 0).all() and (found.inhibitory <= 0).all() and (found.inhibitory < 0).any()
    assert np.isfinite(balance(found).correlation).any()


def test_single_spikes_have_the_course_of_the_filter():
    # At 10 ms a spike of unit 1 (weight 0.3), at 50 ms one of unit 2 (-0.2); continuous time, steps of 1 us.
    found = synaptic_currents([10, 50], [1, 2], [0, 0], W, TAU, [400], dt=0.001, bin_ms=1)
    t = (np.arange(400_000) + 0.5) / 1000

    def after(start):
        since = np.maximum(t - start, 0)
        course = 1000 * (np.exp(-since / 20) - np.exp(-since / 2)) / (20 - 2)  # 1/s, with the integral 1
        return course.reshape(400, 1000).mean(1)

    np.testing.assert_allclose(found.excitatory[0, :, 0], 0.3 * after(10), atol=0.02)
    np.testing.assert_allclose(found.inhibitory[0, :, 0], -0.2 * after(50), atol=0.02)
    assert found.excitatory[0, :, 0].sum() / 1000 == pytest.approx(0.3, rel=1e-3)
    assert (found.recurrent[..., 1:] == 0).all() and (found.external == 0).all()


def test_shorter_trials_end_and_spikes_stay_in_theirs():
    found = synaptic_currents([5, 6], [1, 1], [1, 1], W, TAU, [100, 60], dt=0.1, bin_ms=10)
    assert found.excitatory.shape == (2, 10, 3)
    assert (found.excitatory[0] == 0).all() and (found.excitatory[1, :6, 0] > 0).all()
    assert np.isnan(found.excitatory[1, 6:]).all() and np.isnan(found.external[1, 6:]).all()


def test_some_receiving_units_are_those_of_all(monkeypatch):
    rng = np.random.default_rng(0)
    spikes = np.round(rng.uniform(0.05, 100, 50), 2), rng.integers(0, 3, 50), rng.integers(0, 2, 50)
    whole = synaptic_currents(*spikes, W, TAU, [100, 100], dt=0.01)
    part = synaptic_currents(*spikes, W, TAU, [100, 100], dt=0.01, onto=np.array([True, False, True]))
    np.testing.assert_array_equal(part.recurrent, whole.recurrent[..., [0, 2]])
    monkeypatch.setattr("ratecore.analysis.synaptic.AT_ONCE", 2)
    np.testing.assert_array_equal(synaptic_currents(*spikes, W, TAU, [100, 100], dt=0.01).inhibitory, whole.inhibitory)


def test_no_spikes():
    found = synaptic_currents([], np.zeros(0, int), np.zeros(0, int), W, TAU, [50])
    assert (found.recurrent == 0).all() and found.recurrent.shape == (1, 10, 3)


CASES = [
    ({"units": [3]}, "units: from 3 to 3; they must be whole, from 0 to 2"),
    ({"trials": [1]}, "trials: from 1 to 1; they must be whole, from 0 to 0"),
    ({"times": [60.0]}, "times: there are spikes before the start or after the end"),
    ({"times": [1.0, 2.0]}, r"times, units, trials and duration have shapes \(2,\), \(1,\)"),
    ({"tau": [0.0, 1, 1]}, r"tau has shape \(3,\) and tau_rise = 2"),
    ({"bin_ms": 100}, r"bin_ms = 100; it must be from 0.05 \(one step\) to 50"),
    ({"dt": 0}, "dt = 0; it must be a time above 0"),
    ({"onto": [0]}, r"onto has shape \(1,\) of int64; it must be \(3,\) of bool"),
    ({"W": np.eye(2)}, r"W has shape \(2, 2\)"),
]


@pytest.mark.parametrize(("changed", "message"), CASES)
def test_what_does_not_fit_is_said(changed, message):
    arguments = {"times": [1.0], "units": [1], "trials": [0], "W": W, "tau": TAU, "duration": [50.0]}
    with pytest.raises(ValueError, match=message):
        synaptic_currents(**{**arguments, **changed})

"""Spikes on demand: the very trials of the conversion, and spike times against what an isolated unit must do."""

import math

import numpy as np
import pytest
from test_conversion import model, task

from ratecore.spiking import SpikingSettings
from ratecore.spiking.activity import trial_spikes
from ratecore.spiking.lif import Simulator
from ratecore.spiking.scoring import TrialsOfTask, outputs_every
from ratecore.tasks import AbstractTask, Trial

SETTINGS = SpikingSettings()
LAMBDA = 20.0
CHOSEN = [5, 0, 2, 7]


class Varied(AbstractTask):
    """Trials of 20 to 29 steps, each with a response window of its own, and two outputs."""

    name, trial_types, n_inputs, n_outputs = "varied", ("a", "b"), 1, 2
    defaults = {"T": 30}

    def draw_trial(self, trial_type, rng):
        T = 20 + int(rng.integers(10))
        u = np.full((1, T), 1.0 if trial_type == "a" else -1.0)
        return Trial(u, np.zeros((2, T)), label=trial_type, response=slice(T - 5, T))

    def is_correct(self, o, trial):
        return bool(o[0, -5:].mean() > 0) == (trial.label == "a")


def found(threads=1, **changes):
    return trial_spikes(task(), model(), SETTINGS, LAMBDA, 3, CHOSEN, threads=threads, **changes)


def test_the_trials_are_those_of_the_conversion():
    spikes, trials = found(), TrialsOfTask(model(), task(), SETTINGS, 3)
    (outcomes,) = trials.run(CHOSEN, [LAMBDA])
    assert spikes.correct.tolist() == outcomes.correct and set(outcomes.correct) == {0, 1}
    inh = model().inh
    assert spikes.unit_type == ["I" if there else "E" for there in inh]
    np.testing.assert_array_equal(spikes.tau, model().tau)
    for units, rates in ((~inh, outcomes.rate_exc), (inh, outcomes.rate_inh)):
        np.testing.assert_array_equal(spikes.counts[:, units].mean(1) / spikes.seconds, rates)
        np.testing.assert_allclose(spikes.rates[:, units].mean(1), rates, rtol=1e-12)
    assert spikes.condition == [trials.condition(k) for k in CHOSEN]
    simulator = Simulator(model(), SETTINGS, outputs_every(SETTINGS))
    assert spikes.times.size > 200
    for row, k in enumerate(CHOSEN):
        u, _, randomness = trials.draw(k)
        recorded = simulator.record(LAMBDA, u, randomness)
        times, units = spikes.of_trial(row)
        np.testing.assert_array_equal(np.rint(times / SETTINGS.step) - 1, recorded.spike_steps)
        np.testing.assert_array_equal(units, recorded.spike_units)
        np.testing.assert_array_equal(spikes.rates[row], recorded.rates)
        o = trials.by_step(recorded.out[None], u.shape[1])[0]
        np.testing.assert_array_equal(spikes.o[row], o)
        assert spikes.duration[row] == pytest.approx((u.shape[1] - 1) * 5)
        assert spikes.choice[row] == np.sign(o[task().spiking_window].mean())


def test_several_processes_and_the_order_of_the_trials_change_nothing():
    alone, shared = found(), found(threads=3)
    for name in ("times", "units", "trials", "numbers", "counts", "o", "choice", "correct", "duration"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(alone, name))
    assert shared.condition == alone.condition
    one = trial_spikes(task(), model(), SETTINGS, LAMBDA, 3, [2])
    np.testing.assert_array_equal(one.times, alone.of_trial(2)[0])


def test_another_stream_gives_other_trials():
    assert not np.array_equal(found(stream_name="evaluation").o, found().o)


def test_spike_times_of_a_unit_without_synapses():
    """A leaky unit under a constant current I fires every refractory + tau_m ln((I - reset) / (I - threshold))."""
    alone = model()
    s = SpikingSettings(noise_sd=0, v_init_low=-65, v_init_high=-65, refractory=2)
    current = np.linspace(10, 40, alone.N)  # mV above threshold at rest, through the input
    alone = alone.with_weights(np.zeros((alone.N, alone.N)))
    alone.w_in[:] = current[:, None]

    class Steady(Varied):
        def draw_trial(self, trial_type, rng):
            return Trial(np.ones((1, 30)), np.zeros((2, 30)), label="a")

    two = np.vstack([alone.w_out] * 2), np.zeros(2)
    alone = type(alone)(**{**vars(alone), "w_out": two[0], "b_out": two[1]})
    spikes = trial_spikes(Steady(), alone, s, 1.0, 0, [0])
    for unit, extra in enumerate(current):
        intervals = np.diff(spikes.times[spikes.units == unit])
        expected = 2 + 10 * math.log((25 + extra) / extra)  # from -65 to -40 mV towards -40 + extra
        assert intervals.size >= 4 and (abs(intervals - expected) < 2 * s.dt).all()
    assert spikes.times.max() <= spikes.duration[0] == pytest.approx(145)


def test_trials_that_differ_in_length():
    net = model()
    net = type(net)(**{**vars(net), "w_out": np.vstack([net.w_out, -net.w_out]), "b_out": np.zeros(2)})
    spikes = trial_spikes(Varied(), net, SETTINGS, LAMBDA, 1, range(6), threads=2)
    assert spikes.o.shape == (6, 2, 30)
    lengths = (~np.isnan(spikes.o[:, 0])).sum(1)
    np.testing.assert_allclose(spikes.duration, (lengths - 1) * 5)
    assert len(set(lengths)) > 1 and set(spikes.condition) == {"a", "b"}
    for row in range(6):
        assert spikes.of_trial(row)[0].max(initial=0) <= spikes.duration[row]
        assert spikes.choice[row] == np.sign(spikes.o[row, 0, lengths[row] - 5 : lengths[row]].mean())


def test_bins_have_every_spike_once():
    spikes = found()
    counts = spikes.binned(5)
    assert counts.shape == (4, 44, 12) and counts.sum() == spikes.times.size
    # A spike at the end of a bin belongs to it: counted by hand, from steps
    steps = np.rint(spikes.times / 0.05).astype(int)
    for row, t, unit in [(0, 0, 3), (1, 10, 0), (3, 43, 11), (2, 20, 7)]:
        there = (spikes.trials == row) & (spikes.units == unit) & (steps > 100 * t) & (steps <= 100 * (t + 1))
        assert counts[row, t, unit] == there.sum()
    assert spikes.binned(7).shape[1] == math.ceil(220 / 7)
    np.testing.assert_array_equal(spikes.binned(220)[:, 0], spikes.binned(5).sum(1))


@pytest.mark.parametrize("bin_ms", [0, -5, 0.07, 0.01, math.nan])
def test_bins_that_cannot_be(bin_ms):
    with pytest.raises(ValueError, match="bin_ms = .*: it must be a whole number of LIF steps of 0.05 ms"):
        found().binned(bin_ms)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"numbers": []}, r"numbers = \[\]; they must be at least one"),
        ({"numbers": [-1]}, r"numbers = \[-1\]; .* >= 0"),
        ({"numbers": [1.5]}, "must be whole numbers of trials"),
        ({"numbers": 3}, "numbers = 3; they must be whole numbers"),
        ({"stream_name": "evaluatoin"}, "stream_name = 'evaluatoin'; it must be one of initialisation, trial"),
        ({"scaling_factor": 0}, "scaling_factor = .*: it must be a number above 0"),
    ],
)
def test_wrong_arguments(changes, says):
    given = {"scaling_factor": LAMBDA, "seed": 0, "numbers": [0], **changes}
    with pytest.raises(ValueError, match=says):
        trial_spikes(task(), model(), SETTINGS, **given)


def test_an_error_in_a_process_is_told():
    with pytest.raises(RuntimeError, match="LIF trials: ValueError: scaling_factor"):
        trial_spikes(task(), model(), SETTINGS, -1, 0, range(4), threads=2)


def test_no_such_trial():
    with pytest.raises(IndexError, match="trial 4: it must be from 0 to 3"):
        found().of_trial(4)

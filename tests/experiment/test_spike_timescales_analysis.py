"""The analysis 'spike_timescales' on spikes whose rates fluctuate with a known time constant, and on regular trains."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from spiking_material import Untrained

from ratecore.experiment.analyses.spike_timescales import counts_in
from ratecore.experiment.analyses.table import ANALYSES
from ratecore.experiment.stages.table import function_of
from ratecore.settings.analysis import AnalysisSettings
from ratecore.settings.run import RunSettings
from ratecore.spiking.results import SpikeTrials

ROW = ANALYSES["spike_timescales"]
N, TAU, DT, DURATION = 8, 100.0, 1.0, 1995.0


@dataclass
class Planted(Untrained):
    """Poisson trains whose rate is an Ornstein-Uhlenbeck process of 100 ms around 100 / s, or regular trains."""

    regular: bool = False

    def spikes(self, n_trials):
        rng, steps = np.random.default_rng(1), round(DURATION / DT)
        if self.regular:  # intervals of 60 +- 6 ms, from a random start
            ends = rng.uniform(0, 60, (n_trials, 1, N)) + np.cumsum(rng.normal(60, 6, (n_trials, 40, N)), 1)
            trials, _, units = np.nonzero(ends < DURATION)
            times = ends[ends < DURATION]
        else:
            a, rate = np.exp(-DT / TAU), rng.standard_normal((steps, n_trials, N))
            for t in range(1, steps):
                rate[t] = a * rate[t - 1] + np.sqrt(1 - a**2) * rate[t]
            fired = rng.random(rate.shape) < np.maximum(100 + 40 * rate, 0) * DT / 1000
            step, trials, units = np.nonzero(fired)
            times = (step + 1) * DT
        order = np.lexsort((times, trials))
        return SpikeTrials(
            times=times[order],
            units=units[order],
            trials=trials[order],
            numbers=np.arange(n_trials),
            counts=np.zeros((n_trials, N), int),
            o=np.zeros((n_trials, 400)),
            condition=["go", "nogo"] * (n_trials // 2),
            choice=np.ones(n_trials, int),
            correct=np.arange(n_trials) % 5 > 0,
            dt=DT,
            duration=np.full(n_trials, DURATION),
            unit_type=["E"] * (N - 2) + ["I", "SST"],
            tau=np.linspace(20, 100, N),
            scaling_factor=30.0,
        )


def material(**fields):
    task = {"T": 400, "stim_on": 300, "stim_dur": 25}
    return Planted(RunSettings(network={"N": N}, task_settings=task), **fields)


def result(given, **settings):
    own = AnalysisSettings(spike_timescales={"n_trials": 200, **settings}).spike_timescales
    return function_of(ROW.work)(given, own)


@pytest.fixture(scope="module")
def fluctuating():
    return result(material(), n_bootstrap=10)


def test_timescales_are_those_of_the_rates_whatever_the_noise_of_counts(fluctuating):
    """Before the stimulus at 1,500 ms. Counts of a Poisson process add variance at lag 0 alone, which is not fitted."""
    numbers, arrays = fluctuating.numbers, fluctuating.arrays
    assert set(numbers) == set(ROW.numbers) and set(arrays) == set(ROW.arrays)
    assert arrays["window"].tolist() == [100, 1500] and numbers["window_ms"] == 1400
    assert arrays["lags"][:2].tolist() == [0, 25] and arrays["inhibitory"].sum() == 2
    assert numbers["usable"] == 1 and numbers["tau_ms"] == pytest.approx(TAU, rel=0.15)
    assert numbers["population_low_ms"] < TAU * 1.05 and numbers["population_high_ms"] > TAU * 0.95
    # Rates vary by 40 / s: in means over bins of 25 ms, 1 in a count, by the formulas for such means of a process with
    # an exponential autocorrelation. Steps of 1 ms have a spike or none, with p of mean 0.1 and SD 0.04.
    x = 25 / TAU
    variance, covariance = 2 * (x - 1 + np.exp(-x)) / x**2, ((1 - np.exp(-x)) / x) ** 2
    expected = covariance / (variance + 25 * (0.1 - 0.1**2 - 0.04**2))
    assert numbers["next_bin"] == pytest.approx(expected, rel=0.05)
    assert numbers["synaptic"] == pytest.approx(0, abs=0.9)
    assert tuple(function_of(ROW.draw)({"seed 0": arrays})) == ROW.figures


def test_regular_trains_have_negative_correlations_and_no_timescale():
    found = result(material(regular=True))
    assert found.numbers["next_bin"] < -0.3 and found.numbers["usable"] < 0.2


def test_wrong_trials_can_be_left_out(fluctuating):
    found = result(material(), correct_only=True)
    assert found.numbers["tau_ms"] != fluctuating.numbers["tau_ms"]
    assert found.numbers["tau_ms"] == pytest.approx(TAU, rel=0.2)


def test_bins_begin_with_the_window_of_each_trial():
    drawn = replace(
        material().spikes(2),
        times=np.array([100.0, 100.5, 125, 126, 150.5, 40, 60.5, 90]),
        units=np.array([0, 0, 0, 0, 1, 2, 2, 2]),
        trials=np.array([0, 0, 0, 0, 0, 1, 1, 1]),
    )
    counts = counts_in(drawn, np.array([[20, 31], [8, 15]]), 25)  # from 100 to 155 ms, and from 40 to 75 ms
    assert counts.shape == (2, 2, N)
    assert counts[0, :, 0].tolist() == [2, 1] and counts[0, :, 1].tolist() == [0, 0]
    assert counts[1, 0, 2] == 1 and np.isnan(counts[1, 1]).all()


def test_what_cannot_be_done_is_said():
    skipped = result(material(), window="delay").skipped
    assert skipped == "no trial of this task has a window 'delay' of at least two bins"
    assert result(material(not_converted="it was not")).skipped == "there are no spikes: it was not"
    with pytest.raises(ValueError, match="max_lag_ms = 2000"):
        result(material(), max_lag_ms=2000)

"""The analysis 'spike_trains' as part of stage 'analyse', on spikes of Poisson processes whose rates are known."""

from dataclasses import dataclass

import numpy as np
import pytest

from ratecore.analysis.spike_trains import spike_counts
from ratecore.experiment.analyses.table import ANALYSES
from ratecore.experiment.stages.table import function_of
from ratecore.settings.analysis import AnalysisSettings
from ratecore.settings.run import RunSettings
from ratecore.spiking.results import SpikeTrials

ROW = ANALYSES["spike_trains"]
N_EXC, N_INH, N_SILENT = 30, 8, 2
DURATION, DT = 995.0, 0.05


@dataclass
class Planted:
    """Material of no network: Poisson units of 20 (E) and 60 (I) spikes/s, twice as fast from the stimulus on in go.

    The last two E units are silent, and all units fire in the first 10 ms.
    """

    settings: RunSettings
    not_converted: str = ""
    inhibitory: int = N_INH
    doubly: float = 0.0  # variance of a factor of the rates of each trial and unit

    def spikes(self, n_trials):
        rng = np.random.default_rng(0)
        N, steps = N_EXC + self.inhibitory, round(DURATION / DT)
        condition = ["go", "nogo"] * (n_trials // 2)
        rate = np.where(np.arange(N) < N_EXC, 20.0, 60.0)
        rate[N_EXC - N_SILENT : N_EXC] = 0
        rates = np.repeat(rate[None], n_trials, axis=0)
        if self.doubly:
            rates *= rng.gamma(1 / self.doubly, self.doubly, rates.shape)
        course = np.ones((n_trials, steps))
        course[::2, round(250 / DT) :] = 2  # go-nogo's stimulus is on at 250 ms
        fired = [rng.random((steps, N)) < course[k][:, None] * rates[k] * DT / 1000 for k in range(n_trials)]
        for own in fired:
            own[: round(10 / DT)] = 0
            own[rng.integers(0, 200, N), np.arange(N)] = True
        found = [np.nonzero(own) for own in fired]
        return SpikeTrials(
            times=np.concatenate([(step + 1) * DT for step, _ in found]),
            units=np.concatenate([unit for _, unit in found]),
            trials=np.repeat(np.arange(n_trials), [len(unit) for _, unit in found]),
            numbers=np.arange(n_trials),
            counts=np.array([own.sum(0) for own in fired]),
            o=np.zeros((n_trials, 200)),
            condition=condition,
            choice=np.ones(n_trials, int),
            correct=np.ones(n_trials, bool),
            dt=DT,
            duration=np.full(n_trials, DURATION),
            unit_type=["E"] * N_EXC + ["I", "SST"] * (self.inhibitory // 2),
            tau=np.full(N, 20.0),
            scaling_factor=30.0,
        )


def result(given=None, **settings):
    own = AnalysisSettings(spike_trains={"n_trials": 60, **settings}).spike_trains
    return function_of(ROW.work)(given or Planted(RunSettings(task="go-nogo")), own)


@pytest.fixture(scope="module")
def poisson():
    return result()


def test_numbers_and_arrays_are_those_of_the_table(poisson):
    assert poisson.skipped is None and set(poisson.numbers) == set(ROW.numbers)
    assert set(poisson.arrays) == set(ROW.arrays)
    assert all(type(value) in (int, float) and np.isfinite(value) for value in poisson.numbers.values())
    K, N = poisson.arrays["fano"].shape
    assert N == N_EXC + N_INH and poisson.arrays["times"][[0, -1]].tolist() == [150, 150 + 25 * (K - 1)]
    assert poisson.arrays["rate"].shape == (K, N) and poisson.arrays["stimulus"].tolist() == [[250, 375]]
    figures = function_of(ROW.draw)({"seed 0": poisson.arrays, "seed 1": poisson.arrays})
    assert tuple(figures) == ROW.figures


def test_poisson_units_have_their_rates_and_a_fano_factor_of_1(poisson):
    """Rates from 100 to 995 ms, twice as high from 250 ms on in half of the trials; the first spikes do not count."""
    found, factor = poisson.numbers, 1 + 0.5 * (995 - 250) / 895
    n_exc, n_inh = N_EXC - N_SILENT, N_INH
    seconds = 60 * 0.895
    assert abs(found["rate_exc"] * N_EXC / n_exc - 20 * factor) < 4 * np.sqrt(20 * factor / seconds / n_exc)
    assert abs(found["rate_inh"] - 60 * factor) < 4 * np.sqrt(60 * factor / seconds / n_inh)
    bound = 4 * np.sqrt(2 / 58 / 9 / (n_exc + n_inh))  # at least nine windows that do not overlap
    for name in ("fano", "fano_matched"):
        assert abs(found[name] - 1) < bound
    for name in ("fano_before", "fano_stimulus"):  # one window or two
        assert abs(found[name] - 1) < 3 * bound * np.pi / 2
    assert found["silent"] == N_SILENT / (N_EXC + N_INH)
    assert abs(found["correlation"]) < 4 / np.sqrt(60 * 8 * 36 * 35 / 2)
    assert abs(found["synchrony"] - 1 / 40) < 0.015
    assert 0.93 < found["lv"] < 1.03 and 0.9 < found["cv"] < 1.1  # the end of trials takes long intervals away
    silent = poisson.arrays["cv"][N_EXC - N_SILENT : N_EXC]
    assert np.isnan(silent).all() and np.isnan(poisson.arrays["fano"][:, N_EXC - N_SILENT : N_EXC]).all()
    assert poisson.arrays["intervals"].sum(1)[1] > poisson.arrays["intervals"].sum(1)[0] / 2


def test_windows_before_and_within_the_stimulus(poisson):
    """It is on from 250 to 375 ms; windows have 100 ms."""
    given = Planted(RunSettings(task="go-nogo"))
    drawn = given.spikes(60)
    train, alike = (drawn.times, drawn.units, drawn.trials), np.array(drawn.condition)
    for name, starts in (("fano_before", (100, 125, 150)), ("fano_stimulus", (250, 275))):
        windows = [[start, start + 100] for start in starts]
        counts = spike_counts(*train, windows, 60, N_EXC + N_INH)
        each = [counts[alike == condition] for condition in np.unique(alike)]
        variances = sum(own.var(0, ddof=1).sum(0) for own in each)
        means = sum(own.mean(0).sum(0) for own in each)
        expected = np.median(variances[means > 0] / means[means > 0])
        assert poisson.numbers[name] == pytest.approx(expected)


def test_rates_that_differ_between_trials_add_to_the_fano_factor():
    """By the mean count in a window, 2 for E and 6 for I before the stimulus, times the variance of the factor, 0.5."""
    found = result(Planted(RunSettings(task="go-nogo"), doubly=0.5)).arrays
    early = found["fano"][found["times"] <= 200]
    assert early[:, : N_EXC - N_SILENT].mean() == pytest.approx(2, rel=0.15)
    assert early[:, N_EXC:].mean() == pytest.approx(4, rel=0.25)


def test_networks_that_were_not_converted_are_left_out():
    given = Planted(RunSettings(task="go-nogo"), not_converted="training did not meet its criterion")
    assert result(given).skipped == "there are no spikes: training did not meet its criterion"


def test_what_is_undefined_is_nan():
    """No inhibitory units, no window within a stimulus or before it, and too few trials and intervals."""
    given = Planted(RunSettings(task="go-nogo"), inhibitory=0)
    found = result(given, window_ms=300, step_ms=300, least_trials=31, least_intervals=10_000)
    undefined = {name for name, value in found.numbers.items() if np.isnan(value)}
    rest = {"rate_exc", "synchrony", "silent"}
    assert undefined == set(ROW.numbers) - rest
    assert tuple(function_of(ROW.draw)({"seed 0": found.arrays})) == ROW.figures


def test_windows_that_do_not_fit_into_the_trials_are_named():
    with pytest.raises(ValueError, match=r"window_ms = 900, start_ms = 100; a window must lie within the trial"):
        result(window_ms=900)

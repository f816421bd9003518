"""Analysis 'timescales' as a part of stage 'analyse', on activity whose timescales are known."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ratecore.experiment.analyses.table import ANALYSES
from ratecore.experiment.analyses.timescales import aligned, windows_of
from ratecore.experiment.stages.table import function_of
from ratecore.rate.results import Activity, Scores
from ratecore.settings.analysis import AnalysisSettings
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.tasks import AbstractTask, TaskFactory

ROW = ANALYSES["timescales"]
TAUS = np.array([10.0, 20, 40, 60, 80, 100])  # of the units, ms


@dataclass
class Planted:
    """Material of no network: an Ornstein-Uhlenbeck process for each unit, and a response to the stimulus."""

    task: AbstractTask
    settings: RunSettings
    inhibitory = np.arange(len(TAUS)) >= 4

    @property
    def tested(self):
        return SimpleNamespace(time_constants=lambda: torch.tensor(TAUS / 5))

    def activity(self, n_trials):
        batch = self.task.generate_batch([np.random.default_rng([7, k]) for k in range(n_trials)])
        T, rng = batch.u.shape[2], np.random.default_rng(0)
        a = np.exp(-5 / TAUS)
        r = rng.standard_normal((n_trials, T, len(TAUS)))
        for t in range(1, T):
            r[:, t] = a * r[:, t - 1] + np.sqrt(1 - a**2) * r[:, t]
        r += 3 * batch.u.sum(1)[:, :, None]
        steps = np.full(n_trials, T) if batch.steps is None else np.array(batch.steps)
        for row, n in zip(r, steps, strict=True):
            row[n:] = np.nan
        o, correct = np.zeros((n_trials, T)), np.arange(n_trials) % 4 > 0
        scores = Scores(np.zeros(n_trials), correct, o, batch.labels, np.array(batch.conditions), batch.trials)
        return Activity(r, r, o, batch.u, batch.z, scores, steps)


def material(name="go-nogo", **task):
    settings = RunSettings(task=name, task_settings=task)
    return Planted(settings.create_task(), settings)


def result(given, **settings):
    return function_of(ROW.work)(given, own(**settings))


def own(**settings):
    return AnalysisSettings(timescales=settings).timescales


def test_numbers_and_arrays_are_those_of_the_table():
    found = result(material(), n_bootstrap=2, n_trials=200)
    assert found.skipped is None and set(found.numbers) == set(ROW.numbers)
    assert set(found.arrays) == set(ROW.arrays) and set(ROW.columns) <= set(ROW.numbers)
    assert all(type(value) in (int, float) for value in found.numbers.values())
    figures = function_of(ROW.draw)({"seed 0": found.arrays, "seed 1": found.arrays})
    assert tuple(figures) == ROW.figures


def test_planted_timescales_are_found_where_the_stimulus_is_not_counted():
    found = result(material(T=200, stim_on=150, stim_dur=20), n_trials=1000)
    assert found.arrays["window"].tolist() == [100, 750] and found.numbers["window_ms"] == 650
    np.testing.assert_allclose(found.arrays["tau"], TAUS, rtol=0.15)
    numbers = found.numbers
    assert numbers["tau_ms"] == pytest.approx(50, rel=0.1) and numbers["usable"] == 1 and numbers["r2"] > 0.98
    assert numbers["tau_exc_ms"] == pytest.approx(30, rel=0.1) and numbers["tau_inh_ms"] == pytest.approx(90, rel=0.15)
    assert numbers["synaptic"] == 1 and found.arrays["synaptic"].tolist() == TAUS.tolist()
    assert np.isnan(numbers["population_low_ms"])


def test_what_the_stimulus_evokes_does_not_count():
    found = result(material(T=200, stim_on=50, stim_dur=50), n_trials=1000)  # 150 ms before it: the whole trial
    assert found.arrays["window"].tolist() == [100, 1000]
    np.testing.assert_allclose(found.arrays["tau"], TAUS, rtol=0.15)


WINDOWS = {
    "auto": [20, 200],
    "before": [20, 50],
    "delay": [125, 150],
    "trial": [20, 200],
}


@pytest.mark.parametrize("window", WINDOWS)
def test_windows(window):
    task = TaskFactory.create_task("go-nogo", {"T": 200, "stim_on": 50, "stim_dur": 75})
    task = SimpleNamespace(stimulus_windows=task.stimulus_windows, response_window=slice(150, 200))
    assert windows_of(task, None, [200, 200], own(window=window)).tolist() == [WINDOWS[window]] * 2


def trial(stimuli, response):
    return SimpleNamespace(stimuli=stimuli, response=slice(*response), T=100)


DELAYS = {
    "between stimuli": ([(10, 20), (50, 60)], (70, 100), (20, 50)),
    "before the response": ([(50, 60), (10, 40)], (80, 100), (60, 80)),
    "stimuli that overlap": ([(10, 60), (20, 30)], (65, 100), (60, 65)),
    "stimulus in the response": ([(10, 20), (45, 50)], (40, 100), (20, 40)),
    "none": ([(10, 50)], (50, 100), (0, 0)),
    "no stimulus": ([], (50, 100), (0, 0)),
}


def test_windows_of_trials_that_differ():
    """Each has its own stimuli and end; one without a delay has no window."""
    drawn = [trial(stimuli, response) for stimuli, response, _ in DELAYS.values()], np.full(len(DELAYS), 100)
    task = SimpleNamespace(stimulus_windows=[(0, 1)])
    found = windows_of(task, *drawn, own(window="delay", skip_ms=0))
    assert found.tolist() == [list(window) for _, _, window in DELAYS.values()]
    assert windows_of(task, *drawn, own(window="before", skip_ms=0))[:, 1].tolist() == [10, 10, 10, 10, 10, 100]
    found = result(material("delayed-match", delay_jitter=40), window="delay", n_trials=200)
    assert found.numbers["window_ms"] > 400 and found.numbers["usable"] > 0.5
    values = np.arange(60.0).reshape(2, 30, 1)
    cut = aligned(values, np.array([[5, 8], [10, 10]]))
    np.testing.assert_array_equal(cut[:, :, 0], [[5, 6, 7], [np.nan] * 3])


def test_tasks_without_the_window_are_left_out():
    assert "has a window 'before'" in result(material(T=60, stim_on=1, stim_dur=5), window="before").skipped


def test_trials_that_have_ended_and_wrong_ones():
    given = material()
    drawn = given.activity(400)
    steps = np.where(np.arange(400) < 200, 150, 200)
    r = drawn.r.copy()
    r[:200, 150:] = np.nan
    given.activity = lambda n: replace(drawn, r=r, x=r, steps=steps)
    found = result(given, correct_only=True, window="trial", n_trials=400)
    assert found.numbers["usable"] == 1
    np.testing.assert_allclose(found.arrays["tau"], TAUS, rtol=0.35)
    given.activity = lambda n: replace(drawn, scores=replace(drawn.scores, correct=np.zeros(400, bool)))
    with pytest.raises(ValueError, match="correct_only = true: none of the 400 trials is correct"):
        result(given, correct_only=True)


def test_a_network_without_usable_fits():
    given = material()
    drawn = given.activity(30)
    given.activity = lambda n: replace(drawn, r=np.ones_like(drawn.r))
    found = result(given)
    assert found.numbers["usable"] == 0 and np.isnan(found.numbers["tau_ms"])
    assert set(found.arrays["reason"]) == {"no variance"}
    figures = function_of(ROW.draw)({"seed 0": found.arrays})
    assert len(figures["timescales_fits"].axes) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(window="early"), "analysis.timescales.window = 'early'|timescales.window = 'early'"),
        (dict(n_bootstrap=1), "n_bootstrap = 1.*it must be 0 or at least 2"),
        (dict(least_r2=2), "least_r2 = 2"),
    ],
)
def test_settings(settings, message):
    with pytest.raises(SettingsError, match=message):
        own(**settings)
    with pytest.raises(ValueError, match="max_lag_ms = 2000"):
        result(material(), max_lag_ms=2000)

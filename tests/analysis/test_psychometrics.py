"""Psychometric fits and response times, against synthetic observers whose numbers are known."""

import math

import numpy as np
import pytest

from ratecore.analysis.psychometrics import binomial_intervals, fit_numbers, fit_psychometric, response_times
from ratecore.settings.elsewhere import ElsewhereSettings
from ratecore.tasks import TaskFactory
from ratecore.tasks.decisions import decision_onset, decision_threshold, graded_points, times_of

LEVELS = np.array([-1.0, -0.5, -0.25, -0.125, 0.0, 0.125, 0.25, 0.5, 1.0])
OBSERVERS = {
    "unbiased": (0.0, 6.0, 0.0),
    "biased": (0.2, 8.0, 0.0),
    "with lapses": (-0.1, 10.0, 0.08),
    "against the evidence": (0.05, -7.0, 0.05),
}


def observed(x, bias, slope, lapse):
    return lapse + (1 - 2 * lapse) / (1 + np.exp(-slope * (x - bias)))


def standard_errors(x, n, bias, slope, lapse):
    """From the Fisher information of binomial choices, with derivatives by finite differences."""
    theta, step = np.array([bias, slope, lapse]), 1e-6
    J = np.stack([(observed(x, *(theta + step * e)) - observed(x, *(theta - step * e))) / (2 * step)
                  for e in np.eye(3)])  # fmt: skip
    p = observed(x, *theta)
    free = slice(0, 3 if lapse else 2)  # at the bound, the lapse rate is not free
    return np.sqrt(np.diag(np.linalg.inv((J * n / (p * (1 - p))) @ J.T)[free, free]))


@pytest.mark.parametrize("observer", OBSERVERS.values(), ids=OBSERVERS)
def test_the_fit_finds_the_observer(observer):
    n = 4000
    p = np.random.default_rng(7).binomial(n, observed(LEVELS, *observer)) / n
    fit = fit_psychometric(LEVELS, p, n)
    errors = standard_errors(LEVELS, n, *observer)
    for found, true, error in zip((fit.bias, fit.slope, fit.lapse), observer, errors, strict=False):
        assert abs(found - true) < 4 * error
    assert fit.lapse < 0.1 and fit.determined
    np.testing.assert_allclose(fit(LEVELS), observed(LEVELS, *observer), atol=0.03)


def rows_of(kind, p, x=LEVELS):
    return [{"trial_type": kind, "evidence": e, "p_positive": q, "n": 10**6} for e, q in zip(x, p, strict=True)]


def test_numbers_of_fits_are_those_of_the_observers_and_their_means():
    a, b = (0.1, 9.0, 0.04), (-0.3, 6.0, 0.0)
    found = fit_numbers(rows_of("a", observed(LEVELS, *a)) + rows_of("b", observed(LEVELS, *b)))
    for kind, (bias, slope, lapse) in {"a": a, "b": b}.items():
        truth = {"bias": bias, "slope": slope, "lapse": lapse, "threshold": math.log(3) / slope, "levels": 9}
        for name, value in truth.items():
            assert found[f"psychometric/{name}/{kind}"] == pytest.approx(value, rel=5e-3, abs=1e-3)
            mean = (found[f"psychometric/{name}/a"] + found[f"psychometric/{name}/b"]) / 2
            assert found[f"psychometric/{name}"] == pytest.approx(mean)
    # Without lapses, three of four choices are positive at the threshold beyond the bias.
    threshold = found["psychometric/threshold/b"]
    assert observed(found["psychometric/bias/b"] + threshold, *b) == pytest.approx(0.75, abs=2e-3)


def test_numbers_that_the_data_do_not_determine_are_missing():
    steep = fit_numbers(rows_of("a", (LEVELS > 0.2).astype(float)))
    assert set(steep) == {"psychometric/bias", "psychometric/lapse", "psychometric/levels"}
    assert 0.125 <= steep["psychometric/bias"] <= 0.25
    assert fit_numbers([]) == fit_numbers(rows_of("a", [0.1, 0.9], LEVELS[:2])) == {}


@pytest.mark.parametrize("scale", [0.01, 1, 100])
def test_exact_shares_give_the_exact_observer_in_any_unit(scale):
    bias, slope, lapse = 0.1, 9.0, 0.04
    fit = fit_psychometric(scale * LEVELS, observed(LEVELS, bias, slope, lapse), 10**6)
    assert fit.bias / scale == pytest.approx(bias, abs=1e-3)
    assert fit.slope * scale == pytest.approx(slope, rel=5e-3)
    assert fit.lapse == pytest.approx(lapse, abs=1e-3)
    assert fit(scale * bias) == pytest.approx(0.5)


def test_the_fit_is_as_likely_as_the_best_on_a_fine_mesh():
    n, x = 25, LEVELS
    p = np.random.default_rng(3).binomial(n, observed(x, 0.1, 5.0, 0.05)) / n
    mesh = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 81), np.linspace(1, 20, 96), np.linspace(0, 0.2, 41)), -1)
    at = np.clip(observed(x, *(mesh[..., k, None] for k in range(3))), 1e-12, 1 - 1e-12)
    likelihood = (n * (p * np.log(at) + (1 - p) * np.log(1 - at))).sum(-1).max()
    assert fit_psychometric(x, p, n).log_likelihood > likelihood - 1e-3


def test_a_step_does_not_determine_the_slope():
    fit = fit_psychometric(LEVELS, (LEVELS > 0.2).astype(float), 25)
    assert not fit.determined and 0.125 < fit.bias < 0.25 and fit.slope > 20 and fit.lapse < 0.01
    # And a shuffled observer has no slope that differs from 0 by more than chance
    p = np.random.default_rng(0).binomial(1000, 0.5, LEVELS.size) / 1000
    assert np.ptp(fit_psychometric(LEVELS, p, 1000)(LEVELS)) < 0.15


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([0, 1], [0.1, 0.9], 10), "evidence has 2 strengths; it must have at least three"),
        (([0, 1, math.inf], [0.1, 0.5, 0.9], 10), "evidence has 3 strengths; .* all finite"),
        (([0, 1, 2], [0.1, 0.5], 10), "p_positive has 2 values; it must have one for each of 3"),
        (([0, 1, 2], [0.1, 0.5, 1.2], 10), "p_positive = 1.2; it must be a share"),
        (([0, 1, 2], [0.1, 0.5, 0.9], [5, 0, 5]), "n = 0; it must be at least one trial"),
    ],
    ids=["two levels", "infinite", "lengths", "share", "no trial"],
)
def test_what_cannot_be_fitted_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        fit_psychometric(*given)


def test_intervals_are_those_of_wilson():
    # Newcombe 1998, Statistics in Medicine 17:857, Table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    n = [263, 148, 20, 29]
    found = binomial_intervals(np.array([81, 15, 0, 1]) / n, n)
    np.testing.assert_allclose(found, [[0.2553, 0.3662], [0.0624, 0.1605], [0, 0.1611], [0.0061, 0.1718]], atol=5e-5)


# ------------------------------------------------------------------------------------------------------- response times


def test_response_times_of_ramps():
    slopes = np.array([0.01, -0.02, 0.1, 0.001, 0.0])
    o = slopes[:, None] * np.maximum(np.arange(100) - 20, 0)
    # Beyond 0.705: the first whole step above 0.705 / slope
    expected = [5 * 71, 5 * 36, 5 * 8, np.nan, np.nan]
    np.testing.assert_array_equal(response_times(o, 0.705, 20), expected)
    np.testing.assert_array_equal(response_times(o, 0.705), np.array(expected) + 100)
    np.testing.assert_array_equal(response_times(o, 0.705, [20, 60, 90, 0, 0])[:3], [355, 0, 0])
    o[0, 50:] = np.nan  # the trial ends before
    assert np.isnan(response_times(o, 0.705, 20)[0])


@pytest.mark.parametrize(
    ("o", "threshold", "message"),
    [
        (np.zeros((2, 3, 4)), 0.7, r"o has shape \(2, 3, 4\); it must be \(B, T\)"),
        (np.zeros((2, 3)), 0.0, "threshold = 0.0; it must be a finite number above 0"),
        (np.zeros((2, 3)), math.nan, "threshold = nan"),
    ],
    ids=["several outputs", "no threshold", "nan"],
)
def test_what_has_no_response_time_is_named(o, threshold, message):
    with pytest.raises(ValueError, match=message):
        response_times(o, threshold)


def test_a_drift_diffusion_has_the_choices_and_times_of_its_theory():
    """A random walk to two bounds: P(+) is logistic in the drift v, of slope 2 a / s^2; E[T] = a / v tanh(a v / s^2).

    Steps overshoot the bounds by 0.5826 s sqrt(dt) on average (Siegmund 1985, Sequential Analysis, ch. 10).
    """
    rng, n, T, a, s = np.random.default_rng(11), 3000, 1500, 1.0, 0.12
    bound = a + 0.5826 * s
    drifts = np.array([-0.03, -0.015, -0.006, 0.006, 0.015, 0.03])
    shares, means, errors = [], [], []
    for v in drifts:
        o = np.cumsum(v + s * rng.standard_normal((n, T)), 1, dtype=np.float32)
        times = response_times(np.concatenate([np.zeros((n, 1)), o], 1), a)
        assert not np.isnan(times).any()
        ends = o[np.arange(n), (times / 5).astype(int) - 1]
        shares.append((ends > 0).mean())
        means.append(times.mean() / 5)
        errors.append(times.std() / 5 / np.sqrt(n))
    theory = bound / drifts * np.tanh(bound * drifts / s**2)
    np.testing.assert_allclose(means, theory, rtol=0.01, atol=4 * max(errors))
    fit = fit_psychometric(drifts, shares, n)
    slope = 2 * bound / s**2
    assert abs(fit.bias) < 4 * standard_errors(drifts, n, 0.0, slope, 0.0)[0]
    assert fit.slope == pytest.approx(slope, rel=0.1) and fit.lapse < 0.01


GRADED = ("mante", "mante-features", "random-dots", "random-dots-delay", "parametric-memory")


@pytest.mark.parametrize("name", GRADED)
def test_times_count_from_the_last_stimulus_or_from_the_response(name):
    task = TaskFactory.create_task(name)
    (kind, level), *_ = graded_points(task)
    drawn = task.draw_graded_trial(kind, level, np.random.default_rng(3))
    trial = None if isinstance(drawn, tuple) else drawn
    s = task.settings
    onset = s["stim_on"] + (s["stim_dur"] + s["delay"] if name == "parametric-memory" else 0)
    assert decision_onset(task, trial) == onset
    response = s["T"] - 200 if trial is None else trial.response.start
    assert decision_onset(task, trial, "response") == response
    assert decision_threshold(task) == (0.7 if name == "mante" else 0.5) and decision_threshold(task, 0.2) == 0.2
    T = task.T if trial is None else trial.T
    o = np.full((1, task.T), np.nan)
    o[0, :T] = np.where(np.arange(T) >= response + 6, -1.0, 0.0)
    for since, first in (("stimulus", onset), ("response", response)):
        settings = ElsewhereSettings(response_time_from=since)
        trials = None if trial is None else [trial]
        assert times_of(task, o, trials, settings) == 5 * (response + 6 - first)
        assert times_of(task, np.stack([o, 0 * o], 1), trials, settings) == 5 * (response + 6 - first)


def test_no_other_task_grades_its_evidence_yet_has_points():
    for name in TaskFactory.list_available_tasks():
        task = TaskFactory.create_task(name)
        assert bool(graded_points(task)) == (task.name in GRADED)
        assert len(graded_points(task, [0.1, 0.2])) == 2 * len(task.trial_types) * (task.name in GRADED)

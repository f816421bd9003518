"""Significance of demixed components: planted variables are found when they are there, noise gives chance."""

import numpy as np
import pytest
from test_dpca import design, planted

from ratecore.analysis.dpca_significance import component_significance

T = 20
CLASSES = {"stimulus": 3, "decision": 2, "stimulus x decision": 6}


def late(noise=0.3, K=10, N=30):
    """Stimulus along one axis in the second half of the trial, and nothing else; noise in all units."""
    rng = np.random.default_rng(0)
    axis = rng.standard_normal(N)
    axis /= np.linalg.norm(axis)
    s, d = design(K)
    course = (np.arange(T) >= T // 2).astype(float)
    values = 2 * (s - 1)[:, None, None] * course[:, None] * axis
    return values + noise * rng.standard_normal(values.shape), {"stimulus": s, "decision": d}


def test_a_variable_is_significant_when_it_is_there_and_no_other_is():
    found = component_significance(*late(), n_components=2, shuffles=20, repeats=5, least_bins=3)
    assert found.classes == CLASSES and found.steps.tolist() == list(range(T))
    assert (found.accuracy["stimulus"][0, T // 2 :] == 1).all()
    assert found.significant["stimulus"][0].tolist() == [False] * (T // 2) + [True] * (T // 2)
    assert not found.significant["decision"].any() and not found.significant["stimulus x decision"].any()
    assert found.shuffled["stimulus"].shape == (20, 2, T)


def test_accuracy_is_that_of_gaussians_whose_distance_is_known():
    """Two classes at +-1 along an axis, noise of SD 1: Phi(1) = 84 % of the trials are on their side.

    Trials are enough for the axis and the means; 160 left-out trials at 20 independent times have a standard error of
    0.6 %.
    """
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 100)
    values = rng.standard_normal((200, T, 4))
    values[:, :, 0] += np.where(labels, 1, -1)[:, None]
    found = component_significance(values, {"a": labels}, 1, 0.0, shuffles=0, repeats=80)
    assert found.accuracy["a"][0].mean() == pytest.approx(0.8413, abs=0.025)
    assert not found.significant["a"].any() and found.shuffled["a"].shape == (0, 1, T)


def test_noise_gives_chance():
    """Left-out trials are independent of the components, so that each is right with the probability of a guess.

    Within a repeat, 6 trials at 20 times are independent; repeats share trials. The bound is 4 standard errors of 60 x
    20 guesses.
    """
    s, d = design(10)
    values = np.random.default_rng(2).standard_normal((len(s), T, 15))
    found = component_significance(values, {"stimulus": s, "decision": d}, 1, shuffles=19, repeats=10, least_bins=3)
    beyond = []
    for name, n in CLASSES.items():
        bound = 4 * np.sqrt((1 / n) * (1 - 1 / n) / (60 * T))
        assert found.accuracy[name].mean() == pytest.approx(1 / n, abs=bound)
        assert found.shuffled[name].mean() == pytest.approx(1 / n, abs=bound)
        beyond.append(found.accuracy[name] > found.shuffled[name].max(0))
        assert not found.significant[name].any()
    # One of 20 exceeds the others at each of 60 times: 3 are expected, and more than 10 have a probability of 3e-4.
    assert np.sum(beyond) <= 10


@pytest.mark.parametrize(("quantile", "least", "n"), [(1.0, 1, 10), (1.0, 11, 0), (0.5, 11, 0)])
def test_runs_must_be_long_enough(quantile, least, n):
    options = {"n_components": 1, "shuffles": 9, "repeats": 2}
    found = component_significance(*late(), **options, quantile=quantile, least_bins=least)
    assert found.significant["stimulus"][0, T // 2 :].sum() in ((n,) if quantile == 1 else (0, 10))


def test_short_trials_count_as_long_as_they_last_and_missing_units_do_not():
    values, parameters = late(K=6)
    values[::4, 15:] = np.nan
    values = np.concatenate([values, np.full((*values.shape[:2], 2), np.nan)], 2)
    found = component_significance(values, parameters, 1, shuffles=4, repeats=6, least_bins=2)
    assert (found.accuracy["stimulus"][0, T // 2 :] > 0.95).all()


def test_it_is_the_same_for_the_same_seed():
    values, parameters, _ = planted(K=4)
    one, same, other = (
        component_significance(values, parameters, 1, shuffles=2, repeats=2, seed=seed).shuffled["stimulus"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


BAD = {"n_components": 0, "repeats": 0, "least_bins": 0, "shuffles": -1, "penalty": -1.0, "quantile": 0.0}


@pytest.mark.parametrize("name", BAD)
def test_arguments(name):
    with pytest.raises(ValueError, match=f"{name} = {BAD[name]:g}"):
        component_significance(*late(K=2), **{name: BAD[name]})


def test_every_combination_needs_two_trials():
    values, parameters = late(K=1)
    with pytest.raises(ValueError, match="at least 2"):
        component_significance(values, parameters)

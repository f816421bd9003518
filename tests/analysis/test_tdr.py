"""Targeted dimensionality reduction of units with planted axes, and against scikit-learn's regression."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from ratecore.analysis.tdr import graded_as_groups, targeted_axes

NAMES = ("choice", "motion", "color", "context")


def planted(B=320, N=60, noise=0.5, seed=0):
    """Units to which four variables add along random axes, each in a window of its own, with noise."""
    rng = np.random.default_rng(seed)
    variables = {
        "choice": rng.choice([-1, 1], B),
        "motion": rng.choice([-1.0, -0.5, 0.5, 1.0], B),
        "color": rng.choice([-1.0, -0.5, 0.5, 1.0], B),
        "context": rng.choice(["color", "motion"], B),
    }
    signs = {**variables, "context": np.where(variables["context"] == "motion", 1, -1)}
    axes = rng.standard_normal((4, N))
    courses = np.zeros((4, 40))
    for k in range(4):
        courses[k, 5 + 8 * k : 12 + 8 * k] = np.hanning(7)
    activity = sum(
        np.asarray(signs[name])[:, None, None] * courses[k][:, None] * axes[k] for k, name in enumerate(NAMES)
    )
    activity = 3 + activity + noise * rng.standard_normal((B, 40, N))
    return activity, variables, axes, courses


def angle(a, b):
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


def test_planted_axes_are_recovered_within_five_degrees():
    activity, variables, axes, courses = planted()
    found = targeted_axes(activity, variables)
    assert found.variables == NAMES
    for k in range(4):
        true = axes[k] / activity.std((0, 1))  # of the z-scored activity
        assert angle(found.axes[k], true) < 5
        assert abs(found.peaks[k] - courses[k].argmax()) <= 1
    np.testing.assert_allclose(found.orthogonal @ found.orthogonal.T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(found.orthogonal[0], found.axes[0])
    assert (np.diag(found.orthogonal @ found.axes.T) > 0).all()
    # Gram and Schmidt, written out
    second = found.axes[1] - (found.axes[1] @ found.axes[0]) * found.axes[0]
    np.testing.assert_allclose(found.orthogonal[1], second / np.linalg.norm(second), atol=1e-12)


def test_projections_follow_their_own_variable():
    activity, variables, _, courses = planted(noise=0.2)
    found = targeted_axes(activity, variables)
    projected = found.project(activity)
    for k, name in enumerate(NAMES):
        sign = np.where(variables[name] == "motion", 1, -1) if name == "context" else variables[name]
        at = courses[k].argmax()
        assert np.corrcoef(projected[:, at, k], sign)[0, 1] > 0.95
        before = projected[:, 2, k]
        assert abs(np.corrcoef(before, sign)[0, 1]) < 0.25  # 320 trials: 4 standard errors are 0.22


def test_coefficients_are_those_of_scikit_learn():
    activity, variables, *_ = planted(B=50, N=5)
    found = targeted_axes(activity, variables, n_components=5)
    X = np.column_stack(
        [
            variables["choice"],
            variables["motion"],
            variables["color"],
            np.where(variables["context"] == "motion", 1, -1),
        ]
    )
    scored = (activity - activity.mean((0, 1))) / activity.std((0, 1))
    for t in range(0, 40, 7):
        np.testing.assert_allclose(
            found.coefficients[:, t].T, LinearRegression().fit(X, scored[:, t]).coef_, atol=1e-10
        )


def test_denoising_keeps_what_condition_means_have():
    """With as many components as units, the axes are the coefficients themselves; with 4, less noisy."""
    activity, variables, axes, _ = planted(noise=2.0)
    everything, few = (targeted_axes(activity, variables, n) for n in (60, 4))
    k = 1
    raw = everything.coefficients[k, everything.peaks[k]]
    np.testing.assert_allclose(everything.axes[k], raw / np.linalg.norm(raw), atol=1e-8)
    true = axes[k] / activity.std((0, 1))
    assert angle(few.axes[k], true) < angle(everything.axes[k], true)


def test_short_trials_count_as_long_as_they_last():
    activity, variables, *_ = planted(N=10)
    activity[:100, 30:] = np.nan
    activity[:, 38:] = np.nan
    activity[0, 38:] = 1  # one trial is too few
    found = targeted_axes(activity, variables, n_components=10)
    assert np.isnan(found.coefficients[:, 38:]).all() and not np.isnan(found.coefficients[:, :38]).any()
    only = targeted_axes(activity[100:, :38], {k: v[100:] for k, v in variables.items()}, n_components=10)
    ratio = found.scale / only.scale  # the units' standard deviations are of slightly different trials
    np.testing.assert_allclose(found.coefficients[:, 31] * ratio, only.coefficients[:, 31], atol=1e-10)


def test_units_that_do_not_exist_have_no_part_in_the_axes():
    activity, variables, *_ = planted(N=8)
    more = np.full((*activity.shape[:2], 10), np.nan)
    more[:, :, :8] = activity
    few, all_units = targeted_axes(activity, variables), targeted_axes(more, variables)
    np.testing.assert_array_equal(all_units.orthogonal[:, :8], few.orthogonal)
    assert (all_units.axes[:, 8:] == 0).all()
    np.testing.assert_allclose(all_units.project(more), few.project(activity))


def test_a_window_for_the_peaks():
    activity, variables, *_ = planted()
    found = targeted_axes(activity, variables, window=slice(5, 12))
    assert ((found.peaks >= 5) & (found.peaks < 12)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choice": None}, None),
        ({"more": "motion"}, "more: it follows linearly from choice, motion, color, context"),
        ({"more": [1] * 320}, "more: all trials have 1"),
        ({"more": ["a", "b"] * 159 + ["c", "d"]}, "more: 4 words, 'a', 'b', 'c', 'd'"),
        ({"more": [1, 2]}, r"more: shape \(2,\)"),
        ({"more": [np.nan, 1.0] * 160}, "more: it has numbers that are not finite"),
    ],
)
def test_variables(changes, message):
    activity, variables, *_ = planted(N=5)
    for name, value in changes.items():
        if value is None:
            del variables[name]
        else:
            variables[name] = -3 * variables[value] if isinstance(value, str) else value
    if message is None:
        assert targeted_axes(activity, variables).variables == NAMES[1:]
        return
    with pytest.raises(ValueError, match=message):
        targeted_axes(activity, variables)


def test_too_few_trials_and_no_variables():
    activity, *_ = planted(N=5)
    with pytest.raises(ValueError, match="variables: there are none"):
        targeted_axes(activity, {})
    first = {"choice": [1, -1], "motion": [1, 1]}
    with pytest.raises(ValueError, match="motion: all trials"):
        targeted_axes(activity[:2], first)
    with pytest.raises(ValueError, match="2 trials; a regression on choice needs more"):
        targeted_axes(activity[:2], {"choice": [1, -1]})


def test_graded_variables_are_divided_into_quarters():
    groups = graded_as_groups({"graded": np.arange(20.0), "few": np.arange(20) % 8, "words": ["a"] * 20})
    assert np.bincount(groups["graded"]).tolist() == [5, 5, 5, 5]
    assert groups["few"].tolist() == (np.arange(20) % 8).tolist() and set(groups["words"]) == {"a"}

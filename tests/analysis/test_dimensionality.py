"""Principal components against scikit-learn and planted variances."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from ratecore.analysis import dimensionality, trials


def activity(B=20, T=30, N=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((B, T, N)) @ rng.standard_normal((N, N)) + rng.standard_normal(N)


@pytest.mark.parametrize("z_score", [False, True])
def test_components_are_those_of_scikit_learn(z_score):
    values = activity()
    states = values.reshape(-1, values.shape[2])
    found = dimensionality.principal_components(values, 5, z_score)
    states = (states - states.mean(0)) / (states.std(0) if z_score else 1)
    truth = PCA(5).fit(states)
    np.testing.assert_allclose(found.variances[:5], truth.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(found.explained[:5], truth.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(np.abs((found.axes * truth.components_).sum(1)), 1, rtol=1e-10)
    projected = found.project(values).reshape(-1, 5)
    np.testing.assert_allclose(np.abs(projected), np.abs(truth.transform(states)), atol=1e-9)


def test_planted_variances_on_exact_axes():
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.standard_normal((8, 3)))[0].T
    scores = np.linalg.qr(rng.standard_normal((400, 3)) - 0)[0]
    scores -= scores.mean(0)
    scores = np.linalg.qr(scores)[0] * np.sqrt([399 * 4, 399 * 2, 399 * 1])  # variances 4, 2 and 1, uncorrelated
    found = dimensionality.principal_components((scores @ axes + 5).reshape(20, 20, 8))
    np.testing.assert_allclose(found.variances, [4, 2, 1, 0, 0, 0, 0, 0], atol=1e-10)
    np.testing.assert_allclose(np.abs((found.axes[:3] * axes).sum(1)), 1)
    assert found.participation_ratio == pytest.approx(49 / 21)
    assert [found.components_for(share) for share in (0.5, 4 / 7, 0.6, 6 / 7, 0.99, 1)] == [1, 1, 2, 2, 3, 3]


def test_what_is_nan_is_left_out():
    values = activity()
    short = values.copy()
    short[:7, 20:] = np.nan
    short[:, :, 4] = np.nan
    states = np.concatenate([values[:7, :20].reshape(-1, 12), values[7:].reshape(-1, 12)])
    truth = PCA(3).fit(np.delete(states, 4, 1))
    found = dimensionality.principal_components(short, 3)
    np.testing.assert_allclose(found.explained[:3], truth.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(np.delete(found.axes, 4, 1)), np.abs(truth.components_), atol=1e-9)
    assert (found.axes[:, 4] == 0).all()
    projected = found.project(short)
    assert np.isnan(projected[:7, 20:]).all() and not np.isnan(projected[7:]).any()


@pytest.mark.parametrize(
    ("variances", "truth"), [([1] * 7, 7), ([3, 0, 0], 1), ([2, 1], 9 / 5), ([1, 1, 0.5, 0], 6.25 / 2.25)]
)
def test_participation_ratio(variances, truth):
    assert dimensionality.participation_ratio(variances) == pytest.approx(truth)


def test_participation_ratio_of_isotropic_noise():
    """For S samples in D dimensions it is expected near D / (1 + D / S): here 47.6, within 1."""
    values = np.random.default_rng(0).standard_normal((100, 10, 50))
    assert abs(dimensionality.principal_components(values).participation_ratio - 50 / (1 + 50 / 1000)) < 1


def test_constant_activity_has_no_dimension():
    found = dimensionality.principal_components(np.ones((3, 4, 5)), z_score=True)
    assert np.isnan(found.participation_ratio) and (found.explained == 0).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((3, 4)), r"activity: shape \(3, 4\)"),
        (np.full((3, 4, 2), np.inf), "infinite"),
        (np.full((3, 4, 2), np.nan), "NaN throughout"),
        (np.ones((1, 1, 2)), "at least two"),
        (np.array([[["a"]]]), "must be numbers"),
    ],
)
def test_activity_that_has_no_components(values, message):
    with pytest.raises(ValueError, match=message):
        dimensionality.principal_components(values)


def test_arguments():
    holes = activity()
    holes[0, 3, 2] = np.nan
    with pytest.raises(ValueError, match="unit 2 is NaN where other units are not"):
        dimensionality.principal_components(holes)
    with pytest.raises(ValueError, match="n = 13; it must be from 1 to 12"):
        dimensionality.principal_components(activity(), 13)
    found = dimensionality.principal_components(activity(), 2)
    with pytest.raises(ValueError, match="must have 12 units"):
        found.project(np.ones((3, 4)))
    with pytest.raises(ValueError, match="share = 2"):
        found.components_for(2)
    with pytest.raises(ValueError, match="variances"):
        dimensionality.participation_ratio([1, -1])


# -------------------------------------------------------------------------------------------- bins, windows, means


def test_bins():
    values = np.arange(2 * 7 * 1, dtype=float).reshape(2, 7, 1)
    values[1, 3:] = np.nan  # ends within the second bin of 2 steps
    bins = trials.binned(values, 10)
    np.testing.assert_array_equal(bins[:, :, 0], [[0.5, 2.5, 4.5], [7.5, 9, np.nan]])
    np.testing.assert_array_equal(trials.bin_times(7, 10), [2.5, 12.5, 22.5])
    assert trials.binned(values, 5).shape == (2, 7, 1)
    for bin_ms in (1, 40, np.nan):
        with pytest.raises(ValueError, match="from 5 .one step. to 35"):
            trials.binned(values, bin_ms)


def test_windows():
    values = np.arange(2 * 6, dtype=float).reshape(2, 6, 1)
    values[1, 2:] = np.nan
    np.testing.assert_array_equal(trials.window_mean(values, 5, 15)[:, 0], [1.5, 7])
    np.testing.assert_array_equal(trials.window_mean(values, 10)[:, 0], [3.5, np.nan])
    for window in ((30, None), (10, 10), (-5, 10)):
        with pytest.raises(ValueError, match="at least one step"):
            trials.window_mean(values, *window)


def test_means_of_conditions():
    values = np.array([[1.0], [3], [10]])[:, :, None]
    names, means = trials.condition_means(values, ["b", "b", "a"])
    assert names == ["a", "b"] and means[:, 0, 0].tolist() == [10, 2]
    with pytest.raises(ValueError, match="one value for each of the 3 trials"):
        trials.condition_means(values, ["a"])


def test_labelled_arrays_are_taken():
    import xarray as xr

    values = activity()
    labelled = xr.DataArray(values, dims=("trial", "time", "unit"))
    found = dimensionality.principal_components(labelled, 2)
    np.testing.assert_array_equal(found.axes, dimensionality.principal_components(values, 2).axes)

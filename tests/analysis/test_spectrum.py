"""Eigenvalues of weights: the circular law, outliers of means, groups with variances of their own."""

import numpy as np
import pytest

from ratecore.analysis.spectrum import bulk_radius, spectrum

N = 400


@pytest.fixture
def rng():
    return np.random.default_rng(16)


@pytest.mark.parametrize("g", [0.5, 1.5])
def test_independent_weights_fill_a_disc_of_their_gain(rng, g):
    # Ginibre: the largest absolute value is g (1 + sqrt(gamma / 4N) - Gumbel / ...), within 4 % of g at N = 400.
    found = spectrum(g * rng.standard_normal((N, N)) / np.sqrt(N))
    assert found.bulk_radius == pytest.approx(g, rel=0.01)  # an SD of 1 / sqrt(2) N^-1
    assert found.radius == pytest.approx(g, rel=0.06)
    assert not found.outliers.any()
    # Uniform in the disc: a quarter within half of the radius; the count varies less than a binomial one.
    assert np.mean(np.abs(found.eigenvalues) < g / 2) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / N))


@pytest.mark.parametrize("mean", [3.0, -2.5])
def test_a_mean_makes_one_outlier_at_its_sum(rng, mean):
    W = rng.standard_normal((N, N)) / np.sqrt(N) + mean / N
    found = spectrum(W)
    assert found.outliers.sum() == 1 and found.outliers[0]
    # First-order perturbation: the SD of the outlier is 1 / sqrt(N).
    assert found.eigenvalues[0] == pytest.approx(mean, abs=4 / np.sqrt(N))
    assert found.abscissa == pytest.approx(3.0 if mean > 0 else 1.0, abs=0.25)
    assert found.bulk_radius == pytest.approx(1, rel=0.02)


def test_excitatory_and_inhibitory_columns_have_variances_of_their_own(rng):
    inh = np.arange(N) >= 300
    sd = np.where(inh, 3.0, 1.0) / np.sqrt(N)
    W = rng.standard_normal((N, N)) * sd + np.where(inh, -6.0, 2.0) / N  # sums to 0: E and I are balanced
    # Rajan & Abbott 2006, equation 4: R^2 = N (f sd_E^2 + (1 - f) sd_I^2).
    expected = np.sqrt(0.75 * 1 + 0.25 * 9)
    assert bulk_radius(W, inh) == pytest.approx(expected, rel=0.02)


def test_blocks_follow_the_matrix_of_gains(rng):
    # Aljadeff, Stern & Sharpee 2015: two groups of N / 2 that only project to each other, of gains a and b.
    half = N // 2
    W = np.zeros((N, N))
    W[:half, half:] = 2.0 * rng.standard_normal((half, half)) / np.sqrt(N)
    W[half:, :half] = 1.0 * rng.standard_normal((half, half)) / np.sqrt(N)
    found = spectrum(W, np.arange(N) < half)
    assert found.bulk_radius == pytest.approx(np.sqrt(0.5 * 2.0 * 1.0), rel=0.02)  # sqrt of sqrt of (4 / 2) (1 / 2)
    assert found.radius == pytest.approx(found.bulk_radius, rel=0.08) and not found.outliers.any()


def test_eigenvalues_of_a_known_matrix():
    found = spectrum([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    np.testing.assert_allclose(np.sort_complex(found.eigenvalues), [-2j, 2j, 0.5], atol=1e-12)
    assert found.radius == pytest.approx(2) and found.abscissa == pytest.approx(0.5)
    assert spectrum(np.zeros((2, 2))).radius == 0


@pytest.mark.parametrize(("call", "message"), [
    (dict(W=np.ones((2, 3))), r"W has shape \(2, 3\); it must be \(N, N\)"),
    (dict(W=[[np.nan]]), "W has NaN or infinity"),
    (dict(W=np.eye(3), groups=[0, 1]), r"groups has shape \(2,\); it must be \(3,\)"),
    (dict(W=np.eye(3), margin=-1), "margin = -1: it must be at least 0"),
], ids=["shape", "nan", "groups", "margin"])  # fmt: skip
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        spectrum(**call)

"""The course of weights during training, on paths whose length, direction and dimension are known."""

import numpy as np
import pytest

from ratecore.analysis.learning import learning

N = 8
TRIALS = [0, 10, 20, 40]


@pytest.fixture
def first():
    return np.random.default_rng(3).standard_normal((N, N))


def path(first, *changes):
    return np.stack([first + change for change in changes])


def test_a_straight_path_has_one_dimension(first):
    direction = np.random.default_rng(4).standard_normal((N, N))
    found = learning(path(first, *(s * direction for s in (0, 0.25, 0.5, 1))), TRIALS)
    size = np.linalg.norm(direction) / np.linalg.norm(first)
    np.testing.assert_allclose(found.change, size * np.array([0, 0.25, 0.5, 1]), rtol=1e-12)
    assert np.isnan(found.overlap[0])
    np.testing.assert_allclose(found.overlap[1:], 1)
    assert found.dimensionality == pytest.approx(1) and found.trials_to_half == 20
    assert found.radius[-1] == pytest.approx(np.abs(np.linalg.eigvals(first + direction)).max())


def test_a_circle_has_two_dimensions_and_comes_back(first):
    a, b = np.zeros((2, N, N))
    a[0, 1] = b[2, 3] = 1.0
    angles = np.arange(12) * np.pi / 6
    found = learning(path(first, *(np.cos(t) * a + np.sin(t) * b for t in angles)), np.arange(12))
    assert found.dimensionality == pytest.approx(2)
    # The change is a chord from angle 0. By the inscribed angle, two chords enclose half of the arc between their ends.
    np.testing.assert_allclose(found.overlap[1:], np.cos((angles[-1] - angles[1:]) / 2), atol=1e-12)
    chords = 2 * np.sin(angles / 2) / np.linalg.norm(first + a)
    np.testing.assert_allclose(found.change, chords, atol=1e-12)


def test_orthogonal_ends_span_one_dimension_less_than_there_are(first):
    corners = np.eye(N * N)[:5].reshape(5, N, N)
    found = learning(path(first, *corners), np.arange(5))  # a regular simplex
    assert found.dimensionality == pytest.approx(4)
    np.testing.assert_allclose(found.overlap[1:], [0.5, 0.5, 0.5, 1])  # its faces are equilateral triangles


def test_changes_by_type_of_the_sender(first):
    inh = np.arange(N) >= 6
    change = np.where(inh, 0.5, 0.1) * first  # columns are senders
    found = learning(path(first, 0 * change, change), [0, 5], inh)
    assert found.change_exc[-1] == pytest.approx(0.1) and found.change_inh[-1] == pytest.approx(0.5)
    assert np.isnan(learning(path(first, change, 2 * change), [0, 5]).change_inh).all()  # no inhibitory unit


def test_weights_that_do_not_change(first):
    found = learning(np.stack([first, first]), [0, 1])
    assert found.change[-1] == 0 and np.isnan(found.overlap).all()
    assert np.isnan(found.dimensionality) and np.isnan(found.trials_to_half)


def test_few_of_many_copies_have_eigenvalues(first):
    weights = np.stack([k * np.eye(N, dtype=np.float32) for k in range(101)])
    found = learning(weights, np.arange(101) * 3, n_spectra=5)
    assert list(found.spectrum_trials) == [0, 75, 150, 225, 300]
    np.testing.assert_allclose(found.radius, [0, 25, 50, 75, 100])
    np.testing.assert_allclose(found.abscissa, found.radius)


@pytest.mark.parametrize(("changes", "message"), [
    (dict(weights=np.ones((2, 3, 4))), r"weights has shape \(2, 3, 4\); it must be \(S, N, N\)"),
    (dict(weights=np.ones((1, 3, 3))), "at least two copies"),
    (dict(weights=np.full((2, 3, 3), np.inf)), "weights must be finite"),
    (dict(trials=[0, 0]), "trials must be 2 increasing whole numbers"),
    (dict(trials=[0, 1, 2]), "trials must be 2 increasing whole numbers"),
    (dict(inhibitory=[True]), r"inhibitory has shape \(1,\) of bool; it must be \(3,\) of bool"),
    (dict(n_spectra=1), "n_spectra = 1: it must be at least 2"),
], ids=["shape", "one", "inf", "same", "length", "inhibitory", "spectra"])  # fmt: skip
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        learning(**{"weights": np.ones((2, 3, 3)), "trials": [0, 1], **changes})

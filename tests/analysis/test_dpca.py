"""Demixed PCA: marginalisations, planted components, PCA as a special case."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.decomposition import PCA

from ratecore.analysis.dpca import demixed_components, marginalise


def design(K=10, S=3, D=2):
    """K trials of each of S stimuli and D decisions."""
    s, d = np.meshgrid(np.repeat(np.arange(S), K), np.arange(D), indexing="ij")
    return s.ravel(), d.ravel()


def planted(noise=0.1, K=10, T=20, N=40, overlap=0.6, seed=0):
    """Time, stimulus and decision along axes that are not orthogonal, with known courses."""
    rng = np.random.default_rng(seed)
    axes = rng.standard_normal((3, N))
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    axes[2] = overlap * axes[1] + np.sqrt(1 - overlap**2) * axes[2]
    s, d = design(K)
    time = np.sin(np.linspace(0, np.pi, T))
    values = (
        2 * time[None, :, None] * axes[0]
        + (s - 1)[:, None, None] * np.linspace(0, 1, T)[:, None] * axes[1]
        + (d - 0.5)[:, None, None] * np.linspace(0, 2, T)[:, None] * axes[2]
    )
    return values + 4 + noise * rng.standard_normal(values.shape), {"stimulus": s, "decision": d}, axes


def cosine(a, b):
    return abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)


# ------------------------------------------------------------------------------------------------- marginalisations


def test_marginalisations_sum_to_the_means():
    means = np.random.default_rng(0).standard_normal((3, 2, 7, 5))
    parts = marginalise(means, ["stimulus", "decision"])
    assert list(parts) == ["time", "stimulus", "decision", "stimulus x decision"]
    np.testing.assert_allclose(sum(parts.values()), means - means.mean((0, 1, 2)), atol=1e-14)


def test_marginalisations_are_those_of_the_paper():
    """Kobak et al. 2016, Methods: written out for stimulus and decision, angle brackets as means."""
    X = np.random.default_rng(0).standard_normal((3, 2, 7, 5))
    m = {over: X.mean(over, keepdims=True) for over in ((0, 1, 2), (0, 1), (1, 2), (0, 2), (1,), (0,), (2,))}
    total = m[0, 1, 2]
    x_t, x_s, x_d = m[0, 1] - total, m[1, 2] - total, m[0, 2] - total
    x_st, x_dt = m[1,] - total - x_t - x_s, m[0,] - total - x_t - x_d
    x_sd = m[2,] - total - x_s - x_d
    x_sdt = X - total - x_t - x_s - x_d - x_st - x_dt - x_sd
    truth = {"time": x_t, "stimulus": x_s + x_st, "decision": x_d + x_dt, "stimulus x decision": x_sd + x_sdt}
    for name, part in marginalise(X, ["stimulus", "decision"]).items():
        np.testing.assert_allclose(part, np.broadcast_to(truth[name], X.shape), atol=1e-14)


def test_marginalisations_are_uncorrelated_over_conditions():
    means = np.random.default_rng(0).standard_normal((3, 2, 4, 7, 5))
    parts = list(marginalise(means, ["a", "b", "c"]).values())
    assert len(parts) == 8
    for i, one in enumerate(parts):
        for other in parts[:i]:
            assert abs((one * other).sum((0, 1, 2, 3))).max() < 1e-11


def test_marginalisations_can_be_joined_otherwise():
    means = np.random.default_rng(0).standard_normal((3, 7, 5))
    parts = marginalise(means, ["stimulus"], {"stimulus": ["stimulus"], "rest": ["time", "stimulus x time"]})
    np.testing.assert_allclose(parts["stimulus"][:, 0], means.mean(1) - means.mean((0, 1)), atol=1e-14)
    np.testing.assert_allclose(sum(parts.values()), means - means.mean((0, 1)), atol=1e-14)
    for joined in ({"all": ["time", "stimulus"]}, {"all": ["time", "stimulus", "stimulus x time", "time"]}):
        with pytest.raises(ValueError, match="joined: it has"):
            marginalise(means, ["stimulus"], joined)
    for parameters in (["a", "b"], ["time"]):
        with pytest.raises(ValueError, match="an axis for each parameter"):
            marginalise(means, parameters)


# ------------------------------------------------------------------------------------------------------- components


def test_one_marginalisation_is_principal_components():
    values, parameters, _ = planted(noise=0.3)
    everything = {
        "all": ["time"] + [p + t for p in ("stimulus", "decision", "stimulus x decision") for t in ("", " x time")]
    }
    found = demixed_components(values, parameters, 4, 0.0, joined=everything, noise=False)
    truth = PCA(4).fit(found.means.reshape(-1, 40))
    np.testing.assert_allclose(np.abs((found.encoders["all"] * truth.components_).sum(1)), 1, rtol=1e-8)
    np.testing.assert_allclose(np.abs((found.decoders["all"] * truth.components_).sum(1)), 1, rtol=1e-8)
    np.testing.assert_allclose(found.explained["all"], truth.explained_variance_ratio_, rtol=1e-8)
    assert found.shares == {"all": pytest.approx(1)} and found.content["all"] == pytest.approx(np.ones((4, 1)))


def test_planted_components_are_recovered_although_their_axes_overlap():
    values, parameters, axes = planted()
    found = demixed_components(values, parameters, 3)
    for k, name in enumerate(("time", "stimulus", "decision")):
        assert cosine(found.encoders[name][0], axes[k]) > 0.98
        own = list(found.shares).index(name)
        assert found.content[name][0, own] > 0.97  # principal components mix them, since axes overlap
    read = found.project(values)["stimulus"][:, -1, 0]
    assert abs(np.corrcoef(read, parameters["stimulus"])[0, 1]) > 0.9
    pca = PCA(2).fit(found.means.reshape(-1, 40)).components_
    assert max(cosine(axis, axes[1]) for axis in pca) < 0.95


def test_explained_variance_without_noise():
    """Without noise, axes at right angles: each component explains its marginalisation, whose variance is known."""
    values, parameters, _ = planted(noise=0, overlap=0)
    T = 20
    time = 2 * np.sin(np.linspace(0, np.pi, T))
    stimulus = np.square(np.linspace(0, 1, T)).mean() * 2 / 3  # variance of -1, 0, 1
    decision = np.square(np.linspace(0, 2, T)).mean() / 4
    found = demixed_components(values, parameters, 3, 0.0)
    truth = np.array([time.var(), stimulus, decision])
    # The axes are unit vectors, so that variances along them are those of the courses.
    np.testing.assert_allclose([found.shares[m] for m in ("time", "stimulus", "decision")], truth / truth.sum())
    assert found.shares["stimulus x decision"] < 1e-20
    for name in ("time", "stimulus", "decision"):
        assert len(found.encoders[name]) == 1
        np.testing.assert_allclose(found.explained[name][0], found.shares[name], rtol=1e-6)


def test_components_minimise_the_loss():
    """Against a numerical minimum of the paper's loss over single trials, started elsewhere."""
    values, parameters, _ = planted(noise=0.5, K=3, T=4, N=5)
    penalty, part = 0.01, "stimulus"
    found = demixed_components(values, parameters, 1, penalty)
    mean = found.mean
    X = (values - mean).reshape(-1, 5)
    target = marginalise(found.means, list(parameters))[part][parameters["stimulus"], parameters["decision"]]
    target, mu = target.reshape(-1, 5), penalty * np.square(found.means).sum()

    def loss(both):
        f, d = both.reshape(2, 5)
        return np.square(target - np.outer(X @ d, f)).sum() / 3 + mu * np.square(np.outer(f, d)).sum()

    ours = loss(np.concatenate([found.encoders[part][0], found.decoders[part][0]]))
    rng = np.random.default_rng(0)
    best = min(minimize(loss, rng.standard_normal(10), tol=1e-12).fun for _ in range(5))
    assert ours == pytest.approx(best, rel=1e-6)


def test_a_penalty_is_chosen_that_noise_asks_for():
    clean = demixed_components(planted(noise=0.01)[0], planted()[1], 3)
    noisy = demixed_components(planted(noise=3.0, K=4)[0], planted(K=4)[1], 3, noise=False)
    assert noisy.penalty > clean.penalty
    assert noisy.losses[:, 1].min() == noisy.losses[noisy.losses[:, 0] == noisy.penalty, 1][0]
    assert len(demixed_components(planted()[0], planted()[1], 3, 0.1).losses) == 0


def test_shuffled_trials_have_no_stimulus():
    """Of shuffled trials, the mean over the 20 of a stimulus keeps a twentieth of the variance between trials.

    That variance is of stimulus and decision, of which the stimulus alone has 0.24 of 0.58: 0.03 / 0.24 is 12 %. The
    bound is twice that; the mean is over ten shuffles.
    """
    values, parameters, _ = planted(noise=0.1)
    rng, shuffled = np.random.default_rng(3), []
    true = demixed_components(values, parameters, 2, 0.01)
    for _ in range(10):
        found = demixed_components(values[rng.permutation(len(values))], parameters, 2, 0.01)
        shuffled.append(found.shares["stimulus"] * np.square(found.means).sum())
    assert np.mean(shuffled) < 0.24 * true.shares["stimulus"] * np.square(true.means).sum()


def test_short_trials_and_missing_units():
    values, parameters, _ = planted(K=6)
    values[::3, 15:] = np.nan
    values[parameters["stimulus"] == 0, 18:] = np.nan
    more = np.concatenate([values, np.full((*values.shape[:2], 2), np.nan)], 2)
    found = demixed_components(more, parameters, 2)
    assert found.steps.tolist() == list(range(18)) and found.means.shape == (3, 2, 18, 42)
    assert (found.encoders["stimulus"][:, 40:] == 0).all()
    read = found.project(more)["stimulus"]
    assert np.isnan(read[0, 15:]).all() and not np.isnan(read[1, :15]).any()
    values[parameters["stimulus"] == 0] = np.nan
    with pytest.raises(ValueError, match="at no time"):
        demixed_components(values, parameters, 2)


def test_arguments():
    values, parameters, _ = planted(K=2, T=3, N=4)
    with pytest.raises(ValueError, match="at least one parameter"):
        demixed_components(values, {})
    with pytest.raises(ValueError, match="a penalty >= 0"):
        demixed_components(values, parameters, penalty=-1)
    with pytest.raises(ValueError, match="0 trials with stimulus = 0, decision = 1"):
        kept = ~((parameters["stimulus"] == 0) & (parameters["decision"] == 1))
        demixed_components(values[kept], {k: v[kept] for k, v in parameters.items()})
    with pytest.raises(ValueError, match="1 trials with .* at least 2"):
        demixed_components(values[1:], {k: v[1:] for k, v in parameters.items()})
    with pytest.raises(ValueError, match="stimulus: all trials have 0"):
        demixed_components(values, {"stimulus": [0] * len(values)})
    with pytest.raises(ValueError, match="must have 4 units"):
        demixed_components(values, parameters, penalty=0.0).project(np.ones(3))

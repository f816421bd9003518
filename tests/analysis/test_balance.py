"""Currents against equation 1 written out, and balance of signals whose balance and lag are known."""

import itertools

import numpy as np
import pytest
import torch

import ratecore as rate
from ratecore.analysis import balance as bal
from ratecore.analysis import currents as cur
from ratecore.analysis.cross_correlation import cross_correlation, peak_lags
from ratecore.rate.network import RateNetwork
from ratecore.settings.network import NetworkSettings


def test_a_network_of_three_units_by_hand():
    # Unit 2 is inhibitory. At the only step r = (1, 2, 4) and u = (3,).
    W = [[0, 0.5, -1], [2, 0, -0.25], [1, 1, 0]]
    found = cur.currents([[[1, 2, 4]]], W, np.array([False, False, True]), u=[[[3]]], w_in=[[1], [0], [-2]])
    assert found.excitatory.tolist() == [[[1, 2, 3]]] and found.inhibitory.tolist() == [[[-4, -1, 0]]]
    assert found.external.tolist() == [[[3, 0, -6]]]
    assert found.recurrent.tolist() == [[[-3, 1, 3]]] and found.total.tolist() == [[[0, 1, -3]]]
    both = found.with_external()
    assert both.excitatory.tolist() == [[[4, 2, 3]]] and both.inhibitory.tolist() == [[[-4, -1, -6]]]
    np.testing.assert_allclose(bal.weight_balance(W), [-0.5 / 1.5, 1.75 / 2.25, 1])
    of_two = cur.currents([[[1, 2, 4]]], W, sources=np.array([False, True, True]))
    onto = cur.currents([[[1, 2, 4]]], W, u=[[[3]]], w_in=[[1], [0], [-2]], onto=np.array([True, False, True]))
    assert onto.total.tolist() == [[[0, -3]]]
    assert of_two.excitatory.tolist() == [[[1, 0, 2]]] and of_two.inhibitory.tolist() == [[[-4, -1, 0]]]


@pytest.mark.parametrize("dale", [True, False])
def test_currents_are_those_of_equation_1(dale):
    """x of a simulation without noise, in float64, from the currents alone: docs/model.md, equation 1."""
    settings = NetworkSettings(N=30, P_inh=0.3, apply_dale=dale, noise_sd=0)
    net = RateNetwork(settings, 2, rng=3, dtype=torch.float64)
    u = np.random.default_rng(4).standard_normal((4, 2, 25))
    with torch.no_grad():
        x, r, _ = (np.asarray(array) for array in rate.run(net, torch.as_tensor(u), rng=0))
        W, w_in, tau = (array.numpy() for array in (net.effective_weights(), net.w_in, net.time_constants()))
    found = cur.currents(r, W, net.inh.numpy() if dale else None, u=u, w_in=w_in)
    np.testing.assert_allclose(found.total[:, :-1], tau * (x[:, 1:] - (1 - 1 / tau) * x[:, :-1]), atol=1e-10)
    written_out = np.zeros((2, 4, 25, 30))  # excitatory and inhibitory currents, synapse by synapse
    for i, j in itertools.product(range(30), repeat=2):
        written_out[0 if W[i, j] > 0 else 1, :, :, i] += W[i, j] * r[:, :, j]
    np.testing.assert_allclose(found.excitatory, written_out[0], atol=1e-12)
    np.testing.assert_allclose(found.inhibitory, written_out[1], atol=1e-12)
    assert (written_out < 0).any((1, 2, 3)).tolist() == [False, True]


def test_areas_add_up_to_the_whole():
    rng = np.random.default_rng(0)
    r, W, areas = rng.random((3, 5, 6)), rng.standard_normal((6, 6)), np.array(["b", "b", "a", "a", "a", "b"])
    r[2, 3:] = np.nan
    whole = cur.currents(r, W)
    parts = [cur.currents(r, W, sources=areas == name) for name in "ab"]
    np.testing.assert_allclose(sum(part.recurrent for part in parts), whole.recurrent)
    names, exc, inh = cur.mean_currents_by_area(r, W, areas)
    assert names == ["b", "a"]
    for (i, to), (j, source) in itertools.product(enumerate(names), repeat=2):
        own = cur.currents(r, W, sources=areas == source)
        assert exc[i, j] == pytest.approx(np.nanmean(own.excitatory[..., areas == to]))
        assert inh[i, j] == pytest.approx(np.nanmean(own.inhibitory[..., areas == to]))


def signals(n_trials=4, T=200, n=3, seed=0):
    """Smooth positive signals (n_trials, T, n) with different means of trials."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((n_trials, T + 20, n))
    smooth = np.apply_along_axis(np.convolve, 1, white, np.hanning(13), "valid")[:, :T]
    return 10 + smooth + rng.standard_normal((n_trials, 1, n))


def given(E, inh):
    return cur.Currents(E, inh, np.zeros_like(E))


def test_perfect_balance_and_none():
    E = signals()
    perfect = bal.balance(given(E, -E))
    np.testing.assert_allclose([perfect.ratio, perfect.mean_ratio, perfect.lag_ms], 0, atol=1e-12)
    np.testing.assert_allclose([perfect.correlation, perfect.ei_ratio], 1)
    opposite = bal.balance(given(E, E - 20))  # |I| = 20 - E
    np.testing.assert_allclose(opposite.correlation, -1)
    half = bal.balance(given(E, -E / 3))  # (1 - 1/3) / (1 + 1/3) at every moment
    np.testing.assert_allclose([half.ratio, half.mean_ratio], 0.5)
    np.testing.assert_allclose([half.correlation, half.ei_ratio / 3], 1)


def test_loose_balance_cancels_in_the_mean_alone():
    a, b = signals(40, seed=1), signals(40, seed=2)
    loose = bal.balance(given(a, -b * a.mean((0, 1)) / b.mean((0, 1))))
    np.testing.assert_allclose(loose.mean_ratio, 0, atol=1e-12)
    # 8,000 steps, of which about one in 9 is independent: an SD of 1/30; four of them, and three units
    assert (np.abs(loose.correlation) < 4 / 30).all()
    assert (loose.ratio > 0.05).all() and (loose.ratio >= loose.mean_ratio).all()


def test_currents_of_one_kind():
    E = signals()
    only = bal.balance(given(E, np.zeros_like(E)))
    assert (only.ratio == 1).all() and (only.mean_ratio == 1).all()
    assert np.isnan([only.correlation, only.lag_ms, only.ei_ratio]).all()
    none = bal.balance(given(np.zeros_like(E), np.zeros_like(E)))
    assert np.isnan([none.ratio, none.mean_ratio, none.correlation]).all()


@pytest.mark.parametrize("steps", [-6, -1, 0, 1, 4])
def test_a_known_lag_is_found(steps):
    long, T = signals(6, 220), 180
    E, inhibition = long[:, 20 : 20 + T], long[:, 20 - steps : 20 - steps + T]  # |I|(t) = E(t - lag)
    found = bal.balance(given(E, -0.7 * inhibition))
    assert found.cross_correlation[np.flatnonzero(found.lags == 5 * steps)] == pytest.approx(1)
    assert found.lag_ms == pytest.approx(5 * steps, abs=0.5)
    assert bal.balance(given(E, -inhibition), max_lag_ms=2, step_ms=0.1).lag_ms == pytest.approx(steps / 10, abs=0.01)


def test_lags_between_steps_and_peaks_further_out():
    t = np.arange(400.0)
    E = (2 + np.sin(2 * np.pi * t / 80))[None, :, None]
    shifted = (2 + np.sin(2 * np.pi * (t - 2.4) / 80))[None, :, None]
    assert bal.balance(given(E, -shifted)).lag_ms == pytest.approx(2.4 * 5, abs=0.1)
    assert np.isnan(bal.balance(given(E, -shifted), max_lag_ms=10).lag_ms)


def test_correlations_are_those_of_numpy_trial_by_trial():
    a, b = signals(3, 60, 2, seed=3), signals(3, 60, 2, seed=4)
    a[1, 41:] = b[1, 41:] = np.nan  # a shorter trial
    lags, found = cross_correlation(a, b, 30)
    assert lags.tolist() == [5 * k for k in range(-6, 7)]
    for k, lag in enumerate(range(-6, 7)):
        for unit in range(2):
            x, y = [], []
            for trial, T in enumerate((60, 41, 60)):
                first, second = a[trial, :T, unit], b[trial, :T, unit]
                first, second = first[max(-lag, 0) : T - max(lag, 0)], second[max(lag, 0) : T - max(-lag, 0)]
                x += (first - first.mean()).tolist()
                y += (second - second.mean()).tolist()
            assert found[k, unit] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)


def test_noise_correlations_are_without_the_courses_of_conditions():
    rng = np.random.default_rng(5)
    shared, own = rng.standard_normal((2, 41, 80, 2))
    course = 20 * np.sin(np.arange(80.0) / 10)[None, :, None]  # of condition a alone, in both currents
    names = np.array(["a"] * 20 + ["b"] * 20 + ["once"])
    E = 50 + shared + course * (names == "a")[:, None, None]
    inhibition = 50 - shared + own + course * (names == "a")[:, None, None]
    found = bal.noise_correlation(given(E, -inhibition), names)
    # -1/sqrt(2) with an SD of (1 - 1/2)/sqrt(40 x 80) = 0.009; four of them
    np.testing.assert_allclose(found, -np.sqrt(0.5), atol=0.036)
    assert (bal.balance(given(E, -inhibition)).correlation > 0.9).all()
    assert np.isnan(bal.noise_correlation(given(E[-1:], -inhibition[-1:]), names[-1:])).all()


def test_no_peak_without_a_positive_correlation():
    lags = np.arange(-2, 3) * 5.0
    rows = np.array([[0.1, 0.2, 0.5, 0.2, 0.1], [-0.5, -0.4, -0.3, -0.4, -0.5], [0.9, 0.5, 0, 0, 0], [np.nan] * 5])
    np.testing.assert_array_equal(peak_lags(lags, rows.T), [0, np.nan, np.nan, np.nan])


def test_shorter_trials_count_as_long_as_they_last():
    E = signals(2, 100)
    E[1, 60:] = np.nan
    found = bal.balance(given(E, -2 * E))
    np.testing.assert_allclose(found.excitatory, np.concatenate([E[0], E[1, :60]]).mean(0))
    np.testing.assert_allclose(found.ratio, 1 / 3)


def test_types_of_units():
    inh = np.array([False, True, False])
    groups = cur.units_by_type(inh, 3)
    assert list(groups) == ["E", "I"] and list(cur.units_by_type(None, 3)) == ["all"]
    assert list(cur.units_by_type(np.zeros(2, bool), 2)) == ["E"]
    assert cur.onto_types(np.array([[1.0, 2, 3], [4, 5, np.nan]]), groups).tolist() == [[2, 2], [4, 5]]


R, W = np.ones((2, 4, 3)), np.eye(3)
INH = np.array([False, True, False])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r": R[0]}, r"r: shape \(4, 3\)"),
        ({"r": -R}, "r: its smallest rate is -1; rates must be at least 0"),
        ({"r": np.where(INH, np.nan, R)}, "r: some units are NaN where others are not"),
        ({"W": np.eye(4)}, r"W has shape \(4, 4\) of float64; it must be \(3, 3\)"),
        ({"W": np.full((3, 3), np.inf)}, "W has shape"),
        (
            {"inhibitory": INH},
            "W: unit 1 is inhibitory but has positive weights; without Dale's law, inhibitory is None",
        ),
        ({"W": -W, "inhibitory": INH}, "W: unit 0 is excitatory but has negative weights"),
        ({"inhibitory": [0, 1, 0]}, r"inhibitory has shape \(3,\) of int64; it must be \(3,\) of bool"),
        ({"sources": INH[:2]}, "sources has shape"),
        ({"onto": INH[:2]}, "onto has shape"),
        ({"u": np.ones((2, 1, 4))}, "u and w_in: give both"),
        ({"u": np.ones((2, 1, 4)), "w_in": np.ones((2, 1))}, r"w_in has shape \(2, 1\); it must be \(3, n_in\)"),
        ({"u": np.ones((2, 2, 4)), "w_in": np.ones((3, 1))}, r"u has shape \(2, 2, 4\); it must be \(2, 1, 4\)"),
        ({"added": np.ones(3)}, r"added has shape \(3,\); it must be \(4, 3\) or \(2, 4, 3\)"),
    ],
)
def test_what_does_not_fit_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        cur.currents(**{"r": R, "W": W, **arguments})


def test_what_does_not_fit_in_balance_and_areas():
    with pytest.raises(ValueError, match=r"max_lag_ms = 50; it must be from 5 \(one step\) to 5, as the act"):
        bal.balance(cur.currents(R, W))
    with pytest.raises(ValueError, match=r"max_lag_ms = nan; it must be"):
        cross_correlation(R, R, float("nan"))
    with pytest.raises(ValueError, match=r"b has shape \(2, 4, 2\)"):
        cross_correlation(R, R[..., :2], 5)
    with pytest.raises(ValueError, match=r"areas has shape \(2,\)"):
        cur.mean_currents_by_area(R, W, ["a", "b"])

"""Timescales of processes that have known ones, and fits that are not to be used.

A discrete AR(1) process with coefficient a is an Ornstein-Uhlenbeck process of tau = -step / log(a), with the
autocorrelation a**lag, whatever its variance.
"""

import numpy as np
import pytest

from ratecore.analysis.timescales import (
    autocorrelation,
    bootstrap_interval,
    fit_timescale,
    fit_timescales,
    intrinsic_timescales,
)

STEP = 5.0


def ou(tau, B=400, T=100, N=5, seed=0, step=STEP):
    """Stationary, of SD 1."""
    rng = np.random.default_rng(seed)
    a = np.exp(-step / np.broadcast_to(tau, N))
    values = np.empty((B, T, N))
    values[:, 0] = rng.standard_normal((B, N))
    for t in range(1, T):
        values[:, t] = a * values[:, t - 1] + np.sqrt(1 - a**2) * rng.standard_normal((B, N))
    return values


def test_across_trials_it_is_the_mean_of_pearsons_correlations():
    values = ou(20.0, B=12, T=6, N=2)
    conditions = np.arange(12) % 3
    found = autocorrelation(values, 4, conditions)
    rest = values.copy()
    for c in range(3):
        rest[conditions == c] -= values[conditions == c].mean(0)
    for unit in range(2):
        pairs = np.corrcoef(rest[:, :, unit].T)
        expected = [np.mean([pairs[t, t + lag] for t in range(6 - lag)]) for lag in range(5)]
        np.testing.assert_allclose(found[:, unit], expected, atol=1e-12)


def test_trials_that_have_ended_are_left_out():
    values = ou(20.0, B=12, T=6, N=1)
    values[:5, 4:] = np.nan
    found = autocorrelation(values, 5)[:, 0]
    rest = values[:, :, 0] - np.nanmean(values[:, :, 0], 0)
    for lag in range(6):
        pairs = []
        for t in range(6 - lag):
            both = ~np.isnan(rest[:, t] + rest[:, t + lag])
            pairs.append(np.corrcoef(rest[both, t], rest[both, t + lag])[0, 1])
        assert found[lag] == pytest.approx(np.mean(pairs), abs=1e-12)
    values[5:10, 4:] = np.nan  # two trials are too few for a correlation
    assert np.isnan(autocorrelation(values, 5)[:, 0]).tolist() == [False] * 4 + [True] * 2
    within = autocorrelation(values, 5, method="within")[:, 0]
    assert not np.isnan(within).any()


def test_known_timescales_are_recovered_across_trials():
    """The SD of a correlation over 400 trials is below 0.05, and a lag has about T step / tau independent pairs."""
    taus = np.array([20.0, 40.0, 60.0, 80.0])
    found = intrinsic_timescales(ou(taus, B=1500, T=120, N=4), STEP, max_lag_ms=300)
    assert found.units.usable.all() and found.units.reason.tolist() == [""] * 4
    np.testing.assert_allclose(found.units.tau, taus, rtol=0.12)
    np.testing.assert_allclose(found.units.amplitude, 1, atol=0.06)
    np.testing.assert_allclose(found.units.offset, 0, atol=0.06)
    assert (found.units.r2 > 0.99).all() and found.lags[-1] == 300
    np.testing.assert_allclose(found.acf[0], 1)


def test_short_trials_do_not_bias_the_estimate_across_trials_but_within():
    """Marriott & Pope: with the trial's own mean subtracted, E of the products is known; the ratio follows."""
    tau, T, B = 60.0, 30, 4000
    values = ou(tau, B=B, T=T, N=1, seed=1)
    a = np.exp(-STEP / tau)
    truth = a ** np.arange(16)
    across = autocorrelation(values, 15)[:, 0]
    assert np.abs(across - truth).max() < 0.04
    centre = np.eye(T) - 1 / T
    covariance = centre @ a ** np.abs(np.subtract.outer(np.arange(T), np.arange(T))) @ centre
    expected = np.array([covariance.diagonal(lag).mean() for lag in range(16)])
    within = autocorrelation(values, 15, method="within")[:, 0]
    assert np.abs(within - expected / expected[0]).max() < 0.03
    assert (truth - within)[5:].min() > 0.3
    short, right = (fit_timescale(np.arange(16) * STEP, acf, least_r2=0).tau[0] for acf in (within, across))
    assert short < 0.85 * right  # the offset takes up a part of the bias


def test_one_long_trial():
    values = ou(40.0, B=1, T=60_000, N=2)
    found = intrinsic_timescales(values, STEP, method="within", max_lag_ms=250)
    np.testing.assert_allclose(found.units.tau, 40, rtol=0.1)


def test_what_lasts_for_the_trial_is_an_offset():
    """An OU process plus a normal number per trial of the same variance: 0.5 exp(-lag / tau) + 0.5."""
    rng = np.random.default_rng(3)
    values = ou(30.0, B=1500, N=3) + rng.standard_normal((1500, 1, 3))
    found = intrinsic_timescales(values, STEP).units
    np.testing.assert_allclose(found.tau, 30, rtol=0.12)
    np.testing.assert_allclose(found.amplitude, 0.5, atol=0.05)
    np.testing.assert_allclose(found.offset, 0.5, atol=0.06)


def test_what_a_condition_evokes_does_not_count():
    values, conditions = ou(30.0, B=1000, N=2), np.repeat(["go", "nogo"], 500)
    evoked = values + np.where(conditions == "go", 5.0, -5.0)[:, None, None] * np.sin(np.arange(100) / 20)[:, None]
    plain = autocorrelation(values, conditions=conditions)
    np.testing.assert_allclose(autocorrelation(evoked, conditions=conditions), plain, atol=1e-9)
    assert (autocorrelation(evoked)[20] > 0.3 + plain[20]).all()


def test_bins_do_not_change_tau():
    """The autocorrelation of means in bins is the same exponential from lag 1 on, with another amplitude."""
    values = ou(80.0, B=2000, T=200, N=3)
    bins = values.reshape(2000, 50, 4, 3).mean(2)
    found = intrinsic_timescales(bins, 4 * STEP, max_lag_ms=400).units
    np.testing.assert_allclose(found.tau, 80, rtol=0.12)


def test_spike_counts_of_a_poisson_process_with_a_random_rate():
    """Counts of mean 10 and rate SD 2.5: the rate has 6.25 of the variance 16.25, which is the amplitude."""
    rng = np.random.default_rng(4)
    rates = np.clip(10 + 2.5 * ou(100.0, B=2000, T=40, N=3, seed=4, step=20.0), 0, None)
    found = intrinsic_timescales(rng.poisson(rates), 20.0, max_lag_ms=600)
    np.testing.assert_allclose(found.units.tau, 100, rtol=0.2)
    np.testing.assert_allclose(found.units.amplitude, 6.25 / 16.25, atol=0.05)
    assert found.population.tau[0] == pytest.approx(100, rel=0.12) and found.units.usable.all()
    silent = np.zeros((20, 40, 1), int)
    assert intrinsic_timescales(silent, 20.0).units.reason.tolist() == ["no variance"]


def test_white_noise_has_no_timescale():
    values = np.random.default_rng(5).standard_normal((300, 100, 80))
    found = intrinsic_timescales(values, STEP)
    assert found.units.usable.mean() < 0.05 and not found.population.usable[0]
    usable = found.units.usable
    assert np.abs(found.acf[1:]).max() < 0.05 and (found.units.tau[usable] >= STEP).all()
    assert intrinsic_timescales(values, STEP, zero_lag=True).units.reason.tolist() == ["fast"] * 80


def test_constant_and_absent_units():
    values = ou(20.0, B=50, T=60, N=4).astype(np.float32)
    values[:, :, 0] = 0.3
    values[:, :, 1] = 1 + 1e-7 * values[:, :, 1]  # rounding of float32
    values[:, :, 2] = np.nan
    for method in ("across", "within"):
        found = intrinsic_timescales(values, STEP, method=method)
        assert found.units.reason.tolist() == ["no variance"] * 3 + [""]
        assert np.isnan(found.units.tau[:3]).all() and np.isnan(found.acf[:, :3]).all()
        np.testing.assert_allclose(found.mean_acf, found.acf[:, 3])


LAGS = np.arange(41) * STEP


@pytest.mark.parametrize("zero_lag", [False, True])
def test_exact_decays(zero_lag):
    """Also a fast one and one far beyond the lags, which have narrow and broad minima."""
    taus, amplitudes, offsets = (
        np.array([8.0, 30.0, 90.0, 150.0]),
        np.array([0.9, 0.3, 2, 1]),
        np.array([0, 0.4, -1, 0]),
    )
    acf = amplitudes * np.exp(-LAGS[:, None] / taus) + offsets
    found = fit_timescales(LAGS, acf, zero_lag=zero_lag)
    np.testing.assert_allclose(found.tau, taus, rtol=1e-4)
    np.testing.assert_allclose(found.amplitude, amplitudes, rtol=1e-4)
    np.testing.assert_allclose(found.offset, offsets, atol=1e-3)
    assert found.usable.all() and (found.se < 1e-2).all() and (found.r2 > 1 - 1e-9).all()
    np.testing.assert_allclose(found.curve(LAGS, 1), acf[:, 1], rtol=1e-4)


def test_standard_error_is_that_of_repeated_fits():
    rng = np.random.default_rng(6)
    acf = 0.8 * np.exp(-LAGS / 40)[:, None] + 0.02 * rng.standard_normal((41, 200))
    found = fit_timescales(LAGS, acf)
    assert found.se.mean() == pytest.approx(found.tau.std(), rel=0.2)  # of an SD from 200 fits: 5 %
    assert found.tau.mean() == pytest.approx(40, abs=1)


def test_a_dip_is_left_out_if_asked():
    acf = 0.6 * np.exp(-LAGS / 50)
    acf[1:3] = -0.3, 0.1
    assert abs(fit_timescale(LAGS, acf).tau[0] - 50) > 10
    assert fit_timescale(LAGS, acf, skip_dip=True).tau[0] == pytest.approx(50, rel=1e-4)


REASONS = {
    "flat": np.full(41, 0.3),
    "negative": 0.5 - 0.4 * np.exp(-LAGS / 30),
    "slow": np.exp(-LAGS / 1000),
    "fast": np.exp(-LAGS / 2),
    "no variance": np.full(41, np.nan),
    "few lags": np.where(LAGS < 4.5 * STEP, np.exp(-LAGS / 30), np.nan),
}


@pytest.mark.parametrize("reason", REASONS)
def test_fits_that_are_not_usable(reason):
    found = fit_timescale(LAGS, REASONS[reason], zero_lag=reason == "fast")
    assert found.reason.tolist() == [reason] and not found.usable[0]


def test_a_timescale_that_is_hardly_known_is_uncertain():
    """A steep first step, of which the noise of a few lags decides: R^2 is high, the standard error larger than tau."""
    rng = np.random.default_rng(0)
    x = np.arange(6) * STEP
    found = fit_timescales(x, np.exp(-x / 25)[:, None] + 0.05 * rng.standard_normal((6, 100)))
    assert "uncertain" in found.reason
    chosen = found.reason == "uncertain"
    assert (found.se[chosen] > found.tau[chosen]).all() and (found.r2[chosen] > 0.5).all()


def test_interval_of_the_population():
    """Of the intervals of 20 populations, about 19 hold the truth: fewer than 15 in one case of 3,000."""
    held = 0
    for seed in range(20):
        low, high = bootstrap_interval(ou(20.0, B=60, T=30, N=4, seed=seed), STEP, n=40, max_lag_ms=100)
        held += low <= 20 <= high
        assert high - low < 25
    assert held >= 15
    noise = np.random.default_rng(0).standard_normal((20, 40, 1))
    assert np.isnan(bootstrap_interval(noise, STEP, n=5, least_r2=0.9)).all()
    with pytest.raises(ValueError, match="n = 1, level = 0.95; n must be at least 2"):
        bootstrap_interval(noise, STEP, n=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(method="both"), "method = 'both'; it must be one of across, within"),
        (dict(max_lag_ms=500), "max_lag_ms = 500; the largest lag must be from 5 ms .* less than the window of 500 ms"),
        (dict(step_ms=0), "step_ms = 0; it must be above 0"),
        (dict(conditions=range(20)), "conditions: 20 in 20 trials; one must have at least 3"),
        (dict(conditions=[1, 2]), r"conditions: shape \(2,\)"),
        (dict(activity=np.zeros((2, 100, 1))), "activity: 2 trials; correlations across trials need at least 3"),
        (dict(activity=np.zeros((3, 4))), r"activity: shape \(3, 4\)"),
    ],
)
def test_arguments(changes, message):
    arguments = {"activity": np.ones((20, 100, 1)), "step_ms": STEP, **changes}
    with pytest.raises(ValueError, match=message):
        intrinsic_timescales(**arguments)


def test_lags_are_those_of_the_autocorrelations():
    with pytest.raises(ValueError, match=r"lags of shape \(41,\), acf of shape \(41, 1\); they must be ascending"):
        fit_timescale(LAGS[::-1], np.ones(41))
    with pytest.raises(ValueError, match="max_lag = 100; it must be from 0 to 99"):
        autocorrelation(np.ones((5, 100, 1)), 100)


def test_units_without_synapses_have_their_own_decay_times():
    """With W = 0, x is an AR(1) process with 1 - 1 / tau (docs/model.md 1): decay -5 / log(1 - 1 / tau) ms."""
    import torch

    from ratecore.rate.activity import trial_activity
    from ratecore.rate.network import RateNetwork
    from ratecore.settings.network import NetworkSettings
    from ratecore.tasks import TaskFactory

    task = TaskFactory.create_task("go-nogo", {"T": 240, "stim_on": 230, "stim_dur": 5})
    net = RateNetwork(NetworkSettings(N=12, P_inh=0.3, taus=(4, 12)), 1, 0)
    with torch.no_grad():
        net.w.zero_()
        net.taus_gaus[:, 0] = torch.linspace(-3, 3, 12)
        decay = net.time_constants().numpy().astype(float)
    x = trial_activity(task, net, 0, range(600)).x[:, 80:220]  # after the start from almost 0
    found = intrinsic_timescales(x, STEP, max_lag_ms=300).units
    truth = -STEP / np.log(1 - 1 / decay)
    assert found.usable.all() and truth.max() - truth.min() > 20
    np.testing.assert_allclose(found.tau, truth, rtol=0.2)
    assert abs(np.mean(found.tau / truth) - 1) < 0.05

"""Spiking networks against the float64 reference of model.md 5, an analytic f-I curve and statistics with bounds."""

import numpy as np
import pytest
import reference_lif
from scipy import stats

from ratecore.spiking import SpikingSettings, kernels, rate_model, simulate
from ratecore.spiking.lif import Simulator


def content(N=12, n_in=2, seed=0, weight=60.0, taus=(4.0, 20.0)):
    """The content of a `.mat` file of a network that fires; its inhibitory units are a third."""
    rng = np.random.default_rng(seed)
    inh = np.arange(N) % 3 == 0
    w, w0 = (rng.random((N, N)) * (rng.random((N, N)) < 0.5) * weight / np.sqrt(N) for _ in range(2))
    return {
        "w": w, "w0": w0, "w_in": rng.standard_normal((N, n_in)), "w_out": rng.standard_normal((1, N)), "b_out": 0.3,
        "m": np.diag(np.where(inh, -1.0, 1.0)), "som_m": np.ones((N, N)), "inh": inh[:, None], "exc": ~inh[:, None],
        "N": N, "taus": np.array([taus]), "taus_gaus": rng.standard_normal((N, 1)),
        "taus_gaus0": rng.standard_normal((N, 1)),
    }  # fmt: skip


def stimulus(T=16, n_in=2, seed=1):
    return np.random.default_rng(seed).standard_normal((n_in, T)) * 20


def noise_of(randomness, sd):
    """The noise (nt, N) of a trial in mV, drawn at once and not a rate step at a time."""
    N = randomness.v0.size
    seeds = np.zeros((3, N + -N % kernels.PADDING), np.uint32)
    seeds[:, :N] = randomness.seeds
    noise = np.zeros((kernels.WARM_UP + randomness.kicks.size, seeds.shape[1]), np.float32)
    kernels.fill_noise(seeds, 1, sd, noise)
    return noise[kernels.WARM_UP :, :N].astype(float)


def reference(data, settings, scaling, u, randomness, hit, noise):
    """The same trial by the reference, from the content of the file alone."""
    signs = np.diag(data["m"])
    w = data["w0"] if settings.use_initial_weights else data["w"]
    low, *high = np.ravel(data["taus"])
    tau = low + (high[0] - low) / (1 + np.exp(-data["taus_gaus"][:, 0])) if high else np.full(len(w), low)
    qif = settings.model == "qif"
    p = dict(
        W=w * signs * data["som_m"] / scaling, w_out=data["w_out"][0] / scaling, w_in=data["w_in"], td=5 * tau,
        tr=settings.tau_rise, tau_m=settings.tau_m, refractory=settings.refractory, dt=settings.dt, qif=qif,
        threshold=30.0 if qif else -40.0, reset=-65.0, peak=30.0, downsample=settings.downsample,
        bias=(0.0 if qif else -40.0) if settings.bias is None else settings.bias,
        bias_out=0.3 if settings.readout_bias else 0.0,
    )  # fmt: skip
    return reference_lif.lif(p, u, randomness.v0, noise, randomness.kicks, hit)


CASES = [
    {},
    dict(downsample=3),
    dict(tau_rise=5.0),
    dict(refractory=0.0),
    dict(refractory=7.3, dt=0.1),
    dict(tau_m=20.0, dt=0.2),
    dict(readout_bias=True),
    dict(use_initial_weights=True),
    dict(stimulation=dict(mode="exc", units=(1, 3), window=(20, 50))),
    dict(stimulation=dict(mode="inh", units="inh"), downsample=2),
]


@pytest.mark.parametrize("noise_sd", [0.0, 0.1])
@pytest.mark.parametrize("tau_rise", [2.0, 0.0], ids=["double", "single"])
@pytest.mark.parametrize("model", ["lif", "qif"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_trial_is_that_of_the_reference_to_the_last_spike(case, model, tau_rise, noise_sd):
    data, u, scaling = content(), stimulus(), 5.0
    values = {"tau_rise": tau_rise, **case, "model": model, "noise_sd": noise_sd}
    settings = SpikingSettings(**values, bias=200.0 if model == "qif" else None)
    simulator = Simulator(rate_model(data), settings)
    randomness = simulator.draw(np.random.default_rng(2), simulator.steps(u.shape[1]))
    noise = noise_of(randomness, noise_sd) if noise_sd else None
    truth = reference(data, settings, scaling, u, randomness, simulator.hit, noise)
    trial = simulator.record(scaling, u, randomness, states=True)
    assert truth["spikes"].sum() > 15 and trial.nt == len(truth["out"])
    assert np.array_equal(trial.raster(12).T, truth["spikes"])
    for ours, theirs in ((trial.v, "v"), (trial.r, "r"), (trial.ipsc, "ipsc"), (trial.out, "out")):
        np.testing.assert_allclose(ours, truth[theirs], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(trial.rates, truth["spikes"][10:].sum(0) / (trial.nt * trial.dt))


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("settings", [{}, dict(readout_bias=True), dict(model="qif", bias=200.0), dict(tau_rise=0.0)])
def test_each_of_several_outputs_is_that_of_the_reference(settings, every):
    data, u, scaling = content(), stimulus(), 5.0
    data |= {"w_out": np.random.default_rng(7).standard_normal((3, 12)), "b_out": np.array([0.3, -1.0, 2.0])}
    settings = SpikingSettings(**settings, noise_sd=0.0)
    model = rate_model(data)
    simulator = Simulator(model, settings, every)
    randomness = simulator.draw(np.random.default_rng(2), simulator.steps(u.shape[1]))
    out, count = simulator.outputs([scaling, 9.0], u, randomness)
    n = randomness.kicks.size // every
    assert model.n_out == 3 and out.shape == (2, 3, n) and count.shape == (2, 12)
    for k in range(3):
        one = {**data, "w_out": data["w_out"][k : k + 1], "b_out": data["b_out"][k]}
        truth = reference(one, settings, scaling, u, randomness, simulator.hit, None)
        bias = data["b_out"][k] - 0.3 if settings.readout_bias else 0.0  # the reference has that of `content`
        np.testing.assert_allclose(out[0, k], truth["out"][every - 1 :: every] + bias, rtol=1e-9, atol=1e-9)
        # An output does not depend on how many there are beside it.
        np.testing.assert_array_equal(
            Simulator(rate_model(one), settings, every).outputs([scaling], u, randomness)[0][0], out[0, k]
        )
    trial = simulator.record(scaling, u, randomness)
    np.testing.assert_array_equal(trial.out, out[0])


@pytest.mark.parametrize("taus", [(4.0, 20.0), (10.0,)])
@pytest.mark.parametrize("tau_rise", [2.0, 0.0])
def test_many_lambdas_and_rare_outputs_are_those_of_trials_alone(tau_rise, taus):
    # What a search does: outputs every tenth step from filters that were left alone in between.
    model, settings, u = rate_model(content(taus=taus)), SpikingSettings(tau_rise=tau_rise), stimulus()
    rare, each = Simulator(model, settings, 10), Simulator(model, settings)
    randomness = rare.draw(np.random.default_rng(0), rare.steps(u.shape[1]))
    scalings = [3.0, 5.0, 9.0]
    out, count = rare.outputs(scalings, u, randomness)
    for k, scaling in enumerate(scalings):
        alone = each.record(scaling, u, randomness)
        np.testing.assert_allclose(out[k], alone.out[9::10], rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(count[k], np.round(alone.rates * alone.nt * alone.dt))
    assert not np.array_equal(count[0], count[2])


@pytest.mark.parametrize("refractory", [0.0, 2.0, 5.0])
def test_an_isolated_unit_has_the_analytic_rate(refractory):
    # One unit without synapses; a small step, since a spike waits for the end of its step.
    data = content(N=1, n_in=1, taus=(4.0,)) | {"w": np.zeros((1, 1)), "w_in": np.ones((1, 1))}
    settings = SpikingSettings(noise_sd=0.0, dt=0.01, refractory=refractory, v_init_low=-65.0, v_init_high=-65.0)
    for current in (1.0, 5.0, 20.0, 60.0):
        trial = simulate(rate_model(data), 1.0, np.full((1, 401), current), settings, 0)
        expected = reference_lif.lif_rate(current - 40, refractory=refractory)
        first, last = trial.spike_steps[[0, -1]] * trial.dt
        assert (trial.spike_steps.size - 1) / (last - first) == pytest.approx(expected, rel=0.01)
    silent = simulate(rate_model(data), 1.0, np.full((1, 201), -0.5), settings, 0)
    assert silent.spike_steps.size == 0


def test_statistics_with_noise_are_those_of_the_reference():
    # n = 50 trials each, noise of two unrelated generators; Welch's t and Levene's test, each at p > 0.001.
    data, u, scaling, n = content(weight=30.0), stimulus(T=13), 8.0, 50
    settings = SpikingSettings()
    simulator = Simulator(rate_model(data), settings)
    rng, seen = np.random.default_rng(5), {"ours": [], "theirs": []}
    for k in range(n):
        randomness = simulator.draw(np.random.default_rng(1000 + k), simulator.steps(13))
        ours = simulator.record(scaling, u, randomness)
        other = simulator.draw(rng, simulator.steps(13))
        noise = 0.1 * rng.standard_normal((other.kicks.size, 12))
        theirs = reference(data, settings, scaling, u, other, simulator.hit, noise)
        seen["ours"].append((ours.rates.mean(), ours.out[500:].mean(), ours.out[500:].std()))
        spikes, out = theirs["spikes"][10:], theirs["out"][500:]
        seen["theirs"].append((spikes.sum() / 12 / (ours.nt * ours.dt), out.mean(), out.std()))
    for ours, theirs in zip(np.array(seen["ours"]).T, np.array(seen["theirs"]).T, strict=True):
        assert ours.std() > 0
        assert stats.ttest_ind(ours, theirs, equal_var=False).pvalue > 1e-3
        assert stats.levene(ours, theirs).pvalue > 1e-3


def test_noise_is_normal_and_independent_between_units_and_steps():
    simulator = Simulator(rate_model(content(N=40)), SpikingSettings())
    x = noise_of(simulator.draw(np.random.default_rng(3), 20000), 0.1) / 0.1
    n = x.size
    assert stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    assert abs(x.mean()) < 4 / np.sqrt(n) and abs(x.std() - 1) < 4 / np.sqrt(2 * n)
    correlations = np.corrcoef(x.T)[np.triu_indices(40, 1)] * np.sqrt(len(x))
    assert abs(correlations).max() < 4.5 and abs(correlations.std() - 1) < 0.1  # 780 pairs
    for lag in (1, 2, 100):
        assert abs((x[lag:] * x[:-lag]).mean()) < 4 / np.sqrt(n)


def test_dales_law_holds_in_what_is_converted():
    data = content()
    data["w"][0, 1], data["w"][2, 0] = -0.7, -0.4  # as a file of others may have: not rectified
    model = rate_model(data)
    inh = data["inh"][:, 0]
    assert (model.W[:, inh] <= 0).all() and (model.W[:, ~inh] >= 0).all()
    assert model.W[0, 1] == 0 and model.W[2, 0] == 0 and (model.W != 0).any()
    free = content() | {"apply_dale": 0.0, "w": content()["w"] - 1}
    assert (np.sign(rate_model(free).W[:, 1]) == -1).any()  # without the law the sign is the weight's own


def test_noise_is_the_same_with_stimulation():
    plain, stimulated = (
        Simulator(rate_model(content()), SpikingSettings(stimulation={"mode": mode, "probability": 0.3}))
        for mode in ("none", "exc")
    )
    a, b = (simulator.draw(np.random.default_rng(1), 20000) for simulator in (plain, stimulated))
    assert np.array_equal(a.v0, b.v0) and np.array_equal(a.seeds, b.seeds) and not a.kicks.any()
    assert set(b.kicks) == {0.0, 0.5} and abs((b.kicks > 0).mean() - 0.3) < 4 * np.sqrt(0.21 / 20000)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(dt=0.03), "dt = 0.03: it must divide the rate step of 5 ms"),
        (dict(tau_m=0), "tau_m = 0: Input should be greater than 0"),
        (dict(refractory=-1.0), "refractory = -1.0"),
        (dict(downsample=200), "downsample = 200: it must be at most 5 ms / dt = 100"),
        (dict(v_reset=-30.0), "v_reset = -30: it must be below the threshold, -40"),
        (dict(v_peak=-50.0), "v_peak = -50: it must be at least the threshold"),
        (dict(v_init_low=40.0), "v_init_low = 40: it must be at most v_init_high = 30"),
        (dict(model="hh"), "model = 'hh'.*'lif' or 'qif'"),
        (dict(refractry=1.0), "unknown setting 'refractry' .did you mean 'refractory'"),
        (dict(stimulation=dict(units="pv+")), "stimulation.units = 'pv.'.*all, exc, inh, som"),
        (dict(stimulation=dict(units=[-1])), "stimulation.units = .*indices >= 0"),
        (dict(stimulation=dict(window=[5, 3])), "stimulation.window = .*a start >= 0 and a later end"),
        (dict(stimulation=dict(mode="light")), "stimulation.mode = 'light'"),
    ],
)
def test_settings_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=message):
        SpikingSettings(**values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": None}, "it has no w$"),
        ({"m": np.ones((12, 12))}, "m is not a diagonal"),
        ({"w_out": np.ones((1, 5))}, r"w_out has shape \(1, 5\); it must be \(1, 12\)"),
        ({"taus_gaus": np.full((12, 1), np.nan)}, "taus_gaus must be finite numbers"),
        ({"taus": [1.0, 2.0, 3.0]}, "taus = .*a minimum and a maximum"),
    ],
)
def test_models_that_cannot_be(changes, message):
    data = {key: value for key, value in {**content(), **changes}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        rate_model(data)


def test_calls_that_cannot_be():
    model = rate_model({key: value for key, value in content().items() if key != "w0"})
    with pytest.raises(ValueError, match=r"u has shape \(1, 41\); it must be \(2, T\)"):
        simulate(model, 5.0, np.zeros((1, 41)))
    with pytest.raises(ValueError, match="must be a number above 0"):
        simulate(model, 0.0, stimulus())
    with pytest.raises(ValueError, match="units = .12.: they must be indices from 0 to 11"):
        simulate(model, 5.0, stimulus(), SpikingSettings(stimulation=dict(mode="exc", units=(12,))))
    with pytest.raises(ValueError, match="use_initial_weights = True: .*w0"):
        simulate(model, 5.0, stimulus(), SpikingSettings(use_initial_weights=True))
    with pytest.raises(TypeError, match="model is a int"):
        rate_model(3)

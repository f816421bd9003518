"""A rate network and its spiking network, against single trials, full states and manually computed components."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from conftest import flipped_bits

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.formats import FormatError, comparison_bytes, load_comparison
from ratecore.rate.dynamics import run, trial_noise
from ratecore.rate.network import RateNetwork
from ratecore.spiking import SpikingSettings, compare, kernels, rate_model, simulate
from ratecore.spiking.comparison import Mean, components
from ratecore.spiking.exploration import lesioned
from ratecore.spiking.lif import Simulator
from ratecore.spiking.scoring import TrialsOfTask, outputs_every, rate_steps
from ratecore.system.streams import stream
from ratecore.tasks import GoNogoTask, ManteTask, XORTask

SCALING, SEED = 0.5, 4


def network(n_in=1, N=14, seed=2, **changes):
    """An untrained network whose spiking network fires and whose readout is not small."""
    net = FR_RNN_dale.from_settings(NetworkSettings(N=N, P_inh=0.4, **changes), n_in, seed)
    with torch.no_grad():
        net.w_in.abs_().mul_(8)
        net.w_out.mul_(20)
    return net


def task(kind=GoNogoTask, **changes):
    return kind({"T": 40, "stim_on": 5, "stim_dur": 10, **changes})


def by_bins(values, settings, T, every=1):
    """Means (T, ..) of values (n + 1, ..) from time 0, `every` LIF steps apart, over the 5 ms of each rate step; then
    the last one.
    """
    times = np.arange(len(values)) * every * round(settings.step * 1000)  # whole microseconds
    found = []
    for t in range(T):
        there = values[(times >= 5000 * t) & (times < 5000 * (t + 1))]
        found.append(there.mean(0) if len(there) else found[-1])
    return np.array(found)


CASES = [{}, dict(downsample=3), dict(tau_rise=0.0), dict(dt=0.5, refractory=1.0), dict(model="qif", bias=60.0)]


@pytest.fixture(scope="module", params=CASES, ids=str)
def one_by_one(request):
    """A comparison, and each of its trials run alone: condition, rate output and activity, LIF output, activity and
    rates.
    """
    settings, net, of = SpikingSettings(**request.param), network(), task()
    found, alone = compare(net, of, settings, SCALING, SEED, 4), []
    for k in range(8):
        rng = stream(SEED, "comparison", k)
        kind = ("go", "nogo")[k % 2]
        u, _ = of.generate_stimulus(kind, rng)
        x0, noise = trial_noise([rng], of.T, net.N)
        with torch.no_grad():
            _, r, o = run(net, torch.as_tensor(u[None], dtype=torch.float32), x0=x0, noise=noise, engine="torch")
            assert o[0, 0] == pytest.approx((r[0, 0] @ net.w_out[0] + net.b_out).item(), abs=1e-6)
        trial = simulate(rate_model(net), SCALING, u, settings, rng, states=True)
        start = np.zeros((1, net.N))
        activity = by_bins(np.concatenate([start, trial.r]), settings, of.T)
        every = outputs_every(settings)
        out = by_bins(np.append(0, trial.out[every - 1 :: every]), settings, of.T, every)
        alone.append((kind, o[0].numpy(), r[0].numpy(), out, activity, trial.rates, trial, u))
    return found, alone, of, rate_model(net)


def test_outputs_are_those_of_trials_run_alone(one_by_one):
    found, alone, _, model = one_by_one
    assert found.conditions == ["go", "nogo"] and found.n_trials.tolist() == [4, 4]
    for c, name in enumerate(found.conditions):
        rate, lif = (np.array([row[i] for row in alone if row[0] == name]) for i in (1, 3))
        np.testing.assert_allclose(found.rate_mean[c], rate.mean(0), atol=1e-5)
        np.testing.assert_allclose(found.rate_sd[c], rate.std(0), atol=1e-5)
        np.testing.assert_allclose(found.lif_mean[c], lif.mean(0), atol=1e-12)
        np.testing.assert_allclose(found.lif_sd[c], lif.std(0), atol=1e-9)
    assert found.lif_sd.max() > 0.01 and found.rate_sd.max() > 0.01
    np.testing.assert_allclose(found.rates, np.mean([row[5] for row in alone], 0))
    assert np.array_equal(found.inh, model.inh) and np.array_equal(found.som, model.som)


def test_activity_and_components_are_those_of_the_full_states(one_by_one):
    found, alone, of, _ = one_by_one
    for i, activity, parts in (
        (2, found.rate_activity, found.rate_components),
        (4, found.lif_activity, found.lif_components),
    ):
        means = np.array([np.mean([row[i] for row in alone if row[0] == name], 0) for name in found.conditions])
        bound = 1e-5 if i == 2 else 1e-9  # the rate network is in single precision
        np.testing.assert_allclose(activity, means[:, 15:].mean(1), rtol=bound, atol=bound)
        rows = means.reshape(-1, 14)
        rows = rows - rows.mean(0)
        _, sizes, axes = np.linalg.svd(rows)
        np.testing.assert_allclose(parts.explained, (sizes**2 / (sizes**2).sum())[:3], rtol=1e-3)
        truth = (rows @ axes[:3].T).reshape(2, of.T, 3)
        scale = np.abs(truth).max()
        for p in range(3):
            off = min(np.abs(parts.projections[..., p] - sign * truth[..., p]).max() for sign in (1, -1))
            assert off < (1e-3 if i == 2 else 1e-9) * scale


def test_the_readout_of_the_activity_is_the_spiking_output_over_all_steps(one_by_one):
    _, alone, _of, model = one_by_one
    # Linear, so it holds of means over 5 ms too. The output is looked at less often than the activity.
    error = np.concatenate([row[4] @ model.w_out[0] / SCALING - row[3] for row in alone])
    assert np.abs(error).max() < 0.02 * max(np.abs(row[3]).max() for row in alone)


def test_examples_are_the_first_trial_of_each_condition(one_by_one):
    found, alone, _, _ = one_by_one
    for name, example in zip(found.conditions, found.examples, strict=True):
        *_, trial, u = next(row for row in alone if row[0] == name)
        assert np.array_equal(example.u, u) and example.dt == trial.dt
        assert np.array_equal(example.spike_steps, trial.spike_steps)
        assert np.array_equal(example.spike_units, trial.spike_units) and len(trial.spike_units) > 20
        every = round(example.out_dt / example.dt)
        assert example.out_dt <= 0.0015
        np.testing.assert_allclose(example.out, trial.out[every - 1 :: every], atol=1e-9)


def test_a_trial_of_many_spikes_in_bins_of_unequal_length():
    settings = SpikingSettings(dt=0.5, downsample=3)  # 3 or 4 steps a rate step
    trial = simulate(rate_model(network()), SCALING, np.ones((1, 40)), settings, 0, states=True)
    bins = rate_steps(trial.nt, settings)
    assert set(np.bincount(bins[:-1])) == {3, 4}
    means = np.empty((bins[-1] + 1, 14))
    simulator = Simulator(rate_model(network()), settings)
    kernels.filtered_by_bin(simulator.cell, simulator.wiring, trial.spike_steps, trial.spike_units, bins, means)
    whole = np.concatenate([np.zeros((1, 14)), trial.r])
    np.testing.assert_allclose(means, by_bins(whole, settings, len(means)), rtol=1e-12, atol=1e-12)


def test_the_same_each_time_and_the_same_stimuli_for_a_lesioned_network():
    net, of = network(), task()
    one, again = (compare(net, of, None, SCALING, SEED, 3) for _ in range(2))
    assert comparison_bytes(one) == comparison_bytes(again)
    other = compare(net, of, None, SCALING, SEED + 1, 3)
    assert not np.array_equal(one.rate_mean, other.rate_mean)
    gone, count = lesioned(rate_model(net), 1.0)
    cut = compare(net, of, None, SCALING, SEED, 3, model=gone)
    assert count > 0 and np.array_equal(cut.rate_mean, one.rate_mean)
    assert not np.array_equal(cut.lif_mean, one.lif_mean)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kind", "changes", "names"),
    [
        (XORTask, {}, ["++", "+-", "-+", "--"]),
        (ManteTask, {"T": 60}, ["color +", "color -", "motion +", "motion -"]),
    ],
)
def test_every_condition_is_there_however_few_trials_are_asked_for(kind, changes, names, seed):
    if kind is XORTask:
        changes = {"T": 60, "delay": 2}
    found = compare(network(kind.n_inputs), task(kind, **changes), SpikingSettings(dt=0.5), SCALING, seed, 1)
    assert found.conditions == names and found.n_trials.tolist() == [1] * 4
    assert found.stimulus_windows.tolist() == [list(w) for w in task(kind, **changes).stimulus_windows]
    assert found.response.tolist() == list(task(kind, **changes).response_steps)
    assert [e.u.shape for e in found.examples] == [(kind.n_inputs, 60)] * 4


def test_components_of_one_pattern_that_grows_and_falls():
    pattern, course = np.array([3.0, 0.0, -4.0, 0.0]), np.stack([np.sin(np.arange(30) / 9), np.zeros(30)])
    found = components(7 + course[..., None] * pattern)
    assert found.explained == pytest.approx([1, 0, 0], abs=1e-12)
    np.testing.assert_allclose(found.projections[..., 0], 5 * (course - course.mean()), atol=1e-12)  # |pattern| = 5
    np.testing.assert_allclose(found.projections[..., 1:], 0, atol=1e-12)
    turned = components(7 + course[..., None] * pattern, like=-found.projections)
    np.testing.assert_allclose(turned.projections[..., 0], -found.projections[..., 0], atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 5), (2, 9, 2), (2, 9, 5)])
def test_components_without_variance_or_with_few_units(shape):
    found = components(np.ones(shape))
    assert found.projections.shape == (*shape[:2], 3) and not found.projections.any() and not found.explained.any()


def test_mean_and_sd_of_what_comes_one_at_a_time():
    values, mean = np.random.default_rng(0).standard_normal((50, 3)) + 1e6, Mean()
    for value in values:
        mean.add(value)
    np.testing.assert_allclose(mean.mean, values.mean(0), rtol=1e-14)
    np.testing.assert_allclose(mean.sd, values.std(0), rtol=1e-8)


def test_what_does_not_fit_is_named():
    net, of = network(), task()
    with pytest.raises(ValueError, match="the network has 1 inputs; task mante has 4"):
        compare(net, ManteTask(), None, SCALING, SEED)
    with pytest.raises(ValueError, match="model has 9 units and 1 inputs; net has 14 and 1"):
        compare(net, of, None, SCALING, SEED, model=rate_model(network(N=9)))
    with pytest.raises(ValueError, match="trials_per_type = 0; it must be at least 1"):
        compare(net, of, None, SCALING, SEED, 0)
    with pytest.raises(ValueError, match=r"scaling_factor = \[-1.0\]"):
        compare(net, of, None, -1.0, SEED)


# --------------------------------------------------------------------------------------------------------- files


def flat(value):
    """Every array, number and name in a dataclass, in order."""
    if dataclasses.is_dataclass(value):
        return [x for f in dataclasses.fields(value) for x in flat(getattr(value, f.name))]
    if isinstance(value, list):
        return [x for item in value for x in flat(item)]
    return [value]


@pytest.fixture(scope="module")
def compared():
    return compare(network(som_N=2), task(), SpikingSettings(dt=0.5), SCALING, SEED, 3)


def test_a_file_has_the_same_comparison(compared, tmp_path):
    path = tmp_path / "comparison.npz"
    path.write_bytes(comparison_bytes(compared))
    read = load_comparison(path)
    assert len(flat(read)) == len(flat(compared)) and read.conditions == compared.conditions
    for ours, theirs in zip(flat(read), flat(compared), strict=True):
        if isinstance(theirs, np.ndarray) and theirs.dtype.kind == "f":
            assert ours.dtype == float and ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-30)  # single precision
        else:
            assert np.array_equal(ours, theirs)
    assert comparison_bytes(read) == comparison_bytes(compared) and read.som.sum() == 2


def test_damaged_files_are_named(compared, tmp_path):
    path, data, rng = tmp_path / "comparison.npz", comparison_bytes(compared), np.random.default_rng(0)
    path.write_bytes(data)
    true, refused = load_comparison(path), 0
    for changed in flipped_bits(data, rng):
        path.write_bytes(changed)
        try:
            read = load_comparison(path)
        except FormatError as error:
            assert "comparison.npz: not a readable comparison" in str(error)
            refused += 1
        else:  # of a date, or the like
            assert comparison_bytes(read) == comparison_bytes(true)
    assert refused > 70


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inh", np.zeros(3, bool)),
        ("rate_mean", np.zeros(4)),
        ("rates", np.zeros(14, complex)),
        ("lif_projections", np.zeros((2, 40, 2))),
        ("example_spikes", np.array([3, -3])),
        ("conditions", np.array([{}, {}])),
    ],
)
def test_arrays_that_do_not_fit_are_named(compared, tmp_path, name, value):
    path = tmp_path / "comparison.npz"
    np.savez(path, **dict(np.load(io.BytesIO(comparison_bytes(compared)))) | {name: value})
    with pytest.raises(FormatError, match="comparison.npz: not a readable comparison"):
        load_comparison(path)


def test_a_file_of_a_network_as_in_the_paper_is_small():
    net, of = network(4, N=250), ManteTask()
    data = comparison_bytes(compare(net, of, None, 50.0, 0, 1))
    assert len(data) < 500_000


def test_means_of_trials_of_different_length_are_over_those_that_last():
    rng, mean = np.random.default_rng(0), Mean()
    rows = rng.standard_normal((5, 2, 8))
    for row, steps in zip(rows, (8, 5, 6, 5, 7), strict=True):
        row[:, steps:] = np.nan
        mean.add(row)
    np.testing.assert_allclose(mean.mean, np.nanmean(rows, 0), rtol=1e-12)
    np.testing.assert_allclose(mean.sd, np.nanstd(rows, 0), rtol=1e-12, atol=1e-15)
    nothing = Mean()
    nothing.add(np.full(3, np.nan))
    assert np.isnan(nothing.mean).all() and np.isnan(nothing.sd).all() and mean.n == 5


def test_components_leave_out_steps_that_no_trial_has():
    activity = np.random.default_rng(1).standard_normal((2, 9, 5))
    activity[1, 6:] = np.nan
    found = components(activity)
    rows = activity.reshape(-1, 5)[:15]
    _, sizes, axes = np.linalg.svd(rows - rows.mean(0))
    np.testing.assert_allclose(found.explained, (sizes**2 / (sizes**2).sum())[:3])
    truth = (rows - rows.mean(0)) @ axes[:3].T
    np.testing.assert_allclose(np.abs(found.projections.reshape(-1, 3)[:15]), np.abs(truth), atol=1e-12)
    assert np.isnan(found.projections[1, 6:]).all()


@pytest.mark.parametrize("changes", [{"n_out": 2}, {"n_in": 2}])
def test_networks_of_other_sizes_than_the_task_are_refused(changes):
    net = RateNetwork(NetworkSettings(N=6), changes.get("n_in", 1), 0, n_out=changes.get("n_out", 1))
    what = "outputs" if "n_out" in changes else "inputs"
    with pytest.raises(ValueError, match=f"the network has 2 {what}; task go-nogo has 1"):
        compare(net, task(), None, SCALING, SEED, 1)
    with pytest.raises(ValueError, match=f"the network has 2 {what}; task go-nogo has 1"):
        TrialsOfTask(rate_model(net), task(), SpikingSettings(), 0)

"""The two implementations of an update agree; noise and scalar functions against NumPy and SciPy."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate.dynamics import draw_noise, trial_noise
from ratecore.rate.updates import FusedUpdates, TorchUpdates, make_updates
from ratecore.settings.training import TrainingSettings

CASES = [
    dict(activation=act, apply_dale=dale, som_N=som, taus=taus)
    for act in ("sigmoid", "clipped_relu", "softplus")
    for dale, som in ((True, 0), (True, 2), (False, 0))
    for taus in ((4.0, 20.0), (10.0,))
]


def trials(batch, dtype, seed, N=14, T=18):
    rng = np.random.default_rng(seed)
    u, z = (torch.as_tensor(rng.standard_normal(shape), dtype=dtype) for shape in ((batch, 2, T), (batch, T)))
    return u, z, *draw_noise(batch, T, N, rng, dtype)


def network(case, dtype):
    return FR_RNN_dale.from_settings(NetworkSettings(N=14, P_inh=0.4, P_rec=0.5, **case), 2, 1, dtype=dtype)


@pytest.mark.parametrize("batch", [1, 5, 19])  # one by one; 16 side by side and 3 one by one
@pytest.mark.parametrize("loss_fn", ["l2", "l1"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_fused_updates_are_those_of_torch(case, loss_fn, batch):
    # Adam divides a gradient by its own size, so a gradient near 0 turns rounding into a step: float64 shows that the
    # formulas agree, and float32 is held to a looser bound after a few updates.
    training = TrainingSettings(loss_fn=loss_fn)
    for dtype, bound in ((torch.float64, 1e-9), (torch.float32, 2e-3)):
        a, b = network(case, dtype), network(case, dtype)
        torch_updates, fused = TorchUpdates(a, training), FusedUpdates(b, training)
        for k in range(6):
            drawn = trials(batch, dtype, k)
            assert fused.update(*drawn) == pytest.approx(torch_updates.update(*drawn), rel=10 * bound)
        for name, value in a.named_parameters():
            assert torch.allclose(dict(b.named_parameters())[name], value, rtol=bound, atol=bound / 10), name
        theirs, ours = torch_updates.state_dict(), fused.state_dict()
        assert theirs["param_groups"] == ours["param_groups"] and theirs["state"].keys() == ours["state"].keys()
        if dtype == torch.float64:
            for k, entry in theirs["state"].items():
                assert all(
                    torch.allclose(entry[key], ours["state"][k][key].to(entry[key].dtype), rtol=1e-7, atol=1e-12)
                    for key in entry
                )


@pytest.mark.parametrize(("first", "second"), [(TorchUpdates, FusedUpdates), (FusedUpdates, TorchUpdates)])
def test_either_goes_on_where_the_other_stopped(first, second):
    training, case = TrainingSettings(), CASES[0]
    whole, net = network(case, torch.float64), network(case, torch.float64)
    updates, other = first(whole, training), first(net, training)
    for k in range(3):
        updates.update(*trials(2, torch.float64, k))
        other.update(*trials(2, torch.float64, k))
    going_on = second(net, training)
    going_on.load_state_dict(copy.deepcopy(other.state_dict()))
    for k in range(3, 6):
        updates.update(*trials(2, torch.float64, k))
        going_on.update(*trials(2, torch.float64, k))
    assert torch.allclose(whole.w, net.w, rtol=1e-9) and torch.allclose(whole.taus_gaus, net.taus_gaus, rtol=1e-9)


def test_trials_of_other_lengths_follow_each_other():
    nets = [network(CASES[0], torch.float64) for _ in range(2)]
    fused, torch_updates = FusedUpdates(nets[0], TrainingSettings()), TorchUpdates(nets[1], TrainingSettings())
    for batch, T in ((1, 18), (22, 9), (3, 25), (7, 18), (1, 18)):
        drawn = trials(batch, torch.float64, T, T=T)
        assert fused.update(*drawn) == pytest.approx(torch_updates.update(*drawn), rel=1e-9)


@pytest.mark.parametrize("kind", [TorchUpdates, FusedUpdates])
@pytest.mark.parametrize("loss_fn", ["l2", "l1"])
def test_without_any_error_nothing_moves(kind, loss_fn):
    net = network(CASES[0], torch.float32)
    with torch.no_grad():
        net.w_out.zero_()
    before = net.w.detach().clone()
    u, z, x0, noise = trials(1, torch.float32, 0)
    assert kind(net, TrainingSettings(loss_fn=loss_fn)).update(u, z * 0, x0, noise) == 0
    assert torch.equal(net.w, before) and torch.isfinite(net.w_out).all()


def test_which_updates():
    assert type(make_updates(network(CASES[0], torch.float32), TrainingSettings())) is FusedUpdates

    class Other(FR_RNN_dale):
        """A network of one's own may compute its weights in another way."""

    other = Other.from_settings(NetworkSettings(N=5), 1, 0)
    assert type(make_updates(other, TrainingSettings())) is TorchUpdates


def test_noise_is_normal_to_its_tails():
    _, noise = draw_noise(1, 4001, 1000, 5)
    x = noise.numpy().ravel().astype(float) / 0.1
    n = x.size  # four million
    assert stats.kstest(x, "norm").pvalue > 1e-3
    assert abs(x.mean()) < 4 / np.sqrt(n) and abs(x.std() - 1) < 4 / np.sqrt(2 * n)
    assert abs(stats.skew(x)) < 4 * np.sqrt(6 / n) and abs(stats.kurtosis(x)) < 4 * np.sqrt(24 / n)
    for limit in (2.0, 3.0, 4.0, 4.5):
        expected = 2 * stats.norm.sf(limit) * n
        assert abs((abs(x) > limit).sum() - expected) < 4 * np.sqrt(expected)
    assert abs(x).max() < 5.3  # 23 bits end at 5.29 standard deviations
    for lag in (1, 2, 1000):
        assert abs((x[lag:] * x[:-lag]).mean()) < 4 / np.sqrt(n)


def test_noise_of_a_trial_depends_on_its_generator_alone():
    def generators():
        return [np.random.Generator(kind(7)) for kind in (np.random.SFC64, np.random.PCG64, np.random.MT19937)]

    x0, noise = trial_noise(generators(), 30, 11)
    for k, rng in enumerate(generators()):
        alone_x0, alone = trial_noise([rng], 30, 11, torch.float64)
        assert torch.equal(alone[0].float(), noise[k]) and torch.equal(alone_x0[0].float(), x0[k])
    assert abs(float(noise.std()) - 0.1) < 4 * 0.1 / np.sqrt(2 * noise.numel())


def test_vector_functions():
    from ratecore.rate.dynamics import kernels
    from ratecore.system.noise import fill_normal

    x = np.concatenate([np.linspace(-90, 90, 5001), [0.0, -0.0, 1e-30, 19.999, 20.001]]).astype(np.float32)
    truth = {
        "sigmoid": 1 / (1 + np.exp(-x.astype(float))),
        "softplus": np.minimum(np.logaddexp(0, x.astype(float)), 20),
    }
    for name, values in truth.items():
        r = np.empty_like(x)
        kernels.apply_phi(x, kernels.CODES[name], r)
        np.testing.assert_allclose(r, values, rtol=2e-6, atol=1e-37)
        bad = np.array([np.nan, np.inf, -np.inf], np.float32)
        out = np.empty_like(bad)
        kernels.apply_phi(bad, kernels.CODES[name], out)
        assert np.isnan(out[0]) and out[1] == values.max() and out[2] < 1e-30
    words = np.array([0, 2**32 - 1, 2**31, 512, 123456789, 2**32 - 513], np.uint32)
    out = np.empty(6, np.float32)
    fill_normal(words, np.float32(1), out)
    uniform = ((words >> 9).astype(float) + 0.5) / 2**23
    np.testing.assert_allclose(out, stats.norm.ppf(uniform), rtol=3e-6, atol=1e-6)

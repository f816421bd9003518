"""Network and dynamics against the float64 reference of docs/model.md 1 and 3, and against the stated distributions."""

import numpy as np
import pytest
import reference
import torch

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate.dynamics import draw_noise, run
from ratecore.rate.losses import loss_op


def make(N=30, seed=0, dtype=torch.float64, n_in=2, **changes):
    return FR_RNN_dale.from_settings(NetworkSettings(N=N, **changes), n_in, seed, dtype=dtype)


def parameters(net):
    p = {k: getattr(net, k).detach().double().numpy() for k in ("w", "m", "som_m", "w_in", "w_out", "b_out")}
    return p | {
        "taus": net.taus.tolist(),
        "taus_gaus": net.taus_gaus.detach().double().numpy(),
        "dale": net.apply_dale,
        "act": net.activation,
    }


def relative(a, b):
    return np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b)


CASES = [
    dict(activation=act, apply_dale=dale, som_N=som, taus=taus)
    for act in ("sigmoid", "clipped_relu", "softplus")
    for dale, som in ((True, 0), (True, 2), (False, 0))
    for taus in ((4.0, 20.0), (10.0,))
]


@pytest.mark.parametrize("engine", ["torch", "fused"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_forward_is_the_reference(case, batch, engine):
    rng = np.random.default_rng(7)
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        net = make(P_inh=0.4, dtype=dtype, **case)
        u = torch.as_tensor(rng.standard_normal((batch, 2, 40)), dtype=dtype)
        x0, noise = draw_noise(batch, 40, net.N, 3, dtype)
        x, r, o = run(net, u, x0=x0, noise=noise, engine=engine)
        for k in range(batch):
            p = parameters(net)
            true_x, true_r, true_o = reference.forward(p, *(v[k].double().numpy() for v in (u, x0, noise)))
            truth = true_x, true_r, np.append(p["w_out"][0] @ true_r[0] + p["b_out"][0], true_o)
            for mine, true in zip((x[k], r[k], o[k]), truth, strict=True):
                assert relative(mine.detach(), true) < bound


@pytest.mark.parametrize("engine", ["torch", "fused"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("loss_fn", ["l2", "l1"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_gradients_are_those_of_the_reference(case, loss_fn, batch, engine):
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        net = make(N=10, P_inh=0.4, P_rec=0.5, dtype=dtype, **case)
        rng = np.random.default_rng(5)
        u, z = (torch.as_tensor(rng.standard_normal(shape), dtype=dtype) for shape in ((batch, 2, 16), (batch, 16)))
        x0, noise = draw_noise(batch, 16, 10, 3, dtype)
        _, _, o = run(net, u, x0=x0, noise=noise, engine=engine)
        loss_op(o, z, {"loss_fn": loss_fn}).backward()
        trials = [[v[k].double().numpy() for v in (u, z, x0, noise)] for k in range(batch)]
        p = parameters(net)
        for name in ["w", "w_out", "b_out"] + (["taus_gaus"] if len(p["taus"]) == 2 else []):
            truth = np.array([slope(p, name, i, trials, loss_fn) for i in np.ndindex(p[name].shape)])
            assert relative(getattr(net, name).grad.numpy().ravel(), truth) < bound


def slope(p, name, index, trials, loss_fn):
    moved = p[name].astype(complex)
    moved[index] += 1e-30j
    p = p | {name: moved}
    losses = [reference.loss(reference.forward(p, u, x0, noise)[2], z, loss_fn) for u, z, x0, noise in trials]
    return np.mean(losses).imag / 1e-30


def test_noise_has_the_stated_distribution():
    x0, noise = draw_noise(4, 501, 100, 1)
    # 200,000 samples: the standard error of the SD is 0.1 / sqrt(4e5) = 1.6e-4.
    assert abs(float(noise.std()) - 0.1) < 4 * 1.6e-4
    assert abs(float(noise.mean())) < 4 * 0.1 / np.sqrt(2e5)
    assert abs(float(x0.std()) - 0.01) < 4 * 0.01 / np.sqrt(800)
    white = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    assert abs(float(white)) < 4 / np.sqrt(2e5)


@pytest.mark.parametrize("dale", [True, False])
def test_starting_weights_have_the_stated_distribution(dale):
    net = make(N=300, apply_dale=dale)
    w = net.w.detach().numpy()
    n = w.size
    assert abs((w != 0).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / n)
    live = w[w != 0]
    sd = 1.5 / np.sqrt(300 * 0.2)
    assert abs(np.sqrt((live**2).mean()) / sd - 1) < 4 / np.sqrt(2 * len(live))
    if dale:
        assert (w >= 0).all()
        assert abs(int(net.inh.sum()) - 60) < 4 * np.sqrt(300 * 0.16)
    else:
        assert abs(live.mean()) < 4 * sd / np.sqrt(len(live)) and not net.inh.any()
        assert torch.equal(net.m, torch.eye(300, dtype=net.m.dtype))


def test_gamma_weights():
    live = make(N=300, w_dist="gamma").w.detach().numpy()
    live = live[live != 0]
    # Gamma(2, 0.003): mean 0.006, SD 0.003 sqrt(2), kurtosis 6: the SD's error is SD sqrt((kurtosis + 2) / 4n).
    sd, n = 0.003 * np.sqrt(2), len(live)
    assert abs(live.mean() - 0.006) < 4 * sd / np.sqrt(n)
    assert abs(live.std() - sd) < 4 * sd * np.sqrt((3 + 2) / (4 * n))


def test_other_starting_values_have_the_stated_distribution():
    nets = [make(N=500, seed=s, n_in=4) for s in range(4)]
    for name, sd in (("w_in", 1.0), ("w_out", 0.01), ("taus_gaus", 1.0)):
        values = np.concatenate([getattr(net, name).detach().numpy().ravel() for net in nets]) / sd
        n = len(values)
        assert abs(values.mean()) < 4 / np.sqrt(n) and abs(values.std() - 1) < 4 / np.sqrt(2 * n), name
    assert all(float(net.b_out.detach()) == 0 for net in nets)


def test_sst_units_receive_no_inhibition():
    net = make(N=100, som_N=5)
    W, inh = net.effective_weights().detach(), net.inh
    sst = torch.nonzero(inh)[:5, 0]
    assert not W[sst][:, inh].any() and W[sst][:, ~inh].any()
    assert (W[:, inh] <= 0).all() and (W[:, ~inh] >= 0).all()
    others = torch.nonzero(inh)[5:, 0]
    assert W[others][:, inh].any()


def test_seeds_and_global_generators():
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    a, b, c = make(seed=3), make(seed=3), make(seed=4)
    arrays_a, arrays_b = (dict(net.named_parameters()) | dict(net.named_buffers()) for net in (a, b))
    assert all(torch.equal(value, arrays_b[name]) for name, value in arrays_a.items())
    assert not torch.equal(a.w, c.w)
    assert torch.equal(torch_before, torch.get_rng_state()) and (numpy_before == np.random.get_state()[1]).all()


def test_seed_package_forward():
    net = FR_RNN_dale(20, 0.2, 0.2, torch.randn(20, 1), 0, "gaus", 1.5, True, torch.randn(1, 20) / 100, "cpu")
    out = net.forward(torch.zeros(1, 50), [10], {"activation": "sigmoid", "P_rec": 0.2}, {"DeltaT": 1})
    assert len(out) == 11
    assert len(out[1]) == len(out[2]) == 50 and out[1][0].shape == (20, 1) and len(out[3]) == 49


def test_lesions_remove_live_synapses_only():
    net = make(N=60)
    before = int(net.live_synapses().sum())
    removed = net.lesion_w(0.25, seed=1)
    assert removed == round(0.25 * before) and int(net.live_synapses().sum()) == before - removed
    live, exc = net.live_synapses(), net.exc
    e_to_i = int(live[~exc][:, exc].sum())
    counts = net.lesion_w_by_type(0.5, seed=1)
    assert counts["E-I"] == round(0.5 * e_to_i)
    assert int(net.live_synapses()[~exc][:, exc].sum()) == e_to_i - counts["E-I"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"N": 0}, "N = 0: Input should be greater than or equal to 1"),
        ({"P_inh": 1.5}, "P_inh = 1.5: Input should be less than or equal to 1"),
        ({"taus": (20, 4)}, "the minimum must be below the maximum"),
        ({"taus": (0.5,)}, "at least one step"),
        ({"activation": "tanh"}, "activation = 'tanh': Input should be 'sigmoid', 'clipped_relu' or 'softplus'"),
        ({"som_N": 25}, "it must be at most the number of inhibitory units, which is"),
        ({"som_N": 1, "apply_dale": False}, "there are 0 inhibitory units"),
        ({"gian": 2}, r"unknown setting 'gian' \(did you mean 'gain'\?\)"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_bad_shapes_are_named():
    net = make()
    with pytest.raises(ValueError, match=r"stim has shape \(1, 3, 10\); it must be \(B, 2, T\)"):
        run(net, torch.zeros(1, 3, 10))
    with pytest.raises(ValueError, match=r"noise has shape \(1, 10, 30\); it must be \(1, 9, 30\)"):
        run(net, torch.zeros(1, 2, 10, dtype=torch.float64), noise=np.zeros((1, 10, 30)))
    with pytest.raises(ValueError, match="DeltaT = 5; it must be above 0 and at most the smallest tau, 4"):
        net.forward(torch.zeros(2, 10), [4], None, {"DeltaT": 5})


def test_engines_agree_on_gradients_through_the_states():
    grads = []
    for engine in ("torch", "fused"):
        net = make(N=15, P_rec=0.5)
        rng = np.random.default_rng(2)
        u = torch.as_tensor(rng.standard_normal((3, 2, 20))).requires_grad_()
        x0, noise = (v.requires_grad_() for v in draw_noise(3, 20, 15, 3, torch.float64))
        x, r, o = run(net, u, x0=x0, noise=noise, engine=engine)
        (x.square().sum() + (r[:, 3:9] * 2).sum() + o.sum()).backward()
        grads.append([v.grad for v in (net.w, net.w_out, net.b_out, net.taus_gaus, u, x0, noise)])
    for a, b in zip(*grads, strict=True):
        assert relative(a.numpy(), b.numpy()) < 1e-12

"""Forward trials in one compiled call: those of the torch engine, for the network as it is at each call."""

import copy
import threading

import numpy as np
import pytest
import torch

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate.dynamics import alone, draw_noise, outputs, packed, run, simulate
from ratecore.rate.updates import FusedUpdates
from ratecore.settings.training import TrainingSettings

pytestmark = pytest.mark.skipif(not packed.lanes_of(np.float32), reason="the processor cannot permute vectors")
CASES = [
    dict(activation=activation, apply_dale=dale, som_N=som, taus=taus)
    for activation in ("sigmoid", "clipped_relu", "softplus")
    for dale, som, taus in ((True, 0, (4.0, 20.0)), (True, 2, (10.0,)), (False, 0, (4.0, 20.0)))
]


def network(dtype=torch.float32, N=37, n_out=1, **settings):
    return FR_RNN_dale.from_settings(NetworkSettings(N=N, P_inh=0.4, **settings), 2, 1, dtype=dtype, n_out=n_out)


def trials(net, B=2, T=17):
    u = torch.as_tensor(np.random.default_rng(B).standard_normal((B, 2, T)), dtype=net.w.dtype)
    return u, *draw_noise(B, T, net.N, 0, net.w.dtype)


def in_one_call(net, u, x0, noise):
    with torch.no_grad():
        return alone.simulated(net, u, x0, noise, True, net.activation, "xrh", 1)


@pytest.mark.parametrize("forward", [simulate, run])
@pytest.mark.parametrize("n_out", [1, 3])
@pytest.mark.parametrize("N", [5, 16, 37, 70])
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_trials_and_gradients_are_those_of_torch(case, N, n_out, forward):
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 2e-5)):
        if not packed.lanes_of(np.float32 if dtype == torch.float32 else np.float64):
            continue
        nets = [network(dtype, N, n_out, **(case | {"som_N": min(case["som_N"], 1)})) for _ in range(2)]
        u, x0, noise = trials(nets[0])
        assert in_one_call(nets[0], u, x0, noise) is not None
        found = []
        for net, engine in zip(nets, (None, "torch"), strict=True):
            states = forward(net, u, x0=x0, noise=noise, engine=engine)
            sum((v**2).sum() for v in states).backward()
            found.append([*states, *(p.grad for p in net.parameters() if p.requires_grad)])
        for ours, theirs in zip(*found, strict=True):
            assert torch.allclose(ours, theirs, rtol=bound, atol=bound * float(theirs.detach().abs().max()))
        with torch.no_grad():
            for ours, theirs in zip(forward(nets[0], u, x0=x0, noise=noise), found[0], strict=False):
                assert torch.equal(ours, theirs)  # with and without a graph
        o = outputs(nets[0], u, x0, noise)
        assert torch.equal(o[..., 1:], found[0][2][..., -16:]) and found[0][2].shape[-1] == 16 + (forward is run)
        first = found[1][1][:, :1] @ nets[1].w_out.T + nets[1].b_out
        assert torch.allclose(o[..., :1], first.mT if n_out > 1 else first[..., 0], rtol=bound, atol=bound)


def by_numpy(net):
    net.w.detach().numpy()[3:9] *= 1.5  # no tensor is told


def by_another_matrix(net):
    net.w.data = torch.roll(net.w.data, 1, 0).T


def by_an_optimizer(net):
    u, x0, noise = trials(net, 1)
    FusedUpdates(net, TrainingSettings()).update(u, u[:, 0], x0, noise)


def by_time_constants(net):
    with torch.no_grad():
        net.taus_gaus += 1


def by_settings(net):
    net.settings = net.settings.model_copy(update={"taus": (4.0, 40.0)})


def by_signs(net):
    net.m[2, 2] *= -1


def by_a_dense_matrix(net):
    with torch.no_grad():
        net.w.add_(0.01)


CHANGES = [
    by_numpy,
    by_another_matrix,
    by_an_optimizer,
    by_time_constants,
    by_settings,
    by_signs,
    by_a_dense_matrix,
    lambda net: net.lesion_w(0.3),
    lambda net: net.w_in.mul_(2),
    lambda net: net.w_out.data.mul_(2),
    lambda net: net.double(),
    lambda net: setattr(net, "apply_dale", False),
    lambda net: setattr(net, "activation", "softplus"),
    lambda net: net.load_state_dict(network(gain=0.7).state_dict()),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_network_that_changed_is_simulated_as_it_is(change):
    net = network()
    with torch.no_grad():
        simulate(net, trials(net)[0], rng=1)
        change(net)
        u, x0, noise = trials(net)
        ours = simulate(net, u, x0=x0, noise=noise)
        new = simulate(copy.deepcopy(net), u, x0=x0, noise=noise)  # of which nothing is known
        torch_engine = simulate(net, u, x0=x0, noise=noise, engine="torch")
    for a, b, c in zip(ours, new, torch_engine, strict=True):
        assert torch.equal(a, b) and torch.allclose(a, c, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["stim", "x0", "noise"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(name, value):
    net = network()
    given = dict(zip(("stim", "x0", "noise"), trials(net), strict=True))
    given[name][0, 0] = value
    with torch.no_grad(), pytest.raises(ValueError, match=f"{name} holds NaN, infinity"):
        simulate(net, given.pop("stim"), **given)


def test_a_gradient_of_the_noise_is_another_engines():
    net = network()
    u, x0, noise = trials(net)
    simulate(net, u, x0=x0, noise=noise.requires_grad_())[2].sum().backward()
    assert noise.grad is not None and net.w.grad is not None


def test_threads_do_not_share_buffers():
    net = network(N=60)
    u, x0, noise = trials(net, 7, 60)
    alone_x, found = in_one_call(net, u, x0, noise)[1], []

    def simulate():
        found.append(all(torch.equal(in_one_call(net, u, x0, noise)[1], alone_x) for _ in range(20)))

    threads = [threading.Thread(target=simulate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4

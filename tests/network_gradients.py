"""Networks of any settings in all engines: outputs, losses and gradients next to those of the float64 reference."""

import copy
import functools

import numpy as np
import reference
import torch

from ratecore import NetworkSettings
from ratecore.rate.dynamics import outputs, simulate, trial_noise
from ratecore.rate.network import RateNetwork
from ratecore.rate.stacked import BlockUpdates, StackedNetworks
from ratecore.rate.updates import FusedUpdates, TorchUpdates
from ratecore.settings.training import TrainingSettings

N_IN, T = 2, 12
ENGINES = ("single", "lanes", "torch", "stacked")
PRECISIONS = ((torch.float64, 1e-10), (torch.float32, 1e-5))
FIRST = {"N": 12, "P_inh": 0.4, "P_rec": 0.5}
NAMES = ("w", "w_in", "w_out", "b_out", "taus_gaus", "x0_mean")
KINDS = {"w": "w", "w_in": "w_in", "w_out": "w_out", "b_out": "b_out", "x0_mean": "x0"}


def network(row, dtype, seed=1, n_out=1):
    net = RateNetwork(NetworkSettings(**{**FIRST, **row}), N_IN, seed, dtype=torch.float64, n_out=n_out)
    with torch.no_grad():  # outputs of order 1; a first state that is not 0; a net with rounding would not be the same
        net.w_out.mul_(100)
        net.b_out.copy_(torch.linspace(-0.4, 0.7, n_out))
        if net.x0_mean is not None:
            net.x0_mean.copy_(torch.linspace(-1, 1, net.N))
    return net.to(dtype)


def drawn(batch, N, n_out=1, seed=3):
    rng = np.random.default_rng(seed)
    x0, noise = trial_noise([rng] * batch, T, N, torch.float64, x0_sd=0.2)
    shape = (batch, T) if n_out == 1 else (batch, n_out, T)
    return (
        torch.from_numpy(rng.standard_normal((batch, N_IN, T))),
        torch.from_numpy(rng.standard_normal(shape)),
        x0,
        noise,
    )


def parameters(net):
    names = [name for name in (*NAMES, "m", "som_m", "conn_m") if getattr(net, name) is not None]
    p = {name: getattr(net, name).detach().double().numpy() for name in names}
    s = net.settings
    return p | {"taus": s.taus, "dale": s.apply_dale, "act": s.activation}


def loss(p, trials, loss_fn):
    u, z, x0, noise = (v.numpy() for v in trials)
    of = [reference.loss(reference.forward(p, u[b], x0[b], noise[b])[2], z[b], loss_fn) for b in range(len(u))]
    return np.mean(of)


def may_train(net, name, index):
    """Whether the settings let training change an entry, from their meaning in config/README.md."""
    s, inh = net.settings, net.inh.numpy()

    def inside(unit, group):
        area, _, kind = group.rpartition(".")
        kind, area = (kind, area) if kind in ("all", "exc", "inh", "som") else ("all", kind)
        som = inh[unit] and inh[:unit].sum() < s.som_N
        fits = {"all": True, "exc": not inh[unit], "inh": inh[unit], "som": som}[kind]
        if area:
            sizes = list(s.areas.values())
            sizes = [round(size * s.N) if sum(sizes) == 1 else int(size) for size in sizes]
            start = sum(sizes[: list(s.areas).index(area)])
            fits = fits and start <= unit < start + sizes[list(s.areas).index(area)]
        return fits

    if name == "taus_gaus":
        kinds = {"taus", "taus_inh" if inh[index[0]] else "taus_exc"}
        return len(s.taus) == 2 and s.taus_file is None and bool(kinds & set(s.trained))
    if KINDS[name] not in s.trained:
        return False
    if name == "w":
        blocks = [[part.strip() for part in block.split("->")] for block in s.frozen]
        return not any(inside(index[1], sender) and inside(index[0], receiver) for sender, receiver in blocks)
    if name in ("w_in", "w_out"):
        groups, unit = (s.input_units, index[0]) if name == "w_in" else (s.output_units, index[1])
        return any(inside(unit, group) for group in groups)
    return True


def slopes(net, trials, loss_fn, most=14):
    """The loss and, by the complex step, its derivative for some entries of every array; None where none is trained."""
    p, rng = parameters(net), np.random.default_rng(0)
    found = {}
    for name in NAMES:
        if name not in p:
            continue
        every = list(np.ndindex(p[name].shape))
        chosen = every if len(every) <= most else [every[k] for k in rng.choice(len(every), most, replace=False)]
        for index in chosen:
            if not may_train(net, name, index):
                found[name, index] = None
                continue
            shifted = p[name].astype(complex)
            shifted[index] += 1e-30j
            found[name, index] = loss({**p, name: shifted}, trials, loss_fn).imag / 1e-30
    return loss(p, trials, loss_fn), found


@functools.cache
def _one(engine):
    return {"single": 3, "lanes": 7, "torch": 3, "stacked": 3}[engine]


def batch_of(engine):
    """Number of trials for which `FusedUpdates` runs them as the engine's name says."""
    return _one(engine)


def updated(engine, net, trials, loss_fn, row, **training):
    """The network after one update by an engine, its mean loss, and the gradients by name."""
    net = copy.deepcopy(net)
    trials, training = [v.to(net.w.dtype) for v in trials], TrainingSettings(loss_fn=loss_fn, **training)
    if engine == "stacked":
        other = network(row, net.w.dtype, 2, net.n_out)
        updates = BlockUpdates(StackedNetworks([other, net]), training)
        value = updates.update(*(torch.stack([v, v]) for v in trials))[1]
        updates.networks.write_back()
        state = updates.state_dicts()[1]["state"]
    else:
        updates = (TorchUpdates if engine == "torch" else FusedUpdates)(net, training)
        value = updates.update(*trials)
        state = updates.state_dict()["state"]
    # After one step of Adam the first moment is a tenth of the gradient.
    names = [name for name, p in net.named_parameters() if p.requires_grad]
    moments = {name: state[k].get("exp_avg") for k, name in enumerate(names)}
    return net, value, {name: m.double().numpy() * 10 for name, m in moments.items() if m is not None}


def check(engine, row, dtype, bound, loss_fn="l2", n_out=1, most=14):
    """Hold one engine on one network to the reference: outputs, loss, gradients, and what may change."""
    net, exact = network(row, dtype, n_out=n_out), network(row, torch.float64, n_out=n_out)
    trials = drawn(batch_of(engine), net.N, n_out)
    with torch.no_grad():  # to the same numbers
        for name in NAMES:
            if getattr(net, name) is not None:
                getattr(exact, name).copy_(getattr(net, name))
    u, _, x0, noise = (v.to(dtype) for v in trials)
    truth = [
        reference.forward(parameters(exact), *(v[b].numpy() for v in (trials[0], trials[2], trials[3])))
        for b in range(len(u))
    ]
    if engine == "stacked":
        ones = [v[None] for v in (u, x0, noise)]
        found = StackedNetworks([net]).run(*ones)[2][0]
    elif engine == "lanes":
        found = outputs(net, u, x0, noise)[..., 1:]
    else:
        found = simulate(net, u, x0=x0, noise=noise, engine="torch" if engine == "torch" else "fused")[2]
    np.testing.assert_allclose(found.detach().double().numpy(), [o for _, _, o in truth], rtol=bound, atol=bound)
    value, expected = slopes(exact, trials, loss_fn, most)
    after, given, gradients = updated(engine, net, trials, loss_fn, row)
    np.testing.assert_allclose(given, value, rtol=bound)
    scale = max([abs(slope) for slope in expected.values() if slope is not None], default=1)
    for (name, index), slope in expected.items():
        if slope is None:
            same = getattr(after, name)[index] == getattr(net, name)[index]
            assert same and (name not in gradients or gradients[name][index] == 0), (name, index)
        else:
            assert abs(gradients[name][index] - slope) <= bound * max(scale, 1), (name, index)
    if after.settings.readout_dale:
        assert (after.w_out * torch.where(after.inh, -1, 1) >= 0).all()

"""Losses, outputs and weights in every engine, against the float64 reference of docs/model.md 3.1 and its derivatives.

Trials of different lengths are padded; a trial's loss and gradient are the same alone and in any batch.
"""

import functools
import math

import numpy as np
import pytest
import reference
import torch
from test_network import parameters, relative

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate.dynamics import outputs, simulate, trial_noise
from ratecore.rate.dynamics.loss_kernels import LOSS_CODES, loss_of_trial
from ratecore.rate.losses import loss_op, trial_losses
from ratecore.rate.stacked import BlockUpdates, StackedNetworks
from ratecore.rate.updates import FusedUpdates, TorchUpdates
from ratecore.settings.training import TrainingSettings

N, N_IN, T = 6, 2, 10
PRECISIONS = [(torch.float64, 1e-10), (torch.float32, 1e-5)]
LOSSES = [
    (loss_fn, n_out, weighted)
    for loss_fn in ("l2", "l1", "mse", "huber", "cross_entropy")
    for n_out in (1, 3)
    for weighted in (False, True)
    if loss_fn != "cross_entropy" or n_out > 1
]
ENGINES = ["single", "lanes", "torch", "stacked"]


def network(n_out, dtype, seed=1, **changes):
    settings = NetworkSettings(N=N, P_inh=0.4, P_rec=0.6, taus=(4, 20), **changes)
    net = FR_RNN_dale.from_settings(settings, N_IN, seed, dtype=dtype, n_out=n_out)
    with torch.no_grad():  # outputs of order 1, so that errors are on both sides of huber's corner
        net.w_out.mul_(100)
        net.b_out.copy_(torch.linspace(-0.4, 0.7, n_out))
    return net


def drawn(lengths, n_out, weighted, seed=3):
    """Trials of these lengths, each a dict of float64 arrays u, z, weight, x0, noise."""
    made = []
    for k, steps in enumerate(lengths):
        rng = np.random.default_rng([seed, k])
        shape = (steps,) if n_out == 1 else (n_out, steps)
        z = rng.standard_normal(shape) * 1.5
        if n_out > 1:
            z = np.exp(z) / np.exp(z).sum(0)  # probabilities, for cross_entropy
        weight = rng.integers(0, 3, shape) * 0.75 if weighted else None
        x0, noise = trial_noise([rng], steps, N, torch.float64)
        made.append(
            dict(u=rng.standard_normal((N_IN, steps)), z=z, weight=weight, x0=x0[0].numpy(), noise=noise[0].numpy())
        )
    return made


def batch(trials, dtype):
    """u, z, x0, noise, weight of padded trials, as `draw_trials` returns them."""
    longest = max(t["u"].shape[1] for t in trials)

    def padded(arrays, steps):
        return torch.as_tensor(
            np.stack([np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, steps - a.shape[-1])]) for a in arrays]), dtype=dtype
        )

    weight = None
    if trials[0]["weight"] is not None or len({t["u"].shape[1] for t in trials}) > 1:
        given = [np.ones_like(t["z"]) if t["weight"] is None else t["weight"] for t in trials]
        weight = padded([w[..., :-1] for w in given], longest)
    noise = padded([t["noise"].T for t in trials], longest - 1).mT.contiguous()
    x0 = torch.as_tensor(np.stack([t["x0"] for t in trials]), dtype=dtype)
    return padded([t["u"] for t in trials], longest), padded([t["z"] for t in trials], longest), x0, noise, weight


def gradients(engine, net, loss_fn, trials):
    """Mean loss and its gradients by one engine, before Adam."""
    dtype, names = net.w.dtype, ("w", "w_out", "b_out", "taus_gaus")
    u, z, x0, noise, weight = batch(trials, dtype)
    training = TrainingSettings(loss_fn=loss_fn)
    if engine == "stacked":
        other = network(net.n_out, dtype, 2)
        updates = BlockUpdates(StackedNetworks([net, other]), training)
        arrays = [torch.stack([v, v]) for v in (u, z, x0, noise)]
        both = None if weight is None else torch.stack([weight, weight])
        value = updates.update(*arrays, weight=both)[0]
        first = updates.state_dicts()[0]["state"]
    else:
        updates = TorchUpdates(net, training) if engine == "torch" else FusedUpdates(net, training)
        value = updates.update(u, z, x0, noise, weight)
        first = updates.state_dict()["state"]
    # After one step of Adam the first moment is a tenth of the gradient.
    return value, {name: first[i]["exp_avg"].double().numpy() * 10 for i, name in enumerate(sorted_names(net, names))}


def sorted_names(net, names):
    return [name for name, p in net.named_parameters() if p.requires_grad and name in names]


@functools.cache
def truth_of(loss_fn, n_out, weighted, dtype, n):
    """n trials, and the reference's loss and gradients for a network and for trials in the precision of dtype."""
    trials = drawn([T] * n, n_out, weighted)
    if dtype == torch.float32:
        trials = [{k: v if v is None else v.astype(np.float32).astype(float) for k, v in t.items()} for t in trials]
    return trials, *truth(network(n_out, dtype), loss_fn, trials)


def truth(net, loss_fn, trials):
    """The reference's mean loss and gradients, by the complex step."""
    p = parameters(net)

    def value(p):
        losses = [
            reference.loss(reference.forward(p, t["u"], t["x0"], t["noise"])[2], t["z"], loss_fn, t["weight"])
            for t in trials
        ]
        return np.mean(losses)

    slopes = {}
    for name in ("w", "w_out", "b_out", "taus_gaus"):
        slopes[name] = np.empty(p[name].shape)
        for index in np.ndindex(p[name].shape):
            moved = p[name].astype(complex)
            moved[index] += 1e-30j
            slopes[name][index] = value(p | {name: moved}).imag / 1e-30
    return value(p), slopes


@pytest.mark.parametrize(("loss_fn", "n_out", "weighted"), LOSSES)
@pytest.mark.parametrize("engine", ENGINES)
def test_losses_and_gradients_are_those_of_the_reference(engine, loss_fn, n_out, weighted):
    for dtype, bound in PRECISIONS:
        trials, true, slopes = truth_of(loss_fn, n_out, weighted, dtype, 6 if engine == "lanes" else 2)
        value, found = gradients(engine, network(n_out, dtype), loss_fn, trials)
        assert value == pytest.approx(float(true), rel=bound)
        for name, slope in slopes.items():
            assert relative(found[name], slope) < bound, name


@pytest.mark.parametrize(("loss_fn", "n_out", "weighted"), LOSSES)
def test_slopes_are_finite_differences(loss_fn, n_out, weighted):
    # Of the loss as a function of the outputs alone, by torch and by central differences of the reference.
    (trial,) = drawn([T], n_out, weighted)
    o = np.random.default_rng(0).standard_normal(trial["z"][..., 1:].shape)
    tensor = torch.tensor(o, requires_grad=True)
    weight = None if trial["weight"] is None else torch.as_tensor(trial["weight"])
    trial_losses(tensor, torch.as_tensor(trial["z"]), loss_fn, weight, n_out).backward()
    for index in np.ndindex(o.shape):
        step = np.zeros(o.shape)
        step[index] = 1e-6
        up, down = (reference.loss(o + sign * step, trial["z"], loss_fn, trial["weight"]) for sign in (1, -1))
        assert float(tensor.grad[index]) == pytest.approx((up - down) / 2e-6, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("loss_fn", "n_out", "weighted"), LOSSES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_trial_is_the_same_alone_and_in_any_batch(engine, loss_fn, n_out, weighted):
    lengths = [7, T, 8, 6, T + 4, 9, 7] if engine == "lanes" else [7, T, 8]
    trials = drawn(lengths, n_out, weighted)
    for dtype, bound in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        together, found = gradients(engine, network(n_out, dtype), loss_fn, trials)
        alone = [gradients("single", network(n_out, dtype), loss_fn, [trial]) for trial in trials]
        assert together == pytest.approx(np.mean([value for value, _ in alone]), rel=bound)
        for name, slope in found.items():
            assert relative(slope, np.mean([slopes[name] for _, slopes in alone], 0)) < bound, name


@pytest.mark.parametrize("activation", ["clipped_relu", "softplus"])
@pytest.mark.parametrize("engine", ENGINES)
def test_other_activations_have_the_same_slopes_with_several_outputs(engine, activation):
    trials = drawn([T, 9] * 3, 2, True)
    net = network(2, torch.float64, activation=activation)
    if engine == "stacked":
        updates = BlockUpdates(StackedNetworks([net]), TrainingSettings(loss_fn="mse"))
        u, z, x0, noise, weight = (v[None] for v in batch(trials, torch.float64))
        updates.update(u, z, x0, noise, weight=weight)
        found = [entry["exp_avg"] for entry in updates.state_dicts()[0]["state"].values()]
    else:
        kind = TorchUpdates if engine == "torch" else FusedUpdates
        updates = kind(net, TrainingSettings(loss_fn="mse"))
        k = slice(4 if engine == "single" else 6)
        trials = trials[k]
        updates.update(*batch(trials, torch.float64))
        found = [entry["exp_avg"] for entry in updates.state_dict()["state"].values()]
    _, slopes = truth(network(2, torch.float64, activation=activation), "mse", trials)
    for name, moment in zip(sorted_names(net, slopes), found, strict=True):
        assert relative(moment.numpy() * 10, slopes[name]) < 1e-10, name


@pytest.mark.parametrize("loss_fn", ["l2", "l1", "mse", "huber", "cross_entropy"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_trial_without_weight_changes_nothing(engine, loss_fn):
    trials = drawn([T] * 6, 2, True)
    for trial in trials:
        trial["weight"][:] = 0
    value, found = gradients(engine, network(2, torch.float32), loss_fn, trials)
    assert value == 0 and all(not slope.any() for slope in found.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_out", [1, 3])
def test_outputs_have_one_row_each(n_out, dtype):
    net, bound = network(n_out, dtype), dict(PRECISIONS)[dtype]
    trials = drawn([T] * 17, n_out, False)
    u, _, x0, noise, _ = batch(trials, dtype)
    p = parameters(net)
    shape = (17, T) if n_out == 1 else (17, n_out, T)
    with_grad = {engine: simulate(net, u, x0=x0, noise=noise, engine=engine) for engine in ("torch", "fused")}
    many, few = outputs(net, u, x0, noise), outputs(net, u[:2], x0[:2], noise[:2])  # side by side, and one by one
    stacked = StackedNetworks([net, network(n_out, dtype, 2)]).outputs(u[None], x0[None], noise[None], [0])[0]
    assert many.shape == stacked.shape == shape
    for k in range(17):
        x, r, o = reference.forward(p, *(v[k].double().numpy() for v in (u, x0, noise)))
        first = p["w_out"] @ r[0] + p["b_out"]
        every = np.append(first, o) if n_out == 1 else np.column_stack([first, o])
        for found in (many, stacked, few) if k < 2 else (many, stacked):
            assert relative(found[k].detach(), every) < bound
        for found in with_grad.values():
            assert all(relative(v[k].detach(), true) < bound for v, true in zip(found, (x, r, o), strict=True))


def test_states_and_outputs_have_slopes_together():
    # A loss of x, r and several outputs, by the fused engine's backward pass and by autograd.
    grads = []
    for engine in ("fused", "torch"):
        net = network(3, torch.float64)
        u, _, x0, noise, _ = batch(drawn([T] * 2, 3, False), torch.float64)
        x, r, o = simulate(net, u, x0=x0, noise=noise, engine=engine)
        (x.square().sum() + r.sin().sum() + (o * torch.arange(3)[:, None]).square().sum()).backward()
        grads.append([p.grad for p in net.parameters()])
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)


def test_lengths_follow_each_other_and_leave_nothing_behind():
    nets = [network(2, torch.float64) for _ in range(2)]
    training = TrainingSettings(loss_fn="mse")
    fused, torch_updates = FusedUpdates(nets[0], training), TorchUpdates(nets[1], training)
    for k, lengths in enumerate([[13], [6, 9], [20], [5] * 7, [11, 12, 25] * 3, [7, 3], [13] * 6]):
        arrays = batch(drawn(lengths, 2, k % 2 == 1, seed=k), torch.float64)
        assert fused.update(*arrays) == pytest.approx(torch_updates.update(*arrays), rel=1e-9)
    for a, b in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)


# ---------------------------------------------------------------------------------------------------------- loss_op


@pytest.mark.parametrize(("loss_fn", "n_out", "weighted"), LOSSES)
def test_loss_op_takes_several_outputs(loss_fn, n_out, weighted):
    trials = drawn([T] * 2, n_out, weighted)
    rng = np.random.default_rng(1)
    o = rng.standard_normal((2, *trials[0]["z"][..., 1:].shape))
    z = np.stack([t["z"] for t in trials])
    weight = np.stack([t["weight"] for t in trials]) if weighted else None
    each = [reference.loss(o[k], z[k], loss_fn, weight[k] if weighted else None) for k in range(2)]
    params = {"loss_fn": loss_fn.upper()}
    assert float(loss_op(torch.tensor(o), z, params, weight, n_out)) == pytest.approx(np.mean(each), rel=1e-12)
    first = np.full((*o.shape[:-1], 1), 100.0)  # of the first step, which is compared with nothing
    for whole in (np.concatenate([first, o], -1), torch.tensor(np.concatenate([first, o], -1))):
        assert float(loss_op(whole, z, params, weight, n_out)) == pytest.approx(np.mean(each), rel=1e-12)
    one = None if weight is None else weight[0]
    assert float(loss_op(torch.tensor(o[0]), z[0], params, one, n_out)) == pytest.approx(each[0], rel=1e-12)
    entries = [torch.tensor(o[0][..., t]).reshape(-1, 1) for t in range(T - 1)]  # as `forward` returns them
    assert float(loss_op(entries, z[0], params, one)) == pytest.approx(each[0], rel=1e-12)
    cut = None if weight is None else weight[0][..., :-1]  # without the last step, which is compared with nothing
    assert float(loss_op(entries, z[0][..., :-1], params, cut)) == pytest.approx(each[0], rel=1e-12)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (dict(o=torch.zeros(2, 5), z=np.zeros((2, 6)), n_out=3), r"n_out = 3 it must be \(n_out, T-1\)"),
        (dict(o=torch.zeros(5), z=np.zeros(6), weight=-np.ones(6)), r"weight has shape \(6,\); .* >= 0"),
        (
            dict(o=torch.zeros(5), z=np.zeros(6), weight=np.ones(5)),
            r"weight has shape \(5,\); it must be that of z, \(6,\)",
        ),
        (dict(o=torch.zeros(5), z=np.zeros(6), loss_fn="cross_entropy"), "'cross_entropy' compares several outputs"),
        (dict(o=torch.zeros(5), z=np.zeros(6), loss_fn="task"), "unknown loss_fn 'task'"),
        (dict(o=torch.zeros(5), z=np.zeros(6), loss_fn="hubber"), r"did you mean 'huber'\?.*; allowed: l2, l1, mse"),
        (dict(o=[torch.zeros(2), torch.zeros(3)], z=np.zeros((2, 3))), "2 numbers a step, as many as z has rows"),
    ],
)
def test_a_loss_that_cannot_be_is_named(args, message):
    params = {"loss_fn": args.pop("loss_fn", "l2")}
    with pytest.raises(ValueError, match=message):
        loss_op(args["o"], args["z"], params, args.get("weight"), args.get("n_out"))


# ---------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("kind", [FusedUpdates, TorchUpdates])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(weight=torch.ones(2, T)), r"weight has shape \(2, 10\); it must be \(2, 3, 10\)"),
        (dict(weight=-torch.ones(2, 3, T)), "weight holds -1; it must be at least 0"),
        (dict(weight=torch.full((2, 3, T), torch.nan)), "weight holds NaN"),
        (dict(z=torch.zeros(2, T)), r"z has shape \(2, 10\); it must be \(2, 3, 10\)"),
        (dict(z=torch.zeros(2, 2, T)), r"z has shape \(2, 2, 10\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(kind, change, message):
    names = ("u", "z", "x0", "noise", "weight")
    arrays = dict(zip(names, batch(drawn([T] * 2, 3, True), torch.float32), strict=True)) | change
    net = network(3, torch.float32)
    before = net.w.detach().clone()
    with pytest.raises(ValueError, match=message):
        kind(net, TrainingSettings()).update(*(arrays[name] for name in names))
    assert torch.equal(net.w, before)


@pytest.mark.parametrize("kind", [FusedUpdates, TorchUpdates])
def test_losses_that_updates_cannot_take(kind):
    with pytest.raises(ValueError, match="'cross_entropy' compares several outputs; the network has 1"):
        kind(network(1, torch.float32), TrainingSettings(loss_fn="cross_entropy"))
    with pytest.raises(ValueError, match="'task' needs the task's loss"):
        kind(network(1, torch.float32), TrainingSettings(loss_fn="task"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss_fn", LOSS_CODES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_does_not_depend_on_where_its_arrays_lie_in_memory(loss_fn, weighted, dtype):
    # Small arrays can be neighbours in one process and not in the next, and a resumed training must have the same bits.
    rng, T, n_out = np.random.default_rng(5), 30, 2
    memory = np.zeros(20_000, dtype)

    def at(place, shape):
        return memory[place : place + math.prod(shape)].reshape(shape)

    z, o, weight = at(5000, (n_out, T)), at(0, (n_out, T - 1)), at(15_000, (n_out, T))
    for array in (z, o, weight):
        array[:] = rng.random(array.shape)
    results = set()
    for distance in (60, 61, 64, 80, 100, 128, 200, 3000):
        go = at(5000 + distance, (n_out, T - 1))
        given = weight if weighted else np.empty((0, 0), dtype)
        value = loss_of_trial(z, given, LOSS_CODES[loss_fn], dtype(1), o, go)
        results.add((value, go.tobytes()))
    assert len(results) == 1

"""Optimizers, decay, clipping and schedules against torch.optim in float64 and against their equations in NumPy."""

import copy

import numpy as np
import pytest
import torch

from ratecore.rate.optimizers import LEAST, Optimizer, is_plain, scheduled_rate
from ratecore.settings.base import SettingsError
from ratecore.settings.training import TrainingSettings

SHAPES = {"w": (7, 7), "w_out": (1, 7), "b_out": (1,), "taus_gaus": (7, 1)}


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    return {name: torch.as_tensor(rng.standard_normal(shape)) for name, shape in SHAPES.items()}


def torch_groups(p, decay):
    weights = [p["w"], p["w_out"]]
    return [dict(params=weights, weight_decay=decay), dict(params=[p["b_out"], p["taus_gaus"]], weight_decay=0.0)]


TORCH = {
    "adam": lambda p, t: torch.optim.Adam(torch_groups(p, t.weight_decay), lr=t.learning_rate),
    "adamw": lambda p, t: torch.optim.AdamW(torch_groups(p, t.weight_decay), lr=t.learning_rate),
    "sgd": lambda p, t: torch.optim.SGD(torch_groups(p, t.weight_decay), lr=t.learning_rate, momentum=t.momentum),
}


@pytest.mark.parametrize(
    "settings",
    [
        dict(optimizer="adam", weight_decay=0.1),
        dict(optimizer="adam", clip=1.5),
        dict(optimizer="adamw"),
        dict(optimizer="adamw", weight_decay=0.3, clip=2.0),
        dict(optimizer="sgd"),
        dict(optimizer="sgd", momentum=0.9, weight_decay=0.2, clip=1.0),
        dict(optimizer="sgd", momentum=0.5, clip=1e6),
    ],
    ids=str,
)
def test_steps_are_those_of_torch(settings):
    training = TrainingSettings(learning_rate=0.03, **settings)
    ours, theirs = drawn(), {name: p.requires_grad_() for name, p in drawn().items()}
    optimizer, torchs = Optimizer(ours, training, dale=False), TORCH[training.optimizer](theirs, training)
    for k in range(150):  # over the pass that sets negligible moments to 0
        gradients = drawn(100 + k)
        for name, p in theirs.items():
            p.grad = gradients[name].clone()
        if training.clip:
            torch.nn.utils.clip_grad_norm_(list(theirs.values()), training.clip)
        torchs.step()
        optimizer.step(gradients, training.learning_rate)
    for name, p in theirs.items():
        torch.testing.assert_close(ours[name], p.detach(), rtol=1e-10, atol=1e-12)


def exponentiated(w, g, rate, decay, dale, revive):
    """Kivinen & Warmuth 1997, entry by entry: |w| exp(-rate dL/d|w|), and neither a sign nor a 0 that changes."""
    w = w.copy()
    for index in np.ndindex(w.shape):
        if revive and (w[index] <= 0 if dale else w[index] == 0):
            w[index] = LEAST
        if w[index] == 0 or (dale and w[index] < 0):
            continue
        sign, size = np.sign(w[index]), abs(w[index])
        slope = sign * (g[index] + decay * w[index])
        w[index] = sign * max(size * np.exp(-rate * slope), LEAST)
    return w


@pytest.mark.parametrize("dale", [True, False])
@pytest.mark.parametrize("revive", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_exponentiated_gradient(dale, revive, decay):
    training = TrainingSettings(optimizer="eg", learning_rate=0.1, weight_decay=decay, revive=revive)
    p = drawn()
    p["w"][::2, ::3] = 0
    p["w"][1] = torch.as_tensor([3e-12, 2e-12, 1e-12, 0.5, 0.1, -0.2, 1.0])
    start, truth = p["w"].numpy().copy(), p["w"].numpy().copy()
    adam = Optimizer(other := drawn(), TrainingSettings(learning_rate=0.1, weight_decay=decay), dale)
    optimizer = Optimizer(p, training, dale)
    for k in range(40):
        g = drawn(200 + k)
        alive = truth > 0 if dale else truth != 0
        g["w"] = torch.where(torch.as_tensor(alive), g["w"] + 1.0, 0.0)  # downhill for all: some reach the floor
        truth = exponentiated(truth, g["w"].numpy().copy(), 0.1, decay, dale, revive)
        adam.step(copy.deepcopy(g), 0.1)
        optimizer.step(g, 0.1)
    np.testing.assert_allclose(p["w"].numpy(), truth, rtol=1e-10)
    for name in ("w_out", "b_out", "taus_gaus"):  # which can have either sign: by Adam
        assert torch.equal(p[name], other[name])
    w = p["w"].numpy()
    if not revive:
        alive = start > 0 if dale else start != 0
        assert (np.sign(w[alive]) == np.sign(start[alive])).all() and (w[~alive] == start[~alive]).all()
    elif dale:
        assert (w > 0).all()


def test_what_dales_law_silences_does_not_decay():
    for optimizer in ("adam", "adamw", "sgd"):
        p = drawn()
        silent = p["w"] < 0
        before, g = p["w"].clone(), drawn(1)
        g["w"][silent] = 0
        Optimizer(p, TrainingSettings(optimizer=optimizer, weight_decay=0.5), dale=True).step(g, 0.01)
        assert torch.equal(p["w"][silent], before[silent]) and not (p["w"][~silent] == before[~silent]).any()


@pytest.mark.parametrize(
    "settings",
    [
        dict(weight_decay=0.1, clip=1.0),
        dict(optimizer="sgd", momentum=0.9),
        dict(optimizer="eg", clip=3.0),
        dict(optimizer="adamw", weight_decay=0.1),
    ],
    ids=str,
)
def test_stacked_networks_step_as_each_alone(settings):
    # Each with its own count of updates and its own learning rate, as networks that go on from checkpoints have.
    training, K = TrainingSettings(**settings), 3
    alone = [drawn(k) for k in range(K)]
    optimizers = [Optimizer(p, training, True) for p in alone]
    gradients = [[drawn(10 * k + step + 5) for step in range(6)] for k in range(K)]
    silent = [p["w"] <= 0 for p in alone]

    def at(k, step):
        g = copy.deepcopy(gradients[k][step])
        g["w"][silent[k] | (alone[k]["w"] <= 0)] = 0
        return g

    rates = [0.01, 0.02, 0.005]
    for k in range(K):
        for step in range(k):
            optimizers[k].step(at(k, step), rates[k])
    stack = {name: torch.stack([p[name] for p in alone]) for name in SHAPES}
    stacked = Optimizer(stack, training, True, K)
    for k in range(K):
        stacked.load_state_dict(optimizers[k].state_dict(), k)
    for step in range(3):
        together = [at(k, k + step) for k in range(K)]
        stacked.step({name: torch.stack([g[name] for g in together]) for name in SHAPES}, torch.tensor(rates))
        for k in range(K):
            optimizers[k].step(together[k], float(torch.tensor(rates)[k]))
    for k in range(K):
        for name in SHAPES:
            torch.testing.assert_close(stack[name][k], alone[k][name], rtol=1e-10, atol=1e-13)
        ours, theirs = stacked.state_dict(k), optimizers[k].state_dict()
        assert ours["param_groups"] == theirs["param_groups"] and ours["state"].keys() == theirs["state"].keys()
        assert float(ours["state"][0]["step"]) == k + 3


@pytest.mark.parametrize("settings", [dict(clip=1.0), dict(optimizer="sgd", momentum=0.9), dict(optimizer="eg")])
def test_a_state_goes_on_to_the_same_bits(settings):
    training = TrainingSettings(**settings)
    whole, halves = drawn(), drawn()
    first = Optimizer(whole, training, True)
    for k in range(200):
        if k == 70:
            second = Optimizer(halves, training, True)
            for name in SHAPES:
                halves[name].copy_(whole[name])
            second.load_state_dict(copy.deepcopy(first.state_dict()))
        g = drawn(k)
        g["w"][whole["w"] <= 0] = 0
        if k >= 70:
            second.step(copy.deepcopy(g), 0.01)
        first.step(g, 0.01)
    assert all(torch.equal(whole[name], halves[name]) for name in SHAPES)
    with pytest.raises(ValueError, match="the state has no .* of w"):
        Optimizer(drawn(), TrainingSettings(optimizer="adamw"), True).load_state_dict(
            Optimizer(drawn(), TrainingSettings(optimizer="eg"), True).state_dict()
            | {"state": {0: {"step": torch.tensor(1.0)}}}
        )


def test_schedules():
    def rates(schedule, trials=(0, 50, 99, 100, 150, 250)):
        settings = TrainingSettings(learning_rate=0.2, schedule=schedule, schedule_trials=100, schedule_factor=0.25)
        return [scheduled_rate(settings, trial) for trial in trials]

    assert rates("constant") == [0.2] * 6
    assert rates("step") == pytest.approx([0.2, 0.2, 0.2, 0.05, 0.05, 0.0125])
    assert rates("exponential") == pytest.approx([0.2, 0.1, 0.2 * 0.25**0.99, 0.05, 0.025, 0.2 / 32])
    # halfway between the learning rate and its quarter, then the quarter for good
    middle = 0.05 + 0.15 * (1 + np.cos(0.99 * np.pi)) / 2
    assert rates("cosine") == pytest.approx([0.2, 0.125, middle, 0.05, 0.05, 0.05])


def test_settings():
    assert is_plain(TrainingSettings()) and is_plain(TrainingSettings(schedule="step"))
    assert not any(
        is_plain(TrainingSettings(**s)) for s in (dict(clip=1.0), dict(weight_decay=0.1), dict(optimizer="eg"))
    )
    for bad, message in (
        (dict(optimizer="Adam W"), "optimizer = 'Adam W': .*did you mean 'adamw'"),
        (dict(momentum=1.0), "momentum = 1.0: .*less than 1"),
        (dict(clip=0.0), "clip = 0.0: .*greater than 0"),
        (dict(optimizer="sgd", learning_rate=0.5, weight_decay=2.0), "weight_decay = 2: times learning_rate = 0.5"),
        (dict(schedule_factor=1.5), "schedule_factor = 1.5"),
    ):
        with pytest.raises(SettingsError, match=message):
            TrainingSettings(**bad)

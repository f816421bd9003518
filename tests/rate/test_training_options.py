"""Every option of training in every engine against the float64 reference: its gradients by complex steps."""

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_network import parameters

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate.dynamics import trial_noise
from ratecore.rate.penalties import distances, positions
from ratecore.rate.stacked import BlockUpdates, StackedNetworks
from ratecore.rate.updates import FusedUpdates, TorchUpdates
from ratecore.settings.training import PenaltySettings, TrainingSettings

N, T, UPDATES, RATE = 5, 10, 3, 0.02
ROWS = {
    "adam": {},
    "adam with decay": dict(weight_decay=0.5),
    "adamw": dict(optimizer="adamw", weight_decay=0.5),
    "sgd": dict(optimizer="sgd"),
    "sgd with momentum": dict(optimizer="sgd", momentum=0.9, weight_decay=0.5),
    "eg": dict(optimizer="eg"),
    "eg that revives": dict(optimizer="eg", revive=True, weight_decay=0.5),
    "clip": dict(optimizer="sgd", clip=0.5),
    "step": dict(optimizer="sgd", schedule="step", schedule_trials=2, schedule_factor=0.5),
    "cosine": dict(optimizer="sgd", schedule="cosine", schedule_trials=9),
    "exponential": dict(schedule="exponential", schedule_trials=4),
    "rate_mean": dict(penalties=dict(rate_mean=3.0)),
    "rate_square": dict(optimizer="sgd", penalties=dict(rate_square=3.0)),
    "weight_l1": dict(optimizer="sgd", penalties=dict(weight_l1=5.0)),
    "weight_l2": dict(optimizer="sgd", penalties=dict(weight_l2=5.0)),
    "distance": dict(optimizer="sgd", penalties=dict(distance=5.0)),
    "balance": dict(penalties=dict(balance=1.0)),
}
NETWORKS = [
    dict(),
    dict(apply_dale=False, activation="softplus"),
    dict(som_N=1, activation="clipped_relu", taus=(9.0,)),
]
LENGTHS = {2: None, 3: [6, 10, 8], 6: [10, 6, 10, 9, 10, 7]}  # one by one, and side by side


def drawn(batch, dtype, seed):
    """u, z, x0, noise, weight and steps of trials that are padded where their lengths differ."""
    rng, steps = np.random.default_rng(seed), LENGTHS[batch]
    u, z, weight = rng.standard_normal((batch, 2, T)), rng.standard_normal((batch, T)), rng.random((batch, T))
    x0, noise = trial_noise([rng] * batch, T, N, torch.float64, "cpu", steps)
    for k, n in enumerate(steps or []):
        u[k, :, n:] = z[k, n:] = weight[k, n - 1 :] = 0
    arrays = [torch.as_tensor(v, dtype=dtype) for v in (u, z, x0 * 30, noise)]
    return [*arrays, None if steps is None else torch.as_tensor(weight, dtype=dtype)], steps


def rate_of(training, trial):
    """The schedules of docs/model.md 3.2."""
    n, factor = training.get("schedule_trials", 1000), training.get("schedule_factor", 0.1)
    return (
        RATE
        * {
            "constant": 1,
            "step": factor ** (trial // n),
            "exponential": factor ** (trial / n),
            "cosine": factor + (1 - factor) * (1 + np.cos(np.pi * min(trial / n, 1))) / 2,
        }[training.get("schedule", "constant")]
    )


def gradients(p, batch, seed, penalties, d):
    """Complex-step derivatives of the mean loss and the penalties; and the mean loss."""
    (u, z, x0, noise, weight), steps = drawn(batch, torch.float64, seed)
    u, z, x0, noise = (v.numpy() for v in (u, z, x0, noise))

    def total(p):
        losses, rates = [], []
        for k in range(batch):
            n = len(u[k, 0]) if steps is None else steps[k]
            _, r, o = reference.forward(p, u[k, :, :n], x0[k], noise[k, : n - 1])
            losses.append(reference.loss(o, z[k, :n], "l2", None if steps is None else weight[k, :n].numpy()))
            rates.append(r)
        w = np.where(p["w"].real > 0, p["w"], 0) if p["dale"] else p["w"]
        return np.mean(losses), reference.penalty(penalties, (w @ p["m"]) * p["som_m"], rates, d)

    found = {}
    for name in ("w", "w_out", "b_out", *(("taus_gaus",) if len(p["taus"]) == 2 else ())):
        found[name] = np.zeros(p[name].shape)
        for index in np.ndindex(p[name].shape):
            moved = p[name].astype(complex)
            moved[index] += 1e-30j
            found[name][index] = sum(total(p | {name: moved})).imag / 1e-30
    return found, total(p)[0]


def network(case, dtype=torch.float64, seed=1):
    return FR_RNN_dale.from_settings(NetworkSettings(N=N, P_inh=0.4, P_rec=0.8, **case), 2, seed, dtype=dtype)


def truth(net, training, batch, d):
    p, state, losses = parameters(net), {}, []
    names = [name for name, v in net.named_parameters() if v.requires_grad]
    for k in range(UPDATES):
        g, loss = gradients(p, batch, k, training.get("penalties", {}), d)
        rate = rate_of(training, k * batch)
        trained = {name: p[name] for name in names}
        p = p | reference.optimizer_step(trained, g, state, k + 1, training | {"rate": rate}, net.apply_dale)
        losses.append(loss)
    return {name: p[name] for name in names}, losses


class Block:
    """A network in a stack with another one, with the interface of a single network's updates."""

    def __init__(self, net, training, distances):
        self.net, other = net, FR_RNN_dale.from_settings(net.settings, 2, 2, dtype=net.w.dtype)
        self._updates = BlockUpdates(
            StackedNetworks([other, net]),
            training,
            distances=None if distances is None else torch.stack([distances, distances]),
        )
        self.learning_rate = None

    def update(self, *arrays, steps):
        u, z, x0, noise, weight = (None if v is None else torch.stack([v, v]) for v in arrays)
        self._updates.learning_rate = [self.learning_rate] * 2
        loss = self._updates.update(u, z, x0, noise, None, weight, None if steps is None else [steps, steps])[1]
        self._updates.networks.write_back()
        return loss


def check(case, training, batch, dtype, bound, engines=(TorchUpdates, FusedUpdates, Block)):
    d = distances(positions(3, N))
    expected, losses = truth(network(case), training, batch, d)
    for engine in engines:
        net = network(case, dtype)
        given = torch.as_tensor(d) if training.get("penalties", {}).get("distance") else None
        updates = engine(net, TrainingSettings(learning_rate=RATE, **training), distances=given)
        for k in range(UPDATES):
            arrays, steps = drawn(batch, dtype, k)
            updates.learning_rate = rate_of(training, k * batch)
            assert updates.update(*arrays, steps=steps) == pytest.approx(losses[k], rel=bound), engine
        for name, value in expected.items():
            ours = getattr(net, name).detach().double().numpy()
            np.testing.assert_allclose(ours, value, rtol=bound, atol=bound, err_msg=f"{engine.__name__} {name}")


@pytest.mark.parametrize("row", ROWS)
def test_every_option_is_as_the_reference_has_it(row):
    place = list(ROWS).index(row)
    check(NETWORKS[place // 3 % 3], ROWS[row], list(LENGTHS)[place % 3], torch.float64, 1e-10)


@pytest.mark.parametrize("row", [row for row in ROWS if ROWS[row].get("optimizer") in ("sgd", "eg")])
def test_in_single_precision(row):
    # Not of Adam, which makes a step of full size from the rounding of a gradient near 0: its steps are those of
    # torch in `test_optimizers`, its gradients those of the other rows.
    check(NETWORKS[0], ROWS[row], 6, torch.float32, 1e-5)


@given(
    st.sampled_from(["adam", "adamw", "sgd", "eg"]),
    st.sampled_from(["constant", "step", "cosine", "exponential"]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([None, 0.2, 50.0]),
    st.fixed_dictionaries({name: st.sampled_from([0.0, 0.0, 2.0]) for name in PenaltySettings.model_fields}),
    st.sampled_from(NETWORKS),
    st.sampled_from(list(LENGTHS)),
)
@settings(max_examples=8, deadline=None, derandomize=True)
def test_options_together(optimizer, schedule, decay, clip, penalties, case, batch):
    training = dict(optimizer=optimizer, schedule=schedule, weight_decay=decay, clip=clip, penalties=penalties)
    training |= dict(schedule_trials=3) | (dict(momentum=0.8) if optimizer == "sgd" else {})
    check(case, training, batch, torch.float64, 1e-9)


def test_with_eg_no_connection_changes_its_sign_or_dies():
    net = network(dict(), torch.float32)
    start = net.w.detach().clone()
    updates = FusedUpdates(net, TrainingSettings(optimizer="eg", learning_rate=0.5))
    for k in range(60):
        arrays, _ = drawn(2, torch.float32, k)
        updates.update(*arrays)
    assert ((net.w > 0) == (start > 0)).all() and torch.equal(net.w[start <= 0], start[start <= 0])
    assert not torch.allclose(net.w, start, rtol=0.1)

"""The newer settings of a network against the reference, finite differences and statistics, in all engines."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from network_gradients import ENGINES, PRECISIONS, batch_of, check, drawn, may_train, network, updated
from network_rows import ROWS
from scipy import stats

from ratecore import NetworkSettings
from ratecore.rate.dynamics import run, trial_noise
from ratecore.rate.evaluation import draw_trials
from ratecore.rate.network import RateNetwork
from ratecore.system.streams import stream
from ratecore.tasks import TaskFactory


def go_nogo(**settings):
    return TaskFactory.create_task("go-nogo", {"T": 40, "stim_on": 5, "stim_dur": 5, **settings})


def test_noise_has_the_stated_deviations():
    net = RateNetwork(NetworkSettings(N=30, noise_sd=0.4, x0_sd=0.2, input_noise_sd=1.5), 1, 0)
    n = 300
    trials, x0, noise = draw_trials(go_nogo(), net, [stream(1, "trial", k) for k in range(n)])
    clean = go_nogo().generate_batch([stream(1, "trial", k) for k in range(n)]).u
    added = trials.u.numpy() - clean
    for values, sd in ((x0.numpy(), 0.2), (noise.numpy(), 0.4), (added, 1.5)):
        z = values.ravel() / sd
        assert abs(z.mean()) < 4 / np.sqrt(z.size) and abs(z.std() - 1) < 4 / np.sqrt(2 * z.size)
        assert stats.kstest(z[:2000], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(added[:, 0, 1:].ravel(), noise.numpy()[:, :, 0].ravel())[0, 1]) < 4 / np.sqrt(n * 39)


def test_without_noise_there_is_none_and_with_another_the_numbers_are_those_of_the_default_scaled():
    task, plain = go_nogo(), RateNetwork(NetworkSettings(N=9), 1, 0)
    scaled = RateNetwork(NetworkSettings(N=9, noise_sd=0.2, x0_sd=0, input_noise_sd=0.1), 1, 0)
    generators = [[stream(1, "trial", k) for k in range(3)] for _ in range(2)]
    (a, x0, noise), (b, none, twice) = (
        draw_trials(task, net, own) for net, own in zip((plain, scaled), generators, strict=True)
    )
    assert not none.any() and torch.equal(twice, 2 * noise) and x0.any()
    assert not torch.equal(a.u, b.u) and torch.equal(a.z, b.z)


def test_noise_of_the_inputs_is_the_same_in_any_batch_and_ends_with_the_trial():
    net = RateNetwork(NetworkSettings(N=5, input_noise_sd=1.0), 1, 0)
    together = draw_trials(go_nogo(), net, [stream(1, "trial", k) for k in range(3)])[0].u
    for k in range(3):
        assert torch.equal(draw_trials(go_nogo(), net, [stream(1, "trial", k)])[0].u[0], together[k])
    from ratecore.rate.dynamics import with_input_noise

    u = torch.zeros(2, 3, 10, dtype=torch.float64)
    noisy = with_input_noise(u, [np.random.default_rng(k) for k in range(2)], 1.0, [10, 4])
    alone = with_input_noise(u[1:, :, :4], [np.random.default_rng(1)], 1.0)
    assert noisy[0].all() and torch.equal(noisy[1, :, :4], alone[0]) and not noisy[1, :, 4:].any()
    assert not u.any()


def test_a_run_without_given_noise_draws_the_networks_own():
    net = RateNetwork(NetworkSettings(N=6, noise_sd=0, x0_sd=0, input_noise_sd=0.7), 1, 0)
    u = torch.zeros(1, 1, 50)
    x, _, _ = run(net, u, rng=3)
    rng = np.random.default_rng(3)
    trial_noise([rng], 50, 6, noise_sd=0, x0_sd=0)
    from ratecore.rate.dynamics import with_input_noise

    noisy = with_input_noise(u, [rng], 0.7)
    same, _, _ = run(net, noisy, x0=torch.zeros(1, 6), noise=torch.zeros(1, 49, 6))
    assert torch.equal(x, same) and x[:, 1:].abs().min() > 0


@pytest.mark.parametrize("precision", PRECISIONS, ids=("float64", "float32"))
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_engine_is_the_reference(row, engine, precision):
    check(engine, row, *precision, n_out=2 if "areas" in row else 1, loss_fn="mse" if "areas" in row else "l2")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_readout_that_would_break_dales_law_ends_at_zero(engine):
    row = {"readout_dale": True}
    net = network(row, torch.float64)
    signs = torch.where(net.inh, -1.0, 1.0).double()
    with torch.no_grad():
        net.w_out.copy_(1e-9 * signs)  # which any step of Adam carries across 0 where it goes that way
    assert (RateNetwork(NetworkSettings(N=50, readout_dale=True), 1, 0).w_out.sign()[0] != 0).all()
    after, _, gradients = updated(engine, net, drawn(batch_of(engine), net.N), "l2", row)
    down = torch.from_numpy(gradients["w_out"]) * signs > 0
    assert down.any() and not down.all()
    assert (after.w_out[down] == 0).all() and (after.w_out * signs)[~down].min() > 0.009


GROUPS = st.sampled_from(["all", "exc", "inh", "b", "a", "a.exc", "b.inh"])
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "autapses": st.booleans(),
        "area_density": st.fixed_dictionaries({}, optional={"within": st.floats(0.2, 1), "between": st.floats(0, 1)}),
        "long_range": st.sampled_from(["exc", "all"]),
        "feedback": st.booleans(),
        "mask_file": st.just(ROWS["mask_file"]["mask_file"]),
        "input_units": st.lists(GROUPS, min_size=1, max_size=2),
        "output_units": st.lists(GROUPS, min_size=1, max_size=2),
        "readout_dale": st.booleans(),
        "trained": st.lists(
            st.sampled_from(["w", "w_in", "w_out", "b_out", "taus", "taus_exc", "taus_inh", "x0"]), min_size=1
        ),
        "frozen": st.lists(st.tuples(GROUPS, GROUPS).map("->".join), max_size=2),
        "rank": st.integers(1, 12),
        "spectral_radius": st.floats(0.3, 2),
        "taus_file": st.just(ROWS["taus_file"]["taus_file"]),
        "taus": st.sampled_from([(2.0, 20.0), (10.0,)]),
        "apply_dale": st.booleans(),
        "som_N": st.integers(0, 2),
        "activation": st.sampled_from(["sigmoid", "softplus", "clipped_relu"]),
        "w_dist": st.sampled_from(["gaus", "gamma"]),
    },
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(row=SETTINGS, engine=st.sampled_from(ENGINES), n_out=st.integers(1, 2), loss_fn=st.sampled_from(["l2", "mse"]))
def test_random_combinations_are_the_reference(row, engine, n_out, loss_fn):
    row = {"areas": {"b": 5, "a": 7}, **row}
    try:
        for seed in (1, 2):
            network(row, torch.float64, seed)
    except ValueError:  # a combination that is refused, such as rank > N or a readout by Dale's law without it
        reject()
    check(engine, row, torch.float64, 1e-10, loss_fn, n_out, most=5)


OPTIMIZERS = [
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1, "clip": 1.0},
    {"optimizer": "eg", "revive": True},
    {"penalties": {"weight_l2": 0.1}},
]
KEPT = {
    "frozen": {"frozen": ("exc->exc",), "autapses": False, "output_units": ("exc",), "readout_dale": True},
    "inputs": {"trained": ("w_in", "taus_exc"), "input_units": ("exc",), "P_inh": 0.4},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("training", OPTIMIZERS, ids=["adamw", "sgd", "eg", "penalty"])
def test_no_optimizer_changes_what_is_not_trained(training, row, engine):
    net = network(row, torch.float64)
    after, _, _ = updated(engine, net, drawn(batch_of(engine), net.N), "l2", row, **training)
    moved = {name: (getattr(after, name) != getattr(net, name)).numpy() for name in ("w", "w_in", "w_out", "taus_gaus")}
    for name, changed in moved.items():
        may = np.array([may_train(net, name, index) for index in np.ndindex(changed.shape)]).reshape(changed.shape)
        assert not changed[~may].any() and (changed.any() or not may.any()), name
    if net.conn_m is not None:
        assert not after.w.detach().numpy()[net.conn_m.numpy() == 0].any()
    if net.settings.readout_dale:
        assert (after.w_out * torch.where(net.inh, -1, 1) >= 0).all()

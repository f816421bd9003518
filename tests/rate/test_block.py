"""A block as one batched program, on CPU tensors: same numbers as the reference and as each network alone."""

import copy

import numpy as np
import pytest
import reference
import torch
from conftest import small_settings
from test_network import parameters, relative
from test_updates import CASES, trials

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate import block
from ratecore.rate.block import train_block
from ratecore.rate.dynamics import torch_engine
from ratecore.rate.stacked import BlockUpdates, StackedNetworks
from ratecore.rate.training import Training, TrainingResult, initial_network
from ratecore.rate.updates import FusedUpdates, TorchUpdates, make_updates
from ratecore.settings.training import TrainingSettings

PRECISIONS = ((torch.float64, 1e-9), (torch.float32, 2e-3))
MAIN_CASE = dict(activation="sigmoid", apply_dale=True, som_N=2, taus=(4.0, 20.0))


def by_case(function):
    return pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))(function)


def networks(case, dtype=torch.float64, seeds=(1, 2, 3)):
    settings = NetworkSettings(N=14, P_inh=0.4, P_rec=0.5, **case)
    return [FR_RNN_dale.from_settings(settings, 2, seed, dtype=dtype) for seed in seeds]


def drawn(nets, batch, first_seed, T=18):
    """Each network's own trials, and all of them stacked."""
    each = [trials(batch, net.w.dtype, first_seed + 100 * k, T=T) for k, net in enumerate(nets)]
    return each, [torch.stack(arrays) for arrays in zip(*each, strict=True)]


def assert_same_network(a, b, bound):
    for name, value in a.named_parameters():
        assert torch.allclose(dict(b.named_parameters())[name], value, rtol=bound, atol=bound / 10), name


def assert_same_adam(a, b, rtol=1e-7):
    assert a["param_groups"] == b["param_groups"] and a["state"].keys() == b["state"].keys()
    for k, entry in a["state"].items():
        assert entry.keys() == b["state"][k].keys()
        for key, value in entry.items():
            other = b["state"][k][key]
            assert value.shape == other.shape and value.dtype == other.dtype
            assert torch.allclose(value, other, rtol=rtol, atol=1e-12), (k, key)


# ------------------------------------------------------------------------------------------------------- dynamics


@pytest.mark.parametrize("batch", [1, 3])
@by_case
def test_stacked_forward_is_the_reference(case, batch):
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        nets = networks(case, dtype)
        each, (u, _, x0, noise) = drawn(nets, batch, 7)
        stack = StackedNetworks(nets)
        x, r, o = stack.run(u, x0, noise)
        assert x.shape == r.shape == (3, batch, 18, 14) and o.shape == (3, batch, 17)
        outputs = stack.outputs(u[[2, 0]], x0[[2, 0]], noise[[2, 0]], [2, 0])
        for k, net in enumerate(nets):
            p = parameters(net)
            for b in range(batch):
                u_b, _, x0_b, noise_b = (v[b].double().numpy() for v in each[k])
                truth = reference.forward(p, u_b, x0_b, noise_b)
                for mine, true in zip((x[k, b], r[k, b], o[k, b]), truth, strict=True):
                    assert relative(mine.detach(), true) < bound
                if k != 1:
                    readout = np.append(p["w_out"][0] @ truth[1][0] + p["b_out"][0], truth[2])
                    assert relative(outputs[[2, 0].index(k), b], readout) < bound


def test_the_engine_takes_one_network_or_a_stack_of_them():
    nets = networks(MAIN_CASE)
    _each, (u, _, x0, noise) = drawn(nets, 3, 0)
    arrays = [
        (net.effective_weights(), u[k, ..., :-1].mT @ net.w_in.T, 1 / net.time_constants(), x0[k], noise[k], net.w_out,
         net.b_out) for k, net in enumerate(nets)
    ]  # fmt: skip
    W, drive, alpha, *others = (torch.stack(values) for values in zip(*arrays, strict=True))
    stacked = torch_engine(W, drive, alpha, "sigmoid", *others)
    for k, (W, drive, alpha, *others) in enumerate(arrays):
        for mine, alone in zip(stacked, torch_engine(W, drive, alpha, "sigmoid", *others), strict=True):
            assert mine[k].shape == alone.shape and torch.allclose(mine[k], alone, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    ("nets", "message"),
    [
        (list, "at least one network"),
        (lambda: [*networks(CASES[0]), *networks(CASES[1])], "same settings"),
        (lambda: [*networks(CASES[0]), *networks(CASES[0], torch.float32)], "same settings, .* dtype"),
        (lambda: [type("Other", (FR_RNN_dale,), {}).from_settings(NetworkSettings(N=5), 1, 0)], "Other cannot be"),
    ],
)
def test_networks_that_cannot_be_stacked(nets, message):
    with pytest.raises(ValueError, match=message):
        StackedNetworks(nets())


# -------------------------------------------------------------------------------------------------------- updates


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("loss_fn", ["l2", "l1"])
@by_case
def test_updates_are_those_of_each_network_alone(case, loss_fn, batch):
    training = TrainingSettings(loss_fn=loss_fn)
    for dtype, bound in PRECISIONS:
        nets, alone = networks(case, dtype), networks(case, dtype)
        together = BlockUpdates(StackedNetworks(nets), training)
        singles = [TorchUpdates(net, training) for net in alone]
        for k in range(6):
            each, stacked = drawn(nets, batch, k)
            losses = [single.update(*own) for single, own in zip(singles, each, strict=True)]
            assert together.update(*stacked) == pytest.approx(losses, rel=10 * bound)
        before = copy.deepcopy(nets[1])
        together.networks.write_back([0, 2])
        assert_same_network(nets[1], before, 0)
        together.networks.write_back()
        for net, other, single, state in zip(nets, alone, singles, together.state_dicts(), strict=True):
            assert_same_network(net, other, bound)
            assert not torch.equal(net.w, networks(case, dtype)[0].w)
            if dtype == torch.float64:
                assert_same_adam(state, single.state_dict())


def test_each_network_has_its_own_count_of_steps_and_of_trials():
    training = TrainingSettings()
    nets, alone = networks(MAIN_CASE), networks(MAIN_CASE)
    singles = [TorchUpdates(net, training) for net in alone]
    for k in range(3):  # of the second network alone: the others have no state of Adam yet
        own = trials(2, torch.float64, 50 + k)
        singles[1].update(*own)
    nets[1].load_state_dict(alone[1].state_dict())
    together = BlockUpdates(StackedNetworks(nets), training, [single.state_dict() for single in singles])
    states = together.state_dicts()
    assert states[0]["state"] == states[2]["state"] == {}
    assert_same_adam(states[1], singles[1].state_dict(), rtol=0)
    counts = [3, 1, 2]
    for k in range(3):
        each, stacked = drawn(nets, 3, k)
        losses = [s.update(*(v[:n] for v in own)) for s, own, n in zip(singles, each, counts, strict=True)]
        assert together.update(*stacked, counts) == pytest.approx(losses, rel=1e-9)
    together.networks.write_back()
    for net, other, single, state in zip(nets, alone, singles, together.state_dicts([0, 1, 2]), strict=True):
        assert_same_network(net, other, 1e-9)
        assert_same_adam(state, single.state_dict())


def test_networks_leave_and_the_others_go_on():
    training = TrainingSettings()
    nets, alone = networks(MAIN_CASE), networks(MAIN_CASE)
    singles = [TorchUpdates(net, training) for net in alone]
    singles[1].update(*trials(2, torch.float64, 50))  # so that its count of steps is another
    nets[1].load_state_dict(alone[1].state_dict())
    together = BlockUpdates(StackedNetworks(nets), training, [single.state_dict() for single in singles])
    places = [0, 1, 2]
    for k, keep in enumerate(([0, 1, 2], [1, 2], [1], [])):
        together.networks.write_back()
        together.keep(keep)
        places = [places[i] for i in keep]
        assert len(together.networks) == len(places)
        if not places:
            break
        each, stacked = drawn(nets, 2, k)
        losses = [singles[i].update(*each[i]) for i in places]
        assert together.update(*(v[places] for v in stacked)) == pytest.approx(losses, rel=1e-9)
    for net, other in zip(nets, alone, strict=True):
        assert_same_network(net, other, 1e-9)


def test_a_broken_neighbour_changes_no_bit():
    training = TrainingSettings()
    blocks = []
    for broken in (False, True):
        nets = networks(MAIN_CASE, torch.float32)
        if broken:
            with torch.no_grad():
                nets[1].w[0, 1] = float("nan")
        updates = BlockUpdates(StackedNetworks(nets), training)
        losses = [updates.update(*drawn(nets, 1, k)[1]) for k in range(3)]
        assert np.isnan(np.array(losses)[:, 1]).all() == broken
        updates.networks.write_back()
        blocks.append((nets, losses))
    (healthy, a), (beside, b) = blocks
    for k in (0, 2):
        assert [row[k] for row in a] == [row[k] for row in b]
        assert_same_network(healthy[k], beside[k], 0)


@pytest.mark.parametrize("second", [TorchUpdates, FusedUpdates])
def test_a_network_goes_on_alone_from_what_a_block_wrote(second):
    training = TrainingSettings()
    nets, alone = networks(MAIN_CASE), networks(MAIN_CASE)
    together, single = BlockUpdates(StackedNetworks(nets), training), TorchUpdates(alone[2], training)
    for k in range(3):
        each, stacked = drawn(nets, 2, k)
        together.update(*stacked)
        single.update(*each[2])
    together.networks.write_back([2])
    going_on = second(nets[2], training)
    going_on.load_state_dict(together.state_dicts([2])[0])
    for k in range(3, 6):
        own = trials(2, torch.float64, k)
        assert going_on.update(*own) == pytest.approx(single.update(*own), rel=1e-8)
    assert_same_network(nets[2], alone[2], 1e-8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler does what torch warns of
def test_a_compiled_step_gives_the_same():
    nets = networks(MAIN_CASE)
    plain, compiled = (BlockUpdates(StackedNetworks(nets), TrainingSettings(), compile_step=on) for on in (0, 1))
    for k in range(2):
        _, stacked = drawn(nets, 2, k)
        assert compiled.update(*stacked) == pytest.approx(plain.update(*stacked), rel=1e-9)


# ------------------------------------------------------------------------------------------------- train a block


def starting(settings):
    """A result before training in float64, in which a few hundred updates are still the same to many digits."""
    net = initial_network(settings).double()
    return TrainingResult(net, copy.deepcopy(net.state_dict()))


def train_alone(settings, result=None, kind=TorchUpdates):
    """The single network by autograd: the truth for a network of a block."""
    training = Training(settings, result=result or starting(settings))
    result = training.result
    updates = kind(result.net, settings.training)
    if result.optimizer:
        updates.load_state_dict(result.optimizer)
    while not training.over:
        drawn_trials, x0, noise = training.draw()
        training.took(updates.update(drawn_trials.u, drawn_trials.z, x0, noise))
        if training.test_due:
            training.test()
    result.optimizer = updates.state_dict()
    return result


def assert_same_result(a, b):
    assert (a.n_trials, a.trained) == (b.n_trials, b.trained)
    assert a.losses == pytest.approx(b.losses, rel=1e-6)
    assert len(a.tests) == len(b.tests)
    for mine, other in zip(a.tests, b.tests, strict=True):
        assert mine == pytest.approx(other, rel=1e-6)
    np.testing.assert_allclose(a.last_test.outputs, b.last_test.outputs, rtol=1e-5, atol=1e-7)
    assert_same_network(a.net, b.net, 1e-5)
    assert_same_adam(a.optimizer, b.optimizer, rtol=1e-4)


def runs(n=3, **training):
    values = dict(n_trials=60, eval_freq=20, eval_tr=10) | training
    return [small_settings(seed=seed, training=values) for seed in range(n)]


def block_of(settings, **more):
    """Outcomes of a block in float64 by index, and the indices in the order in which they ended."""
    more = {"results": [starting(s) for s in settings]} | more
    outcomes = list(train_block(settings, **more))
    return dict(outcomes), [index for index, _ in outcomes]


@pytest.mark.parametrize(("batch_size", "loss_fn"), [(1, "l2"), (7, "l1")])
def test_a_block_is_each_network_alone(batch_size, loss_fn):
    settings, calls = runs(batch_size=batch_size, loss_fn=loss_fn), []

    def on_test(index, result):
        calls.append((index, result.n_trials, result.tests[-1]["trial"]))

    outcomes, order = block_of(settings, on_test=on_test)
    assert order == [0, 1, 2]
    tested = [20, 40, 60] if batch_size == 1 else [21, 42, 60]
    assert calls == [(k, n, n) for n in tested for k in range(3)]
    for k, s in enumerate(settings):
        assert_same_result(outcomes[k], train_alone(s))
        assert outcomes[k].finished > 0 and outcomes[k].seconds > 0
    assert outcomes[0].losses != outcomes[1].losses


def test_in_float32_as_from_the_command():
    # Rounding grows over the updates, so the bound is that of a few of them.
    settings = runs(2, n_trials=10, eval_freq=5, eval_tr=4)
    for index, outcome in train_block(settings):
        alone = train_alone(settings[index], TrainingResult(initial_network(settings[index]), {}))
        assert outcome.net.w.dtype == torch.float32
        assert outcome.losses == pytest.approx(alone.losses, rel=1e-3)
        assert_same_network(outcome.net, alone.net, 1e-2)


def test_networks_that_meet_the_criterion_leave(monkeypatch):
    from ratecore.tasks import GoNogoTask

    # The accuracy is then the share of Go trials in the test, which differs from seed to seed and test to test.
    monkeypatch.setattr(GoNogoTask, "min_trials", 0)
    monkeypatch.setattr(GoNogoTask, "is_correct", lambda self, o, label: label == 1)
    settings = runs(5, n_trials=80, accuracy_threshold=0.65, loss_threshold=1e9)
    outcomes, order = block_of(settings)
    alone = [train_alone(s) for s in settings]
    for k, result in enumerate(alone):
        assert_same_result(outcomes[k], result)
    ends = [result.n_trials for result in alone]
    assert ends == [20, 60, 80, 40, 80]  # or this test shows nothing
    assert [result.trained for result in alone] == [True, True, True, True, False]
    assert order == sorted(range(5), key=lambda k: ends[k])


def test_a_network_whose_loss_is_not_finite_leaves_as_failed():
    settings = runs(n_trials=20, eval_freq=1, eval_tr=3)
    results = [starting(s) for s in settings]
    with torch.no_grad():
        results[1].net.w_out[0, 0] = float("inf")
    outcomes, order = block_of(settings, results=results)
    assert order == [1, 0, 2]
    assert isinstance(outcomes[1], FloatingPointError)
    assert "at trial 1; try a smaller learning_rate" in str(outcomes[1])
    assert results[1].last_test is None  # as alone: it is not tested any more
    for k in (0, 2):
        assert_same_result(outcomes[k], train_alone(settings[k]))


def test_networks_that_the_last_update_broke_are_seen():
    outcomes = dict(train_block(runs(2, n_trials=1, eval_tr=2, learning_rate=1e38)))
    assert len(outcomes) == 2
    for outcome in outcomes.values():
        assert isinstance(outcome, FloatingPointError) and "at trial 1;" in str(outcome)


@pytest.mark.parametrize("kind", [TorchUpdates, make_updates])
def test_what_a_test_hands_over_goes_on_alone_and_in_a_block(kind):
    # Batches of 7 leave one trial for the last update, at which the network from the checkpoint has fewer trials than
    # the one beside it.
    settings, saved = runs(2, n_trials=50, batch_size=7), []

    def on_test(index, result):
        if index == 1:
            saved.append(copy.deepcopy(result))

    whole, _ = block_of(settings, on_test=on_test)
    assert [result.n_trials for result in saved] == [21, 42, 50]
    checkpoint = saved[1]
    assert_same_result(train_alone(settings[1], copy.deepcopy(checkpoint), kind), whole[1])
    outcomes, order = block_of(settings, results=[starting(settings[0]), checkpoint])
    assert order == [1, 0]
    for k in range(2):
        assert_same_result(outcomes[k], whole[k])


def test_a_result_that_is_over_and_one_that_waits_for_its_test():
    settings = runs(2)
    done, alone = train_alone(settings[0]), train_alone(settings[1])
    weights, tests = done.net.w.detach().clone(), copy.deepcopy(done.tests)
    untested = copy.deepcopy(alone)
    last = untested.tests.pop()
    calls = []
    outcomes, _ = block_of(settings, results=[done, untested], on_test=lambda k, result: calls.append(k))
    assert calls == [1]
    assert outcomes[0] is done and torch.equal(done.net.w, weights) and done.tests == tests
    assert outcomes[1].tests[-1] == pytest.approx(last, rel=1e-9) and torch.equal(outcomes[1].net.w, alone.net.w)


def test_tests_in_chunks_are_the_same(monkeypatch):
    settings = runs(2, n_trials=20)
    whole, _ = block_of(settings)
    monkeypatch.setattr(block, "MOST_NUMBERS", 2 * 60 * 20 * 3)  # three trials of both networks at once
    sizes, outputs = [], StackedNetworks.outputs
    monkeypatch.setattr(
        StackedNetworks, "outputs", lambda self, u, *a: sizes.append(u.shape[1]) or outputs(self, u, *a)
    )
    chunked, _ = block_of(settings)
    assert sizes == [3, 3, 3, 1]
    for k in range(2):
        assert_same_result(chunked[k], whole[k])
        assert chunked[k].last_test.labels == whole[k].last_test.labels


def test_runs_that_do_not_belong_in_one_block():
    a = small_settings()
    others = {
        r"network\.N = 20 and 30": small_settings(seed=1, network=dict(N=30, P_inh=0.3, taus=(4, 20))),
        r"training\.loss_fn = 'l2' and 'l1'": small_settings(training=dict(a.training.model_dump(), loss_fn="l1")),
        r"task_settings\.T = 60.0 and 70.0": small_settings(task_settings={"T": 70, "stim_on": 10, "stim_dur": 10}),
    }
    for message, b in others.items():
        with pytest.raises(ValueError, match=message):
            train_block([a, small_settings(seed=3), b])
    with pytest.raises(ValueError, match="1 results for 2 runs"):
        train_block([a, small_settings(seed=3)], results=[None])
    assert list(train_block([])) == []

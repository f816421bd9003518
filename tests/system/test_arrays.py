"""Arrays are checked before compiled loops read them: invalid ones are refused, all others give the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import reference
import torch
from test_lif import content

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.compat.rate_network import eval_rnn
from ratecore.rate.dynamics import draw_noise, outputs
from ratecore.rate.dynamics import simulate as simulate_rate
from ratecore.rate.dynamics.fused import fused_engine
from ratecore.rate.dynamics.live import LiveMatrix
from ratecore.rate.dynamics.side_by_side import outputs_over
from ratecore.rate.evaluation import draw_trials, evaluate, psychometric_curve, score_trials
from ratecore.rate.stacked import BlockUpdates, StackedNetworks
from ratecore.rate.updates import FusedUpdates, TorchUpdates, make_updates
from ratecore.settings.training import EvaluationSettings, TrainingSettings
from ratecore.spiking import (
    ConversionSettings,
    LIF_network_fnc,
    SpikingSettings,
    compare,
    rate_model,
    search_scaling,
    simulate,
)
from ratecore.spiking.lif import Simulator
from ratecore.system.arrays import array_of, tensor_of
from ratecore.system.noise import normal
from ratecore.system.streams import stream
from ratecore.tasks import AbstractTask
from ratecore.tasks.trials import Trials
from ratecore.tasks.values import TaskError

N, N_IN, T = 12, 2, 30
TRAINING = TrainingSettings()


def network(dtype=torch.float32, seed=1, **changes):
    return FR_RNN_dale.from_settings(NetworkSettings(**{"N": N, "P_inh": 0.3, **changes}), N_IN, seed, dtype=dtype)


def trials(B, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    x0, noise = draw_noise(B, T, N, rng)
    arrays = rng.standard_normal((B, N_IN, T)), rng.standard_normal((B, T)), x0.numpy(), noise.numpy()
    return dict(zip(("u", "z", "x0", "noise"), (a.astype(dtype) for a in arrays), strict=True))


# ---------------------------------------------------------------------- the boundaries, each as f(u, z, x0, noise)


def _run(engine):
    return lambda u, z, x0, noise: simulate_rate(network(), u, x0=x0, noise=noise, engine=engine)[2]


def _outputs(u, z, x0, noise):
    return outputs(network(), u, x0, noise)


def _updates(kind):
    return lambda u, z, x0, noise: kind(network(), TRAINING).update(u, z, x0, noise)


def _in_a_stack(value):
    return value[None] if hasattr(value, "ndim") else [value]


def _block(u, z, x0, noise):
    stack = StackedNetworks([network()])
    return BlockUpdates(stack, TRAINING).update(*map(_in_a_stack, (u, z, x0, noise)))


BOUNDARIES = {
    "run fused": _run("fused"),
    "run torch": _run("torch"),
    "outputs": _outputs,
    "FusedUpdates": _updates(FusedUpdates),
    "TorchUpdates": _updates(TorchUpdates),
    "block": _block,
}
USES_Z = ("FusedUpdates", "TorchUpdates", "block")


def swapped(value):
    return value.swapaxes(-1, -2)


def one_more(axis):
    return lambda value: np.concatenate([value, value.take([0], axis)], axis)


def with_value(number):
    def changed(value):
        value = value.copy()
        value.flat[-1] = number  # the last one, which the loops may not read
        return value

    return changed


def flat(value):
    return value.reshape(-1)


SHAPES = [
    ("u", swapped), ("u", one_more(2)), ("u", one_more(1)), ("u", one_more(0)), ("u", lambda v: v[:, :, :1]),
    ("u", lambda v: v[:, :, :0]), ("u", flat), ("u", lambda v: v[..., None]), ("u", lambda v: v[:, :1]),
    ("z", one_more(1)), ("z", lambda v: v[:, :1]), ("z", lambda v: v[..., None]), ("z", lambda v: v[:1, :, None]),
    ("z", lambda v: v[:, :-1]), ("z", swapped), ("x0", one_more(1)), ("x0", lambda v: v[:, :1]), ("x0", one_more(0)),
    ("noise", one_more(1)), ("noise", lambda v: v[:, :1]), ("noise", lambda v: v[..., :1]), ("noise", swapped),
    ("noise", lambda v: v[:1]),
]  # fmt: skip


@pytest.mark.parametrize("B", [3, 16])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_another_shape_is_refused_by_name(boundary, B):
    for name, change in SHAPES:
        if name == "z" and boundary not in USES_Z:
            continue
        given = trials(B)
        given[name] = change(given[name])
        # One that is too long in a free dimension is taken at its word, and then the others are too short
        with pytest.raises(ValueError, match=r"^(u|stim|z|x0|noise) has shape \(.*\); it must be \("):
            BOUNDARIES[boundary](**given)


@pytest.mark.parametrize("boundary", [name for name in BOUNDARIES if name != "block"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_name(boundary, number):
    for name in ("u", "z", "x0", "noise"):
        if name == "z" and boundary not in USES_Z:
            continue
        given = trials(8)
        given[name] = with_value(number)(given[name])
        with pytest.raises(ValueError, match=rf"^({name}|stim) holds NaN, infinity or a number beyond float32"):
            BOUNDARIES[boundary](**given)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("bad", [np.complex64, object, "U5", "datetime64[s]"])
def test_what_is_no_real_number_is_refused_by_name(boundary, bad):
    for name in ("u", "z", "x0", "noise"):
        if name == "z" and boundary not in USES_Z:
            continue
        given = trials(8)
        given[name] = np.ones(given[name].shape).astype(int).astype(bad)
        with pytest.raises(ValueError, match=rf"^({name}|stim) is (complex|of dtype .*); it must be real numbers"):
            BOUNDARIES[boundary](**given)


CONVERSIONS = {
    "float64": lambda v: v.astype(np.float64),
    "float16": lambda v: v.astype(np.float16),
    "int64": lambda v: v.astype(np.int64),
    "uint8": lambda v: v.astype(np.uint8),
    "bool": lambda v: v.astype(bool),
    "list": lambda v: v.tolist(),
    "tensor": lambda v: torch.tensor(v),
    "tensor of a graph": lambda v: torch.tensor(v, requires_grad=True),
    "bfloat16": lambda v: torch.tensor(v).bfloat16(),
    "Fortran order": np.asfortranarray,
    "every other": lambda v: np.repeat(v, 2, -1)[..., ::2],
    "backwards": lambda v: v[..., ::-1].copy()[..., ::-1],
    "read only": lambda v: np.broadcast_to(v, v.shape),
    "big-endian": lambda v: v.astype(">f4"),
}


def _whole(value):
    return np.round(np.abs(value) * 3).astype(np.float32) % 2  # 0 and 1, which every dtype holds


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_other_dtypes_and_layouts_give_the_same_numbers(boundary, conversion):
    if boundary == "block" and conversion in ("list", "tensor of a graph"):
        return
    for B in (3, 16):
        given = {name: _whole(value) for name, value in trials(B).items()}
        as_is = BOUNDARIES[boundary](**{name: torch.from_numpy(value) for name, value in given.items()})
        changed = BOUNDARIES[boundary](**{name: CONVERSIONS[conversion](value) for name, value in given.items()})
        assert torch.equal(torch.as_tensor(as_is), torch.as_tensor(changed))


def test_an_empty_batch_has_empty_results_and_no_loss():
    empty = {name: value[:0] for name, value in trials(3).items()}
    for engine in ("torch", "fused"):
        x, r, o = simulate_rate(network(), empty["u"], x0=empty["x0"], noise=empty["noise"], engine=engine)
        assert x.shape == r.shape == (0, T, N) and o.shape == (0, T - 1)
    assert outputs(network(), empty["u"], empty["x0"], empty["noise"]).shape == (0, T)
    for boundary in USES_Z:
        with pytest.raises(ValueError, match=r"u has shape .*with B >= 1"):
            BOUNDARIES[boundary](**empty)


def test_a_refused_update_leaves_the_network_as_it_was():
    for kind in (FusedUpdates, TorchUpdates):
        net, given = network(), trials(4)
        updates, before = kind(net, TRAINING), {k: v.clone() for k, v in net.named_parameters()}
        with pytest.raises(ValueError, match="z holds NaN"):
            updates.update(given["u"], with_value(np.nan)(given["z"]), given["x0"], given["noise"])
        assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
        assert not updates.state_dict()["state"]


# --------------------------------------------------------------------------------------------------- the networks


def test_weights_in_any_memory_order_are_trained():
    given, nets = trials(3), [network(), network()]
    nets[1].w.data = nets[1].w.data.T.contiguous().T
    for net in nets:
        FusedUpdates(net, TRAINING).update(*given.values())
    assert torch.equal(nets[0].w, nets[1].w) and not torch.equal(nets[0].w, network().w)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("w_in", torch.zeros(N + 1, N_IN), r"w_in has shape \(13, 2\); it must be \(12, 2\)"),
        ("w_in", torch.full((N, N_IN), torch.nan), "w_in holds NaN"),
        ("w_in", torch.zeros(N, N_IN, dtype=torch.float64), "w_in is torch.float64 on cpu; w is torch.float32"),
        ("som_m", torch.ones(N, N - 1), "som_m has shape"),
        ("w", torch.nn.Parameter(torch.zeros(N + 4, N + 4)), r"w has shape \(16, 16\)"),
        ("w_out", torch.nn.Parameter(torch.zeros(1, 3)), "w_out has shape"),
        ("taus_gaus", torch.nn.Parameter(torch.zeros(3, 1)), "taus_gaus has shape"),
    ],
)
def test_a_network_whose_arrays_do_not_belong_together_is_refused(name, value, message):
    net = network()
    setattr(net, name, value)
    with pytest.raises(ValueError, match=message):
        FusedUpdates(net, TRAINING)


def test_loops_take_no_arrays_of_another_network():
    net, given = network(), trials(8)
    live = LiveMatrix.of(network(N=N + 1).effective_weights())
    with pytest.raises(ValueError, match=r"tau has shape \(12,\); it must be \(13,\)"):
        outputs_over(live, net, given["u"], given["x0"], given["noise"])
    with pytest.raises(ValueError, match=r"W has shape \(13, 13\); it must be \(12, 12\)"):
        LiveMatrix(N, np.float32).take(np.ones((N + 1, N + 1), np.float32))
    W, tensors = net.effective_weights(), {name: torch.from_numpy(value) for name, value in given.items()}
    arguments = {"W": W, "drive": torch.zeros(8, T - 1, N), "alpha": torch.ones(N), "activation": "sigmoid",
                 "x0": tensors["x0"], "noise": tensors["noise"], "w_out": net.w_out, "b_out": net.b_out}  # fmt: skip
    fused_engine(**arguments)
    for name in ("W", "drive", "alpha", "x0", "noise", "w_out", "b_out"):
        with pytest.raises(ValueError, match="has shape"):
            fused_engine(**{**arguments, name: torch.cat([arguments[name]] * 2, -1)})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_precisions_that_loops_have_not_go_by_torch(dtype):
    net, given = network().to(dtype), trials(8)
    o = outputs(net, given["u"], given["x0"], given["noise"])
    assert o.dtype == dtype and torch.allclose(o.float(), _outputs(**given), atol=0.05)
    assert type(make_updates(net, TRAINING)) is TorchUpdates
    with pytest.raises(ValueError, match="engine 'fused' runs float32 and float64"):
        simulate_rate(net, given["u"], engine="fused")
    with pytest.raises(ValueError, match="must be float32 or float64"):
        FusedUpdates(net, TRAINING)


def test_float64_networks_keep_their_precision():
    net, given = network(torch.float64), trials(8, np.float64)
    names = ("w", "m", "som_m", "w_in", "w_out", "b_out", "taus_gaus")
    p = {name: getattr(net, name).detach().numpy() for name in names}
    p |= {"taus": net.settings.taus, "dale": net.apply_dale, "act": net.activation}
    found = _run_of(net, given)
    for k in range(8):
        _, _, o = reference.forward(p, given["u"][k], given["x0"][k], given["noise"][k])
        assert np.allclose(found[k, 1:].numpy(), o, atol=1e-12)


def test_weights_that_diverged_are_no_wrong_input():
    net, given = network(), trials(8)
    net.w.data[0, 0] = torch.nan
    assert np.isnan(FusedUpdates(net, TRAINING).update(*given.values()))
    assert torch.isnan(_run_of(net, given)).any()


def _run_of(net, given):
    return outputs(net, given["u"], given["x0"], given["noise"])


def test_moments_of_another_network_are_refused():
    state = FusedUpdates(network(), TRAINING)
    state.update(*trials(3).values())
    state = state.state_dict()
    with pytest.raises(ValueError, match=r"exp_avg of w has shape \(12, 12\); it must be \(13, 13\)"):
        FusedUpdates(network(N=N + 1), TRAINING).load_state_dict(state)


@pytest.mark.parametrize("out", [np.empty((4, 6), np.float32)[:, ::2], np.empty(4), np.empty((3, 2), np.float32).T])
def test_noise_is_not_drawn_into_a_copy(out):
    with pytest.raises(ValueError, match="writable, contiguous float32 array"):
        normal(np.random.default_rng(0), 1.0, out)


def test_a_stack_takes_counts_that_fit():
    given = [torch.from_numpy(v[None]) for v in trials(3).values()]
    for counts in ([0], [4], [3, 3]):
        with pytest.raises(ValueError, match="counts = .*; it must be 1 numbers from 1 to 3"):
            BlockUpdates(StackedNetworks([network()]), TRAINING).update(*given, counts)


# ------------------------------------------------------------------------------------------------ tasks of users


class Own(AbstractTask):
    """A task whose trials can be made wrong."""

    name, n_inputs, trial_types, evidence_levels = "own", N_IN, ("go",), (0.0, 1.0)
    defaults = {"T": T, "stim_on": 5, "stim_dur": 5}
    u, z = staticmethod(lambda u: u), staticmethod(lambda z: z)

    def draw_trial(self, trial_type, rng):
        return self.u(rng.standard_normal((N_IN, self.T))), 1

    def draw_graded_trial(self, trial_type, level, rng):
        return self.draw_trial(trial_type, rng)

    def generate_target(self, label):
        return self.z(np.ones(self.T))

    def is_correct(self, o, label):
        return True


OF_U, OF_Z = r"task 'own': draw_trial\('go'\) returned ", r"task 'own': generate_target\('go'\) returned "
WRONG_TASKS = [
    ("u", lambda v: v.T, OF_U + r"an array of shape \(30, 2\) .*is it transposed.*of shape \(2, 30\)"),
    ("u", one_more(1), OF_U + r"an array of shape \(2, 31\)"),
    ("u", one_more(0), OF_U + r"an array of shape \(3, 30\) .*n_inputs is 2"),
    ("u", lambda v: v[0], OF_U + r"an array of shape \(30,\)"),
    ("u", with_value(np.nan), OF_U + "nan at input 1, step 29"),
    ("u", lambda v: v * 1e300 * 1e300, OF_U + "-?inf at input 0, step 0"),
    ("u", lambda v: v.astype(complex), OF_U + ".* dtype complex128"),
    ("u", lambda v: v.astype(object), OF_U + ".* dtype object"),
    ("u", lambda v: v.astype(str), OF_U + ".* dtype <U"),
    ("z", lambda v: v[:-1], OF_Z + r"an array of shape \(29,\)"),
    ("z", lambda v: v[:, None], OF_Z + r"an array of shape \(30, 1\)"),
    ("z", lambda v: 1.0, OF_Z + "float 1.0"),
    ("z", with_value(np.inf), OF_Z + "inf at step 29"),
]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("name", "change", "message"), WRONG_TASKS)
def test_trials_that_are_not_what_their_task_says_are_refused(monkeypatch, name, change, message):
    monkeypatch.setattr(Own, name, staticmethod(change))
    task, net = Own(), network()
    calls = [
        lambda: draw_trials(task, net, [stream(0, "trial", k) for k in range(3)]),
        lambda: score_trials(task, net, "l2", [stream(0, "trial", k) for k in range(8)]),
        lambda: evaluate(task, net, 0, EvaluationSettings(n_trials=3)),
        lambda: psychometric_curve(task, net, 0, 2),
        lambda: search_scaling(rate_model(net), task, ConversionSettings(n_trials=2, scaling_factors=(20,))),
        lambda: compare(net, task, SpikingSettings(), 20.0, 0, 1),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()


def test_numbers_of_other_dtypes_are_taken_from_tasks(monkeypatch):
    task, net = Own(), network()
    monkeypatch.setattr(Own, "u", staticmethod(lambda u: (u > 0).astype(float)))
    expected, _, _ = draw_trials(task, net, [stream(0, "trial", 0)])
    for dtype in (bool, np.int8, np.float16, np.float32):
        monkeypatch.setattr(Own, "u", staticmethod(lambda u, dtype=dtype: (u > 0).astype(dtype)))
        monkeypatch.setattr(Own, "z", staticmethod(lambda z, dtype=dtype: z.astype(dtype)))
        given, _, _ = draw_trials(task, net, [stream(0, "trial", 0)])
        assert torch.equal(given.u, expected.u) and torch.equal(given.z, expected.z)


def test_trials_of_several_lengths_are_refused(monkeypatch):
    class Ragged(Own):
        def generate_batch(self, generators):
            one, two = super().generate_batch(generators[:1]), super().generate_batch(generators[1:2])
            return Trials([one.u[0], two.u[0][:, :-1]], np.ones((2, T)), [1, 1], ["go"] * 2)

    with pytest.raises(ValueError, match="task own, 2 trials: the stimulus u is no array of numbers"):
        draw_trials(Ragged(), network(), [stream(0, "trial", k) for k in range(2)])


def test_trials_are_checked_wherever_a_task_makes_them_itself():
    """Only those that `collect` has checked are trusted."""

    def broken(trials):
        trials.u[0, 1, 3] = np.nan
        return trials

    class Batch(Own):
        def generate_batch(self, generators):
            return broken(super().generate_batch(generators))

    class Collect(Own):
        def collect(self, drawn):
            return broken(super().collect(drawn))

    task = Own()
    task.generate_batch = lambda generators: broken(Own.generate_batch(task, generators))
    for other in (Batch(), Collect(), task):
        with pytest.raises(ValueError, match="task own, 1 trials: the stimulus u holds NaN"):
            draw_trials(other, network(), [stream(0, "trial", 0)])
    given = broken(Own().generate_batch([stream(0, "trial", 0)]))
    with pytest.raises(ValueError, match="task own, 1 trials: the stimulus u holds NaN"):
        draw_trials(Own(), network(), [stream(0, "trial", 0)], given)


def _weighted(change):
    weight = np.ones((2, T))
    change(weight)
    return {"weight": weight}


def _put(index, value):
    def change(weight):
        weight[index] = value

    return change


WRONG_WEIGHTS = {
    "shape": (
        {"weight": np.ones((2, T - 1))},
        r"returned an array of shape \(2, 29\).*; it must be .* of shape \(2, 30\)",
    ),
    "one row": ({"weight": np.ones(T)}, r"as the weights, which have the shape of z"),
    "words": ({"weight": [["a"] * T] * 2}, "it must be an array of real numbers"),
    "nan": (
        _weighted(_put((1, 3), np.nan)),
        r"returned nan at step 3; all numbers must be finite .* \(trial 1 of the batch",
    ),
    "infinite": (_weighted(_put((0, 3), np.inf)), r"returned inf at step 3; all numbers .*\(trial 0 of the batch\)"),
    "negative": (_weighted(_put((1, 3), -0.5)), r"returned a weight of -0.5; weights must be at least 0.*\(trial 1 of"),
    "zero": (
        _weighted(_put((1, slice(None, -1)), 0)),
        r"a weight of 0 at every step; .* above 0 at a step before the last",
    ),
    "steps": ({"steps": [T, T + 1]}, rf"returned the steps \[30, 31\]; it must be 2 whole numbers from 2 to {T}"),
    "one step": ({"steps": [T]}, "it must be 2 whole numbers"),
    "half a step": ({"steps": [T, 2.5]}, "it must be 2 whole numbers"),
}


@pytest.mark.parametrize("case", WRONG_WEIGHTS)
def test_weights_of_a_batch_of_ones_own_are_checked(case):
    more, message = WRONG_WEIGHTS[case]

    class Weighted(Own):
        def generate_batch(self, generators):
            return replace(super().generate_batch(generators), **more)

    with pytest.raises(TaskError, match=r"task 'own': generate_batch\(\) .*" + message):
        draw_trials(Weighted(), network(), [stream(0, "trial", k) for k in range(2)])


def test_weights_of_a_batch_of_ones_own_are_taken():
    rows = np.linspace(0, 1, 2 * T).reshape(2, T)

    class Weighted(Own):
        def generate_batch(self, generators):
            return replace(super().generate_batch(generators), weight=rows.tolist(), steps=[T, np.int64(T - 3)])

    drawn, _, _ = draw_trials(Weighted(), network(dtype=torch.float64), [stream(0, "trial", k) for k in range(2)])
    np.testing.assert_array_equal(drawn.weight, rows)


def test_a_batch_is_a_copy_of_what_its_task_returned():
    own_u, own_z = np.ones((N_IN, T)), np.ones(T)

    class Same(Own):
        u, z = staticmethod(lambda _: own_u), staticmethod(lambda _: own_z)

    drawn, _, _ = draw_trials(Same(), network(dtype=torch.float64), [stream(0, "trial", 0)])
    own_u[:], own_z[:] = 2, 2
    assert (drawn.u == 1).all() and (drawn.z == 1).all()


# ---------------------------------------------------------------------------------------------- spiking networks

WRONG_U = [
    (swapped, r"u has shape \(41, 2\); it must be \(2, T\); its last two dimensions seem to be swapped"),
    (flat, "u has shape"),
    (lambda v: v[None], "u has shape"),
    (lambda v: v[:1], "u has shape"),
    (lambda v: v[:, :0], "u has shape .*T >= 1"),
    (lambda v: v[:, :1], "u has T = 1 steps"),
    (with_value(np.nan), "u holds NaN"),
    (lambda v: v + 0j, "u is complex"),
    (lambda v: v.astype(str), "u is of dtype"),
    (lambda v: v.astype(object), "u is of dtype object"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_U)
def test_stimuli_that_spiking_networks_cannot_take_are_refused(change, message):
    u = change(np.random.default_rng(0).standard_normal((2, 41)))
    model = rate_model(content())
    simulator = Simulator(model, SpikingSettings())
    for call in (
        lambda: simulate(model, 5.0, u),
        lambda: LIF_network_fnc(content(), 5.0, u),
        lambda: simulator.outputs([5.0], u, simulator.draw(np.random.default_rng(0), 4000)),
        lambda: simulator.record(5.0, u, simulator.draw(np.random.default_rng(0), 4000)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("conversion", [name for name in CONVERSIONS if name != "big-endian"])
def test_spiking_networks_take_stimuli_of_other_dtypes_and_layouts(conversion):
    u = _whole(np.random.default_rng(0).standard_normal((2, 21)))
    one, other = (simulate(rate_model(content()), 5.0, v, rng=1) for v in (u, CONVERSIONS[conversion](u)))
    assert np.array_equal(one.out, other.out) and np.array_equal(one.spike_steps, other.spike_steps)


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("kicks", lambda v: v[:-1], r"kicks has shape \(3999,\); it must be \(4000,\)"),
        ("kicks", one_more(0), "kicks has shape"),
        ("kicks", with_value(np.nan), "kicks holds NaN"),
        ("v0", lambda v: v[:-1], r"v0 has shape \(11,\); it must be \(12,\)"),
        ("v0", with_value(np.nan), "v0 holds NaN"),
        ("seeds", lambda v: v[:, :-1], r"seeds has shape \(3, 11\); it must be \(3, 12\)"),
        ("seeds", lambda v: v.T, "seeds has shape"),
    ],
)
def test_randomness_that_does_not_fit_is_refused(key, change, message):
    simulator, u = Simulator(rate_model(content()), SpikingSettings()), np.zeros((2, 41))
    randomness = simulator.draw(np.random.default_rng(0), simulator.steps(41))
    randomness = randomness._replace(**{key: change(getattr(randomness, key))})
    for call in (simulator.outputs, simulator.record):
        with pytest.raises(ValueError, match=message):
            call([5.0], u, randomness)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("W", lambda v: v[:, :-1], "W has shape"),
        ("W", with_value(np.nan), "W holds NaN"),
        ("W", lambda v: v.astype(complex), "W is complex"),
        ("w_in", one_more(0), r"w_in has shape \(13, 2\)"),
        ("w_in", with_value(np.inf), "w_in holds NaN"),
        ("w_out", one_more(1), r"w_out has shape \(1, 13\); it must be \(1, 12\)"),
        ("w_out", one_more(0), r"b_out has shape \(1,\); it must be \(2,\)"),
        ("w_out", lambda v: v[0], r"w_out has shape \(12,\)"),
        ("w_out", lambda v: v[None], "w_out has shape"),
        ("b_out", one_more(0), r"b_out has shape \(2,\); it must be \(1,\)"),
        ("tau", lambda v: v[:1], "tau has shape"),
        ("tau", lambda v: 0 * v, "tau = 0 ms of a unit; it must be above 0"),
        ("inh", one_more(0), "inh has shape"),
    ],
)
def test_models_whose_arrays_do_not_belong_together_are_refused(name, change, message):
    from dataclasses import replace

    model = rate_model(content())
    with pytest.raises(ValueError, match=message):
        simulate(replace(model, **{name: change(getattr(model, name))}), 5.0, np.zeros((2, 41)))


def test_lambda_is_one_number_or_a_row_of_them():
    model, u = rate_model(content()), np.ones((2, 21))
    one = simulate(model, 5.0, u, rng=0).out
    for same in (np.array([[5.0]]), np.float32(5), torch.tensor(5)):  # (1, 1) as scipy reads it from a .mat file
        assert np.array_equal(simulate(model, same, u, rng=0).out, one)
    for bad in ([5.0, 6.0], [], "5", 5j):
        with pytest.raises(ValueError, match="scaling_factor (has shape|is)"):
            simulate(model, bad, u)
    simulator = Simulator(model, SpikingSettings())
    with pytest.raises(ValueError, match=r"scaling_factor has shape \(1, 1\); it must be \(L,\)"):
        simulator.outputs([[5.0]], u, simulator.draw(np.random.default_rng(0), simulator.steps(21)))
    for every in (0, -1, 7, 200):
        with pytest.raises(ValueError, match=f"every = {every}; it must divide the 100 steps"):
            Simulator(model, SpikingSettings(), every)


# ------------------------------------------------------------------------------------------------- the one check


def test_the_predecessors_call_is_checked_too():
    for u, message in (
        (np.zeros((T, N_IN)), r"stim has shape \(30, 2\); it must be \(2, T\) .*swapped"),
        (np.zeros((N_IN, T), complex), "stim is complex"),
        (np.zeros((2, 2, N_IN, T)), "stim has shape"),
        (np.full((N_IN, T), np.nan), "stim holds NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            eval_rnn(network(), {}, u)


def test_an_array_that_fits_is_not_copied():
    value = np.ones((3, 4), np.float32)
    assert array_of("a", value, (3, 4), np.float32) is value
    tensor = torch.ones(3, 4)
    assert tensor_of("a", tensor, (3, 4), torch.float32, tensor.device) is tensor
    for other in (value.T, np.broadcast_to(value, (3, 4)), value[:, ::-1]):
        checked = array_of("a", other, other.shape, np.float32)
        assert checked.flags.carray and np.array_equal(checked, other)  # else each kind is compiled for
    assert array_of("a", tensor, (3, 4), np.float32).ctypes.data == tensor.data_ptr()


def test_numbers_too_large_for_a_dtype_are_refused():
    with pytest.raises(ValueError, match="a holds NaN, infinity or a number beyond float32"):
        array_of("a", [1e300], (1,), np.float32)
    assert array_of("a", [1e38], (1,), np.float32)[0] == np.float32(1e38)

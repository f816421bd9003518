"""Names of the existing packages give the same results as NumPy and as cases worked out by hand."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.io
import torch
from test_lif import content, stimulus
from test_migrating import content_of, net_of

import ratecore as rate
from ratecore import model as functions
from ratecore import spiking
from ratecore.compat.aliases import accepts
from ratecore.compat.spiking_arguments import ScalingByFile, number, searched_values, split_amplitude, with_amplitude
from ratecore.eg_optimizer import ExponentiatedGradient
from ratecore.main import main as train_main
from ratecore.spiking import LIF_network_fnc
from ratecore.spiking.__main__ import main as commands
from ratecore.tasks import TaskFactory

TASK = {"T": 45, "stim_on": 5, "stim_dur": 10}
NONE = {"mode": "none"}


# ------------------------------------------------------------------------------------------------------ arguments


def test_an_argument_has_two_names_but_one_value():
    @accepts(old="new")
    def function(new, other=0):
        return new, other

    assert function(old=1) == function(1) == function(new=1, other=0)
    with pytest.raises(TypeError, match="got old and new, which are the same argument"):
        function(old=1, new=1)
    with pytest.raises(TypeError, match="older"):
        function(older=1)


@pytest.mark.parametrize(
    "value", [50, 50.0, np.float32(50), np.array([[50]]), torch.tensor(50.0), ScalingByFile({"a": 50.0})]
)
def test_a_scaling_factor_in_any_form_is_its_number(value):
    assert number(value) == 50


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a.mat": 20.0, "b.mat": 30.0}, r"is of 2 files \(a.mat, b.mat\)"),
        ([20, 30], "has 2 values"),
        ("x", "= 'x'"),
        (None, "one number above 0|must be a number"),
    ],
)
def test_what_is_no_scaling_factor_is_named(value, message):
    with pytest.raises(ValueError, match=message):
        if value is None:
            LIF_network_fnc(content(), value, stimulus(), NONE)
        number(value)


def test_lambda_of_a_single_file_is_a_number_and_a_mapping():
    found = ScalingByFile({"net.mat": 45.0})
    assert isinstance(found, float) and found == 45 and found / 2 == 22.5 and f"{found:.2f}" == "45.00"
    assert json.loads(json.dumps(found)) == 45 and np.asarray(found).dtype == float
    assert found["net.mat"] == 45 and dict(found) == {"net.mat": 45.0} == found and list(found) == ["net.mat"]
    assert found.get("other") is None and "net.mat" in found and len(found) == 1 and hash(found) == hash(45.0)
    assert list(found.items()) == [("net.mat", 45.0)] and list(found.values()) == [45.0]


def test_ranges_of_lambda():
    assert searched_values(None, (20, 80)) == list(range(20, 81, 5)) and searched_values(None, None) is None
    assert searched_values(range(20, 31, 5), None) == [20, 25, 30]
    with pytest.warns(UserWarning, match=r"three values of lambda are searched; .* range\(20, 76, 5\)"):
        assert searched_values((20, 76, 5), None) == [20, 76, 5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searched_values((20, 25, 30), None)
    for bad in ((80, 20), (0, 5), (1, 2, 3)):
        with pytest.raises(ValueError, match="scaling_range = "):
            searched_values(None, bad)
    with pytest.raises(ValueError, match="both given"):
        searched_values([20], (20, 30))


# ------------------------------------------------------------------------------------------------- rate networks


def test_the_loss_takes_targets_with_and_without_the_last_step():
    o, z = np.array([1.0, 2.0, 4.0]), np.array([0.0, 2.0, 2.0, 9.0])
    entries = [torch.tensor([[v]]) for v in o]
    for target in (z, z[:-1], torch.tensor(z[:-1])):
        for outputs in (entries, list(o), tuple(o), torch.cat(entries), torch.stack(entries)):
            assert float(rate.loss_op(outputs, target, {"loss_fn": "L2"})) == pytest.approx(5**0.5)
            assert float(rate.loss_op(outputs, target, {"loss_fn": "l1"})) == pytest.approx(3)
    for outputs in (o, np.append(-7, o)):  # with and without the output of the first step, as `run` returns it
        for batch in (1, 2):
            many = torch.tensor(np.stack([outputs] * batch)), np.stack([z] * batch)
            assert float(rate.loss_op(*many, {})) == pytest.approx(5**0.5)
        assert float(rate.loss_op(outputs, z, {})) == pytest.approx(5**0.5)
    for wrong in (z[:-2], np.append(z, 0), z[None]):
        with pytest.raises(ValueError, match="as many steps as o or one step more"):
            rate.loss_op(o, wrong, {})


def test_the_loss_of_everything_that_forward_returns_says_what_to_pass():
    net, u = net_of(), np.zeros((1, 20))
    for outputs in (net.forward(u), list(net.forward(u)), net.forward(u)[1]):
        with pytest.raises(ValueError, match=r"loss_op\(outputs\[3\], z, training_params\)"):
            rate.loss_op(outputs, np.zeros(20), {"loss_fn": "l2"})


def test_settings_say_how_long_a_trial_is():
    net, u = net_of(), np.random.default_rng(0).standard_normal((1, 30))
    short, whole = net.forward(u, rng=1, settings={"T": 20}), net.forward(u[:, :20], rng=1)
    assert len(short[1]) == 20 and short[0].shape == (1, 20)
    assert all(torch.equal(a, b) for a, b in zip(short[3], whole[3], strict=True))
    assert net.forward(u[None], rng=1, settings={"T": 20})[3].shape == (1, 19)
    with pytest.raises(ValueError, match=r"settings\['T'\] = 31: stim has only 30 steps"):
        net.forward(u, settings={"T": 31})


@pytest.mark.parametrize("name", ["go_nogo", "xor", "mante"])
def test_a_stimulus_without_a_seed_is_a_new_one(name):
    draw = getattr(functions, f"generate_input_stim_{name}")
    # `seed=False` is no seed, as in the `rate` package, and not the number 0.
    labels = {str(draw({}, seed=False)[1]) for _ in range(60)}
    assert len(labels) == 2
    assert (draw({}, seed=True)[0] == draw({}, seed=True)[0]).all() and (draw({}, True)[0] == draw({}, 42)[0]).all()
    assert (draw({}, seed=0)[0] == draw({}, seed=0)[0]).all()


def test_numbers_before_training_are_those_that_were_drawn(tmp_path):
    net = net_of()
    w, taus_gaus = net.w.detach().clone(), net.taus_gaus.detach().clone()
    with torch.no_grad():
        net.w.mul_(2)
        net.taus_gaus.add_(1)
    assert torch.equal(net.w0, w) and torch.equal(net.taus_gaus0, taus_gaus) and not torch.equal(net.w, w)
    scipy.io.savemat(tmp_path / "net.mat", content_of(net))
    for load in (lambda: net_of().load_net(tmp_path / "net.mat"), lambda: rate.load_network(tmp_path / "net.mat")):
        with pytest.raises(ValueError, match="w0 is not known.* a .mat file has them as 'w0'"):
            _ = load().w0
    other = net_of()
    other.load_state_dict(net.state_dict())
    with pytest.raises(ValueError, match="taus_gaus0 is not known"):
        _ = other.taus_gaus0


def test_a_lesion_scales_what_it_chooses():
    net = net_of(N=40)
    before, live = net.w.detach().clone(), net.live_synapses()
    assert net.lesion_w(lesion_percentage=0.5, lesion_scale=0.25, seed=1) == round(0.5 * int(live.sum()))
    ratio = (net.w.detach() / before)[live]
    assert set(ratio.unique().tolist()) == {0.25, 1.0} and torch.equal(net.w[~live], before[~live])
    assert int((ratio == 0.25).sum()) == round(0.5 * int(live.sum()))
    counts = net.lesion_w_by_type(lesion_percentage=1.0)
    assert sum(counts.values()) == int(live.sum()) and not net.live_synapses().any()
    for arguments in (dict(fraction=-0.1), dict(fraction=20), dict(fraction=0.1, lesion_scale=1.5)):
        with pytest.raises(ValueError, match="it must be in"):
            net.lesion_w(**arguments)


def test_the_multiplicative_optimizer():
    w = torch.nn.Parameter(torch.tensor([0.5, 0.0, 2.0, -1.0]))
    optimizer = ExponentiatedGradient([w], lr=0.1, weight_decay=0.5)
    (w * torch.tensor([1.0, 2.0, -3.0, 4.0])).sum().backward()
    optimizer.step()
    expected = [0.5 * np.exp(-0.1 * (1 + 0.25)), 0, 2 * np.exp(-0.1 * (-3 + 1)), -1]
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-6)
    bounded = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
    bounded.sum().backward()
    ExponentiatedGradient([bounded], lr=1e-9, max_norm=1.0, norm_axis=1).step()
    np.testing.assert_allclose(bounded.detach().numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-5)
    for bad in (dict(lr=0), dict(eps=-1.0), dict(weight_decay=-1)):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} = "):
            ExponentiatedGradient([w], **bad)


def test_the_registry_of_tasks_can_be_written_to():
    class Mine(rate.GoNogoTask):
        pass

    TaskFactory._registry["my_own"] = Mine
    assert type(TaskFactory.create_task("my_own")) is Mine and TaskFactory._registry["my-own"] is Mine
    assert set(TaskFactory._registry) == set(TaskFactory.list_available_tasks())
    assert "nothing" not in TaskFactory._registry
    with pytest.raises(TypeError, match="not a subclass"):
        TaskFactory._registry["number"] = int


# ---------------------------------------------------------------------------------------------- spiking networks


def lesioned_weights(**lesion):
    return [LIF_network_fnc(content(N=12), 5.0, stimulus(), NONE, rng=0, **how)[0] for how in ({}, lesion)]


@pytest.mark.parametrize("scale", [0.0, 0.3])
@pytest.mark.parametrize("spared", [True, False])
def test_a_lesion_of_a_spiking_network(scale, spared):
    lesion = dict(lesion_percentage=0.5, lesion_scale=scale, exclude_self_connections=spared, seed=3)
    before, after = lesioned_weights(**lesion)
    can_be = (before != 0) & ~(np.eye(12, dtype=bool) if spared else np.zeros((12, 12), bool))
    changed = before != after
    assert changed.sum() == round(0.5 * can_be.sum()) and not (changed & ~can_be).any()
    np.testing.assert_allclose(after[changed], scale * before[changed])
    assert (before.diagonal() != 0).any() and (not spared or (before.diagonal() == after.diagonal()).all())
    np.testing.assert_array_equal(after, lesioned_weights(**lesion)[1])
    assert (after != lesioned_weights(**lesion | {"seed": 4})[1]).any()


def test_a_lesion_by_type_takes_the_same_share_of_each():
    before, after = lesioned_weights(lesion_percentage=0.5, lesion_by_type=True, seed=1)
    inh = content(N=12)["inh"].ravel() == 1
    own = np.eye(12, dtype=bool)
    for pre in (inh, ~inh):
        for post in (inh, ~inh):
            live = (before != 0) & post[:, None] & pre[None, :] & ~own
            assert ((before != after) & live).sum() == round(0.5 * live.sum())


def test_a_lesion_is_of_the_weights_that_are_run():
    data, u = content(N=12), stimulus()
    none = LIF_network_fnc(data, 5.0, u, NONE, 1, True, 1.0, exclude_self_connections=False, rng=0)
    assert not none[0].any() and not none[6]["IPSCs"].any()
    dead = {**data, "w": -np.abs(data["w"]) - 1}  # silent under Dale's law: there is nothing to lesion
    assert not LIF_network_fnc(dead, 5.0, u, NONE, lesion_percentage=0.5, seed=0)[0].any()
    for bad in (dict(lesion_percentage=20), dict(lesion_percentage=0.5, lesion_scale=2)):
        with pytest.raises(ValueError, match=r"it must be in \[0, 1\]"):
            LIF_network_fnc(data, 5.0, u, NONE, **bad)


def test_tensors_are_taken_as_arrays_are():
    data, u = content(N=12), stimulus()
    tensors = {
        key: torch.tensor(v, requires_grad=True) if np.asarray(v).dtype == float and np.ndim(v) else v
        for key, v in data.items()
    }
    a = LIF_network_fnc(data, 5.0, u, NONE, rng=0)
    b = LIF_network_fnc(tensors, torch.tensor(5.0), torch.tensor(u, requires_grad=True), NONE, rng=0)
    np.testing.assert_array_equal(a[5], b[5])


def test_another_amplitude_is_that_of_the_criterion():
    def o(value):
        o = np.zeros(200)
        o[120] = value
        return o

    task = with_amplitude(TaskFactory.create_task("go-nogo"), 0.6)
    for of in (task.is_correct, task.is_correct_spiking):
        assert of(o(0.65), 1) and not of(o(0.55), 1) and of(o(0.39), 0) and not of(o(0.41), 0)
    plain = with_amplitude(TaskFactory.create_task("go-nogo"), 0.7)
    assert not plain.is_correct(o(0.65), 1) and plain.is_correct(o(0.29), 0) and not plain.is_correct(o(0.301), 0)
    xor = with_amplitude(TaskFactory.create_task("xor", {"T": 200, "stim_on": 5, "stim_dur": 10}), 0.5)
    assert xor.is_correct(o(0.55), "same") and xor.is_correct_spiking(o(-0.55), "diff")
    assert split_amplitude({"T": 5, "eval_amp_threh": 0.6}) == ({"T": 5}, 0.6) and split_amplitude(None) == ({}, None)
    for name, amplitude in (("go-nogo", 1.0), ("go-nogo", 0), ("mante", -1)):
        with pytest.raises(ValueError, match="eval_amp_thresh = .*above 0"):
            with_amplitude(TaskFactory.create_task(name), amplitude)
    own = type("Own", (rate.AbstractTask,), {"name": "own", "n_inputs": 1, "defaults": TASK, "trial_types": ("a",),
               "draw_trial": lambda self, kind, rng: (np.zeros((1, 45)), 0), "is_correct": lambda self, o, label: True,
               "generate_target": lambda self, label: np.zeros(45)})  # fmt: skip
    with pytest.raises(ValueError, match="task own has a criterion of its own"):
        with_amplitude(own(), 0.6)


@pytest.fixture
def folder(tmp_path):
    data = content(N=12, n_in=1, weight=40.0)
    scipy.io.savemat(tmp_path / "net.mat", data | {"w_in": np.abs(data["w_in"]) * 10})
    return tmp_path


def test_an_amplitude_reaches_every_program(folder, capsys):
    # With an amplitude near 0 any output answers a Go trial and none is too much in a NoGo trial.
    data = content(N=12, n_in=1, weight=0.5)
    near = data | {"w_in": np.abs(data["w_in"]) * 3, "w_out": np.abs(data["w_out"]) * 0.02}
    scipy.io.savemat(folder / "net.mat", near)
    scores = {
        amplitude: spiking.evaluate_task(
            "go-nogo", folder, 8.0, TASK | {"eval_amp_thresh": amplitude}, False, n_trials=10, seed=2
        )
        for amplitude in (0.01, 0.99)
    }
    assert scores[0.01]["overall_accuracy"] == 1 > scores[0.99]["overall_accuracy"]
    times = [f"--{key}={value}" for key, value in TASK.items()]
    run = ["evaluate", f"--model_path={folder}", "--task=go_nogo", "--scaling_factor=8", "--n_trials=10", "--seed=2",
           "--no_plots", *times]  # fmt: skip
    assert commands([*run, "--eval_amp_thresh=0.99"]) == 0
    assert json.loads(capsys.readouterr().out)["overall_accuracy"] == scores[0.99]["overall_accuracy"]
    assert commands([*run, "--eval_amp_thresh=1.5"]) == 2
    assert "eval_amp_thresh = 1.5; it must be above 0 and below 1" in capsys.readouterr().err
    evaluator = spiking.SpikingEvaluatorFactory.create_evaluator("go_nogo", TASK | {"eval_amp_thresh": 0.6})
    assert evaluator.eval_amp_thresh == 0.6 and evaluator.quiet == 1 - 0.6


def test_scores_count_as_there(folder):
    scores = spiking.evaluate_task(
        "go_nogo",
        model_path=folder,
        scaling_factor=8.0,
        task_settings=TASK,
        n_trials=8,
        all_trial_types=True,
        plot_results=False,
    )
    assert scores["Correct trials"] + scores["Incorrect trials"] == scores["Total trials"] == 8
    assert scores["Correct trials"] / 8 == scores["overall_accuracy"] and not (folder / "plots").exists()
    assert [trial["trial_type"] for trial in scores["trial_types"]] == ["go", "nogo"]
    go = scores["trial_types"][0]
    assert go["spikes"].shape == (12, go["params"]["nt"]) and go["output"].shape == (go["params"]["nt"],)
    assert go["stimulus"].max() == 1 and go["label"] == 1 and go["target"].shape == (45,)
    with pytest.raises(
        ValueError, match=r"save_plots = 50; it must be True or False. The number of trials is n_trials="
    ):
        spiking.evaluate_task("go_nogo", folder, 8.0, TASK, 50)


class Fake:
    """A network whose output is given."""

    def __init__(self, output):
        self.output = output

    def simulate(self, stimulus, stims):
        n = self.output.size
        return np.zeros((3, n)), None, self.output, {"dt": 0.00005, "nt": n, "T": n * 0.00005}


def test_spiking_tasks_score_the_output_in_the_window_of_the_response():
    task = spiking.SpikingTaskFactory.create_task("go_nogo", TASK)  # a step of 5 ms is 100 LIF steps
    first, n = task.task.spiking_window.start * 100, 4400
    (u, go), (_, nogo) = task.generate_stimulus("go"), task.generate_stimulus("nogo")
    assert (go, nogo) == ("go", "nogo") and u.shape == (1, 45)

    def correct(step, value, label):
        output = np.zeros(n)
        output[step] = value
        return task.evaluate_trial(Fake(output), u, label)["correct"]

    assert correct(first + 10, 0.71, "go") and not correct(first + 10, 0.69, "go")
    assert not correct(first - 200, 0.71, "go")  # before the response
    assert not correct(first + 10, 0.31, "nogo") and correct(first + 10, 0.29, "nogo")
    quiet = task.evaluate_performance(Fake(np.zeros(n)), n_trials=20)
    assert quiet["nogo_accuracy"] == 1 and quiet["go_accuracy"] == 0 and quiet["go_trials"] + quiet["nogo_trials"] == 20
    assert quiet["overall_accuracy"] == quiet["nogo_trials"] / 20
    with pytest.raises(ValueError, match=r"unknown task 'go_nog' \(did you mean 'go-nogo'\?\)"):
        spiking.SpikingTaskFactory.create_task("go_nog")


def test_the_adapter_runs_the_network_of_the_file(folder):
    mat = str(folder / "net.mat")
    adapter = spiking.LIFNetworkAdapter(mat, np.array([[8.0]]), seed=5)
    u = np.ones((1, 21))
    spikes, voltages, out, params = adapter.simulate(u, NONE)
    direct = LIF_network_fnc(mat, 8.0, u, NONE, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(spikes, direct[2])
    np.testing.assert_array_equal(voltages, direct[1])
    np.testing.assert_array_equal(out, direct[5])
    np.testing.assert_allclose(adapter.compute_firing_rates(spikes), spikes.sum(1) / params["T"])


def test_one_trial_of_an_evaluator_is_that_of_the_scores(folder):
    mat = str(folder / "net.mat")
    evaluator = spiking.GoNogoSpikingEvaluator(TASK)
    one_by_one = [evaluator.evaluate_single_trial(mat, 8.0, seed=k) for k in range(6)]
    scores = [spiking.evaluate_task("go-nogo", mat, 8.0, TASK, False, n_trials=1, seed=k) for k in range(6)]
    assert one_by_one == [found["Correct trials"] for found in scores]
    again = spiking.evaluate_single_trial("go_nogo", mat, 8.0, TASK, model_data=spiking.load_rate_model(mat), seed=1)
    assert again == one_by_one[1]
    with pytest.raises(ValueError, match="the network has 1 inputs; task xor has 2"):
        spiking.evaluate_single_trial("xor", mat, 8.0)


def test_an_evaluator_of_a_users_own_must_say_0_or_1(folder):
    class Bad:
        def __init__(self, settings):
            pass

        def evaluate_single_trial(self, model_path, scaling_factor):
            return None

    spiking.SpikingEvaluatorFactory.register_evaluator("bad", Bad)
    try:
        with pytest.raises(ValueError, match="Bad.evaluate_single_trial must return 0 or 1; it gave None"):
            spiking.evaluate_task("bad", folder, 8.0)
        with pytest.raises(TypeError, match="has no evaluate_single_trial"):
            spiking.SpikingEvaluatorFactory.register_evaluator("worse", int)
    finally:
        del spiking.SpikingEvaluatorFactory._registry["bad"]


def test_spikes_as_times_and_units():
    rng = np.random.default_rng(0)
    spk, dt = (rng.random((5, 40)) < 0.1).astype(float), 5e-5
    spk[2] = 0
    data = spiking.format_spike_data(torch.tensor(spk), dt)
    pairs = [(k * dt, i) for i in range(5) for k in range(40) if spk[i, k]]
    np.testing.assert_allclose(data["spike_times"], [t for t, _ in pairs])
    np.testing.assert_array_equal(data["spike_neurons"], [i for _, i in pairs])
    np.testing.assert_allclose(data["firing_rates"], spk.sum(1) / 0.002)
    assert data["total_spikes"] == spk.sum() and 2 not in data["active_neurons"]
    for bad in (dict(spikes=spk[0], dt=dt), dict(spikes=spk, dt=0)):
        with pytest.raises(ValueError, match="it must be"):
            spiking.format_spike_data(**bad)


def test_masks_sign_columns_and_spare_no_sst_unit():
    inh, exc, m, som_m = spiking.create_connectivity_masks(60, 0.4, som_N=4, seed=1)
    effective = (np.ones((60, 60)) @ m) * som_m
    som = np.flatnonzero(inh)[:4]
    assert (effective[:, exc] == 1).all() and not effective[np.ix_(som, np.flatnonzero(inh))].any()
    assert (np.delete(effective, som, 0)[:, inh] == -1).all() and (inh ^ exc).all()
    assert spiking.create_connectivity_masks(9, apply_dale=False)[1].all()
    for bad in (dict(N=0), dict(N=5, P_inh=2), dict(N=5, P_inh=0.0, som_N=1)):
        with pytest.raises(ValueError):
            spiking.create_connectivity_masks(**bad)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spiking.validate_stimulus(np.zeros((2, 9))), "has 2 inputs; task go-nogo has 1"),
        (lambda: spiking.validate_stimulus(np.zeros(9)), r"must be an array \(n_in, T\)"),
        (lambda: spiking.validate_stimulus([[0.0]]), "of list"),
        (lambda: spiking.validate_stimulus(np.full((1, 9), np.nan)), "finite"),
        (lambda: spiking.validate_stimulus(np.zeros((1, 9)), "go"), "unknown task 'go'"),
        (lambda: spiking.validate_scaling_factor(0), "scaling_factor = 0; it must be a number above 0"),
        (lambda: spiking.validate_scaling_factor("50"), "scaling_factor = '50'"),
        (lambda: spiking.load_rate_model(__file__), "it must be a .mat file"),
        (lambda: spiking.create_default_spiking_config(trf=3), r"unknown setting 'trf' .*'tref'"),
        (lambda: spiking.create_default_spiking_config(N=0), "N = 0"),
        (lambda: spiking.create_default_spiking_config(dt=0.0), "dt = 0"),
        (lambda: spiking.create_default_spiking_config(vpeak=-70.0), "v_reset = -65"),
        (lambda: spiking.create_default_spiking_config(scaling_factor=-1), "scaling_factor = -1"),
        (lambda: spiking.SpikingRNNFactory.create("none", None), "unknown network 'none'"),
        (lambda: spiking.generate_lif_params(dt=0.0003), "dt = 0.3: it must divide"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_files_that_are_not_there_and_scalings_far_out(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        spiking.load_rate_model(tmp_path / "net.mat")
    scipy.io.savemat(tmp_path / "part.mat", {"w": np.eye(3)})
    with pytest.raises(ValueError, match="part.mat: .*it has no w_in"):
        spiking.load_rate_model(tmp_path / "part.mat")
    with pytest.warns(UserWarning, match="is outside"):
        assert spiking.validate_scaling_factor(np.float64(5), (20, 100))
    with pytest.raises(TypeError, match="not a subclass of AbstractSpikingRNN"):
        spiking.SpikingRNNFactory.register("number", int)


# ------------------------------------------------------------------------------------------------- command lines


def test_commands_of_their_modules(folder, capsys):
    from ratecore.spiking import eval_tasks  # noqa: F401
    from ratecore.spiking.eval_tasks import main as evaluate
    from ratecore.spiking.lambda_grid_search import main as search

    base = [f"--model_path={folder / 'net.mat'}", "--n_trials=3", *(f"--{k}={v}" for k, v in TASK.items())]
    assert search([*base, "--task_name=go-nogo", "--scaling_factors=20:31:5", "--eval_amp_thresh=0.7"]) == 0
    assert "net.mat: lambda" in capsys.readouterr().out
    assert evaluate([*base, "--task=go_nogo", "--no_plots", "--all_trial_types"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["Total trials"] == 3 and "trial_types" not in printed.out
    with np.load(folder / "plots" / "net_trial_types.npz") as trials:
        assert trials["go/spikes"].shape == (12, 4400) and trials["nogo/stimulus"].max() == 0
    code = """import runpy, sys
for name in ("lambda_grid_search", "eval_tasks", "eval_go_nogo", "eval_xor"):
    sys.argv = [name, "--help"]
    try:
        runpy.run_module("ratecore.spiking." + name, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("--eval_amp_thresh") >= 4, done.stderr


def test_settings_of_a_task_and_of_training_are_options(tmp_path, capsys):
    arguments = ["--output_dir", str(tmp_path), "--N", "8", "--task", "go-nogo", "--decay_taus", "4", "20",
                 "--n_trials", "4", "--eval_trials", "3", "--seed", "1"]  # fmt: skip
    options = ["--T", "60", "--stim_on", "10", "--stim_dur", "5", "--eval_freq", "2", "--eval_tr", "3",
               "--loss_threshold", "5", "--learning_rate", "0.02", "--DeltaT", "1",
               "--eval_amp_thresh", "0.7"]  # fmt: skip
    assert train_main([*arguments, *options]) == 0
    saved = torch.load(next(tmp_path.rglob("*.pth")), weights_only=True)
    assert saved["settings"]["T"] == 60 and saved["settings"]["stim_on"] == 10 and saved["settings"]["stim_dur"] == 5
    params = saved["training_params"]
    assert (params["eval_freq"], params["eval_tr"], params["loss_threshold"], params["learning_rate"]) == (
        2,
        3,
        5,
        0.02,
    )
    capsys.readouterr()
    for more, message in (
        (["--DeltaT", "2"], "give --decay_taus 2 10"),
        (["--DeltaT", "0"], "DeltaT = 0"),
        (["--eval_amp_thresh", "0.6"], "eval_amp_thresh = 0.6: training stops by the published criterion, 0.7"),
        (["--delay", "5"], "unknown setting 'delay'"),
        (["--stim_on", "500"], "outside a trial of T = 200 steps"),
        (["--eval_freq", "0"], "training.eval_freq = 0"),
    ):
        assert train_main([*arguments, *more]) == 2
        assert message in capsys.readouterr().err

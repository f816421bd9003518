"""Programs from the documentation of the existing packages, with changed imports and smaller networks."""

import json

import numpy as np
import pytest
import scipy.io as sio
import torch

import ratecore as rate
from ratecore import FR_RNN_dale, TaskFactory, create_default_config, set_gpu
from ratecore.model import (
    eval_rnn,
    generate_input_stim_go_nogo,
    generate_input_stim_xor,
    generate_target_continuous_go_nogo,
    generate_target_continuous_xor,
    loss_op,
)
from ratecore.spiking import (
    LIF_network_fnc,
    eval_go_nogo,
    evaluate_task,
    format_spike_data,
    lambda_grid_search,
    load_rate_model,
)

N = 20
SETTINGS = {"T": 60, "stim_on": 10, "stim_dur": 10, "DeltaT": 1, "taus": [4, 20], "task": "go-nogo"}
PARAMS = {"learning_rate": 0.01, "loss_threshold": 7, "eval_freq": 2, "eval_tr": 3, "eval_amp_threh": 0.7,
          "activation": "sigmoid", "loss_fn": "l2", "P_rec": 0.20}  # fmt: skip
SPIKING = {"T": 60, "stim_on": 10, "stim_dur": 10}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def network(n_in=1, **more):
    device = set_gpu("0", 0.3)
    w_in = torch.randn(N, n_in, device=device)
    w_out = torch.randn(1, N, device=device) / 100
    return FR_RNN_dale(
        N, 0.2, 0.2, w_in, som_N=0, w_dist="gaus", gain=1.5, apply_dale=True, w_out=w_out, device=device, **more
    )


def save(net, path, settings=SETTINGS):
    model_dict = {
        "w": net.w.detach().cpu().numpy(),
        "w_in": net.w_in.detach().cpu().numpy(),
        "w_out": net.w_out.detach().cpu().numpy(),
        "w0": net.w0.detach().cpu().numpy(),
        "N": net.N,
        "m": net.m.cpu().numpy(),
        "som_m": net.som_m.cpu().numpy(),
        "inh": net.inh.cpu().numpy(),
        "exc": net.exc.cpu().numpy(),
        "taus": settings["taus"],
        "taus_gaus": net.taus_gaus.detach().cpu().numpy(),
        "taus_gaus0": net.taus_gaus0.detach().cpu().numpy(),
    }
    sio.savemat(path, model_dict)
    return str(path)


def test_a_training_loop_and_the_way_to_a_spiking_network():
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(3):
        u, label = generate_input_stim_go_nogo(SETTINGS)
        target = generate_target_continuous_go_nogo(SETTINGS, label)
        u_tensor = torch.tensor(u, dtype=torch.float32, device=net.device)
        outputs = net.forward(u_tensor, SETTINGS["taus"], {"activation": "sigmoid", "P_rec": 0.2}, SETTINGS)
        loss = loss_op(outputs[3], target, {"loss_fn": "l2"})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert not torch.equal(net.w, net.w0) and not torch.equal(net.taus_gaus, net.taus_gaus0)
    path = save(net, "trained_model.mat")
    u = np.zeros((1, 61))
    u[0, 10:20] = 1
    W, _REC, spk, _rs, _all_fr, out, _params = LIF_network_fnc(
        path, 50.0, u, {"mode": "none"}, downsample=1, use_initial_weights=False
    )
    assert f"{np.sum(spk):.0f} {out[-1]:.4f}" and spk.shape == (N, 6000)
    np.testing.assert_allclose(W, net.effective_weights().detach() / 50, rtol=1e-5)


def test_a_loop_with_tests_as_in_main():
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=PARAMS["learning_rate"])
    u, label = generate_input_stim_go_nogo(SETTINGS)
    u_tensor = torch.tensor(u, dtype=torch.float32, device=net.device)
    _stim0, x0, r0, _o0, _w0, _w_in0, _m0, _som_m0, _w_out0, _b_out0, _taus_gaus0 = net.forward(
        u_tensor, SETTINGS["taus"], PARAMS, SETTINGS
    )
    losses, eval_os = np.zeros(4), np.zeros((PARAMS["eval_tr"], SETTINGS["T"] - 1))
    for tr in range(4):
        optimizer.zero_grad()
        u, label = generate_input_stim_go_nogo(SETTINGS)
        target = generate_target_continuous_go_nogo(SETTINGS, label)
        o = net.forward(torch.tensor(u, dtype=torch.float32), SETTINGS["taus"], PARAMS, SETTINGS)[3]
        t_loss = loss_op(o, target, PARAMS)
        t_loss.backward()
        optimizer.step()
        losses[tr] = t_loss.item()
        if (tr - 1) % PARAMS["eval_freq"] == 0:
            net.eval()
            with torch.no_grad():
                for ii in range(PARAMS["eval_tr"]):
                    u, label = generate_input_stim_go_nogo(SETTINGS)
                    eval_o = net.forward(torch.tensor(u), SETTINGS["taus"], PARAMS, SETTINGS)[3]
                    eval_os[ii] = torch.cat(eval_o).cpu().numpy().flatten()
                    assert np.max(np.abs(eval_os[ii, 20:])) >= 0 and torch.stack(eval_o).shape == (59, 1, 1)
            net.train()
    assert (losses > 0).all() and eval_os.any()
    var = {
        "x0": [v.detach().numpy() for v in x0],
        "r0": [v.detach().numpy() for v in r0],
        "losses": losses,
        "exc": net.exc.cpu().numpy(),
        "N": N,
    }
    sio.savemat("var.mat", var)
    assert sio.loadmat("var.mat")["x0"].shape == (60, N, 1)


def test_xor_with_two_optimizers():
    from ratecore.eg_optimizer import ExponentiatedGradient

    settings = {"T": 200, "stim_on": 20, "stim_dur": 10, "delay": 5, "DeltaT": 1, "taus": [20], "task": "xor"}
    params = {**PARAMS, "learning_rate": 0.1, "loss_fn": "L2", "optimizer": "eg"}
    net = network(n_in=2)
    named = dict(net.named_parameters())
    optimizers = [
        ExponentiatedGradient([named.pop("w")], lr=params["learning_rate"], weight_decay=0.0),
        torch.optim.Adam(named.values(), lr=params["learning_rate"]),
    ]
    task = TaskFactory.create_task("xor", {key: settings[key] for key in ("T", "stim_on", "stim_dur", "delay")})
    connected = net.w.detach() > 0
    for _ in range(2):
        for optimizer in optimizers:
            optimizer.zero_grad()
        u, target, _label = task.simulate_trial()
        o = net.forward(torch.tensor(u, dtype=torch.float32), settings["taus"], params, settings)[3]
        loss_op(o, target, params).backward()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.equal(net.w.detach() > 0, connected) and not torch.equal(net.w, net.w0)


def test_the_task_functions_of_xor():
    settings = {"T": 300, "stim_on": 50, "stim_dur": 50, "delay": 10, "DeltaT": 1, "taus": [10], "task": "xor"}
    u, label = generate_input_stim_xor(settings)
    target = generate_target_continuous_xor(settings, label)
    same = np.sign(u[0, 60]) == np.sign(u[1, 120])
    assert label == ("same" if same else "diff") and target[180] == (1 if same else -1) and target[:170].any() == 0


def test_tasks_by_their_names():
    for task_type in TaskFactory.list_available_tasks():
        task = TaskFactory.create_task(task_type)
        stimulus, label = task.generate_stimulus()
        assert stimulus.shape[1] == task.generate_target(label).shape[-1] <= task.settings.get("T", task.T)
    task = TaskFactory.create_task("go_nogo", {"T": 200, "stim_on": 50, "stim_dur": 25, "DeltaT": 1})
    (go_stimulus, go), (nogo_stimulus, nogo) = task.generate_stimulus("go"), task.generate_stimulus("nogo")
    assert go_stimulus.sum() == 25 and not nogo_stimulus.any() and task.generate_target(go).sum() == 125
    stimulus, target, label = task.simulate_trial()
    assert (target.any(), label) in ((True, go), (False, nogo))


def test_a_configuration_makes_a_network():
    config = create_default_config(N=N, P_inh=0.2, P_rec=0.2, device=str(set_gpu("0", 0.3)))
    w_in = np.random.randn(N, 1).astype(np.float32)
    w_out = np.random.randn(1, N).astype(np.float32) / 100
    net = FR_RNN_dale(config.N, config.P_inh, config.P_rec, w_in, config.som_N, config.w_dist, config.gain,
                      config.apply_dale, w_out, config.device)  # fmt: skip
    net.display()
    assert net.NE + net.NI == N and net.mask.shape == net.som_mask.shape == (N, N)


def test_a_saved_network_is_loaded_and_evaluated(exported):
    net = network().load_net(exported[0])
    u, _label = generate_input_stim_go_nogo(SETTINGS)
    o, r, _x = eval_rnn(net, SETTINGS, u, net.device)
    assert len(o) == 59 and np.array(o).dtype == float and np.concatenate(r, 1).shape == (N, 60)
    assert max(o) == np.max(o) and json.dumps(o)


def test_a_search_then_an_evaluation_in_python():
    path = save(network(), "model.mat")
    opt_scaling_factor = lambda_grid_search(
        model_path=path, task_name="go_nogo", n_trials=2, scaling_factors=list(range(20, 31, 5)), task_settings=SPIKING
    )
    performance = evaluate_task(
        task_name="go_nogo",
        model_path=path,
        optimal_scaling_factor=opt_scaling_factor,
        task_settings=SPIKING,
        n_trials=3,
    )
    assert performance["Total trials"] == 3 and f"{performance['overall_accuracy']:.3f}"
    by_file = evaluate_task(task_name="go_nogo", model_dir=".", task_settings=SPIKING, n_trials=3)
    assert by_file["scaling_factor"] == opt_scaling_factor  # as the search has saved it
    eval_go_nogo(model_path=path, scaling_factor=50.0, n_trials=2, plot_results=True, settings=SPIKING)


def test_the_pipeline_of_commands(tmp_path):
    from ratecore.main import main
    from ratecore.spiking.eval_tasks import main as evaluate
    from ratecore.spiking.lambda_grid_search import main as search

    assert main(["--gpu", "0", "--gpu_frac", "0.4", "--n_trials", "2", "--mode", "train", "--output_dir", "out",
                 "--N", "12", "--gain", "1.5", "--P_inh", "0.20", "--P_rec", "0.20", "--som_N", "0", "--apply_dale",
                 "True", "--task", "go-nogo", "--act", "sigmoid", "--loss_fn", "l2", "--decay_taus", "4", "20",
                 "--eval_trials", "2"]) == 0  # fmt: skip
    (model,) = (tmp_path / "out" / "models" / "go-nogo").rglob("*.mat")
    times = ["--T", "200", "--stim_on", "30", "--stim_dur", "20"]
    assert search(["--model_path", str(model), "--task_name", "go-nogo", "--n_trials", "2", "--scaling_factors",
                   "20:31:5", *times, "--eval_amp_thresh", "0.7"]) == 0  # fmt: skip
    assert evaluate(["--task", "go_nogo", "--model_path", str(model), "--n_trials", "2", *times]) == 0
    assert load_rate_model(model)["opt_scaling_factor"].item() in (20, 25, 30)


def test_spike_statistics():
    path, u = save(network(), "model.mat"), np.zeros((1, 61))
    u[0, 10:20] = 1
    _W, _REC, spk, _rs, _all_fr, _out, params = LIF_network_fnc(
        path, scaling_factor=50.0, u=u, stims={"mode": "none"}, downsample=1, use_initial_weights=False
    )
    spike_data = format_spike_data(spk, dt=params["dt"])
    assert spike_data["total_spikes"] == spk.sum()
    assert len(np.unique(spike_data["spike_neurons"])) == len(spike_data["active_neurons"])
    assert np.mean(spike_data["firing_rates"]) == pytest.approx(spk.sum() / N / params["T"])
    spike_neurons, spike_times = np.where(spk)
    np.testing.assert_allclose(spike_times * params["dt"], spike_data["spike_times"])
    np.testing.assert_array_equal(spike_neurons, spike_data["spike_neurons"])


def test_artificial_stimulation():
    path, u = save(network(), "model.mat"), np.zeros((1, 31))
    stims = {"mode": "exc", "dur": [1000, 1500], "units": [10, 15]}
    stimulated, plain = (
        LIF_network_fnc(path, 50.0, u, s, downsample=1, use_initial_weights=False, rng=1)[1]
        for s in (stims, {"mode": "none"})
    )
    changed = (stimulated != plain).any(0)
    assert not changed[:1000].any() and changed[1000:1010].any()


def test_lesions_of_both_kinds_of_networks():
    net = network()
    path, u = save(net, "model.mat"), np.zeros((1, 31))
    whole = int((load_rate_model(path)["w"] != 0).sum())
    for fraction in (0.0, 0.1, 0.5):
        W = LIF_network_fnc(path, 50.0, u, {"mode": "none"}, 1, False, lesion_percentage=fraction,
                            exclude_self_connections=False, seed=0)[0]  # fmt: skip
        assert (W != 0).sum() == whole - round(fraction * whole)
    net.lesion_w_by_type(lesion_percentage=0.2)
    net.lesion_w(lesion_percentage=0.3, lesion_scale=0.5)


def test_a_spiking_network_of_ones_own():
    from ratecore.spiking.abstract import AbstractSpikingRNN, SpikingRNNFactory, create_default_spiking_config
    from ratecore.spiking.tasks import SpikingTaskFactory

    class Custom(AbstractSpikingRNN):
        def load_rate_weights(self, model_path):
            self.weights = load_rate_model(model_path)["w"]

        def initialize_lif_params(self):
            self.lif_params = {"dt": self.config.dt, "tref": self.config.tref, "tm": self.config.tm}

        def simulate(self, stimulus, stims):
            n = (stimulus.shape[1] - 1) * 100
            output = np.full(n, float(stimulus.max()))
            return np.zeros((self.N, n)), None, output, {"dt": self.config.dt, "nt": n}

        def compute_firing_rates(self, spikes):
            return np.mean(spikes, axis=1) / self.config.dt

    SpikingRNNFactory.register("custom", Custom)
    rnn = SpikingRNNFactory.create("custom", create_default_spiking_config(N=N))
    rnn.load_rate_weights(save(network(), "model.mat"))
    rnn.initialize_lif_params()
    task = SpikingTaskFactory.create_task("go_nogo", SPIKING)
    performance = task.evaluate_performance(rnn, n_trials=10)
    assert performance["overall_accuracy"] == 1 and rnn.weights.shape == (N, N)


def test_an_evaluator_of_ones_own():
    from ratecore.spiking.eval_tasks import SpikingEvaluatorFactory

    class Evaluator(rate.GoNogoTask):
        def __init__(self, settings):
            self.eval_amp_thresh = settings.get("eval_amp_thresh", 0.7)
            super().__init__({key: value for key, value in settings.items() if key in self.defaults})

        def evaluate_single_trial(self, model_path, scaling_factor):
            u, _label = self.generate_stimulus("nogo")
            out = LIF_network_fnc(model_path, scaling_factor, u, {"mode": "none"}, 1, False)[5]
            return 1 if out[self.stimulus_end * 100 :].max() < 1e6 else 0

    path = save(network(), "model.mat")
    SpikingEvaluatorFactory._registry["my_custom"] = Evaluator
    try:
        scores = evaluate_task("my_custom", path, 50.0, SPIKING | {"eval_amp_thresh": 0.6}, n_trials=2)
    finally:
        del SpikingEvaluatorFactory._registry["my_custom"]
    assert scores["Correct trials"] == 2
    evaluator = SpikingEvaluatorFactory.create_evaluator("go_nogo", {"T": 200, "stim_on": 30, "stim_dur": 20})
    assert evaluator.evaluate_single_trial(path, 50.0) in (0, 1)


def test_a_network_type_of_ones_own():
    from ratecore.abstract import AbstractRateRNN, RateRNNFactory

    class Leaky(AbstractRateRNN):
        def __init__(self, config):
            super().__init__(config)
            self.w = torch.nn.Parameter(torch.zeros(self.N, self.N, device=self.device))

        def assign_exc_inh(self):
            return np.zeros((self.N, 1), bool), np.ones((self.N, 1), bool), 0, self.N, 0

        def initialize_W(self):
            return np.zeros((self.N, self.N)), np.eye(self.N), np.ones((self.N, self.N))

        def load_net(self, model_dir):
            return self

        def forward(self, stim, taus, training_params, settings):
            return stim @ self.w, self.w

    RateRNNFactory.register("leaky", Leaky)
    net = RateRNNFactory.create("leaky", create_default_config(N=5))
    assert net(torch.ones(2, 5), [10], {}, {})[0].shape == (2, 5) and net.config.N == net.N == 5
    with pytest.raises(NotImplementedError, match="Leaky must define effective_weights"):
        net.effective_weights()

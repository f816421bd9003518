"""Names and signatures of the `rate` package (docs/migrating.md), its command line and its Quick Start."""

import argparse
import copy
import json
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ratecore as rate
from ratecore import model
from ratecore.main import main, parser, restricted_float, str2bool

ROOT = Path(__file__).parents[2]

QUICK_START = """
import torch
import ratecore as rate
from ratecore import FR_RNN_dale, set_gpu, create_default_config
from ratecore.model import generate_input_stim_go_nogo, generate_target_continuous_go_nogo

# Setup
device = set_gpu('0', 0.4)
config = create_default_config(N=200, P_inh=0.2, P_rec=0.2)

# Create network
w_in = torch.randn(200, 1, device=device)
w_out = torch.randn(1, 200, device=device) / 100
net = FR_RNN_dale(200, 0.2, 0.2, w_in, som_N=0, w_dist='gaus',
                  gain=1.5, apply_dale=True, w_out=w_out, device=device)

# Generate task data
settings = {'T': 200, 'stim_on': 50, 'stim_dur': 25, 'DeltaT': 1,
           'taus': [10], 'task': 'go-nogo'}
u, label = generate_input_stim_go_nogo(settings)
target = generate_target_continuous_go_nogo(settings, label)

# Forward pass
u_tensor = torch.tensor(u, dtype=torch.float32, device=device)
training_params = {'activation': 'sigmoid', 'P_rec': 0.2}
outputs = net.forward(u_tensor, settings['taus'], training_params, settings)
"""


def test_quick_start(tmp_path):
    (tmp_path / "quick.py").write_text(QUICK_START)
    after = runpy.run_path(str(tmp_path / "quick.py"))
    outputs, net = after["outputs"], after["net"]
    assert len(outputs) == 11 and len(outputs[3]) == 199 and outputs[1][0].shape == (200, 1)
    loss = rate.loss_op(outputs[3], after["target"], {"loss_fn": "L1"})
    loss.backward()
    assert net.w.grad.abs().sum() > 0 and torch.isfinite(net.w.grad).all()
    assert rate.__version__ and set(rate.__all__) <= set(dir(rate))
    assert all(getattr(rate, name) is not None for name in rate.__all__)


@pytest.mark.parametrize("name", ["go_nogo", "xor", "mante"])
def test_task_functions(name):
    u, label = getattr(model, f"generate_input_stim_{name}")({"taus": [4, 20], "DeltaT": 1, "task": name}, seed=2)
    z = getattr(model, f"generate_target_continuous_{name}")({}, label)
    again = getattr(model, f"generate_input_stim_{name}")({}, seed=2)
    assert u.shape[1] == len(z) and (again[0] == u).all() and again[1] == label
    drawn = {getattr(model, f"generate_input_stim_{name}")({})[1] for _ in range(60)}
    assert len(drawn) == 2


def test_networks_that_are_trained_or_loaded_have_the_names_of_the_package(tmp_path):
    seen = []
    settings = rate.RunSettings(task="xor", seed=2, network={"N": 8}, training={"n_trials": 4, "eval_freq": 2})
    result = rate.train(settings, on_test=lambda so_far: seen.append(type(so_far.net)))
    assert seen == [rate.FR_RNN_dale] * 2 and type(result.net) is rate.FR_RNN_dale
    from ratecore.experiment.exporting import export
    from ratecore.rate.network import RateNetwork
    from ratecore.rate.training import train

    core = train(settings)
    assert type(core.net) is RateNetwork and core.losses == result.losses
    named = rate.FR_RNN_dale.from_network(core.net)
    assert named.w is core.net.w and rate.FR_RNN_dale.from_network(named) is named
    for net in (named, *map(rate.load_network, export(tmp_path, settings, core, core.last_test))):
        assert type(net) is rate.FR_RNN_dale and net.NI + net.NE == 8 and torch.equal(net.mask, core.net.m)
        assert torch.equal(net.effective_weights(), core.net.effective_weights())
    assert torch.equal(named.w0, core.initial["w"]) and torch.equal(copy.deepcopy(named).w, core.net.w)
    assert torch.equal(pickle.loads(pickle.dumps(named)).w, core.net.w)


def test_the_same_numbers_are_drawn_by_settings_and_by_arguments():
    settings = rate.NetworkSettings(N=12, som_N=1, P_inh=0.4)
    for dtype in (torch.float32, torch.float64):
        rng = np.random.default_rng(4)
        net = rate.FR_RNN_dale(12, 0.4, settings.P_rec, torch.zeros(12, 2, dtype=dtype), 1, settings.w_dist,
                               settings.gain, True, np.zeros((1, 12)), rng=rng)  # fmt: skip
        other = rate.FR_RNN_dale.from_settings(settings, 2, 4, dtype=dtype)
        for name in ("w", "m", "som_m", "inh", "exc", "taus_gaus"):
            assert torch.equal(getattr(net, name), getattr(other, name))
        assert torch.equal(other.w_in, torch.as_tensor(rng.standard_normal((12, 2)), dtype=dtype))
        assert torch.equal(other.w_out, torch.as_tensor(rng.standard_normal((1, 12)) / 100, dtype=dtype))


def test_configs_and_factory():
    config = rate.create_default_config(N=12, som_N=1)
    assert config == rate.RNNConfig(12, 0.2, 0.2, som_N=1, gain=1.5, apply_dale=True, w_dist="gaus", device="cpu")
    net = rate.RateRNNFactory.create(
        "FR_RNN_dale", rate.create_default_config(N=12), w_in=torch.ones(12, 2), w_out=torch.zeros(1, 12), taus=(10,)
    )
    assert isinstance(net, rate.FR_RNN_dale) and isinstance(net, rate.AbstractRateRNN)
    assert net.w_in.shape == (12, 2) and net.settings.taus == (10.0,)
    assert "FR_RNN_dale" in rate.RateRNNFactory.list_available()
    with pytest.raises(ValueError, match=r"unknown network 'FR_RNN' \(did you mean 'FR_RNN_dale'\?\)"):
        rate.RateRNNFactory.create("FR_RNN", config)
    with pytest.raises(TypeError, match="not a subclass"):
        rate.RateRNNFactory.register("mine", int)
    with pytest.raises(ValueError, match="already ratecore.compat.rate_network.FR_RNN_dale"):
        rate.RateRNNFactory.register("FR_RNN_dale", type("Other", (rate.FR_RNN_dale,), {}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"N": 0}, "N = 0"),
        ({"P_inh": 2}, "P_inh = 2"),
        ({"P_rec": -1}, "P_rec = -1"),
        ({"w_dist": "gauss"}, r"w_dist = 'gauss': .*did you mean 'gaus'"),
        ({"gain": 0}, "gain = 0"),
        ({"som_N": 300}, "som_N = 300"),
        ({"device": "tpu"}, "device = 'tpu': it must be"),
        ({"n": 3}, r"unknown setting 'n'.*allowed: N, P_inh"),
    ],
)
def test_bad_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        rate.create_default_config(**changes)


def test_words_and_fractions():
    assert [str2bool(v) for v in ("True", "yes", "1", "t", True)] == [True] * 5
    assert [str2bool(v) for v in ("false", "NO", "0", "f", False)] == [False] * 5
    assert restricted_float("0.25") == 0.25
    for call, bad in (
        (str2bool, "maybe"),
        (restricted_float, "1.01"),
        (restricted_float, "-0.1"),
        (restricted_float, "a"),
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=re.escape(bad)):
            call(bad)


def test_set_gpu_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert rate.set_gpu("0", 0.4) == torch.device("cpu")
    for gpu, frac, message in (("0", 0, "gpu_frac = 0"), ("0", 1.5, "gpu_frac = 1.5"), ("first", 0.5, "gpu = 'first'")):
        with pytest.raises(ValueError, match=message):
            rate.set_gpu(gpu, frac)


def test_set_gpu_asks_for_the_visible_index(monkeypatch):
    # CUDA_VISIBLE_DEVICES=1 leaves one device, which is index 0: cuda:1 is never asked for.
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda frac, device: asked.append((frac, device))
    )
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: asked.append(device))
    assert rate.set_gpu("0", 0.3) == torch.device("cuda", 0)
    assert asked == [(0.3, torch.device("cuda", 0)), torch.device("cuda", 0)]
    with pytest.raises(ValueError, match="gpu = 1; it must be below the number of visible devices, which is 1"):
        rate.set_gpu("1", 0.3)


def test_import_is_quick_and_leaves_torch_alone():
    code = "import sys, ratecore.experiment.grid; print(sorted({'torch', 'mlflow', 'numba'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SEED_ARGUMENTS = {"gpu": "0", "gpu_frac": 0.4, "n_trials": 200, "mode": "train", "gain": 1.5, "P_inh": 0.2,
                  "P_rec": 0.2, "som_N": 0, "apply_dale": True, "act": "sigmoid", "loss_fn": "l2"}  # fmt: skip


def command(tmp_path, *more):
    return ["--output_dir", str(tmp_path), "--N", "12", "--task", "go-nogo", "--decay_taus", "4", "20",
            "--n_trials", "3", "--eval_trials", "5", *more]  # fmt: skip


def test_arguments_of_the_seed_have_their_defaults():
    args = parser().parse_args(["--output_dir", "x", "--N", "5", "--task", "xor", "--decay_taus", "10"])
    assert {key: getattr(args, key) for key in SEED_ARGUMENTS} == SEED_ARGUMENTS
    assert args.decay_taus == [10.0] and args.N == 5


def test_train_then_eval(tmp_path, capsys):
    assert main(command(tmp_path, "--seed", "3", "--act", "Softplus", "--loss_fn", "L1", "--mode", "Train")) == 0
    out = capsys.readouterr().out
    assert "not trained within 3 trials; the network is kept" in out
    mat, pth = (Path(line) for line in out.splitlines()[-2:])
    assert mat.is_file() and pth.is_file()
    assert pth.parent == tmp_path / "models/go-nogo/P_rec_0.2_Taus_4.0_20.0"
    for where in (["--act", "softplus"], ["--model", str(mat)], ["--model", str(pth)]):
        assert main(command(tmp_path, "--mode", "EVAL", "--seed", "9", *where)) == 0
    out = capsys.readouterr().out
    assert out.count("on 5 fresh trials") == 3 and "FR_RNN_dale: N = 12" in out
    scores = json.loads(Path(out.splitlines()[-1]).read_text())
    assert scores["n_trials"] == 5 and 0 <= scores["accuracy"] <= 1 and set(scores["conditions"]) <= {"go", "nogo"}
    assert main(["--mode", "eval", "--task", "go-nogo", "--output_dir", str(tmp_path), "--model", str(mat)]) == 0


def test_a_seed_is_drawn_and_printed_and_repeats_the_network(tmp_path, capsys):
    assert main(command(tmp_path / "a")) == 0
    seed = re.search(r"^seed (\d+)$", capsys.readouterr().out, re.M)[1]
    assert main(command(tmp_path / "b", "--seed", seed)) == 0
    a, b = (next((tmp_path / d).rglob("*.pth")) for d in "ab")
    nets = [torch.load(p, weights_only=True)["model_state_dict"] for p in (a, b)]
    assert torch.equal(nets[0]["w"], nets[1]["w"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--N", "0"], "network.N = 0"),
        (["--decay_taus", "20", "4"], "the minimum must be below the maximum"),
        (["--task", "go-nog"], "unknown task 'go-nog' (did you mean 'go-nogo'?)"),
        (["--act", "tanh"], "network.activation = 'tanh'"),
        (["--loss_fn", "l3"], "training.loss_fn = 'l3'"),
        (["--som_N", "11"], "it must be at most the number of inhibitory units, which is"),
        (["--mode", "eval"], "no saved network"),
        (["--mode", "eval", "--model", "nothing.pth"], "nothing.pth: there is no such file"),
        (["--gpu_frac", "0"], "gpu_frac = 0.0; it must be in (0, 1]"),
        (["--output_dir", __file__], "cannot write in this folder"),
    ],
)
def test_bad_arguments(tmp_path, capsys, more, message):
    assert main(command(tmp_path, "--seed", "1", *more)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--P_inh", "1.5"], "1.5 is not in the range"),
        (["--apply_dale", "maybe"], "'maybe' is not a truth value"),
        (["--mode", "test"], "invalid choice: 'test'"),
    ],
)
def test_bad_words(tmp_path, capsys, more, message):
    with pytest.raises(SystemExit):
        main(command(tmp_path, *more))
    assert message in capsys.readouterr().err


def test_required_arguments(capsys):
    with pytest.raises(SystemExit):
        main(["--output_dir", "x", "--task", "xor"])
    assert "required: --N, --decay_taus" in capsys.readouterr().err


def test_the_wrong_network_for_a_task(tmp_path, capsys):
    assert main(command(tmp_path)) == 0
    path = next(tmp_path.rglob("*.pth"))
    arguments = ["--mode", "eval", "--task", "xor", "--output_dir", str(tmp_path), "--model", str(path)]
    assert main(arguments) == 2
    assert "the network was not trained on xor" in capsys.readouterr().err
    mat = next(tmp_path.rglob("*.mat"))
    assert main([*arguments[:-1], str(mat)]) == 2
    assert "the network has 1 inputs; task xor has 2" in capsys.readouterr().err


def test_a_saved_network_is_scored_on_the_task_that_it_was_trained_with(tmp_path, capsys):
    from conftest import small_settings

    from ratecore.experiment.exporting import export
    from ratecore.rate.training import train

    settings = small_settings(training=dict(n_trials=2, eval_tr=2))  # trials of 60 steps, not of 200
    result = train(settings)
    _, pth = export(tmp_path, settings, result, result.last_test)
    arguments = ["--mode", "eval", "--task", "go-nogo", "--output_dir", str(tmp_path), "--model", str(pth)]
    assert main([*arguments, "--seed", "1", "--som_N", "3"]) == 0
    scores = json.loads(Path(capsys.readouterr().out.splitlines()[-1]).read_text())
    from ratecore.settings.training import EvaluationSettings

    again = rate.evaluate(settings.create_task(), result.net, 1, EvaluationSettings())
    assert scores["loss"] == round(again.scores.loss, 6)


def test_arrays_and_tensors_are_both_accepted():
    w_in, w_out = np.ones((6, 1)), np.zeros((1, 6))
    net = rate.FR_RNN_dale(6, 0.2, 0.2, w_in, 0, "gaus", 1.5, True, w_out, "cpu", taus=10)
    o, _r, _x = rate.eval_rnn(net, {"taus": [10]}, np.ones((1, 9)), "cpu")
    assert float(rate.loss_op(np.array([0.0, 0.0]), np.array([1.0, 1.0, 5.0]), {})) == pytest.approx(2**0.5)
    assert len(o) == 8 and net.w.dtype == torch.float64

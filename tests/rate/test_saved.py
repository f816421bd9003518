"""Networks as arrays are those of PyTorch to the bit, and jobs that read them never import it."""

import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.formats.errors import FormatError
from ratecore.formats.pth import pth_bytes, result_from_pth
from ratecore.formats.pth_arrays import saved_network
from ratecore.rate.activity import takes_arrays, trial_activity
from ratecore.rate.dynamics import run
from ratecore.rate.network import RateNetwork
from ratecore.rate.results import TrainingResult
from ratecore.rate.saved import _vector_of_torch, sigmoid
from ratecore.rate.saved_trials import alone_takes, draw_trials, states_alone
from ratecore.settings.run import RunSettings
from ratecore.spiking.source import model_of
from ratecore.system.streams import stream

VARIANTS = {
    "default": {},
    "one tau": {"taus": (10,)},
    "no Dale's law": {"apply_dale": False},
    "SST units": {"som_N": 2, "P_inh": 0.4},
    "first state": {"trained": ("w", "w_out", "b_out", "taus", "x0")},
    "a mask": {"areas": {"b": 10, "a": 14}, "P_rec": 0.6},
    "noise of the inputs": {"input_noise_sd": 0.2},
    "rectified": {"activation": "clipped_relu"},
}


def saved(tmp_path, task="go-nogo", N=24, **network):
    """A network, with other time constants than at its start, and the same read as arrays."""
    settings = RunSettings(task=task, network={"N": N, **network})
    net = RateNetwork.from_settings(settings.network, settings.create_task().n_inputs, 3)
    initial = {
        key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in net.state_dict().items()
    }
    with torch.no_grad():
        net.taus_gaus.add_(torch.linspace(-4, 4, N)[:, None])
        net.w.mul_(1 + 0.1 * torch.randn(N, N, generator=torch.Generator().manual_seed(1)))
        if net.x0_mean is not None:
            net.x0_mean.add_(0.3)
    result = TrainingResult(net, initial, trained=True, n_trials=7)
    path = tmp_path / "network.pth"
    path.write_bytes(pth_bytes(settings, result))
    return settings, net, saved_network(path), path


@pytest.mark.parametrize("scale", [0.01, 1, 10, 100])
def test_sigmoid_is_that_of_torch_to_the_bit(scale):
    rng = np.random.default_rng(0)
    for N in (1, 7, 24, 33, 200, 30_003):
        for _ in range(1 if N > 200 else 50):
            x = (scale * rng.standard_normal(N)).astype(np.float32)
            x[-7:] = (0, -0.0, 88.7, -88.7, 104, -104, 1e-40)[: len(x)]
            np.testing.assert_array_equal(sigmoid(x), torch.sigmoid(torch.from_numpy(x)).numpy(), err_msg=str(N))
            x[:7] = x[-7:]
            np.testing.assert_array_equal(sigmoid(x), torch.sigmoid(torch.from_numpy(x)).numpy(), err_msg=str(N))


def test_torch_is_asked_where_its_vectors_are_not_known(monkeypatch):
    monkeypatch.setattr("ratecore.rate.saved.get_host_cpu_features", lambda: {"neon": True})
    _vector_of_torch.cache_clear()
    try:
        x = np.linspace(-3, 3, 50, dtype=np.float32)
        assert _vector_of_torch() == 0
        np.testing.assert_array_equal(sigmoid(x), torch.sigmoid(torch.from_numpy(x)).numpy())
    finally:
        _vector_of_torch.cache_clear()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_network_as_arrays_is_that_of_torch(variant, tmp_path):
    _, net, arrays, path = saved(tmp_path, **VARIANTS[variant])
    with torch.no_grad():
        pairs = {
            "W": (arrays.effective_weights(), net.effective_weights()),
            "w": (arrays.rectified_w(), net.rectified_w()),
            "tau": (arrays.time_constants(), net.time_constants()),
            "w_in": (arrays.w_in, net.w_in),
            "inh": (arrays.inh, net.inh),
        }
        initial = result_from_pth(path).initial
        pairs["W before"] = arrays.effective_weights(arrays.initial["w"]), net.effective_weights(initial["w"])
        pairs["tau before"] = (
            arrays.time_constants(arrays.initial["taus_gaus"]),
            net.time_constants(taus_gaus=initial["taus_gaus"]),
        )
    for name, (own, expected) in pairs.items():
        expected = expected.detach().numpy()
        assert own.dtype == expected.dtype, name
        np.testing.assert_array_equal(own, expected, err_msg=name)
    assert arrays.settings == net.settings and (arrays.trained, arrays.n_trials) == (True, 7)
    if not net.settings.not_convertible:
        ours, theirs = model_of(arrays, arrays.initial), model_of(net, initial)
        for name in ("W", "W_initial", "tau", "tau_initial", "w_in", "w_out", "b_out", "inh", "som", "allowed"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize(
    ("task", "network", "numbers"),
    [
        ("go-nogo", {}, range(120)),
        ("mante", {"activation": "softplus"}, [3, 101, 7]),
        ("xor", {"input_noise_sd": 0.3, "trained": ("w", "w_out", "b_out", "x0")}, range(9)),
        ("go-nogo", {"apply_dale": False, "P_rec": 0.3}, range(10)),
    ],
)
def test_activity_is_that_of_torch(task, network, numbers, tmp_path):
    settings, net, arrays, _ = saved(tmp_path, task, **network)
    own_task = settings.create_task()
    assert takes_arrays(arrays, numbers)
    ours, theirs = (trial_activity(own_task, each, 5, numbers) for each in (arrays, net))
    for name in ("x", "r", "o", "u", "z", "steps"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    for name in ("correct", "outputs", "conditions"):
        np.testing.assert_array_equal(getattr(ours.scores, name), getattr(theirs.scores, name), err_msg=name)
    assert list(ours.scores.labels) == list(theirs.scores.labels) and np.isnan(ours.scores.losses).all()


def test_trials_that_torch_runs_otherwise_are_not_taken(tmp_path):
    _, _, arrays, _ = saved(tmp_path)
    assert takes_arrays(arrays, range(100), 100) and takes_arrays(arrays, [4])
    assert not takes_arrays(arrays, range(100), 95)  # five trials besides those of the evaluation
    assert not takes_arrays(saved(tmp_path, P_rec=0.9, apply_dale=False)[2], range(100))


@pytest.mark.parametrize("variant", ["default", "first state", "noise of the inputs", "rectified"])
def test_single_trials_are_those_of_torch(variant, tmp_path):
    settings, net, arrays, _ = saved(tmp_path, **VARIANTS[variant])
    assert alone_takes(arrays)
    task = settings.create_task()
    trials, x0, noise = draw_trials(task, arrays, [stream(1, "evaluation", 2)])
    r, o = states_alone(arrays, trials.u, x0, noise)
    with torch.no_grad():
        _, theirs, outputs = run(net, trials.u, x0=x0, noise=noise)
    np.testing.assert_array_equal(r, theirs.numpy())
    np.testing.assert_array_equal(o, outputs.numpy())
    noise[0, 3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        states_alone(arrays, trials.u, x0, noise)


class Command:
    def __reduce__(self):
        return (print, ("code that runs",))


def with_pickle(path, content, name="data.pkl"):
    """The file with another entry."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in entries.items():
            archive.writestr(entry, content if entry.endswith(f"/{name}") else data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: with_pickle(path, pickle.dumps(Command())), "could run code"),
        (lambda path: with_pickle(path, pickle.dumps({"format": "other"})), "not a network saved by ratecore"),
        (lambda path: with_pickle(path, b"\0" * 8, "data/0"), "numbers of which the file has 2"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "not a readable .pth file"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\x3f", b"\x3e", 1)), "not a readable .pth file"),
    ],
    ids=["code", "format", "short", "cut", "bit"],
)
def test_files_that_are_damaged_or_of_others_are_refused(damage, message, tmp_path, capfd):
    *_, path = saved(tmp_path)
    damage(path)
    with pytest.raises(FormatError, match=message):
        saved_network(path)
    assert "code that runs" not in capfd.readouterr().out


def test_a_tensor_with_more_numbers_than_the_file_is_refused(tmp_path):
    *_, path = saved(tmp_path)
    content = torch.load(path, weights_only=True)
    content["model_state_dict"]["w"] = torch.zeros(1).expand(10_000, 10_000)
    torch.save(content, path)
    with pytest.raises(FormatError, match="more numbers than the file"):
        saved_network(path)


CONFIG = {
    "experiment": "light",
    "network": {"N": 20},
    "training": {"n_trials": 1500, "eval_freq": 1500, "eval_tr": 5, "loss_threshold": 1e6, "accuracy_threshold": 0},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
    "evaluation": {"n_trials": 20},
    "conversion": {"n_trials": 6, "scaling_factors": [2, 4], "trials_shown": 1},
    "analyses": ["spectrum", "fixed_points", "decoding", "timescales", "balance", "spike_trains"],
    "analysis": {
        "fixed_points": {"n_trials": 20, "n_starts": 4, "n_random": 2},
        "decoding": {"n_trials": 40, "shuffles": 2},
        "timescales": {"n_trials": 20},
        "balance": {"n_trials": 20},
        "spike_trains": {"n_trials": 6},
    },
}
JOB = """
import json, sys
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.stages.table import STAGES, function_of
experiment = Experiment.from_config(json.loads(sys.argv[2]))
point = experiment.grid_points[0]
if sys.argv[1] in STAGES:
    ends = do_stage(sys.argv[1], [Run.at(experiment, point, 0)], experiment.settings)
    assert [(end["status"], end.get("errors")) for end in ends] in ([("done", {})], [("done", None)]), ends
    assert "skipped" not in ends[0], ends
else:
    made = function_of(STAGES[sys.argv[1].removesuffix(" figures")].point_figures.draw)(experiment, point)
    assert made
print([name for name in ("torch", "pandas", "mlflow", "sklearn") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The configuration of a trained and exported network."""
    config = {**CONFIG, "results": str(tmp_path_factory.mktemp("results"))}
    experiment = Experiment.from_config(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ratecore.figures.png", lambda figure: b"")
        for stage in ("train", "evaluate", "export"):
            do_stage(stage, [Run.at(experiment, experiment.grid_points[0], 0)], experiment.settings)
    return config


def test_jobs_that_need_no_torch_do_not_import_it(exported):
    for job in ("convert", "analyse", "evaluate figures", "convert figures", "analyse figures"):
        found = subprocess.run(
            [sys.executable, "-c", JOB, job, json.dumps(exported)], capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, f"{job}: {found.stderr}"
        assert found.stdout.splitlines()[-1] == "[]", job

"""Invalid arguments to the functions of the existing packages are refused with the argument's name."""

import numpy as np
import pytest
import scipy.io
import torch

import ratecore as rate
from ratecore import spiking
from ratecore.model import (
    generate_target_continuous_go_nogo,
    generate_target_continuous_mante,
    generate_target_continuous_xor,
    loss_op,
)

N = 8
U = np.zeros((1, 30))
TARGETS = {
    "go-nogo": generate_target_continuous_go_nogo,
    "xor": generate_target_continuous_xor,
    "mante": generate_target_continuous_mante,
}


def network(**changes):
    rng = np.random.default_rng(0)
    given = dict(N=N, P_inh=0.25, P_rec=0.5, w_in=rng.normal(size=(N, 1)), som_N=0, w_dist="gaus", gain=1.5,
                 apply_dale=True, w_out=rng.normal(size=(1, N)), device="cpu", rng=0)  # fmt: skip
    return rate.FR_RNN_dale(**given | changes)


@pytest.fixture(scope="module")
def mat(tmp_path_factory):
    net, path = network(), tmp_path_factory.mktemp("network") / "net.mat"
    arrays = {key: getattr(net, key).detach().numpy() for key in ("w", "w_in", "w_out", "b_out", "m", "inh", "exc")}
    arrays |= {"taus": [10.0], "activation": "sigmoid", "som_m": np.ones((N, N))}
    scipy.io.savemat(path, arrays | {"task": "go-nogo", "task_settings": {"T": 30, "stim_on": 5, "stim_dur": 5}})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w_in": np.full((N, 1), np.nan)}, "w_in holds NaN"),
        ({"w_in": None}, "w_in is a NoneType; it must be an array"),
        ({"w_in": torch.ones(N, 1) * 1j}, "w_in is complex; it must be real"),
        ({"w_in": "x"}, "w_in is a str; it must"),
        ({"w_out": np.full((1, N), np.inf)}, "w_out holds NaN, infinity"),
        ({"w_out": None}, "w_out is a NoneType"),
        ({"device": "gpu"}, r"device = 'gpu'; it must be 'cpu', 'cuda' .*did you mean 'cuda'"),
        ({"device": "nowhere"}, "device = 'nowhere'; it must be"),
        ({"device": 1.5}, "device = 1.5; it must be"),
    ],
)
def test_what_makes_no_network_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        network(**changes)


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:3", torch.device("cuda")):
        with pytest.raises(ValueError, match="device = 'cuda.*no GPU can be used"):
            network(device=device)


@pytest.mark.parametrize("label", [2, "go", None, "1", np.array([1, 0]), np.nan, [1]])
def test_a_label_of_another_task_has_no_target_and_no_criterion(label):
    for name, target in TARGETS.items():
        task = rate.TaskFactory.create_task(name)
        o = np.zeros(task.T)
        for method, of in ((target, ({},)), (task.is_correct, (o,)), (task.is_correct_spiking, (o,))):
            with pytest.raises(ValueError, match=f"{name}: label = .*; it must be one of"):
                method(*of, label)


@pytest.mark.parametrize(
    ("name", "labels", "last"),
    [
        ("go-nogo", (1, 1.0, True, np.int64(1), np.array([[1]])), 1),
        ("go-nogo", (0, False, np.uint8(0)), 0),
        ("mante", (-1, -1.0, np.array([-1])), -1),
        ("xor", ("same", np.str_("same")), None),
    ],
)
def test_a_label_of_the_task_may_have_any_type(name, labels, last):
    first = TARGETS[name]({}, labels[0])
    assert first.any() or last == 0
    for label in labels:
        z = TARGETS[name]({}, label)
        np.testing.assert_array_equal(z, first)
        assert last is None or z[-1] == last


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.full(30, np.nan), "z holds NaN"),
        (np.zeros(30) * 1j, "z is complex"),
        (None, "z is a NoneType"),
        ("abc", "z is a str"),
    ],
)
def test_a_target_that_is_none_has_no_loss(z, message):
    with pytest.raises(ValueError, match=message):
        loss_op(torch.zeros(29), z, {})
    with pytest.raises(ValueError, match="o is empty"):
        loss_op([], np.zeros(30), {})


def test_the_outputs_of_a_trial_come_as_torch_joins_them():
    o = network().forward(U, [10], {}, {})[3]
    z = np.linspace(0, 0.3, 30)
    truth = np.sqrt(((torch.cat(o).detach().numpy().ravel() - z[:-1]) ** 2).sum())
    for joined in (o, torch.cat(o), torch.stack(o), torch.cat(o).reshape(-1), tuple(o)):
        assert loss_op(joined, z, {"loss_fn": "l2"}).item() == pytest.approx(truth, rel=1e-12)
    assert loss_op(o, z.tolist(), {}).item() == pytest.approx(truth, rel=1e-12)  # not in single precision


TRIAL = {
    "stims_word": (dict(stims="none"), "stims is a str; it must be a dict"),
    "stims_list": (dict(stims=[]), "stims is a list"),
    "mode": (dict(stims={"mode": "both"}), r"stims\['mode'\] = 'both'; it must be 'none', 'exc' or 'inh'"),
    "units_cut": (dict(stims={"mode": "exc", "dur": [0, 9], "units": [1.5]}), r"stims\['units'\] = \[1.5\]"),
    "units_mask": (dict(stims={"mode": "exc", "dur": [0, 9], "units": np.arange(N) < 2}), r"stims\['units'\] = "),
    "dur": (dict(stims={"mode": "exc", "dur": "long", "units": [1]}), r"stims\['dur'\] = 'long'"),
    "lesion_word": (dict(lesion_percentage="0.1"), "fraction = '0.1'; it must be in"),
    "lesion_negative": (dict(lesion_percentage=-0.1), "fraction = -0.1"),
    "seed": (dict(lesion_percentage=0.1, seed=-1), "seed = -1; it must be a whole number, at least 0"),
}


@pytest.mark.parametrize("case", TRIAL)
def test_a_trial_that_cannot_be_is_named(mat, case):
    changes, message = TRIAL[case]
    with pytest.raises(ValueError, match=message):
        spiking.LIF_network_fnc(mat, 50.0, U, **changes)


COMMON = {
    "n_trials": [
        (0, "n_trials = 0; it must be a whole number, at least 1"),
        (2.5, "n_trials = 2.5"),
        ("4", "'4'"),
        (None, "n_trials = None"),
        (True, "n_trials = True"),
        (np.nan, "n_trials = nan"),
    ],
    "seed": [(-1, "seed = -1; it must be a whole number, at least 0"), (1.5, "seed = 1.5"), ("a", "seed = 'a'")],
    "threads": [(0, "threads = 0; it must be a whole number, at least 1"), ("x", "threads = 'x'")],
    "task_settings": [([1], "task_settings is a list"), ({"eval_amp_thresh": "x"}, "eval_amp_thresh = 'x'")],
    "output_dir": [(5, "output_dir is a int; it must be the path")],
    "model_path": [(None, "model_path .* is a NoneType"), (["a"], "model_path .* is a list"), ({}, "is a dict")],
}
SEARCH = {
    "scaling_factors": [
        ("abc", "scaling_factors = 'abc'; give first:last:step"),
        ([1j], "must be numbers above"),
        ([None], "must be numbers above 0"),
    ]
}
CASES = [
    (program, key, value, message)
    for program, table in (("search", {**COMMON, **SEARCH}), ("evaluate", COMMON))
    for key, cases in table.items()
    for value, message in cases
]


@pytest.mark.parametrize(("program", "key", "value", "message"), CASES)
def test_arguments_of_the_programs_are_named(mat, program, key, value, message):
    given = {"model_path": mat, "task_name": "go-nogo", "n_trials": 2} | {key: value}
    with pytest.raises((ValueError, TypeError), match=message):
        if program == "search":
            spiking.lambda_grid_search(**{"scaling_factors": [50], **given})
        else:
            spiking.evaluate_task(optimal_scaling_factor=50.0, save_plots=False, **given)


def test_a_range_of_lambda_in_the_words_of_the_command_line(mat):
    assert spiking.lambda_grid_search(mat, "go-nogo", 1, "30:41:5") in (30, 35, 40)
    assert scipy.io.loadmat(mat)["scaling_factors"].tolist() == [[30, 35, 40]]


def test_an_evaluator_needs_no_stimulus_and_no_target(mat):
    class Memory(rate.tasks.AbstractTask):  # as documented
        def __init__(self, settings):
            super().__init__(settings)
            self.eval_amp_thresh = settings.get("eval_amp_thresh", 0.7)

        def validate_settings(self):
            if "delay" not in self.settings:
                raise ValueError("Missing required setting: delay")

        def evaluate_single_trial(self, model_path, scaling_factor, model_data=None):
            return int(scaling_factor > self.settings["delay"])

    registry = spiking.SpikingEvaluatorFactory._registry
    registry["memory"] = Memory
    try:
        assert spiking.evaluate_task("memory", mat, 50.0, {"delay": 5}, n_trials=3)["overall_accuracy"] == 1
        with pytest.raises(ValueError, match="Missing required setting: delay"):
            spiking.evaluate_task("memory", mat, 50.0, n_trials=3)
        Memory.evaluate_single_trial = lambda *of: None
        with pytest.raises(ValueError, match="Memory.evaluate_single_trial must return 0 or 1; it gave None"):
            spiking.evaluate_task("memory", mat, 50.0, {"delay": 5}, n_trials=3)
    finally:
        del registry["memory"]
    with pytest.raises(NotImplementedError, match="Memory is an evaluator"):
        Memory({"delay": 1}).generate_target(1)
    assert spiking.eval_xor.eval_xor is spiking.eval_xor

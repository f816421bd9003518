"""The task of a saved network: stored with its settings, used by all scoring; missing settings are reported."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import ratecore as rate
from ratecore.experiment.exporting import export
from ratecore.formats import FormatError, errors, load_task
from ratecore.main import main
from ratecore.rate.training import train
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.spiking import compare, evaluate_scaling, evaluate_task, lambda_grid_search, rate_model
from ratecore.spiking.__main__ import main as spiking
from ratecore.tasks import AbstractTask, TaskFactory

TIMES = {"T": 120, "stim_on": 10, "stim_dur": 10, "delay": 40}


@pytest.fixture(scope="module")
def xor(tmp_path_factory):
    """An xor network whose delay is not the default one, as it was exported."""
    settings = RunSettings(
        task="xor", task_settings=TIMES, network=dict(N=10, P_inh=0.3), training=dict(n_trials=2, eval_tr=2)
    )
    result = train(settings)
    mat, pth = export(tmp_path_factory.mktemp("xor"), settings, result, result.last_test)
    return settings, result, mat, pth


def without(mat, tmp_path, *keys, **changes):
    """A copy of a `.mat` without some variables, as others write one."""
    content = {k: v for k, v in scipy.io.loadmat(mat).items() if not k.startswith("__") and k not in keys}
    scipy.io.savemat(tmp_path / "foreign.mat", content | changes)
    return tmp_path / "foreign.mat"


def test_a_mat_holds_the_settings_of_its_task_for_matlab_and_for_us(xor):
    settings, _, mat, pth = xor
    of_scipy = scipy.io.loadmat(mat, simplify_cells=True)
    assert of_scipy["task"] == "xor" and of_scipy["task_settings"] == settings.create_task().settings
    for path in (mat, pth):
        assert load_task(path).settings == settings.create_task().settings
        assert {type(value) for value in load_task(path).settings.values()} == {int}


def test_every_reader_scores_with_them(xor, tmp_path, capsys):
    settings, result, mat, pth = xor
    truth = rate.evaluate(settings.create_task(), result.net, 3, EvaluationSettings()).scores
    for path in (mat, pth):
        assert main(["--mode=eval", "--task=xor", f"--output_dir={tmp_path}", f"--model={path}", "--seed=3"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(Path(out.splitlines()[-1]).read_text())["loss"] == round(truth.loss, 6)
        assert "note:" not in err
    scores = evaluate_task("xor", mat, 20.0, save_plots=False, n_trials=6, seed=1)
    found = evaluate_scaling(rate_model(mat), settings.create_task(), 20.0, 6, seed=1)
    assert scores["overall_accuracy"] == found.accuracy and scores["mean_rate_exc"] == np.mean(found.rate_exc)
    default = evaluate_scaling(rate_model(mat), TaskFactory.create_task("xor"), 20.0, 6, seed=1)
    assert default.rate_exc != found.rate_exc
    assert re.search(
        "note: .*scored with T = 300, stim_on = 50, .*; it was trained with T = 120", capsys.readouterr().err
    )


def test_settings_that_are_asked_for_win_and_the_contradiction_is_said(xor, tmp_path, capsys):
    mat = xor[2]
    task = load_task(mat, "xor", {"delay": 20})
    assert task.settings == {**TIMES, "delay": 20}
    assert capsys.readouterr().err.splitlines() == [
        f"note: {mat}: scored with delay = 20; it was trained with delay = 40"
    ]
    copy = tmp_path / "net.mat"
    copy.write_bytes(mat.read_bytes())
    base = ["search", "--task=xor", "--n_trials=2", "--scaling_factors=20", f"--model_dir={copy}"]
    assert spiking([*base, "--delay=30"]) == 0
    assert "scored with delay = 30; it was trained with delay = 40" in capsys.readouterr().err
    assert spiking([*base, "--delay=40"]) == 0
    assert "note" not in capsys.readouterr().err


@pytest.mark.parametrize("which", [2, 3], ids=["mat", "pth"])
def test_a_task_made_by_hand_that_contradicts_the_file_is_said(xor, tmp_path, capsys, which):
    path = tmp_path / f"net{xor[which].suffix}"
    path.write_bytes(xor[which].read_bytes())
    said = f"note: {path}: scored with delay = 30; it was trained with delay = 40"
    task, net = TaskFactory.create_task("xor", {**TIMES, "delay": 30}), rate.load_network(path)
    few = EvaluationSettings(n_trials=2)
    rate.evaluate(load_task(path), net, 1, few)
    compare(net, load_task(path), None, 20.0, 0, trials_per_type=1)
    assert capsys.readouterr().err == ""
    for score in (
        lambda: rate.evaluate(task, net, 1, few),
        lambda: rate.evaluate(task, rate.FR_RNN_dale.from_settings(net.settings, 2).load_net(path), 1, few),
        lambda: compare(net, task, None, 20.0, 0, trials_per_type=1),
        lambda: evaluate_scaling(rate_model(path), task, 20.0, 1),
        lambda: main(
            [
                "--mode=eval",
                "--task=xor",
                f"--output_dir={tmp_path}",
                f"--model={path}",
                "--delay=30",
                "--eval_trials=2",
            ]
        ),
    ):
        errors._said.clear()
        score()
        assert said in capsys.readouterr().err.splitlines()


def test_a_network_of_another_task_is_refused(xor, tmp_path, capsys):
    mat, pth = xor[2:]

    class Other(AbstractTask):
        name, n_inputs, defaults, trial_types = "other", 2, {"T": 20, "stim_on": 1, "stim_dur": 2}, ("a",)
        draw_trial = generate_target = is_correct = None

    TaskFactory.register_task("other", Other)
    for path in (mat, pth):
        with pytest.raises(FormatError, match=f"{path.name}: .*the network has 2 inputs; task go-nogo has 1"):
            load_task(path, "go-nogo")
        with pytest.raises(FormatError, match=f"{path.name}: the network was not trained on other but on xor"):
            load_task(path, "other")
        assert load_task(path, "XOR").name == "xor"
    assert main(["--mode=eval", "--task=go-nogo", f"--output_dir={tmp_path}", f"--model={mat}"]) == 2
    assert "the network has 2 inputs; task go-nogo has 1" in capsys.readouterr().err
    with pytest.raises(ValueError, match="the network has 2 inputs; task go-nogo has 1"):
        lambda_grid_search(mat, "go-nogo", 2, [20])
    with pytest.raises(ValueError, match="the network has 2 inputs; task mante has 4"):
        evaluate_task("mante", mat, 20.0)


def test_the_example_stimulus_of_a_foreign_file_shows_its_settings(xor, tmp_path, capsys):
    path = without(xor[2], tmp_path, "task_settings", "task", "seed")
    task = load_task(path, "xor")
    assert task.settings == TIMES
    assert re.search(r"foreign.mat: it does not hold .* T = 120, .* delay = 40 \(from its u\)", capsys.readouterr().err)
    assert load_task(path, "xor", {"delay": 5}).settings == {**TIMES, "delay": 5}
    assert "scored with delay = 5; its u shows delay = 40" in capsys.readouterr().err
    with pytest.raises(FormatError, match="foreign.mat: it does not name its task"):
        load_task(path)


@pytest.mark.parametrize(
    ("u", "settings", "said"),
    [
        (np.zeros((2, 200)), {"T": 200, "stim_on": 50, "stim_dur": 50, "delay": 10}, "(T from its u, the defaults for"),
        (
            np.zeros((3, 200)),
            {"T": 300, "stim_on": 50, "stim_dur": 50, "delay": 10},
            "(the defaults)",
        ),  # of other inputs
        (None, {"T": 300, "stim_on": 50, "stim_dur": 50, "delay": 10}, "(the defaults)"),
        ("words", {"T": 300, "stim_on": 50, "stim_dur": 50, "delay": 10}, "(the defaults)"),
    ],
)
def test_where_nothing_shows_the_settings_the_defaults_are_said(xor, tmp_path, capsys, u, settings, said):
    path = without(xor[2], tmp_path, "task_settings", "u", **({} if u is None else {"u": u}))
    assert load_task(path, "xor").settings == settings
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and said in err and "delay = 10" in err
    everything = {"T": 250, "stim_on": 20, "stim_dur": 30, "delay": 4}
    load_task(path, "xor", everything)
    assert "does not hold" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [3.0, "text", {"T": "long"}, np.array([1, "a"], object), {"T": np.zeros((0, 0))}, {"T": [200, 300]}, {"T": np.nan}],
)
def test_variables_of_others_with_these_names_do_no_harm(xor, tmp_path, capsys, value):
    path = without(xor[2], tmp_path, "task_settings", task="Context experiment 3", task_settings=value)
    assert load_task(path, "xor").settings == TIMES
    assert "it does not hold the settings of its task" in capsys.readouterr().err


def test_names_that_no_matlab_structure_has_come_back(tmp_path):
    class Named(TaskFactory.task_class("go-nogo")):
        name = "named"
        defaults = {"T": 60, "stim_on": 5, "stim_dur": 5, "go-prob": 0.5, "go.prob": 0.25, "_hidden": 3, "x" * 80: 2.5}

    TaskFactory.register_task("named", Named)
    settings = RunSettings(
        task="named", task_settings={"go-prob": 0.75}, network=dict(N=4), training=dict(n_trials=1, eval_tr=1)
    )
    result = train(settings)
    mat, _ = export(tmp_path, settings, result, result.last_test)
    assert load_task(mat).settings == {**Named.defaults, "go-prob": 0.75}
    names = scipy.io.loadmat(mat)["task_settings"].dtype.names
    assert len(names) == 7 and all(re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,62}", name) for name in names)


def test_a_file_that_scipy_saved_again_keeps_them(xor, tmp_path, capsys):
    # As the search of the PyTorch port does, with all that loadmat gives
    for how in ({}, {"simplify_cells": True}):
        content = {k: v for k, v in scipy.io.loadmat(xor[2], **how).items() if not k.startswith("__")}
        scipy.io.savemat(tmp_path / "again.mat", content | {"opt_scaling_factor": np.nan})
        assert load_task(tmp_path / "again.mat").settings == TIMES
    assert capsys.readouterr().err == ""

"""Networks of one and of three outputs, and settings of tasks of every kind, come back from every file."""

import json
import subprocess

import numpy as np
import pytest
import scipy.io
import torch
from test_file_round_trips import OCTAVE
from test_foreign_files import network as foreign

import ratecore
from ratecore import AbstractTask, TaskFactory
from ratecore.formats import FormatError, evaluation_bytes, load_mat, load_network, load_scores, load_task, save_pth
from ratecore.formats.mat import packed_mat
from ratecore.formats.pth import result_from_pth
from ratecore.rate.network import RateNetwork
from ratecore.rate.results import Evaluation, Scores, TrainingResult
from ratecore.settings.run import RunSettings
from ratecore.spiking import rate_model

KINDS = {
    "T": 9, "share": 0.25, "shape": "ramp", "turned": False, "on": True, "levels": [0.5, 1.0], "counts": [1, 2, 3],
    "one": [7.5], "none": [], "words": ["near", "far away"], "word": ["x"], "flags": [True, False], "flag": [True],
    "empty": "", "wide": "grün ",
}  # fmt: skip
OTHERS = {
    "share": 1.0, "shape": "step", "turned": True, "on": False, "levels": [1.0], "counts": [5], "one": [0.0, -2.0],
    "words": ["a", "bc", "def"], "word": [], "flags": [False], "flag": [True, True], "empty": "no more", "wide": "a b",
}  # fmt: skip


@pytest.fixture(params=[1, 3])
def n_out(request):
    return request.param


@pytest.fixture
def kinds(n_out):
    class Kinds(AbstractTask):
        name, n_inputs, n_outputs, defaults, trial_types = "kinds", 2, n_out, KINDS, ("a",)

        response_window = slice(2, 9)

        def draw_trial(self, trial_type, rng):
            return np.ones((2, 9)), "a"

        def generate_target(self, label, seed=None):
            return np.ones(9) if n_out == 1 else np.ones((n_out, 9))

        def is_correct(self, o, label):
            return True

    TaskFactory.register_task("kinds", Kinds)
    return Kinds


def made(n_out, given, labels=("a", "b", "a")):
    """Settings, a result of no training, and scores of trials of 9, 7 and 5 steps."""
    settings, rng = RunSettings(task="kinds", task_settings=given, network=dict(N=6)), np.random.default_rng(0)
    net = RateNetwork(settings.network, 2, 0, n_out=n_out)
    initial = {key: value.clone() for key, value in net.state_dict().items() if key != "_extra_state"}
    with torch.no_grad():
        net.b_out.copy_(torch.as_tensor(rng.standard_normal(n_out)))
    result = TrainingResult(net, initial, losses=[1.0, 0.5], trained=True, n_trials=2)
    outputs = rng.standard_normal((3, 9) if n_out == 1 else (3, n_out, 9))
    outputs[1, ..., 7:] = outputs[2, ..., 5:] = np.nan
    return (
        settings,
        result,
        Scores(np.ones(3), np.array([True, False, True]), outputs, list(labels), np.array(["p", "q", "q"])),
    )


def written(folder, n_out, given, **changes):
    """The `.mat` and `.pth` of such a network."""
    settings, result, scores = made(n_out, given, **changes)
    out, rng = () if n_out == 1 else (n_out,), np.random.default_rng(1)
    shapes = {"u": (2, 9), "target": (*out, 9), "weight": (*out, 9), "o": (*out, 8), "x": (9, 6, 1), "r": (9, 6, 1)}
    example = {key: rng.random(shape) for key, shape in shapes.items()} | {"label": scores.labels[0]}
    state = np.zeros((6, 1))
    mat, pth = folder / "net.mat", folder / "net.pth"
    mat.write_bytes(packed_mat(settings, settings.create_task(), result, scores, x0=state, r0=state, example=example))
    save_pth(pth, settings, result)
    return mat, pth, settings, result, scores, example


def plain(settings):
    """With types, since True == 1 == 1.0."""
    return json.dumps(settings)


@pytest.mark.parametrize("given", [{}, OTHERS], ids=["defaults", "given"])
def test_networks_and_settings_come_back(kinds, n_out, given, tmp_path, capsys):
    mat, pth, settings, result, scores, example = written(tmp_path, n_out, given)
    truth, net = settings.create_task().settings, result.net
    assert plain(truth) == plain({**KINDS, **given})
    for path in (mat, pth):
        assert plain(load_task(path).settings) == plain(truth), path.suffix
        found, model = load_network(path), rate_model(path)
        for name in ("w_out", "b_out", "w_in", "taus_gaus"):
            assert torch.equal(getattr(found, name), getattr(net, name)), name
        assert found.n_out == model.n_out == n_out and model.b_out.shape == (n_out,)
        np.testing.assert_array_equal(model.w_out, net.w_out.detach().double())
        # The call of the `rate` package gives the outputs step by step.
        u, x0, noise = np.ones((2, 9)), np.zeros((1, 6)), np.zeros((1, 8, 6))
        _, _, r, o, *_ = ratecore.load_network(path).forward(u, x0=x0, noise=noise)
        rates = torch.cat(r[1:], 1)
        np.testing.assert_allclose(
            torch.cat(o, 1).detach(), (net.w_out @ rates + net.b_out[:, None]).detach(), rtol=1e-5
        )
        values = ratecore.eval_rnn(ratecore.load_network(path), {"T": 9}, u)[0]
        assert len(values) == 8 and np.shape(values[0]) == (() if n_out == 1 else (n_out, 1))
    assert result_from_pth(pth).net.n_out == n_out and capsys.readouterr().err == ""
    content = scipy.io.loadmat(mat)
    for name in ("target", "weight", "o"):
        np.testing.assert_array_equal(content[name], np.atleast_2d(example[name]))
    np.testing.assert_array_equal(content["eval_os"], scores.outputs)
    assert content["w_out"].shape == (n_out, 6) and content["b_out"].shape == (1, n_out)


@pytest.mark.parametrize("labels", [("a", "b", "a"), (1, -1, 1), (0.5, 1.5, 0.5), (True, False, True)])
def test_scores_come_back(kinds, n_out, labels, tmp_path):
    mat, _, _, _, scores, _ = written(tmp_path, n_out, {}, labels=labels)
    (tmp_path / "e.npz").write_bytes(evaluation_bytes(Evaluation(scores, (2, 9))))
    found = load_scores(tmp_path / "e.npz")
    np.testing.assert_array_equal(found.outputs, scores.outputs)
    assert found.labels == list(labels) and found.conditions.tolist() == ["p", "q", "q"]
    archive = np.load(tmp_path / "e.npz")
    np.testing.assert_array_equal(archive["output_mean"][0], scores.outputs[0])
    np.testing.assert_allclose(archive["output_mean"][1][..., :5], scores.outputs[1:, ..., :5].mean(0))
    np.testing.assert_array_equal(archive["output_mean"][1][..., 5:7], scores.outputs[1, ..., 5:7])
    assert np.isnan(archive["output_mean"][1][..., 7:]).all()
    of_mat = scipy.io.loadmat(mat)["eval_labels"].ravel()
    assert [str(label[0]) for label in of_mat] == list(labels) if labels[0] == "a" else of_mat.tolist() == list(labels)


def test_a_file_that_scipy_saved_again_is_the_same(kinds, n_out, tmp_path):
    mat, _, settings, result, _, _ = written(tmp_path, n_out, OTHERS)
    for how in ({}, {"simplify_cells": True}):
        content = {key: value for key, value in scipy.io.loadmat(mat, **how).items() if not key.startswith("__")}
        scipy.io.savemat(tmp_path / "again.mat", content)
        task = load_task(tmp_path / "again.mat")
        assert plain(task.settings) == plain(settings.create_task().settings), how
        if not how or n_out > 1:  # simplified, (1, N) is (N,), which stays one output
            assert torch.equal(load_network(tmp_path / "again.mat").w_out, result.net.w_out)


SCRIPT = """
s = load('{mat}'); t = s.task_settings;
assert(ischar(t.shape) && islogical(t.turned) && t.turned && ischar(t.empty) && iscell(t.words) && islogical(t.flags));
assert(isequal(t.words(:)', {{'a', 'bc', 'def'}}) && isequal(t.levels, 1) && isequal(t.one, [0 -2]) && isempty(t.none));
assert(isequal(size(s.w_out), [{n_out} 6]) && numel(s.b_out) == {n_out} && size(s.target, 1) == {n_out});
save('-v7', '{again}', '-struct', 's');
"""


@pytest.mark.skipif(not OCTAVE, reason="GNU Octave is not installed")
def test_octave_has_text_logicals_and_cells_and_writes_them_back(kinds, n_out, tmp_path):
    mat, _, settings, result, _, _ = written(tmp_path, n_out, OTHERS)
    again = tmp_path / "again.mat"
    (tmp_path / "script.m").write_text(SCRIPT.format(mat=mat, again=again, n_out=n_out))
    subprocess.run([OCTAVE, "--no-gui", "--quiet", str(tmp_path / "script.m")], check=True, timeout=300, cwd=tmp_path)
    assert plain(load_task(again).settings) == plain(settings.create_task().settings)
    assert torch.equal(load_network(again).w_out, result.net.w_out)
    assert torch.equal(load_network(again).b_out, result.net.b_out)


@pytest.mark.parametrize(
    ("changes", "truth"),
    [
        ({}, {}),
        ({"w_out": lambda w: w.T}, {}),
        ({"b_out": lambda b: b[:, None]}, {}),
        ({"b_out": None}, {"b_out": np.zeros(3)}),
    ],
    ids=["as it is", "transposed", "a column", "no b_out"],
)
def test_foreign_files_of_several_outputs(changes, truth, tmp_path, capsys):
    content = foreign(n_in=2) | {"w_out": np.arange(36.0).reshape(3, 12), "b_out": np.array([1.0, 2.0, 3.0])}
    for key, change in changes.items():
        content[key] = None if change is None else change(content[key])
    scipy.io.savemat(tmp_path / "f.mat", {key: value for key, value in content.items() if value is not None})
    net, model = load_network(tmp_path / "f.mat", dtype=torch.float64), rate_model(tmp_path / "f.mat")
    for found in (net.w_out.detach(), model.w_out):
        np.testing.assert_array_equal(found, np.arange(36.0).reshape(3, 12))
    for found in (net.b_out.detach(), model.b_out):
        np.testing.assert_array_equal(found, truth.get("b_out", [1, 2, 3]))
    said = capsys.readouterr().err
    assert ("w_out of shape (12, 3) is taken as its transpose" in said) == ("w_out" in changes)
    assert ("it has no b_out: 0 is assumed" in said) == (changes.get("b_out", 0) is None)
    with pytest.raises(FormatError, match="the network has 3 outputs; task xor has 1"):
        load_task(tmp_path / "f.mat", "xor")
    assert load_mat(tmp_path / "f.mat")["w_out"].size == 36

"""Files are read as they were written, by ratecore, SciPy and GNU Octave; docs/files.md lists all variables."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from test_foreign_files import network

from ratecore.formats import add_to_mat, load_mat, load_network, load_task, read_network
from ratecore.formats.mat import read_variables
from ratecore.spiking import rate_model

DOCS = (Path(__file__).parents[2] / "docs/files.md").read_text()
OCTAVE = shutil.which("octave-cli") or shutil.which("octave")
LAMBDA = {"opt_scaling_factor": 30.0, "all_perfs": np.array([0.5, 1.0]), "scaling_factors": np.array([20.0, 30.0])}


@pytest.fixture
def mat(exported, tmp_path):
    path = tmp_path / "network.mat"
    shutil.copy(exported[0], path)
    add_to_mat(path, LAMBDA)
    return path


def test_every_variable_that_is_written_is_read_and_documented(mat, trained):
    settings, result, evaluation = trained
    written = {k: v for k, v in scipy.io.loadmat(mat).items() if not k.startswith("__")}
    read = read_variables(mat, None, nested=True)
    assert read.keys() == written.keys()
    for name, value in load_mat(mat).items():
        np.testing.assert_array_equal(value, written[name], strict=True)
    assert written.keys() - load_mat(mat).keys() == {"task_settings"}
    table = DOCS.partition("| variable | shape")[2].partition("\n\n")[0]
    named = {
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")
    }
    assert named - {"network_settings", "conn_m", "x0_mean"} == set(written)  # which this network does not need
    truth = {
        "w": result.net.rectified_w(), "w_in": result.net.w_in, "w_out": result.net.w_out, "b_out": result.net.b_out,
        "taus_gaus": result.net.taus_gaus, "m": result.net.m, "som_m": result.net.som_m, "inh": result.net.inh,
        "exc": result.net.exc, "w0": result.initial["w"], "losses": np.array(result.losses),
        "eval_os": evaluation.scores.outputs, "seed": settings.seed, "eval_labels": np.array(evaluation.scores.labels),
        "opt_scaling_factor": 30, "all_perfs": [0.5, 1],
    }  # fmt: skip
    for name, value in truth.items():
        value = value.detach().double().numpy() if isinstance(value, torch.Tensor) else np.asarray(value, float)
        np.testing.assert_array_equal(read[name].ravel(), value.ravel(), err_msg=name)


def test_networks_of_either_file_are_equal_and_nothing_is_said_of_our_own(mat, exported, capsys):
    a, b = load_network(mat), load_network(exported[1])
    for name in (*dict(a.named_buffers()), *dict(a.named_parameters())):
        mine, other = ((net.rectified_w() if name == "w" else getattr(net, name)) for net in (a, b))
        assert torch.equal(mine, other), name
    assert a.settings == b.settings and load_task(mat).settings == load_task(exported[1]).settings
    assert rate_model(mat).task.name == read_network(exported[1]).task.name == "go-nogo"
    assert capsys.readouterr().err == ""


def test_the_documentation_runs_and_its_example_of_a_note_is_one(mat, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, *_ = re.findall(r"```python\n(.*?)```", DOCS, re.S)
    exec(code, names := {})
    assert names["net"].N == 20 and names["task"].settings["T"] == 60 and "w" in names["variables"]
    u = np.zeros((2, 300))
    u[0, 50:100], u[1, 110:160] = 1, -1
    scipy.io.savemat(tmp_path / "net.mat", {**network(n_in=2), "u": u})
    load_task("net.mat", "xor")
    assert capsys.readouterr().err.strip() == re.search("note: net.mat: .*", DOCS)[0]


SCRIPT = """
s = load('{mat}');
found = struct('task', s.task, 'T', s.task_settings.T, 'stim_on', s.task_settings.stim_on, ...
               'lambda', s.opt_scaling_factor, 'N', size(s.w, 1), 'sum', sum(s.w(:)), 'act', s.activation);
file = fopen('{found}', 'w'); fprintf(file, '%s', jsonencode(found)); fclose(file);
save('-v7', '{again}', '-struct', 's');
opt_scaling_factor = 45; all_perfs = [0.25; 0.75];
save('-append', '-v7', '{mat}', 'opt_scaling_factor', 'all_perfs');
"""


@pytest.mark.skipif(not OCTAVE, reason="GNU Octave is not installed")
def test_octave_reads_what_is_written_and_writes_what_is_read(mat, exported, tmp_path):
    places = {"mat": mat, "found": tmp_path / "found.json", "again": tmp_path / "again.mat"}
    script = SCRIPT.format(**places)
    (tmp_path / "script.m").write_text(script)
    subprocess.run([OCTAVE, "--no-gui", "--quiet", str(tmp_path / "script.m")], check=True, timeout=300, cwd=tmp_path)
    task, net = load_task(exported[0]), load_network(exported[0])
    found = json.loads(places["found"].read_text())
    w = load_mat(exported[0])["w"]
    assert found == {
        "task": "go-nogo",
        "T": task.T,
        "stim_on": task.settings["stim_on"],
        "lambda": 30,
        "N": 20,
        "sum": pytest.approx(w.sum()),
        "act": "sigmoid",
    }
    for path, best in ((mat, 45), (places["again"], 30)):
        assert load_mat(path)["opt_scaling_factor"].item() == best
        assert torch.equal(load_network(path).w, net.w) and load_task(path).settings == task.settings
        add_to_mat(path, LAMBDA)
        assert load_mat(path)["opt_scaling_factor"].item() == 30

"""Results in a folder that is not writable: detected before the work, redirected if requested, and never lost."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from test_foreign_files import FULL, TASK

from ratecore.formats import load_mat, load_network
from ratecore.main import main
from ratecore.spiking import companion, evaluate_task, lambda_grid_search
from ratecore.spiking.__main__ import main as spiking
from ratecore.system import files

TIMES = [f"--{key}={value}" for key, value in TASK.items()]
SEARCH = ["search", "--task=go-nogo", "--n_trials=1", "--scaling_factors=20,40", *TIMES]
EVALUATE = ["evaluate", "--task=go-nogo", "--n_trials=1", "--scaling_factor=20", *TIMES]


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "models" / "net.mat"
    path.parent.mkdir()
    scipy.io.savemat(path, FULL | {"u": np.zeros((1, 200))})
    return path


@pytest.fixture
def read_only(network, monkeypatch):
    """The network's folder as one on a read-only file system, which it is for root, too."""
    true = files._written_beside

    def written_beside(path, data):
        if str(path).startswith(str(network.parent)):
            raise OSError(30, "Read-only file system")
        return true(path, data)

    monkeypatch.setattr(files, "_written_beside", written_beside)
    return network


@pytest.fixture
def no_work(monkeypatch):
    """Fails when trials are begun."""

    def begun(*args, **how):
        raise AssertionError("the work was begun")

    for name in ("search_scaling", "run_trials"):
        monkeypatch.setattr(companion, name, begun)
    monkeypatch.setattr("ratecore.rate.evaluation.evaluate", begun)


@pytest.mark.parametrize("command", [SEARCH, EVALUATE], ids=["search", "evaluate"])
def test_a_folder_that_cannot_be_written_is_seen_before_the_work(read_only, no_work, capsys, command):
    assert spiking([*command, f"--model_dir={read_only}"]) == 2
    err = capsys.readouterr().err
    assert "cannot write in this folder (Read-only file system); name another with output_dir (--output_dir)" in err


@pytest.mark.parametrize("command", [SEARCH, EVALUATE], ids=["search", "evaluate"])
def test_a_wrong_output_folder_is_seen_before_the_work(network, tmp_path, no_work, capsys, command):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "sub"):
        assert spiking([*command, f"--model_dir={network}", f"--output_dir={place}"]) == 2
        assert "cannot write in this folder" in capsys.readouterr().err


def test_results_go_where_they_are_asked_for(read_only, tmp_path, capsys):
    before, out = read_only.read_bytes(), tmp_path / "out" / "deep"
    assert spiking([*SEARCH, f"--model_dir={read_only.parent}", f"--output_dir={out}"]) == 0
    printed = capsys.readouterr().out
    best = load_mat(out / "net.mat")["opt_scaling_factor"].item()
    assert f"{out / 'net.mat'}: lambda {best:g}, accuracy" in printed
    np.testing.assert_array_equal(load_mat(out / "net.mat")["w"], FULL["w"])
    assert spiking([*EVALUATE, f"--model_dir={read_only}", f"--output_dir={out}"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert json.loads((out / "net_spiking_seed_0_trials_1.json").read_text()) == scores
    assert {path.name for path in (out / "plots").iterdir()} == {"net_go.png", "net_nogo.png"}
    assert spiking([*EVALUATE, f"--model_dir={read_only}", "--no_plots"]) == 0  # which writes nothing
    assert read_only.read_bytes() == before and [path.name for path in read_only.parent.iterdir()] == ["net.mat"]


def test_a_search_whose_file_can_no_longer_be_written_is_not_lost(network, tmp_path, monkeypatch, capsys):
    def full(*args, **how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(companion, "add_to_mat", full)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="net.mat: the search is done, but .*No space left.*it is in ") as error:
        lambda_grid_search(network, "go-nogo", 1, [20, 40], TASK)
    beside = re.search(r"it is in (\S+)", str(error.value))[1]
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert json.loads(Path(beside).read_text()) == printed
    assert printed["scaling_factors"] == [20, 40] and printed["opt_scaling_factor"] in (20, 40)
    monkeypatch.setattr(companion, "write_atomic", full)
    with pytest.raises(ValueError, match="net.mat: the search is done.*it is printed above"):
        lambda_grid_search(network, "go-nogo", 1, [20, 40], TASK)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == printed


def test_the_rate_programs_scores_go_to_the_output_folder(read_only, tmp_path, capsys):
    base = ["--mode=eval", "--task=go-nogo", f"--model={read_only}", "--eval_trials=2", "--seed=1"]
    out = tmp_path / "out"
    assert main([*base, f"--output_dir={out}"]) == 0
    written = out / "net_eval_seed_1_trials_2.json"
    assert capsys.readouterr().out.splitlines()[-1] == str(written) and json.loads(written.read_text())["n_trials"] == 2


def test_the_rate_program_looks_at_the_folder_before_the_work(read_only, no_work, tmp_path, capsys):
    base = ["--mode=eval", "--task=go-nogo", f"--model={read_only}", "--eval_trials=2", "--seed=1"]
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", read_only.parent):
        assert main([*base, f"--output_dir={place}"]) == 2
        assert "cannot write in this folder" in capsys.readouterr().err


def test_a_network_inside_the_output_folder_is_scored_beside_it(network, tmp_path, capsys):
    base = ["--mode=eval", "--task=go-nogo", f"--model={network}", "--eval_trials=2", "--seed=1"]
    assert main([*base, f"--output_dir={tmp_path}"]) == 0
    assert (network.parent / "net_eval_seed_1_trials_2.json").is_file()


def test_figures_and_scores_are_saved_beside_the_file_by_default(network):
    evaluate_task("go-nogo", network, 20.0, TASK, n_trials=1)
    assert {path.name for path in (network.parent / "plots").iterdir()} == {"net_go.png", "net_nogo.png"}


def test_a_link_stays_a_link_and_its_file_gets_lambda(network, tmp_path):
    link = tmp_path / "link.mat"
    link.symlink_to(network)
    lambda_grid_search(link, "go-nogo", 1, [20], TASK)
    assert link.is_symlink() and load_mat(network)["opt_scaling_factor"].item() == 20
    assert [path.name for path in network.parent.iterdir()] == ["net.mat"]


def test_lambda_is_not_searched_for_a_file_that_cannot_hold_it(exported, no_work, tmp_path):
    (tmp_path / "net.pth").write_bytes(exported[1].read_bytes())
    with pytest.raises(ValueError, match="net.pth: lambda is added to a .mat file"):
        lambda_grid_search(tmp_path / "net.pth", "go-nogo", 1, [20])
    with pytest.raises(ValueError, match="net.pth: it holds no opt_scaling_factor"):
        evaluate_task("go-nogo", tmp_path / "net.pth")


def test_names_of_files_in_capitals_and_of_torch(network, exported, tmp_path):
    capitals = network.rename(network.with_suffix(".MAT"))
    lambda_grid_search(capitals, "go-nogo", 1, [20], TASK)
    assert load_network(capitals).N == 12
    (tmp_path / "net.pt").write_bytes(exported[1].read_bytes())
    assert load_network(tmp_path / "net.pt").N == 20

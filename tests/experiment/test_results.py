"""Opened results against the files and records that the stages wrote: tables, selection, networks and activity."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
import yaml
from conftest import PATIENCE

import ratecore as rate
from ratecore.experiment import dataset
from ratecore.experiment.grid import Experiment
from ratecore.experiment.results import Results
from ratecore.experiment.stages import evaluate
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_run
from ratecore.experiment.summary import all_runs
from ratecore.settings.base import SettingsError

COMMON = {
    "network": {"N": 12, "P_inh": 0.3},
    "task_settings": {"T": 40, "stim_on": 5, "stim_dur": 5},
    "training": {
        "n_trials": 20,
        "eval_freq": 10,
        "eval_tr": 4,
        "min_trials": 10,
        "loss_threshold": 1e6,
        "accuracy_threshold": 0.0,
    },
    "evaluation": {"n_trials": 8},
    "convert": False,
}
GRID = {"task": ["go-nogo", "xor"], "N": [12, 15], "gain": [1.0, 1.5], "seed": [0, 4]}
VARIANTS = {"evaluation.n_trials": [5, 9], "apply_dale": [True, False], "P_inh": [0.3], "seed": [2]}
ELSEWHERE = {
    "evaluation.task_settings.T": [40, 50],
    "evaluation.noise_sd": [None, 0.5],
    "evaluation.input_gain": [1.0, 0.5],
    "seed": [1],
}
OWN_TASK = """
import numpy as np
from ratecore import AbstractTask, TaskFactory, Trial

class Own(AbstractTask):
    '''Trials of 12 to 20 steps with one of two labels that are words.'''
    defaults = {"T": 20}
    trial_types = ("up", "down")
    stimulus_end = 6

    def draw_trial(self, trial_type, rng):
        steps, sign = int(rng.integers(12, 21)), 1 if trial_type == "up" else -1
        u = np.zeros((1, steps))
        u[:, 2:6] = sign
        return Trial(u, np.full(steps, float(sign)), label=trial_type, response=slice(steps - 5, steps))

    def is_correct(self, o, trial):
        return bool(o[-5:].mean() * trial.target[0] > 0)

TaskFactory.register_task("pulse-of-own", Own)
"""


def no_figures(*_):
    return {}


def work_on(config, stages=("train", "evaluate", "export"), runs=slice(None)):
    """Goes through stages of an experiment, as the workflow does, and keeps its configuration. Returns its folder."""
    experiment = Experiment.from_config(config)
    work = {
        "train": lambda run: train_run(run, log=io.StringIO()),
        "evaluate": evaluate.evaluate_run,
        "export": export_run,
    }
    for stage in stages:
        run_block(stage, [run for _, run in all_runs(experiment)][runs], work[stage], io.StringIO())
    (experiment.root / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return experiment.root


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder with the results of four experiments."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "tasks").mkdir()
    (folder / "tasks" / "own.py").write_text(OWN_TASK)
    before = os.getcwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "_draw", no_figures)
        patch.chdir(folder)
        common = {"results": "results", **COMMON}
        work_on({"experiment": "grid", "grid": GRID, **common})
        work_on({"experiment": "variants", "task": "go-nogo", "grid": VARIANTS, **common})
        work_on({"experiment": "elsewhere", "task": "go-nogo", "grid": ELSEWHERE, **common}, ["train", "evaluate"])
        own = {"experiment": "own", "task": "pulse-of-own", "task_file": "tasks/own.py", "grid": {"seed": [0, 1]}}
        work_on({**common, "task_settings": {}, **own})
    assert os.getcwd() == before
    return folder / "results"


@pytest.fixture(scope="module")
def exp(results):
    return rate.open_results(results / "grid")


def runs_of(exp):
    return [run for _, run in all_runs(exp._experiment)]


def test_the_table_is_that_of_the_records(exp):
    table, runs = exp.table, runs_of(exp)
    assert len(table) == 16 and list(table.index) == list(range(16))
    for k, run in enumerate(runs):
        row, s = table.loc[k], run.settings
        assert (row["task"], row["N"], row["gain"], row["seed"]) == (s.task, s.network.N, s.network.gain, s.seed)
        lines = [json.loads(line[line.index("{") :]) for line in run.record.path.read_text().splitlines()]
        ends = {line["stage"]: line for line in lines if line["event"] == "end"}
        assert row["n_trials"] == ends["train"]["n_trials"] and row["trained"] == ends["train"]["trained"]
        assert row["accuracy"] == ends["evaluate"]["accuracy"] and row["loss"] == ends["evaluate"]["loss"]
        assert row["mat"] == ends["export"]["mat"] and (exp.path / row["folder"]).is_dir()
        assert row["status"] == ("trained" if row["trained"] else "not trained") and row["taus"] == "4_20"


def test_the_columns_have_types(exp, results):
    kinds = {name: str(kind) for name, kind in exp.table.dtypes.items()}
    assert kinds["N"] == kinds["seed"] == "int64" and kinds["gain"] == kinds["accuracy"] == "float64"
    assert kinds["task"] == kinds["taus"] == kinds["status"] == "category" and kinds["trained"] == "boolean"
    assert kinds["n_trials"] == "Int64" and kinds["mat"] == kinds["error"] == "string"
    variants = rate.open_results(results / "variants")
    assert str(variants.table["apply_dale"].dtype) == "bool" and variants.variants == ("evaluation_n_trials",)
    assert exp.variants == ()


def higher(column):
    return column > 1.2


SELECTED = {
    "one value": (dict(task="xor"), range(8, 16)),
    "several columns": (dict(task="go-nogo", N=15, seed=4), (5, 7)),
    "a list": (dict(task=["xor", "go-nogo"], gain=[1.5], seed=[0]), (2, 6, 10, 14)),
    "an array": (dict(N=np.array([12]), task="xor"), (8, 9, 10, 11)),
    "a range": (dict(seed=range(5), N=range(13, 20), task="xor"), (12, 13, 14, 15)),
    "a function": (dict(gain=higher, seed=0), (2, 6, 10, 14)),
    "a list-valued setting": (dict(taus=(4, 20), seed=0, N=12), (0, 2, 8, 10)),
    "as in paths": (dict(taus="4_20", seed=0, N=12), (0, 2, 8, 10)),
    "nothing": ({}, range(16)),
}


def test_selection_by_results(exp):
    table = exp.table
    assert list(exp.networks(trained=True).index) == [k for k in range(16) if table["trained"][k]]
    assert list(exp.networks(status="not trained").index) == [k for k in range(16) if not table["trained"][k]]
    assert list(exp.networks(accuracy=table["accuracy"][5], N=15, seed=0, gain=1.5, task="go-nogo").index) in ([], [6])
    assert len(exp.networks(accuracy=table["accuracy"].max())) > 0


@pytest.mark.parametrize("name", SELECTED)
def test_selection(exp, name):
    selection, rows = SELECTED[name]
    assert list(exp.networks(**selection).index) == list(rows)


WRONG = {
    "column": (
        dict(Gain=1.5),
        "there is no column 'Gain'; did you mean 'gain'. Columns: task, N, taus, gain, seed, status",
    ),
    "value": (dict(N=200), "N = 200: no network has it; values: 12, 15"),
    "one of a list": (dict(task=["xor", "mante"]), "task = 'mante': no network has it; values: 'go-nogo', 'xor'"),
    "range": (dict(seed=range(5, 9)), r"seed = range\(5, 9\): no network has one of these; values: 0, 4"),
    "a number for a boolean": (dict(trained=1), "trained = 1: no network has it; values: "),
    "empty list": (dict(seed=[]), r"seed = \[\]: it names no value; values: 0, 4"),
    "function": (dict(seed=len), "seed: the function returned 16; it takes the column"),
    "empty column": (dict(error="disk"), "error = 'disk': no network has it; the column is empty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_selection_that_means_nothing_is_refused(exp, name):
    selection, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        exp.networks(**selection)


def test_networks_settings_and_tasks(exp):
    table, runs = exp.table, runs_of(exp)
    for row in (3, np.int64(3), table.loc[3], table.iloc[3], exp.networks(task="go-nogo", N=12, gain=1.5, seed=4)):
        net, content = exp.load(row), torch.load(runs[3].network, weights_only=True)
        assert torch.equal(net.w, content["model_state_dict"]["w"])
        assert exp.run_settings(row) == runs[3].settings
        assert exp.task(row).name == "go-nogo" and exp.task(row).T == 40
        np.testing.assert_array_equal(exp.spiking_model(row).W, net.effective_weights().detach().double().numpy())
        task, same = exp.tested(row)
        assert task.settings == exp.task(row).settings and torch.equal(same.w, net.w)


@pytest.mark.parametrize("row", [16, -1, 0.5, "0", True, None])
def test_what_is_no_row_is_refused(exp, row):
    with pytest.raises(ValueError, match="it must be an index from 0 to 15, a row of the table, or a selection of one"):
        exp.load(row)


def test_a_selection_of_several_is_no_row(exp):
    with pytest.raises(ValueError, match="the selection has 8 networks; it must have one"):
        exp.load(exp.networks(task="xor"))


def check_bits(exp, ds, trials=slice(None)):
    """Compares outputs and scores in a dataset with the files of the evaluations."""
    for network in ds.network.values:
        mine, run = ds.sel(network=network), exp._rows[1][network].run
        with np.load(run.evaluation) as file:
            outputs = file["outputs"][trials]
            n = len(outputs)
            np.testing.assert_array_equal(mine.o.values[:n, : outputs.shape[1], 0], outputs.astype(np.float32))
            np.testing.assert_array_equal(mine.correct.values[:n], file["correct"][trials])
            assert mine.condition.values[:n].tolist() == file["conditions"][trials].tolist()
            assert mine.label.values[:n].tolist() == file["labels"][trials].tolist()


def test_activity_is_that_of_the_evaluation_to_the_bit(exp):
    for task in ("go-nogo", "xor"):
        ds = exp.activity(task=task).load()
        assert dict(ds.sizes) == {"network": 8, "trial": 8, "time": 40 if task == "go-nogo" else ds.sizes["time"],
                                  "unit": 15, "input": 1 + (task == "xor"), "output": 1}  # fmt: skip
        check_bits(exp, ds)
        small = ds.N.values == 12
        assert np.isnan(ds.r.values[small][..., 12:]).all() and not np.isnan(ds.r.values[~small]).any()
        assert (ds.unit_type.values[small][:, 12:] == "").all() and np.isnan(ds.tau.values[small][:, 12:]).all()
        assert (ds.trial_number.values == np.arange(8)).all() and (
            ds.time.values == 5 * np.arange(ds.sizes["time"])
        ).all()


def test_coordinates_are_those_of_the_files(exp):
    ds = exp.activity("go-nogo", seed=0)
    for network in ds.network.values:
        row, mine = exp.table.loc[network], ds.sel(network=network)
        mat, N = scipy.io.loadmat(exp.path / row["mat"]), row["N"]
        assert (mine.unit_type.values[:N] == np.where(mat["inh"][:, 0] == 1, "I", "E")).all()
        low, high = mat["taus"][0]
        tau = 5 * (low + (high - low) / (1 + np.exp(-mat["taus_gaus"][:, 0])))
        np.testing.assert_allclose(mine.tau.values[:N], tau, rtol=1e-5)
        for column in ("task", "N", "gain", "seed", "taus", "folder"):
            assert mine[column].item() == row[column]
        window = mat["eval_os"][:, rate.load_task(exp.path / row["mat"]).response_window].mean(1)
        assert (mine.choice.values == np.where(window > 0, 1, -1)).all()
    assert ds.tau.units == ds.time.units == "ms" and ds.r.units == "1"
    assert ds.attrs["ratecore_version"] == rate.__version__


def test_what_the_page_shows_works(exp):
    one = exp.activity("xor", N=12).isel(network=0).load()
    means = one.r.groupby("condition").mean()
    for name in means.condition.values:
        np.testing.assert_allclose(means.sel(condition=name), one.r.values[one.condition.values == name].mean(0), 1e-5)
    many = exp.activity("xor", N=12)
    psth = many.r.mean("trial").compute()
    np.testing.assert_allclose(psth.isel(network=0), one.r.values.mean(0), 1e-5)
    rates = many.r.where(many.unit_type == "I").mean("unit").compute()
    inhibitory = one.unit_type.values == "I"
    np.testing.assert_allclose(rates.isel(network=0), one.r.values[..., inhibitory].mean(-1), 1e-5)


def test_rates_and_outputs_follow_from_currents(exp):
    ds = exp.activity("xor", N=12, gain=1.0, seed=0, trials=2).isel(network=0)
    net = exp.load(int(ds.network))
    np.testing.assert_allclose(ds.r.values, 1 / (1 + np.exp(-ds.x.values.astype(float))), atol=1e-6)
    w_out, b_out = net.w_out.detach().double().numpy()[0], net.b_out.item()
    np.testing.assert_allclose(ds.o.values[..., 0], ds.r.values.astype(float) @ w_out + b_out, atol=1e-6)


def test_sst_units_are_named(tmp_path):
    config = {"experiment": "sst", "results": str(tmp_path), **COMMON, "grid": {"som_N": [2], "seed": [1]}}
    exp = rate.open_results(work_on(config, ["train"]))
    types, net = exp.activity().unit_type.values[0], exp.load(0)
    assert (types == "SST").sum() == 2 and set(np.flatnonzero(types == "SST")) <= set(np.flatnonzero(net.inh))


def test_any_trials(exp):
    all_of_them = exp.activity("go-nogo", N=15).load()
    few = exp.activity("go-nogo", N=15, trials=3).load()
    some = exp.activity("go-nogo", N=15, trials=[6, 2, 40]).load()
    assert few.sizes["trial"] == 3 and some.trial_number.values[0].tolist() == [6, 2, 40]
    for name in ("x", "r", "o", "u", "target", "condition", "label", "choice", "correct"):
        np.testing.assert_array_equal(few[name], all_of_them[name].isel(trial=slice(3)))
        np.testing.assert_array_equal(some[name].isel(trial=[0, 1]), all_of_them[name].isel(trial=[6, 2]))
    assert not np.isnan(some.r.values).any()
    with pytest.raises(ValueError, match="trials = 'all'; it must be 'evaluation', how many of its trials"):
        exp.activity("go-nogo", trials="all")
    for wrong in (0, -3, 2.5, [], [-1], [0.5], True):
        with pytest.raises(ValueError, match="it must be 'evaluation', how many of its trials"):
            exp.activity("go-nogo", trials=wrong)


def test_one_task_at_a_time(exp):
    with pytest.raises(
        ValueError, match=r"networks of several tasks are selected \(go-nogo, xor\); choose one, as task="
    ):
        exp.activity()
    with pytest.raises(ValueError, match="there is no column 'units'"):
        exp.activity("xor", units=3)


def test_a_network_is_simulated_once_and_only_when_asked_for(exp, monkeypatch):
    from ratecore.rate import activity

    calls, original = [], activity.trial_activity

    def counted(task, net, seed, *args, **kwargs):
        calls.append(seed)
        return original(task, net, seed, *args, **kwargs)

    monkeypatch.setattr(activity, "trial_activity", counted)
    ds = exp.activity("go-nogo", N=15)
    assert ds.condition.values.shape == (4, 8) and ds.tau.values.shape == (4, 15)
    assert calls == [] and ds.r.chunksizes["network"] == (1, 1, 1, 1)
    ds.r.sel(network=ds.network[1]).load()
    assert len(calls) == 1
    ds.load()
    assert len(calls) == 5


def test_many_trials_are_several_chunks(exp, monkeypatch):
    whole = exp.activity("go-nogo", N=15, trials=250).load()
    monkeypatch.setattr(dataset, "LARGEST", 1)
    parts = exp.activity("go-nogo", N=15, trials=250)
    assert parts.r.chunksizes["trial"] == (100, 100, 50)
    assert parts.load().identical(whole)


def test_variants_have_their_own_evaluation(results):
    exp = rate.open_results(results / "variants")
    ds = exp.activity().load()
    assert ds.sizes["trial"] == 9 and ds.evaluation_n_trials.values.tolist() == [5, 5, 9, 9]
    check_bits(exp, ds)
    short = ds.isel(network=0)
    assert (short.trial_number.values == [0, 1, 2, 3, 4, -1, -1, -1, -1]).all() and np.isnan(short.r.values[5:]).all()
    assert (short.condition.values[5:] == "").all() and (short.choice.values[5:] == 0).all()
    assert torch.equal(exp.load(0).w, exp.load(2).w) and not torch.equal(exp.load(0).w, exp.load(1).w)


def test_networks_are_tested_where_their_row_says(results):
    exp = rate.open_results(results / "elsewhere")
    assert exp.variants == ("evaluation_T", "evaluation_noise_sd", "evaluation_input_gain")
    ds = exp.activity().load()
    assert ds.sizes["network"] == 8 and ds.sizes["time"] == 50
    check_bits(exp, ds)
    trained = exp.load(0)
    assert all(torch.equal(exp.load(k).w_in, trained.w_in) for k in range(8))
    for k in range(8):
        task, net = exp.tested(k)
        row, mine = exp.table.loc[k], ds.sel(network=k)
        assert row["evaluation_T"] == task.T and exp.task(k).T == 40
        assert torch.equal(net.w_in, trained.w_in * row["evaluation_input_gain"])
        assert np.isnan(mine.r.values).all((0, 2)).tolist() == [t >= task.T for t in range(50)]
    noisy, quiet = (ds.x.sel(network=exp.networks(evaluation_noise_sd=sd).index) for sd in (0.5, None))
    assert float(noisy.diff("time").std()) > 2 * float(quiet.diff("time").std())


def test_a_task_of_ones_own_is_found_beside_the_results(results, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exp = rate.open_results(results / "own")
    ds = exp.activity().load()
    assert set(ds.label.values.ravel()) == {"up", "down"} and ds.sizes["time"] == 20
    for network in (0, 1):
        with np.load(exp._rows[1][network].run.evaluation) as file:
            np.testing.assert_array_equal(ds.o.values[network, :, :, 0], file["outputs"].astype(np.float32))
            ends = (~np.isnan(file["outputs"])).sum(1)
        assert (np.isnan(ds.r.values[network]).all(-1).sum(1) == 20 - ends).all() and ends.min() < 20


def test_a_moved_folder_and_a_task_file_elsewhere(results, tmp_path):
    moved = tmp_path / "another name"
    shutil.copytree(results / "own", moved)
    with pytest.raises(SettingsError, match="own.py"):
        rate.open_results(moved)
    exp = rate.open_results(moved, task_file=results.parent / "tasks" / "own.py")
    assert exp.table["accuracy"].notna().all() and exp.path == moved
    np.testing.assert_array_equal(exp.activity().o, rate.open_results(results / "own").activity().o)


def listing(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(Path(folder).rglob("*"))}


def test_nothing_is_written(results):
    before = listing(results)
    exp = rate.open_results(results / "grid")
    exp.table, exp.networks(N=12), exp.load(0), exp.run_settings(1), exp.spiking_model(2)
    exp.activity("xor", trials=2).load()
    assert listing(results) == before


def test_a_grid_that_is_running(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "_draw", no_figures)
    config = {"experiment": "running", "results": str(tmp_path), **COMMON, "grid": {"seed": [0, 1, 2]}}
    root = work_on(config, ["train"], slice(1))
    exp = rate.open_results(root)
    assert exp.table["status"].tolist() == ["not done"] * 3
    assert exp.table["trained"].notna().tolist() == [True, False, False]
    assert exp.activity(trials=2).network.values.tolist() == [0]
    with pytest.raises(ValueError, match="row 2: there is no trained network; its status is 'not done'"):
        exp.load(2)
    with pytest.raises(ValueError, match=r"no network of this selection is trained \(status: not done\)"):
        exp.activity(seed=[1, 2])
    work_on(config)
    assert exp.table["status"].tolist() == ["not done"] * 3
    assert set(exp.refresh().table["status"]) <= {"trained", "not trained"}
    assert exp.activity().sizes["network"] == 3


def test_a_damaged_record_is_one_broken_network(results, tmp_path):
    shutil.copytree(results / "grid", tmp_path / "grid")
    record = next((tmp_path / "grid" / "runs").rglob("record.jsonl"))
    record.write_text("damaged\n" + record.read_text())
    exp = rate.open_results(tmp_path / "grid")
    assert (exp.table["status"] == "broke").sum() == 1
    assert "damaged" in exp.networks(status="broke")["error"].item()
    assert exp.activity("go-nogo").sizes["network"] + exp.activity("xor").sizes["network"] == 15


@pytest.mark.parametrize("kind", ["mat", "pth"])
def test_a_single_file(exp, kind):
    row = exp.table.loc[6]
    single = rate.open_results(exp.path / row[kind])
    table = single.table
    assert len(table) == 1 and table["seed"].item() == row["seed"] and table["N"].item() == row["N"]
    assert table["task"].item() == "go-nogo" and table["trained"].item() == row["trained"]
    assert table["status"].item() == row["status"] and table["n_trials"].item() == row["n_trials"]
    if kind == "mat":
        assert table["accuracy"].item() == pytest.approx(row["accuracy"], abs=1e-6)
    whole = exp.activity("go-nogo", trials=8, N=row["N"], gain=row["gain"], seed=row["seed"]).load()
    alone = single.activity(trials=8).load()
    for name in ("x", "r", "o", "u", "target", "condition", "label", "choice", "correct", "unit_type", "tau"):
        np.testing.assert_array_equal(alone[name], whole[name])
    assert single.activity().sizes["trial"] == (8 if kind == "mat" else 100)
    assert single.networks(taus=[4, 20], seed=0).index.tolist() == [0]
    assert torch.equal(single.load(0).effective_weights(), exp.load(6).effective_weights())
    np.testing.assert_array_equal(single.spiking_model(0).W, exp.spiking_model(6).W)
    if kind == "pth":
        assert single.run_settings(0).network == exp.run_settings(6).network
    else:
        with pytest.raises(ValueError, match="does not hold the settings of its run; the .pth of ratecore does"):
            single.run_settings(0)


def test_a_file_of_a_task_of_ones_own(results):
    exp = rate.open_results(results / "own")
    single = rate.open_results(exp.path / exp.table["pth"][1], task_file=results.parent / "tasks" / "own.py")
    np.testing.assert_array_equal(single.activity(trials=3).x, exp.activity(seed=1, trials=3).x)


def test_a_file_of_another_program(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"w": rng.random((8, 8)), "w_in": rng.standard_normal((8, 1)), "w_out": rng.standard_normal((1, 8)),
              "taus": [[4.0, 20.0]], "N": 8, "b_out": 0.0, "taus_gaus": rng.standard_normal((8, 1)),
              "inh": np.arange(8)[:, None] > 5, "exc": np.arange(8)[:, None] <= 5,
              "m": np.diag(np.where(np.arange(8) > 5, -1.0, 1.0)), "u": np.zeros((1, 150)),
              "task": "go-nogo"}  # fmt: skip
    scipy.io.savemat(tmp_path / "net.mat", arrays)
    exp = rate.open_results(tmp_path / "net.mat")
    assert exp.table["status"].item() == "not known" and exp.table["trained"].isna().all()
    assert exp.activity(trials=2).sizes["time"] == 150


def test_folders_without_results_say_what_is_missing(results, tmp_path):
    with pytest.raises(
        ValueError, match=r"it holds the results of several experiments \(elsewhere, grid, own, variants\); open one"
    ):
        rate.open_results(results)
    with pytest.raises(
        ValueError, match="no results of ratecore: there is no config.yaml and no runs/; it must be the"
    ):
        rate.open_results(tmp_path)
    (tmp_path / "net.mat").write_bytes(b"")
    with pytest.raises(ValueError, match="no config.yaml and no runs/, only 1 file of a network; open it"):
        rate.open_results(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(ValueError, match="there are networks in runs/ but no config.yaml"):
        rate.open_results(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no such file or folder; it must be the folder of an exp"):
        rate.open_results(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="not the file of a network; it must be the folder of an experiment"):
        rate.open_results(tmp_path / "notes.txt")
    (tmp_path / "config.yaml").write_text("experiment: e\nN: 200\n")
    with pytest.raises(SettingsError, match="N"):
        rate.open_results(tmp_path)


BLOCKED = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in sys.argv[2].split(",") else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Hiding, sys.meta_path)
import ratecore as rate
exp = rate.open_results(sys.argv[1])
print(exp)
exp.load(0), exp.run_settings(0)
print(float(exp.activity("xor", trials=1).r.mean()))
"""


def test_without_snakemake_and_mlflow(results):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(results / "grid"), "snakemake,mlflow,sklearn,zarr"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Results of") and "16 rows (" in done.stdout


def test_without_pandas_xarray_or_dask(exp, monkeypatch):
    for package, what in (("dask.array", "labelled arrays of activity"), ("xarray", "labelled arrays of activity")):
        monkeypatch.setitem(sys.modules, package, None)
        name = package.partition(".")[0]
        with pytest.raises(ImportError, match=rf"^{what} need {name}, .*: pip install 'ratecore\[analysis\]'$"):
            exp.activity("xor")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"^tables of results need pandas, .*: pip install 'ratecore\[analysis\]'$"):
        rate.open_results(exp.path)


def test_trials_of_dense_networks_have_the_same_bits_in_threads(results, monkeypatch):
    import dask

    exp = rate.open_results(results / "variants")
    dense = exp.networks(apply_dale=False)
    threads = torch.get_num_threads()
    with dask.config.set(scheduler="threads", num_workers=4):
        torch.set_num_threads(2)
        try:
            check_bits(exp, exp.activity(apply_dale=False).load())
        finally:
            torch.set_num_threads(threads)
    assert len(dense) == 2 and exp.load(dense.index[0]).settings.apply_dale is False


def test_results_say_what_they_are(exp):
    assert isinstance(exp, Results) and repr(exp).startswith(f"Results of {exp.path}: 16 rows (")
    assert f"{exp.table['trained'].sum()} trained" in repr(exp)

"""Networks of files in a grid: their identity, their trials against the reference, their table, and wrong files."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import reference
import scipy.io
import torch
import yaml

import ratecore as rate
from ratecore.experiment import adopting
from ratecore.experiment.claims import judge_claims
from ratecore.experiment.combine import combine
from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.networks_from import keep
from ratecore.experiment.plan import announcement
from ratecore.experiment.stages import evaluate
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import StageError, run_block
from ratecore.experiment.stages.train import train_job, train_run
from ratecore.experiment.summary import all_runs, summarize
from ratecore.rate.dynamics import simulate
from ratecore.settings.base import SettingsError

# Saved by the released TensorFlow code (150 trials, not trained); without `eval_os`, which is large.
ORIGINAL = Path(__file__).parents[1] / "data" / "original"
TWO_TAUS = "Task_go-nogo_N_30_Taus_4.0_20.0_Act_sigmoid_2026_11_25_162633.mat"
ONE_TAU = "Task_go-nogo_N_30_Tau_10.0_Act_clipped_relu_2026_11_25_162838.mat"
XOR = "Task_xor_N_30_Taus_4.0_20.0_Act_sigmoid_2026_11_25_162710.mat"
WORK = {"train": lambda run: train_run(run, log=io.StringIO()), "evaluate": evaluate.evaluate_run, "export": export_run}


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(evaluate, "_draw", lambda *_: {})


def config(folder, files, **other):
    grid = {"networks_from": files, **other.pop("grid", {})}
    given = {"experiment": "original", "results": str(folder), "convert": False, "evaluation": {"n_trials": 8}}
    return {**given, "grid": grid, **other}


def work_on(given, stages=tuple(WORK)):
    """Goes through stages as the workflow does. Returns the experiment."""
    experiment = Experiment.from_config(given)
    keep_configuration(experiment.root, given)
    keep(experiment.root, experiment.files)
    for stage in stages:
        run_block(stage, [run for _, run in all_runs(experiment)], WORK[stage], io.StringIO())
    return experiment


def changed(path, name, **changes):
    """A file with some variables changed, or left out where they are None."""
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    content = {key: value for key, value in (content | changes).items() if value is not None}
    scipy.io.savemat(name, content)
    return name


def test_each_file_is_a_point_with_what_it_tells(tmp_path):
    experiment = Experiment.from_config(config(tmp_path, str(ORIGINAL)))
    settings = [point.settings for point in experiment.grid_points]
    assert [(s.task, s.network.N, s.network.som_N, s.network.taus, s.network.activation) for s in settings] == [
        ("go-nogo", 30, 2, (10.0,), "clipped_relu"),
        ("go-nogo", 30, 2, (4.0, 20.0), "sigmoid"),
        ("xor", 30, 2, (4.0, 20.0), "sigmoid"),
    ]
    assert [point.seeds for point in experiment.grid_points] == [(0,)] * 3
    assert settings[2].create_task().settings == {"T": 300, "stim_on": 50, "stim_dur": 50, "delay": 10}
    assert [axis.column for axis in experiment.axes] == ["task", "N", "taus", "activation", "network_from"]
    text = announcement(experiment)
    assert ONE_TAU in text and "3 networks" in text
    assert "  3 files of networks; not told: seed, P_inh, P_rec, gain, w_dist" in text.splitlines()


def test_what_no_file_tells_is_that_of_the_configuration(tmp_path):
    network = {"P_rec": 0.7, "noise_sd": 0.03, "N": 500, "som_N": 0, "apply_dale": False, "trained": ["w"], "rank": 3}
    given = config(tmp_path, [str(ORIGINAL / XOR)], network=network, training={"learning_rate": 1, "n_trials": 3})
    (point,) = Experiment.from_config(given).grid_points
    s = point.settings.network
    assert (s.P_rec, s.noise_sd, s.N, s.som_N, s.apply_dale, s.rank) == (0.7, 0.03, 30, 2, True, None)
    assert "taus" in s.trained and point.settings.training.n_trials == 6000  # nothing is trained


def test_the_identity_is_that_of_the_content(tmp_path):
    def identities(path):
        experiment = Experiment.from_config(config(tmp_path, str(path)))
        return [(run.folder, point.path) for point, run in all_runs(experiment)]

    moved = tmp_path / "elsewhere" / "Task_go-nogo_N_9_renamed.mat"
    moved.parent.mkdir()
    shutil.copyfile(ORIGINAL / TWO_TAUS, moved)
    first = identities(ORIGINAL / TWO_TAUS)
    assert identities(moved) == first
    w = scipy.io.loadmat(moved)["w"]
    w[np.unravel_index(w.argmax(), w.shape)] *= 1 + 1e-6
    changed(moved, moved, w=w)
    ((folder, path),) = identities(moved)
    assert folder != first[0][0] and path != first[0][1]


def test_only_the_criterion_of_training_is_in_the_identity(tmp_path):
    def identity(**training):
        (point,) = Experiment.from_config(config(tmp_path, str(ORIGINAL / XOR), training=training)).grid_points
        return point.settings.identity()

    assert identity(learning_rate=0.5, n_trials=7, stages=[{"n_trials": 3}], keep_weights=2) == identity()
    assert identity(loss_threshold=5.0) != identity() != identity(loss_fn="l1")


@pytest.mark.parametrize("name", [ONE_TAU, TWO_TAUS, XOR])
def test_the_network_repeats_the_trial_in_its_file(tmp_path, name):
    """Driven by the noise that the reference finds in the file's trial, the adopted network repeats its states."""
    experiment = work_on(config(tmp_path, str(ORIGINAL / name)), ["train"])
    ((_, run),) = all_runs(experiment)
    file = scipy.io.loadmat(ORIGINAL / name)
    x, r, u, o = (file[key].astype(float) for key in ("x", "r", "u", "o"))
    x, r, o = x[:, :, 0], r[:, :, 0], o[:, 0, 0]
    p = {key: file[key].astype(float) for key in ("w", "m", "som_m", "w_in", "w_out", "taus_gaus")}
    p |= {"b_out": file["b_out"].astype(float)[0], "taus": file["taus"].ravel(), "dale": True}
    p["act"] = str(file["activation"][0])
    steps = [reference.forward(p, u[:, [t, t]], x[t], np.zeros((1, 30)))[0][1] for t in range(len(x) - 1)]
    noise = x[1:] - np.array(steps)
    # The published noise: N(0, 0.1^2), up to the last update, after which the file has its weights
    assert abs(noise.mean()) < 5 * 0.1 / np.sqrt(noise.size) + 1e-3 and abs(noise.std() - 0.1) < 0.002

    net = rate.load_network(run.network, dtype=torch.float64)
    tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in (u[None], x[None, 0], noise[None])]
    with torch.no_grad():
        found = simulate(net, tensors[0], x0=tensors[1], noise=tensors[2], engine="torch")
    theirs = reference.forward(p, u, x[0], noise)
    for own, expected in zip(found, theirs, strict=True):
        np.testing.assert_allclose(own[0].numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(found[0][0].numpy(), x, atol=1e-5)
    np.testing.assert_allclose(found[1][0].numpy(), r, atol=1e-5)
    # The released code keeps the outputs before its last update, which moves each weight by about the learning rate
    assert (abs(found[2][0].numpy() - o) <= 0.01 * (abs(r[1:]).sum(1) + 1)).all()


def test_dale_and_taus(tmp_path):
    path = ORIGINAL / TWO_TAUS
    w = scipy.io.loadmat(path)["w"].astype(float)
    w[0, 1:4] = -0.5  # as files of the PyTorch port have it, unrectified
    file = changed(path, tmp_path / "Task_go-nogo_N_30.mat", w=w)
    experiment = work_on(config(tmp_path, str(file)), ["train", "evaluate", "export"])
    ((_, run),) = all_runs(experiment)
    net, content = rate.load_network(run.network), scipy.io.loadmat(file)
    W = net.effective_weights().detach().numpy()
    inh = content["inh"].ravel() == 1
    assert (W[:, inh] <= 0).all() and (W[:, ~inh] >= 0).all() and not W[0, 1:4].any()
    tau = 16 / (1 + np.exp(-content["taus_gaus"][:, 0].astype(float))) + 4
    np.testing.assert_allclose(net.time_constants().detach().numpy(), tau, rtol=1e-6)
    exported = rate.load_network(run.root / run.record.newest("end")["export"]["mat"])
    assert torch.equal(exported.effective_weights(), net.effective_weights())


def test_the_table_tells_origin_file_and_what_was_published(tmp_path):
    search = {"opt_scaling_factor": 30.0, "all_perfs": [0.5, 0.91, 0.7], "scaling_factors": [25, 30, 35]}
    changed(ORIGINAL / TWO_TAUS, tmp_path / TWO_TAUS, **search)
    for name in (ONE_TAU, XOR):
        shutil.copyfile(ORIGINAL / name, tmp_path / name)
    given = config(tmp_path / "results", str(tmp_path), training={"loss_threshold": 6, "accuracy_threshold": 0.5})
    claim = {"says": "s", "kind": "range", "measure": "published_accuracy", "published": {"low": 0.6}}
    claims = {"theirs": {**claim, "where": {"origin": "original"}}, "ours": {**claim, "where": {"origin": "trained"}}}
    experiment = work_on(given | {"claims": claims})
    table = summarize(experiment)
    judged = judge_claims(experiment, table).set_index("id")
    assert judged["ours"]["theirs"] == pytest.approx((0.75 + 0.51) / 2) and judged["n"]["theirs"] == 2  # as trained
    assert judged["reason"]["ours"] == "no network is trained"  # none from here
    assert list(table["origin"]) == ["original"] * 3
    assert [Path(file).name for file in table["file"]] == [ONE_TAU, TWO_TAUS, XOR]
    assert list(table["status"]) == ["trained", "trained", "not trained"]  # the last: loss 10, accuracy 0
    assert list(table["n_trials"]) == [150] * 3 and table["seconds"].isna().all()
    assert list(table["published_accuracy"]) == [0.75, 0.51, 0]
    assert table["published_loss"][2] == pytest.approx(10.01318)
    assert table["published_lambda"][1] == 30 and table["published_spiking_accuracy"][1] == 0.91
    assert table["published_lambda"].isna()[0]
    assert list(table.columns[-4:]) == ["mat", "pth", "folder", "error"]

    for name in (ONE_TAU, TWO_TAUS, XOR):  # the results open without the files, and when moved
        (tmp_path / name).unlink()
    opened = rate.open_results(shutil.move(experiment.root, tmp_path / "moved"))
    assert list(opened.networks(origin="original", activation="sigmoid").index) == [1, 2]
    assert opened.table["accuracy"].tolist() == table["accuracy"].tolist()
    assert str(opened.table["file"].dtype) == "string" and opened.load(2).N == 30


def test_ours_through_a_file_is_evaluated_to_the_same_bits(tmp_path):
    ours = {
        "experiment": "ours",
        "results": str(tmp_path),
        "convert": False,
        "task": "xor",
        "task_settings": {"T": 60, "stim_on": 5, "stim_dur": 10, "delay": 3},
        "network": {"N": 12, "P_inh": 0.3, "autapses": False, "noise_sd": 0.05},
        "training": {"n_trials": 20, "eval_tr": 4},
        "evaluation": {"n_trials": 8},
        "grid": {"seed": [3, 8]},
    }
    mine = work_on(ours)
    table = summarize(mine)
    files = [str(mine.root / path) for path in (table["mat"][0], table["pth"][1])]
    theirs = work_on(config(tmp_path, files))
    assert [seed for point in theirs.grid_points for seed in point.seeds] == [3, 8]  # the files tell it
    for (_, own), (_, adopted) in zip(all_runs(mine), all_runs(theirs), strict=True):
        first, second = (np.load(run.evaluation, allow_pickle=False) for run in (own, adopted))
        assert first.files == second.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])
        assert adopted.settings.network == own.settings.network
    again = summarize(theirs)
    assert list(again["origin"]) == ["ratecore"] * 2 and list(again["n_trials"]) == [20, 20]
    assert list(again["status"]) == ["not trained"] * 2

    both = rate.open_results(mine.root, theirs.root)
    table = both.table
    assert list(table.columns[:6]) == ["results", "task", "N", "taus", "network_from", "seed"]
    assert table["results"].tolist() == [str(mine.root)] * 2 + [str(theirs.root)] * 2
    assert table["origin"].tolist() == ["trained"] * 2 + ["ratecore"] * 2
    assert table["accuracy"].tolist()[:2] == table["accuracy"].tolist()[2:]
    assert list(both.networks(origin="trained", N=12).index) == [0, 1]
    assert both.run_settings(3).training.network_from.file == files[1] and both.task(0).name == "xor"
    o = both.activity(task="xor", trials=3).o.values
    np.testing.assert_array_equal(o[:2], o[2:])
    assert both.refresh().table.equals(table)
    with pytest.raises(ValueError, match="the column 'results' of the table has the path"):
        _ = both.path


def test_one_grid_with_ours_and_theirs(tmp_path):
    given = config(tmp_path, None, task="xor", training={"n_trials": 4, "eval_tr": 2}, network={"N": 12})
    theirs = {"name": "theirs", "networks_from": [str(ORIGINAL / XOR)], "evaluation.noise_sd": [None, 0.05]}
    given["grid"] = [theirs, {"name": "ours", "seed": [0, 1], "N": [12]}]
    experiment = work_on(given, ["train", "evaluate", "export"])
    table = summarize(experiment)
    assert list(table["origin"]) == ["original"] * 2 + ["trained"] * 2
    assert list(table["grids"]) == ["theirs"] * 2 + ["ours"] * 2
    assert list(table["network_from"].isna()) == [False] * 2 + [True] * 2
    assert table["folder"].nunique() == 3  # evaluated with two noises, one network


# ------------------------------------------------------------------------------------------- killed, and again


def test_a_network_that_could_not_be_saved_is_taken_over_by_the_next_call(tmp_path, monkeypatch):
    import ratecore.formats.pth

    save = ratecore.formats.pth.save_pth

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ratecore.formats.pth, "save_pth", full)
    given = config(tmp_path, str(ORIGINAL / XOR))
    experiment = Experiment.from_config(given)
    runs = [run for _, run in all_runs(experiment)]
    with pytest.raises(StageError, match="No space left on device"):
        train_job(runs, experiment.settings)
    monkeypatch.setattr(ratecore.formats.pth, "save_pth", save)
    (end,) = train_job(runs, experiment.settings)
    events = runs[0].record.events("metrics")
    assert end["status"] == "done" and [event["step"] for event in events] == [150]
    monkeypatch.setattr(adopting, "save_pth", None, raising=False)
    before = runs[0].network.stat().st_mtime_ns
    train_job(runs, experiment.settings)
    assert runs[0].network.stat().st_mtime_ns == before
    statuses = [event["status"] for event in runs[0].record.events("end")]
    assert statuses == ["broken", "done"]


def test_a_file_that_changes_after_the_plan_is_not_another_network(tmp_path):
    shutil.copyfile(ORIGINAL / XOR, tmp_path / XOR)
    experiment = Experiment.from_config(config(tmp_path, str(tmp_path / XOR)))
    changed(ORIGINAL / XOR, tmp_path / XOR, b_out=0.25)
    with pytest.raises(StageError, match="it has changed since the grid was planned"):
        train_job([run for _, run in all_runs(experiment)], experiment.settings)


def test_what_is_known_is_not_read_again(tmp_path, monkeypatch):
    given = config(tmp_path, str(ORIGINAL))
    experiment = Experiment.from_config(given)
    keep(experiment.root, experiment.files)
    monkeypatch.setattr("ratecore.experiment.networks_from._read", lambda path, task: pytest.fail(f"read {path}"))
    again = Experiment.from_config(given)
    assert [point.identity(0) for point in again.grid_points] == [p.identity(0) for p in experiment.grid_points]


# ------------------------------------------------------------------------------------------------- wrong input


def cut(folder):
    (folder / "Task_xor_cut.mat").write_bytes((ORIGINAL / XOR).read_bytes()[:-4000])


def no_network(folder):
    scipy.io.savemat(folder / "Task_xor_N_3_data.mat", {"data": np.zeros(3)})


WRONG = {
    "cut": (cut, r"Task_xor_cut\.mat: not a readable \.mat file"),
    "no network": (no_network, r"Task_xor_N_3_data\.mat: not the file of a network: it has no w, w_in, w_out, taus"),
    "N": (lambda f: changed(ORIGINAL / XOR, f / "Task_xor_N_3.mat", N=31), r"N = 31, but w has shape \(30, 30\)"),
    "activation": (
        lambda f: changed(ORIGINAL / XOR, f / "Task_xor_N_3.mat", activation="tanh"),
        r"Task_xor_N_3\.mat: activation = 'tanh'",
    ),
    "task": (
        lambda f: shutil.copyfile(ORIGINAL / XOR, f / "Task_juggling_N_30_a.mat"),
        r"Task_juggling_N_30_a\.mat: .*juggling",
    ),
    "inputs": (
        lambda f: shutil.copyfile(ORIGINAL / XOR, f / "Task_go-nogo_N_30_a.mat"),
        r"Task_go-nogo_N_30_a\.mat: the network has 2 inputs; task go-nogo has 1",
    ),
    "no task": (
        lambda f: shutil.copyfile(ORIGINAL / XOR, f / "net.mat"),
        r"net\.mat: neither the file nor its name \(Task_<task>_N_\.\.\.\) tells its task; set task",
    ),
    "twice": (
        lambda f: shutil.copyfile(ORIGINAL / XOR, f / "Task_xor_N_30_copy.mat"),
        rf"Task_xor_N_30_copy\.mat: it has the same content as .*{XOR}",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be_used_is_named_with_the_reason_before_any_work(tmp_path, name):
    make, message = WRONG[name]
    files = tmp_path / "files"
    files.mkdir()
    shutil.copyfile(ORIGINAL / XOR, files / XOR)
    make(files)
    with pytest.raises(SettingsError, match=message) as error:
        Experiment.from_config(config(tmp_path / "results", str(files)))
    assert error.value.lines()[-1].startswith("grid.networks_from: 1 of 2 files cannot be used")
    assert not (tmp_path / "results").exists()
    (wrong,) = [path.name for path in files.iterdir() if path.name != XOR]
    experiment = Experiment.from_config(config(tmp_path / "results", [str(files), f"!{wrong}"]))
    assert len(experiment.grid_points) == 1


def test_every_file_that_cannot_be_used_is_named_at_once(tmp_path):
    for make in (cut, no_network, WRONG["N"][0]):
        make(tmp_path)
    with pytest.raises(SettingsError) as error:
        Experiment.from_config(config(tmp_path, str(tmp_path)))
    assert len(error.value.lines()) == 4


def test_a_task_that_neither_file_nor_name_tells_is_that_of_the_configuration(tmp_path):
    shutil.copyfile(ORIGINAL / XOR, tmp_path / "net.mat")
    for name in ("xor", "Delayed_Match"):
        given = config(tmp_path, str(tmp_path / "net.mat"), task=name)
        if name == "xor":
            (point,) = Experiment.from_config(given).grid_points
            assert point.settings.create_task().settings["delay"] == 10  # from its stimulus


GRIDS = {
    "nothing there": ({"networks_from": "{}/nowhere"}, "= '.*/nowhere': there is no such file or folder"),
    "empty folder": ({"networks_from": ["{}"]}, r"the folder has no .mat or .pth file; '.*\*\*/\*.mat' names the 3 "),
    "no match": ({"networks_from": "{}/*.pth"}, "no .mat or .pth file has such a name"),
    "mappings": ({"networks_from": [{"file": "a.mat"}]}, r"= \[\{'file': 'a.mat'\}\]: it must be a folder"),
    "not a list": ({"networks_from": [3]}, r"= \[3\]: it must be a folder with .mat files"),
    "idle exclusion": ({"networks_from": ["{}/original", "!other.mat"]}, "'!other.mat': it leaves out no file"),
    "none left": ({"networks_from": ["{}/original", "!*.mat"]}, "no file is left"),
    "an axis of training": (
        {"networks_from": "{}/original", "N": [10], "learning_rate": [0.1], "P_rec": [0.1, 0.2]},
        "network.N, network.P_rec, training.learning_rate cannot be swept with networks_from",
    ),
    "seeds": (
        {"networks_from": "{}/original", "seed": "0..9"},
        "10 seeds, but a network of networks_from is not",
    ),
    "another key": ({"network_from": ["{}/original"]}, "axis 'network_from': networks_from names the files"),
}


@pytest.mark.parametrize("name", GRIDS)
def test_wrong_grids(tmp_path, name):
    given, message = GRIDS[name]
    grid = yaml.safe_load(yaml.safe_dump(given).replace("{}", str(ORIGINAL.parent)))
    with pytest.raises(SettingsError, match=message):
        Experiment.from_config({"experiment": "a", "results": str(tmp_path), "grid": grid})


def test_patterns_and_axes_after_training(tmp_path):
    given = config(tmp_path, f"{ORIGINAL.parent}/**/*_sigmoid_*.mat", grid={"spiking.refractory": [1, 2], "seed": [5]})
    experiment = Experiment.from_config({**given, "convert": True})
    assert [point.seeds for point in experiment.grid_points] == [(5,)] * 4
    assert len(experiment.grid_points_of("train")) == 2


def test_the_kept_list_is_readable(tmp_path):
    experiment = work_on(config(tmp_path, str(ORIGINAL / XOR)), [])
    (entry,) = json.loads((experiment.root / "networks_from.json").read_text())[""]
    assert entry["origin"] == "original" and entry["task"] == "xor" and entry["network"]["N"] == 30


def test_one_value_stands_for_what_files_do_not_tell(tmp_path):
    shutil.copyfile(ORIGINAL / XOR, tmp_path / "net.mat")
    axes = {"task": ["XOR"], "network.noise_sd": [0.02], "P_rec": [0.3], "loss_threshold": [5.0, 9.0]}
    points = Experiment.from_config(config(tmp_path, str(tmp_path / "net.mat"), grid=axes)).grid_points
    found = [(p.settings.task, p.settings.network.noise_sd, p.settings.training.loss_threshold) for p in points]
    assert found == [("xor", 0.02, 5.0), ("xor", 0.02, 9.0)] and points[0].settings.network.P_rec == 0.3


def test_the_setting_of_a_run_is_not_one_of_the_configuration(tmp_path):
    training = {"network_from": {"file": "a.mat", "sha256": "0" * 64}}
    with pytest.raises(SettingsError, match=r"training\.network_from: files of networks are named in the grid"):
        Experiment.from_config({"experiment": "a", "training": training})


def test_combined_with_a_grid_that_trains(tmp_path):
    theirs = {"experiment": "a", "grid": {"networks_from": str(ORIGINAL)}, "training": {"loss_threshold": 9.0}}
    ours = {
        "experiment": "a",
        "task": "mante",
        "network": {"N": 12},
        "grid": {"seed": [0]},
        "training": {"n_trials": 9},
    }
    files = [tmp_path / "theirs.yaml", tmp_path / "ours.yaml"]
    for file, given in zip(files, (theirs, ours), strict=True):
        file.write_text(yaml.safe_dump(given))
    experiment = Experiment.from_config(combine(files, seeds="0..4"))
    assert [(point.settings.task, len(point.seeds)) for point in experiment.grid_points] == [
        *[("go-nogo", 1)] * 2,
        ("xor", 1),
        ("mante", 5),
    ]
    alone = [point.identity(0) for file in files for point in Experiment.from_yaml(file).grid_points]
    assert [point.identity(0) for point in experiment.grid_points] == alone


def test_the_pth_of_the_port_is_not_its_network(tmp_path):
    file = scipy.io.loadmat(ORIGINAL / XOR)
    changed(ORIGINAL / XOR, tmp_path / "Task_xor_N_30.mat", x=file["x"][-1])
    state = {key: torch.from_numpy(file[key].astype("f4")) for key in ("w", "w_out", "b_out")}
    torch.save({**state, "b_out": state["b_out"].ravel()}, tmp_path / "Task_xor_N_30.pth")
    (point,) = Experiment.from_config(config(tmp_path, str(tmp_path))).grid_points
    assert point.settings.training.network_from.file.endswith(".mat")
    given = config(tmp_path, str(tmp_path / "Task_xor_N_30.pth"))
    with pytest.raises(SettingsError, match=r"Task_xor_N_30\.pth: a \.pth of the PyTorch port, whose network is in"):
        Experiment.from_config(given)
    experiment = work_on(config(tmp_path, str(tmp_path)))
    table = summarize(experiment)
    assert table["origin"].tolist() == ["rate"]
    notes = [note for _, run in all_runs(experiment) for note in run.record.newest("end")["train"]["notes"]]
    assert any("never trained" in note for note in notes) and "never trained" in announcement(experiment)


def test_the_example_is_a_short_file_that_gives_a_plan(tmp_path, monkeypatch):
    example = Path(__file__).parents[2] / "config" / "examples" / "original.yaml"
    assert len(example.read_text().splitlines()) < 40
    shutil.copytree(ORIGINAL, tmp_path / "original" / "models")
    monkeypatch.chdir(tmp_path)
    experiment = Experiment.from_yaml(example)
    assert [len(point.seeds) for point in experiment.grid_points] == [1] * 6 + [10] * 2

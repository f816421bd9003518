"""Networks of the stages of a curriculum, kept weights, and trainings that start from the network of a file."""

import io
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_settings

from ratecore.experiment.checkpoints import Checkpoints, Interrupted, deferred_signals
from ratecore.experiment.exporting import export
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import train as module
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_batched, train_run
from ratecore.formats import FormatError, load_network, load_task, result_from_pth
from ratecore.formats.starting import start_of
from ratecore.formats.weights import load_weights
from ratecore.rate.penalties import positions
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.reading import load_yaml
from ratecore.tracking.mlflow.translation import Translation

ROOT = Path(__file__).parents[2]
LOOSE = dict(loss_threshold=1000.0, accuracy_threshold=0.0, min_trials=0, learning_rate=1e-6)
CURRICULUM = dict(
    n_trials=30,
    eval_freq=10,
    eval_tr=10,
    keep_weights=11,
    stages=[dict(task_settings={"T": 50}, **LOOSE), dict(batch_size=3), dict(n_trials=10, loss_threshold=1e-9)],
)


def run_of(folder, training, **more) -> Run:
    config = {
        "experiment": "files",
        "results": str(folder),
        "convert": False,
        "network": {"N": 10},
        "grid": {"seed": [0]},
        "training": {**LOOSE, **training},
        "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
        **more,
    }
    experiment = Experiment.from_config(config)
    return Run.at(experiment, experiment.grid_points[0], 0)


def do(run, how=train_run, log=None):
    log = log or io.StringIO()
    if how is train_batched:
        return train_batched([run], "cpu", log)[0]
    return run_block("train", [run], lambda run: train_run(run, log=log), log)[0]


class DueAt(Checkpoints):
    """Is told to end at a trial."""

    at = 0

    def due(self):
        return True

    def save(self, result):
        if result.n_trials >= self.at:
            self.signals.received = signal.SIGTERM
        super().save(result)


def stop_at(run, trial, monkeypatch):
    monkeypatch.setattr("ratecore.experiment.checkpoints.Checkpoints", DueAt)
    monkeypatch.setattr(DueAt, "at", trial)
    with deferred_signals(), pytest.raises(Interrupted):
        do(run)
    monkeypatch.undo()


def test_a_curriculum_leaves_a_network_for_each_stage(tmp_path):
    run = run_of(tmp_path, CURRICULUM)
    end = do(run)
    assert end["status"] == "done" and not end["trained"] and end["n_trials"] == 32
    result = result_from_pth(run.network)
    assert result.ended == [10, 22] and [t["stage"] for t in result.tests] == [1, 2, 3]
    files = {path.rpartition("/")[2] for path in end["files"]}
    assert files == {"network.pth", "stage_1.mat", "stage_2.mat", "weights.npz"}
    kept = load_weights(run.folder / "weights.npz")
    np.testing.assert_array_equal(kept["w_in0"], result.initial["w_in"].numpy())
    np.testing.assert_array_equal(kept["w_in"], result.net.w_in.detach().numpy())
    older = {name: array for name, array in np.load(run.folder / "weights.npz").items() if name != "w_in0"}
    np.savez(tmp_path / "older.npz", **older)
    assert load_weights(tmp_path / "older.npz").keys() == kept.keys() - {"w_in0"}
    np.savez(tmp_path / "broken.npz", w=kept["w"])
    with pytest.raises(FormatError, match="it has no trials"):
        load_weights(tmp_path / "broken.npz")
    for stage, T in ((1, 50), (2, 60)):
        path = run.folder / f"stage_{stage}.mat"
        assert load_task(path).T == T
    assert kept["trials"].tolist() == [0, 13, 22, 32]
    w = load_network(run.folder / "stage_2.mat").rectified_w().detach().numpy()
    np.testing.assert_array_equal(w, kept["w"][2])
    metrics = [e["values"]["stage"] for e in run.record.events("metrics")]
    assert metrics == [1, 2, 3]
    translate = Translation()
    shown = [translate(event) for event in run.record.events()]
    assert shown[0].params["optimizer"] == "adam" and shown[0].params["stages.1.task_settings.T"] == 50
    assert shown[0].params["penalties.rate_mean"] == 0
    assert not list(run.folder.glob("weights.0*")) and do(run) == end


@pytest.mark.parametrize("trial", [5, 11, 23, 30])
def test_an_interrupted_run_has_the_same_files(tmp_path, monkeypatch, trial):
    whole, run = run_of(tmp_path / "a", CURRICULUM), run_of(tmp_path / "b", CURRICULUM)
    expected = {name.rpartition("/")[2]: sha for name, sha in do(whole)["files"].items()}
    stop_at(run, trial, monkeypatch)
    found = {name.rpartition("/")[2]: sha for name, sha in do(run)["files"].items()}
    assert found.keys() == expected.keys() and found["weights.npz"] == expected["weights.npz"]
    for name in ("stage_1.mat", "stage_2.mat"):
        one, two = (load_network(r.folder / name).state_dict() for r in (whole, run))
        assert all(torch.equal(one[k], two[k]) for k in one if k != "_extra_state")


def test_without_a_file_that_it_has_written_a_training_starts_again(tmp_path, monkeypatch):
    for lost in ("stage_1.mat", "weights.0000000013.npz"):
        run, log = run_of(tmp_path / lost, CURRICULUM), io.StringIO()
        stop_at(run, 24, monkeypatch)
        (run.folder / lost).unlink()
        assert do(run, log=log)["n_trials"] == 32
        named = run.folder / ("stage_1.mat" if lost == "stage_1.mat" else "weights.0000000011.npz")
        assert f"{named} is missing, which was written before it; it is ignored" in log.getvalue()
        assert (run.folder / "stage_1.mat").is_file()


@pytest.mark.parametrize("batch_size", [1, 3])
def test_weights_are_kept(tmp_path, batch_size):
    training = dict(n_trials=20, eval_freq=50, eval_tr=2, batch_size=batch_size, keep_weights=6, learning_rate=0.01)
    run = run_of(tmp_path, training)
    do(run)
    kept, net = load_weights(run.folder / "weights.npz"), load_network(run.network)
    assert kept["trials"].tolist() == [0, 6, 12, 18, 20]
    for place, trial in enumerate(kept["trials"]):
        until = run_of(tmp_path / str(trial), training | dict(n_trials=max(int(trial), 1), keep_weights=None)).settings
        result = train(until)
        state = result.net.state_dict() if trial else result.initial
        np.testing.assert_array_equal(kept["w"][place], state["w"].clamp(min=0).numpy())
        for name in ("w_out", "b_out", "taus_gaus"):
            np.testing.assert_array_equal(kept[name][place], state[name].numpy())
    for name in ("w_in", "m", "som_m", "inh", "exc"):
        np.testing.assert_array_equal(kept[name], getattr(net, name).numpy())
    data = (run.folder / "weights.npz").read_bytes()
    (run.folder / "weights.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="weights.npz: not readable weights"):
        load_weights(run.folder / "weights.npz")


def test_the_file_of_kept_weights_is_bounded():
    message = "training.keep_weights = 1: with N = 1000 it must be at least 46, .* at most 512 MiB"
    with pytest.raises(SettingsError, match=message):
        small_settings(network=dict(N=1000), training=dict(n_trials=6000, keep_weights=1))
    small_settings(network=dict(N=1000), training=dict(n_trials=6000, keep_weights=46))


def test_a_training_starts_from_the_network_of_a_file(tmp_path, trained):
    settings, first, evaluation = trained
    mat, pth = export(tmp_path, settings, first, evaluation.scores)
    for path in (mat, pth):
        training = dict(n_trials=5, eval_tr=2, start_from=str(path), learning_rate=1e-9)
        run = run_of(tmp_path / path.suffix[1:], training, network=settings.network.model_dump())
        do(run)
        result = result_from_pth(run.network)
        start = load_network(path)
        for name in ("w_in", "m", "som_m", "inh", "exc"):
            assert torch.equal(getattr(result.net, name), getattr(start, name))
        for name in ("w", "w_out", "b_out", "taus_gaus"):
            assert torch.equal(result.initial[name], getattr(start, name))
            torch.testing.assert_close(getattr(result.net, name), getattr(start, name), rtol=0, atol=1e-6)
        block = run_of(tmp_path / f"block{path.suffix}", training, network=settings.network.model_dump())
        do(block, train_batched)
        torch.testing.assert_close(result_from_pth(block.network).net.w, result.net.w, rtol=1e-5, atol=1e-6)


def test_what_the_file_holds_is_part_of_the_identity(tmp_path, trained):
    settings, first, evaluation = trained
    mat, pth = export(tmp_path, settings, first, evaluation.scores)
    network = settings.network.model_dump()

    def identity(path):
        return run_of(tmp_path, dict(start_from=str(path)), network=network).settings.identity("training")

    (tmp_path / "copy.pth").write_bytes(pth.read_bytes())
    assert identity(pth) == identity(tmp_path / "copy.pth") != identity(mat)
    assert run_of(tmp_path, {}, network=network).settings.identity("training") not in (identity(pth), identity(mat))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(network=dict(N=21, taus=(4, 20))), "its network has N = 20; network.N is 21"),
        (
            dict(network=dict(N=20, taus=(4, 30))),
            r"its network has taus = \(4.0, 20.0\); network.taus is \(4.0, 30.0\)",
        ),
        (dict(network=dict(N=20, apply_dale=False)), "its network has apply_dale = True"),
        (dict(task="xor", task_settings={}), "its network has 1 inputs; task xor has 2"),
        (dict(file="nowhere.pth"), "nowhere.pth': No such file"),
        (dict(file="text.mat"), "text.mat: not a readable .mat file"),
    ],
    ids=str,
)
def test_networks_that_do_not_fit_are_refused_before_any_work(tmp_path, trained, changes, message):
    settings, first, evaluation = trained
    _, pth = export(tmp_path, settings, first, evaluation.scores)
    (tmp_path / "text.mat").write_text("no network")
    changes = dict(changes)
    file = tmp_path / changes.pop("file", pth.relative_to(tmp_path))
    network = {"network": settings.network.model_dump(), **changes}
    with pytest.raises(SettingsError, match=f"training.start_from.*{message}"):
        run_of(tmp_path, dict(start_from=str(file)), **network)


def test_train_says_how_to_start_from_a_file(tmp_path, exported):
    settings = small_settings(training=dict(n_trials=1, eval_tr=1, start_from=str(exported[1])))
    with pytest.raises(ValueError, match="training.start_from is set: give the network of the file"):
        train(settings)
    assert train(settings, start=start_of(settings)).n_trials == 1
    assert module.STAGE == "train"


def test_the_example_of_a_curriculum(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = load_yaml("config/examples/curriculum.yaml")
    assert len((ROOT / "config/examples/curriculum.yaml").read_text().splitlines()) < 40
    small = {"network": {"N": 60}, "grid": {"seed": [0]}, "results": str(tmp_path)}
    experiment = Experiment.from_config({**config, **small})
    run = Run.at(experiment, experiment.grid_points[0], 0)
    end = do(run)
    assert end["trained"] and len(result_from_pth(run.network).ended) == 3
    shares = [load_task(run.folder / f"stage_{k}.mat").settings["p_odd"] for k in (1, 2, 3)]
    assert shares == [0.7, 0.5, 0.3] == [s["task_settings"]["p_odd"] for s in config["training"]["stages"]]
    assert load_task(run.network).settings["p_odd"] == 0.3
    tests = result_from_pth(run.network).tests
    assert [t["stage"] for t in tests] == sorted(t["stage"] for t in tests) and tests[-1]["accuracy"] > 0.97


def test_places_of_units_are_saved_where_distance_counts(tmp_path):
    import scipy.io

    settings = small_settings(training=dict(n_trials=2, eval_tr=2, penalties=dict(distance=1.0)))
    result = train(settings)
    mat, _ = export(tmp_path, settings, result, result.last_test)
    saved = scipy.io.loadmat(mat)["positions"]
    np.testing.assert_array_equal(saved, positions(settings.seed, 20))
    assert saved.shape == (20, 3) and (saved > 0).all() and (saved < 1).all()


def test_settings_of_training_are_axes(tmp_path):
    stages = [[{"n_trials": 5}, {"learning_rate": 0.1}], [{"n_trials": 6}, {"learning_rate": 0.1}]]
    grid = {"optimizer": ["adam", "eg"], "training.stages": stages, "clip": [None, 1]}
    grid["penalties.rate_square"] = [0, 0.5]
    experiment = Experiment.from_config({"experiment": "axes", "results": str(tmp_path), "grid": {**grid, "seed": [0]}})
    assert len({experiment.folder(point.run(0)) for point in experiment.grid_points}) == 16
    assert len({point.path for point in experiment.grid_points}) == 16
    one = experiment.grid_points[-1]
    assert one.settings.training.stages[0].n_trials == 6 and one.settings.training.penalties.rate_square == 0.5
    assert {"optimizer", "penalties_rate_square", "stages", "clip"} <= one.values.keys()

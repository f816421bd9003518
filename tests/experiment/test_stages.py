"""Blocks of runs: each succeeds or fails alone, complete work is not repeated, stale files do not pass as complete."""

import contextlib
import io
import os
import signal
import sys
import threading
import time

import pytest
import torch

from ratecore.experiment import stages
from ratecore.experiment.grid import Experiment
from ratecore.experiment.point_figures import loss_curve, point_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import table
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import StageError, run_block
from ratecore.experiment.stages.train import train_batched, train_run
from ratecore.experiment.summary import IncompleteError, summarize
from ratecore.tracking.mlflow.translation import Translation

pytestmark = pytest.mark.usefixtures("figures_are_not_rendered")

CONFIG = {
    "experiment": "blocks",
    "convert": False,  # see test_convert.py
    "grid": {"seed": [0, 1, 2]},
    "network": {"N": 10},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 4},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}


@pytest.fixture
def experiment(tmp_path):
    return Experiment.from_config({**CONFIG, "results": str(tmp_path)})


def runs_of(experiment) -> list[Run]:
    return [Run.at(experiment, experiment.grid_points[0], seed) for seed in experiment.seeds]


def do(stage, runs, log=None):
    work = {
        "train": lambda run: train_run(run, log=log or io.StringIO()),
        "evaluate": evaluate_run,
        "export": export_run,
    }
    return run_block(stage, runs, work[stage], log or io.StringIO())


def test_all_stages_and_nothing_twice(experiment):
    runs = runs_of(experiment)
    with pytest.raises(IncompleteError, match="3 of 3 runs are not complete"):
        summarize(experiment)
    with pytest.raises(StageError, match="(?s)3 of 3 runs broke in evaluate:.*the network is not trained"):
        do("evaluate", runs)
    for stage in ("train", "evaluate", "export"):
        assert [o["status"] for o in do(stage, runs)] == ["done"] * 3
    table = summarize(experiment)
    assert list(table["seed"]) == [0, 1, 2] and list(table["status"]) == ["not trained"] * 3
    assert list(table["n_trials"]) == [20] * 3 and set(table["device"]) == {"cpu"}
    lengths = [len(run.record.events()) for run in runs]
    log = io.StringIO()
    for stage in ("train", "evaluate", "export"):
        do(stage, runs, log)
    assert log.getvalue().count("is already done") == 9
    assert [len(run.record.events()) for run in runs] == lengths
    names = {"loss_curves", "outputs", "taus", "weights", "spectrum"}
    assert set(point_figures(experiment, experiment.grid_points[0])) == names
    assert loss_curve(runs[0])[0] == [10, 20] and not loss_curve(runs[0])[2]


def test_what_failed_by_another_version_fails_no_later_stage(tmp_path, monkeypatch):
    training = {**CONFIG["training"], "learning_rate": 1e30}
    experiment = Experiment.from_config({**CONFIG, "training": training, "results": str(tmp_path)})
    runs = runs_of(experiment)
    assert {o["status"] for o in do("train", runs)} == {"failed"}
    monkeypatch.setattr(table, "code_hash", lambda stage: "another")
    assert {o["status"] for o in do("evaluate", runs)} == {"failed"}
    assert all(run.outcome("train") is None for run in runs)  # if the training is asked for, it is tried again


def test_curves_of_settings_that_come_back_are_where_they_were(tmp_path):
    def group(n):
        """The group in MLflow of the curves of an evaluation with n trials."""
        experiment = Experiment.from_config({**CONFIG, "evaluation": {"n_trials": n}, "results": str(tmp_path)})
        (run, *_) = runs_of(experiment)
        do("train", [run])
        do("evaluate", [run])
        translate = Translation()
        points = [translate(event).points for event in run.record.events()][-1]
        (name,) = {name.partition("/")[0] for name, _ in points if "curves" in name} or {None}
        return name

    assert [group(n) for n in (6, 8, 6, 10)] == ["eval_curves", "eval_curves_2", "eval_curves", "eval_curves_3"]


def test_a_run_that_breaks_does_not_hold_up_the_others_and_is_tried_again(experiment):
    runs, tried = runs_of(experiment), []

    def work(run):
        tried.append(run.settings.seed)
        if run.settings.seed == 1 and len(tried) < 4:
            raise OSError("No space left on device")
        return train_run(run, log=io.StringIO())

    log = io.StringIO()
    with pytest.raises(StageError, match=r"1 of 3 runs broke in train:\n  go-nogo seed=1: OSError: No space left"):
        run_block("train", runs, work, log)
    assert tried == [0, 1, 2] and "Traceback" in log.getvalue()
    end = runs[1].record.last("end", "train")
    assert end["status"] == "broken" and end["error"] == "OSError: No space left on device"
    assert [o["status"] for o in run_block("train", runs, work, log)] == ["done"] * 3
    assert tried == [0, 1, 2, 1]
    assert "error" not in runs[1].record.last("end", "train")


def test_runs_side_by_side_are_the_runs_one_by_one(experiment, tmp_path, capfd):
    from ratecore.formats import load_network

    other = Experiment.from_config({**CONFIG, "results": str(tmp_path / "other")})
    do("train", runs_of(experiment))

    def work(run):
        if run.settings.seed == 1 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return train_run(run)

    with pytest.raises(StageError, match="1 of 3 runs broke in train:\n.*item 2: its process ended with exit code -9"):
        run_block("train", runs_of(other), work, workers=2)
    outcomes = run_block("train", runs_of(other), work, workers=2)
    assert [o["status"] for o in outcomes] == ["done"] * 3
    for one, two in zip(runs_of(experiment), runs_of(other), strict=True):
        a, b = (load_network(run.network).state_dict() for run in (one, two))
        assert all(torch.equal(a[name], b[name]) for name in a if name != "_extra_state")
    assert "train is already done" in capfd.readouterr().err


def test_runs_trained_together_are_recorded_as_those_alone(experiment, tmp_path, monkeypatch):
    # With a batch of one program on CPU tensors; its numbers are held to those of single networks in test_block.py.
    alone, runs = Experiment.from_config({**CONFIG, "results": str(tmp_path / "alone")}), runs_of(experiment)
    do("train", runs_of(alone))
    saved = stages.train._save

    def full(run, result, device):
        if run.settings.seed == 1:
            raise OSError("No space left on device")
        return saved(run, result, device)

    log = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(stages.train, "_save", full)
        with pytest.raises(StageError, match="1 of 3 runs broke in train:\n  go-nogo seed=1: OSError: No space left"):
            train_batched(runs, "cpu", log)
    assert [run.record.events()[-1]["status"] for run in runs] == ["done", "broken", "done"]
    assert [o["status"] for o in train_batched(runs, "cpu", log)] == ["done"] * 3
    assert log.getvalue().count("train is already done") == 2
    for one, two in zip(runs_of(alone), runs, strict=True):
        assert loss_curve(one)[0] == loss_curve(two)[0] == [10, 20]
        assert loss_curve(two)[1] == pytest.approx(loss_curve(one)[1], rel=1e-3)
    assert [o["status"] for o in do("evaluate", runs)] == ["done"] * 3


def test_a_block_that_is_stopped_continues_where_it_was(experiment, tmp_path, monkeypatch):
    from ratecore.experiment import checkpoints
    from ratecore.rate import block

    whole = Experiment.from_config({**CONFIG, "results": str(tmp_path / "whole")})
    train_batched(runs_of(whole), "cpu", io.StringIO())
    update, runs, updates = block._Group.update, runs_of(experiment), []

    def then_ends(self):
        updates.append(1)
        if len(updates) == 14:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(block._Group, "update", then_ends)
        with pytest.raises(checkpoints.Interrupted):
            train_batched(runs, "cpu", io.StringIO())
    ends = [run.record.events()[-1] for run in runs]
    assert len(updates) == 14 and {end["status"] for end in ends} == {"interrupted"}
    assert {end["n_trials"] for end in ends} == {14} and ends[0]["error"] == "stopped, saved at trial 14"
    train_batched(runs, "cpu", io.StringIO())
    for one, two in zip(runs_of(whole), runs, strict=True):
        a, b = (torch.load(run.network, weights_only=True) for run in (one, two))
        assert all(torch.equal(a["model_state_dict"][k], b["model_state_dict"][k]) for k in ("w", "w_out", "taus_gaus"))
        assert torch.equal(a["losses"], b["losses"]) and a["tests"] == b["tests"]
        points = [
            [(e["step"], e["values"]) for e in run.record.events() if e["event"] == "metrics"] for run in (one, two)
        ]
        assert points[0] == points[1] and not (two.folder / "checkpoint.pth").exists()


def test_a_run_that_was_killed_starts_again(experiment):
    (run, *_) = runs_of(experiment)
    run.record.append("start", "train", identity=run.identity("train"), labels=run.labels)
    run.record.append("metrics", "train", step=10, values={"train/test_loss": 9.0})
    assert run.outcome("train") is None
    do("train", [run])
    assert run.outcome("train") and loss_curve(run)[0] == [10, 20]


def test_a_failed_network_is_a_result_that_later_stages_pass_on(experiment, monkeypatch):
    runs = runs_of(experiment)[:1]

    def work(run):
        raise FloatingPointError("the loss is nan at trial 3; try a smaller learning_rate")

    assert run_block("train", runs, work, io.StringIO())[0]["status"] == "failed"
    assert do("evaluate", runs)[0]["status"] == "failed" == do("export", runs)[0]["status"]
    # Other code may not fail.
    monkeypatch.setattr(table, "code_hash", lambda stage: "other")
    assert runs[0].outcome("train") is None


def test_what_was_changed_is_not_whole(experiment, monkeypatch):
    (run, *_) = runs_of(experiment)
    for stage in ("train", "evaluate", "export"):
        do(stage, [run])
    assert all(run.outcome(stage) for stage in ("train", "evaluate", "export"))
    # Another network in the place of the one that was scored and exported.
    network = run.network.read_bytes()
    run.network.unlink()
    assert run.outcome("train") is None and run.outcome("evaluate") is None
    do("train", [run])
    assert run.outcome("train") and run.outcome("evaluate") is None and run.outcome("export") is None
    do("evaluate", [run])
    run.evaluation.write_bytes(b"damaged")
    assert run.outcome("evaluate") is None and run.outcome("export") is None
    run.network.write_bytes(network[:-1])
    assert run.outcome("train") is None and run.outcome("train", verify=False)
    # Other code scores again, and trains nothing again.
    run.network.write_bytes(network)
    do("train", [run])
    do("evaluate", [run])
    monkeypatch.setattr(table, "code_hash", lambda stage: "other")
    assert run.outcome("train") and run.outcome("evaluate") is None


def test_another_evaluation_adds_to_the_run(experiment, tmp_path):
    (run, *_) = runs_of(experiment)
    for stage in ("train", "evaluate", "export"):
        do(stage, [run])
    other = Experiment.from_config({**CONFIG, "results": str(tmp_path), "evaluation": {"n_trials": 7}})
    (again, *_) = runs_of(other)
    assert again.folder == run.folder and again.outcome("train") and again.outcome("evaluate") is None
    for stage in ("train", "evaluate", "export"):
        do(stage, [again])
    assert len(list((tmp_path / "blocks" / "models").rglob("*.mat"))) == 1
    ends = [end for end in again.record.events("end") if end["stage"] == "evaluate"]
    assert [end["n_trials"] for end in ends] == [6, 7] and ends[0]["identity"] != ends[1]["identity"]


@pytest.mark.parametrize("together", [False, True])
def test_two_processes_never_work_on_one_run(experiment, together):
    (run, *_), log = runs_of(experiment), io.StringIO()
    done = threading.Event()

    def other():  # a lock of its own file handle is as good as another process
        with run.locked():
            while "waiting for another process" not in log.getvalue() and not done.wait(0.01):
                pass
            with stages.running.recording("train", run, log) as end:
                end |= train_run(run, log=log)

    thread = threading.Thread(target=other)
    thread.start()
    while not (run.folder / "lock").exists():
        time.sleep(0.01)
    try:
        (outcome,) = train_batched([run], "cpu", log) if together else do("train", [run], log)
    finally:
        done.set()
        thread.join()
    assert "seed=0: waiting for another process that works on this network" in log.getvalue()
    assert outcome["status"] == "done" and "train is already done" in log.getvalue()
    assert [e["event"] for e in run.record.events() if e["event"] in ("start", "end")] == ["start", "end"]


def test_a_signal_that_comes_too_late_for_a_run_ends_the_block_before_the_next(experiment, monkeypatch):
    runs, saved = runs_of(experiment), stages.train._save

    def then_told(*args):
        end = saved(*args)
        os.kill(os.getpid(), signal.SIGTERM)
        return end

    monkeypatch.setattr(stages.train, "_save", then_told)
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with pytest.raises(SystemExit) as caught:
            do("train", runs)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.code == 128 + signal.SIGTERM
    assert runs[0].outcome("train")["status"] == "done" and not runs[1].record.events()


def test_what_a_killed_process_left_is_removed(experiment):
    (run, *_) = runs_of(experiment)
    leftovers = [run.folder / name for name in (".network.pth.x.part", "figures/.loss.png.x.part")]
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (run.folder / ".mirror.json.x.part").touch()  # another process may be writing it
    do("train", [run])
    assert not any(path.exists() for path in leftovers) and (run.folder / ".mirror.json.x.part").exists()
    (run.folder / "checkpoint.pth").touch()  # of a process killed between its last word and the removal
    do("train", [run])
    assert not (run.folder / "checkpoint.pth").exists()


def test_a_log_that_cannot_be_written_ends_nothing(experiment):
    def broken(run):
        raise OSError(28, "No space left on device", "network.pth")

    with open("/dev/full", "w") as full:
        assert [o["status"] for o in do("train", runs_of(experiment)[:1], full)] == ["done"]
        with pytest.raises(StageError, match="seed=1: OSError: .*No space left on device: 'network.pth'"):
            run_block("train", runs_of(experiment)[1:2], broken, full)
        with contextlib.suppress(OSError):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # so that closing has nothing to say


def test_names_and_numbers_of_grid_points():
    experiment = Experiment.from_config({"experiment": "x", "grid": {"gain": [1.0, 2.0], "seed": [0, 1]}})
    runs = [Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in experiment.seeds]
    assert [run.labels["name"] for run in runs][:2] == ["go-nogo gain=1 seed=0", "go-nogo gain=1 seed=1"]
    assert [run.grid_point for run in runs] == [0, 0, 1, 1]


def test_the_record_of_a_long_training_is_small(tmp_path):
    # 6,000 trials with a test after every 100, mante's curves of four conditions: well under 1 MB.
    experiment = Experiment.from_config(
        {
            **CONFIG,
            "results": str(tmp_path),
            "task": "mante",
            "grid": {"seed": [0]},
            "task_settings": {},
            "training": {"n_trials": 6000, "eval_tr": 1, "accuracy_threshold": 1.0},
            "evaluation": {},
        }
    )
    (run,) = runs_of(experiment)
    for stage in ("train", "evaluate", "export"):
        do(stage, [run])
    assert len([e for e in run.record.events() if e["event"] == "metrics"]) == 60
    assert 20_000 < run.record.path.stat().st_size < 100_000


def test_figures_of_another_version_are_drawn_again_and_nothing_else_is_done(experiment, monkeypatch):
    runs = runs_of(experiment)[:1]
    before = [do(stage, runs)[0] for stage in ("train", "evaluate", "export")][1]
    (run,) = runs
    figures = {path.name: path.read_bytes() for path in (run.folder / "figures").glob("*.png")}
    assert len(figures) == 4 and before["figures_hash"] == table.figures_hash()
    monkeypatch.setattr("ratecore.rate.evaluation.evaluate", None)
    monkeypatch.setattr(table, "figures_hash", lambda: "another")
    log = io.StringIO()
    (after,) = do("evaluate", runs, log)
    assert "drawing the figures of evaluate" in log.getvalue() and after["figures_hash"] == "another"
    changed = {"time", "figures_hash"}
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    assert {path.name: path.read_bytes() for path in (run.folder / "figures").glob("*.png")} == figures
    assert run.outcome("evaluate") == after and run.outcome("export")
    events = len(run.record.events())
    for stage in ("train", "evaluate", "export"):
        do(stage, runs)
    assert len(run.record.events()) == events


def test_figures_of_networks_can_be_switched_off_and_on_again(tmp_path, monkeypatch):
    def first_run(**figures):
        return runs_of(Experiment.from_config({**CONFIG, "results": str(tmp_path), "figures": figures}))[0]

    run = first_run(networks=False)
    before = [do(stage, [run])[0] for stage in ("train", "evaluate")][1]
    assert not list(run.folder.rglob("*.png")) and "figures_hash" not in before
    with monkeypatch.context() as patch:
        patch.setattr(table, "figures_hash", lambda: "another")  # what is not drawn is not redrawn
        assert do("evaluate", [run]) == [before]
    monkeypatch.setattr("ratecore.rate.evaluation.evaluate", None)
    (after,) = do("evaluate", [first_run()])
    assert len(list((run.folder / "figures").glob("*.png"))) == 4 and after["figures_hash"] == table.figures_hash()
    assert before["files"].items() <= after["files"].items() and after["accuracy"] == before["accuracy"]
    assert do("evaluate", [first_run(networks=False)]) == [after]  # figures that are there stay


def test_figures_that_cannot_be_drawn_again_break_the_stage_and_lose_nothing(experiment, monkeypatch):
    runs = runs_of(experiment)[:1]
    for stage in ("train", "evaluate"):
        do(stage, runs)
    (run,) = runs
    monkeypatch.setattr(table, "figures_hash", lambda: "another")

    def full(*args):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ratecore.figures.png", full)
        with pytest.raises(StageError, match="1 of 1 runs broke in evaluate:\n  go-nogo seed=0: OSError: No space"):
            do("evaluate", runs)
    assert run.outcome("evaluate")
    assert do("evaluate", runs)[0]["figures_hash"] == "another"


def test_a_record_of_the_version_before_has_scores_redone_and_networks_kept(experiment):
    # Its `code_hash` was one of the whole package, and it knew no `figures_hash`.
    (run, *_) = runs_of(experiment)
    ends = {stage: do(stage, [run])[0] for stage in ("train", "evaluate", "export")}
    for stage, end in ends.items():
        old = {k: v for k, v in end.items() if k not in ("event", "stage", "time", "figures_hash")}
        run.record.append("end", stage, **{**old, "code_hash": "0123456789abcdef"})
    assert run.outcome("train") and run.outcome("evaluate") is None and run.outcome("export") is None
    log = io.StringIO()
    for stage in ("train", "evaluate", "export"):
        do(stage, [run], log)
    assert log.getvalue().count("is already done") == 1 and all(run.outcome(stage) for stage in ends)

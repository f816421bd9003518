"""A training that stops later continues from the shorter one, with the same result as training from the start."""

import io
import json

import pytest
import torch
from test_checkpoints import StopsAfter, assert_same

from ratecore.experiment import continuation
from ratecore.experiment.checkpoints import Interrupted, deferred_signals
from ratecore.experiment.continuation import RULES, earlier_training
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_batched, train_run
from ratecore.formats import result_from_pth
from ratecore.rate.training import train

TRAINING = {"eval_freq": 30, "eval_tr": 5, "min_trials": 0}
# An output that stays near 0 answers every NoGo trial, so that the criterion is met by the first test.
LOOSE = {"loss_threshold": 1000.0, "accuracy_threshold": 0.0, "learning_rate": 1e-6}
STRICT = {**LOOSE, "loss_threshold": 1e-9}


def run_of(folder, n_trials, **training) -> Run:
    experiment = Experiment.from_config(
        {
            "experiment": "longer",
            "results": str(folder),
            "network": {"N": 10},
            "grid": {"seed": [0]},
            "training": {**TRAINING, "n_trials": n_trials, **training},
            "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
        }
    )
    return Run.at(experiment, experiment.grid_points[0], 0)


def trained(run, how=train_run):
    """What the run's training gave, from its file, and the log."""
    log = io.StringIO()
    if how is train_run:
        run_block("train", [run], lambda run: train_run(run, log=log), log)
    else:
        train_batched([run], "cpu", log)
    return result_from_pth(run.network), log.getvalue()


def interrupt(run, trials):
    with deferred_signals(), pytest.raises(Interrupted), run.locked():
        continuation.note_rule(run.root, run.settings)
        train(run.settings, checkpoints=StopsAfter(run.folder, run.settings, trials=trials))


def assert_same_record(run, other):
    metrics, expected = ([(e["step"], e["values"]) for e in r.record.events("metrics")] for r in (run, other))
    assert metrics == expected and metrics


@pytest.mark.parametrize("how", [train_run, train_batched])
@pytest.mark.parametrize(
    ("limits", "batch_size", "start"),
    [
        ((60, 150), 1, 60),
        ((50, 150), 1, 50),  # its last test is one that the longer training does not make
        ((70, 150), 7, 70),  # tests are after the update that passes a multiple of eval_freq
        ((60, 150), 7, None),  # its last update has fewer trials
        ((60, 100, 150), 1, 100),
        ((60, 200, 150), 1, 60),  # a longer one that was not trained is of no use
    ],
)
def test_a_longer_training_goes_on_from_a_shorter_one_to_the_same_bits(tmp_path, how, limits, batch_size, start):
    runs = [run_of(tmp_path / "a", n, batch_size=batch_size) for n in limits]
    for run in runs[:-1]:
        trained(run, how)
    result, log = trained(runs[-1], how)
    if start is None:
        assert "continues from" not in log
    else:
        assert f"continues from trial {start:,} with n_trials = {start} (" in log and log.count("continues from") == 1
    alone = run_of(tmp_path / "b", limits[-1], batch_size=batch_size)
    expected, _ = trained(alone, how)
    assert_same(result, expected)
    assert_same_record(runs[-1], alone)


@pytest.mark.parametrize("how", [train_run, train_batched])
@pytest.mark.parametrize("limits", [(100, 400), (400, 100)])
def test_a_network_that_met_the_criterion_is_not_trained_again(tmp_path, how, limits, monkeypatch):
    before, after = (run_of(tmp_path / "a", n, **LOOSE) for n in limits)
    first, _ = trained(before)
    assert first.trained and first.n_trials == 30
    expected, _ = trained(run_of(tmp_path / "b", limits[1], **LOOSE))
    monkeypatch.setattr("ratecore.rate.updates.make_updates", None)  # no update is made
    result, log = trained(after, how)
    assert f"is already trained with n_trials = {limits[0]} (" in log
    assert_same(result, expected)
    assert_same_record(after, before)


def test_a_criterion_met_by_a_test_that_the_longer_training_does_not_make_is_not_met(tmp_path):
    first, _ = trained(run_of(tmp_path / "a", 20, **LOOSE))
    result, log = trained(run_of(tmp_path / "a", 100, **LOOSE))
    assert first.trained and result.n_trials == 30 and "continues from trial 20" in log
    assert_same(result, trained(run_of(tmp_path / "b", 100, **LOOSE))[0])


@pytest.mark.parametrize("limits", [(100, 150), (150, 100)])
def test_an_interrupted_training_is_gone_on_from_with_another_limit(tmp_path, limits):
    interrupt(run_of(tmp_path / "a", limits[0]), trials=45)
    result, log = trained(run_of(tmp_path / "a", limits[1]))
    assert "continues from trial 45" in log
    assert_same(result, trained(run_of(tmp_path / "b", limits[1]))[0])


@pytest.mark.parametrize(
    ("before", "after", "printed"),
    [
        ({**LOOSE, "min_trials": 0}, {**LOOSE, "min_trials": 70}, "continues from trial 30 with min_trials = 0 ("),
        ({**LOOSE, "min_trials": 70}, {**LOOSE, "min_trials": 0}, ""),  # it would have stopped at trial 30
        ({**LOOSE, "min_trials": 0}, {**LOOSE, "min_trials": 30}, "is already trained with min_trials = 0 ("),
        (LOOSE, STRICT, "continues from trial 30 with loss_threshold = 1000.0 ("),  # the criterion is no longer met
        (STRICT, LOOSE, ""),
        (LOOSE, {**LOOSE, "accuracy_threshold": 0.999}, "continues from trial 30 with accuracy_threshold = 0.0 ("),
    ],
)
def test_any_other_rule_of_when_to_stop(tmp_path, before, after, printed):
    trained(run_of(tmp_path / "a", 120, **before))
    result, log = trained(run_of(tmp_path / "a", 120, **after))
    assert (" with " in log) == bool(printed) and printed in log
    assert_same(result, trained(run_of(tmp_path / "b", 120, **after))[0])


def test_its_own_checkpoint_comes_first(tmp_path):
    trained(run_of(tmp_path, 60))
    longer = run_of(tmp_path, 150)
    interrupt(longer, trials=40)
    _, log = trained(longer)
    assert "continues from trial 60" not in log


@pytest.mark.parametrize("why", ["learning rate", "seed", "version", "file", "record", "rules"])
def test_of_anything_else_no_training_is_gone_on_from(tmp_path, why, monkeypatch):
    shorter, longer = run_of(tmp_path, 60), run_of(tmp_path, 150)
    trained(shorter)
    if why == "learning rate":
        longer = run_of(tmp_path, 150, learning_rate=0.02)
    elif why == "seed":
        longer.settings = longer.settings.model_copy(update={"seed": 1})
    elif why == "version":
        monkeypatch.setattr(continuation.table, "code_hash", lambda stage: "another")
    elif why == "file":
        data = bytearray(shorter.network.read_bytes())
        data[len(data) // 2] ^= 1
        shorter.network.write_bytes(data)
    elif why == "record":
        shorter.record.path.write_bytes(b"damaged\n")
    else:
        rules = (b"\xff", b"60", b'{"n_trials": -60}', b'{"n_trials": "60"}', b'{"N": 10}', b"[" * 10**5, b'{"n_tri')
        (tmp_path / "longer" / "runs" / RULES).write_bytes(b"\n".join(rules))
    assert earlier_training(longer.root, longer.folder, longer.settings) is None


def test_each_rule_is_noted_once(tmp_path):
    for n_trials in (20, 10, 20):
        trained(run_of(tmp_path, n_trials))
    lines = (tmp_path / "longer" / "runs" / RULES).read_text().splitlines()
    assert [json.loads(line)["n_trials"] for line in lines] == [20, 10]


def test_the_network_before_training_is_that_of_the_run(tmp_path):
    trained(run_of(tmp_path, 30))
    result, _ = trained(run_of(tmp_path, 60))
    fresh = train(run_of(tmp_path / "b", 60).settings)
    assert all(torch.equal(result.initial[k], fresh.initial[k]) for k in ("w", "w_in", "w_out", "taus_gaus"))

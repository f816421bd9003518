"""Trainings that start from the networks of another point of the grid."""

import io

import pytest
import torch

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import StageError, run_block
from ratecore.experiment.stages.train import train_batched, train_run
from ratecore.formats.pth import result_from_pth
from ratecore.formats.starting import start_of
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings

DELAY = "task_settings.delay"
CONFIG = {
    "experiment": "starts",
    "task": "xor",
    "convert": False,
    "grid": {DELAY: [2, 5], "seed": [0, 1]},
    "network": {"N": 10},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 4, "start_from": {DELAY: 2}},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 60, "stim_on": 5, "stim_dur": 5},
}


def experiment_of(tmp_path, grid=None, **changes):
    return Experiment.from_config({**CONFIG, "results": str(tmp_path), **changes, "grid": grid or CONFIG["grid"]})


def do(run):
    log = io.StringIO()
    return run_block("train", [run], lambda run: train_run(run, log=log), log)[0]


def test_a_training_goes_on_from_the_network_of_another_grid_point(tmp_path):
    experiment = experiment_of(tmp_path)
    short, long = experiment.grid_points
    assert short.settings.training.start_from is None and experiment.start_of(short) is None
    assert experiment.start_of(long) is short
    runs = [Run.at(experiment, point, 1) for point in (short, long)]
    with pytest.raises(StageError, match="the network that training starts from is missing; run 'train' again"):
        do(runs[1])
    for run in runs:
        do(run)
    first, second = (result_from_pth(run.network) for run in runs)
    for name, value in first.net.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(second.initial[name], value)
    # The truth: the same training, started from the other network's file by hand.
    values = runs[1].settings.model_dump()
    values["training"]["start_from"] = str(runs[0].network)
    alone = RunSettings(**values)
    assert second.losses == train(alone, start=start_of(alone)).losses
    restored = RunSettings(**runs[1].settings.model_dump(mode="json"))
    assert restored.identity("training") == runs[1].settings.identity("training") == long.identity(1, "training")
    do(runs[1])  # complete
    assert len(runs[1].record.events("start")) == 2


def test_blocks_on_a_gpu_start_there_too(tmp_path):
    experiment = experiment_of(tmp_path)
    for point in experiment.grid_points:
        train_batched([Run.at(experiment, point, seed) for seed in experiment.seeds], "cpu", io.StringIO())
    for seed in experiment.seeds:
        short, long = (result_from_pth(Run.at(experiment, p, seed).network) for p in experiment.grid_points)
        assert torch.equal(long.initial["w"], short.net.w) and not torch.equal(long.net.w, short.net.w)


def test_whoever_starts_from_a_network_that_failed_fails_with_its_reason(tmp_path):
    training = {**CONFIG["training"], "learning_rate": 1e30}
    experiment = experiment_of(tmp_path, training=training)
    ends = [do(Run.at(experiment, point, 0)) for point in experiment.grid_points]
    assert [end["status"] for end in ends] == ["failed", "failed"]
    assert "the network that training starts from failed: " in ends[1]["error"]


def test_identities_differ_by_start_and_start_anew_is_as_before(tmp_path):
    axis = {**CONFIG["grid"], "training.start_from": [None, {DELAY: 2}, {DELAY: 5}]}
    with_axis = experiment_of(tmp_path, axis, training={**CONFIG["training"], "start_from": None})
    names = [point.identity(0, "training") for point in with_axis.grid_points]
    assert len(set(names)) == 6
    plain = experiment_of(tmp_path, training={**CONFIG["training"], "start_from": None})
    assert {point.identity(0, "training") for point in plain.grid_points} < set(names)
    # What the start depends on is part of the identity, such as its training.
    more = {**CONFIG["training"], "n_trials": 30}
    grid = {"training.n_trials": [20, 30], "training.start_from": [None, {"training.n_trials": 20}], "seed": [0]}
    points = experiment_of(tmp_path, grid, training={**more, "start_from": None}).grid_points
    assert len({point.identity(0, "training") for point in points}) == 4
    chain = {DELAY: 2, "training.start_from": {DELAY: 5}}
    grid = {**CONFIG["grid"], "training.start_from": [None, {DELAY: 5}, chain]}
    last = experiment_of(tmp_path, grid, training={**CONFIG["training"], "start_from": None}).grid_points[-1]
    assert last.settings.start.start.task_settings["delay"] == 5 and last.settings.start.start.start is None


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({DELAY: 3}, "delay=3: task~xor.* would start from a network that is not in the grid"),
        ({"N": 12}, "N=12: its network has N = 12; network.N is 10"),
        ({"task": "mante"}, "task=mante: its network has 4 inputs; task xor has 2"),
        ({"seed": 3}, "has the same seed; leave seed out"),
        ({"delay": 3}, "unknown setting 'delay' .did you mean 'task_settings.delay'"),
        ({"refractory": 3}, "unknown setting 'spiking.refractory'; allowed: task, task_settings.<key>"),
        ({"gain": -1}, "network.gain = -1"),
        ({DELAY: 500}, "task_settings: "),
        ({}, r"= \{\}: it must be the path of a .mat or .pth file, or settings of another grid point"),
        (3, "= 3: it must be the path"),
    ],
)
def test_starts_that_cannot_be_are_refused_before_any_work(tmp_path, start, message):
    with pytest.raises(SettingsError, match=f"training.start_from.*{message}"):
        experiment_of(tmp_path, training={**CONFIG["training"], "start_from": start})
    if start:
        grid = {**CONFIG["grid"], "training.start_from": [None, start]}
        with pytest.raises(SettingsError, match=f"training.start_from.*{message}"):
            experiment_of(tmp_path, grid, training={**CONFIG["training"], "start_from": None})


def test_a_network_alone_has_no_grid_to_start_from():
    settings = RunSettings(task="xor", network={"N": 10}, training={"start_from": {DELAY: 2}})
    with pytest.raises(SettingsError, match="delay=2: it is a point of a grid; for a network alone, give the file"):
        start_of(settings)

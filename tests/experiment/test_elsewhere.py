"""Tests elsewhere: a network that was trained once, evaluated and converted with other settings of its task."""

import io
import re

import numpy as np
import pytest
import reference
import torch

from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan import announcement
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.summary import summarize
from ratecore.rate import testing
from ratecore.rate.dynamics import run as simulate
from ratecore.rate.evaluation import evaluate
from ratecore.rate.network import RateNetwork
from ratecore.settings.base import SettingsError
from ratecore.settings.network import NetworkSettings
from ratecore.settings.run import RunSettings
from ratecore.spiking import rate_model
from ratecore.spiking import testing as spiking_testing
from ratecore.tasks import AbstractTask

XOR = {"T": 60, "stim_on": 5, "stim_dur": 5, "delay": 5}
CONFIG = {
    "experiment": "elsewhere",
    "task": "xor",
    "task_settings": XOR,
    "network": {"N": 12, "P_inh": 0.4},
    # Any network counts as trained, so that it is converted.
    "training": {"n_trials": 4, "eval_freq": 4, "eval_tr": 2, "loss_threshold": 1e6, "accuracy_threshold": 0.0},
    "evaluation": {"n_trials": 8},
    "conversion": {"n_trials": 2, "scaling_factors": [20, 40], "trials_shown": 1},
}


def experiment(grid=None, **changes):
    return Experiment.from_config({**CONFIG, **changes, "grid": grid or {}})


def parameters(net):
    """Those of the reference, in double precision."""
    names = ("w", "m", "som_m", "w_in", "w_out", "b_out", "taus_gaus")
    arrays = {name: getattr(net, name).detach().double().numpy() for name in names}
    return {**arrays, "taus": net.settings.taus, "dale": True, "act": "sigmoid"}


def network(seed=1, n_in=2):
    return RateNetwork(NetworkSettings(N=12, P_inh=0.4), n_in, np.random.default_rng(seed))


# --------------------------------------------------------------------------------------------------------- identities

LATER = dict(
    evaluation=dict(n_trials=9, psychometric_trials=2),
    spiking=dict(refractory=5, noise_sd=0.2),
    conversion=dict(n_trials=20, scaling_factors=(20, 30), lesion={"fraction": 0.1}),
)
MANTE = dict(task="mante", task_settings={"offset": 0.25}, seed=3, network=dict(P_rec=0, apply_dale=False))


@pytest.mark.parametrize(
    ("changes", "evaluation", "conversion", "whole"),
    [
        ({}, "b4b5c95c6da03ce4", "9b6f7bb3ee04e504", "b6ad8ec0b38db996"),
        (MANTE, "ba0bbcb7c6f4e9e4", "9000d1565d1a3ca8", "c5b3f31837d1b047"),
        (LATER, "098a053a5e54793e", "ee32e75a84516d4c", "7357f75fd2b1ed60"),
    ],
    ids=["default", "mante", "later stages"],
)
def test_identities_are_those_from_before_there_were_tests_elsewhere(changes, evaluation, conversion, whole):
    run = RunSettings(**changes)
    assert run.identity("training", "evaluation") == evaluation
    assert run.identity("training", "spiking", "conversion") == conversion
    assert run.identity() == whole


OTHER = [
    ("evaluation", {"task_settings": {"delay": 20}}),
    ("evaluation", {"noise_sd": 0.2}),
    ("evaluation", {"noise_sd": 0.0}),
    ("evaluation", {"input_gain": 0.5}),
    ("conversion", {"task_settings": {"delay": 20}}),
    ("conversion", {"input_gain": 0.5}),
    ("conversion", {"psychometric_trials": 3}),
]


@pytest.mark.parametrize(("section", "given"), OTHER, ids=[f"{s}.{next(iter(g))}" for s, g in OTHER])
def test_what_is_tested_elsewhere_is_part_of_the_later_stages_identity_alone(section, given):
    base, other = RunSettings(task="xor"), RunSettings(task="xor", **{section: given})
    assert base.identity("training") == other.identity("training")
    for stage in ("evaluation", "conversion"):
        assert (base.identity("training", stage) != other.identity("training", stage)) == (stage == section)
    assert RunSettings(**other.model_dump(mode="json")) == other


def test_a_test_where_the_network_was_trained_is_no_test_elsewhere():
    trained = RunSettings(task="xor", task_settings={"delay": 20})
    same = RunSettings(task="xor", task_settings={"delay": 20}, evaluation={"task_settings": {"delay": 20.0}})
    assert trained.identity() == same.identity()


# ---------------------------------------------------------------------------------------------------------- what is run


def test_the_task_is_that_of_training_with_other_settings_over_it():
    settings = RunSettings(
        task="xor",
        task_settings={"T": 300, "delay": 30},
        evaluation={"task_settings": {"delay": 40}},
        conversion={"task_settings": {"T": 250}},
    )
    evaluated = settings.tested_task("evaluation").settings
    assert (evaluated["delay"], evaluated["T"]) == (40, 300)
    converted = settings.tested_task("conversion").settings
    assert (converted["delay"], converted["T"]) == (30, 250)
    assert settings.create_task().settings["delay"] == 30


def test_settings_of_several_tasks_in_one_network():
    given = {"go-nogo.T": 150, "xor.T": 250}
    settings = RunSettings(
        task=["go-nogo", "xor"], task_settings=given, evaluation={"task_settings": {"stim_on": 20, "xor": {"T": 230}}}
    )
    task = settings.tested_task("evaluation").settings
    assert [task[key] for key in ("go-nogo.T", "xor.T", "go-nogo.stim_on", "xor.stim_on")] == [150, 230, 20, 20]


def test_a_curriculum_is_tested_from_its_last_stage():
    stages = [{"task_settings": {"delay": 10}}, {"task_settings": {"delay": 30}}]
    settings = RunSettings(task="xor", training={"stages": stages}, evaluation={"task_settings": {"stim_on": 60}})
    task = settings.tested_task("evaluation").settings
    assert (task["delay"], task["stim_on"]) == (30, 60)


def test_without_settings_it_is_the_very_network():
    net = network()
    assert testing.tested(RunSettings(task="xor"), net)[1] is net
    model = rate_model(net)
    task, same, spiking = spiking_testing.tested(settings := RunSettings(task="xor"), model)
    assert same is model and spiking is settings.spiking and task.settings == settings.create_task().settings


def test_an_input_gain_scales_the_inputs_and_leaves_the_network_as_it_was():
    net, rng = network(), np.random.default_rng(2)
    before = {name: value.clone() for name, value in net.state_dict().items() if isinstance(value, torch.Tensor)}
    other = testing.changed(net, input_gain=0.3)
    u, x0, noise = rng.standard_normal((2, 2, 20)), rng.standard_normal((2, 12)), 0.1 * rng.standard_normal((2, 19, 12))
    stim, first, added = (torch.tensor(a, dtype=torch.float32) for a in (u, x0, noise))
    _, r, o = simulate(other, stim, x0=first, noise=added)
    for b in range(2):  # the equations in float64, of the same network with weaker stimuli
        expected = reference.forward(parameters(net), 0.3 * u[b], x0[b], noise[b])
        np.testing.assert_allclose(r[b].detach().numpy(), expected[1], atol=2e-5)
        np.testing.assert_allclose(o[b].detach().numpy(), expected[2], atol=2e-5)
    assert all(torch.equal(before[name], net.state_dict()[name]) for name in before)
    model = rate_model(net)
    np.testing.assert_allclose(spiking_testing.changed(model, 0.3).w_in, 0.3 * model.w_in)
    assert torch.equal(testing.changed(net, input_gain=0).w_in, torch.zeros(12, 2))


class Silent(AbstractTask):
    """No stimulus, so that all that differs between trials is the first state and the noise."""

    name, n_inputs, trial_types = "silent", 2, ("only",)
    defaults = {"T": 20, "stim_on": 5, "stim_dur": 5}

    def draw_trial(self, trial_type, rng):
        return np.zeros((2, self.T)), 0

    def generate_target(self, label):
        return np.zeros(self.T)

    def is_correct(self, o, label):
        return True


def test_without_noise_the_trajectory_is_that_of_the_equations():
    net = network()
    net.settings = net.settings.model_copy(update={"x0_sd": 0.0})
    settings = RunSettings(task="xor", evaluation={"noise_sd": 0.0, "n_trials": 3})
    _, quiet = testing.tested(settings, net)
    outputs = evaluate(Silent(), quiet, 0, settings.evaluation).scores.outputs
    truth = reference.forward(parameters(net), np.zeros((2, 20)), np.zeros(12), np.zeros((19, 12)))[2]
    np.testing.assert_allclose(outputs[:, 1:], np.tile(truth, (3, 1)), atol=1e-5)
    # With noise, trials differ, by as much as twenty times the noise makes them
    noisy = [evaluate(Silent(), testing.changed(net, sd), 0, settings.evaluation).scores.outputs for sd in (0.01, 0.2)]
    assert noisy[1].std(0)[1:].mean() > 10 * noisy[0].std(0)[1:].mean() > 0
    assert net.settings.noise_sd == 0.1


@pytest.mark.parametrize("give", [testing.changed, spiking_testing.changed], ids=["rate", "spiking"])
@pytest.mark.parametrize("gain", [-1, float("nan"), float("inf")])
def test_a_gain_that_no_input_can_have_is_named(give, gain):
    net = network()
    with pytest.raises(ValueError, match=re.escape(f"input_gain = {gain!r}; it must be a finite number >= 0")):
        give(net if give is testing.changed else rate_model(net), input_gain=gain)
    with pytest.raises(ValueError, match=r"noise_sd = -0\.1; it must be"):
        testing.changed(net, -0.1)


# ----------------------------------------------------------------------------------------------------------------- axes


def test_the_trained_and_the_tested_delay_are_two_axes():
    grid = {"task_settings.delay": [5, 10], "evaluation.task_settings.delay": [5, 10, 15]}
    more = {"conversion.task_settings.delay": [20], "evaluation.noise_sd": [None, 0.2]}
    e = experiment({**grid, **more}, task_settings={"T": 60, "stim_on": 5, "stim_dur": 5})
    assert [axis.column for axis in e.axes][3:] == ["delay", "evaluation_delay", "conversion_delay",
                                                    "evaluation_noise_sd"]  # fmt: skip
    assert len(e.grid_points_of("train")) == 2 and len(e.grid_points_of("evaluate")) == 12
    point = e.grid_points[1]
    end = "delay~5/evaluation_delay~5/conversion_delay~20/evaluation_noise_sd~0.2"
    assert point.path.endswith(end) and e.variant(point, "evaluate") == "evaluation_delay~5/evaluation_noise_sd~0.2"
    last = e.grid_points[-1].settings
    tasks = last.create_task(), last.tested_task("evaluation"), last.tested_task("conversion")
    assert [task.settings["delay"] for task in tasks] == [10, 15, 20]
    text = announcement(e)
    assert "evaluation_delay     5 steps (25 ms), 10 steps (50 ms), 15 steps (75 ms)" in text and "WARNING" not in text


def test_settings_of_one_of_several_tasks_in_the_grid():
    own = {"xor": {"delay": 7}, "mante": {"offset": 0.1}}
    e = experiment({"task": ["xor", "mante"]}, task_settings={}, evaluation={"task_settings": {**own, "stim_on": 40}})
    xor, mante = (point.settings.tested_task("evaluation").settings for point in e.grid_points)
    assert xor["delay"] == 7 and mante["offset"] == 0.1 and xor["stim_on"] == mante["stim_on"] == 40
    some = experiment(evaluation={"task_settings": {"mante": {"offset": 0.1}}})
    assert "evaluation.task_settings.mante has no effect: no grid point has that task" in announcement(some)


def test_short_names_are_those_of_the_settings_that_there_were_before():
    e = experiment({"psychometric_trials": [3], "conversion.psychometric_trials": [4]})
    point = e.grid_points[0]
    assert point.settings.evaluation.psychometric_trials == 3 and point.settings.conversion.psychometric_trials == 4
    assert point.path.endswith("psychometric_trials~3/conversion_psychometric_trials~4")


WRONG = {
    "a misspelt setting": (
        {"grid": {"evaluation.task_settings.dealy": [5]}},
        r"evaluation\.task_settings: xor: unknown setting 'dealy' \(did you mean 'delay'\?\); allowed: T, stim_on",
    ),
    "a value that the task refuses": (
        {"evaluation": {"task_settings": {"delay": -1}}},
        r"evaluation\.task_settings: xor: delay = -1\.0; it must be a whole number of steps from 0",
    ),
    "a value that does not fit those of training": (
        {"conversion": {"task_settings": {"delay": 50}}},
        r"conversion\.task_settings: xor: the stimulus ends at step 65, outside a trial of T = 60 steps",
    ),
    "a value of one of the tasks": (
        {"grid": {"task": ["xor", "mante"]}, "task_settings": {}, "evaluation": {"task_settings": {"mante": {"T": 9}}}},
        r"evaluation\.task_settings: mante: the stimulus ends at step 250, outside a trial of T = 9",
    ),
    "a task that there is not": (
        {"evaluation": {"task_settings": {"mantee": {"T": 9}}}},
        r"evaluation\.task_settings: 'mantee' is no task \(did you mean 'mante'\?\)",
    ),
    "another number of inputs": (
        {
            "task": "mante-features",
            "task_settings": {},
            "evaluation": {"task_settings": {"offset": 1, "n_features": 5}},
        },
        r"evaluation\.task_settings\.n_features = 5: n_inputs would be 10; the trained network has 6",
    ),
    "a mapping as an axis": (
        {"grid": {"evaluation.task_settings": [{"delay": 5}]}},
        r"grid: axis 'evaluation\.task_settings' is a mapping; name a setting of the task in it",
    ),
    "a negative noise": (
        {"grid": {"evaluation.noise_sd": [0.1, -0.1]}},
        r"evaluation\.noise_sd = -0\.1: .*greater than or equal to 0",
    ),
    "a negative gain": (
        {"conversion": {"input_gain": -1}},
        r"conversion\.input_gain = -1: .*greater than or equal to 0",
    ),
    "one task twice": (
        {"evaluation": {"task_settings": {"xor": {"T": 90}, "XOR": {"T": 80}}}},
        r"evaluation\.task_settings\.XOR: it is the task 'xor', which is given already",
    ),
    "a value of another kind": (
        {"evaluation": {"task_settings": {"delay": None}}},
        r"evaluation\.task_settings\.delay = None: it must be a finite number, a word",
    ),
    "an axis by its short name": (
        {"grid": {"input_gain": [0.5]}},
        r"grid: axis 'input_gain' could be evaluation\.input_gain or conversion\.input_gain; say which",
    ),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_tested_is_said_before_any_job(changes, message):
    with pytest.raises(SettingsError, match=message):
        Experiment.from_config({**CONFIG, **changes})


# --------------------------------------------------------------------------------------------------------------- stages


@pytest.mark.usefixtures("figures_are_not_rendered")
def test_a_grid_trains_once_and_is_evaluated_and_converted_in_each_variant(tmp_path, monkeypatch):
    from ratecore.formats import load_comparison, load_scores
    from ratecore.formats.pth import result_from_pth

    # In half of the trials the correct answer is none, so that any network has some and counts as trained.
    task = {"task": "go-nogo", "task_settings": (times := {"T": 60, "stim_on": 5, "stim_dur": 5})}
    task |= {"results": str(tmp_path), "conversion": {**CONFIG["conversion"], "task_settings": {"T": 70}}}
    task["training"] = {**CONFIG["training"], "eval_tr": 12, "min_trials": 0}
    grid = {"evaluation.task_settings.stim_dur": [5, 10, 15, 20], "seed": [0]}
    e = experiment(grid, **task)
    trained = []
    runs = [Run.at(e, point, 0) for point in e.grid_points]
    assert len({run.folder for run in runs}) == 1
    for run in runs:
        for stage in ("train", "evaluate", "export", "convert"):
            (end,) = do_stage(stage, [run], e.settings)
            assert end["status"] == "done" and "skipped" not in end
            trained.append(end["time"]) if stage == "train" else None
    assert len(set(trained)) == 1  # the others found it trained
    net = result_from_pth(runs[0].network).net
    for run, stim_dur in zip(runs, grid["evaluation.task_settings.stim_dur"], strict=True):
        own = run.settings.tested_task("evaluation")
        assert own.settings == {**times, "stim_dur": stim_dur}
        expected = evaluate(own, net, 0, run.settings.evaluation).scores
        assert load_scores(run.evaluation).outputs.tobytes() == expected.outputs.tobytes()
        assert load_comparison(run.comparison).rate_mean.shape[-1] == 70
    table = summarize(e)
    assert list(table["evaluation_stim_dur"]) == ["5", "10", "15", "20"] and table["loss"].nunique() == 4
    before = [len(run.record.events()) for run in runs]
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    for run in runs:
        do_stage("evaluate", [run], e.settings)
    assert log.getvalue().count("is already done") == 4 and [len(run.record.events()) for run in runs] == before
    # Another duration adds a variant, and no training.
    more = experiment({**grid, "evaluation.task_settings.stim_dur": [25]}, **task)
    (added,) = (Run.at(more, point, 0) for point in more.grid_points)
    assert added.folder == runs[0].folder and added.outcome("train") and not added.outcome("evaluate")

"""Tests elsewhere: a network that was trained once, evaluated and converted with other settings of its task."""

import io
import re
import subprocess
import sys
from pathlib import Path

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
from ratecore.rate.dynamics import simulate
from ratecore.rate.evaluation import evaluate
from ratecore.rate.network import RateNetwork
from ratecore.settings.base import SettingsError
from ratecore.settings.network import NetworkSettings
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import RunSettings
from ratecore.spiking import rate_model
from ratecore.spiking import testing as spiking_testing
from ratecore.spiking.graded import GradedTrials, graded_curves
from ratecore.system.streams import stream
from ratecore.tasks import AbstractTask

ROOT = Path(__file__).parents[2]
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
    assert "3 values of evaluation_delay (25 ms, 50 ms, 75 ms)" in text and "WARNING" not in text


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


def test_a_search_resumes_from_trials_of_the_same_conditions_alone(tmp_path):
    from ratecore.experiment.stages.convert import SavedTrials
    from ratecore.spiking.scoring import Outcomes

    grid = {"conversion.input_gain": [1, 0.5], "conversion.task_settings.delay": [5, 10], "seed": [0]}
    e = experiment(grid, results=str(tmp_path))
    runs = [Run.at(e, point, 0) for point in e.grid_points]
    do_stage("train", runs[:1], e.settings)
    saved = [SavedTrials(run) for run in runs]
    assert len({one.path for one in saved}) == 4 and len({run.folder for run in runs}) == 1
    saved[1].save({20.0: Outcomes([1], [2.0], [3.0])})
    assert [len(one.load()) for one in saved] == [0, 1, 0, 0]
    # What does not change the search shares its trials, as the default does with a delay like that of training.
    same = experiment(
        {"seed": [0]}, results=str(tmp_path), conversion={**CONFIG["conversion"], "psychometric_trials": 3}
    )
    assert SavedTrials(Run.at(same, same.grid_points[0], 0)).path == saved[0].path


def test_a_network_of_a_file_is_tested_elsewhere_without_a_note(tmp_path, capsys):
    from ratecore.experiment.exporting import export
    from ratecore.formats import load_network, load_task
    from ratecore.rate.training import train
    from ratecore.spiking.comparison import compare

    settings = experiment().grid_points[0].settings
    result = train(settings)
    mat, _ = export(tmp_path, settings, result, result.last_test)
    capsys.readouterr()
    other = RunSettings(**{**settings.model_dump(), "evaluation": {"task_settings": {"delay": 20}, "n_trials": 2},
                           "conversion": {"task_settings": {"delay": 30}, "input_gain": 0.5}})  # fmt: skip
    task, net = testing.tested(other, load_network(mat))
    evaluate(task, net, 0, other.evaluation)
    converted, model, spiking = spiking_testing.tested(other, rate_model(mat))
    compare(load_network(mat), converted, spiking, 30.0, 0, 1, model=model)
    assert load_task(mat, settings={"delay": 9}, elsewhere=True).settings["delay"] == 9
    assert capsys.readouterr().err == ""
    evaluate(task, load_network(mat), 0, other.evaluation)  # by hand, it may be a mistake
    assert "scored with delay = 20; it was trained with delay = 5" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------------- curves

DOTS = {"stim_on": 4, "stim_dur": 10, "delay": 3, "delay_jitter": 6, "response_dur": 12, "coherence": 0.2, "gain": 20.0}


def reading_network(n_in=2):
    """A network whose output follows its first input: choices and times depend on the evidence."""
    net = RateNetwork(NetworkSettings(N=2, P_inh=0.0, P_rec=0.0, taus=(10,), noise_sd=0.01), n_in, 0)
    with torch.no_grad():
        net.w_in.zero_()
        net.w_in[:, 0] = torch.tensor([1.0, -1.0])
        net.w_out.copy_(torch.tensor([[2.0, -2.0]]))
    return net


def test_curves_are_those_of_the_trials_of_their_stream():
    """Choices and times once more from single trials, each drawn and scored by hand."""
    levels, n = (-0.4, 0.1, 0.4), 5
    settings = RunSettings(
        task="random-dots-delay",
        task_settings=DOTS,
        evaluation={"psychometric_trials": n, "evidence_levels": levels, "decision_threshold": 0.6},
    )
    task, net = settings.create_task(), reading_network()
    result = evaluate(task, net, 3, settings.evaluation)
    assert (
        [row["evidence"] for row in result.psychometric]
        == list(levels)
        == [row["evidence"] for row in result.chronometric]
    )
    for i, level in enumerate(levels):
        times, positive = [], []
        for k in range(n):
            rng = stream(3, "psychometric", i * n + k)
            trial = task.draw_graded_trial("motion", level, rng)
            x0 = 0.01 * rng.standard_normal(2, np.float32)
            noise = 0.01 * rng.standard_normal((trial.T - 1, 2), np.float32)
            p = parameters(net) | {"dale": True}
            o = reference.forward(p, trial.u, x0.astype(float), noise.astype(float))[2]
            positive.append(o[trial.response.start - 1 :].mean() > 0)  # o[0] is that of step 1
            beyond = [t for t in range(4, trial.T) if abs(o[t - 1]) > 0.6]  # from the onset of the dots, step 4
            times.append(5.0 * (beyond[0] - 4) if beyond else np.nan)
        np.testing.assert_array_equal(result.times[i], times)
        row = result.chronometric[i]
        assert row["crossed"] == np.mean(~np.isnan(times)) and row["n"] == n
        assert result.psychometric[i]["p_positive"] == np.mean(positive)
        if row["crossed"]:
            assert row["median"] == np.nanmedian(times) and row["q25"] <= row["median"] <= row["q75"]
    strong, weak = result.chronometric[2], result.chronometric[1]
    assert strong["crossed"] == 1 and strong["median"] < weak.get("median", np.inf)


def test_without_a_crossing_there_is_no_time_in_any_file(tmp_path):
    from ratecore.formats.npz import evaluation_bytes

    settings = RunSettings(
        task="random-dots",
        task_settings={key: value for key, value in DOTS.items() if key != "delay_jitter"},
        evaluation={"psychometric_trials": 2, "evidence_levels": [-0.4, 0.0, 0.4], "decision_threshold": 50},
    )
    result = evaluate(settings.create_task(), reading_network(), 3, settings.evaluation)
    summary = result.summary()["chronometric"]
    assert all(row == {"trial_type": "motion", "evidence": row["evidence"], "n": 2, "crossed": 0.0} for row in summary)
    with np.load(io.BytesIO(evaluation_bytes(result))) as arrays:
        assert arrays["chronometric_times"].shape == (3, 2) and np.isnan(arrays["chronometric_times"]).all()
        assert list(arrays["psychometric_evidence"]) == [-0.4, 0.0, 0.4] and not arrays["chronometric_crossed"].any()


def test_a_spiking_network_gets_the_trials_of_the_rate_network():
    settings = RunSettings(
        task="random-dots-delay",
        task_settings=DOTS,
        conversion={"psychometric_trials": 3, "evidence_levels": [-0.4, 0.4], "decision_threshold": 0.01},
    )
    task, model = settings.create_task(), rate_model(network())
    trials = GradedTrials(model, task, settings.spiking, 3, settings.conversion)
    for k in range(6):
        trial = task.draw_graded_trial("motion", (-0.4, 0.4)[k // 3], stream(3, "psychometric", k))
        np.testing.assert_array_equal(trials.draw(k)[0], trial.u)
    found = [
        graded_curves(model, task, 30.0, settings.conversion, settings.spiking, seed=3, threads=threads)
        for threads in (1, 2)
    ]
    assert found[0].psychometric == found[1].psychometric and found[0].chronometric == found[1].chronometric
    # By hand: the output of each trial, by rate steps, crosses the threshold from the onset of the dots on
    u, scored_by, randomness = trials.draw(4)
    (o,) = trials.by_step(trials.simulator.outputs([30.0], u, randomness)[0], u.shape[1])
    beyond = np.flatnonzero(np.abs(o[4:]) > 0.01)
    assert found[0].times[1, 1] == (5 * beyond[0] if beyond.size else np.nan) or not beyond.size
    assert found[0].chosen[1, 1] == (o[scored_by.response].mean() > 0)


@pytest.mark.parametrize("section", ["evaluation", "conversion"])
def test_levels_that_a_task_cannot_draw_are_named(section):
    message = rf"{section}\.evidence_levels = 9: parametric-memory cannot draw such a trial"
    with pytest.raises(SettingsError, match=message):
        RunSettings(task="parametric-memory", **{section: {"evidence_levels": [1, 9]}})
    for levels, why in (([], "at least 1 item"), ([1, 1], "a level is given twice"), (["a"], "valid number")):
        with pytest.raises(SettingsError, match=rf"{section}\.evidence_levels.*{why}"):
            RunSettings(task="mante", **{section: {"evidence_levels": levels}})
    with pytest.raises(SettingsError, match=rf"{section}\.decision_threshold = 0: .*greater than 0"):
        RunSettings(task="mante", **{section: {"decision_threshold": 0}})


@pytest.mark.usefixtures("figures_are_not_rendered")
def test_curves_are_in_the_record_in_mlflow_and_in_the_figures(tmp_path):
    from ratecore.analysis.psychometrics import fit_psychometric
    from ratecore.experiment.stages.convert import redraw_run as redraw_conversion
    from ratecore.experiment.stages.evaluate import redraw_run
    from ratecore.experiment.summary import summarize
    from ratecore.tracking.mlflow.translation import Translation

    curves = {"psychometric_trials": 2, "evidence_levels": [-0.4, -0.1, 0.1, 0.4]}
    training = {**CONFIG["training"], "n_trials": 4000, "eval_tr": 20, "eval_freq": 50}
    e = experiment(
        task="random-dots",
        task_settings={**DOTS, "stim_dur": 20, "delay_jitter": 0},
        training=training,
        results=str(tmp_path),
        evaluation={**CONFIG["evaluation"], **curves},
        conversion={**CONFIG["conversion"], **curves, "decision_threshold": 0.02},
    )
    run = Run.at(e, e.grid_points[0], 0)
    for stage in ("train", "evaluate", "export", "convert"):
        (end,) = do_stage(stage, [run], e.settings)
        assert end["status"] == "done" and "skipped" not in end
    translate = Translation()
    points = {name: value for event in run.record.events() for name, value in translate(event).points.items()}
    for group, stage in (("eval", "evaluate"), ("spiking", "convert")):
        rows = run.record.last("end", stage)["chronometric"]
        assert [row["evidence"] for row in rows] == curves["evidence_levels"]
        for row in rows:
            name = f"{group}_curves/chronometric_crossed/motion", round(1000 * row["evidence"])
            assert points[name] == row["crossed"]
    (row,) = summarize(e).to_dict("records")
    for columns, group, file in (("", "eval", run.evaluation), ("spiking_", "spiking", run.comparison)):
        x, p, n = (np.load(file)[f"psychometric_{key}"] for key in ("evidence", "p_positive", "n"))
        fit = fit_psychometric(x, p, n)
        expected = {"bias": fit.bias, "lapse": fit.lapse, "levels": 4}
        expected |= {"slope": fit.slope, "threshold": fit.threshold} if fit.determined else {}
        for name, value in expected.items():
            assert row[f"{columns}psychometric_{name}"] == points[f"{group}/psychometric/{name}", 0] == value
        assert ("slope" in expected) == bool(np.isfinite(row.get(f"{columns}psychometric_slope", np.nan)))
    for files, redraw in (("evaluate", redraw_run), ("convert", redraw_conversion)):
        drawn = {path for path in run.record.last("end", files)["files"] if path.endswith(".png")}
        assert set(redraw(run)) == drawn and any("chronometric" in path for path in drawn)


def test_the_example_trains_once_and_a_script_draws_its_curves(tmp_path):
    text = (ROOT / "config/examples/tested_elsewhere.yaml").read_text()
    assert len(text.splitlines()) < 40
    config = load_yaml(ROOT / "config/examples/tested_elsewhere.yaml") | {"results": str(tmp_path)}
    config["network"]["N"], config["grid"]["seed"] = 10, [0, 1]
    config["grid"]["evaluation.task_settings.delay"] = [10, 50]
    config["training"] = {"n_trials": 4, "eval_freq": 4, "eval_tr": 2}
    config["evaluation"] |= {"n_trials": 4, "psychometric_trials": 2, "evidence_levels": [-0.2, -0.1, 0, 0.1, 0.2]}
    e = Experiment.from_config(config)
    assert set(e.grid_points[0].values) == {"task", "N", "taus", "evaluation_delay"}
    spiking = e.grid_points[0].settings
    assert spiking.tested_task("conversion").settings["delay"] == 200 and spiking.conversion.input_gain == 0.9
    runs = [Run.at(e, point, seed) for point in e.grid_points for seed in e.seeds]
    for run in runs:
        for stage in ("train", "evaluate"):
            do_stage(stage, [run], e.settings)
    assert len({run.folder for run in runs}) == 2
    script = [sys.executable, str(ROOT / "docs/examples/psychometric.py"), str(tmp_path), str(tmp_path / "curves.png")]
    printed = subprocess.run(script, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert [line.partition(":")[0] for line in printed.splitlines()] == [
        "motion, evaluation_delay~10", "motion, evaluation_delay~50"
    ]  # fmt: skip
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"

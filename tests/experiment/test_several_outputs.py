"""A grid of a user's task with two outputs, trials of random length and settings of every kind, through all stages."""

import io
import json

import numpy as np
import pytest
import scipy.io

from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan import plan
from ratecore.experiment.point_figures import point_figures, spiking_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.convert import convert_run
from ratecore.experiment.stages.evaluate import evaluate_run, redraw_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_run
from ratecore.experiment.summary import summarize, write_summary
from ratecore.formats import load_comparison, load_network, load_scores, load_task
from ratecore.rate.evaluation import evaluate
from ratecore.settings.base import SettingsError
from ratecore.spiking import rate_model
from ratecore.spiking.scoring import TrialsOfTask
from ratecore.system.streams import stream
from ratecore.tracking.mlflow.translation import Translation

TASK = '''
"""Two outputs follow two inputs; the sign of the first one after the stimulus is the answer."""

import numpy as np

from ratecore import AbstractTask, TaskFactory, Trial


class Follow(AbstractTask):
    name = "follow"
    n_inputs = n_outputs = 2
    trial_types = ("left", "right")
    defaults = {
        "T": 40, "shortest": 24, "rise": 1.0, "shape": "step", "turned": False, "levels": [0.5, 1.0],
        "rules": ["near", "far_away"], "flags": [True, False],
    }
    choices = {"shape": ("step", "ramp")}

    def draw_trial(self, trial_type, rng):
        s = self.settings
        T = int(rng.integers(s["shortest"], s["T"] + 1))
        sign = 1 if trial_type == "right" else -1
        u, target, weight = np.zeros((2, T)), np.zeros((2, T)), np.ones((2, T))
        u[0, 5:12], u[1, 5:12] = sign * s["rise"], rng.choice(s["levels"])
        target[0, 12:] = -sign if s["turned"] else sign
        target[1, 12:] = np.linspace(0, 1, T - 12) if s["shape"] == "ramp" else 1
        weight[1, :12] = 0.5
        return Trial(u, target, weight, label=trial_type, response=slice(T - 10, T), stimuli=[(5, 12)],
                     info={"first": float(np.sign(target[0, -1]))})

    def is_correct(self, o, trial):
        assert o.shape == (2, trial.T), (o.shape, trial.T)
        return bool(o[0, trial.response].mean() * trial.info["first"] > 0)


TaskFactory.register_task("follow", Follow)
'''
CONFIG = {
    "experiment": "two",
    "task": "follow",
    "grid": {"task_settings.levels": [[0.5, 1], [0.25]], "task_settings.shape": ["ramp"], "seed": [3]},
    "task_settings": {"turned": True, "follow": {"T": 36}},
    "network": {"N": 12, "P_inh": 0.3},
    "training": {"n_trials": 40, "eval_freq": 40, "eval_tr": 8, "loss_threshold": 1e6, "accuracy_threshold": 0},
    "evaluation": {"n_trials": 12},
    "conversion": {"n_trials": 6, "scaling_factors": [2, 4], "trials_shown": 2},
}
STAGES = {
    "train": lambda run: train_run(run, log=io.StringIO()),
    "evaluate": evaluate_run,
    "export": export_run,
    "convert": convert_run,
}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "follow.py").write_text(TASK)
    return {**CONFIG, "task_file": str(tmp_path / "follow.py"), "results": str(tmp_path / "results")}


@pytest.mark.usefixtures("figures_are_not_rendered")
def test_all_stages(config):
    experiment = Experiment.from_config(config)
    assert [point.path.split("taus~4_20/")[1] for point in experiment.grid_points] == [
        "levels~0.5_1/shape~ramp", "levels~0.25/shape~ramp",
    ]  # fmt: skip
    assert any("2 values of levels ([0.5, 1], [0.25])" in line for line in plan(experiment)), plan(experiment)
    runs = [Run.at(experiment, point, 3) for point in experiment.grid_points]
    for stage, work in STAGES.items():
        assert [end["status"] for end in run_block(stage, runs, work, io.StringIO())] == ["done"] * 2
    table = summarize(experiment)
    assert list(table["levels"]) == ["0.5_1", "0.25"] and list(table["shape"]) == ["ramp"] * 2
    assert set(table["status"]) == {"trained"} and table["lambda"].isin([2, 4]).all()
    write_summary(table, experiment.root)

    run = runs[0]
    task = run.settings.create_task()
    assert task.settings == {
        "T": 36, "shortest": 24, "rise": 1.0, "shape": "ramp", "turned": True, "levels": [0.5, 1.0],
        "rules": ["near", "far_away"], "flags": [True, False],
    }  # fmt: skip
    ends = {stage: run.outcome(stage) for stage in STAGES}
    mat, pth = run.named(ends["export"]["mat"]), run.named(ends["export"]["pth"])
    for path in (mat, pth):  # each restores the network and its task alone
        assert load_task(path).settings == task.settings
        net = load_network(path)
        assert net.n_out == 2 and net.b_out.shape == (2,)
        again = evaluate(load_task(path), net, 3, run.settings.evaluation)
        scores = load_scores(run.evaluation)
        np.testing.assert_allclose(again.scores.outputs, scores.outputs, atol=1e-6)
        assert scores.outputs.shape == (12, 2, 36) and scores.labels == again.scores.labels

    lengths = [trial.T for trial in again.scores.trials]
    assert min(lengths) < 30 < max(lengths)
    for row, T in zip(scores.outputs, lengths, strict=True):
        assert np.isfinite(row[:, :T]).all() and np.isnan(row[:, T:]).all()
    found = scipy.io.loadmat(mat)
    np.testing.assert_array_equal(found["eval_os"], scores.outputs)
    T = task.generate_batch([stream(3, "example")]).trials[0].T
    assert found["u"].shape == found["target"].shape == found["weight"].shape == (2, T) and found["o"].shape == (
        2,
        T - 1,
    )
    r = found["r"][1:, :, 0]
    np.testing.assert_allclose(found["o"], found["w_out"] @ r.T + found["b_out"].T, atol=1e-10)
    assert [str(label[0]) for label in found["eval_labels"][0]] == scores.labels and found["label"][0] in scores.labels

    conditions = ends["evaluate"]["conditions"]
    by_condition = scores.by_condition()
    for name in ("left", "right"):
        longest = max(n for n, condition in zip(lengths, scores.conditions, strict=True) if condition == name)
        for key, k in (("output_mean", 0), ("output_mean_2", 1)):
            truth = [[t, by_condition[name]["output_mean"][k, t]] for t in range(0, longest, 10)]
            np.testing.assert_allclose(conditions[name][key], truth)
        assert {"response_mean", "response_sd", "response_mean_2", "response_sd_2"} <= conditions[name].keys()
    assert (
        json.loads(run.scores.read_text())["conditions"]["left"]["response_sd_2"] == conditions["left"]["response_sd_2"]
    )

    translate, points, params = Translation(), {}, {}
    for event in run.record.events():
        shown = translate(event)
        points, params = points | shown.points, params | shown.params
    assert points["eval_by_condition/response_mean_2/left", 0] == conditions["left"]["response_mean_2"]
    assert points["eval_curves/output_mean_2/right", 10] == conditions["right"]["output_mean_2"][1][1]
    assert params["task.levels"] == [0.5, 1.0] and params["task.shape"] == "ramp" and params["task.turned"] is True

    comparison = load_comparison(run.comparison)
    assert comparison.lif_mean.shape == comparison.rate_sd.shape == (2, 2, 36)
    for example in comparison.examples:
        T = example.u.shape[1]
        assert 24 <= T <= 36 and example.out.shape == (2, (T - 1) * 10) and np.isfinite(example.out).all()
    assert np.isfinite(comparison.rate_activity).all() and np.isfinite(comparison.rate_components.explained).all()

    redraw_run(run)
    drawn = point_figures(experiment, experiment.grid_points[0])
    assert [axis.get_ylabel() for axis in drawn["outputs"].axes] == ["output 1\n(mean, SD)", "output 2\n(mean, SD)"]
    titles = [
        axis.get_title() for axis in spiking_figures(experiment, experiment.grid_points[0])["spiking_outputs"].axes
    ]
    assert titles == ["left, output 1", "left, output 2", "right, output 1", "right, output 2"]

    # A spiking network is scored on exactly the outputs of its own trial, which the criterion asserts.
    trials = TrialsOfTask(rate_model(mat), task, run.settings.spiking, 3)
    (outcomes,) = trials.run(range(4), [2.0])
    for k in range(4):
        u, trial, randomness = trials.draw(k)
        out, _ = trials.simulator.outputs([2.0], u, randomness)
        window = slice(trial.T - 10, trial.T)
        mean = np.mean([out[0, 0, 10 * t - 1 : 10 * t + 9].mean() for t in range(window.start, trial.T - 1)])
        if abs(mean) > 1e-3:
            assert outcomes.correct[k] == (mean * trial.info["first"] > 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_settings": {"shape": "stairs"}}, "follow: shape = 'stairs'; it must be one of step, ramp"),
        ({"task_settings": {"turned": 1}}, "follow: turned = 1.0; it must be true or false"),
        ({"task_settings": {"rise": "1e"}}, "follow: rise = '1e'; it must be a finite number"),
        (
            {"task_settings": {"levels": [1, "a"]}},
            "task_settings.levels = [1, 'a']: it must be a finite number, a word",
        ),
        ({"task_settings": {"levels": None}}, "task_settings.levels = None: it must be a finite number, a word, true"),
        ({"task_settings": {"follow": {"levels": [[1]]}}}, "task_settings.follow.levels = [[1]]: it must be a finite"),
        ({"task_settings": {"rules": [1, 2]}}, "follow: rules = [1.0, 2.0]; it must be a word"),
        (
            {"grid": {"task_settings.levels": [1, 2]}},
            "levels = 1.0; it must be a list of numbers (write [1.0]; as an axi",
        ),
        ({"grid": {"task_settings.flags": [[True], [1]]}}, "follow: flags = [1.0]; it must be true or false"),
    ],
)
def test_settings_of_another_kind_are_refused_by_name(config, changes, message):
    with pytest.raises(SettingsError) as error:
        Experiment.from_config({**config, "grid": {"seed": [0]}, "task_settings": {}, **changes})
    assert message in str(error.value), str(error.value)


def test_lists_of_words_that_look_alike_have_folders_of_their_own(config):
    values = [["a", "b"], ["a_b"], [], ["empty"], ["x"]]
    experiment = Experiment.from_config({**config, "grid": {"task_settings.rules": values}})
    paths = [point.values["rules"] for point in experiment.grid_points]
    assert len(set(paths)) == 5 and (paths[0], paths[2], paths[4]) == ("a_b", "empty", "x")
    assert len({point.settings.identity() for point in experiment.grid_points}) == 5

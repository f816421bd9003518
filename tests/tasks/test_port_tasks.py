"""Task classes written for the `rate` package: three methods, no criterion, random numbers from any generator."""

import random

import numpy as np
import pytest

import ratecore as rate
from ratecore.experiment.grid import Experiment
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.spiking import ConversionSettings, SpikingSettings, rate_model, search_scaling
from ratecore.tasks import AbstractTask, GoNogoTask, ManteTask, TaskFactory, XORTask
from ratecore.tasks.trials import draw_stimulus
from ratecore.tasks.values import TaskError


class Ramp(AbstractTask):
    """A pulse of random sign; the output follows it. Target of T - 1 steps; `seed` fixes one trial."""

    def validate_settings(self):
        for key in ("T", "stim_on", "stim_dur"):
            if key not in self.settings:
                raise ValueError(f"Missing required setting: {key}")

    def generate_stimulus(self, trial_type=None, seed=False):
        if seed:
            np.random.seed(42)
        u = np.zeros((1, self.settings["T"]))
        sign = np.random.choice([-1, 1])
        u[0, self.settings["stim_on"] :] = sign * np.random.rand()
        return u, int(sign)

    def generate_target(self, label, seed=False):
        z = np.zeros((self.settings["T"] - 1,))
        z[self.settings["stim_on"] + self.settings["stim_dur"] :] = label
        return z


class ByGenerator(Ramp):
    def generate_stimulus(self, trial_type=None, seed=None):
        rng = np.random.default_rng(seed)
        sign = rng.choice([-1, 1])
        return np.full((1, self.settings["T"]), sign * rng.random()), int(sign)


class ByRandom(Ramp):
    def generate_stimulus(self, trial_type=None):
        return np.full((1, self.settings["T"]), random.random()), random.choice(["a", "b"])

    def generate_target(self, label):
        return np.full((1, self.settings["T"]), 1.0 if label == "a" else 0.0)


class Scored(Ramp):
    def is_correct(self, o, label):
        return bool(np.sign(o[-1]) == label)


SETTINGS = {"T": 40, "stim_on": 5, "stim_dur": 5}
KINDS = [Ramp, ByGenerator, ByRandom]


def settings(**more) -> RunSettings:
    training = {"n_trials": 20, "eval_freq": 10, "eval_tr": 4, **more}
    return RunSettings(task="own", task_settings=SETTINGS, network={"N": 10}, training=training)


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_with_three_methods_is_made_simulated_and_trained(kind):
    TaskFactory.register_task("own", kind)
    task = TaskFactory.create_task("own", SETTINGS)
    assert task.settings == SETTINGS and task.name == "own" and task.n_inputs == 1 and task.trial_types == (None,)
    u, z, label = task.simulate_trial()
    assert u.shape == (1, 40) and z.size in (39, 40) and label in (-1, 1, "a", "b")
    np.random.seed(3)
    before = np.random.get_state()[1].copy(), random.getstate()
    with pytest.warns(UserWarning, match=r"'own' has no is_correct\(self, o, label\)"):
        first = train(settings())
    again = train(settings())  # which warns no more
    assert first.losses == again.losses and len(first.losses) == 20 and not first.trained
    assert [test["trial"] for test in first.tests] == [10, 20]
    assert all(np.isnan(test["accuracy"]) and np.isfinite(test["loss"]) for test in first.tests)
    assert (np.random.get_state()[1] == before[0]).all() and random.getstate() == before[1]
    # Every trial differs, and each can be drawn again alone.
    draws = [draw_stimulus(task, None, np.random.default_rng(k))[0][0, -1] for k in (*range(30), 7)]
    assert len(set(draws)) == 30 and draws[-1] == draws[7]


def test_a_target_of_one_step_less_trains_to_the_numbers_of_the_whole_one():
    class Whole(Ramp):
        def generate_target(self, label, seed=False):
            z = np.zeros(self.settings["T"])
            z[self.settings["stim_on"] + self.settings["stim_dur"] :] = label
            return z

    losses = []
    for kind in (Ramp, Whole):
        TaskFactory._tasks["own"] = kind
        kind.is_correct = lambda self, o, label: True
        try:
            losses.append(train(settings()).losses)
        finally:
            del kind.is_correct
    assert losses[0] == losses[1]


def test_the_criterion_is_asked_for_where_it_is_needed_with_its_signature():
    TaskFactory.register_task("own", Ramp)
    net = rate.FR_RNN_dale.from_settings(settings().network, 1, np.random.default_rng(0))
    task = TaskFactory.create_task("own", SETTINGS)
    words = r"'own': it has no criterion.*\n    def is_correct\(self, o, label\)"
    with pytest.raises(TaskError, match=words):
        rate.evaluate(task, net, 0, EvaluationSettings())
    with pytest.raises(TaskError, match=words):
        search_scaling(rate_model(net), task)
    with pytest.raises(SettingsError, match=words):
        Experiment.from_config({"experiment": "x", "task": "own", "task_settings": SETTINGS})


def test_with_a_criterion_such_a_class_is_a_task_like_others():
    TaskFactory.register_task("own", Scored)
    Experiment.from_config({"experiment": "x", "task": "own", "task_settings": SETTINGS})
    result = train(settings(loss_threshold=1e6, accuracy_threshold=0.0, n_trials=200, eval_tr=20))
    assert result.trained and 0 < result.tests[-1]["accuracy"] <= 1
    scores = rate.evaluate(settings().create_task(), result.net, 0, EvaluationSettings(n_trials=30)).scores
    assert set(scores.conditions) == {"1", "-1"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"generate_stimulus": lambda s, trial_type=None, seed=None: (np.random.default_rng().random((1, 40)), 1)},
            "generate_stimulus.. gives another trial for the same seed",
        ),
        (
            {"generate_stimulus": lambda s, trial_type=None, seed=None: (np.zeros((40, 1)), 1)},
            r"shape \(40, 1\).* \(is it transposed\?\)",
        ),
        ({"generate_stimulus": lambda s, trial_type=None, seed=None: np.zeros((1, 40))}, "two things"),
        ({"generate_stimulus": lambda s, trial_type=None, seed=None: s.settings["delay"]}, "KeyError: 'delay'"),
        ({"generate_target": lambda s, label: np.zeros(20)}, r"generate_target.*shape \(20,\).*shape \(40,\)"),
        ({"generate_target": lambda s, label: np.random.rand(40)}, "generate_target.* draws from np.random"),
        ({"validate_settings": lambda s: s.settings["delay"]}, "__init__.. raised KeyError: 'delay'"),
    ],
)
def test_its_faults_are_named_before_training(fault, words):
    TaskFactory.register_task("own", type("Wrong", (Ramp,), fault))
    with pytest.raises(SettingsError, match=words):
        settings()


def test_a_class_without_a_stimulus_or_a_target_says_what_it_lacks():
    class NoStimulus(AbstractTask):
        def generate_target(self, label):
            return np.zeros(10)

    class NoTarget(AbstractTask):
        trial_types = ("default",)

        def draw_trial(self, trial_type, rng):
            return np.zeros((1, self.T)), 1

    with pytest.raises(TypeError, match=r"must define draw_trial\(self, trial_type, rng\)"):
        NoStimulus({"T": 10})
    with pytest.raises(SettingsError, match="NoTarget must define generate_target"):
        NoTarget({"T": 10}).simulate_trial("default")
    TaskFactory.register_task("own", NoTarget)
    with pytest.raises(SettingsError, match=r"NoTarget must define generate_target\(self, label\)"):
        settings()


@pytest.mark.parametrize(
    ("kind", "key"), [(GoNogoTask, "delay"), (GoNogoTask, "offset"), (ManteTask, "delay"), (XORTask, "colour")]
)
def test_a_setting_that_a_task_does_not_use_warns_once_and_is_an_error_in_a_configuration(kind, key):
    own = type("Own", (kind,), {"name": "own"})
    with pytest.warns(UserWarning, match=f"own: the task has no setting '{key}', which is ignored; it has T, stim_on"):
        task = own({key: 10, "T": 400, "taus": [4, 20], "DeltaT": 1, "task": "own"})
    assert own({key: 10}).settings == kind().settings and task.T == 400
    name = kind.name
    with pytest.raises(SettingsError, match=f"unknown setting '{key}'"):
        RunSettings(task=name, task_settings={key: 10})
    with pytest.raises(SettingsError, match=f"unknown setting '{key}'"):
        Experiment.from_config({"experiment": "x", "task": name, "task_settings": {key: 10}})


@pytest.mark.parametrize("kind", [GoNogoTask, XORTask, ManteTask])
def test_arguments_of_the_rate_package(kind):
    task = kind()
    u, z, label = task.simulate_trial(seed=True)
    again, *_ = task.simulate_trial(seed=True)
    assert (u == again).all() and (task.generate_target(label, seed=True) == z).all()
    free = [task.simulate_trial(seed=False)[2] for _ in range(64)]  # no fixed seed there
    assert len(set(free)) == 2


def test_its_networks_can_be_scored_exported_and_converted(tmp_path):
    from ratecore.experiment.exporting import export
    from ratecore.formats import load_mat
    from ratecore.spiking import compare

    class Whole(Scored):
        """Stimuli of whole numbers, which networks take as they take others."""

        def generate_stimulus(self, trial_type=None, seed=False):
            u, label = super().generate_stimulus(trial_type, seed)
            return np.sign(u).astype(int), label

    TaskFactory.register_task("own", Whole)
    run = settings()
    result = train(run)
    task = run.create_task()
    scores = rate.evaluate(task, result.net, 0, EvaluationSettings(n_trials=10)).scores
    mat, _ = export(tmp_path, run, result, scores)
    content = load_mat(mat)
    assert content["u"].shape == (1, 40) and content["target"].size == 40
    found = search_scaling(rate_model(mat), task, ConversionSettings(n_trials=4, scaling_factors=(25, 50)))
    assert found.opt_scaling_factor in (25, 50)
    assert compare(result.net, task, SpikingSettings(dt=0.5), 25, 0, 2).conditions == ["-1", "1"]

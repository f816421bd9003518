"""Several tasks in one network: each trial is one of its task, with a rule input, scored by that task's own rule."""

import numpy as np
import pytest

from ratecore import AbstractTask, TaskFactory
from ratecore.experiment.exporting import export
from ratecore.experiment.grid import Experiment
from ratecore.formats import load_network, load_task
from ratecore.rate.evaluation import evaluate
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.tasks import Trial, trials
from ratecore.tasks.files import task_code


class Reach(AbstractTask):
    """Two outputs, trials of different length, a weight, and the verdict depends on what the trial holds."""

    name = "reach-here"
    n_inputs, n_outputs = 3, 2
    trial_types = ("left", "right")
    defaults = {"longest": 30, "limit": 0.5}

    @property
    def T(self):
        return self.settings["longest"]

    def draw_trial(self, trial_type, rng):
        T = int(rng.integers(10, self.T + 1))
        target = np.zeros((2, T))
        target[int(trial_type == "right"), 5:] = 1
        weight = np.ones((2, T))
        weight[0, 5:] = 3
        return Trial(rng.normal(size=(3, T)), target, weight, response=slice(5, T), info={"end": target[:, -1]})

    def is_correct(self, o, trial):
        return bool(np.abs(o[:, -1] - trial.info["end"]).max() < self.settings["limit"])


class Port(AbstractTask):
    """As the `rate` package has them: one output, draws from the shared generator, chooses its trial type itself."""

    name = "port-here"
    n_inputs, n_outputs = 1, 1
    defaults = {"T": 40, "stim_on": 5, "stim_dur": 5}

    def generate_stimulus(self, trial_type=None, seed=None):
        label = np.random.randint(2)
        u = np.zeros((1, self.T))
        u[0, 5:10] = label + np.random.rand()
        return u, label

    def generate_target(self, label, seed=None):
        return np.full(self.T, float(label))

    def is_correct(self, o, label):
        return bool((o[-1] > 0.5) == label)


class Unscored(AbstractTask):
    name = "unscored-here"
    n_inputs = 1
    defaults = {"T": 20}
    trial_types = ("only",)

    def draw_trial(self, trial_type, rng):
        return Trial(np.ones((1, 20)), np.ones(20))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(TaskFactory, "_tasks", dict(TaskFactory._tasks))
    for task in (Reach, Port, Unscored):
        TaskFactory.register_task(task.name, task)


COMBINATIONS = {
    "two built-in tasks": (["go_nogo", "xor"], {}),
    "all three": (["mante", "go-nogo", "xor"], {"xor": {"delay": 20}}),
    "several outputs beside one": (["xor", "reach-here"], {}),
    "a class of the rate package": (["port-here", "reach-here"], {"T": 50}),
    "the same inputs": (["go-nogo", "port-here"], {"share_inputs": True}),
    "the same outputs": (["go-nogo", "xor"], {"share_outputs": True}),
    "all the same": (["go-nogo", "port-here"], {"share_outputs": True, "share_inputs": True}),
}


@pytest.mark.parametrize(("names", "settings"), COMBINATIONS.values(), ids=COMBINATIONS)
def test_a_trial_is_that_of_its_task_with_a_rule_input(names, settings):
    task = RunSettings(task=names, task_settings=settings).create_task()
    shared = [settings.get(key, False) for key in ("share_inputs", "share_outputs")]
    parts = list(task.parts.values())
    sizes = [[part.n_inputs for part in parts], [part.n_outputs for part in parts]]
    n_in, n_out = (each[0] if same else sum(each) for each, same in zip(sizes, shared, strict=True))
    assert (task.n_inputs, task.n_outputs, task.T) == (n_in + len(parts), n_out, max(part.T for part in parts))
    seen = set()
    for kind in task.trial_types:
        number = next(k for k, name in enumerate(task.parts) if kind == name or kind.startswith(f"{name}/"))
        name, part = list(task.parts)[number], parts[number]
        own_kind = kind[len(name) + 1 :] or None
        alone = trials.collect(part, [(own_kind, *_as_tuple(part, own_kind, np.random.default_rng(7)))])
        batch = trials.collect(task, [(kind, task.draw_trial(kind, np.random.default_rng(7)))])
        first_in = 0 if shared[0] else sum(sizes[0][:number])
        first_out = 0 if shared[1] else sum(sizes[1][:number])
        u = np.zeros((task.n_inputs, alone.u.shape[-1]))
        u[first_in : first_in + part.n_inputs] = alone.u[0]
        u[n_in + number] = 1
        z = np.zeros((n_out, alone.u.shape[-1]))
        z[first_out : first_out + part.n_outputs] = alone.z[0]
        np.testing.assert_array_equal(batch.u[0], u)
        np.testing.assert_array_equal(np.atleast_2d(batch.z[0]), z)
        assert batch.conditions == [f"{name}/{alone.conditions[0]}"] and batch.labels == [f"{name}/{alone.labels[0]}"]
        for o in (alone.z[0], -alone.z[0], np.random.default_rng(1).normal(size=alone.z[0].shape)):
            everywhere = np.full((n_out, z.shape[1]), 9.0)  # of the other outputs nothing is asked
            everywhere[first_out : first_out + part.n_outputs] = o
            given = everywhere if n_out > 1 else everywhere[0]
            expected = trials.score(part, o, alone.scored_by(0))
            assert trials.score(task, given, batch.scored_by(0)) is expected
            seen.add(expected)
    assert seen == {True, False}


def _as_tuple(part, kind, rng):
    drawn = trials.draw_stimulus(part, kind, rng)
    return (drawn,) if isinstance(drawn, Trial) else drawn


def test_other_outputs_have_the_mean_weight_of_the_step():
    task = RunSettings(task=["xor", "reach-here"]).create_task()
    trial = task.draw_trial("reach-here/left", np.random.default_rng(0))
    np.testing.assert_array_equal(trial.weight[:, [0, 6]], [[1, 2], [1, 3], [1, 1]])
    assert trial.response == slice(5, trial.T)
    xor = task.draw_trial("xor/++", np.random.default_rng(0))
    assert xor.weight is None and xor.stimuli == [(50, 100), (110, 160)] and xor.response == slice(170, 300)


def test_shares_are_those_of_the_trials():
    task = RunSettings(task=["go-nogo", "xor", "mante"], task_settings={"shares": [1, 0, 3]}).create_task()
    n = 4000
    drawn = [task.draw_trial_type(np.random.default_rng([3, k])).partition("/")[0] for k in range(n)]
    assert drawn.count("xor") == 0
    share, sigma = drawn.count("go-nogo") / n, np.sqrt(0.25 * 0.75 / n)
    assert abs(share - 0.25) < 4 * sigma


def test_each_trial_is_the_same_alone_and_in_any_batch():
    task = RunSettings(task=["xor", "reach-here", "port-here"]).create_task()
    batch = task.generate_batch([np.random.default_rng([5, k]) for k in range(12)])
    assert {name.partition("/")[0] for name in batch.conditions} == set(task.parts)
    for k, trial in enumerate(batch.trials):
        alone = task.generate_batch([np.random.default_rng([5, k])])
        np.testing.assert_array_equal(alone.u[0], batch.u[k, :, : trial.T])
        np.testing.assert_array_equal(alone.z[0], batch.z[k, :, : trial.T])


def test_settings_of_one_task_and_of_all():
    given = {"T": 400, "xor": {"delay": 20}, "go_nogo.stim_dur": 30, "shares": [2, 1]}
    settings = RunSettings(task=["Go_NoGo", "xor"], task_settings=given).create_task().settings
    assert settings["go-nogo.T"] == settings["xor.T"] == 400
    assert (settings["xor.delay"], settings["go-nogo.stim_dur"], settings["shares"]) == (20, 30, [2, 1])
    assert TaskFactory.create_task("go-nogo+xor", settings).settings == settings  # as a saved network has them


def test_a_list_is_a_name_with_plus_and_the_order_counts():
    run = RunSettings(task=["Go_NoGo", "xor"])
    assert run.task == "go-nogo+xor" and run == RunSettings(task="go-nogo+XOR")
    assert RunSettings(task=["xor"]).identity() == RunSettings(task="xor").identity()
    assert run.identity() != RunSettings(task=["xor", "go-nogo"]).identity()
    assert type(run.create_task()) is type(RunSettings(task=["go-nogo", "xor"], seed=3).create_task())
    assert task_code(type(run.create_task())) is None


def test_a_task_without_a_criterion_takes_it_from_all():
    assert not trials.has_criterion(TaskFactory.create_task("xor+unscored-here"))
    assert trials.has_criterion(TaskFactory.create_task("xor+reach-here"))


MISTAKES = {
    "twice": (dict(task=["xor", "XOR"]), "'xor' is listed twice; list it once"),
    "unknown": (dict(task=["xor", "go-nogoo"]), "unknown task 'go-nogoo' (did you mean 'go-nogo'?)"),
    "no words": (dict(task=["xor", 3]), "task"),
    "empty": (dict(task=[]), "task"),
    "unknown setting": (dict(task=["xor", "mante"], task_settings={"delayy": 1}), "unknown setting 'delayy'"),
    "of one task": (
        dict(task=["xor", "mante"], task_settings={"mante": {"delay": 1}}),
        "mante: unknown setting 'delay'",
    ),
    "value": (dict(task=["xor", "go-nogo"], task_settings={"xor": {"stim_dur": 0}}), "xor: stim_dur = 0"),
    "shares": (dict(task=["xor", "mante"], task_settings={"shares": [1]}), "it must be 2 numbers >= 0, one per task"),
    "no share": (dict(task=["xor", "mante"], task_settings={"shares": [0, 0]}), "not all 0"),
    "inputs": (
        dict(task=["xor", "mante"], task_settings={"share_inputs": True}),
        "the tasks must have equally many inputs: xor 2, mante 4",
    ),
    "outputs": (
        dict(task=["xor", "reach-here"], task_settings={"share_outputs": True}),
        "the tasks must have equally many outputs: xor 1, reach-here 2",
    ),
    "no flag": (dict(task=["xor", "mante"], task_settings={"share_inputs": 1.5}), "share_inputs = 1.5; it must be tr"),
}


@pytest.mark.parametrize(("values", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(values, message):
    with pytest.raises(SettingsError) as error:
        RunSettings(**values)
    assert message in str(error.value)


def test_a_faulty_task_is_found_among_several():
    class Forgetful(Reach):
        name = "forgetful-here"

        def draw_trial(self, trial_type, rng):
            end = {"end": np.zeros(2)}
            return Trial(np.random.default_rng().normal(size=(3, 20)), np.zeros((2, 20)), info=end)

    TaskFactory.register_task(Forgetful.name, Forgetful)
    with pytest.raises(SettingsError, match="task 'forgetful-here': draw_trial.* gives something else"):
        RunSettings(task=["xor", "forgetful-here"])


def test_a_configuration_has_lists_of_tasks_and_settings_under_their_names():
    config = {
        "experiment": "e",
        "grid": {"task": [["go_nogo", "xor"], "xor"], "N": [20], "task_settings.xor.delay": [20]},
        "task_settings": {"go-nogo": {"T": 150}},
    }
    with pytest.raises(SettingsError, match=r"unknown setting 'xor\.delay'"):
        Experiment.from_config(config)  # the second grid point is xor alone
    config["grid"]["task"] = [["go_nogo", "xor"]]
    [point] = Experiment.from_config(config).grid_points
    assert point.path == "task~go-nogo+xor/N~20/taus~4_20/xor_delay~20"
    settings = point.settings.create_task().settings
    assert settings["xor.delay"] == 20 and settings["go-nogo.T"] == 150 and settings["xor.T"] == 300
    config = {"experiment": "e", "task": ["xor", "mante"], "task_settings": {"xor+mante": {"shares": [1, 2]}}}
    [point] = Experiment.from_config(config).grid_points
    assert point.settings.create_task().settings["shares"] == [1, 2]


def test_many_names_are_a_short_path():
    names = [f"task-number-{k}" for k in range(16)]
    for name in names:
        TaskFactory.register_task(name, type("Copy", (Reach,), {"name": name}))
    config = {"experiment": "e", "task": names, "convert": False}
    experiment = Experiment.from_config(config)
    [point] = experiment.grid_points
    assert len(point.values["task"]) < 100 and point.values["task"].startswith("task-number-0+task-number-1+")
    assert point.settings.task == "+".join(names)


def test_a_network_of_several_tasks_is_trained_saved_and_scored_again(tmp_path):
    settings = RunSettings(
        task=["go-nogo", "xor"],
        task_settings={"shares": [1, 2], "T": 200, "xor": {"stim_dur": 20}},
        network=dict(N=10, P_inh=0.3),
        training=dict(n_trials=4, eval_tr=4),
    )
    result = train(settings)
    assert result.net.w_in.shape[1] == 5 and result.net.n_out == 2
    assert set(np.unique([name.partition("/")[0] for name in result.last_test.conditions])) <= {"go-nogo", "xor"}
    truth = evaluate(settings.create_task(), result.net, 3, EvaluationSettings(n_trials=6)).scores
    for path in export(tmp_path, settings, result, result.last_test):
        task = load_task(path)
        assert (task.name, task.settings) == ("go-nogo+xor", settings.create_task().settings)
        again = evaluate(task, load_network(path), 3, EvaluationSettings(n_trials=6)).scores
        assert again.loss == truth.loss and again.conditions.tolist() == truth.conditions.tolist()


def test_stages_of_a_curriculum_set_one_of_several_tasks():
    stages = [{"task_settings": {"xor": {"delay": 20}}}, {"task_settings": {"go-nogo": {"T": 150}}}]
    settings = RunSettings(task=["go-nogo", "xor"], task_settings={"go-nogo": {"T": 100}}, training={"stages": stages})
    first, last = (settings.create_task(stage).settings for stage in (0, 1))
    assert (first["go-nogo.T"], first["xor.delay"]) == (100, 20)
    assert (last["go-nogo.T"], last["xor.delay"]) == (150, 10)


def test_tasks_that_grade_their_evidence_do_so_in_one_network():
    """Points are those of each task; trials are the task's own, and choices and times are of the task's own output."""
    from ratecore.settings.elsewhere import ElsewhereSettings
    from ratecore.tasks.decisions import decision_output, draw_graded, graded_points, times_of

    task = TaskFactory.create_task("go-nogo+random-dots+mante", {"mante.T": 400})
    parts = task.parts
    points = graded_points(task)
    assert points[:8] == [("random-dots/motion", level) for level in parts["random-dots"].evidence_levels]
    assert {kind for kind, _ in points[8:]} == {"mante/motion", "mante/color"} and len(points) == 8 + 16
    assert graded_points(task, [0.3]) == [(kind, 0.3) for kind in ("random-dots/motion", "mante/motion", "mante/color")]
    assert not graded_points(TaskFactory.create_task("go-nogo+xor"))
    for point, name, rows in ((points[0], "random-dots", slice(1, 3)), (points[-1], "mante", slice(3, 7))):
        (trial,) = draw_graded(task, point, [np.random.default_rng(5)]).trials
        own = parts[name].draw_graded_trial(point[0].partition("/")[2], point[1], np.random.default_rng(5))
        np.testing.assert_array_equal(trial.u[rows], own[0] if isinstance(own, tuple) else own.u)
        number = list(parts).index(name)
        o = np.zeros((3, trial.T))
        o[number, 60:] = -0.6  # beyond the threshold of random dots, 0.5, but not beyond that of mante, 0.7
        np.testing.assert_array_equal(decision_output(task, o, trial), o[number])
        (time,) = times_of(task, o[None], [trial], ElsewhereSettings())
        assert time == 5 * (60 - 20) if name == "random-dots" else np.isnan(time)
        assert np.isnan(times_of(task, np.roll(o, 1, 0)[None], [trial], ElsewhereSettings()))[0]

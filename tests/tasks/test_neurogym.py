"""Environments of neurogym as tasks: trials are the environment's, scored by its own rule, each from its seed."""

import sys
import threading
from importlib.util import find_spec

import numpy as np
import pytest

from ratecore import TaskFactory
from ratecore.experiment.grid import Experiment
from ratecore.settings.base import SettingsError, task_key
from ratecore.settings.run import RunSettings
from ratecore.tasks import checks, environments, neurogym, trials
from ratecore.tasks.files import task_code

YANG = [
    *("go", "rtgo", "dlygo", "anti", "rtanti", "dlyanti", "dm1", "dm2", "ctxdm1", "ctxdm2", "multidm"),
    *("dlydm1", "dlydm2", "ctxdlydm1", "ctxdlydm2", "multidlydm", "dms", "dnms", "dmc", "dnmc"),
]


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurogym", None)
    with pytest.raises(
        SettingsError, match=r"need the package neurogym.*: pip install 'ratecore\[neurogym\]'"
    ) as error:
        RunSettings(task="neurogym:NoSuchName")
    assert "\n" not in str(error.value)
    assert not TaskFactory.knows("neurogym:NoSuchName")


def test_names():
    for spelling in ("neurogym:GoNogo-v0", "neurogym:gonogo-v0", "NEUROGYM:GoNogo", "neurogym:gonogo"):
        assert task_key(spelling) == "neurogym:gonogo-v0"
    assert task_key("xor+neurogym:yang19.go+neurogym:My_Own-v3") == "xor+neurogym:yang19.go-v0+neurogym:my-own-v3"


@pytest.mark.skipif(find_spec("neurogym") is None, reason="neurogym is not installed: pip install 'ratecore[neurogym]'")
class TestEnvironments:
    """With the package."""

    # Name: (n_in, n_out, longest trial in ms, each from the environment's source).
    SIZES = {
        "GoNogo": (3, 2, 500 + 500 + 500),
        "DelayComparison": (2, 3, 500 + 500 + 1000 + 500 + 100),
        "SpatialSuppressMotion": (32, 4, 300),
        "PerceptualDecisionMakingDelayResponse": (3, 3, 1150 + 4000 + 1500),  # a list of delays
        "ReachingDelayResponse": (2, 2, 500 + 2000 + 500),  # continuous actions
        "yang19.dm1": (33, 17, None),  # differs between versions
        "yang19.dlyanti": (33, 17, 500 + 500 + 500 + 500),  # a schedule of two environments
        "yang19.dms": (33, 17, 300 + 500 + 1000 + 500 + 900),
        "perceptualdecisionmaking.roitman02": (3, 3, None),  # changed at its first step
        "ProbabilisticReasoning": (41, 3, None),
        "PostDecisionWager": (4, 4, None),
        "HierarchicalReasoning": (5, 5, None),
        "ToneDetection": (1, 4, 2000),
    }

    @pytest.mark.parametrize("name", SIZES)
    def test_sizes_targets_and_ground_truth(self, name):
        if name in ("SpatialSuppressMotion", "ToneDetection") and not TaskFactory.knows(f"neurogym:{name}"):
            pytest.skip("this version of neurogym does not register it")
        task = TaskFactory.create_task(f"neurogym:{name}")
        n_in, n_out, longest = self.SIZES[name]
        assert (task.n_inputs, task.n_outputs) == (n_in, n_out)
        assert longest is None or longest // 20 == task.T
        batch = task.generate_batch([np.random.default_rng([1, k]) for k in range(30)])
        assert max(trial.T for trial in batch.trials) <= task.T
        right, still = [], []
        for trial in batch.trials:
            if task.environment.discrete:
                np.testing.assert_array_equal(trial.target.sum(axis=0), 1)
                np.testing.assert_array_equal(np.unique(trial.target), [0, 1])
            weight, n = trial.weight[0], trial.response.stop - trial.response.start
            np.testing.assert_allclose(weight[trial.response], max(trial.T / n - 1, 1))
            assert np.isclose(weight.sum(), 2 * (trial.T - n)) or n > trial.T / 2
            answers = np.concatenate([np.full((n_out, 1), np.nan), trial.target[:, :-1]], axis=1)
            right.append(task.is_correct(answers, trial))
            still.append(task.is_correct(np.eye(n_out)[0][:, None] * np.ones(trial.T), trial))
        assert all(right)
        assert np.mean(still) < 0.8  # holding the first action is no solution

    def test_a_trial_is_the_environments_own(self):
        import gymnasium

        task = TaskFactory.create_task("neurogym:DelayComparison")
        for k in range(5):
            trial = task.draw_trial("trial", np.random.default_rng(k))
            with environments.quiet():
                env = gymnasium.make("DelayComparison-v0", dt=20, disable_env_checker=True).unwrapped
                seeds = np.random.RandomState(trial.info["seed"])
                env.rng = np.random.RandomState(seeds.randint(2**32, dtype=np.uint32))
                env.new_trial()
            np.testing.assert_array_equal(trial.u, env.ob.T)
            np.testing.assert_array_equal(trial.target.argmax(axis=0), env.gt)
            assert trial.response == slice(env.start_ind["decision"], env.end_ind["decision"])
            assert trial.label == env.gt[-1] and trial.condition == f"action {env.gt[-1]}"
            for answer in (0, 1, 2):  # responses from the first step of the decision on
                actions = np.where(np.arange(len(env.gt)) < env.start_ind["decision"], 0, answer)
                o = np.eye(3)[np.append(0, actions[:-1])].T
                assert task.is_correct(o, trial) is bool(answer == env.gt[-1])

    @pytest.mark.parametrize("name", ["ReachingDelayResponse", "ReadySetGo", "GoNogo", "yang19.dnms", "AntiReach"])
    def test_scores_are_the_environments_performance(self, name):
        task = TaskFactory.create_task(f"neurogym:{name}")
        rng, seen = np.random.default_rng(2), set()
        for k in range(40):
            trial = task.draw_trial("trial", np.random.default_rng([4, k]))
            o = np.concatenate([np.zeros((task.n_outputs, 1)), trial.target[:, :-1]], axis=1)
            o[:, trial.T - rng.integers(1, trial.T // 2) :] += rng.normal(size=(task.n_outputs, 1)) * (k % 3) / 2
            answers = np.concatenate([o[:, 1:], o[:, -1:]], axis=1)
            env = task.environment.trial(task._values, trial.info["seed"])
            performance = 0.0
            for t, answer in enumerate(answers.T):
                right = env.unwrapped.gt[t]
                with environments.quiet():
                    *_, info = env.step(int(answer.argmax()) if task.environment.discrete else answer)
                if info["new_trial"]:
                    performance = info["performance"]
                    break
            expected = bool(performance >= 0.8)
            if not trial.target[1:, trial.response].any():  # no response is right, which the environments do not credit
                expected = bool(answer.argmax() == right)
            assert task.is_correct(o, trial) is expected
            seen.add(expected)
        assert seen == {True, False}

    @pytest.mark.parametrize(
        "name", ["yang19.anti", "ContextDecisionMaking", "HierarchicalReasoning", "IntervalDiscrimination"]
    )
    def test_each_trial_comes_from_its_generator_alone(self, name):
        task = TaskFactory.create_task(f"neurogym:{name}")
        first = checks._Pass(task, True).draw([("trial", k) for k in range(8)])
        fresh = type(task)()
        fresh.environment = environments.Environment(task.environment.id)
        second = checks._Pass(fresh, True).draw([("trial", k) for k in range(8)][::-1])
        assert not checks._differences(first, second)
        first.repeat_label_methods()
        drawn = {}
        thread = threading.Thread(target=lambda: drawn.update(t=task.draw_trial("trial", np.random.default_rng(3))))
        thread.start()
        thread.join()
        np.testing.assert_array_equal(drawn["t"].u, task.draw_trial("trial", np.random.default_rng(3)).u)

    def test_schedules_start_anywhere(self):
        task = TaskFactory.create_task("neurogym:yang19.go")
        modalities = [
            task.draw_trial("trial", np.random.default_rng([6, k])).u[17:].any() for k in range(200)
        ]  # 1 to 16 are of the first modality
        assert abs(np.mean(modalities) - 0.5) < 4 * 0.5 / np.sqrt(200)

    def test_the_longest_trial_is_that_of_the_timing(self):
        task = TaskFactory.create_task("neurogym:ContextDecisionMaking")
        assert task.T == (300 + 740 + 3000 + 100) // 20  # periods are cut to steps: 750 ms is 37 of them
        drawn = [task.draw_trial("trial", np.random.default_rng([8, k])).T for k in range(200)]
        assert min(drawn) >= (300 + 740 + 300 + 100) // 20 and max(drawn) <= task.T and len(set(drawn)) > 20

    def test_arguments_of_an_environment_are_settings(self):
        def made(**settings):
            return TaskFactory.create_task("neurogym:ContextDecisionMaking", settings, strict=True)

        fixed = made(timing_delay=400)
        assert {fixed.draw_trial("trial", np.random.default_rng(k)).T for k in range(20)} == {15 + 37 + 20 + 5}
        two = made(timing_delay=[400, 800.0], dt=50)
        lengths = {two.draw_trial("trial", np.random.default_rng(k)).T for k in range(20)}
        assert lengths == {6 + 15 + 8 + 2, 6 + 15 + 16 + 2}
        quiet = made(sigma=0, timing_delay=400)
        assert len(np.unique(quiet.draw_trial("trial", np.random.default_rng(0)).u)) < 8
        rings = [TaskFactory.create_task("neurogym:yang19.go", {"dim_ring": n}) for n in (4, 4.0)]
        assert rings[1].n_outputs == 5 and rings[0].settings == rings[1].settings
        assert made(response_weight=1).draw_trial("trial", np.random.default_rng(0)).weight is None
        weighted = made(response_weight=5).draw_trial("trial", np.random.default_rng(0))
        assert (weighted.weight[weighted.response] == 5).all() and (
            weighted.weight[: weighted.response.start] == 1
        ).all()
        assert TaskFactory.create_task("neurogym:PulseDecisionMaking").settings["dt"] == 10  # its pulses last 10 ms
        go = TaskFactory.create_task("neurogym:yang19.dlygo", {"timing_delay": 100, "timing_fixation": 200})
        assert go.T == (200 + 500 + 100 + 500) // 20
        weighted = TaskFactory.create_task("neurogym:yang19.ctxdm1", {"w_mod": [0.5, 1]})
        assert weighted.settings["w_mod"] == [0.5, 1] and "w_mod" in weighted.descriptions

    def test_what_the_environment_decides_itself_is_no_setting(self):
        assert "anti" not in TaskFactory.task_class("neurogym:yang19.go").defaults
        assert "matchto" not in TaskFactory.task_class("neurogym:yang19.dms").defaults
        assert "anti" in TaskFactory.task_class("neurogym:AntiReach").defaults

    def test_the_answer_at_the_end_can_decide(self):
        task = TaskFactory.create_task("neurogym:DelayComparison", {"score": "answer"})
        trial = task.draw_trial("trial", np.random.default_rng(0))
        o = np.concatenate([np.zeros((3, 1)), trial.target[:, :-1]], axis=1)
        assert task.is_correct(o, trial) is True and task.is_correct(np.roll(o, 1, axis=0), trial) is False

    MISTAKES = {
        "unknown": ("GoNogoo", {}, "environments of neurogym .* the nearest are neurogym:GoNogo-v0, "),
        "no targets": ("Bandit", {}, "Bandit-v0 offers no supervised targets: a trial has no ground truth"),
        "targets that are no actions": ("Reaching1D", {}, "a quantity such as 3, not one of its actions 0 to 2"),
        "unknown setting": ("GoNogo", {"dtt": 1}, r"unknown setting 'dtt' \(did you mean 'dt'\?\); allowed: dt, "),
        "refused": ("yang19.dms", {"dim_ring": 3}, "neurogym refuses dim_ring = 3: ValueError: .* even number"),
        "no duration": ("GoNogo", {"timing_delay": -1}, "timing_delay = -1; it must be a duration in ms"),
        "dt": ("GoNogo", {"dt": 0}, "dt = 0; it must be a whole number from 1 to 1,000"),
        "performance": ("GoNogo", {"min_performance": 2}, "min_performance = 2; it must be a number from 0.01 to 1"),
    }

    @pytest.mark.parametrize(("name", "settings", "message"), MISTAKES.values(), ids=MISTAKES)
    def test_mistakes(self, name, settings, message):
        with pytest.raises(SettingsError, match=message) as error:
            RunSettings(task=f"neurogym:{name}", task_settings=settings)
        assert "\n" not in str(error.value)

    def test_a_trial_longer_than_the_limit_says_what_to_set(self):
        task = TaskFactory.create_task("neurogym:GoNogo", {"max_steps": 60})
        assert task.T == 60
        with pytest.raises(
            SettingsError, match="a trial of 75 steps, longer than max_steps = 60; set task_settings.max"
        ):
            task.generate_batch([np.random.default_rng(0)])
        assert TaskFactory.create_task("neurogym:GoNogo", {"max_steps": 90}).T == 90

    def test_paths_and_identity(self):
        config = {"experiment": "e", "task": "neurogym:GoNogo", "convert": False}
        experiment = Experiment.from_config(config)
        [point] = experiment.grid_points
        assert point.path.startswith("task~neurogym.gonogo-v0/")
        assert ":" not in str(experiment.folder(point.run(0)))
        version = point.settings.identity_values()["task_code"]
        assert version == f"neurogym {environments.neurogym().__version__}"
        assert version in task_code(TaskFactory.task_class("xor+neurogym:GoNogo"))

    def test_an_environment_of_a_task_file(self, tmp_path):
        (tmp_path / "own.py").write_text(OWN)
        run = RunSettings(task="neurogym:Blink", task_file=str(tmp_path / "own.py"), task_settings={"loud": True})
        task = run.create_task()
        assert (task.n_inputs, task.n_outputs, task.T) == (1, 2, 25) and task.settings["loud"] is True
        assert len(run.identity_values()["task_code"]) == 64  # of the file, not neurogym's version
        with pytest.raises(SettingsError, match="gives something else when it is called again"):
            RunSettings(task="neurogym:Drift", task_file=str(tmp_path / "own.py"))

    def test_the_twenty_tasks_of_yang_are_one_task(self):
        names = [f"neurogym:yang19.{name}" for name in YANG]
        task = TaskFactory.create_task("+".join(names), {"share_inputs": True, "share_outputs": True, "dt": 50})
        assert (task.n_inputs, task.n_outputs) == (33 + 20, 17)
        assert {task.settings[f"{task_key(name)}.dt"] for name in names} == {50}
        batch = task.generate_batch([np.random.default_rng([9, k]) for k in range(60)])
        np.testing.assert_array_equal(np.array([trial.u[33:].sum(axis=0).max() for trial in batch.trials]), 1)
        answers = [np.concatenate([t.target[:, :1], t.target[:, :-1]], axis=1) for t in batch.trials]
        assert all(trials.score(task, o, trial) for o, trial in zip(answers, batch.trials, strict=True))

    def test_the_class_of_a_name_is_always_the_same(self):
        assert neurogym.neurogym_class("neurogym:gonogo-v0") is TaskFactory.task_class("neurogym:GoNogo")


OWN = """
import gymnasium
import numpy as np
from gymnasium.envs.registration import register
from neurogym.core import TrialEnv
from neurogym.utils import spaces

class Blink(TrialEnv):
    def __init__(self, dt=100, loud=False):
        super().__init__(dt=dt)
        self.loud = loud
        self.timing = {"fixation": 300, "decision": 200}
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(1,), dtype=np.float32)
        self.action_space = spaces.Discrete(2)

    def _new_trial(self, **kwargs):
        self.add_period(["fixation", "decision"])
        go = int(self.rng.rand() < 0.5)
        self.add_ob(go * (3 if self.loud else 1), "fixation")
        self.set_groundtruth(go, "decision")
        return {"ground_truth": go}

    def _step(self, action):
        done = self.in_period("decision") and action == 1
        if done:
            self.performance = int(action == self.gt_now)
        return self.ob_now, 0, False, False, {"new_trial": done, "gt": self.gt_now}

class Drift(Blink):
    def _new_trial(self, **kwargs):
        trial = super()._new_trial()
        self.ob[:] += np.random.default_rng().normal()
        return trial

for cls in (Blink, Drift):
    if f"{cls.__name__}-v0" not in gymnasium.registry:
        register(f"{cls.__name__}-v0", entry_point=cls)
"""

"""Faults of a user's task are reported before any work: task, method, trial type, and what was expected."""

import os
import random
import sys
import time
from typing import ClassVar

import numpy as np
import pytest
import torch

from ratecore.experiment.grid import Experiment
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.tasks import AbstractTask, GoNogoTask, TaskFactory
from ratecore.tasks.checks import check_task
from ratecore.tasks.randomness import shared_states
from ratecore.tasks.values import TaskError


class Right(AbstractTask):
    """A pulse of either sign, of a size that is drawn; nothing is wrong with it."""

    name = "mine"
    n_inputs = 2
    defaults = {"T": 40, "stim_on": 5, "stim_dur": 5}
    trial_types = ("up", "down")

    def draw_trial(self, trial_type, rng):
        u = np.zeros((2, self.T))
        u[0, 5:10] = rng.normal(size=5) + (1 if trial_type == "up" else -1)
        return u, trial_type

    def generate_target(self, label):
        z = np.zeros(self.T)
        z[self.stimulus_end :] = 1 if label == "up" else -1
        return z

    def is_correct(self, o, label):
        mean = o[self.response_window].mean()
        return bool(mean > 0.7) if label == "up" else bool(mean < -0.7)


class Graded(Right):
    evidence_levels = (-1.0, 1.0)


OWN = np.random.default_rng()
SHARED = np.zeros((2, 40))


def _count(self, rng):
    self.count = getattr(self, "count", 0) + 1
    return np.full((2, self.T), float(self.count)), 1


def _last(self, kind):
    last, self.last = getattr(self, "last", "none"), kind
    return last


def _onset(self, kind, rng):
    self.onset = int(rng.integers(10, 30))
    return np.zeros((2, self.T)), kind


def _follows(self):
    return (np.arange(self.T) >= self.onset).astype(float)


def _same_array(self, rng):
    SHARED[:] = rng.normal()
    return SHARED, 1


def _shorter(self, rng):
    self.settings["stim_dur"] = 3
    return np.zeros((2, self.T)), 1


def _init(self, settings=None):
    AbstractTask.__init__(self, settings)
    self.size = np.random.rand()


def _init_elsewhere(self, settings=None):
    AbstractTask.__init__(self, settings)
    os.chdir("/")


def _int_of_a_word(self, settings=None):
    AbstractTask.__init__(self, settings)
    int("x")


def _seeded_by_the_clock(self, rng):
    np.random.seed(int(time.time()))
    return np.random.normal(size=(2, self.T))


def _yields(self, kind, rng):
    yield np.zeros((2, self.T))
    yield kind


def _put(o):
    o[0] = 1
    return True


U = "draw_trial('up')"
EXPECTED = "it must be an array of real numbers of shape (2, 40)"
# What is wrong: (attributes of the class, words of the message)
FAULTS = {
    "transposed": ({"u": lambda s, g: np.zeros((s.T, 2))}, [U, "shape (40, 2)", "is it transposed?", EXPECTED]),
    "rows": ({"u": lambda s, g: np.zeros((3, s.T))}, [U, "shape (3, 40)", "n_inputs is 2", EXPECTED]),
    "steps": ({"u": lambda s, g: np.zeros((2, s.T - 1))}, [U, "shape (2, 39)", EXPECTED]),
    "flat": ({"u": lambda s, g: np.zeros(s.T)}, [U, "shape (40,)", EXPECTED]),
    "nan": ({"u": lambda s, g: np.full((2, s.T), np.nan)}, [U, "nan at input 0, step 0", "must be finite"]),
    "infinite": ({"u": lambda s, g: np.full((2, s.T), -np.inf)}, [U, "-inf at input 0, step 0"]),
    "float32": ({"u": lambda s, g: np.full((2, s.T), 1e39)}, [U, "1e+39 at input 0", "finite in float32"]),
    "float64": ({"u": lambda s, g: np.full((2, s.T), 1e200)}, [U, "1e+200 at input 0", "finite in float32"]),
    "complex": ({"u": lambda s, g: np.zeros((2, s.T), complex)}, [U, "dtype complex128", EXPECTED]),
    "objects": ({"u": lambda s, g: np.zeros((2, s.T), object)}, [U, "dtype object", EXPECTED]),
    "words": ({"u": lambda s, g: np.full((2, s.T), "1")}, [U, "dtype <U1", EXPECTED]),
    "ragged": ({"u": lambda s, g: [[0, 1], [0]]}, [U, "a list whose parts differ in length", EXPECTED]),
    "none": ({"u": lambda s, g: None}, [U, "returned None as the stimulus", EXPECTED]),
    "stimulus alone": ({"draw_trial": lambda s, kind, g: np.zeros((2, s.T))},
                       [U, "returned an array of shape (2, 40)", "two things: u and the label"]),
    "nothing": ({"draw_trial": lambda s, kind, g: None}, [U, "returned None; it must return two things"]),
    "three things": ({"draw_trial": lambda s, kind, g: (np.zeros((2, s.T)), 1, 2)}, [U, "returned a tuple of 3"]),
    "raises": ({"u": lambda s, g: np.zeros((2, s.T))[5]}, [U, "raised IndexError: index 5", "test_task_checks.py"]),
    "label none": ({"draw_trial": lambda s, kind, g: (np.zeros((2, s.T)), None)}, ["the label None; it must be"]),
    "label array": ({"draw_trial": lambda s, kind, g: (np.zeros((2, s.T)), np.ones(1))}, ["the label array([1.])"]),
    "label nan": ({"draw_trial": lambda s, kind, g: (np.zeros((2, s.T)), np.nan)}, ["label nan; it must be a finite"]),
    "label long": ({"draw_trial": lambda s, kind, g: (np.zeros((2, s.T)), 10**30)}, ["must be a finite number"]),
    "label empty": ({"draw_trial": lambda s, kind, g: (np.zeros((2, s.T)), "")}, ["must be a word of 1 to 1000"]),
    "labels mixed": ({"draw_trial": lambda s, kind, g: (np.zeros((2, s.T)), 1 if kind == "up" else "down")},
                     ["labels", "all words or all numbers"]),
    "target short": ({"z": lambda s: np.zeros(s.T - 1)}, ["generate_target('up')", "shape (39,)", "shape (40,)"]),
    "target column": ({"z": lambda s: np.zeros((s.T, 1))}, ["generate_target('up')", "shape (40, 1)", "shape (40,)"]),
    "target scalar": ({"z": lambda s: 1.0}, ["generate_target('up')", "float 1.0", "shape (40,)", "label 'up'"]),
    "target none": ({"z": lambda s: None}, ["generate_target('up')", "returned None"]),
    "target nan": ({"z": lambda s: np.full(s.T, np.nan)}, ["generate_target('up') returned nan at step 0"]),
    "target raises": ({"z": lambda s: {}["x"]}, ["generate_target('up') raised KeyError: 'x'"]),
    "target of the last trial": ({"draw_trial": _onset, "z": _follows},
                                 ["generate_target('up')", "what earlier trials left in self"]),
    "criterion of the last trial": ({"draw_trial": _onset, "c": lambda s, o: bool(s.onset > 20)},
                                    ["is_correct('", "what earlier trials left in self"]),
    "condition of the last trial": ({"draw_trial": _onset, "condition": lambda s, kind, label: str(s.onset)},
                                    ["condition('", "what earlier trials left in self"]),
    "masked": ({"u": lambda s, g: np.ma.masked_equal(np.zeros((2, s.T)), 0)}, [U, "some of it is masked"]),
    "gradient": ({"u": lambda s, g: torch.zeros(2, s.T, requires_grad=True)}, [U, "a Tensor", ".detach()"]),
    "target random": ({"z": lambda s: OWN.normal(size=s.T)}, ["generate_target('up')", "gives something else"]),
    "criterion none": ({"c": lambda s, o: None}, ["is_correct(o, 'up') returned None; it must return True or False"]),
    "criterion number": ({"c": lambda s, o: 1}, ["is_correct(o, 'up') returned int 1"]),
    "criterion float": ({"c": lambda s, o: float(o.max())}, ["is_correct(o, 'up') returned float 0.0"]),
    "criterion array": ({"c": lambda s, o: o > 0}, ["is_correct(o, 'up') returned an array of shape (40,)"]),
    "criterion raises": ({"c": lambda s, o: o[40] > 0}, ["is_correct(o, 'up') raised IndexError"]),
    "criterion random": ({"c": lambda s, o: bool(np.random.rand() > 0.5)}, ["is_correct('up') draws from np.random"]),
    "criterion changes": ({"c": lambda s, o: _put(o)}, ["is_correct(o, label) changes o"]),
    "spiking": ({"is_correct_spiking": lambda s, o, label: "yes"}, ["is_correct_spiking(o, 'up') returned str 'yes'"]),
    "np.random": ({"u": lambda s, g: np.random.normal(size=(2, s.T))}, [U, "draws from np.random", "rng.normal"]),
    "random": ({"u": lambda s, g: np.full((2, s.T), random.random())}, [U, "draws from random"]),
    "torch": ({"u": lambda s, g: torch.randn(2, s.T).numpy()}, [U, "draws from torch"]),
    "choice": ({"u": lambda s, g: np.full((2, s.T), np.random.rand() > 0.5)}, [U, "draws from np.random"]),
    "own generator": ({"u": lambda s, g: OWN.normal(size=(2, s.T))}, [U, "gives something else", "rng.normal"]),
    "fresh generator": ({"u": lambda s, g: np.random.default_rng().normal(size=(2, s.T))}, [U, "gives something else"]),
    "clock": ({"u": lambda s, g: np.full((2, s.T), time.perf_counter())}, [U, "the clock"]),
    "counter": ({"u": _count}, ["draw_trial(", "what earlier trials left"]),
    "last trial": ({"condition": lambda s, kind, label: _last(s, kind)}, ["condition(", "what earlier trials left"]),
    "one array": ({"u": _same_array}, ["draw_trial(", "an array that a later call changed"]),
    "settings": ({"u": _shorter}, [U, "changes self.settings['stim_dur'] from 5 to 3"]),
    "init": ({"__init__": _init, "u": lambda s, g: np.full((2, s.T), s.size)}, ["two tasks of the same settings"]),
    "trial type": ({"draw_trial_type": lambda s, g: "left"}, ["draw_trial_type() returned 'left'", "'up', 'down'"]),
    "condition": ({"condition": lambda s, kind, label: 3}, ["condition('up') returned int 3; it must be a name"]),
    "condition raises": ({"condition": lambda s, kind, label: 1 / 0}, ["condition('up') raised ZeroDivisionError"]),
    "window empty": ({"response_window": slice(40, 40)}, ["slice(40, 40, None)", "at least one step"]),
    "window outside": ({"response_window": slice(20, 50)}, ["response_window", "within a trial of T = 40"]),
    "window no slice": ({"response_window": (20, 40)}, ["response_window = (20, 40)", "a slice of steps"]),
    "window floats": ({"response_window": slice(20.5, 40)}, ["response_window", "at least one step"]),
    "window raises": ({"response_window": property(lambda s: s.nothing)}, ["response_window: AttributeError"]),
    "n_inputs 0": ({"n_inputs": 0}, ["n_inputs = 0; it must be a whole number, at least 1"]),
    "n_inputs float": ({"n_inputs": 2.0}, ["n_inputs = 2.0"]),
    "n_inputs less": ({"n_inputs": 1}, [U, "shape (2, 40)", "n_inputs is 1", "shape (1, 40)"]),
    "no types": ({"trial_types": ()}, ["trial_types = (); it must be a tuple of names"]),
    "one word": ({"trial_types": "up"}, ["trial_types = 'up'; it must be a tuple of names"]),
    "twice": ({"trial_types": ("up", "up")}, ["a tuple of different names"]),
    "no T": ({"defaults": {"stim_on": 5, "stim_dur": 5}}, ["no setting T"]),
    "defaults": ({"defaults": ["T"]}, ["defaults = ['T']; it must be a dict of settings"]),
    "output": ({"spiking_output": "max"}, ["spiking_output = 'max'; it must be 'mean', 'peak' or 'last'"]),
    "evidence": ({"evidence_levels": (-1.0, 1.0)}, ["no draw_graded_trial(self, trial_type, evidence, rng)"]),
    "graded": ({"evidence_levels": (0.5,), "draw_graded_trial": lambda s, kind, level, g: (np.zeros(4), 1)},
               ["draw_graded_trial('up') returned an array of shape (4,)", EXPECTED]),
    "exit": ({"u": lambda s, g: sys.exit(3)}, [U, "raised SystemExit: 3", "test_task_checks.py"]),
    "exit of a criterion": ({"c": lambda s, o: sys.exit()}, ["is_correct(o, 'up') raised SystemExit"]),
    "generator": ({"draw_trial": _yields}, [U, "returned a generator", "`return` is wanted"]),
    "object": ({"draw_trial": lambda s, kind, g: object()}, [U, "returned object <object object>; it must"]),
    "mapping": ({"draw_trial": lambda s, kind, g: {"u": np.zeros((2, s.T))}},
                [U, "returned dict {'u': array([[0., 0."]),
    "folder": ({"u": lambda s, g: os.chdir("/")}, [U, "changes the working directory", "Path(__file__).parent"]),
    "folder of init": ({"__init__": _init_elsewhere}, ["__init__ changes the working directory"]),
    "one in a hundred": ({"u": lambda s, g: np.where(g.random((2, s.T)) < 0.0002, np.nan, 0)},
                         ["returned nan at input"]),
    "seconds": ({"u": lambda s, g: np.random.default_rng(int(time.time())).normal(size=(2, s.T))}, [U, "the clock"]),
    "seconds as a seed": ({"u": _seeded_by_the_clock}, [U, "draws from np.random"]),
    "no settings": ({"__init__": lambda s, settings=None: None}, ["must call super().__init__(settings)"]),
    "no window": ({"defaults": {"T": 40}}, ["no settings stim_on and stim_dur", "`response_window`", "`stimulus_end`"]),
    "T raises": ({"T": property(lambda s: s.nothing)}, ["T: AttributeError"]),
    "types raise": ({"trial_types": property(lambda s: s.nothing)}, ["trial_types: AttributeError"]),
    "accident in init": ({"__init__": _int_of_a_word}, ["__init__() raised ValueError: invalid literal", 'int("x")']),
    "graded raises": ({"evidence_levels": (0.5,), "draw_graded_trial": lambda s, kind, level: 1},
                      ["draw_graded_trial('up') raised TypeError"]),
}  # fmt: skip
SHORT = {
    "u": ("draw_trial", lambda f: lambda self, kind, rng: (f(self, rng), kind)),
    "z": ("generate_target", lambda f: lambda self, label: f(self)),
    "c": ("is_correct", lambda f: lambda self, o, label: f(self, o)),
}


def with_fault(changes) -> type[AbstractTask]:
    given = {}
    for key, value in changes.items():
        method, made = SHORT.get(key, (key, lambda f: f))
        drawn = made(value)
        given[method] = drawn
    if "u" in changes and changes["u"] in (_count, _same_array, _shorter):
        given["draw_trial"] = lambda self, kind, rng: changes["u"](self, rng)
    return type("Wrong", (Right,), given)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_task_is_named_before_any_work(fault):
    changes, words = FAULTS[fault]
    if fault == "defaults":
        with pytest.raises(SettingsError, match=r"task 'mine': defaults = \['T'\]; it must be a dict"):
            TaskFactory.register_task("mine", with_fault(changes))
        return
    TaskFactory.register_task("mine", with_fault(changes))
    before, folder = shared_states(), os.getcwd()
    with pytest.raises(SettingsError) as error:
        RunSettings(task="mine")
    assert os.getcwd() == folder
    for word in ["mine", *words]:
        assert word in str(error.value), str(error.value)
    # The generators that all code shares are as they were, but for what __init__ drew before the look.
    assert fault == "init" or repr(before) == repr(shared_states())
    with pytest.raises(SettingsError) as of_grid:
        Experiment.from_config({"experiment": "x", "task": "mine"})
    assert of_grid.value.lines() == error.value.lines()


def test_what_is_right_is_accepted_and_looked_at_once():
    calls = []

    class Counted(Right):
        def draw_trial(self, trial_type, rng):
            calls.append(trial_type)
            return super().draw_trial(trial_type, rng)

    TaskFactory.register_task("mine", Counted)
    RunSettings(task="mine")
    first = len(calls)
    assert first
    RunSettings(task="mine", seed=3, network={"N": 7})
    assert len(calls) == first
    RunSettings(task="mine", task_settings={"T": 50})
    assert first < len(calls) < 2 * first  # other settings: fewer trials


@pytest.mark.parametrize("kind", [int, bool, np.float32, np.int8, list, torch.tensor])
def test_numbers_of_any_kind_and_lists_are_accepted(kind):
    def drawn(self, trial_type, rng):
        u = np.zeros((2, self.T))
        u[0, 5:10] = 1
        return (u.tolist() if kind is list else torch.tensor(u) if kind is torch.tensor else u.astype(kind)), trial_type

    task = with_fault({"draw_trial": drawn})()
    check_task(task)
    trials = task.generate_batch([np.random.default_rng(0)])
    assert trials.u.shape == (1, 2, 40) and trials.u.sum() == 5


def test_a_task_with_settings_of_its_own_needs_no_stim_on():
    class Matching(Right):
        defaults: ClassVar = {"T": 40, "sample_on": 2, "delay": 10}

        @property
        def response_window(self):
            return slice(self.settings["sample_on"] + self.settings["delay"], None)

        def generate_target(self, label):
            z = np.zeros(self.T)
            z[self.response_window] = 1 if label == "up" else -1
            return z

    TaskFactory.register_task("mine", Matching)
    run = RunSettings(task="mine", network={"N": 10}, training={"n_trials": 3, "eval_tr": 4})
    assert train(run).n_trials == 3
    assert run.create_task().stimulus_windows == []


def test_words_of_a_tasks_own_settings_are_a_sentence_without_a_traceback():
    class Wanting(Right):
        def validate_settings(self):
            super().validate_settings()
            if self.settings["stim_dur"] > 4:
                raise ValueError("stim_dur must be at most 4")

    TaskFactory.register_task("mine", Wanting)
    with pytest.raises(SettingsError) as error:
        RunSettings(task="mine")
    assert str(error.value) == "task_settings: stim_dur must be at most 4"


def test_what_a_task_prints_is_printed_a_few_times_only(capsys):
    class Prints(Right):
        def draw_trial(self, trial_type, rng):
            print("drawn")
            return super().draw_trial(trial_type, rng)

    check_task(Prints())
    assert 0 < capsys.readouterr().out.count("drawn") < 50


def test_a_method_that_seeds_np_random_itself_from_the_generator_is_repeatable():
    def seeded(self, rng):
        np.random.seed(rng.integers(2**32))
        return np.random.normal(size=(2, self.T))

    check_task(with_fault({"u": seeded})())


def test_a_stimulus_in_half_precision_is_checked_without_a_warning():
    task = with_fault({"u": lambda self, rng: np.ones((2, self.T), np.float16)})()
    check_task(task)
    assert (task.generate_batch([np.random.default_rng(0)]).u == 1).all()
    with pytest.raises(TaskError, match=r"draw_trial\('up'\) returned inf at input 0, step 0"):
        check_task(with_fault({"u": lambda self, rng: np.full((2, self.T), np.inf, np.float16)})())


def test_a_fault_that_a_trial_has_only_sometimes_is_named_when_it_is_drawn():
    class Rare(Right):
        wrong = False

        def draw_trial(self, trial_type, rng):
            u, label = super().draw_trial(trial_type, rng)
            return (u.T, label) if self.wrong and trial_type == "down" else (u, label)

    task = Rare()
    check_task(task)
    Rare.wrong = True
    with pytest.raises(TaskError, match=r"draw_trial\('down'\) returned an array of shape \(40, 2\).*transposed"):
        task.generate_batch([np.random.default_rng(k) for k in range(20)])
    Rare.generate_target = lambda self, label: np.where(np.arange(self.T) == 7, np.nan, 0.0)
    Rare.wrong = False
    with pytest.raises(TaskError, match="generate_target.* returned nan at step 7"):
        task.generate_batch([np.random.default_rng(0)])


def test_the_cause_of_an_error_in_a_users_method_is_kept():
    with pytest.raises(TaskError) as error:
        check_task(with_fault({"u": lambda s, g: {}["key"]})())
    assert isinstance(error.value.__cause__, KeyError)


def test_tasks_of_the_package_are_right_by_the_same_look(monkeypatch):
    # They are not looked at in use, so they are here: as subclasses, which are.
    for task in (GoNogoTask, *(TaskFactory.task_class(name) for name in ("xor", "mante"))):
        check_task(type("Own", (task,), {})())

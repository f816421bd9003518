"""Trials with their own target, weight, length and response window, and typed settings of tasks."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from ratecore.rate.evaluation import draw_trials, scores_of
from ratecore.rate.network import RateNetwork
from ratecore.settings.network import NetworkSettings
from ratecore.tasks import AbstractTask, Trial
from ratecore.tasks.checks import check_task, ready_to_score
from ratecore.tasks.examples import examples_of
from ratecore.tasks.trials import response_of
from ratecore.tasks.values import TaskError
from ratecore.tasks.whole_trials import batch_of, checked_trial

ON, DUR, LAST = 3, 4, 6  # steps before the pulse, of the pulse, and of the response


class Held(AbstractTask):
    """A pulse of a drawn height, a delay that is drawn, and a response on one of two outputs, which has weight 2."""

    name = "held"
    n_inputs, n_outputs = 3, 2
    defaults = {"delay": 5, "delay_max": 25}
    trial_types = ("left", "right")
    evidence_levels = (-1.0, 1.0)

    @property
    def T(self):
        return ON + DUR + self.settings["delay_max"] + LAST

    def draw_trial(self, trial_type, rng):
        return self.drawn(trial_type, rng.integers(self.settings["delay"], self.settings["delay_max"] + 1), rng)

    def draw_graded_trial(self, trial_type, evidence, rng):
        return self.drawn("right" if evidence > 0 else "left", self.settings["delay"], rng)

    def drawn(self, side, delay, rng):
        start = ON + DUR + int(delay)
        T, k = start + LAST, self.trial_types.index(side)
        u, target, weight = np.zeros((3, T)), np.zeros((2, T)), np.full((2, T), 0.5)
        u[k, ON : ON + DUR] = rng.normal(2)
        u[2, :start] = 1
        target[k, start:] = 1
        weight[:, start:] = 2
        stimuli, info = [(ON, ON + DUR)], {"side": k}
        return Trial(u, target, weight, f"{side} {delay}", 10 * k + 1, slice(start, T), stimuli, info)

    def is_correct(self, o, trial):
        assert o.shape == trial.target.shape
        return bool(o[:, trial.response].mean(1).argmax() == trial.info["side"])


class Plain(Held):
    """The same with one output, no weight, and everything left to defaults."""

    n_outputs = 1
    evidence_levels = ()

    def drawn(self, side, delay, rng):
        trial = super().drawn(side, delay, rng)
        return Trial(trial.u, trial.target[0] - trial.target[1], info={"side": side})

    def is_correct(self, o, trial):
        return bool((o[-LAST:].mean() > 0) == (trial.info["side"] == "left"))


def generators(n, first=0):
    return [np.random.default_rng(first + k) for k in range(n)]


# ------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("cls", [Held, Plain])
def test_shorter_trials_are_filled_up_with_zeros_of_weight_0(cls):
    task = cls()
    batch = task.generate_batch(generators(12))
    alone = [task.generate_stimulus(task.draw_trial_type(rng), rng) for rng in generators(12)]
    longest = max(trial.u.shape[1] for trial in alone)
    assert len({trial.u.shape[1] for trial in alone}) > 3
    outputs = () if cls is Plain else (2,)
    assert batch.u.shape == (12, 3, longest) and batch.z.shape == batch.weight.shape == (12, *outputs, longest)
    assert list(batch.steps) == [trial.u.shape[1] for trial in alone]
    for k, trial in enumerate(alone):
        T = trial.u.shape[1]
        assert (batch.u[k, :, :T] == trial.u).all() and not batch.u[k, :, T:].any()
        assert (batch.z[k, ..., :T] == trial.target).all() and not batch.z[k, ..., T:].any()
        # o[t] is compared with z[t-1], so a trial of T steps has T - 1 comparisons.
        expected = np.ones(T) if trial.weight is None else trial.weight
        assert (batch.weight[k, ..., : T - 1] == expected[..., : T - 1]).all()
        assert not batch.weight[k, ..., T - 1 :].any()


def test_labels_conditions_and_what_scoring_gets():
    batch = Held().generate_batch(generators(8))
    sides = [trial.info["side"] for trial in batch.trials]
    assert set(sides) == {0, 1}
    assert batch.labels == [10 * side + 1 for side in sides]
    assert batch.conditions == [trial.condition for trial in batch.trials]
    assert all(batch.scored_by(k) is batch.trials[k] for k in range(8))
    plain = Plain().generate_batch(generators(8))
    # Where the trial says nothing, condition and label are the trial type.
    assert plain.conditions == plain.labels == [trial.info["side"] for trial in plain.trials]


def test_trials_of_one_length_have_no_padding():
    fixed = {"delay": 7, "delay_max": 7}
    batch = Plain(fixed).generate_batch(generators(5))
    assert batch.weight is None and batch.steps is None
    batch = Held(fixed).generate_batch(generators(5))
    T = Held(fixed).T
    assert batch.steps is None and batch.weight.shape == (5, 2, T)
    assert (batch.weight[..., : T - LAST] == 0.5).all() and (batch.weight[..., T - LAST : T - 1] == 2).all()


def test_a_weight_of_steps_holds_for_every_output():
    trial = dataclasses.replace(Held().draw_trial("left", np.random.default_rng(0)), weight=None)
    weight = np.linspace(0, 1, trial.T)
    checked = checked_trial(Held(), "left", dataclasses.replace(trial, weight=weight))
    assert (checked.weight == np.stack([weight, weight])).all()
    assert (batch_of([checked]).weight[0, :, :-1] == weight[:-1]).all()


def test_one_output_may_have_its_axis():
    task = Plain()
    trial = task.draw_trial("left", np.random.default_rng(0))
    rows = dataclasses.replace(trial, target=trial.target[None], weight=np.ones((1, trial.T)))
    checked = checked_trial(task, "left", rows)
    assert (checked.target == trial.target).all() and checked.weight.shape == (trial.T,)


def test_lists_and_integers_are_numbers():
    trial = Trial([[0, 1, 0, 1]] * 3, [[0, 0, 1, 1], [1, 1, 0, 0]], [0, 1, 1, 1], label="a")
    checked = checked_trial(Held(), "left", trial)
    assert checked.u.dtype == checked.target.dtype == checked.weight.dtype == np.float64
    assert checked.condition == "left" and checked.label == "a"


def test_a_trial_alone_is_the_trial_in_a_batch():
    task = Held()
    batch = task.generate_batch(generators(6))
    for k in (0, 3, 5):
        alone = task.generate_batch(generators(1, k))
        T = alone.u.shape[2]
        assert alone.steps is None and batch.steps[k] == T
        assert (alone.u[0] == batch.u[k, :, :T]).all() and (alone.z[0] == batch.z[k, ..., :T]).all()
        assert (alone.weight[0] == batch.weight[k, ..., :T]).all()
        assert alone.labels[0] == batch.labels[k] and alone.conditions[0] == batch.conditions[k]
        u, z, trial = task.simulate_trial(seed=k)
        assert (u == alone.u[0]).all() and (z == alone.z[0]).all() and trial.condition == alone.conditions[0]


def test_response_windows_are_those_of_the_trial_or_of_the_task():
    task = Held()
    for trial in task.generate_batch(generators(6)).trials:
        assert response_of(task, trial) == slice(trial.T - LAST, trial.T)
    tail = dataclasses.replace(trial, response=slice(-4, None))
    assert response_of(task, checked_trial(task, "left", tail)) == slice(trial.T - 4, trial.T)
    # Without one, all steps count; a task with `stim_on` and `stim_dur` has that after the stimulus.
    plain = Plain({"delay": 9, "delay_max": 9})
    assert response_of(plain, plain.draw_trial("left", np.random.default_rng(0))) == slice(0, plain.T)

    class Timed(Plain):
        defaults = {"delay": 9, "delay_max": 9, "stim_on": ON, "stim_dur": DUR}

    assert response_of(Timed(), Timed().draw_trial("left", np.random.default_rng(0))) == slice(ON + DUR, Timed().T)


def test_criteria_get_outputs_as_long_as_their_trial():
    task, T = Held(), Held().T
    batch = task.generate_batch(generators(9))
    rng, longest = np.random.default_rng(0), batch.u.shape[2]
    o = rng.normal(size=(9, 2, longest))
    z, weight = torch.tensor(batch.z), torch.tensor(batch.weight)
    scores = scores_of(task, dataclasses.replace(batch, z=z, weight=weight), torch.tensor(o), "l2")
    assert scores.outputs.shape == (9, 2, T)
    for k, trial in enumerate(batch.trials):
        own = o[k, :, : trial.T]
        assert scores.correct[k] == (own[:, trial.response].mean(1).argmax() == trial.info["side"])
        assert (scores.outputs[k, :, : trial.T] == own).all() and np.isnan(scores.outputs[k, :, trial.T :]).all()
        error = own[:, 1:] - trial.target[:, :-1]
        assert scores.losses[k] == pytest.approx(np.sqrt((trial.weight[:, :-1] * error**2).sum()), rel=1e-12)
    # The mean response of the first output tells the choice.
    first = [o[k, 0, trial.response].mean() > 0 for k, trial in enumerate(batch.trials)]
    assert scores.choices(task).tolist() == first


def test_a_network_gets_padded_trials_as_tensors():
    task = Plain()
    net = RateNetwork.from_settings(NetworkSettings(N=10, P_inh=0.3), 3, np.random.default_rng(0))
    trials, x0, noise = draw_trials(task, net, generators(7))
    assert trials.u.dtype == trials.weight.dtype == torch.float32
    longest = max(trials.steps)
    assert trials.u.shape == (7, 3, longest) and x0.shape == (7, 10) and noise.shape == (7, longest - 1, 10)


def test_examples_show_every_condition_once():
    task = Held({"delay": 5, "delay_max": 6})
    names = [trial.condition for trial in examples_of(task)]
    assert names == ["left 5", "left 6", "right 5", "right 6"]
    assert all((a.u == b.u).all() for a, b in zip(examples_of(task, 3), examples_of(task, 3), strict=True))


# -------------------------------------------------------------------------------------------------------- faults

T0 = ON + DUR + 5 + LAST  # steps of the trial of type 'left' that `change` changes
LONGEST = Held().T


def change(**fields):
    """A class whose 'right' trials are fine and whose 'left' trials have other fields."""

    class Faulty(Held):
        defaults = {"delay": 5, "delay_max": 25}

        def draw_trial(self, trial_type, rng):
            trial = self.drawn(trial_type, 5, rng)
            if trial_type == "right":
                return trial
            values = {key: make(trial) if callable(make) else make for key, make in fields.items()}
            return dataclasses.replace(trial, **values)

    return Faulty


def nan_at(array, *place):
    array = np.array(array, float)
    array[place] = np.nan
    return array


SHAPE_OF_U = f"shape (n_inputs, T) with n_inputs = 3 and T from 2 to {LONGEST}"
FAULTS = {
    "u is transposed": (change(u=lambda t: t.u.T), "u", "as the stimulus", "(3, "),
    "u has an input too few": (change(u=lambda t: t.u[:2]), f"array of shape (2, {T0})", "n_inputs is 3", f"(3, {T0})"),
    "u is longer than T": (change(u=np.zeros((3, LONGEST + 1))), f"array of shape (3, {LONGEST + 1})", SHAPE_OF_U),
    "u has one step": (change(u=np.zeros((3, 1))), "array of shape (3, 1)", SHAPE_OF_U),
    "u has no inputs": (change(u=np.zeros(T0)), f"array of shape ({T0},)", SHAPE_OF_U),
    "u is ragged": (change(u=[[0.0] * T0, [0.0], [0.0]]), "a list whose parts differ in length", SHAPE_OF_U),
    "u is nothing": (change(u=None), "returned None as the stimulus", SHAPE_OF_U),
    "u is words": (change(u=[["a"] * T0] * 3), "as the stimulus", "real numbers"),
    "u is complex": (change(u=lambda t: t.u + 1j), "complex128", "real numbers"),
    "u is NaN": (change(u=lambda t: nan_at(t.u, 1, 4)), "returned nan at input 1, step 4", "finite in float32"),
    "u is too large": (change(u=lambda t: t.u + 1e39), "at input 0, step 0", "finite in float32"),
    "target is shorter": (change(target=lambda t: t.target[:, 1:]), f"(2, {T0 - 1})", "the target", f"(2, {T0})"),
    "target is of one output": (change(target=lambda t: t.target[0]), f"({T0},)", "the target", f"shape (2, {T0})"),
    "target is of three": (change(target=np.zeros((3, T0))), f"(3, {T0})", "n_outputs is 2", f"shape (2, {T0})"),
    "target is transposed": (change(target=lambda t: t.target.T), "transposed", f"shape (2, {T0})"),
    "target is ragged": (change(target=[[0.0], [0.0, 1.0]]), "parts differ in length", f"shape (2, {T0})"),
    "target is nothing": (change(target=None), "None as the target", f"shape (2, {T0})"),
    "target is infinite": (change(target=lambda t: t.target / 0), "at output", "finite in float32"),
    "weight is shorter": (change(weight=lambda t: t.weight[:, 1:]), f"(2, {T0 - 1})", "the weight", f"(2, {T0})"),
    "weight of steps is shorter": (change(weight=np.ones(T0 - 1)), f"({T0 - 1},)", "the weight", f"({T0},)"),
    "weight is ragged": (change(weight=[[1.0], [1.0, 1.0]]), "parts differ in length", "the weight"),
    "weight is a word": (change(weight="high"), "'high'", "the weight"),
    "weight is NaN": (change(weight=lambda t: nan_at(t.weight, 1, 2)), "nan at output 1, step 2", "finite"),
    "weight is below 0": (change(weight=lambda t: t.weight - 1), "a weight of -0.5", "at least 0"),
    "weight is 0": (change(weight=np.zeros(T0)), "a weight of 0 at every step", "above 0 at a step before the last"),
    "weight is at the last step alone": (change(weight=np.eye(T0)[-1]), "a weight of 0 at every step", "before the"),
    "condition is a number": (change(condition=7), "returned the condition 7", "a name (str)"),
    "condition is an array": (change(condition=np.ones(3)), "returned the condition", "a name (str)"),
    "condition has NUL": (change(condition="a\0b"), "returned the condition", "a name (str)"),
    "label is a list": (change(label=[1, 2]), "the label [1, 2]", "a number or a word"),
    "label is empty": (change(label=""), "the label ''", "a word of 1 to"),
    "label is NaN": (change(label=np.nan), "the label nan", "a finite number"),
    "response is a pair": (change(response=(1, 5)), "the response (1, 5)", f"within the trial of {T0} steps"),
    "response is empty": (change(response=slice(9, 9)), "the response slice(9, 9", f"slice(first, {T0})"),
    "response ends later": (change(response=slice(5, T0 + 1)), f"slice(5, {T0 + 1}", f"within the trial of {T0}"),
    "response has a step": (change(response=slice(0, 9, 2)), "the response slice(0, 9, 2)", "a slice of at least"),
    "response has parts": (change(response=slice("a", "b")), "the response slice('a'", "a slice of at least"),
    "stimuli are steps": (change(stimuli=[3, 7]), "the stimuli [3, 7]", "(first step, first step after)"),
    "stimuli end first": (change(stimuli=[(7, 3)]), "the stimuli [(7, 3)]", "(first step, first step after)"),
    "stimuli end later": (change(stimuli=[(0, T0 + 1)]), f"[(0, {T0 + 1})]", f"within the trial of {T0} steps"),
    "stimuli are a word": (change(stimuli="no"), "the stimuli 'no'", "(first step, first step after)"),
    "info is a number": (change(info=3), "the info 3", "a dict"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_trial_is_one_clear_error(name):
    cls, *parts = FAULTS[name]
    with np.errstate(all="ignore"), pytest.raises(TaskError) as caught:
        check_task(cls())
    said = str(caught.value)
    assert said.startswith("task 'held': draw_trial('left') returned ") and said.count("task '") == 1
    for part in parts:
        assert part in said, (part, said)
    with np.errstate(all="ignore"), pytest.raises(TaskError, match=re.escape("draw_trial('left')")):
        cls().generate_batch(generators(8))


def test_faults_of_graded_trials_name_their_method():
    class Faulty(Held):
        def draw_graded_trial(self, trial_type, evidence, rng):
            trial = super().draw_graded_trial(trial_type, evidence, rng)
            return dataclasses.replace(trial, **self.fault)

    for fault in (dict(weight=np.zeros(3)), dict(response=slice(9, 9)), dict(condition=3), dict(u=np.zeros(9))):
        cls = type("Faulty", (Faulty,), {"fault": fault, "name": "held"})
        with pytest.raises(TaskError, match=re.escape("task 'held': draw_graded_trial('left') returned ")):
            check_task(cls())


def test_a_task_that_mixes_trials_and_pairs_is_refused():
    class Mixed(Plain):
        def draw_trial(self, trial_type, rng):
            trial = super().draw_trial(trial_type, rng)
            return trial if trial_type == "left" else (np.zeros((3, self.T)), 1)

    with pytest.raises(TaskError, match=re.escape("draw_trial('right') returned a stimulus and a label")):
        Mixed().generate_batch(generators(8))
    with pytest.raises(TaskError, match="task 'held': "):
        check_task(Mixed())


SHARED = np.zeros((3, T0))


def _moved(trial):
    SHARED[:] = np.random.default_rng().normal(size=SHARED.shape)
    return SHARED


@pytest.mark.parametrize(
    ("cls", "says"),
    [
        (change(u=lambda t: t.u + np.random.default_rng().normal()), "gives something else when it is called again"),
        (change(target=lambda t: t.target * np.random.random()), "draws from np.random"),
        (change(weight=lambda t: t.weight + np.random.default_rng().random()), "gives something else"),
        (change(condition=lambda t: f"c{np.random.default_rng().integers(10**9)}"), "gives something else"),
        (change(label=lambda t: int(np.random.default_rng().integers(10**9))), "gives something else"),
        (change(u=_moved), "an array that a later call changed"),
    ],
)
def test_trials_that_cannot_be_drawn_again_are_refused(cls, says):
    with pytest.raises(TaskError, match=re.escape("task 'held': draw_trial('left') ")) as caught:
        check_task(cls())
    assert says in str(caught.value)


def test_faulty_criteria_name_the_condition():
    class Odd(Held):
        def is_correct(self, o, trial):
            return {"left": 1.5}[trial.condition.split()[0]]

    with pytest.raises(TaskError, match=r"task 'held': is_correct\(o, trial of condition 'left \d+'\)"):
        check_task(Odd())

    class Changing(Held):
        def is_correct(self, o, trial):
            o[:] = 0
            return True

    with pytest.raises(TaskError, match="changes o; it must leave it as it is"):
        check_task(Changing())


def test_a_right_task_passes_every_check():
    for cls in (Held, Plain):
        ready_to_score(cls())
        ready_to_score(cls({"delay": 0, "delay_max": 40}))


# ------------------------------------------------------------------------------------------------ typed settings


class Typed(Plain):
    """A setting of each type."""

    name = "typed"
    defaults = {**Plain.defaults, "flip": False, "rule": "pro", "free": "any", "loads": [1, 2], "levels": [0.5, 1],
                "names": ["a", "b"], "count": 3, "share": 0.5, "bounded": 0.5, "none": []}  # fmt: skip
    choices = {"rule": ("pro", "anti"), "names": ("a", "b", "c")}
    ranges = {"count": (1, 5), "bounded": (0, 1), "loads": (1, 9)}


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("flip", True, True),
        ("flip", np.bool_(True), True),
        ("rule", "anti", "anti"),
        ("free", "whatever", "whatever"),
        ("loads", [3, 4.0], [3, 4]),
        ("loads", (9,), [9]),
        ("loads", [], []),
        ("levels", [1, 0.25], [1, 0.25]),
        ("names", ["c", "a"], ["c", "a"]),
        ("none", [1.5], [1.5]),
        ("count", 5.0, 5),
        ("count", np.int64(1), 1),
        ("delay", 0, 0),
        ("share", 2, 2),
        ("share", -1e30, -1e30),
        ("bounded", 0, 0),
        ("bounded", 1.0, 1.0),
    ],
)
def test_settings_have_the_type_of_their_default(key, given, kept):
    found = Typed({key: given}).settings[key]
    assert found == kept and type(found) is type(kept)


@pytest.mark.parametrize(
    ("key", "given", "says"),
    [
        ("flip", 1, "flip = 1; it must be true or false"),
        ("flip", "yes", "flip = 'yes'; it must be true or false"),
        ("rule", "prp", "rule = 'prp'; it must be one of pro, anti (did you mean 'pro'?)"),
        ("rule", 1, "rule = 1; it must be one of pro, anti"),
        ("free", 3.0, "free = 3.0; it must be a word"),
        ("free", True, "free = True; it must be a word"),
        ("loads", 3, "loads = 3; it must be a list of numbers"),
        ("loads", "123", "loads = '123'; it must be a list of numbers"),
        ("loads", [1, 10], "loads = [1, 10]; it must be a whole number from 1 to 9"),
        ("loads", [1, 2.5], "loads = [1, 2.5]; it must be a whole number from 1 to 9"),
        ("loads", [1, "2"], "loads = [1, '2']; it must be a whole number from 1 to 9"),
        ("levels", [True], "levels = [True]; it must be a finite number"),
        ("names", "a", "names = 'a'; it must be a list of words"),
        ("names", ["a", "d"], "names = ['a', 'd']; it must be one of a, b, c"),
        ("count", 0, "count = 0; it must be a whole number from 1 to 5"),
        ("count", 5.5, "count = 5.5; it must be a whole number from 1 to 5"),
        ("count", True, "count = True; it must be a whole number from 1 to 5"),
        ("count", None, "count = None; it must be a whole number from 1 to 5"),
        ("delay", -1, "delay = -1; it must be a whole number of steps from 0 to 1,000,000"),
        ("delay", 10**7, "delay = 10000000; it must be a whole number of steps from 0 to 1,000,000"),
        ("delay", float("nan"), "delay = nan; it must be a whole number of steps"),
        ("share", float("inf"), "share = inf; it must be a finite number"),
        ("share", "much", "share = 'much'; it must be a finite number"),
        ("share", [0.5], "share = [0.5]; it must be a finite number"),
        ("bounded", 1.01, "bounded = 1.01; it must be a number from 0 to 1"),
        ("bounded", float("nan"), "bounded = nan; it must be a number from 0 to 1"),
        ("bounded", False, "bounded = False; it must be a number from 0 to 1"),
        ("dely", 3, "unknown setting 'dely' (did you mean 'delay'?)"),
    ],
)
def test_other_values_are_refused(key, given, says):
    with pytest.raises(ValueError, match=re.escape(f"typed: {says}")) as caught:
        Typed({key: given})
    assert "\n" not in str(caught.value)


def test_defaults_are_not_shared_between_tasks():
    first = Typed()
    first.settings["loads"].append(7)
    assert Typed().settings["loads"] == [1, 2] and Typed.defaults["loads"] == [1, 2]

"""Stimuli, targets and scores against docs/model.md 2."""

import numpy as np
import pytest

from ratecore.tasks import AbstractTask, GoNogoTask, ManteTask, TaskFactory, XORTask
from ratecore.tasks.checks import ready_to_score


def test_go_nogo_trial():
    task = GoNogoTask()
    u, z, label = task.simulate_trial("go")
    assert u.shape == (1, 200) and label == 1
    assert u[0].sum() == 25 and u[0, 50:75].all()
    assert z[:75].sum() == 0 and z[75:].all()
    u, z, label = task.simulate_trial("nogo")
    assert not u.any() and not z.any() and label == 0


@pytest.mark.parametrize(
    ("kind", "label", "target"), [("++", "same", 1), ("--", "same", 1), ("+-", "diff", -1), ("-+", "diff", -1)]
)
def test_xor_trial(kind, label, target):
    u, z, given = XORTask().simulate_trial(kind)
    sign = {"+": 1, "-": -1}
    assert given == label
    assert (u[0, 50:100] == sign[kind[0]]).all() and np.count_nonzero(u[0]) == 50
    assert (u[1, 110:160] == sign[kind[1]]).all() and np.count_nonzero(u[1]) == 50
    assert (z[170:270] == target).all() and np.count_nonzero(z) == 100


@pytest.mark.parametrize(("kind", "row"), [("motion", 0), ("color", 1)])
def test_mante_trials(kind, row):
    task = ManteTask()
    labels, aligned, other = [], [], []
    for seed in range(400):
        u, z, label = task.simulate_trial(kind, seed)
        assert not u[:2, :50].any() and not u[:2, 250:].any()
        assert u[2 + row].all() and not u[3 - row].any()
        assert not z[:250].any() and (z[250:] == label).all()
        labels.append(label)
        aligned.append(label * u[row, 50:250])
        other.append(label * u[1 - row, 50:250])
    # 400 x 200 samples of N(0.5, 1): standard error 0.0035; labels: binomial, 4 sd = 80 of 400.
    assert abs(np.mean(aligned) - 0.5) < 4 * 0.0036
    assert abs(np.std(aligned) - 1) < 0.02
    assert abs(np.mean(other)) < 4 * 0.5 / 20
    assert abs(sum(labels)) < 80


@pytest.mark.parametrize("name", ["go-nogo", "xor", "mante"])
def test_trial_types_are_equally_likely(name):
    task = TaskFactory.create_task(name)
    rng = np.random.default_rng(1)
    n = 4000
    counts = dict.fromkeys(task.trial_types, 0)
    for _ in range(n):
        counts[task.draw_trial_type(rng)] += 1
    p = 1 / len(counts)
    for count in counts.values():
        assert abs(count - n * p) < 4 * np.sqrt(n * p * (1 - p))


def _output(T, value, at):
    o = np.zeros(T)
    o[at] = value
    return o


@pytest.mark.parametrize(
    ("task", "o", "label", "correct"),
    [
        (GoNogoTask(), _output(200, 0.71, 75), 1, True),
        (GoNogoTask(), _output(200, 0.70, 75), 1, False),
        (GoNogoTask(), _output(200, 0.9, 74), 1, False),
        (GoNogoTask(), _output(200, 0.29, 199), 0, True),
        (GoNogoTask(), _output(200, -0.31, 199), 0, False),
        (XORTask(), _output(300, 0.71, 170), "same", True),
        (XORTask(), _output(300, 0.71, 169), "same", False),
        (XORTask(), _output(300, -0.71, 299), "diff", True),
        (XORTask(), _output(300, -0.70, 299), "diff", False),
        (ManteTask(), _output(500, 0.71, 300), 1, True),
        (ManteTask(), _output(500, 0.71, 299), 1, False),
        (ManteTask(), _output(500, -0.71, 499), -1, True),
        (ManteTask(), _output(500, 0.71, 499), -1, False),
    ],
)
def test_scores(task, o, label, correct):
    assert task.is_correct(o, label) is correct


def test_same_seed_same_trial_alone_or_in_a_batch():
    task = ManteTask()
    u, z, labels, _ = task.generate_batch([np.random.default_rng(s) for s in (3, 4)])
    alone_u, alone_z, alone_label = task.simulate_trial(seed=4)
    assert (u[1] == alone_u).all() and (z[1] == alone_z).all() and labels[1] == alone_label


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (
            GoNogoTask,
            {"stim_onn": 3},
            r"unknown setting 'stim_onn' \(did you mean 'stim_on'\?\); allowed: T, stim_on, stim_dur",
        ),
        (GoNogoTask, {"stim_on": 190}, "ends at step 215, outside a trial of T = 200"),
        (GoNogoTask, {"stim_dur": 0}, "stim_dur = 0; it must be >= 1"),
        (GoNogoTask, {"stim_on": -1}, "stim_on = -1; it must be a whole number"),
        (GoNogoTask, {"T": 99.5}, "T = 99.5; it must be a whole number"),
        (XORTask, {"T": 170}, "response starts at step 170, outside a trial of T = 170"),
        (ManteTask, {"offset": 0}, "offset = 0; it must be above 0"),
        (ManteTask, {"offset": float("nan")}, "offset = nan; it must be a finite number"),
    ],
)
def test_bad_settings_are_named(cls, settings, message):
    with pytest.raises(ValueError, match=message):
        cls(settings)


def test_bad_names_and_types():
    with pytest.raises(ValueError, match=r"unknown task 'go-nog' \(did you mean 'go-nogo'\?\)"):
        TaskFactory.create_task("go-nog")
    with pytest.raises(ValueError, match="unknown trial type 'stop'; allowed: go, nogo"):
        GoNogoTask().simulate_trial("stop")
    with pytest.raises(TypeError, match="is not a subclass of AbstractTask"):
        TaskFactory.register_task("mine", int)
    with pytest.raises(ValueError, match="a name is made of letters, digits"):
        TaskFactory.register_task("../mine", XORTask)
    with pytest.raises(ValueError, match="'go-nogo' is already the task"):
        TaskFactory.register_task("go-nogo", XORTask)


def test_tasks_that_cannot_be_are_named():
    class Nameless(GoNogoTask):
        name = "nameless"
        defaults = {"T": 20}

        def draw_trial(self, trial_type, rng):
            return np.zeros((1, self.T)), 1

    with pytest.raises(ValueError, match="no settings stim_on and stim_dur.*`response_window`.*`stimulus_end`"):
        ready_to_score(Nameless())

    class Odd(GoNogoTask):
        name = "odd"

        def draw_trial(self, trial_type, rng):
            return np.zeros((1, self.T)), None

    with pytest.raises(ValueError, match="task 'odd': draw_trial.* returned the label None; it must be a number"):
        Odd().generate_batch([np.random.default_rng(0)])

    class Open(GoNogoTask):
        response_window = slice(180, None)

    assert Open().response_steps == (180, 200)


def test_registry():
    names = TaskFactory.list_available_tasks()
    assert names == sorted(names) and {"go-nogo", "mante", "xor"} <= set(names)
    assert isinstance(TaskFactory.create_task("go_nogo"), GoNogoTask)
    with pytest.raises(TypeError):
        AbstractTask()


def test_conditions_and_graded_evidence():
    task = ManteTask()
    rng = np.random.default_rng(0)
    sums = []
    for _ in range(300):
        u, label = task.draw_graded_trial("color", -0.5, rng)
        assert label == -1 and u[3].all() and not u[2].any()
        sums.append(u[1, 50:250].mean())
    # Half the offset of 0.5 with the other sign; 300 x 200 samples of SD 1.
    assert abs(np.mean(sums) + 0.25) < 4 / np.sqrt(300 * 200)
    batch = task.generate_batch([np.random.default_rng(s) for s in range(40)])
    for u, label, condition in zip(batch.u, batch.labels, batch.conditions, strict=True):
        assert condition == f"{'motion' if u[2].all() else 'color'} {'+' if label > 0 else '-'}"
    xor = XORTask().generate_batch([np.random.default_rng(s) for s in range(40)])
    for u, condition in zip(xor.u, xor.conditions, strict=True):
        assert condition == "".join("+" if row.sum() > 0 else "-" for row in u)

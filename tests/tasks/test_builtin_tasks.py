"""The built-in tasks against independent statements of them, which read each trial's target from its inputs alone."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from ratecore.rate.evaluation import evaluate
from ratecore.rate.training import train
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.tasks import AbstractTask, TaskFactory, Trial
from ratecore.tasks.checks import check_task
from ratecore.tasks.examples import examples_of

GRACE = 5  # steps of a response that are not scored


def shown(u):
    """First step, first step after and input of each stimulus, in the order of time."""
    found = []
    for row, values in enumerate(u):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], values != 0, [0]]).astype(int)))
        found += [(int(a), int(b), row) for a, b in edges.reshape(-1, 2)]
    return sorted(found)


def pieces(T, *parts):
    """A target that is 0 but for parts (first, after, value)."""
    z = np.zeros(T)
    for first, after, value in parts:
        z[first:after] = value
    return z


def oscillation(u, s):
    ((_, end, _),) = shown(u)
    after = np.arange(u.shape[1]) - end
    return np.where(after >= 0, np.sin(2 * np.pi * after / s["period"]), 0)


def delayed_match(u, s):
    (_, a_end, a), (b_on, b_end, b) = shown(u)
    hold = s["hold"] * np.linspace(1, -1, s["n_stimuli"])[a]
    return pieces(u.shape[1], (a_end, b_on, hold), (b_end + s["response_delay"], None, 1 if a == b else -1))


def parametric_memory(u, s):
    ((f1, _), (f2, end)) = [(u[0, on], end) for on, end, row in shown(u) if row == 1]
    return pieces(u.shape[1], (end + s["response_delay"], None, 1 if f1 > f2 else -1))


def random_dots(u, s):
    go = int(u[1].sum())
    return pieces(u.shape[1], (go, None, np.sign(u[0, s["stim_on"]])))


def ready_set_go(u, s):
    (ready, _, a), (start, _, b) = shown(u)
    assert (a, b) == (0, 1)
    interval = start - ready
    return np.interp(np.arange(u.shape[1]), [start, start + interval], [0, 1])


def sternberg(u, s):
    probe_on, probe_end, _ = next(window for window in shown(u) if window[2] == s["n_items"])
    listed = {row for on, _, row in shown(u) if on < probe_on}
    (probe,) = np.flatnonzero(u[: s["n_items"], probe_on])
    return pieces(u.shape[1], (probe_end + s["response_delay"], None, 1 if probe in listed else -1))


def oddball(u, s):
    return pieces(u.shape[1], *((end, end + s["response_dur"], row) for _, end, row in shown(u)))


def n_back(u, s):
    items = shown(u)
    answers = [(now[1], now[1] + s["response_dur"], 1 if now[2] == before[2] else -1)
               for before, now in zip(items, items[s["n_back"] :], strict=False)]  # fmt: skip
    return pieces(u.shape[1], *answers)


def mante_features(u, s):
    k = s["n_features"]
    assert u[k:].sum() == u.shape[1] and set(u[k:].sum(1)) <= {0, u.shape[1]}
    cued = u[k:, 0].argmax()
    start = s["stim_on"] + s["stim_dur"]
    assert not u[:k, : s["stim_on"]].any() and not u[:k, start:].any()
    return pieces(u.shape[1], (start + s["response_delay"], None, np.sign(u[cued, s["stim_on"]])))


def pro_anti(u, s):
    go, n = int(u[0].sum()), s["n_places"]
    place = np.exp(2j * np.pi * u[3:, s["stim_on"]].argmax() / n) * (1 if u[1, 0] else -1)
    return np.stack([pieces(u.shape[1], (go, None, place.real)), pieces(u.shape[1], (go, None, place.imag))])


def few_weights(name, u, s):
    """Steps whose loss does not count, of the tasks that have some."""
    if name in ("oddball", "n-back"):
        return [end + k for _, end, _ in shown(u) for k in range(GRACE)]
    start = {"random-dots": 1, "random-dots-delay": 1, "pro-anti": 0}
    return [int(u[start[name]].sum()) + k for k in range(GRACE)] if name in start else []


# name: statement, inputs, outputs, steps at most, conditions, whether trials differ in length, settings without noise
TASKS = {
    "oscillation": (oscillation, 1, 1, 270, 1, False, {}),
    "delayed-match": (delayed_match, 2, 1, 340, 2, False, {}),
    "parametric-memory": (parametric_memory, 2, 1, 290, 2, False, {}),
    "random-dots": (random_dots, 2, 1, 180, 6, False, {"noise": 0}),
    "random-dots-delay": (random_dots, 2, 1, 280, 6, True, {"noise": 0}),
    "ready-set-go": (ready_set_go, 2, 1, 200, 3, True, {}),
    "sternberg": (sternberg, 4, 1, 175, 4, True, {}),
    "oddball": (oddball, 2, 1, 260, 5, False, {}),
    "n-back": (n_back, 2, 1, 220, 4, False, {}),
    "mante-features": (mante_features, 6, 1, 190, 6, False, {"noise": 0}),
    "pro-anti": (pro_anti, 7, 2, 160, 8, False, {}),
}
# Other settings, under which the same statements hold
MORE = {
    "oscillation": [{"period": 33, "stim_on": 0}],
    "delayed-match": [{"delay": 300}, {"delay": 0, "delay_jitter": 40, "n_stimuli": 5}, {"hold": 0}],
    "parametric-memory": [{"delay_jitter": 50, "difference": 0.05}],
    "random-dots": [{"delay": 7, "delay_jitter": 3, "noise": 0}],
    "ready-set-go": [{"n_intervals": 1}, {"interval": 20, "interval_max": 200, "n_intervals": 9}],
    "sternberg": [{"n_items": 9, "load": 2, "load_max": 8}, {"gap": 1, "delay_jitter": 60, "load_max": 1}],
    "oddball": [{"p_odd": 0.7, "n_stimuli": 9}],
    "n-back": [{"n_back": 2, "n_stimuli": 9}, {"n_items": 7, "n_back": 3}],
    "mante-features": [{"n_features": 1, "noise": 0}, {"n_features": 7, "noise": 0}],
    "pro-anti": [{"n_places": 8, "delay_jitter": 30}, {"n_places": 2, "delay": 0}],
}
CASES = [(name, {}) for name in TASKS] + [(name, settings) for name in MORE for settings in MORE[name]]


def drawn(task, n=30, first=0):
    return task.generate_batch([np.random.default_rng(first + k) for k in range(n)]).trials


def opposite(name, trial):
    return 1 - trial.target if name == "oddball" else -trial.target


def test_all_are_there():
    names = set(TaskFactory.list_available_tasks())
    assert names >= {"go-nogo", "mante", "xor", *TASKS}
    with pytest.raises(ValueError, match=r"unknown task 'sternburg' \(did you mean 'sternberg'\?\)"):
        TaskFactory.create_task("sternburg")
    assert TaskFactory.create_task("Ready_Set_Go").name == "ready-set-go"


@pytest.mark.parametrize("name", TASKS)
def test_sizes_and_conditions(name):
    _, n_in, n_out, T, n_conditions, differ, _ = TASKS[name]
    task = TaskFactory.create_task(name)
    assert (task.n_inputs, task.n_outputs, task.T) == (n_in, n_out, T)
    assert len(examples_of(task)) == n_conditions
    trials = drawn(task, 60)
    assert max(trial.T for trial in trials) <= T and (len({trial.T for trial in trials}) > 1) == differ
    if not differ:
        assert trials[0].T == T
    assert set(task.descriptions) >= set(task.defaults) and set(task.ranges) >= set(task.defaults)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_target_and_weight_follow_from_the_inputs(name, settings):
    statement, *_, quiet = TASKS[name]
    task = TaskFactory.create_task(name, {**quiet, **settings})
    for trial in drawn(task):
        assert np.abs(trial.target - statement(trial.u, task.settings)).max() < 1e-12
        weight = np.ones(trial.T)
        weight[few_weights(name, trial.u, task.settings)] = 0
        assert (np.ones(trial.T) if trial.weight is None else trial.weight == weight).all()
        assert all(0 <= on < end < trial.T for on, end in trial.stimuli)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_target_is_correct_and_its_opposite_is_not(name, settings):
    task = TaskFactory.create_task(name, settings)
    rng = np.random.default_rng(0)
    for trial in drawn(task):
        late = np.concatenate([np.zeros_like(trial.target[..., :1]), trial.target[..., :-1]], -1)  # as o[t] is trained
        noisy = trial.target + 0.05 * rng.standard_normal(trial.target.shape)
        for score in (task.is_correct, task.is_correct_spiking):
            assert score(trial.target, trial) is True and score(late, trial) is True and score(noisy, trial) is True
            assert score(opposite(name, trial), trial) is False
            if name != "oddball" or 1 in trial.target:
                assert score(np.zeros_like(trial.target), trial) is False


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_wrong_by_the_check_of_users_tasks(name):
    cls = TaskFactory.task_class(name)
    check_task(type(cls.__name__, (cls,), {"__module__": __name__})())


@pytest.mark.parametrize("name", TASKS)
def test_a_trial_drawn_again_alone_is_the_same(name):
    task = TaskFactory.create_task(name)
    batch = drawn(task, 8)
    for k in (0, 3, 7):
        (alone,) = drawn(TaskFactory.create_task(name), 1, k)
        for field in ("u", "target", "weight"):
            assert np.array_equal(getattr(alone, field), getattr(batch[k], field))
        assert (alone.label, alone.condition, alone.response) == (batch[k].label, batch[k].condition, batch[k].response)


LIMITS = [
    (name, key, end) for name in TASKS for key in TaskFactory.task_class(name).defaults for end in (0, 1)
]  # fmt: skip
# What the other settings have to be for a setting to be at its limit
WITH = {
    ("oscillation", "period", 1): {"response_dur": 10_000},
    ("oscillation", "response_dur", 0): {"period": 4, "response_dur": 4},
    ("ready-set-go", "pulse", 1): {"interval": 10_000, "interval_max": 10_000},
    ("ready-set-go", "interval", 0): {"pulse": 5},
    ("ready-set-go", "interval", 1): {"interval_max": 10_000},
    ("ready-set-go", "interval_max", 0): {"interval": 5, "pulse": 5},
    ("sternberg", "n_items", 0): {"load_max": 1},
    ("sternberg", "load", 1): {"load_max": 99, "n_items": 100},
    ("sternberg", "load_max", 1): {"n_items": 100},
    ("n-back", "n_back", 1): {"n_stimuli": 300},
}


@pytest.mark.parametrize(("name", "key", "end"), LIMITS)
def test_settings_at_their_limits(name, key, end):
    cls = TaskFactory.task_class(name)
    low, high = cls.ranges[key]
    value = (low, high)[end]
    task = cls({key: value, **WITH.get((name, key, end), {})})
    (trial,) = drawn(task, 1)
    assert trial.T <= task.T and task.is_correct(trial.target, trial)
    outside = (low - 1, high + 1)[end]
    with pytest.raises(ValueError, match=rf"^{name}: {key} = .*; it must be (a whole )?(a )?number .*from") as caught:
        cls({key: outside, **{k: v for k, v in WITH.get((name, key, end), {}).items() if k != key}})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("oscillation", {"period": 300}, "response_dur = 240; it must be at least one period of 300 steps"),
        ("ready-set-go", {"interval": 90}, "interval = 90; it must be at most 80, the setting interval_max"),
        ("ready-set-go", {"pulse": 50}, "pulse = 50; it must be at most 40, the setting interval, so that Ready ends"),
        ("sternberg", {"load": 2, "load_max": 1}, "load = 2; it must be at most 1, the setting load_max"),
        ("sternberg", {"load_max": 3}, "load_max = 3; it must be at most 2, so that an item is left"),
        ("n-back", {"n_back": 4}, "n_back = 4; it must be at most 3, so that at least one stimulus"),
        ("pro-anti", {"n_places": 3}, "n_places = 3; it must be an even number"),
        ("oddball", {"p_odd": 1.5}, "p_odd = 1.5; it must be a number from 0 to 1"),
        ("delayed-match", {"dely": 3}, r"unknown setting 'dely' \(did you mean 'delay'\?\)"),
        ("mante-features", {"noise": -1}, "noise = -1; it must be a number from 0 to 100"),
    ],
)
def test_settings_that_do_not_fit_each_other(name, settings, message):
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        TaskFactory.create_task(name, settings)


# ------------------------------------------------------------------------------------------------------ statistics


def close(count, n, p):
    return abs(count - n * p) <= 4 * np.sqrt(n * p * (1 - p))


@pytest.mark.parametrize(
    ("name", "settings", "read", "shares"),
    [
        ("delayed-match", {}, lambda t: (t.condition, int(t.u[0, 20] == 0)), 4),
        ("parametric-memory", {}, lambda t: t.condition, 2),
        ("random-dots", {}, lambda t: t.condition, 6),
        ("ready-set-go", {}, lambda t: t.condition, 3),
        ("sternberg", {}, lambda t: t.condition, 4),
        ("mante-features", {"noise": 0}, lambda t: (t.u[3:, 0].argmax(), *np.sign(t.u[:3, 20]).tolist()), 24),
        ("pro-anti", {}, lambda t: t.condition, 8),
        ("n-back", {}, lambda t: tuple(t.info["answers"]), 8),
        ("n-back", {"n_items": 4}, lambda t: t.info["items"][0], 4),
        ("sternberg", {}, lambda t: int(t.u[:3, t.stimuli[-1][0]].argmax()), 3),
        ("delayed-match", {"delay": 10, "delay_jitter": 4}, lambda t: t.stimuli[1][0] - t.stimuli[0][1], 5),
        ("random-dots-delay", {"delay_jitter": 4}, lambda t: t.response.start - t.stimuli[0][1], 5),
        ("sternberg", {"delay_jitter": 2}, lambda t: t.stimuli[-1][0] - t.stimuli[-2][1], 3),
        ("pro-anti", {"delay_jitter": 3}, lambda t: t.response.start - t.stimuli[0][1], 4),
        ("parametric-memory", {"delay_jitter": 1}, lambda t: t.stimuli[1][0] - t.stimuli[0][1], 2),
    ],
)
def test_what_is_drawn_has_the_same_probability(name, settings, read, shares):
    n = 600
    counts = Counter(read(trial) for trial in drawn(TaskFactory.create_task(name, settings), n))
    assert len(counts) == shares and all(close(count, n, 1 / shares) for count in counts.values()), counts


@pytest.mark.parametrize("p", [0.3, 0.5, 0.7, 0.0, 1.0])
def test_oddballs_are_as_frequent_as_they_are_to_be(p):
    trials = drawn(TaskFactory.create_task("oddball", {"p_odd": p}), 300)
    odd = [is_odd for trial in trials for is_odd in trial.info["odd"]]
    assert len(odd) == 1200 and close(sum(odd), 1200, p)
    assert all(trial.condition == f"{trial.label.count('O')} odd" for trial in trials)


def test_noise_has_its_standard_deviation_and_its_mean():
    for name, settings, rows in (("random-dots", {"noise": 1.5}, 1), ("mante-features", {"noise": 0.5}, 3)):
        task = TaskFactory.create_task(name, settings)
        values = []
        for trial in drawn(task, 60):
            part = trial.u[:rows, 20:120]
            values.append(part - part.mean(1, keepdims=True))
        sd, n = np.std(values) * np.sqrt(100 / 99), np.size(values)
        assert abs(sd / settings["noise"] - 1) < 4 / np.sqrt(2 * n)
    quiet = drawn(TaskFactory.create_task("parametric-memory", {"noise": 0.3}), 40)
    residuals = [trial.u[0, 20:70] - trial.info["f1"] for trial in quiet]
    assert abs(np.std(residuals) / 0.3 - 1) < 4 / np.sqrt(2 * np.size(residuals))


def test_graded_evidence_is_in_the_inputs():
    dots = TaskFactory.create_task("random-dots", {"noise": 0})
    for level in dots.evidence_levels:
        trial = dots.draw_graded_trial("motion", level, np.random.default_rng(1))
        assert np.allclose(trial.u[0, 20:120], 2 * level) and trial.label == np.sign(level)
    memory = TaskFactory.create_task("parametric-memory")
    for k, level in enumerate(memory.evidence_levels):
        trial = memory.draw_graded_trial("f1, f2", level, np.random.default_rng(k))
        f1, f2 = trial.u[0, 20], trial.u[0, 170]
        assert f1 - f2 == pytest.approx(0.2 * level) and min(f1, f2) >= 0 and max(f1, f2) <= 1
        assert np.allclose(trial.u[1, 20:70], 1 - f1) and trial.label == np.sign(level)
    features = TaskFactory.create_task("mante-features", {"noise": 0})
    for kind in features.trial_types:
        trial = features.draw_graded_trial(kind, -0.25, np.random.default_rng(2))
        cued = int(kind[-1]) - 1
        assert np.allclose(trial.u[cued, 20:120], -0.125) and trial.label == -1
        assert {abs(v) for k, v in enumerate(trial.u[:3, 20]) if k != cued} == {0.5}
    for task in (dots, memory, features):
        assert any(v < 0 for v in task.evidence_levels) and any(v > 0 for v in task.evidence_levels)


# -------------------------------------------------------------------------------------------------------- criteria


@pytest.mark.parametrize("name", ["delayed-match", "parametric-memory", "random-dots", "sternberg", "mante-features"])
def test_answers_must_be_half_way_at_least(name):
    task = TaskFactory.create_task(name)
    for trial in drawn(task, 10):
        answer = trial.target[-1]
        for height, correct in ((0.51, True), (0.49, False), (-1, False)):
            o = np.full(trial.T, -answer)
            o[trial.response.start + GRACE :] = height * answer  # what comes before is not scored
            assert task.is_correct(o, trial) is correct


def test_every_response_of_a_sequence_counts():
    for name in ("oddball", "n-back"):
        task = TaskFactory.create_task(name)
        for trial in drawn(task, 10):
            for window in trial.info["windows"]:
                o = trial.target.copy()
                o[window] = opposite(name, trial)[window]
                assert task.is_correct(o, trial) is False


def test_produced_intervals_may_be_off_by_the_tolerance():
    task = TaskFactory.create_task("ready-set-go", {"tolerance": 0.2})
    for trial in drawn(task, 10):
        start, interval = trial.response.start, trial.info["interval"]
        for factor, correct in ((0.7, False), (0.85, True), (1.15, True), (1.3, False)):
            ramp = np.clip((np.arange(trial.T) - start) / (interval * factor), 0, 1)
            assert task.is_correct(ramp, trial) is correct, factor


def test_an_oscillation_may_be_shifted_when_it_spikes_and_not_otherwise():
    task = TaskFactory.create_task("oscillation")
    (trial,) = drawn(task, 1)
    step = np.arange(task.T - 30)

    def wave(lag, height=1.0, period=80):
        o = np.zeros(task.T)
        o[30:] = height * np.sin(2 * np.pi * (step - lag) / period)
        return o

    for o, rate, spiking in (
        (wave(3), True, True),
        (wave(12), False, True),
        (wave(-12), False, True),
        (wave(40), False, False),
        (wave(0, 0.5), False, False),
        (wave(0, 1, 60), False, False),
    ):
        assert (task.is_correct(o, trial), task.is_correct_spiking(o, trial)) == (rate, spiking)


def test_the_eye_must_stay_and_then_go_to_the_nearest_place():
    task = TaskFactory.create_task("pro-anti", {"n_places": 8})
    for trial in drawn(task, 10):
        go = trial.response.start
        for turned, correct in ((0, True), (20, True), (-20, True), (25, False), (180, False)):
            o, angle = trial.target.copy(), np.deg2rad(turned)
            x, y = trial.target[:, go:]
            o[:, go:] = np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y])
            assert task.is_correct(o, trial) is correct, turned
        early = trial.target.copy()
        early[:, 10:go] = trial.target[:, go:][:, :1]
        assert task.is_correct(early, trial) is False
        assert task.is_correct(0.4 * trial.target, trial) is False


# ------------------------------------------------------------------------------------------------------- names


def test_a_task_of_ones_own_may_take_a_name_but_those_of_the_paper(monkeypatch):
    monkeypatch.setattr(TaskFactory, "_tasks", dict(TaskFactory._tasks))

    class Own(AbstractTask):
        defaults, trial_types = {"T": 20}, ("a",)

        def draw_trial(self, trial_type, rng):
            return Trial(np.zeros((1, 20)), np.zeros(20))

    TaskFactory.register_task("oddball", Own)
    assert TaskFactory.task_class("oddball") is Own
    with pytest.raises(ValueError, match="'mante' is already the task ratecore.tasks.mante.ManteTask"):
        TaskFactory.register_task("mante", dataclasses.make_dataclass("Own", [], bases=(Own,)))
    with pytest.raises(ValueError, match="'oddball' is already the task"):
        TaskFactory.register_task("oddball", type("Other", (Own,), {}))


# ------------------------------------------------------------------------------------------------------- training


@pytest.mark.slow
@pytest.mark.parametrize("name", ["oscillation", "oddball", "random-dots"])
def test_a_small_network_learns_it(name):
    run = RunSettings(task=name, seed=1, network={"N": 60}, training={"n_trials": 1500})
    result = train(run)
    assert result.trained
    scores = evaluate(run.create_task(), result.net, 1, EvaluationSettings(n_trials=50, psychometric_trials=0)).scores
    assert scores.accuracy > 0.85

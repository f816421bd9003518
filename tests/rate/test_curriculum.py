"""Curricula: when stages end, what changes with them, and that nothing depends on where a training is interrupted."""

import numpy as np
import pytest
import torch
from conftest import small_settings
from test_checkpoints import StopsAfter, assert_same

from ratecore.experiment.checkpoints import Checkpoints
from ratecore.rate.block import train_block
from ratecore.rate.training import Training, train
from ratecore.settings.base import SettingsError
from ratecore.settings.training import TrainingSettings
from ratecore.tasks import GoNogoTask

EASY, NEVER = dict(loss_threshold=1e9, accuracy_threshold=0.0), dict(loss_threshold=1e-9)
# Lengths of trials, batches, rates of learning, losses and tests that change from stage to stage.
STAGES = [
    dict(n_trials=60, task_settings={"T": 40}, min_trials=21, **EASY),
    dict(n_trials=100, batch_size=7, learning_rate=0.003, eval_freq=15, eval_tr=8, min_trials=0, **EASY),
    dict(n_trials=50, task_settings={"T": 80, "stim_dur": 20}, loss_fn="l1", **NEVER),
]


def curriculum(stages=STAGES, **training):
    return small_settings(training=dict(n_trials=50, eval_freq=20, eval_tr=10, stages=stages, **training))


@pytest.fixture(autouse=True)
def half_of_the_trials_are_correct(monkeypatch):
    monkeypatch.setattr(GoNogoTask, "is_correct", lambda self, o, label: label == 0)


def test_each_stage_ends_by_its_own_criterion():
    result = train(curriculum())
    # 40 is the first test of stage 1 with 21 trials; 15 and 30 of stage 2 come after 21 and 35 of its trials.
    by_stage = {k: [t["trial"] for t in result.tests if t["stage"] == k] for k in (1, 2, 3)}
    assert by_stage == {1: [20, 40], 2: [61], 3: [81, 101, 111]}
    assert result.ended == [40, 61] and not result.trained and result.n_trials == 111
    assert len(result.losses) == 40 + 3 + 50
    last = train(curriculum([*STAGES[:2], STAGES[2] | EASY | dict(min_trials=0)]))
    assert last.trained and last.ended == [40, 61, 81] and last.n_trials == 81
    stuck = train(curriculum([STAGES[0] | NEVER, *STAGES[1:]]))
    assert not stuck.trained and stuck.ended == [] and stuck.n_trials == 60  # the next stage does not begin


def test_a_stage_is_a_training_of_its_task():
    # The first stage of a curriculum, and a training with its settings alone, are the same to the bit.
    settings = curriculum()
    alone = train(settings.in_stage(0))
    result = train(curriculum([*STAGES[:1], STAGES[1] | dict(n_trials=1, **NEVER)]))
    assert alone.trained and alone.n_trials == 40
    assert result.losses[:40] == alone.losses and result.tests[1]["loss"] == alone.tests[1]["loss"]


def test_stages_change_the_task_and_the_settings(monkeypatch):
    seen = []
    took = Training.took

    def spy(self, loss):
        seen.append((self.stage, self.task.T, len(self.upcoming), self.learning_rate, self.stage_settings.loss_fn))
        took(self, loss)

    monkeypatch.setattr(Training, "took", spy)
    result = train(curriculum(schedule="step", schedule_trials=20, schedule_factor=0.5))
    assert set(seen) == {
        (0, 40, 1, 0.01, "l2"),
        (0, 40, 1, 0.005, "l2"),
        (1, 60, 7, 0.003, "l2"),
        (2, 80, 1, 0.01, "l1"),
        (2, 80, 1, 0.005, "l1"),
        (2, 80, 1, 0.0025, "l1"),
    }
    assert result.last_test.outputs.shape == (10, 80)


@pytest.mark.parametrize(
    "training",
    [{}, dict(schedule="exponential", schedule_trials=30)],
    ids=str,
)
def test_an_interrupted_curriculum_ends_as_if_it_had_not_been(tmp_path, training):
    settings = curriculum(**training)
    whole = train(settings)
    for trials in (15, 39, 40, 41, 54, 61, 62, 90):  # within stages, right before a border, at it and after it
        with pytest.raises(SystemExit):
            train(settings, checkpoints=StopsAfter(tmp_path, settings, trials=trials))
    resumed = train(settings, checkpoints=Checkpoints(tmp_path, settings))
    assert_same(resumed, whole)
    assert resumed.ended == whole.ended and {t["stage"] for t in resumed.tests} == {1, 2, 3}


def test_tests_of_stages_use_trials_of_their_own():
    training = Training(curriculum())
    drawn = []
    for ended, tests in (([], []), ([], [1]), ([40], [1, 1]), ([40], [1, 1, 2]), ([40, 61], [1, 1, 2, 2])):
        training.result.ended, training.result.tests = ended, [dict(stage=k, trial=0) for k in tests]
        training._enter()
        drawn += [rng.bit_generator.random_raw() for rng in training.test_generators()]
    assert len(drawn) == 10 + 10 + 8 + 8 + 10 and len(set(drawn)) == len(drawn)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"n_trials": 5}, "training.stages = .*give a list of stages"),
        ([{"n_trails": 5}], "unknown setting .training.stages.0..n_trails. .*did you mean 'n_trials'"),
        ([{}, {"learning_rate": 0}], r"stages\[1\]\.learning_rate = 0.*greater than 0"),
        ([{"task_settings": {"delay": 5}}, {}], "delay"),
        ([{"task_settings": {"T": 5}}, {}], "T"),
    ],
)
def test_faulty_stages_are_named(stages, message):
    with pytest.raises(SettingsError, match=message):
        curriculum(stages)


def test_identity():
    plain, empty = small_settings(), small_settings(training=small_settings().training.model_dump())
    assert plain.identity() == empty.identity()
    base, ids = curriculum(), set()
    for change in (
        base,
        curriculum(STAGES[:2]),
        curriculum([*STAGES[:2], STAGES[2] | dict(eval_tr=11)]),
        curriculum([dict(STAGES[0], task_settings={"T": 41}), *STAGES[1:]]),
    ):
        ids.add(change.identity("training"))
    assert len(ids) == 4
    # A setting of the task that the last stage replaces still counts in the first.
    last = [{}, {"task_settings": {"stim_dur": 12}}]
    short, long = (
        small_settings(task_settings={"T": 60, "stim_on": 10, "stim_dur": d}, training=dict(stages=last))
        for d in (5, 6)
    )
    assert short.identity("training") != long.identity("training")
    assert short.create_task().settings == long.create_task().settings
    assert TrainingSettings().identity_values().keys() == {
        *("n_trials", "batch_size", "learning_rate", "loss_fn", "loss_threshold", "accuracy_threshold"),
        *("eval_freq", "eval_tr"),
    }


def test_networks_of_a_block_go_through_their_stages_each_on_its_own(monkeypatch):
    # Their criterion is met after different numbers of trials, so that some are in one stage and some in the next.
    monkeypatch.setattr(GoNogoTask, "is_correct", lambda self, o, label: label == 0)
    stages = [dict(stage, accuracy_threshold=0.5) for stage in STAGES[:2]] + STAGES[2:]
    changes = dict(optimizer="sgd", penalties=dict(rate_square=0.1, distance=0.5), keep_weights=30, learning_rate=1e-4)
    settings = [curriculum(stages, **changes).model_copy(update={"seed": seed}) for seed in range(4)]
    kept, seen = [], []
    outcomes = dict(
        train_block(
            settings,
            on_test=lambda k, r: seen.append((k, r.tests[-1]["stage"])),
            on_keep=lambda k, r: kept.append((k, r.n_trials, r.net.w_out.detach().clone())),
        )
    )
    assert len({tuple(result.ended) for result in outcomes.values()}) > 1
    for k, result in outcomes.items():
        own = []
        alone = train(settings[k], on_keep=lambda r, own=own: own.append((r.n_trials, r.net.w_out.detach().clone())))
        assert (result.ended, result.n_trials, result.trained) == (alone.ended, alone.n_trials, alone.trained)
        assert [(t["trial"], t["stage"], t["accuracy"]) for t in result.tests] == [
            (t["trial"], t["stage"], t["accuracy"]) for t in alone.tests
        ]
        np.testing.assert_allclose(result.losses, alone.losses, rtol=1e-3)
        assert [trial for i, trial, _ in kept if i == k] == [trial for trial, _ in own]
        for (_, _, one), (_, two) in zip([entry for entry in kept if entry[0] == k], own, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
        assert [stage for i, stage in seen if i == k] == [t["stage"] for t in alone.tests]


def test_a_block_that_is_interrupted_at_a_border_goes_on_as_if_it_had_not_been(tmp_path):
    settings = [curriculum(optimizer="sgd", learning_rate=1e-4, momentum=0.5)]
    ((_, whole),) = train_block(settings)
    for trials in (30, 40, 50, 61):
        given = StopsAfter(tmp_path, settings[0], trials=trials)
        given.signals.received = None

        def write(result, given=given, trials=trials):
            Checkpoints.write(given, result)
            if result.n_trials >= trials:
                given.signals.received = 15

        given.write = write
        with pytest.raises(SystemExit):
            list(train_block(settings, results=[given.load()], checkpoints=[given]))
    ((_, result),) = train_block(settings, results=[Checkpoints(tmp_path, settings[0]).load()])
    assert_same(result, whole)
    assert result.ended == whole.ended

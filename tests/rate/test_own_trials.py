"""Training on trials of random length with two outputs: fused, torch and block agree; checkpoints; losses of a task."""

import copy

import numpy as np
import pytest
import torch
from conftest import small_settings

from ratecore import AbstractTask, TaskFactory, Trial
from ratecore.rate.block import train_block
from ratecore.rate.evaluation import evaluate
from ratecore.rate.losses import TaskLoss, trial_losses
from ratecore.rate.training import Training, initial_network, train
from ratecore.rate.updates import TorchUpdates, make_updates
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.tasks.values import TaskError

LOSSES = ["l2", "l1", "mse", "huber", "cross_entropy"]


class Choice(AbstractTask):
    """Two inputs, the larger of which the two outputs report, over 14 to 24 steps with a weight of the answer."""

    defaults = {"T": 24}
    trial_types = ("first", "second")
    n_outputs = 2

    def draw_trial(self, trial_type, rng):
        steps, k = int(rng.integers(14, 25)), self.trial_types.index(trial_type)
        u, target, weight = rng.standard_normal((2, steps)) * 0.1, np.full((2, steps), 0.5), np.full(steps, 0.25)
        u[k, 3:8] += 1
        target[:, 8:] = np.eye(2)[:, [k]]
        weight[8:] = 1
        return Trial(u, target, weight, response=slice(8, steps))

    def is_correct(self, o, trial):
        assert o.shape == trial.target.shape
        return bool(o[:, -3:].mean(1).argmax() == trial.target[:, -1].argmax())


class Own(Choice):
    """The same with its own loss: a weighted mean of fourth powers."""

    name = "own"

    def loss(self, o, z, weight):
        assert o.shape == z.shape == weight.shape
        return (weight * (o - z) ** 4).sum((1, 2)) / weight.sum((1, 2))


def settings(loss_fn="mse", batch_size=8, task="choice", **changes):
    for name, kind in (("choice", Choice), ("own", Own)):
        TaskFactory.register_task(name, kind)
    training = dict(n_trials=32, eval_freq=16, eval_tr=8, batch_size=batch_size, loss_fn=loss_fn, accuracy_threshold=1)
    return small_settings(task=task, task_settings={}, training=training | changes, network=dict(N=12, P_inh=0.3))


def by_torch(settings):
    """`train` with torch's updates."""
    training = Training(settings)
    updates = TorchUpdates(training.result.net, settings.training, training.own_loss)
    while True:
        if training.test_due:
            training.test()
        if training.over:
            return training.result
        trials, x0, noise = training.draw()
        training.took(updates.update(trials.u, trials.z, x0, noise, trials.weight))


def same(a, b, bound):
    assert a.losses == pytest.approx(b.losses, rel=bound)
    assert [t["loss"] for t in a.tests] == pytest.approx([t["loss"] for t in b.tests], rel=bound)
    for name, value in a.net.named_parameters():
        # Adam turns the rounding of a slope near 0 into a step of up to the learning rate.
        assert torch.allclose(value, dict(b.net.named_parameters())[name], rtol=bound, atol=bound), name


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("loss_fn", LOSSES)
def test_every_engine_trains_the_same_network(loss_fn, batch_size):
    runs = settings(loss_fn, batch_size)
    fused = train(runs)
    assert len(fused.losses) == 32 // batch_size and fused.net.n_out == 2
    same(fused, by_torch(runs), 2e-3)
    blocks = [runs, runs.model_copy(update={"seed": 1})]
    for index, result in train_block(blocks):
        same(train(blocks[index]), result, 2e-3)


def test_training_improves_the_answers():
    runs = settings("cross_entropy", 4, n_trials=1600, eval_freq=800, eval_tr=60)
    result = train(runs)
    assert result.tests[0]["loss"] > result.tests[-1]["loss"] and result.tests[-1]["accuracy"] > 0.9
    scores = evaluate(runs.create_task(), result.net, 0, runs.evaluation, "cross_entropy").scores
    assert scores.outputs.shape == (20, 2, 24)
    for o, trial in zip(scores.outputs, scores.trials, strict=True):
        assert np.isfinite(o[:, : trial.T]).all() and np.isnan(o[:, trial.T :]).all()


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("loss_fn", ["cross_entropy", "task"])
def test_a_resumed_training_has_the_same_bits(loss_fn, batch_size):
    runs = settings(loss_fn, batch_size, "own")
    whole = train(runs)

    class Stop(Exception):
        pass

    class Now:
        """Checkpoints that are due before every update, and stop after half of them."""

        def __init__(self, saved=None):
            self.saved, self.stops = saved, saved is None

        def load(self, device):
            return self.saved

        def due(self):
            return True

        def save(self, result):
            self.saved = copy.deepcopy(result)
            if self.stops and result.n_trials >= 16:
                raise Stop

    first = Now()
    with pytest.raises(Stop):
        train(runs, checkpoints=first)
    resumed = train(runs, checkpoints=Now(first.saved))
    assert resumed.losses == whole.losses
    assert [t["loss"] for t in resumed.tests] == [t["loss"] for t in whole.tests]
    for name, value in whole.net.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, resumed.net.state_dict()[name]), name


def test_a_batch_of_test_trials_has_the_scores_of_each_alone():
    runs = settings()
    net, task = initial_network(runs), runs.create_task()
    from ratecore.rate.evaluation import score_trials
    from ratecore.system.streams import stream

    generators = lambda ks: [stream(0, "test", k) for k in ks]  # noqa: E731
    together = score_trials(task, net, "huber", generators(range(9)))
    for k in range(9):
        alone = score_trials(task, net, "huber", generators([k]))
        assert alone.losses[0] == pytest.approx(together.losses[k], rel=1e-5)
        np.testing.assert_allclose(alone.outputs[0], together.outputs[k], rtol=1e-4, atol=1e-6)


# --------------------------------------------------------------------------------------------------- a task's own loss


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_tasks_own_loss_trains_alone_and_in_blocks(batch_size):
    runs = settings("task", batch_size, "own")
    result = train(runs)
    assert type(make_updates(result.net, runs.training, TaskLoss(runs.create_task()))) is TorchUpdates
    blocks = [runs, runs.model_copy(update={"seed": 1})]
    for index, other in train_block(blocks):
        same(train(blocks[index]), other, 2e-3)
    scores = evaluate(runs.create_task(), result.net, 0, runs.evaluation, "task").scores
    for o, trial, loss in zip(scores.outputs, scores.trials, scores.losses, strict=True):
        weight = np.broadcast_to(trial.weight, trial.target.shape)[:, :-1]
        error = o[:, 1 : trial.T] - trial.target[:, :-1]
        assert loss == pytest.approx((weight * error**4).sum() / weight.sum(), rel=1e-5)


def test_networks_of_a_block_may_have_batches_of_other_sizes():
    # A network that goes on from a checkpoint may have fewer trials left; the others' own loss must not become NaN.
    runs = settings("task", 8, "own", n_trials=20)
    blocks = [runs, runs.model_copy(update={"seed": 1})]
    begun = train(blocks[0].model_copy(update={"training": runs.training.model_copy(update={"n_trials": 5})}))
    begun.trained = False
    alone = {}
    for index, given in enumerate([copy.deepcopy(begun), None]):

        class Saved:
            def load(self, device, given=given):
                return given

            def due(self):
                return False

        alone[index] = train(blocks[index], checkpoints=Saved())
    for index, other in train_block(blocks, results=[begun, None]):
        assert np.isfinite(other.losses).all()
        same(alone[index], other, 2e-3)


WRONG = {
    "one number": (lambda o, z, weight: (o - z).square().mean(), r"a tensor of shape \(\) .* of shape \(2,\)"),
    "every step": (lambda o, z, weight: (o - z).square(), r"a tensor of shape \(2, 2, 23\)"),
    "a number": (lambda o, z, weight: 1.0, r"loss\(o, z, weight\) returned .*1\.0; it must be a tensor of 2 losses"),
    "detached": (lambda o, z, weight: (o - z).detach().square().sum((1, 2)), "losses without a gradient"),
    "numpy": (lambda o, z, weight: torch.tensor((o.detach().numpy() ** 2).sum((1, 2))), "losses without a gradient"),
    "not of o": (lambda o, z, weight: torch.zeros(2, requires_grad=True) + 1, "do not depend on o"),
    "error": (lambda o, z, weight: o @ z, r"loss\(o, z, weight\) raised .*"),
    "nan": (lambda o, z, weight: (o - 2).log().sum((1, 2)), "gives NaN or infinity"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_loss_with_a_fault_is_named_before_training(case, monkeypatch):
    loss, message = WRONG[case]
    runs = settings("task", 8, "own")
    monkeypatch.setattr(Own, "loss", lambda self, *args: loss(*args))
    with pytest.raises(TaskError, match=message):
        train(runs)


@pytest.mark.parametrize(
    ("loss_fn", "message"),
    [
        ("cross_entropy", "it compares several outputs, and task 'go-nogo' has 1; use l2"),
        ("task", r"task 'go-nogo' has no loss of its own; add to GoNogoTask: def loss\(self, o, z, weight\)"),
    ],
)
def test_losses_that_a_task_cannot_have_are_named_with_the_settings(loss_fn, message):
    with pytest.raises(SettingsError, match=f"training.loss_fn = '{loss_fn}': {message}"):
        RunSettings(training={"loss_fn": loss_fn})


def _target(change, weight=None):
    """A trial of 20 steps with two outputs of 0.5, of which some numbers are changed."""
    target = np.full((2, 20), 0.5)
    change(target)
    return Trial(np.zeros((2, 20)), target, weight)


def _at(step, *values):
    def change(target):
        target[:, step] = values

    return change


UNWEIGHTED = np.arange(20) > 4
NO_PROBABILITIES = {
    "negative": (_at(7, -0.1, 1.1), [-0.1, 1.1], 7),
    "sum above 1": (_at(3, 0.5, 0.6), [0.5, 0.6], 3),
    "none": (_at(0, 0, 0), [0.0, 0.0], 0),
    "a little": (_at(5, 0.5, 0.50001), [0.5, 0.50001], 5),
    "the step before the last": (_at(18, 1, 1), [1.0, 1.0], 18),
}


@pytest.mark.parametrize("by_label", [True, False], ids=["label", "trial"])
@pytest.mark.parametrize("case", NO_PROBABILITIES)
def test_targets_of_cross_entropy_that_are_no_probabilities_are_named_before_any_job(case, by_label):
    change, values, step = NO_PROBABILITIES[case]

    class Wrong(Choice):
        defaults = {"T": 20, "stim_on": 1, "stim_dur": 2}

        def draw_trial(self, trial_type, rng):
            trial = _target(change if trial_type == "second" else _at(0, 0.3, 0.7))
            return (trial.u, trial_type) if by_label else trial

        def generate_target(self, label):
            return _target(change if label == "second" else _at(0, 0.3, 0.7)).target

        def is_correct(self, o, label):
            return True

    TaskFactory.register_task("choice", Wrong)
    method = "generate_target" if by_label else "draw_trial"
    shown = rf"{method}\('second'\) returned the target \[{values[0]}, {values[1]}\] at step {step}; it must be a prob"
    with pytest.raises(SettingsError, match=f"training.loss_fn = 'cross_entropy': task 'choice': {shown}"):
        small_settings(task="choice", task_settings={}, training={"loss_fn": "cross_entropy"})
    small_settings(task="choice", task_settings={}, training={"loss_fn": "l2"})


@pytest.mark.parametrize(
    ("change", "weight"),
    [
        (_at(3, 0, 0), UNWEIGHTED),
        (_at(3, -1, 5), np.stack([UNWEIGHTED, UNWEIGHTED])),
        (_at(19, 0, 0), None),  # the last step is compared with nothing
        (_at(5, 0.3, 0.7 + 5e-7), None),
        (_at(5, 0, 1), None),
    ],
    ids=["not weighted", "by output", "last step", "rounding", "one of them"],
)
def test_targets_of_cross_entropy_need_be_probabilities_only_where_they_count(change, weight):
    class Right(Choice):
        defaults = {"T": 20}

        def draw_trial(self, trial_type, rng):
            return _target(change, weight)

        def is_correct(self, o, trial):
            return True

    TaskFactory.register_task("choice", Right)
    small_settings(task="choice", task_settings={}, training={"loss_fn": "cross_entropy"})


def test_a_built_in_task_with_other_targets_cannot_have_cross_entropy():
    with pytest.raises(
        SettingsError, match=r"'pro-anti': draw_trial\('.*'\) returned the target .* at step 0; it must be a"
    ):
        RunSettings(task="pro-anti", training={"loss_fn": "cross_entropy"})


def test_the_loss_of_the_default_settings_is_in_their_identity_as_before():
    assert RunSettings().identity_values()["training"]["loss_fn"] == "l2"


def test_a_tasks_own_loss_takes_any_leading_dimensions():
    own = TaskLoss(Own())
    o, z = torch.rand(3, 4, 2, 9), torch.rand(3, 4, 2, 10)
    weight = torch.rand(3, 4, 2, 10)
    losses = trial_losses(o, z, own, weight, 2)
    assert losses.shape == (3, 4)
    assert torch.allclose(losses[1, 2], trial_losses(o[1, 2][None], z[1, 2][None], own, weight[1, 2][None], 2)[0])

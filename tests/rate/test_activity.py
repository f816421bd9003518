"""Activity of trials drawn again: against the float64 reference, and to the bit against the evaluation's outputs."""

import io

import numpy as np
import pytest
import reference
import torch
from test_own_trials import Choice

from ratecore import AbstractTask, NetworkSettings, TaskFactory
from ratecore.formats.npz import evaluation_bytes
from ratecore.rate.activity import trial_activity
from ratecore.rate.dynamics import trials_are_independent
from ratecore.rate.evaluation import draw_trials, evaluate
from ratecore.rate.network import RateNetwork
from ratecore.settings.training import EvaluationSettings
from ratecore.system.streams import stream

SEED = 3
DENSE = dict(apply_dale=False, P_rec=0.9)


class Batches(AbstractTask):
    """A user's task that makes its own batches."""

    defaults = {"T": 30}
    n_inputs = 1
    trial_types = ("up", "down")
    stimulus_end = 20

    def draw_trial(self, trial_type, rng):
        return np.full((1, 30), rng.normal()), 1 if trial_type == "up" else -1

    def generate_target(self, label):
        return np.full(30, float(label))

    def is_correct(self, o, label):
        return bool(o[-1] * label > 0)

    def generate_batch(self, generators):
        batch = super().generate_batch(generators)
        batch.u[:] = np.sign(batch.u)
        return batch


def network(task, sparse_by=0.0, **settings):
    """A network as it starts, with a share of its connections silenced as training silences them."""
    net = RateNetwork.from_settings(
        NetworkSettings(**{"N": 30, "taus": (4, 20)} | settings), task.n_inputs, 5, n_out=task.n_outputs
    )
    with torch.no_grad():
        net.w[torch.from_numpy(np.random.default_rng(1).random((net.N, net.N)) < sparse_by)] = -1.0
        net.w_out.mul_(30)
    return net


CASES = {
    "small": ("go-nogo", {}),
    "large": ("xor", dict(N=200, sparse_by=0.7)),
    "dense": ("mante", DENSE),
    "large dense": ("mante", dict(N=200, **DENSE)),
    "clipped": ("mante", dict(activation="clipped_relu", gain=1.2)),
    "softplus": ("go-nogo", dict(activation="softplus", noise_sd=0.05)),
    "noisy inputs": ("go-nogo", dict(input_noise_sd=0.3)),
    "several outputs": ("pro-anti", dict(sparse_by=0.5)),
    "two tasks": (["go-nogo", "xor"], {}),
    "lengths differ": (Choice, dict(N=60)),
    "lengths differ, dense": (Choice, DENSE),
    "own batches": (Batches, {}),
}


def case(name):
    given, settings = CASES[name]
    if isinstance(given, list):
        task = TaskFactory.create_task("+".join(given))
    else:
        task = TaskFactory.create_task(given) if isinstance(given, str) else given()
    return task, network(task, **settings)


def same_bits(activity, scores, chosen):
    """Whether all that the evaluation knows of some trials is the same in their activity."""
    for mine, theirs in (
        (activity.scores.outputs, scores.outputs[chosen]),
        (activity.scores.losses, scores.losses[chosen]),
        (activity.scores.correct, scores.correct[chosen]),
        (activity.scores.conditions, scores.conditions[chosen]),
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert list(activity.scores.labels) == [scores.labels[k] for k in chosen]
    np.testing.assert_array_equal(activity.o.astype(float), scores.outputs[chosen])


@pytest.mark.parametrize("n_trials", [7, 103])
@pytest.mark.parametrize("name", CASES)
def test_trials_are_those_of_the_evaluation_to_the_bit(name, n_trials):
    task, net = case(name)
    scores = evaluate(task, net, SEED, EvaluationSettings(n_trials=n_trials)).scores
    for chosen in (range(n_trials), [n_trials - 1], [2, 0], [1, n_trials - 1, 1]):
        same_bits(trial_activity(task, net, SEED, chosen, n_trials=n_trials), scores, list(chosen))


@pytest.mark.parametrize("name", CASES)
def test_one_trial_alone_is_that_in_the_file_of_the_evaluation(name):
    task, net = case(name)
    evaluation = evaluate(task, net, SEED, EvaluationSettings(n_trials=20))
    with np.load(io.BytesIO(evaluation_bytes(evaluation))) as file:
        for k in (0, 13, 19):
            activity = trial_activity(task, net, SEED, [k], n_trials=20)
            np.testing.assert_array_equal(activity.scores.outputs[0], file["outputs"][k])
            assert activity.scores.losses[0] == file["losses"][k]
            # Each trial is scored in double precision, and simulated in single precision.
            np.testing.assert_array_equal(activity.o[0], file["outputs"][k].astype(np.float32))
            assert activity.o.dtype == np.float32


@pytest.mark.parametrize("name", [name for name in CASES if name != "two tasks"])
def test_states_are_those_of_the_equations(name):
    task, net = case(name)
    s = net.settings
    p = {
        n: getattr(net, n).detach().double().numpy() for n in ("w", "m", "som_m", "w_in", "w_out", "b_out", "taus_gaus")
    }
    p |= {"taus": s.taus, "dale": s.apply_dale, "act": s.activation}
    activity = trial_activity(task, net, SEED, [0, 1, 5], n_trials=20)
    for row, k in enumerate([0, 1, 5]):
        trials, x0, noise = draw_trials(task, net, [stream(SEED, "evaluation", k)])
        n = trials.u.shape[2]
        u = trials.u[0].double().numpy()
        x, r, o = reference.forward(p, u, x0[0].double().numpy(), noise[0].double().numpy())
        assert activity.steps[row] == n
        np.testing.assert_allclose(activity.x[row, :n], x, atol=2e-3 if s.activation != "sigmoid" else 2e-5, rtol=1e-3)
        np.testing.assert_allclose(activity.r[row, :n], r, atol=2e-3 if s.activation != "sigmoid" else 2e-5, rtol=1e-3)
        np.testing.assert_array_equal(activity.u[row, :, :n], trials.u[0].numpy())
        np.testing.assert_array_equal(activity.z[row, ..., :n], trials.z[0].numpy())
        first = np.atleast_2d(p["w_out"] @ r[0] + p["b_out"]).T
        whole = np.concatenate([first, np.atleast_2d(o)], 1)
        np.testing.assert_allclose(np.atleast_2d(activity.o[row, ..., :n]), whole, atol=2e-2, rtol=1e-3)
        for array, axis in ((activity.x, 0), (activity.r, 0), (activity.o, -1), (activity.u, -1), (activity.z, -1)):
            after = np.moveaxis(array[row], axis, 0)[n:]
            assert np.isnan(after).all() and not np.isnan(np.moveaxis(array[row], axis, 0)[:n]).any()
            assert len(after) == task.T - n


def test_both_kinds_of_loops_are_tested():
    independent = {name: trials_are_independent(case(name)[1], 20) for name in CASES}
    assert not independent["dense"] and not independent["large dense"] and independent["large"]
    assert independent["small"] and trials_are_independent(case("small")[1], 4)


def test_trials_beyond_the_evaluation_continue_its_stream():
    task, net = case("small")
    more = evaluate(task, net, SEED, EvaluationSettings(n_trials=30)).scores
    same_bits(trial_activity(task, net, SEED, [29, 5], n_trials=20), more, [29, 5])


def test_other_streams_and_losses():
    task, net = case("small")
    trials, x0, _ = draw_trials(task, net, [stream(SEED, "test", 2)])
    activity = trial_activity(task, net, SEED, [2], stream_name="test", loss_fn="mse")
    np.testing.assert_array_equal(activity.u[0], trials.u[0].numpy())
    np.testing.assert_array_equal(activity.x[0, 0], x0[0].numpy())
    error = activity.o[0, 1:].astype(float) - activity.z[0, :-1]
    assert activity.scores.losses[0] == pytest.approx(np.mean(error**2), rel=1e-5)


@pytest.mark.parametrize("numbers", [[], [-1], [0.5], 3, "evaluation"])
def test_wrong_numbers_are_refused(numbers):
    task, net = case("small")
    with pytest.raises(ValueError, match="numbers = .*numbers of trials, whole and at least 0"):
        trial_activity(task, net, SEED, numbers)


def test_an_unknown_stream_is_refused():
    task, net = case("small")
    with pytest.raises(ValueError, match="stream_name = 'trials'; allowed: initialisation, trial, test, evaluation"):
        trial_activity(task, net, SEED, [0], stream_name="trials")

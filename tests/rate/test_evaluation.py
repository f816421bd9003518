"""Scores against trials scored one at a time, and against an analytic case."""

import numpy as np
import pytest
import torch

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.compat.rate_network import eval_rnn
from ratecore.rate.dynamics import draw_noise, outputs, run
from ratecore.rate.evaluation import draw_trials, evaluate, psychometric_curve
from ratecore.rate.losses import loss_op
from ratecore.settings.training import EvaluationSettings
from ratecore.system.streams import stream
from ratecore.tasks import GoNogoTask, ManteTask


def test_scores_are_those_of_single_trials(trained):
    settings, result, evaluation = trained
    task, scores = settings.create_task(), evaluation.scores
    for k in range(20):
        trials, x0, noise = draw_trials(task, result.net, [stream(settings.seed, "evaluation", k)])
        with torch.no_grad():
            _, r, o = run(result.net, trials.u, x0=x0, noise=noise, engine="torch")
        assert o[0, 0] == pytest.approx((r[0, 0] @ result.net.w_out[0] + result.net.b_out).item(), abs=1e-6)
        np.testing.assert_allclose(scores.outputs[k], o[0].numpy(), atol=2e-6)
        assert scores.losses[k] == pytest.approx(float(loss_op(o[0], trials.z[0], {})), rel=1e-5)
        assert scores.labels[k] == trials.labels[0]
        assert scores.correct[k] == task.is_correct(scores.outputs[k], scores.labels[k])
    assert scores.accuracy == np.mean(scores.correct) and scores.loss == pytest.approx(np.mean(scores.losses))
    for name, row in scores.by_condition().items():
        of = scores.conditions == name
        np.testing.assert_allclose(row["output_sd"], scores.outputs[of].std(0))
        assert row["n"] == of.sum()
    assert sum(row["n"] for row in scores.by_condition().values()) == 20


def test_more_trials_than_a_chunk(trained):
    settings, result, _ = trained
    task = settings.create_task()
    few = evaluate(task, result.net, 0, EvaluationSettings(n_trials=100))
    many = evaluate(task, result.net, 0, EvaluationSettings(n_trials=130))
    assert len(many.scores.losses) == 130
    np.testing.assert_array_equal(many.scores.outputs[:100], few.scores.outputs)


def constant_output(value, n_in):
    """A network whose output is `value` whatever happens: no readout weights, only the bias."""
    net = FR_RNN_dale.from_settings(NetworkSettings(N=4, P_inh=0.0), n_in, 0)
    with torch.no_grad():
        net.w_out.zero_()
        net.b_out.fill_(value)
    return net


def test_constant_outputs_have_the_scores_of_the_criterion():
    silent = evaluate(GoNogoTask(), constant_output(0.0, 1), 1, EvaluationSettings(n_trials=60)).summary()
    assert silent["conditions"]["nogo"]["accuracy"] == 1 and silent["conditions"]["go"]["accuracy"] == 0
    assert silent["conditions"]["nogo"]["loss"] == 0
    # o = 0 against the target of a Go trial, 1 for steps 75 .. 198 of the 199 compared: sqrt(124).
    assert silent["conditions"]["go"]["loss"] == pytest.approx(np.sqrt(124), rel=1e-6)
    assert silent["conditions"]["go"]["response_mean"] == 0
    high = evaluate(ManteTask(), constant_output(0.8, 4), 1, EvaluationSettings(n_trials=60, psychometric_trials=2))
    assert {k: v["accuracy"] for k, v in high.summary()["conditions"].items()} == {
        "color +": 1.0,
        "color -": 0.0,
        "motion +": 1.0,
        "motion -": 0.0,
    }
    assert all(row["p_positive"] == 1 for row in high.psychometric) and len(high.psychometric) == 16
    assert all(row["accuracy"] == (row["evidence"] > 0) for row in high.psychometric)


def test_psychometric_curve_follows_the_evidence():
    # A network that reads its motion input out linearly: the choice is the sign of the evidence, mostly.
    net = FR_RNN_dale.from_settings(NetworkSettings(N=2, P_inh=0.0, P_rec=0.0, taus=(50,)), 4, 0)
    with torch.no_grad():
        net.w_in.zero_()
        net.w_in[:, 0] = torch.tensor([1.0, -1.0])
        net.w_out.copy_(torch.tensor([[1.0, -1.0]]))
    rows = psychometric_curve(ManteTask(dict(stim_dur=440)), net, 0, 40)
    motion = {row["evidence"]: row["p_positive"] for row in rows if row["trial_type"] == "motion"}
    assert motion[-1.0] < 0.1 and motion[1.0] > 0.9 and motion[-0.5] < 0.5 < motion[0.5]
    color = [row["p_positive"] for row in rows if row["trial_type"] == "color"]
    # Uncued: each choice is as likely at every level; 320 trials, 4 standard errors.
    assert abs(np.mean(color) - 0.5) < 4 * 0.5 / np.sqrt(320)


def test_seed_package_eval_rnn():
    net = FR_RNN_dale.from_settings(NetworkSettings(N=7), 1, 0)
    u = GoNogoTask().generate_stimulus("go")[0]
    o, r, x = eval_rnn(net, {"taus": [4, 20], "DeltaT": 1, "task": "go-nogo"}, u, "cpu")
    assert len(o) == 199 and len(r) == len(x) == 200 and x[0].shape == (7, 1)
    assert all(type(v) is float for v in o) and isinstance(r[0], np.ndarray) and isinstance(x[0], np.ndarray)
    relu = eval_rnn(net, {}, u, "cpu", {"activation": "clipped_relu"})
    assert min(v.min() for v in relu[1]) == 0 < min(v.min() for v in r)


@pytest.mark.parametrize("dale", [True, False])
@pytest.mark.parametrize("activation", ["sigmoid", "clipped_relu", "softplus"])
def test_outputs_of_many_trials_are_those_of_the_equations(activation, dale):
    # Without Dale's law a dense product is used, unless few connections are there.
    for P_rec, batch in ((0.1, 1), (0.2, 49), (0.9, 100)):
        for dtype, bound in ((torch.float64, 1e-11), (torch.float32, 2e-5)):
            settings = NetworkSettings(N=21, P_inh=0.4, P_rec=P_rec, apply_dale=dale, activation=activation)
            net = FR_RNN_dale.from_settings(settings, 2, 1, dtype=dtype)
            u = torch.as_tensor(np.random.default_rng(0).standard_normal((batch, 2, 30)), dtype=dtype)
            x0, noise = draw_noise(batch, 30, 21, 3, dtype)
            _, r, o = run(net, u, x0=x0, noise=noise, engine="torch")
            truth = (r @ net.w_out[0] + net.b_out).detach()
            assert torch.allclose(o, truth, atol=bound)
            found = outputs(net, u, x0, noise)
            assert found.dtype == dtype and not found.requires_grad
            assert float((found - truth).norm() / truth.norm()) < bound

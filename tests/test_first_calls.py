"""The first calls that a person tries with `import ratecore as rate`: each works, or says in one sentence how."""

import numpy as np
import pytest
import torch

import ratecore as rate


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the calls of the tables may use."""
    task = rate.GoNogoTask()
    net = rate.FR_RNN_dale.from_settings(rate.NetworkSettings(N=20), 1, rng=0)
    two = rate.FR_RNN_dale.from_settings(rate.NetworkSettings(N=20), 2, rng=0, n_out=2)
    u, label = task.generate_stimulus("go", seed=0)
    return {
        "rate": rate, "np": np, "torch": torch, "task": task, "net": net, "two": two, "u": u, "label": label,
        "batch": task.generate_batch(5, seed=1), "three": rate.TaskFactory.create_task("xor").generate_batch(3).u,
        "o": rate.run(net, u)[2], "folder": str(tmp_path_factory.mktemp("empty")),
    }  # fmt: skip


WORK = {
    # A trial or several, whatever the array is
    "[v.shape for v in rate.run(net, u)]": [(200, 20), (200, 20), (200,)],
    "[v.shape for v in rate.run(net, u.tolist())]": [(200, 20), (200, 20), (200,)],
    "[v.shape for v in rate.run(net, torch.tensor(u))]": [(200, 20), (200, 20), (200,)],
    "[v.shape for v in rate.run(net, u.astype(int))]": [(200, 20), (200, 20), (200,)],
    "[v.shape for v in rate.run(net, u[None])]": [(1, 200, 20), (1, 200, 20), (1, 200)],
    "[v.shape for v in rate.run(net, batch.u)]": [(5, 200, 20), (5, 200, 20), (5, 200)],
    "[v.shape for v in rate.run(net, batch)]": [(5, 200, 20), (5, 200, 20), (5, 200)],
    "[v.shape for v in rate.run(net, batch.u.tolist())]": [(5, 200, 20), (5, 200, 20), (5, 200)],
    "[v.shape for v in rate.run(two, three)]": [(3, 300, 20), (3, 300, 20), (3, 2, 300)],
    "[v.shape for v in rate.run(two, three[0])]": [(300, 20), (300, 20), (2, 300)],
    "rate.run(net, u, x0=np.zeros(20), noise=np.zeros((199, 20)))[2].shape": (200,),
    "rate.run(net, u, x0=np.zeros((1, 20)), noise=np.zeros((1, 199, 20)))[2].shape": (200,),
    "rate.run(net, u, x0=[0] * 20, noise=np.zeros((199, 20)).tolist())[0].shape": (200, 20),
    "len(net(u)[3]), net(batch.u)[3].shape": (199, (5, 199)),  # as published: without the output of the first step
    # Batches
    "task.generate_batch(7).u.shape": (7, 1, 200),
    "task.generate_batch(np.int64(2), seed=3).z.shape": (2, 200),
    "task.generate_batch(np.random.default_rng(0)).u.shape": (1, 1, 200),
    "task.generate_batch([np.random.default_rng(k) for k in range(3)]).u.shape": (3, 1, 200),
    "task.generate_batch(np.random.default_rng(k) for k in range(3)).u.shape": (3, 1, 200),
    # Scores
    "len(rate.evaluate(net, task).scores.losses)": 100,
    "len(rate.evaluate(task, net).scores.losses)": 100,
    "len(rate.evaluate(net=net, task=task, n_trials=7).scores.losses)": 7,
    "rate.evaluate(net, task, n_trials=7).scores.outputs.shape": (7, 200),
    "len(rate.evaluate(task, net, 3, rate.EvaluationSettings(n_trials=4), 'l1').scores.losses)": 4,
    "task.is_correct(np.ones(200), 1), task.is_correct([1] * 200, 1), task.is_correct(torch.ones(200), 1)": (True,) * 3,
    "task.is_correct(torch.zeros(1, 200, requires_grad=True), 1)": False,
    "task.is_correct_spiking([0.0] * 200, 0)": True,
    "rate.loss_op(o, task.generate_target(label), {}).shape": (),
    "rate.loss_op(rate.run(net, batch)[2], batch.z, {}).shape": (),
    # Names
    "rate.GoNogoTask().T": 200,
    "rate.GoNogoTask({'T': 100}).T": 100,
    "rate.TaskFactory.create_task('mante').n_inputs": 4,
    "rate.TaskFactory.create_task('go_nogo').name": "go-nogo",
    "rate.SpikingSettings().dt, rate.ConversionSettings().n_trials": (0.05, 100),
    "rate.spiking.simulate(net, 50, u).out.ndim": 1,
}

MATRIX = "it must be (n_in, T) for one trial or (B, n_in, T) for B trials, with n_in = 1 inputs"
SAY_HOW = {
    "rate.run(net, u.T)": (ValueError, MATRIX + " of the network; it seems to be transposed, give stim.T"),
    "rate.run(net, batch.u.transpose(0, 2, 1))": (ValueError, "its last two dimensions seem to be swapped"),
    "rate.run(net, u[0])": (ValueError, f"stim has shape (200,); {MATRIX}"),
    "rate.run(net, batch.u[:, 0])": (ValueError, f"stim has shape (5, 200); {MATRIX}"),
    "rate.run(net, batch.u[None])": (ValueError, f"stim has shape (1, 5, 1, 200); {MATRIX}"),
    "rate.run(net, [[0, 1], [0]])": (ValueError, "stim is no array of numbers"),
    "rate.run(net, u * np.nan)": (ValueError, "stim holds NaN"),
    "rate.run(net, u, x0=np.zeros(19))": (ValueError, "x0 has shape (1, 19); it must be (1, 20)"),
    "rate.run(net, None)": (TypeError, "stim is None; it must be an array (n_in, T): u, label = task.generate_stim"),
    "rate.run(net, task)": (TypeError, "stim is GoNogoTask"),
    "rate.run(net, task.generate_stimulus())": (
        TypeError,
        "give the stimulus alone: u, label = task.generate_stimulus()",
    ),
    "rate.run(u, net)": (TypeError, "net is an array of shape (1, 200) and dtype float64; it must be a network: run("),
    "rate.run('net.mat', u)": (TypeError, "it must be a network, as ratecore.load_network(path) returns it"),
    "net.run(u)": (AttributeError, "call ratecore.run(net, u)"),
    "net.simulate(u)": (AttributeError, "a network has no method simulate; call ratecore.run(net, u), or net(u)"),
    "net.evaluate(task)": (AttributeError, "call ratecore.evaluate(net, task)"),
    "net.fit()": (AttributeError, "call ratecore.train(ratecore.RunSettings("),
    "net.anything": (AttributeError, "object has no attribute 'anything'"),
    "task.generate_batch(0)": (ValueError, "the number of trials must be at least 1"),
    "task.generate_batch('7')": (ValueError, "it must be the number of trials, generate_batch(100), or a numpy.random"),
    "task.generate_batch(None)": (ValueError, "it must be the number of trials, generate_batch(100)"),
    "task.generate_batch([0, 1])": (ValueError, "or a numpy.random.Generator for each trial"),
    "task.generate_batch([])": (ValueError, "it must be the number of trials"),
    "task.generate_batch([np.random.default_rng(0)], seed=1)": (ValueError, "got generators and seed = 1; give one"),
    "task.generate_stimulus('no-go')": (ValueError, "unknown trial type 'no-go'; allowed: go, nogo"),
    "rate.evaluate(net, 'go-nogo')": (TypeError, "takes a task such as rate.TaskFactory.create_task('go-nogo')"),
    "rate.evaluate(net, rate.GoNogoTask)": (
        TypeError,
        "task is the class GoNogoTask; create one first: GoNogoTask(...)",
    ),
    "rate.evaluate('net.mat', task)": (
        TypeError,
        "net is str 'net.mat'; evaluate(task, net) takes a net such as rate.l",
    ),
    "rate.evaluate(net, rate.ManteTask())": (ValueError, "net has 1 inputs and 1 outputs; task 'mante' needs 4 and 1"),
    "rate.evaluate(net, task, n_trials=0)": (ValueError, "n_trials = 0"),
    "rate.evaluate(net, task, 0, 100)": (TypeError, "settings is int 100; it must be EvaluationSettings(n_trials=100)"),
    "task.is_correct(o[1:], 1)": (ValueError, "o has shape (199,); it must be (200,), the outputs (T,) of one trial"),
    "task.is_correct(net(u)[3], 1)": (
        ValueError,
        "One step is missing: net.forward, eval_rnn and the o of a .mat have",
    ),
    "task.is_correct(torch.cat(net(u)[3]), 1)": (ValueError, "ratecore.run(net, u) returns all T"),
    "task.is_correct(rate.eval_rnn(net, {}, u)[0], 1)": (ValueError, "ratecore.run(net, u) returns all T"),
    "task.is_correct_spiking(np.zeros(20_000), 1)": (ValueError, "o has shape (20000,); it must be (200,)"),
    "task.is_correct(rate.run(net, batch)[2], 1)": (ValueError, "score the 5 trials one by one"),
    "task.is_correct('go', 1)": (ValueError, "o is str; it must be an array of real numbers (200,)"),
    "rate.train('go-nogo')": (
        TypeError,
        "train takes settings of a run: RunSettings(task='go-nogo', network={'N': 50})",
    ),
    "rate.train({'task': 'go-nogo'})": (TypeError, "train takes settings of a run: RunSettings(**settings)"),
    "rate.train(task)": (TypeError, "settings is GoNogoTask"),
    "rate.RunSettings('go-nogo')": (TypeError, "settings are given by name, such as RunSettings(task=...)"),
    "rate.RunSettings(task='gonogo')": (ValueError, "did you mean 'go-nogo'?"),
    "rate.RunSettings(task='xor', N=100)": (ValueError, "unknown setting 'N' (did you mean 'network.N'?)"),
    "rate.EvaluationSettings(100)": (TypeError, "are given by name, such as EvaluationSettings("),
    "rate.GoNogoTask(T=100)": (TypeError, "the settings of a task are given in a dict: GoNogoTask({'T': 100})"),
    "rate.GoNogoTask(100)": (TypeError, "GoNogoTask({'T': 200})"),
    "rate.TaskFactory.create_task('mante', T=100)": (TypeError, "in a dict: create_task('mante', {'T': 100})"),
    "rate.TaskFactory.create_task('gonogoo')": (ValueError, "did you mean 'go-nogo'?"),
    "rate.load_network('nothing.mat')": (ValueError, "nothing.mat: there is no such file"),
    "rate.load_network(folder)": (ValueError, "it is a folder, not the file of a network"),
    "rate.load_network(net)": (TypeError, "it must be that of a .mat or .pth file"),
    "rate.spiking.simulate(net, u)": (
        TypeError,
        "simulate(model, scaling_factor, u): lambda comes before the stimulus",
    ),
    "rate.spiking.simulate(net, u, 50)": (TypeError, "lambda comes before the stimulus; search_scaling finds it"),
    "rate.spiking.simulate(net, 50, batch)": (ValueError, "simulate runs one trial at a time: u[k]"),
    "rate.spiking.simulate(net, 50, u.T)": (ValueError, "its last two dimensions seem to be swapped"),
}


@pytest.mark.parametrize("call", WORK)
def test_a_first_call_works(names, call):
    assert eval(call, dict(names)) == WORK[call]


@pytest.mark.parametrize("call", SAY_HOW)
def test_a_first_call_that_does_not_work_says_how(names, call):
    kind, sentence = SAY_HOW[call]
    with pytest.raises(kind) as error:
        eval(call, dict(names))
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_a_trial_alone_is_that_of_the_batch(names):
    net, batch, rng = names["net"], names["batch"], np.random.default_rng(0)
    x0, noise = rng.standard_normal((5, 20)), rng.standard_normal((5, 199, 20))
    together = rate.run(net, batch.u, x0=x0, noise=noise)
    for k in range(5):
        for one in (batch.u[k], batch.u[k].tolist(), torch.tensor(batch.u[k], dtype=torch.float32)):
            alone = rate.run(net, one, x0=x0[k], noise=noise[k])
            for a, b in zip(alone, together, strict=True):
                assert torch.allclose(a, b[k], atol=1e-6)


@pytest.mark.parametrize("n_out", [1, 2])
@pytest.mark.parametrize("B", [1, 12])
@pytest.mark.parametrize("engine", [None, "torch", "fused"])
def test_every_output_is_the_readout_of_its_state(n_out, B, engine):
    net = rate.FR_RNN_dale.from_settings(rate.NetworkSettings(N=20), 1, rng=0, n_out=n_out, dtype=torch.float64)
    u = np.random.default_rng(1).standard_normal((B, 1, 30))
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            _, r, o = rate.run(net, u, rng=2, engine=engine)
        truth = np.einsum("kn,btn->bkt", net.w_out.detach(), r.detach()) + net.b_out.detach().numpy()[:, None]
        np.testing.assert_allclose(o.detach(), truth[:, 0] if n_out == 1 else truth, atol=1e-12)
        published = net.forward(u, rng=2)[3]
        assert torch.allclose(published, o[..., 1:], atol=1e-12) and published.shape[-1] == o.shape[-1] - 1


def test_the_first_output_has_a_gradient():
    net = rate.FR_RNN_dale.from_settings(rate.NetworkSettings(N=20), 1, rng=0, dtype=torch.float64)
    _, r, o = rate.run(net, np.zeros((3, 1, 30)), rng=2)
    o[:, 0].sum().backward()
    np.testing.assert_allclose(net.w_out.grad[0], r[:, 0].sum(0).detach(), atol=1e-12)
    assert net.b_out.grad.item() == 3 and not net.w.grad.any()


def test_trials_of_a_number_are_those_of_its_seed():
    task = rate.TaskFactory.create_task("mante")
    ten, three, other = (task.generate_batch(n, seed=s) for n, s in ((10, 4), (3, 4), (3, 5)))
    np.testing.assert_array_equal(ten.u[:3], three.u)  # whatever their number
    assert not np.array_equal(three.u, other.u) and len({row.tobytes() for row in ten.u}) == 10
    children = np.random.default_rng(4).spawn(10)
    np.testing.assert_array_equal(ten.u, task.generate_batch(children).u)
    rng = np.random.default_rng(4)
    first, second = task.generate_batch(3, seed=rng), task.generate_batch(3, seed=rng)  # goes on
    np.testing.assert_array_equal(first.u, three.u)
    assert not np.array_equal(first.u, second.u)
    assert not np.array_equal(task.generate_batch(3).u, task.generate_batch(3).u)  # fresh entropy


def test_either_order_of_network_and_task_gives_the_same_scores(names):
    net, task = names["net"], names["task"]
    truth = rate.evaluate(task, net, 0, rate.EvaluationSettings(n_trials=20))
    for scores in (rate.evaluate(net, task, n_trials=20), rate.evaluate(task, net, n_trials=20)):
        np.testing.assert_array_equal(scores.scores.outputs, truth.scores.outputs)


def test_a_task_of_ones_own_scores_outputs_of_the_whole_trial_only():
    class Own(rate.AbstractTask):
        n_inputs, defaults, trial_types = 1, {"T": 30, "stim_on": 5, "stim_dur": 5}, ("a",)
        seen = []

        def draw_trial(self, trial_type, rng):
            """Draw a trial of 20 steps, which is shorter than T."""
            return rate.Trial(np.zeros((1, 20)), np.zeros(20))

        def is_correct(self, o, trial):
            self.seen.append(type(o) is np.ndarray and o.shape)
            return True

    task = Own()
    _, trial = task.generate_stimulus("a")
    assert task.is_correct(torch.zeros(20), trial) and task.is_correct_spiking([0] * 20, trial)
    assert task.seen == [(20,), (20,)]
    for steps in (19, 30):
        with pytest.raises(ValueError, match=rf"Own: o has shape \({steps},\); it must be \(20,\)"):
            task.is_correct(np.zeros(steps), trial)
    with pytest.raises(ValueError, match=r"without the steps after the end of the trial: o\[..., :20\]"):
        task.is_correct(np.zeros(30), trial)

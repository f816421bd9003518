"""The search for lambda, scoring by the task, exploration, and the names of the `spiking` package."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from test_lif import content, stimulus

from ratecore.experiment.exporting import export
from ratecore.formats import load_mat
from ratecore.spiking import (
    ConversionSettings,
    LIF_network_fnc,
    SpikingSettings,
    conversion,
    evaluate_task,
    lambda_grid_search,
    lesion_sweep,
    rate_model,
    refractory_sweep,
    search_scaling,
    stimulation_sweep,
    wilson_interval,
)
from ratecore.spiking.__main__ import main, scaling_range
from ratecore.spiking.conversion import Search, _between
from ratecore.spiking.exploration import lesioned
from ratecore.spiking.scoring import Outcomes, TrialsOfTask, output_by_step, outputs_every
from ratecore.system.streams import stream
from ratecore.tasks import AbstractTask, GoNogoTask, ManteTask, TaskFactory, XORTask
from ratecore.tasks.values import TaskError

TASK = {"T": 45, "stim_on": 5, "stim_dur": 10}


def task():
    return TaskFactory.create_task("go-nogo", TASK)


def model(seed=0):
    """A network whose output is near the thresholds of the task, so that lambda and noise matter."""
    data = content(N=12, n_in=1, seed=seed, weight=0.5)
    return rate_model(data | {"w_in": np.abs(data["w_in"]) * 3, "w_out": np.abs(data["w_out"]) * 0.02})


def values(n=6):
    return [4.0 * (k + 1) for k in range(n)]


# ------------------------------------------------------------------------------------------------------- scoring


@pytest.mark.parametrize("downsample", [1, 3])
@pytest.mark.parametrize("kind", ["peak", "mean", "last"])
def test_outputs_by_rate_step(kind, downsample):
    settings = SpikingSettings(dt=0.5, downsample=downsample)  # ten steps a rate step
    T, every = 20, outputs_every(settings)
    assert every == 1
    n = (T - 1) // downsample * 10
    out = np.random.default_rng(0).standard_normal((2, n))
    o = output_by_step(out, settings, every, T, kind)
    times = np.arange(0, n + 1) * 0.5 * downsample  # ms; the first output is that before the first step
    for row, given in zip(o, out, strict=True):
        whole = np.append(0, given)
        for t in range(T):
            there = whole[(times >= 5 * t) & (times < 5 * (t + 1))]
            if there.size == 0:
                assert row[t] == row[t - 1]
            else:
                best = {"peak": there[np.argmax(abs(there))], "mean": there.mean(), "last": there[-1]}[kind]
                assert row[t] == pytest.approx(best)


@pytest.mark.parametrize("kind", ["peak", "mean", "last"])
def test_each_output_is_reduced_to_rate_steps_by_itself(kind):
    settings, out = SpikingSettings(dt=0.5), np.random.default_rng(0).standard_normal((2, 3, 190))
    o = output_by_step(out, settings, 1, 25, kind)  # five steps more than the simulation reaches
    assert o.shape == (2, 3, 25)
    for k in range(3):
        np.testing.assert_array_equal(o[:, k], output_by_step(out[:, k], settings, 1, 25, kind))


@pytest.mark.parametrize(("kind", "first"), [(GoNogoTask, 100), (XORTask, 200), (ManteTask, 260)])
def test_windows_of_spiking_networks_are_the_published_ones(kind, first):
    # 500, 1,000 and 1,300 ms, in steps of 5 ms (docs/model.md 5).
    assert kind().spiking_window == slice(first, kind().T)
    o, labels = np.zeros(kind().T), {GoNogoTask: (1, 0), XORTask: ("same", "diff"), ManteTask: (1, -1)}[kind]
    o[first - 1] = 2
    assert not kind().is_correct_spiking(o, labels[0])
    o[first] = 0.71
    assert kind().is_correct_spiking(o, labels[0]) and not kind().is_correct_spiking(o, labels[1])
    o[first] = -0.71  # below 0 an output is no response to NoGo, and the other response elsewhere
    assert kind().is_correct_spiking(o, labels[1])


def test_a_task_of_ones_own_is_scored_by_its_own_criterion():
    class Quiet(GoNogoTask):
        name, spiking_delay, spiking_output = (
            "quiet",
            None,
            AbstractTask.spiking_output,
        )  # as a task that says nothing of spiking networks

        def is_correct(self, o, label):
            return o.shape == (45,) and label in (0, 1)

        is_correct_spiking = AbstractTask.is_correct_spiking

    trials = TrialsOfTask(model(), Quiet(TASK), SpikingSettings(), 0)
    assert (
        trials.output_of_step == "mean" and TrialsOfTask(model(), task(), SpikingSettings(), 0).output_of_step == "peak"
    )
    (outcome,) = trials.run(range(5), [8.0])
    assert outcome.correct == [1] * 5


def test_a_trial_is_the_same_alone_and_for_every_lambda():
    trials = TrialsOfTask(model(), task(), SpikingSettings(), 3)
    together = trials.run(range(8), [4.0, 8.0])
    (alone,) = TrialsOfTask(model(), task(), SpikingSettings(), 3).run(range(5, 7), [8.0])
    assert alone.rate_exc == together[1].rate_exc[5:7] and alone.correct == together[1].correct[5:7]
    rng = stream(3, "lif_trial", 6)
    u = task().generate_batch([rng]).u[0]
    assert np.array_equal(trials.draw(6)[0], u)


def test_the_network_must_fit_the_task():
    with pytest.raises(ValueError, match="the network has 1 inputs; task mante has 4"):
        search_scaling(model(), ManteTask())


# -------------------------------------------------------------------------------------------------------- search


class Drawn(TrialsOfTask):
    """Trials whose outcomes are drawn beforehand, in place of a network's; counts what is run."""

    def __init__(self, table):
        self.table, self.ran = table, 0

    def run(self, numbers, scaling_factors):
        self.ran += len(numbers) * len(scaling_factors)
        return [
            Outcomes([int(self.table[v][k]) for k in numbers], [1.0] * len(numbers), [1.0] * len(numbers))
            for v in scaling_factors
        ]


def test_racing_finds_the_best_of_a_full_search_always_and_for_less():
    rng, ran = np.random.default_rng(0), []
    for case in range(300):
        chances = rng.random(8) if case % 3 else np.sort(rng.choice([0.5, 0.9, 1.0], 8))
        table = {v: rng.random(50) < p for v, p in zip(values(8), chances, strict=True)}
        best = {}
        for kind in ("full", "race"):
            trials = Drawn(table)
            search = Search(trials, ConversionSettings(n_trials=50), 1, {}, None)
            getattr(search, kind)(values(8))
            best[kind] = search.best(values(8))
            truth = max(values(8), key=lambda v, table=table: (table[v].sum(), -v))  # ties go to the smallest
            assert best[kind] == truth and len(search.outcomes[truth]) == 50
        ran.append(trials.ran / 400)
    assert np.mean(ran) < 0.6 and max(ran) <= 1


def test_a_search_goes_the_same_way_whatever_is_known_before():
    rng = np.random.default_rng(1)
    for case in range(50):
        table = {v: rng.random(50) < p for v, p in zip(values(8), rng.random(8), strict=True)}
        every = {v: Outcomes(*([list(map(int, o))] + [[1.0] * 50] * 2)) for v, o in table.items()}
        known = [{}, every, {v: o.part(0, int(rng.integers(50))) for v, o in every.items() if rng.random() < 0.7}]
        found, ran, kept = [], [], []
        for earlier in known:
            trials = Drawn(table)
            search = Search(trials, ConversionSettings(n_trials=50), 1, earlier, kept.append)
            search.race(values(8))
            found.append({v: vars(o) for v, o in search.outcomes.items()})
            ran.append(trials.ran)
        assert found[0] == found[1] == found[2], case
        assert ran[1] == 0 and ran[2] <= ran[0]
        if ran[2]:  # nothing that was known is lost when the search is kept
            assert all(len(kept[-1][v]) >= len(o) for v, o in known[2].items())


def test_searches_agree_whatever_the_threads_and_interruptions(monkeypatch):
    monkeypatch.setattr(conversion, "A_ROUND", 0.0)  # after the first ten trials a round a trial
    settings = ConversionSettings(n_trials=24, scaling_factors=values(), search="full")
    whole = search_scaling(model(), task(), settings, seed=1)
    assert len(set(whole.all_perfs)) > 1 and (whole.n_trials == 24).all()
    kept = []

    def stop(outcomes):
        kept.append(json.loads(json.dumps({v: vars(o) for v, o in outcomes.items()})))
        if len(kept) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_scaling(model(), task(), settings, seed=1, on_round=stop)
    earlier = {float(v): Outcomes(**o) for v, o in kept[-1].items()}
    assert all(len(o) == 12 for o in earlier.values())
    rounds = []
    resumed = search_scaling(model(), task(), settings, seed=1, earlier=earlier, on_round=rounds.append)
    assert len(rounds) == 12
    two = search_scaling(model(), task(), settings, seed=1, threads=2)
    racing = search_scaling(model(), task(), settings.model_copy(update={"search": "racing"}), seed=1, threads=2)
    for other in (resumed, two):
        assert other.summary() == whole.summary()
    assert racing.opt_scaling_factor == whole.opt_scaling_factor and racing.n_trials.sum() <= whole.n_trials.sum()
    for name in ("spiking_accuracy", "ci_low", "ci_high", "mean_rate_exc", "mean_rate_inh"):
        assert getattr(racing, name) == getattr(whole, name)


def test_the_result_is_what_the_trials_say():
    settings = ConversionSettings(n_trials=20, scaling_factors=values(), search="full", confidence=0.9)
    result = search_scaling(model(), task(), settings, seed=2)
    k = int(np.argmax(result.all_perfs))
    best = result.scaling_factors[k]
    assert result.opt_scaling_factor == best and result.spiking_accuracy == result.all_perfs[k]
    assert (result.ci_low, result.ci_high) == wilson_interval(round(20 * result.all_perfs[k]), 20, 0.9)
    assert result.mean_rate_exc == np.mean(result.outcomes[best].rate_exc)
    summary = json.loads(json.dumps(result.summary()))
    assert summary["lambda"] == best and summary["confidence"] == 0.9
    fresh = search_scaling(model(), task(), settings.model_copy(update={"fresh_trials": 30}), seed=2)
    (alone,) = TrialsOfTask(model(), task(), SpikingSettings(), 2).run(range(20, 50), [best])
    assert fresh.opt_scaling_factor == best and fresh.spiking_accuracy == alone.accuracy


def test_refinement_lies_between_the_neighbours_of_the_best():
    settings = ConversionSettings(n_trials=10, scaling_factors=values(), refine=3)
    plain = search_scaling(model(), task(), settings.model_copy(update={"refine": 0}))
    fine = search_scaling(model(), task(), settings)
    new = sorted(set(fine.scaling_factors) - set(values()))
    best, grid = plain.opt_scaling_factor, values()
    assert len(new) == 6 and all(abs(v - best) < 4 and v not in grid for v in new)
    assert fine.spiking_accuracy >= plain.spiking_accuracy


@pytest.mark.parametrize(
    ("best", "near"),
    [(20.0, (17.5, 22.5)), (30.0, (25.0, 32.5)), (35.0, (32.5, 37.5)), (4.0, ())],
    ids=["first", "inner", "last", "alone"],
)
def test_refinement_goes_on_beyond_the_first_and_the_last_value(best, near):
    # By hand: one value half way to each neighbour, as far beyond the ends as the neighbour inside is.
    grid = [best] if best == 4 else [20.0, 30.0, 35.0] if best == 30 else [20.0, 25.0, 30.0, 35.0]
    assert tuple(sorted(_between(grid, best, 1))) == near
    assert all(v > 0 for v in _between([2.0, 20.0], 2.0, 5))


def test_a_process_that_is_killed_is_named():
    here = os.getpid()  # in which the task is looked at before the search

    class Deadly(GoNogoTask):
        def is_correct_spiking(self, o, label):
            if os.getpid() != here:
                os.kill(os.getpid(), 9)
            return True

    with pytest.raises(RuntimeError, match="ended with exit code -9"):
        search_scaling(model(), Deadly(TASK), ConversionSettings(n_trials=4), threads=2)


def test_an_error_of_a_task_is_no_wrong_trial():
    here = os.getpid()

    class Broken(GoNogoTask):
        def is_correct_spiking(self, o, label):
            if self.broken_here or os.getpid() != here:
                raise KeyError("criterion")
            return True

        broken_here = True

    with pytest.raises(TaskError, match=r"go-nogo': is_correct_spiking\(o, 1\) raised KeyError: 'criterion'") as error:
        search_scaling(model(), Broken(TASK), ConversionSettings(n_trials=4))
    assert isinstance(error.value.__cause__, KeyError)
    Broken.broken_here = False
    with pytest.raises(RuntimeError, match="KeyError: 'criterion'"):
        search_scaling(model(), Broken(TASK), ConversionSettings(n_trials=4), threads=2)


@pytest.mark.parametrize(
    ("x", "n", "low", "high"), [(95, 100, 0.8882, 0.9785), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1)]
)
def test_wilson(x, n, low, high):
    assert wilson_interval(x, n) == pytest.approx((low, high), abs=1e-4)  # as in R's binom::binom.wilson


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(scaling_factors=[]), "scaling_factors = .*above 0"),
        (dict(scaling_factors=[20, 20]), "is given twice"),
        (dict(scaling_factors=[-5]), "must be a number above 0"),
        (dict(n_trials=0), "n_trials = 0"),
        (dict(search="fast"), "search = 'fast'.*'full' or 'racing'"),
    ],
)
def test_conversions_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        ConversionSettings(**given)


def test_the_published_grids():
    assert ConversionSettings().values_for("sigmoid") == tuple(range(20, 76, 5))
    assert ConversionSettings().values_for("clipped_relu") == tuple(range(4, 27, 2))


# --------------------------------------------------------------------------------------------------- exploration


def test_lesions_take_live_synapses_of_the_chosen_type():
    m = model()
    live = m.W != 0
    few, n_few = lesioned(m, 0.3, "I-E", 1)
    more, n_more = lesioned(m, 0.7, "I-E", 1)
    kind = live & ~m.inh[:, None] & m.inh[None, :]
    assert n_few == round(0.3 * kind.sum()) == (live & (few.W == 0)).sum() and n_more == round(0.7 * kind.sum())
    assert not ((few.W == 0) & live & ~kind).any() and ((more.W == 0) >= (few.W == 0)).all()
    for bad in (dict(fraction=1.5), dict(fraction=0.1, synapses="E-P")):
        with pytest.raises(ValueError, match="must be in|allowed: all, E-E"):
            lesioned(m, **bad)


def test_sweeps_change_what_they_say():
    m = model()
    rows = lesion_sweep(m, task(), 6.0, [0.0, 1.0], n_trials=6)
    assert [row["n_lesioned"] for row in rows] == [0, (m.W != 0).sum()]
    assert rows[0]["mean_rate_exc"] != rows[1]["mean_rate_exc"]
    (plain,) = TrialsOfTask(m, task(), SpikingSettings(), 0).run(range(6), [6.0])
    assert rows[0]["accuracy"] == plain.accuracy and rows[0]["mean_rate_exc"] == np.mean(plain.rate_exc)
    rates = [row["mean_rate_exc"] for row in refractory_sweep(m, task(), 6.0, [0, 2, 50], n_trials=6)]
    assert rates[0] > rates[1] > rates[2]
    stimulations = [dict(mode=mode, units="exc", window=(20, 140)) for mode in ("none", "exc", "inh")]
    none, exc, inh = stimulation_sweep(m, task(), 6.0, stimulations, n_trials=6)
    assert exc["mean_rate_exc"] > none["mean_rate_exc"] > inh["mean_rate_exc"] and exc["units"] == "exc"
    assert none["mean_rate_exc"] == rows[0]["mean_rate_exc"]


# ----------------------------------------------------------------------------------------------------- companion


@pytest.mark.parametrize("taus", [(4.0, 20.0), (10.0,)])
def test_the_companion_function_returns_what_it_does(taus):
    data, u = content(taus=taus), stimulus()
    before = {key: np.array(value) for key, value in data.items()}
    stims = {"mode": "exc", "dur": [300, 500], "units": np.array([0, 5])}
    W, REC, spk, rs, all_fr, out, params = LIF_network_fnc(data, 5.0, u, stims, 1, False, rng=0)
    nt = 1500
    assert W.shape == (12, 12) and REC.shape == spk.shape == rs.shape == params["IPSCs"].shape == (12, nt)
    assert all_fr.shape == (12,) and out.shape == (nt,) and params["nt"] == nt
    assert params["dt"] == pytest.approx(5e-5) and params["T"] == pytest.approx(0.075)
    assert all(np.array_equal(data[key], value) for key, value in before.items())  # the companion changes its argument
    np.testing.assert_allclose(W, data["w"] @ data["m"] / 5)
    np.testing.assert_allclose(out, data["w_out"][0] / 5 @ rs, atol=1e-9)
    np.testing.assert_allclose(all_fr, spk[:, 10:].sum(1) / 0.075)
    assert (REC[spk == 1] == 30).all() and (REC[spk == 0] < -40).all()
    np.testing.assert_array_equal(params["w_out"], data["w_out"])
    assert np.shape(params["td"]) == np.shape(params["td0"]) == (() if len(taus) == 1 else (12,))
    assert len(taus) == 1 or not np.array_equal(params["td"], params["td0"])
    plain = LIF_network_fnc(data, 5.0, u, {"mode": "none"}, 1, False, rng=0)
    first = np.flatnonzero((plain[1] != REC).any(0))[0]
    assert 300 <= first < 310 and set(np.flatnonzero(REC[:, first] != plain[1][:, first])) <= {0, 5}
    initial = LIF_network_fnc(data, 5.0, u, {"mode": "none"}, 2, True, rng=0)
    np.testing.assert_allclose(initial[0], data["w0"] @ data["m"] / 5)
    assert initial[6]["dt"] == pytest.approx(1e-4) and initial[5].shape == (700,)
    with pytest.raises(ValueError, match="it has no dur, units"):
        LIF_network_fnc(data, 5.0, u, {"mode": "inh"})


def test_files_of_this_package_are_read(tmp_path, trained):
    settings, result, evaluation = trained
    mat, pth = export(tmp_path, settings, result, evaluation.scores)
    of_net, of_mat, of_pth = rate_model(result.net), rate_model(mat), rate_model(str(pth))
    for other in (of_mat, of_pth):
        for name in ("W", "w_in", "w_out", "tau", "inh", "som"):
            np.testing.assert_allclose(getattr(other, name), getattr(of_net, name), rtol=1e-5, atol=1e-7)
    W = result.net.effective_weights().detach().numpy()
    np.testing.assert_allclose(of_net.W, W)
    np.testing.assert_allclose(of_net.tau, 5 * result.net.time_constants().detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(of_mat.W_initial, of_pth.W_initial, rtol=1e-5, atol=1e-7)
    assert not np.allclose(of_mat.W_initial, of_mat.W)
    assert of_mat.activation == of_pth.activation == "sigmoid"


@pytest.fixture
def folder(tmp_path):
    for k in range(2):
        data = content(N=12, n_in=1, seed=k, weight=40.0)
        scipy.io.savemat(tmp_path / f"net_{k}.mat", data | {"w_in": np.abs(data["w_in"]) * 10})
    return tmp_path


def test_a_grid_search_does_every_file_and_keeps_what_is_in_it(folder):
    before = load_mat(folder / "net_0.mat")
    found = lambda_grid_search(folder, "go_nogo", 6, range(4, 13, 4), TASK)
    assert set(found) == {"net_0.mat", "net_1.mat"}
    for name, best in found.items():
        after = load_mat(folder / name)
        assert after["opt_scaling_factor"].item() == best in (4, 8, 12) and after["all_perfs"].size == 3
        np.testing.assert_array_equal(after["scaling_factors"].ravel(), [4, 8, 12])
    after = load_mat(folder / "net_0.mat")
    for key in before.keys() - {"__header__"}:
        assert np.array_equal(before[key], after[key]), key
    assert lambda_grid_search(folder / "net_1.mat", "go-nogo", 6, [4, 8, 12], TASK) == found["net_1.mat"]


def test_a_bad_file_stops_no_other_and_is_left_alone(folder):
    (folder / "aaa.mat").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="1 of 3 files could not be searched: .*aaa.mat: not a readable"):
        lambda_grid_search(folder, "go-nogo", 4, [4, 8], TASK)
    assert all("opt_scaling_factor" in load_mat(folder / f"net_{k}.mat") for k in range(2))
    assert (folder / "aaa.mat").read_bytes() == b"nothing"
    with pytest.raises(FileNotFoundError, match="no .mat file there"):
        lambda_grid_search(folder / "nowhere", "go-nogo")


def test_evaluate_task(folder):
    (folder / "net_0.mat").unlink()
    with pytest.raises(ValueError, match="it has no opt_scaling_factor"):
        evaluate_task("go-nogo", folder, task_settings=TASK)
    scores = evaluate_task("go_nogo", folder, 8.0, TASK, n_trials=10)
    assert scores["go_trials"] + scores["nogo_trials"] == 10
    correct = sum(scores[f"{kind}_accuracy"] * scores[f"{kind}_trials"] for kind in ("go", "nogo"))
    assert scores["overall_accuracy"] == pytest.approx(correct / 10)
    assert {path.name for path in (folder / "plots").iterdir()} == {"net_1_go.png", "net_1_nogo.png"}


def test_the_command_line(folder, capsys):
    times = [f"--{key}={value}" for key, value in TASK.items()]
    base = [f"--model_dir={folder}", "--n_trials=4", *times]
    assert main(["search", "--task_name=go-nogo", "--scaling_factors=4:8:4", *base]) == 0
    assert "net_1.mat: lambda" in capsys.readouterr().out
    assert main(["evaluate", "--task=go-nogo", "--no_plots", *base]) == 0
    assert json.loads(capsys.readouterr().out)["n_trials"] == 4 and not (folder / "plots").exists()
    assert main(["evaluate", "--task=nogo", *base]) == 2
    assert "unknown task 'nogo'" in capsys.readouterr().err
    command = [sys.executable, "-m", "ratecore.spiking", "search", "--help"]
    assert "--scaling_factors" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20:75:5", list(range(20, 76, 5))),
        ("20:24:5", [20]),
        ("4:6", [4, 5, 6]),
        ("3,7.5", [3, 7.5]),
        ("1:2:0.25", [1, 1.25, 1.5, 1.75, 2]),
    ],
)
def test_ranges(text, expected):
    assert scaling_range(text) == expected


@pytest.mark.parametrize("text", ["a", "20:10:5", "0:10:5", "1:2:3:4", "5:6:0", ""])
def test_ranges_that_cannot_be(text):
    import argparse

    with pytest.raises(argparse.ArgumentTypeError, match="first:last:step"):
        scaling_range(text)

"""The benchmarks: contenders give the same losses and outputs, and the parts of a job add up to its total."""

import functools
import importlib
import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import PATIENCE, small_settings
from test_lif import content, stimulus

from ratecore import open_results
from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import write_job
from ratecore.experiment.summary import all_runs, summarize
from ratecore.rate.evaluation import draw_trials
from ratecore.rate.training import initial_network
from ratecore.spiking import SpikingSettings, rate_model, simulate
from ratecore.system.streams import stream

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import activity  # noqa: E402
import contenders  # noqa: E402
import contenders_lif  # noqa: E402
import paper  # noqa: E402
import scaling  # noqa: E402
import simulated  # noqa: E402

KINDS = [contenders.TorchLoop, contenders.Textbook]
if importlib.util.find_spec("jax"):
    KINDS.append(contenders.JaxScan)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_contenders_do_the_same(kind, batch):
    settings = small_settings()
    generators = [stream(0, "trial", k) for k in range(batch)]
    trials, x0, noise = draw_trials(settings.create_task(), initial_network(settings), generators)
    ours, theirs = (made(settings, trials.u, trials.z, x0, noise) for made in (contenders.Fused, kind))
    np.testing.assert_allclose(np.asarray(theirs.forward()), ours.forward().numpy(), atol=1e-5)
    for _ in range(4):
        assert theirs.train() == pytest.approx(ours.train(), rel=1e-4)


def test_the_floor_has_the_products_of_a_trial():
    settings = small_settings()
    trials, x0, noise = draw_trials(settings.create_task(), initial_network(settings), [stream(0, "trial", 0)])
    floor = contenders.Floor(settings, trials.u, trials.z, x0, noise)
    assert floor.steps == 59 and floor.train().shape == (20, 20)
    np.testing.assert_allclose(floor.train(), floor.a.T @ floor.b)


def test_the_textbook_spiking_loop_does_the_same():
    # Between two steps, so that the loop's refractory period, a comparison of rounded times, is not left to rounding.
    model, settings = rate_model(content(n_in=1)), SpikingSettings(noise_sd=0.0, refractory=2.02)
    u = stimulus(n_in=1)
    theirs = contenders_lif.textbook(model, settings, 5.0, u, np.random.default_rng(3))
    ours = simulate(model, 5.0, u, settings, np.random.default_rng(3))
    assert ours.spike_steps.size > 20
    np.testing.assert_allclose(theirs.numpy(), ours.out, atol=1e-9)


@pytest.fixture(scope="module")
def probe():
    """What the benchmark of a job puts into the job's processes; without its variable it changes nothing here."""
    spec = importlib.util.spec_from_file_location("job_probe", BENCHMARKS / "probe" / "sitecustomize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_probe_times_is_in_the_package(probe):
    for name, parts in probe.TIMED.items():
        module = importlib.import_module(name)
        for path in parts:
            assert callable(functools.reduce(getattr, path.split("."), module))


def test_the_probe_names_what_is_gone(probe):
    unfitted = probe.Probe.__new__(probe.Probe)
    with pytest.raises(RuntimeError, match="home has no 'Gone.update' any more, which is timed as 'product'"):
        unfitted._fit_out(SimpleNamespace(__name__="home"), "Gone.update", "product")


def test_the_time_of_a_part_is_its_own(probe, monkeypatch):
    walls, cores = iter([0.0, 1.0, 8.0, 11.0]), iter([0.0, 0.5, 0.75, 1.0])  # on entering and leaving, two by two
    monkeypatch.setattr(probe.time, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(probe.time, "thread_time", lambda: next(cores))
    clock = probe.Clock()
    clock.enter("evaluation/scores")
    clock.enter("noise")
    clock.leave()
    clock.leave()
    assert clock.parts["evaluation/noise"] == [7.0, 0.25, 1]
    assert clock.parts["evaluation/scores"] == [4.0, 0.75, 1]


def test_simulated_runs_are_recorded_as_real_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", os.fsync)  # which the simulation replaces
    grid = {"task": ["go-nogo", "xor"], "seed": [1, 10, 11]}
    experiment = Experiment.from_config({"experiment": "s", "results": str(tmp_path), "grid": grid, "seeds_per_job": 2})
    simulated.write_everything(experiment)
    assert list(summarize(experiment)["status"]) == ["trained"] * 6
    for _, run in all_runs(experiment):
        starts = run.record.newest("start")
        later = {"evaluation", "spiking", "conversion", "analysis", "analyses", "unit_sets"}
        assert starts["train"]["settings"] == run.settings.model_dump(mode="json", exclude=later)
        assert starts["train"]["task_settings"] == run.settings.create_task().settings
        for stage in ("train", "evaluate", "export", "convert"):
            assert starts[stage]["labels"] == run.labels and starts[stage]["grid_point"] == run.grid_point
            assert starts[stage]["identity"] == run.record.last("end", stage)["identity"] == run.identity(stage)
        assert run.outcome("export")["files"] and run.outcome("convert")["lambda"]


def test_snakemake_finds_nothing_to_do_in_a_simulated_grid(tmp_path, python, monkeypatch):
    monkeypatch.setattr(sys, "executable", python)
    config = scaling.configuration(1000, 50) | {"grid": {"N": [10, 20], "seed": [0, 1]}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    for name in ("simulate", "summarize", "schedule"):
        scaling.step(tmp_path, name)
    assert "Nothing to be done" in scaling.step(tmp_path, "dry_run_done")["said"]
    next(tmp_path.glob("results/scaling/figures/**/raster.png")).unlink()
    with pytest.raises(SystemExit, match="(?s)has something to do.*1 job to do: drawing figures 1"):
        scaling.step(tmp_path, "dry_run_done")


@pytest.mark.parametrize("p", [1, 2, 0.5])
def test_the_law_of_growth_is_found(p):
    assert scaling.exponent([3 + 2 * n**p for n in (1e3, 1e4, 1e5)]) == pytest.approx(p)
    assert scaling.exponent([3, 3, 3]) is None and scaling.exponent([1, 2]) is None


@pytest.mark.slow
def test_a_job_is_taken_apart(tmp_path):
    out = tmp_path / "job.json"
    command = [sys.executable, str(BENCHMARKS / "job.py"), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text())
    parts = result["parts"]
    assert result["trials"] == 400 and "s of it for imports" in done.stdout
    assert math.isclose(sum(part["share"] for part in parts.values()), 1, abs_tol=1e-6)
    assert math.isclose(sum(part["seconds"] for part in parts.values()), result["whole_s"], abs_tol=1e-3)
    assert parts["other"]["seconds"] >= 0
    assert parts["waiting"]["seconds"] > -0.05  # the clocks of the wall and of the core agree to some milliseconds
    assert all(part["seconds"] > 0 for name, part in parts.items() if name not in ("other", "waiting"))
    assert result["peak_memory_mb"]["job"] > 100 and result["peak_memory_mb"]["follower"] > 50


def test_networks_whose_activity_is_timed_are_as_sparse_as_trained_ones(tmp_path):
    exp = open_results(activity.make(tmp_path, networks=12, trials=3, units=40))
    assert exp.table["trained"].all() and exp.activity(trials=3).sizes["network"] == 12
    shares = [(exp.load(k).effective_weights() != 0).float().mean().item() for k in range(10)]
    assert np.mean(shares) == pytest.approx(activity.LIVE, abs=4 * np.sqrt(0.05 / 16000))  # four standard errors
    opened, computed, cpu, peak = activity.measure(exp.path, 3)
    assert min(opened, computed, cpu) > 0 and 0.01 < peak < 100


def test_the_cost_of_a_figure_adds_up_over_its_points_jobs_and_seeds(tmp_path):
    assert paper.sampled(9, 3) == [0, 4, 8] and paper.sampled(2, 3) == [0, 1] and paper.sampled(1, 3) == [0]
    assert paper.interpolated(5, {0: 1.0, 4: 9.0}) == [1, 3, 5, 7, 9]
    grid = {"taus": [[4, 10]], "N": [20, 40], "refractory": [1, 2, 3], "seed": "0..19"}
    experiment = Experiment.from_config({"experiment": "cost", "results": str(tmp_path), "grid": grid})
    costs = paper.figure(experiment, lambda stage: [2.0] * len(experiment.grid_points_of(stage)), 100, 0.5)
    assert paper.by_stage(costs) == {"train": 410, "evaluate": 410, "export": 410, "convert": 1230}  # 10 jobs a point
    for path, seconds in zip(experiment.grid_points_of("convert"), range(6), strict=True):
        for block, n in (("0-9", 1), ("10-19", 2)):
            file = tmp_path / "benchmarks" / "convert" / path / f"seeds~{block}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"s\tcpu_time\n99\t{n * seconds}\n")
            write_job(tmp_path / "jobs" / "convert" / path / f"seeds~{block}.json", [{}] * 10)
    assert paper.of_jobs(experiment, "convert", tmp_path) == pytest.approx([3 * k / 20 for k in range(6)])
    lines = paper.table({"fig": {"train": 3600.0, "convert": 1800.0}}, 100).splitlines()
    assert lines[2] == "| fig | 1.00 | 0.50 | 1.50 |"
    with pytest.raises(SystemExit, match="no job of train has run at"):
        paper.of_jobs(experiment, "train", tmp_path)

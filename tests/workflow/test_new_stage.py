"""A stage is one row, one file and one rule: a sixth one is added to a copy, and everything else knows of it."""

import json
import os
import shutil
import sqlite3

import pytest
from checkout import ROOT, Checkout

ROW = """    Stage(
        "inspect",
        work="ratecore.experiment.stages.inspect:inspect_run",
        settings=("training", "evaluation"),
        needs=("evaluate",),
        variants=("evaluation",),
        files={"rates": "rates.json"},
        reads=("network",),
        columns={"mean_rate": "mean_rate"},
        verb="inspected",
    ),
"""
FILE = '''"""Stage 'inspect': the mean rates of a network."""

import json
import os

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import write_file

STAGE = "inspect"


def inspect_run(run: Run) -> dict:
    """Writes the mean rate of each unit in a trial. Fails for seed 1 while there is a file `full`."""
    from ratecore.experiment.exporting import example_trial
    from ratecore.formats.pth import result_from_pth

    if run.settings.seed == 1 and os.path.exists("full"):
        raise OSError("No space left on device")
    rates = example_trial(run.settings, result_from_pth(run.network).net)["r"].mean(axis=(0, 2))
    data = json.dumps({"mean_rates": rates.tolist()}).encode()
    files = write_file(run, STAGE, run.file("rates"), data)
    return {"mean_rate": round(float(rates.mean()), 6), "files": files}
'''
RULE = """# Inspects the networks of a block.
stage = job_of("inspect")


rule inspect:
    input:
        stage.inputs,
    output:
        stage.output,
    log:
        stage.log,
    benchmark:
        stage.benchmark
    threads: stage.threads
    resources:
        mem_mb=memory,
        runtime=stage.minutes,
    params:
        stage=stage.name,
        identities=stage.identities,
    script:
        "../../scripts/stage.py"
"""
CONFIG = {
    "grid": {"task": ["go-nogo"], "evaluation.n_trials": [4, 6], "seed": [0, 1]},
    "convert": False,
    "figures": {"grid_points": 0},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, python):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), python)
    package = checkout.folder / "ratecore"
    shutil.copytree(ROOT / "ratecore", package, ignore=shutil.ignore_patterns("__pycache__"))
    table = package / "experiment/stages/table.py"
    before, after = table.read_text().split("\n)\nSTAGES = ")
    table.write_text(f"{before}\n{ROW})\nSTAGES = {after}")
    (package / "experiment/stages/inspect.py").write_text(FILE)
    (checkout.folder / "workflow/rules/inspect.smk").write_text(RULE)
    checkout.configure(**CONFIG)
    # Before the repository, which is on the path where it is installed in place; Snakemake finds its plugin there.
    checkout.environment = {"PYTHONPATH": os.pathsep.join([str(checkout.folder), str(ROOT)])}
    return checkout


@pytest.fixture(scope="module")
def broken(checkout):
    """What Snakemake prints when the stage breaks for one of two networks."""
    (checkout.folder / "full").touch()
    done = checkout.snakemake("--keep-going", check=False)
    (checkout.folder / "full").unlink()
    assert done.returncode == 1
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def done(checkout, broken):
    done = checkout.snakemake()
    return done.stdout + done.stderr


def means(checkout) -> dict[tuple[str, str], float]:
    """(seed, n_trials): mean of the rates in each file of the stage."""
    found = {}
    for path in (checkout.results / "runs").rglob("rates.json"):
        *_, seed, _, variant, _ = path.parts  # seed~0/<identity>/evaluation_n_trials~4/analysis.json
        rates = json.loads(path.read_text())["mean_rates"]
        assert len(rates) == 12
        found[seed.removeprefix("seed~"), variant.partition("~")[2]] = sum(rates) / len(rates)
    return found


def test_the_plan_has_its_word_for_variants(broken):
    assert ", each scored or inspected in 2 ways: 2 values of evaluation_n_trials (4, 6)\n" in broken


def test_what_broke_in_it_is_counted_and_named(broken):
    assert "1 of 2 networks is done: 1 not trained; 1 broke." in broken
    assert "go-nogo seed=1 evaluation_n_trials~4: inspect: OSError: No space left on device" in broken
    assert "log: results/small/logs/inspect/task~go-nogo/N~12/taus~4_20/evaluation_n_trials~4/seeds~0-1.log" in broken
    assert "Run the same command again to retry what failed and finish the rest." in broken


def test_what_broke_is_tried_again_and_ends_in_the_table(checkout, done):
    assert "2 networks: 2 not trained." in done
    rows = checkout.rows()
    expected = means(checkout)
    assert len(expected) == len(rows) == 4
    for row in rows:
        assert float(row["mean_rate"]) == pytest.approx(expected[row["seed"], row["evaluation_n_trials"]], abs=1e-6)
    log = (
        checkout.results / "logs/inspect/task~go-nogo/N~12/taus~4_20/evaluation_n_trials~4/seeds~0-1.log"
    ).read_text()
    assert "go-nogo seed=0 evaluation_n_trials~4: inspect is already done" in log  # each run of a block alone


def test_its_numbers_are_in_mlflow(checkout, done):
    with sqlite3.connect(f"file:{checkout.results.parent / 'mlflow.db'}?mode=ro", uri=True) as database:
        query = "SELECT value FROM latest_metrics WHERE key LIKE 'inspect/evaluation_n_trials_%/mean_rate'"
        values = [value for (value,) in database.execute(query)]
    assert sorted(values) == pytest.approx(sorted(means(checkout).values()), abs=1e-6)


def test_nothing_is_done_twice_and_it_can_be_done_again_alone(checkout, done):
    assert checkout.planned() == {}
    assert checkout.planned("--forcerun", "inspect") == {
        "inspect": 2, "summarize": 1, "plot_grid": 1, "draw_panel": 1, "all": 1,
    }  # fmt: skip


def test_changed_settings_redo_it_with_what_it_depends_on(checkout, done):
    try:
        checkout.configure(**CONFIG, evaluation={"psychometric_trials": 3})
        planned = checkout.planned()
        assert {name: planned.get(name, 0) for name in ("train", "evaluate", "export", "inspect")} == {
            "train": 0, "evaluate": 2, "export": 2, "inspect": 2,
        }  # fmt: skip
        checkout.configure(**CONFIG, spiking={"refractory": 3.0})  # without conversion nothing depends on it
        assert "inspect" not in checkout.planned()
    finally:
        checkout.configure(**CONFIG)

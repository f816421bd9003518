"""The workflow end to end on a grid of small networks: its outputs, what it repeats, what it refuses."""

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from checkout import ROOT, SMALL, Checkout, everything_in, runs_in_mlflow
from conftest import PATIENCE


@pytest.fixture(scope="module")
def done(tmp_path_factory, python):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), python)
    checkout.configure()
    checkout.output = checkout.snakemake()
    return checkout


def test_summary_has_one_row_per_network(done):
    rows = done.rows()
    assert len(rows) == 4
    columns = ["task", "N", "taus", "seed", "trained", "n_trials", "accuracy", "loss", "mlflow_run_id", "mat", "pth"]
    assert set(columns) <= set(rows[0])
    assert {(r["task"], r["taus"], r["seed"]) for r in rows} == {
        (task, "4_20", seed) for task in ("go-nogo", "mante") for seed in "01"
    }
    for row in rows:
        assert (row["trained"], row["status"], row["n_trials"]) == ("False", "not trained", "20")
        assert 0 <= float(row["accuracy"]) <= 1 and float(row["loss"]) > 0
        for key in ("mat", "pth"):
            assert (done.results / row[key]).is_file()
        files = {p.name for p in (done.results / row["folder"]).rglob("*") if p.is_file()}
        named = {
            "record.jsonl",
            "network.pth",
            "evaluation.npz",
            "scores.json",
            "loss.png",
            "outputs.png",
            "weights.png",
        }
        assert named <= files and (row["task"] != "mante" or "psychometric.png" in files)
    assert len({row["mat"] for row in rows}) == 4
    printed = done.output.stdout + done.output.stderr
    assert "4 networks: 4 not trained." in printed and "results/small/summary.csv" in printed
    # What Snakemake says is in its log; there are lines for a person, whose number grows with the time alone.
    lines = done.output.stderr.splitlines()
    assert lines[1].startswith(
        "small: 2 tasks (go-nogo, mante) x 2 seeds (0, 1) = 4 networks: 12 units, time constants 20 to 100 ms"
    )
    assert any(line.startswith("0 of 4 networks done; ") and "training 2, scoring 2" in line for line in lines)
    log = Path(done.folder, lines[-1].partition("Snakemake's log: ")[2]).read_text()
    assert "rule train:" in log and len(printed) < 4000 < len(log)


def test_mlflow_has_one_run_per_network_through_all_stages(done):
    runs = runs_in_mlflow(done)
    assert set(runs) == {row["mlflow_run_id"] for row in done.rows()} and len(runs) == 4
    by_id = {row["mlflow_run_id"]: row for row in done.rows()}
    for run_id, run in runs.items():
        row, tags = by_id[run_id], run["tags"]
        assert run["status"] == "FINISHED" and tags["trained"] == "False"
        assert run["metrics"]["eval/accuracy"] == float(row["accuracy"])
        assert run["metrics"]["train/n_trials"] == 20 and run["history"] == 2
        assert run["params"]["N"] == "12" and run["params"]["taus"] == row["taus"]
        assert run["params"]["learning_rate"] == "0.01" and run["params"]["seed"] == row["seed"]
        assert {"grid", "cell", "seed", "task", "N", "taus", "config_hash", "code_hash"} <= set(tags)
        assert json.loads(tags["config"])["network"]["N"] == 12
        names = {Path(p).name for p in run["artifacts"]}
        assert {Path(row["mat"]).name, Path(row["pth"]).name, "outputs.png", "scores.json"} <= names
        conditions = {k.rpartition("/")[2] for k in run["metrics"] if k.startswith("eval_by_condition/accuracy/")}
        of_task = {
            "go-nogo": {"go", "nogo"},
            "mante": {f"{c}_{s}" for c in ("motion", "color") for s in ("plus", "minus")},
        }
        assert conditions and conditions <= of_task[row["task"]]


def test_nothing_is_done_twice(done):
    assert done.planned() == {}


def test_each_stage_can_be_made_again_alone(done):
    before = done.written()
    assert set(done.planned("--forcerun", "evaluate", "--until", "evaluate")) == {"evaluate"}
    runs = runs_in_mlflow(done)
    # A network that was deleted is trained again, to the same bits; whole ones are left alone, and no run is new.
    networks, (lost, *_) = done.networks(), before
    lost.unlink()
    done.snakemake("--forcerun", "train")
    after = done.written()
    assert {p for p in before if after[p] != before[p]} == {lost}, "whole networks were trained again"
    assert all(torch.equal(w, networks[name]) for name, w in done.networks().items())
    assert set(runs_in_mlflow(done)) == set(runs)
    assert {run["history"] for run in runs_in_mlflow(done).values()} == {2}


@pytest.mark.parametrize(
    ("changes", "again", "not_again"),
    [
        ({"evaluation": {"n_trials": 11}}, {"evaluate", "export", "summarize"}, {"train", "init_tracking"}),
        ({"spiking": {"refractory": 5}}, {"convert", "summarize"}, {"train", "evaluate", "export"}),
        (
            {"training": {**SMALL["training"], "learning_rate": 0.02}},
            {"train", "evaluate", "export"},
            {"init_tracking"},
        ),
        ({"figures": {"grid_points": 1}}, set(), {"train", "evaluate", "export", "summarize"}),
        (
            {"panels": {"losses": {**SMALL["panels"]["losses"], "title": "Losses"}}},
            {"draw_panel"},
            {"train", "evaluate", "export", "summarize", "plot_grid"},
        ),
        ({"grid": {**SMALL["grid"], "taus": [[4, 20], 10]}}, {"train"}, {"init_tracking"}),
    ],
    ids=["evaluation", "spiking", "learning_rate", "figures", "panels", "grid_point"],
)
def test_a_changed_value_makes_what_depends_on_it_again(done, changes, again, not_again):
    done.configure(**changes)
    try:
        planned = done.planned()
    finally:
        done.configure()
    assert again <= set(planned) and not not_again & set(planned)
    if "grid" in changes:
        assert planned["train"] == 2  # the new grid points alone


def test_a_copy_of_the_results_runs_nothing_again(done):
    # Its files have times in any order, and Snakemake knows nothing of it.
    copy = shutil.copytree(done.folder / "results", done.folder / "a copy")
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    random.Random(0).shuffle(files)
    for k, path in enumerate(files):
        os.utime(path, (10**9 + k, 10**9 + k))
    try:
        assert set(done.planned("--config", "results=a copy")) == {"summarize", "plot_grid", "draw_panel", "all"}
        # Without Snakemake's notes, too, what was computed with other settings is not taken for what is asked for.
        changed = done.planned("--config", "results=a copy", "training={learning_rate: 0.02}")
        assert {"train", "evaluate", "export", "summarize"} <= set(changed)
    finally:
        shutil.rmtree(copy)


def test_more_seeds_and_other_blocks_train_only_what_is_new(done):
    before, networks, runs = done.written(), done.networks(), runs_in_mlflow(done)
    done.configure(grid={**SMALL["grid"], "seed": [0, 1, 2]}, seeds_per_job=3)
    done.snakemake()
    after = done.written()
    assert {p: t for p, t in after.items() if p in before} == before and len(after) == 6
    assert len(done.rows()) == 6 and len(runs_in_mlflow(done)) == 6
    assert {r["mlflow_run_id"] for r in done.rows()} >= set(runs)
    # Results do not depend on the block: seed 2 alone, in a job of its own, elsewhere.
    all_networks = done.networks()
    done.configure(grid={"task": ["go-nogo"], "seed": [2, 0]}, seeds_per_job=1, results="elsewhere")
    done.snakemake("--until", "train")
    done.configure()
    alone = {
        p.parent.name: torch.load(p, weights_only=True)["model_state_dict"]["w"]
        for p in (done.folder / "elsewhere").rglob("network.pth")
    }
    assert len(alone) == 2 and set(alone) <= set(all_networks) and len(set(alone) - set(networks)) == 1
    assert all(torch.equal(w, all_networks[name]) for name, w in alone.items())


def test_the_database_is_rebuilt_and_equal(done, tmp_path):
    # After all stages, more seeds, and a network that was lost and trained again; of a copy, whose state it changes.
    shutil.copytree(done.folder / "results/small", tmp_path / "results/small")
    again = f"sqlite:///{tmp_path}/again.db"
    replay = [done.python, "-m", "ratecore.cli", "replay", str(tmp_path / "results"), "--uri", again]
    subprocess.run(
        replay, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=PATIENCE
    )
    first = everything_in(f"sqlite:///{done.folder}/results/mlflow.db", done.python)
    assert len(first) == len(done.rows()) and all(run["artifacts"] and run["histories"] for run in first.values())
    assert everything_in(again, done.python) == first


def test_another_configfile_takes_the_place_of_the_default(done):
    (done.folder / "other.yaml").write_text(yaml.safe_dump({**SMALL, "experiment": "other", "grid": {"seed": [5]}}))
    assert done.planned("--configfile", "other.yaml")["train"] == 1
    assert done.planned("--config", "seeds_per_job=1")["train"] == 4
    assert done.planned("--config", "experiment=renamed")["train"] == 2
    (done.folder / "nameless.yaml").write_text("grid: {seed: [5]}\n")
    out = done.snakemake("--configfile", "nameless.yaml", "--dry-run", check=False)
    assert out.returncode != 0 and "experiment" in out.stdout + out.stderr and "required" in out.stdout + out.stderr


def test_a_dry_run_makes_settings_for_grid_points_and_not_for_runs(done):
    # Settings are validated, which takes longer than anything else that a plan needs of a run.
    code = """
import atexit, sys
from ratecore.settings.run import RunSettings
made, init = [], RunSettings.__init__
def counted(self, **values):
    made.append(values)
    init(self, **values)
RunSettings.__init__ = counted
atexit.register(lambda: print("settings made:", len(made)))
from snakemake.cli import main
main(sys.argv[1:])
"""
    done.configure(experiment="medium", grid={"task": ["go-nogo", "mante"], "gain": [1, 2, 3], "seed": "0..199"})
    try:
        out = subprocess.run(
            [done.python, "-c", code, "--cores", "1", "--dry-run", "--quiet"],
            cwd=done.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    finally:
        done.configure()
    assert out.returncode == 0 and "settings made: 6\n" in out.stdout, out.stdout + out.stderr


def test_report(done):
    done.snakemake("--report", "report.html")
    html = (done.folder / "report.html").read_text()
    of_panels = ("Panels", "Loss of {{ small }} networks", "networks at each position", ">--only<")
    for words in (
        "Synaptic decay time constants of all units",
        "Number of trials until",
        "Grid points",
        "mante",
        *of_panels,
    ):
        assert words in html


def test_bad_configurations_are_refused_before_any_work(done):
    done.configure(results="fresh", grid={"task": ["go-nog"], "N": [0], "gian": [1]})
    try:
        out = done.snakemake(check=False)
        assert out.returncode != 0 and "grid: unknown axis 'gian' (did you mean 'gain'?)" in out.stderr + out.stdout
        done.configure(results="fresh", grid={"task": ["go-nog"]}, network={"N": 12, "taus": [20, 4]})
        out = done.snakemake("--dry-run", check=False)
        assert out.returncode != 0 and "the minimum must be below the maximum" in out.stderr + out.stdout
        assert "Traceback" not in out.stderr + out.stdout
        (done.folder / "file").write_text("")
        done.configure(results="file")
        out = done.snakemake(check=False)
        assert out.returncode != 0 and "this is a file, not a folder to write in" in out.stderr + out.stdout
        assert not (done.folder / "fresh").exists()
    finally:
        done.configure()

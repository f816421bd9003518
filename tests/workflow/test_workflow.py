"""The workflow end to end on a grid of small networks: its outputs, what it repeats, what it refuses."""

import csv
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from conftest import PATIENCE
from warm_python import NOT_RENDERED

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run

ROOT = Path(__file__).parents[2]
SMALL = {
    "experiment": "small",
    "grid": {"task": ["go-nogo", "mante"], "seed": [0, 1]},
    "seeds_per_job": 2,
    "network": {"N": 12, "P_inh": 0.3},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 5},
    "evaluation": {"n_trials": 10, "psychometric_trials": 2},
    "task_settings": {"go-nogo": {"T": 60, "stim_on": 10, "stim_dur": 10}, "mante": {"T": 260, "stim_dur": 20}},
}


class Checkout:
    """A copy of the workflow in which `snakemake` runs as a user runs it, with `python` as its interpreter."""

    def __init__(self, folder, python):
        self.folder, self.python = Path(folder), python
        for name in ("workflow", "scripts", "config"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def results(self):
        return self.folder / "results/small"

    def configure(self, **changes):
        (self.folder / "config" / "config.yaml").write_text(yaml.safe_dump({**SMALL, **changes}))

    def snakemake(self, *arguments, check=True, rendered=False):
        env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        env |= {} if rendered else NOT_RENDERED
        done = subprocess.run(
            [self.python, "-m", "snakemake", "--cores", "2", "--resources", "gpu=2", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=env,
        )
        if check and done.returncode:
            pytest.fail(done.stdout[-3000:] + done.stderr[-6000:])
        return done

    def planned(self, *arguments) -> dict[str, int]:
        """Jobs of each rule that a dry run plans."""
        out = self.snakemake("--dry-run", *arguments)
        stats = (out.stdout + out.stderr).rpartition("Job stats:")[2]
        return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", stats, re.M) if rule != "total"}

    def rows(self):
        with open(self.folder / "results/small/summary.csv", newline="") as file:
            return list(csv.DictReader(file))

    def networks(self) -> dict[str, torch.Tensor]:
        """Trained w of every run, by the run's folder."""
        files = (self.folder / "results/small/runs").rglob("network.pth")
        return {p.parent.name: torch.load(p, weights_only=True)["model_state_dict"]["w"] for p in files}

    def written(self) -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in (self.folder / "results/small/runs").rglob("network.pth")}


@pytest.fixture(scope="module")
def done(tmp_path_factory, python):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), python)
    checkout.configure()
    checkout.output = checkout.snakemake(rendered=True)
    return checkout


def runs_in_mlflow(checkout):
    code = """
import json, sys
from mlflow.tracking import MlflowClient
c = MlflowClient("sqlite:///results/mlflow.db")
runs = c.search_runs([c.get_experiment_by_name("small").experiment_id], max_results=1000)
print(json.dumps([{
    "id": r.info.run_id, "status": r.info.status,
    "tags": r.data.tags, "params": r.data.params, "metrics": r.data.metrics,
    "history": len(c.get_metric_history(r.info.run_id, "train/test_loss")),
    "artifacts": [f.path for d in ("model", "figures", "evaluation") for f in c.list_artifacts(r.info.run_id, d)],
} for r in runs]))
"""
    out = subprocess.run(
        [checkout.python, "-c", code],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    return {run["id"]: run for run in json.loads(out.stdout.splitlines()[-1])}


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
        ({"grid": {**SMALL["grid"], "taus": [[4, 20], 10]}}, {"train"}, {"init_tracking"}),
    ],
    ids=["evaluation", "spiking", "learning_rate", "figures", "grid_point"],
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
        assert set(done.planned("--config", "results=a copy")) == {"summarize", "plot_grid", "all"}
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


def everything_in(uri, python):
    """Name, status, times, params, tags, metric histories and artifact hashes of all runs of a store, by identity."""
    code = """
import hashlib, json, pathlib, sys
from mlflow.tracking import MlflowClient
c, found = MlflowClient(sys.argv[1]), {}
for run in c.search_runs([c.get_experiment_by_name("small").experiment_id], run_view_type=3, max_results=1000):
    histories = {key: sorted((m.step, m.timestamp, m.value) for m in c.get_metric_history(run.info.run_id, key))
                 for key in run.data.metrics}
    root = pathlib.Path(run.info.artifact_uri)
    files = {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
             for p in root.rglob("*") if p.is_file()}
    assert run.data.tags["ratecore.run"] not in found, "two runs of one network"
    found[run.data.tags["ratecore.run"]] = dict(
        name=run.info.run_name, status=run.info.status, start=run.info.start_time, end=run.info.end_time,
        life=run.info.lifecycle_stage, params=run.data.params, tags=run.data.tags, histories=histories, artifacts=files)
print(json.dumps(found))
"""
    out = subprocess.run(
        [python, "-c", code, uri],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    return json.loads(out.stdout.splitlines()[-1])


SPIKING = {
    **SMALL,
    "grid": {"refractory": [2, 20], "seed": [0, 1]},
    # A criterion that all meet, so that they are converted.
    "training": {"n_trials": 1500, "eval_freq": 1500, "eval_tr": 20, "loss_threshold": 1e6, "accuracy_threshold": 0},
    "task_settings": {"T": 30, "stim_on": 5, "stim_dur": 5},
    "conversion": {"n_trials": 12, "scaling_factors": [2, 4, 8], "trials_shown": 2},
}


def test_networks_are_converted_for_every_value_of_an_axis(tmp_path, python):
    checkout = Checkout(tmp_path, python)
    checkout.configure(**SPIKING)
    planned = checkout.planned()
    assert (planned["train"], planned["evaluate"], planned["export"], planned["convert"]) == (1, 1, 2, 2)
    checkout.snakemake(rendered=True)
    rows = checkout.rows()
    assert [(r["refractory"], r["seed"], r["status"]) for r in rows] == [
        (ms, seed, "trained") for ms in ("2", "20") for seed in "01"
    ]
    for row in rows:
        assert float(row["lambda"]) in (2, 4, 8) and 0 <= float(row["spiking_ci_low"]) <= float(row["spiking_accuracy"])
        assert float(row["spiking_accuracy"]) <= float(row["spiking_ci_high"]) <= 1
    assert all(float(row["mean_rate_exc"]) <= 50 for row in rows if row["refractory"] == "20")
    runs = runs_in_mlflow(checkout)
    assert len(runs) == 2 and {run["status"] for run in runs.values()} == {"FINISHED"}
    for row in rows:
        metrics = runs[row["mlflow_run_id"]]["metrics"]
        assert metrics[f"spiking/refractory_{row['refractory']}/accuracy"] == float(row["spiking_accuracy"])
        assert metrics[f"spiking/refractory_{row['refractory']}/lambda"] == float(row["lambda"])
    figures = checkout.folder / "results/small/figures"
    assert {p.name for p in figures.glob("*.png")} >= {"spiking_accuracy.png", "lambda.png"}
    for ms in (2, 20):
        names = {p.stem for p in (figures / f"task~go-nogo/N~12/taus~4_20/refractory~{ms}").glob("*.png")}
        assert names == {"scaling", "raster", "spiking_outputs", "firing_rates", "units", "components"}
    assert checkout.planned() == {}
    before = checkout.written()
    checkout.configure(**{**SPIKING, "grid": {"refractory": [2, 20, 5], "seed": [0, 1]}})
    planned = checkout.planned()
    assert planned["convert"] == 1 and "train" not in planned and "evaluate" not in planned
    checkout.snakemake()
    assert checkout.written() == before and len(checkout.rows()) == 6
    assert runs_in_mlflow(checkout).keys() == runs.keys()


def test_a_broken_block_leaves_a_table_and_the_next_grid_keeps_it(tmp_path, python):
    checkout = Checkout(tmp_path, python)
    grid = {"N": [12, 14], "seed": [0]}
    checkout.configure(grid=grid, task_settings=SMALL["task_settings"]["go-nogo"], figures={"grid_points": 0})
    experiment = Experiment.from_yaml(tmp_path / "config/config.yaml")
    in_the_way = tmp_path / Run.at(experiment, experiment.grid_points[1], 0).folder / "network.pth"
    in_the_way.mkdir(parents=True)
    broken = checkout.snakemake(check=False)
    printed = broken.stdout + broken.stderr
    log = "results/small/logs/train/task~go-nogo/N~14/taus~4_20/seeds~0.log"
    assert broken.returncode != 0 and "1 of 2 networks is done: 1 not trained; 1 broke." in printed
    assert "go-nogo N=14 seed=0: train: IsADirectoryError" in printed and f"log: {log}" in printed
    assert [row["status"] for row in checkout.rows()] == ["not trained", "broke"]
    assert (checkout.results / "figures/accuracy.png").is_file()
    index = list(csv.DictReader((checkout.results / "models/index.csv").read_text().splitlines()))
    assert [(row["grid_point"], row["seed"]) for row in index] == [("task=go-nogo N=12 taus=4_20", "0")] * 2
    assert all((checkout.results / "models" / row["file"]).is_file() for row in index)
    # The same command retries what broke and keeps its log; the closing words say what to change.
    in_the_way.rmdir()
    whole = checkout.snakemake()
    assert [row["status"] for row in checkout.rows()] == ["not trained"] * 2
    text = (tmp_path / log).read_text()
    assert text.index("IsADirectoryError") < text.index("---- again on") < text.rindex("N=14 seed=0: trial 20/20")
    printed = whole.stdout + whole.stderr
    assert "2 networks: 2 not trained." in printed and "training does not stop before trial 1,500" in printed
    assert f"report     {checkout.python} -m snakemake --report report.html" in printed
    # Another grid under the same name.
    first = (checkout.results / "summary.csv").read_text()
    checkout.configure(grid={**grid, "N": [14]}, task_settings=SMALL["task_settings"]["go-nogo"], convert=False)
    printed = checkout.snakemake("--until", "summarize").stdout
    (kept,) = (checkout.results / "earlier").iterdir()
    assert f"and its configuration are kept in {kept.relative_to(tmp_path)}/" in printed
    assert (kept / "summary.csv").read_text() == first and len(checkout.rows()) == 1
    assert yaml.safe_load((kept / "config.yaml").read_text())["grid"] == grid
    assert yaml.safe_load((checkout.results / "config.yaml").read_text())["grid"]["N"] == [14]
    none = checkout.snakemake("--cores", "0", "--forcerun", "train", check=False)
    assert none.returncode != 0 and "--cores 0: no job can run" in none.stderr + none.stdout


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
    for words in ("Synaptic decay time constants of all units", "Number of trials until", "Grid points", "mante"):
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


def test_own_task_and_a_network_that_fails_for_what_it_is(tmp_path, python):
    # One grid: a task of the user's in one file outside the package, with another beside it and a setting whose name no
    # wildcard can have; and a learning rate at which losses overflow.
    checkout = Checkout(tmp_path, python)
    text = (ROOT / "tests/data/my_task.py").read_text().replace('"level"', '"pulse.level-1"')
    (tmp_path / "my_task.py").write_text("from __future__ import annotations\nimport sizes\n" + text)
    sizes = "from dataclasses import dataclass\n@dataclass\nclass Size:\n    value: float"
    (tmp_path / "sizes.py").write_text(f"from __future__ import annotations\n{sizes}\n")
    checkout.configure(
        grid={"learning_rate": [0.01, 1e38], "task_settings.pulse.level-1": [1.0], "seed": [0]},
        task="count-pulses",
        task_file="my_task.py",
        task_settings={},
        network={"N": 12, "activation": "clipped_relu"},
        training={**SMALL["training"], "loss_threshold": 1e-6},
    )
    out = checkout.snakemake()
    rows = {row["learning_rate"]: row for row in checkout.rows()}
    assert rows["0.01"]["status"] == "not trained" and (checkout.results / rows["0.01"]["mat"]).is_file()
    assert rows["0.01"]["pulse_level_1"] == "1"
    assert "models/count-pulses/" in rows["0.01"]["mat"]
    failed = rows["1e+38"]
    assert failed["status"] == "failed" and "try a smaller learning_rate" in failed["error"] and not failed["mat"]
    assert "2 networks: 1 not trained, 1 failed." in out.stdout + out.stderr
    runs = runs_in_mlflow(checkout)
    assert runs[failed["mlflow_run_id"]]["status"] == "FAILED"
    assert "smaller learning_rate" in runs[failed["mlflow_run_id"]]["tags"]["error"]


def test_without_a_server_the_grid_is_done_and_mirrored_later(tmp_path, python, monkeypatch):
    checkout, one_network = (
        Checkout(tmp_path, python),
        {"grid": {"seed": [0]}, "figures": {"grid_points": 0}, "convert": False},
    )
    one_network["task_settings"] = SMALL["task_settings"]["go-nogo"]
    checkout.configure(**one_network, tracking={"uri": "http://someone:secret@127.0.0.1:9"})
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = checkout.snakemake()
    assert checkout.rows()[0]["mlflow_run_id"] == "" and checkout.rows()[0]["status"] == "not trained"
    log = done.stdout + done.stderr
    assert log.count("MLflow cannot be reached, the runs go on and are mirrored later") == 1
    assert log.count("MLflow is incomplete for 1 network: `ratecore replay results`") == 1
    for path in [*(tmp_path / "results").rglob("*.json*"), *(tmp_path / "results").rglob("*.log")]:
        assert "secret" not in path.read_text(), path
    before = checkout.written()
    checkout.configure(**one_network)
    checkout.snakemake()
    assert checkout.written() == before
    (run,) = runs_in_mlflow(checkout).values()
    assert run["status"] == "FINISHED" and run["id"] == checkout.rows()[0]["mlflow_run_id"] and run["history"] == 2

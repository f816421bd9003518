"""Grids of their own: converted ones, ones with a broken job, a task of the user or no server."""

import csv
from pathlib import Path

import yaml
from checkout import ROOT, SMALL, Checkout, runs_in_mlflow

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.tracking import Record

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
    # A list of products: the same points, of which one is in both, and another with an axis that they have not.
    first = {"name": "first", "refractory": [2, 20], "seed": [0, 1]}
    second = {"name": "second", "refractory": [2], "tau_rise": [2, 0], "seed": [0, 1]}
    checkout.configure(**{**SPIKING, "grid": [first, second]})
    planned = checkout.planned()
    assert planned["convert"] == 3 and "train" not in planned and "evaluate" not in planned
    printed = checkout.snakemake().stderr
    assert "first: 2 seeds (0, 1) = 2 networks: go-nogo, 12 units" in printed
    assert "then with 2 synaptic rise times (2, 0 ms); all of them shared with products above" in printed
    assert checkout.written() == before and runs_in_mlflow(checkout).keys() == runs.keys()
    found = checkout.rows()
    assert [(r["refractory"], r["tau_rise"], r["seed"], r["grids"]) for r in found] == [
        ("2", "2", "0", "first second"), ("2", "2", "1", "first second"),
        ("20", "2", "0", "first"), ("20", "2", "1", "first"), ("2", "0", "0", "second"), ("2", "0", "1", "second"),
    ]  # fmt: skip
    for row, same in zip(found, rows, strict=False):  # conversions that were there were not done again
        assert {key: row[key] for key in ("lambda", "spiking_accuracy", "accuracy")} == {
            key: same[key] for key in ("lambda", "spiking_accuracy", "accuracy")
        }
        ends = Record(checkout.results / row["folder"] / "record.jsonl").newest("end")
        assert ends[f"convert refractory~{row['refractory']}/tau_rise~2"]["taken_from"] == (
            f"convert refractory~{row['refractory']}"
        )
    assert checkout.planned() == {}


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
    # The display says so at once, and neither Snakemake nor the job repeats it.
    assert broken.stderr.count("FAILED go-nogo, 14 units, seed 0: training: IsADirectoryError") == 1
    assert broken.stderr.count("IsADirectoryError") == 1 and "CalledProcessError" not in printed
    assert broken.stderr.splitlines()[-1].endswith(".snakemake.log") and "At least one job" not in printed
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


def test_networks_from_which_others_start_are_trained_first(tmp_path, python):
    checkout = Checkout(tmp_path, python)
    delay = "task_settings.delay"
    # The point that others start from is the last of the grid.
    checkout.configure(
        task="xor",
        convert=False,
        grid={delay: [8, 4, 2], "seed": [0, 1]},
        task_settings={"T": 60, "stim_on": 5, "stim_dur": 5},
        training={**SMALL["training"], "start_from": {delay: 2}},
        seeds_per_job=1,
        figures={"grid_points": 0},
    )
    assert checkout.planned()["train"] == 6
    checkout.snakemake()
    assert {row["status"] for row in checkout.rows()} <= {"trained", "not trained"}
    experiment = Experiment.from_yaml(tmp_path / "config/config.yaml")
    for seed in experiment.seeds:
        runs = [Run.at(experiment, point, seed) for point in experiment.grid_points]
        records = [Path(tmp_path, run.folder, "record.jsonl") for run in runs]
        times = [Record(path).newest("end")["train"]["time"] for path in records]
        begun = [Record(path).newest("start")["train"]["time"] for path in records]
        assert min(begun[:2]) >= times[2]
    assert checkout.planned() == {}

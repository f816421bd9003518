"""The README as followed by a new user, in order, in a copy of the checkout, and code of the pages it leads to."""

import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from conftest import PATIENCE

ROOT = Path(__file__).parents[1]
README = "README.md"
QUARTER = {"taus": [[4, 30]], "seed": [0]}  # of the demo's grid: one network for each task
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout whose demo is a quarter of the real one."""
    folder = copy_of_the_checkout(tmp_path_factory.mktemp("ratecore"))
    file = folder / "config/config.yaml"
    config = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**config, "grid": {**config["grid"], **QUARTER}}))
    return folder


def copy_of_the_checkout(folder):
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)  # with its time, so that make sees the environment as installed
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def run(checkout, command, timeout=PATIENCE, **options):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "PYTEST"))}
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=timeout, env=env, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def blocks(page=README):
    return re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


def block(language, containing, page=README):
    found = [text for kind, text in blocks(page) if kind == language and containing in text]
    assert len(found) == 1, f"{len(found)} {language} blocks with {containing!r}"
    return found[0]


def test_every_block_is_run_by_a_test_below():
    covered = {("bash", "make demo"), ("bash", "--dry-run"), ("yaml", "experiment: gains"), ("python", "open_results"),
               ("bibtex", "Kim_2019")}  # fmt: skip
    for kind, text in blocks():
        assert sum(kind == k and part in text for k, part in covered) == 1, text
    assert len(blocks()) == len(covered)


def test_it_is_a_screen_and_a_half():
    assert len((ROOT / README).read_text().splitlines()) <= 110


def test_the_two_commands(checkout):
    demo, test = block("bash", "make demo").split("\n")[:2]
    printed = run(checkout, ["bash", "-c", demo])
    # The demo ends in networks that are trained, and says where to look.
    counts = re.search(r"3 networks: (\d+) trained", printed)
    assert counts and int(counts[1]) >= 2
    for place in ("results/demo/summary.csv", "results/demo/figures/", "make ui"):
        assert place in printed
    assert (checkout / "results/demo/summary.csv").is_file()
    assert "pytest" in run(checkout, ["make", "-n", *test.split()[1:]])  # running it here would run this test again


@pytest.mark.paper
def test_the_networks_of_the_demo_are_trained(tmp_path):
    folder = copy_of_the_checkout(tmp_path)
    printed = run(folder, ["make", "demo"])
    counts = re.search(r"12 networks: (\d+) trained", printed)
    assert counts and int(counts[1]) >= 11
    with open(folder / "results/demo/summary.csv", newline="") as file:
        assert all(float(row["spiking_accuracy"]) > 0.9 for row in csv.DictReader(file) if row["trained"] == "True")


def test_the_grid_of_the_readme(checkout):
    (checkout / "gains.yaml").write_text(block("yaml", "experiment: gains"))
    printed = run(checkout, ["bash", "-c", "source .venv/bin/activate && snakemake -n --configfile gains.yaml"])
    assert "jobs to do: training 24," in printed  # 24 grid points, 10 seeds in one job
    assert yaml.safe_load((checkout / "gains.yaml").read_text())["grid"]["seed"] == "0..9"


def test_a_sweep_after_training_trains_each_network_once(checkout):
    config = {
        "experiment": "sweep",
        "seeds_per_job": 5,
        **yaml.safe_load(block("yaml", "refractory:", "docs/spiking.md")),
    }
    (checkout / "sweep.yaml").write_text(yaml.safe_dump(config))
    printed = run(checkout, ["bash", "-c", "source .venv/bin/activate && snakemake -n --configfile sweep.yaml"])
    assert "jobs to do: training 2," in printed and "converting 8," in printed


def test_the_workstation_command_repeats_nothing(checkout):
    printed = run(checkout, ["bash", "-euc", block("bash", "--dry-run")])
    assert printed.count("Nothing to be done") == 2


def test_report(checkout):
    run(checkout, ["bash", "-euc", "source .venv/bin/activate\nsnakemake --report report.html"])
    assert (checkout / "report.html").stat().st_size > 100_000


def test_ui_shows_the_runs(checkout):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = subprocess.Popen(
        ["make", "ui"],
        cwd=checkout,
        env={**os.environ, "PORT": str(port)},
        start_new_session=True,
        **quiet,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                page = urllib.request.urlopen(address, timeout=60).read()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "no answer from `make ui`"
                time.sleep(1)
        assert b"MLflow" in page
        code = (
            "import sys; from mlflow.tracking import MlflowClient; c = MlflowClient(sys.argv[1]);"
            "e = c.get_experiment_by_name('demo'); runs = c.search_runs([e.experiment_id]);"
            "print(len(runs), len(c.list_artifacts(runs[0].info.run_id)))"
        )
        assert re.search(r"^3 5$", run(checkout, [sys.executable, "-c", code, address]), re.M)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def test_command_line(checkout):
    commands = block("bash", "ratecore.main", "docs/migrating.md")
    printed = run(checkout, ["bash", "-euc", f"source .venv/bin/activate\n{commands}"])
    assert "trained after" in printed and printed.count("on 100 fresh trials") == 1


@pytest.mark.parametrize(
    ("part", "page"),
    [("set_gpu", "docs/migrating.md"), ("refractory_sweep", "docs/spiking.md"), ("open_results", README)],
)
def test_python(checkout, part, page):
    run(checkout, [sys.executable, "-c", block("python", part, page)])


def test_own_task(checkout):
    (checkout / "my_task.py").write_text(block("python", "class Delayed", "docs/howto/own_task.md"))
    grid = {"task_settings.delay": [10, 30, 50], "seed": [0]}
    config = {
        "experiment": "own",
        "task": "delayed",
        "task_file": "my_task.py",
        "grid": grid,
        "network": {"N": 10},
        "training": {"n_trials": 20, "eval_tr": 5},
    }
    (checkout / "own.yaml").write_text(yaml.safe_dump(config))
    run(
        checkout, ["bash", "-c", "source .venv/bin/activate && snakemake --cores 2 --configfile own.yaml --until train"]
    )
    assert len(list((checkout / "results/own/runs").rglob("network.pth"))) == 3

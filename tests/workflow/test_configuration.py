"""How Snakemake passes the configuration: files, --config, and messages before the first job."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = """experiment: small
grid: {taus: [4, 20], seed: 0..3}
training: {n_trials: 1e2, min_trials: 0}
network: {N: 12}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("workflow", "scripts", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "one.yaml").write_text(CONFIG)
    return folder


def dry_run(python, folder, *arguments):
    env = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [python, "-m", "snakemake", "--cores", "1", "--dry-run", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**env, "HOME": str(folder)},
    )


def test_the_command_line_counts_as_yaml_and_the_plan_is_reported_once(python, folder):
    arguments = (
        "--configfile",
        "one.yaml",
        "--config",
        "grid={N: [10, 20], seed: 0..1}",
        "convert=false",
        "training={eval_tr: 5, learning_rate: 1e-3}",
        "results=~/res",
    )
    done = dry_run(python, folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    combined = "2 network sizes (10, 20 units) x 2 fixed time constants (20 ms, 100 ms) x 2 seeds (0, 1) = 8 networks"
    assert done.stdout.count(combined) == 1 and "0 of 8 networks done; " in done.stdout
    assert done.stdout.count("WARNING: grid.taus = [4, 20] asks for") == 1
    assert "WARNING: network.N has no effect" in done.stdout
    assert f"Results go to {folder}/res/small." in done.stdout
    # A job's own process reads the same and says nothing of it.
    job = dry_run(python, folder, *arguments, "--mode", "subprocess")
    assert job.returncode == 0 and "networks" not in job.stdout + job.stderr, job.stdout + job.stderr


@pytest.mark.parametrize("how", ["default", "one", "two"])
def test_keys_given_twice_are_named_whatever_file_they_are_in(python, folder, how):
    (folder / "twice.yaml").write_text(CONFIG + "network:\n  gain: 1\n")
    arguments = {
        "default": (),
        "one": ("--configfile", "twice.yaml"),
        "two": ("--configfile", "one.yaml", "twice.yaml"),
    }
    if how == "default":
        shutil.copy(folder / "twice.yaml", folder / "config" / "config.yaml")
    done = dry_run(python, folder, *arguments[how])
    assert done.returncode == 1
    assert "network: it is given twice, in lines 4 and 5; give it once" in done.stdout + done.stderr

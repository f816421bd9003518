"""ratecore without its repository: from a wheel in an empty folder, and as a module of another workflow."""

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
from warm_python import NOT_RENDERED

import ratecore

ROOT = Path(__file__).parents[2]
GRID = {
    "experiment": "small",
    "grid": {"seed": [0, 1]},
    "seeds_per_job": 2,
    "network": {"N": 10, "P_inh": 0.3},
    # A criterion that all meet, so that they are converted.
    "training": {"n_trials": 40, "min_trials": 0, "eval_freq": 20, "eval_tr": 5, "loss_threshold": 1e6,
                 "accuracy_threshold": 0},
    "evaluation": {"n_trials": 10},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
    "conversion": {"n_trials": 4, "scaling_factors": [2, 4], "trials_shown": 2},
}  # fmt: skip


def environment(path, **more) -> dict[str, str]:
    """The environment of a program that imports ratecore from `path` alone, with a home of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "PYTEST", "COV_", "GIT_"))}
    return {**kept, "PYTHONPATH": str(path), "PYTHONSAFEPATH": "1", "MLFLOW_DISABLE_TELEMETRY": "true", **more}


def run(command, cwd, env, status=0, python=sys.executable):
    done = subprocess.run([python, "-m", *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


def rows(results) -> list[dict]:
    with open(results / "summary.csv", newline="") as file:
        return list(csv.DictReader(file))


def mirrored(results, env, python) -> dict[str, tuple[str, int]]:
    """MLflow run: its status and the length of its loss curve."""
    code = (
        "import sys; from mlflow.tracking import MlflowClient; c = MlflowClient(sys.argv[1]);"
        "e = c.get_experiment_by_name('small'); print(e.artifact_location);"
        "[print(r.info.run_id, r.info.status, len(c.get_metric_history(r.info.run_id, 'train/test_loss')))"
        " for r in c.search_runs([e.experiment_id])]"
    )
    out = subprocess.run([python, "-c", code, f"sqlite:///{results}/mlflow.db"], env=env, capture_output=True,
                         text=True, check=True)  # fmt: skip
    place, *lines = out.stdout.split("\n")
    assert Path(place) == results / "mlartifacts/small"
    return {run: (status, int(n)) for run, status, n in map(str.split, filter(None, lines))}


def check_grid(results, env, convert=True, python=sys.executable) -> None:
    """All of a grid is in one results folder: networks, table, figures, logs, and MLflow's mirror of the records."""
    table = rows(results / "small")
    assert len(table) == 2
    runs = mirrored(results, env, python)
    assert set(runs) == {row["mlflow_run_id"] for row in table}
    assert all(status == "FINISHED" and n >= 1 for status, n in runs.values())
    for row in table:
        for key in ("folder", "mat", "pth"):
            assert (results / "small" / row[key]).exists()
    parts = {path.name for path in (results / "small").iterdir()}
    assert {"runs", "models", "figures", "jobs", "logs", "benchmarks", "config.yaml", "tracking.json"} <= parts
    assert (results / "small/figures/accuracy.png").is_file()
    assert (results / "small/logs/summarize.log").is_file()
    if convert:
        assert all(row["status"] == "not trained" or float(row["lambda"]) in (2, 4) for row in table)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of what is in the repository."""
    copy = tmp_path_factory.mktemp("source")
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    pip = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "dist", "."]
    run(pip, copy, environment(""))
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> dict[str, str]:
    """The environment of a user who has installed the wheel."""
    place = tmp_path_factory.mktemp("site-packages")
    run(["pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place), str(wheel)], place,
        environment(""))  # fmt: skip
    env = environment(place, HOME=str(tmp_path_factory.mktemp("home")))
    code = "import ratecore; print(ratecore.__file__); print(ratecore.workflow_path())"
    printed = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert all(Path(line).is_relative_to(place) for line in printed.split()), printed
    return env


@pytest.mark.slow
def test_a_wheel_trains_a_grid_in_an_empty_folder_and_shows_it(installed, tmp_path):
    printed = run(["ratecore.cli", "init"], tmp_path, installed)
    assert printed.splitlines()[-2:] == ["  snakemake --cores 2", "  ratecore ui"]
    planned = run(["snakemake", "--cores", "2", "--dry-run"], tmp_path, installed)
    assert "= 12 networks: 200 units" in planned and "workflow/profiles/default" in planned
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump({**GRID, "convert": False}))
    printed = run(["snakemake", "--cores", "2"], tmp_path, installed)
    check_grid(tmp_path / "results", installed, convert=False)
    assert "2 networks: " in printed and re.search(r"MLflow     `.*ratecore.* ui`, then http", printed)
    assert not re.search(re.escape(str(ROOT)) + r"(?!/\.venv)", printed), "the checkout was used"
    assert "Nothing to be done" in run(["snakemake", "--cores", "2"], tmp_path, installed)
    port = free_port()
    ui = subprocess.Popen([sys.executable, "-m", "ratecore.cli", "ui", "--port", str(port)], cwd=tmp_path,
                          env=installed, start_new_session=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=60).read()
                break
            except OSError:
                assert ui.poll() is None and time.monotonic() < end, "no answer from `ratecore ui`"
                time.sleep(0.5)
        assert b"MLflow" in page
        assert "it is in use" in run(["ratecore.cli", "ui", "--port", str(port)], tmp_path, installed, status=2)
    finally:
        os.killpg(ui.pid, signal.SIGTERM)
        ui.wait(60)


def test_a_configfile_takes_the_place_of_the_configuration_of_init(tmp_path, python):
    env = environment(ROOT)
    run(["ratecore.cli", "init"], tmp_path, env, python=python)
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({**GRID, "experiment": "other"}))
    printed = run(["snakemake", "--dry-run", "--configfile", "other.yaml", "--config", "grid={N: [10, 12], seed: [0]}",
                "training={learning_rate: 1e-3}"], tmp_path, env, python=python)  # fmt: skip
    assert re.search("^other: .* = 2 networks", printed, re.M) and "go-nogo, xor" not in printed
    (tmp_path / "config/config.yaml").write_text("experiment: a\nnetwork: {N: 10}\nnetwork: {gain: 1}\n")
    printed = run(["snakemake", "--dry-run"], tmp_path, env, status=1, python=python)
    assert "network: it is given twice, in lines 2 and 3; give it once" in printed


MODULE = """
configfile: "grid.yaml"


module networks:
    snakefile:
        {snakefile}
    config:
        {config}
    prefix:
        "sub"


use rule * from networks


onstart:
    print("theirs: start")


onsuccess:
    print("theirs: success")


onerror:
    print("theirs: error")
"""


def module(folder, snakefile: str, config="config", **changes):
    """A workflow of somebody else's that has the grid as a module."""
    grid = {**GRID, **changes}
    (folder / "grid.yaml").write_text(yaml.safe_dump({"rnn": grid} if config != "config" else grid))
    (folder / "Snakefile").write_text(MODULE.format(snakefile=snakefile, config=config))


@pytest.mark.slow
def test_a_module_with_a_prefix_leaves_one_complete_results_folder(tmp_path, python):
    env = environment(ROOT, **NOT_RENDERED)
    module(tmp_path, repr(str(ROOT / "workflow/Snakefile")))
    printed = run(["snakemake", "--cores", "2", "--verbose"], tmp_path, env, python=python)
    assert {path.name for path in tmp_path.iterdir()} == {".snakemake", "Snakefile", "grid.yaml", "sub"}
    assert {path.name for path in (tmp_path / "sub").iterdir()} == {"results"}
    check_grid(tmp_path / "sub/results", env, python=python)
    # Our words and theirs: neither handlers stand in the way of the others.
    assert len(re.findall("^2 networks: ", printed, re.M)) == 1 and "sub/results/small/summary.csv" in printed
    assert printed.index("theirs: start") < printed.index("theirs: success") and "theirs: error" not in printed
    assert printed.count("small: 2 seeds (0, 1) = 2 networks: ") == 1
    run(["snakemake", "--report", "report.html"], tmp_path, env, python=python)
    html = (tmp_path / "report.html").read_text()
    for words in ("Synaptic decay time constants of", "Number of trials until training", "Grid points", "small"):
        assert words in html
    assert "Nothing to be done" in run(["snakemake", "--cores", "2"], tmp_path, env, python=python)
    # What is of another grid is known there, too; rules that are changed read the Snakefile again.
    with open(tmp_path / "Snakefile", "a") as file:
        file.write("\n\nuse rule train from networks with:\n    threads: 2\n")
    planned = run(["snakemake", "--dry-run", "--config", "evaluation={n_trials: 11}"], tmp_path, env, python=python)
    assert re.search(r"^evaluate +1$", planned, re.M) and not re.search(r"^train +\d+$", planned, re.M), planned


def test_a_module_mirrors_while_it_trains(tmp_path, python):
    # A handler of the main workflow sees the mirror at work before the first job; after an error our words come, too.
    module(tmp_path, repr(str(ROOT / "workflow/Snakefile")), config='config["rnn"]', device="cpu")
    with open(tmp_path / "Snakefile", "a") as file:
        file.write(
            "\n\nonstart:\n    import psutil\n"
            '    print("mirror:", [p.cmdline()[-1] for p in psutil.Process().children()])\n'
            "\n\nrule early:\n    output: 'early'\n    shell: 'exit 1'\n"
        )
    printed = run(
        ["snakemake", "--cores", "1", "early", "networks_none", "--dry-run"],
        tmp_path,
        environment(ROOT),
        status=1,
        python=python,
    )
    assert "networks_none" in printed
    printed = run(
        ["snakemake", "--cores", "1", "early", "sub/results/small/tracking.json", "--config",
         "rnn={training: {learning_rate: 0.005}}"], tmp_path, environment(ROOT), status=1, python=python,
    )  # fmt: skip
    assert "mirror: ['ratecore.tracking.mlflow.follow']" in printed
    assert "2 not done" in printed and "early" in printed and "theirs: error" in printed
    kept = yaml.safe_load((tmp_path / "sub/results/small/config.yaml").read_text())
    assert kept["training"]["learning_rate"] == 0.005 and kept["results"] == "sub/results"


@pytest.fixture(scope="module")
def hosted(tmp_path_factory) -> dict[str, str]:
    """The environment in which github.com/somebody/ratecore is a copy of this repository, tagged v1."""
    folder = tmp_path_factory.mktemp("github")
    repository = folder / "somebody/ratecore"
    for name in ("workflow", "scripts", "config"):
        shutil.copytree(ROOT / name, repository / name, ignore=shutil.ignore_patterns("__pycache__"))
    me = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    env = environment(ROOT, HOME=str(folder), **NOT_RENDERED)
    for command in (["init", "-q"], ["add", "."], [*me, "commit", "-q", "-m", "all"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=repository, env=env, check=True)
    rewritten = {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": f"url.{folder.as_uri()}/.insteadOf",
                 "GIT_CONFIG_VALUE_0": "https://github.com/", "GIT_CONFIG_KEY_1": "protocol.file.allow",
                 "GIT_CONFIG_VALUE_1": "always"}  # fmt: skip
    return {**env, **rewritten, "XDG_CACHE_HOME": str(folder / "cache"), "GITHUB_TOKEN": ""}


@pytest.mark.slow
def test_a_module_from_github_with_a_prefix_is_complete(hosted, tmp_path, python):
    module(tmp_path, 'github("somebody/ratecore", path="workflow/Snakefile", tag="v1")', convert=False)
    printed = run(["snakemake", "--cores", "2"], tmp_path, hosted, python=python)
    check_grid(tmp_path / "sub/results", hosted, convert=False, python=python)
    assert {path.name for path in tmp_path.iterdir()} == {".snakemake", "Snakefile", "grid.yaml", "sub"}
    assert len(re.findall("^2 networks: ", printed, re.M)) == 1 and "theirs: success" in printed
    run(["snakemake", "--report", "report.html"], tmp_path, hosted, python=python)
    assert "Number of trials until training" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ('replace_prefix:\n        {"results/": "elsewhere/"}', "elsewhere/small/summary.csv"),
        ('replace_prefix:\n        {"results/": ""}', " small/summary.csv"),
        ('replace_prefix:\n        {"results/small": "x"}', "the last folder must stay 'small'"),
    ],
    ids=["folder", "none", "name"],
)
def test_a_replaced_prefix_moves_the_results_folder_or_is_refused(tmp_path, python, statement, says):
    module(tmp_path, repr(str(ROOT / "workflow/Snakefile")))
    text = (tmp_path / "Snakefile").read_text()
    (tmp_path / "Snakefile").write_text(text.replace('prefix:\n        "sub"', statement))
    status = 1 if "must" in says else 0
    printed = run(["snakemake", "--dry-run"], tmp_path, environment(ROOT), status=status, python=python)
    assert says in printed and "Traceback" not in printed


def test_the_workflow_of_another_version_is_refused_in_plain_words(tmp_path, python):
    text = (ROOT / "workflow/Snakefile").read_text()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/Snakefile").write_text(re.sub('^VERSION = ".*"$', 'VERSION = "99.1"', text, flags=re.M))
    module(tmp_path, repr(str(tmp_path / "elsewhere/Snakefile")))
    printed = run(["snakemake", "--dry-run"], tmp_path, environment(ROOT), status=1, python=python)
    assert f"This workflow is that of ratecore 99.1, but ratecore {ratecore.__version__} is installed" in printed
    assert "pip install 'ratecore[workflow]==99.1'" in printed and "Traceback" not in printed

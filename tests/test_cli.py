"""The command `ratecore`: folders for grids, single networks, and what it says of wrong arguments."""

import http.server
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import yaml

import ratecore
from ratecore.cli import command_parser, main
from ratecore.cli.arguments import COMMANDS
from ratecore.cli.folder import contents
from ratecore.cli.mirror import store_of
from ratecore.cli.networks import settings_in, single_run
from ratecore.experiment.grid import Experiment
from ratecore.formats import load_network, load_task
from ratecore.rate.evaluation import evaluate
from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import schema_yaml
from ratecore.settings.training import EvaluationSettings
from ratecore.system.intervals import wilson_interval
from ratecore.tasks import TaskFactory

ROOT = Path(__file__).parents[1]
SMALL = ("--set", "N=12", "--set", "P_inh=0.3", "--set", "training.n_trials=40", "--set", "min_trials=0",
         "--set", "task_settings.T=60", "--set", "task_settings.stim_on=10", "--set", "task_settings.stim_dur=10",
         "--set", "evaluation.n_trials=10", "--set", "eval_freq=20", "--set", "eval_tr=5")  # fmt: skip


def refusal(python, *argv) -> str:
    """Returns the one line that a refused command prints to standard error."""
    done = subprocess.run([python, "-m", "ratecore.cli", *argv], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done
    return done.stderr


@pytest.mark.parametrize("argv", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_that_takes_long(argv):
    code = (
        "import sys\nfrom ratecore.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as end: assert end.code == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not {"torch", "numpy", "numba", "scipy", "pydantic", "yaml", "mlflow", "pandas"} & loaded
    printed = done.stdout
    assert printed == f"ratecore {ratecore.__version__}\n" if argv == ["--version"] else "usage: ratecore" in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_each_command_can_be_parsed(name):
    parser = command_parser(name)
    words = parser.epilog.splitlines()[-1].split("&&")[0].partition(" > ")[0].split()
    assert words[:2] == ["ratecore", name]
    parser.parse_args(words[2:])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["trainn"], "unknown command 'trainn' (did you mean 'train'?); commands: init, train"),
        (["--verison"], "unknown argument '--verison' (did you mean '--version'?); see `ratecore --help`"),
        (["init", __file__], "test_cli.py: this is a file, not a folder to write in"),
        (["train", "--out", __file__], "test_cli.py: this is a file, not a folder to write in"),
        (["convert", "x.mat", "--out", __file__], "test_cli.py: this is a file, not a folder to write in"),
        (["convert", str(ROOT)], ": no .mat file in this folder itself; folders in it are not searched"),
        (["evaluate", str(ROOT)], ": this is a folder; name one .mat or .pth file"),
        ([], "the following arguments are required: COMMAND"),
        (["train", "--seed", "x"], "argument --seed: invalid int value"),
        (["train", "--tsk", "xor"], "unknown argument '--tsk' (did you mean '--task'?); see `ratecore train --help`"),
        (["train", "--set", "N"], "--set N: it must be KEY=VALUE, as --set N=200"),
        (["train", "--set", "N=1", "--set", "N=2"], "--set N: given twice"),
        (["train", "--set", "N=010"], "--set N=010: 010 is read as an octal number"),
        (["train", "--set", "gian=1"], "--set: unknown setting 'gian' (did you mean 'gain'?)"),
        (["train", "--set", "N=-5"], "network.N = -5"),
        (["train", "--seed", "-1"], "grid.seed = -1: it must be a whole number >= 0"),
        (["train", "nothing.yaml"], "nothing.yaml"),
        (["train", "--task", "manto"], "manto"),
        (["evaluate", "nothing.mat"], "nothing.mat: there is no such file"),
        (["evaluate", "x.mat", "--trials", "0"], "--trials 0: it must be a whole number, at least 1"),
        (["convert", "nothing.mat"], "nothing.mat: no .mat file there"),
        (["convert", "x.mat", "--factors", "a"], "--factors a"),
        (["convert", "x.mat", "--spiking", "refractry=5"], "did you mean 'refractory'?"),
        (["replay", "nowhere"], "nowhere: no experiment in it"),
        (["ui", "nowhere"], "nowhere/mlflow.db: no such file"),
        (["ui", "--port", "0"], "--port 0: it must be a whole number from 1 to 65535"),
    ],
)
def test_wrong_arguments_give_one_line(python, argv, says):
    assert says in refusal(python, *argv)


def test_init_writes_a_grid_that_is_the_demo(tmp_path, capsys):
    assert main(["init", str(tmp_path / "a grid")]) == 0
    folder = tmp_path / "a grid"
    assert capsys.readouterr().out.splitlines()[1:] == [f"  cd '{folder}' && snakemake --cores 2", "  ratecore ui"]
    given, demo = (Experiment.from_yaml(path / "config/config.yaml") for path in (folder, ROOT))
    assert given.given() == demo.given()
    assert yaml.safe_load((folder / "config/config.schema.yaml").read_text()) == yaml.safe_load(schema_yaml())
    first = (folder / "config/config.yaml").read_text().splitlines()[0]
    assert (folder / "config" / first.partition("$schema=")[2]).is_file()
    for name in ("default", "slurm"):
        profile = f"workflow/profiles/{name}/config.yaml"
        assert (folder / profile).read_bytes() == (ROOT / profile).read_bytes()
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == set(contents())
    # What config/README.md names is in the folder.
    page = (folder / "config/README.md").read_text()
    named = set(re.findall(r"\b(?:config|workflow)/[\w./-]*\w", page))
    assert "config/paper/fig1c.yaml" in named and "](../" not in page
    assert [name for name in named if not (folder / name).exists()] == []
    # What is commented in the configuration are defaults that can be set.
    lines = [line[2:].partition(" #")[0] for line in (folder / "config/config.yaml").read_text().splitlines()
             if line.startswith("# ") and ": " in line and "$schema" not in line]  # fmt: skip
    optional = yaml.safe_load("\n".join(line for line in lines if not line.endswith(".") and "defaults" not in line))
    Experiment.from_config({**demo.given(), **optional})


def test_init_writes_over_nothing(python, tmp_path):
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text("mine")
    (tmp_path / "README.md").symlink_to("gone")
    printed = refusal(python, "init", str(tmp_path))
    assert f"{tmp_path}: workflow/Snakefile, README.md exist already; name another folder" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"workflow", "README.md"}


def test_schema_is_printed(capsys):
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == schema_yaml() == (ROOT / "workflow/schemas/config.schema.yaml").read_text()
    assert main(["schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == yaml.safe_load(schema_yaml())


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["N=200", "taus=[4, 25]", "gain=1e-1"], {"N": 200, "taus": [4, 25], "gain": "1e-1"}),
        (["apply_dale=false", "task_file=a=b.py", "x="], {"apply_dale": False, "task_file": "a=b.py", "x": None}),
    ],
)
def test_settings_are_read_as_yaml(pairs, expected):
    assert settings_in(pairs) == expected


def test_a_single_run_is_a_point_of_the_grid(tmp_path):
    config = {"experiment": "e", "grid": {"N": [10, 20], "network.gain": [1, 2], "seed": "0..4"},
              "training": {"n_trials": 300}, "task_settings": {"mante": {"T": 260}}}  # fmt: skip
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(config))
    run, around = single_run(path, "mante", {"N": 20, "gain": 2}, 3)
    assert around.experiment == "e" and run.seed == 3
    experiment = Experiment.from_config({**config, "task": "mante"})
    of_grid = [
        grid_point.run(3)
        for grid_point in experiment.grid_points
        if grid_point.values["N"] == "20" and grid_point.values["gain"] == "2"
    ]
    assert [run.identity()] == [other.identity() for other in of_grid]
    with pytest.raises(SettingsError) as refused:
        single_run(path, None, {"N": 20})
    assert "its grid has 10 networks" in str(refused.value) and "--set gain=... --seed ..." in str(refused.value)
    assert single_run(None, None, {"seed": 7})[0].seed == 7


@pytest.fixture(scope="module")
def trained_by_hand(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("single")
    assert main(["train", *SMALL, "--seed", "3", "--out", str(out)]) == 0
    (mat,) = (out / "models").rglob("*.mat")
    return mat


def test_train_saves_the_network_of_the_settings(trained_by_hand):
    held = scipy.io.loadmat(trained_by_hand)
    assert held["w"].shape == (12, 12) and trained_by_hand.with_suffix(".pth").is_file()
    run, _ = single_run(None, None, settings_in(SMALL[1::2]), 3)
    expected = ratecore.train(run).net
    np.testing.assert_array_equal(load_network(trained_by_hand.with_suffix(".pth")).w.detach(), expected.w.detach())


def test_evaluate_scores_fresh_trials_with_an_interval(trained_by_hand, capsys):
    capsys.readouterr()
    assert main(["evaluate", str(trained_by_hand), "--trials", "30", "--seed", "5", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    task, net = load_task(trained_by_hand), load_network(trained_by_hand)
    expected = evaluate(task, net, 5, EvaluationSettings(n_trials=30)).scores
    found = scores["scores"]
    assert found["n"] == 30 and found["accuracy"] == pytest.approx(expected.accuracy, abs=1e-6)
    assert (found["ci_low"], found["ci_high"]) == wilson_interval(int(expected.correct.sum()), 30)
    assert sum(row["n"] for row in scores["conditions"].values()) == 30
    assert main(["evaluate", str(trained_by_hand), "--trials", "30", "--seed", "5"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"go-nogo: accuracy {expected.accuracy:.3f} [{found['ci_low']:.3f}, ")
    assert [line.split(":")[0].strip() for line in printed[1:]] == sorted(scores["conditions"])


@pytest.mark.parametrize("command", ["evaluate", "convert"])
def test_a_setting_that_the_task_does_not_have_is_refused(command, trained_by_hand, capsys):
    before = trained_by_hand.read_bytes()
    assert main([command, str(trained_by_hand), "--trials", "3", "--set", "dely=3"]) == 2
    assert "--set dely: go-nogo has no such setting; it has T, stim_on" in capsys.readouterr().err
    assert trained_by_hand.read_bytes() == before


def test_convert_adds_lambda_and_does_the_other_files(trained_by_hand, tmp_path, capsys):
    (tmp_path / "damaged.mat").write_bytes(b"MATLAB 5.0")
    arguments = ["--trials", "3", "--factors", "2,4", "--out", str(tmp_path / "out"), "--spiking", "refractory=3"]
    (tmp_path / "out").mkdir()
    before = trained_by_hand.read_bytes()
    assert main(["convert", str(tmp_path / "damaged.mat"), str(trained_by_hand), *arguments]) == 2
    printed = capsys.readouterr()
    assert "damaged.mat" in printed.err and printed.out.startswith(f"{tmp_path}/out/{trained_by_hand.name}: lambda ")
    held = scipy.io.loadmat(tmp_path / "out" / trained_by_hand.name)
    assert held["opt_scaling_factor"].item() in (2, 4) and trained_by_hand.read_bytes() == before


def test_ui_finds_the_store_of_the_results(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the workflow first"):
        store_of(tmp_path, None)
    assert store_of(tmp_path, "http://127.0.0.1:5000") == "http://127.0.0.1:5000"
    with pytest.raises(ValueError, match="--uri"):
        store_of(tmp_path, "htp://x")
    (tmp_path / "mlflow.db").touch()
    (tmp_path / "small/runs").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "small"):
        assert store_of(folder, None) == f"sqlite:///{tmp_path}/mlflow.db"


def test_results_on_a_server_are_named(tmp_path, capsys, monkeypatch):
    from ratecore.system.files import sealed_json

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "small").mkdir()
    (tmp_path / "small/tracking.json").write_bytes(sealed_json({"uri": "http://127.0.0.1:5000"}))
    assert main(["ui", str(tmp_path)]) == 0
    assert "on the MLflow server http://127.0.0.1:5000" in capsys.readouterr().out


class NotFound(http.server.BaseHTTPRequestHandler):
    """Answers, as a server of any kind does."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("answers", [True, False])
def test_the_address_is_printed_when_the_server_answers_and_the_wait_ends_with_the_server(answers):
    server = http.server.HTTPServer(("127.0.0.1", 0), NotFound)
    port = server.server_address[1]
    if not answers:
        server.server_close()
    code = (
        "import sys; from ratecore.cli.mirror import _announce_when_it_answers as announce\n"
        "announce('127.0.0.1', int(sys.argv[1])); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(port)], stdin=pipe, stdout=pipe, text=True) as process:
        if answers:
            server.handle_request()
            server.server_close()
            assert process.stdout.readline() == f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)\n"
        process.stdin.close()
        assert process.stdout.read() == ""  # the end of the output of all its processes


def test_ctrl_c_is_clean(monkeypatch, capsys):
    def interrupted(as_json):
        raise KeyboardInterrupt

    monkeypatch.setattr("ratecore.cli.folder.schema_command", interrupted)
    assert main(["schema"]) == 130
    assert capsys.readouterr().err == "\nstopped\n"


def test_a_pipe_that_is_closed_is_no_error():
    code = f"{sys.executable} -m ratecore.cli schema | head -n 1"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.stdout.startswith("# Generated") and done.stderr == ""


def test_a_network_is_tested_elsewhere_without_a_note(trained_by_hand, tmp_path, capsys):
    from ratecore.rate.testing import changed

    capsys.readouterr()
    arguments = ["--set", "stim_dur=25", "--noise-sd", "0.3", "--input-gain", "0.5", "--trials", "12", "--json"]
    assert main(["evaluate", str(trained_by_hand), *arguments]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert printed.err == "" and found["task_settings"]["stim_dur"] == 25
    assert (found["noise_sd"], found["input_gain"]) == (0.3, 0.5)
    task = TaskFactory.create_task("go-nogo", {"T": 60, "stim_on": 10, "stim_dur": 25})
    net = changed(load_network(trained_by_hand), 0.3, 0.5, elsewhere=True)
    expected = evaluate(task, net, 0, EvaluationSettings(n_trials=12)).scores
    assert found["scores"]["loss"] == pytest.approx(expected.loss, abs=1e-6)
    out = ["--out", str(tmp_path / "out"), "--trials", "2", "--factors", "20"]
    (tmp_path / "out").mkdir()
    assert main(["convert", str(trained_by_hand), "--set", "stim_dur=25", "--input-gain", "0", *out]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["evaluate", "convert"])
def test_a_gain_below_zero_is_refused(command, trained_by_hand, capsys):
    assert main([command, str(trained_by_hand), "--input-gain", "-1"]) == 2
    assert "--input-gain -1: it must be a finite number, at least 0" in capsys.readouterr().err

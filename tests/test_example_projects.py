"""Every example of `ratecore init --example` is a project that runs: its plan, its networks and its notebook."""

import os
import subprocess
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import PATIENCE

from ratecore.cli import command_parser, main
from ratecore.cli.folder import contents, examples
from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.stages.table import stages_of
from ratecore.experiment.summary import summarize, write_summary

ROOT = Path(__file__).parents[1]
NAMES = [path.parent.name for path in sorted((ROOT / "examples").glob("*/README.md"))]
# Trials that take a second, and a criterion that all networks meet.
QUICKLY = {
    "n_trials": 300,
    "min_trials": 300,
    "eval_freq": 100,
    "eval_tr": 20,
    "loss_threshold": 1e6,
    "accuracy_threshold": 0,
}


def copy_of(name, folder):
    assert main(["init", "--example", name, str(folder)]) == 0
    return folder


def test_there_are_the_examples():
    assert all(name in command_parser("init").format_help() for name in NAMES)
    assert set(NAMES) == {"delayed-match", "constraints", "psychometrics"} == set(examples())


@pytest.mark.parametrize("name", NAMES)
def test_its_folder_has_what_it_needs(name, tmp_path, capsys):
    folder = copy_of(name, tmp_path / "a project")
    assert f"the grid of {name}, which README.md explains" in capsys.readouterr().out
    own = {path.relative_to(ROOT / "examples" / name).as_posix() for path in (ROOT / "examples" / name).rglob("*.*")}
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert own < written == set(contents(name)) and "workflow/Snakefile" in written
    config = (folder / "config/config.yaml").read_text()
    assert (folder / "config" / config.splitlines()[0].partition("$schema=")[2]).is_file()
    readme = (folder / "README.md").read_text()
    assert readme == (ROOT / "examples" / name / "README.md").read_text()
    for file in own:
        assert Path(file).name in readme or file.startswith(("config/", "README")), f"README.md does not mention {file}"
    title = readme.splitlines()[0].removeprefix("# ")
    assert main(["init", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index(name) + 1] == f"  {title}" and lines[lines.index(name) + 2].endswith("?")


def test_mistakes_are_one_sentence_and_write_nothing(tmp_path, capsys):
    folder = tmp_path / "project"
    assert main(["init", "--example", "delayed-macth", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "--example delayed-macth: there is no such example (did you mean 'delayed-match'?); there are" in said
    assert all(name in said for name in NAMES) and not folder.exists()
    folder.mkdir()
    (folder / "match_task.py").write_text("mine")
    assert main(["init", "--example", "delayed-match", str(folder)]) == 2
    assert "match_task.py exists already; name another folder" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["match_task.py"]


@pytest.mark.parametrize("name", NAMES)
def test_its_grid_runs_and_its_notebook_shows_it(name, tmp_path, monkeypatch, python, png_file):
    folder = copy_of(name, tmp_path / "project")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("ratecore.figures.png", lambda figure: png_file)  # rendering takes longer than the rest
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    config["training"] = {**config.get("training", {}), **QUICKLY}
    config["evaluation"] = {**config.get("evaluation", {}), "n_trials": 20}
    config["evaluation"] |= {"psychometric_trials": 3} if name == "psychometrics" else {}
    products = config["grid"] if isinstance(config["grid"], list) else [config["grid"]]
    for product in products:
        product["seed"] = [0]
    experiment = Experiment.from_config(config)
    for stage in stages_of(experiment.settings):
        for point in experiment.grid_points:
            do_stage(stage, [Run.at(experiment, point, seed) for seed in point.seeds], experiment.settings)
    write_summary(summarize(experiment), experiment.root)
    keep_configuration(experiment.root, experiment.given())
    cells = nbformat.read("look.ipynb", 4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    command = [python, "-W", "error", "-c", code]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]

"""Every script of docs/examples, and the Python of every page, runs on the results of a small grid.

The grid has all stages and all analyses.
"""

import os
import subprocess
from pathlib import Path

import pytest
import xarray
from conftest import PATIENCE
from docs_blocks import all_blocks

import ratecore as rate
from ratecore.cli import main
from ratecore.experiment.analyses.table import chosen
from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.point_figures import analysis_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.stages.table import stages_of
from ratecore.experiment.summary import summarize, write_summary
from ratecore.formats import load_analysis
from ratecore.rate.activity import trial_activity
from ratecore.settings.analysis import KNOWN

EXAMPLES = Path(__file__).parents[1] / "docs/examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
# Networks that nearly do their task after 1,500 trials, which take a second. A criterion that all of them meet makes
# the results the same on every machine: all are trained, and converted.
CONFIG = {
    "experiment": "examples",
    "grid": {"task": ["go-nogo", "mante"], "seed": [0, 1]},
    "network": {"N": 40, "P_inh": 0.25},
    "training": {
        "n_trials": 1500,
        "min_trials": 1500,
        "eval_freq": 500,
        "eval_tr": 20,
        "keep_weights": 500,
        "loss_threshold": 1e6,
        "accuracy_threshold": 0,
    },
    "evaluation": {"n_trials": 30, "psychometric_trials": 2},
    "task_settings": {"go-nogo": {"T": 80, "stim_on": 15, "stim_dur": 15}, "mante": {"T": 260, "stim_dur": 100}},
    "conversion": {"scaling_factors": [20, 40], "n_trials": 4, "trials_shown": 2},
    "analyses": list(KNOWN),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory, png_file):
    """The folder of a grid of four networks of two tasks with everything done, without MLflow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ratecore.figures.png", lambda figure: png_file)  # rendering takes longer than the rest
        experiment = Experiment.from_config({**CONFIG, "results": str(tmp_path_factory.mktemp("results"))})
        for stage in stages_of(experiment.settings):
            for point in experiment.grid_points:
                runs = [Run.at(experiment, point, seed) for seed in experiment.seeds]
                do_stage(stage, runs, experiment.settings)
        write_summary(summarize(experiment), experiment.root)
        keep_configuration(experiment.root, experiment.given())
    return experiment


def test_no_analysis_fails_and_each_gives_what_its_row_says(results):
    for point in results.grid_points:
        for seed in results.seeds:
            end = Run.at(results, point, seed).outcome("analyse")
            assert end is not None and end["errors"] == {}
            found = load_analysis(Run.at(results, point, seed).file("analysis"))
            for row in chosen(set(KNOWN) - end["left_out"].keys()):
                numbers = {name.partition("/")[2] for name in end["numbers"] if name.startswith(f"{row.name}/")}
                assert numbers <= set(row.numbers), "in the table of analyses"
                assert set(found.get(row.name, {})) == set(row.arrays), "in the table of analyses"
                assert set(row.figures) <= set(analysis_figures(results, point))


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_runs(results, script, python, tmp_path):
    figure = tmp_path / f"{script}.png"
    done = subprocess.run(
        [python, str(EXAMPLES / script), str(results.root), str(figure)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() or figure.is_file(), "it says or draws nothing"
    assert len((EXAMPLES / script).read_text().splitlines()) <= 40


# What the text around a block says: other names for the networks of these tests, and variables that it takes as given.
GIVEN = {
    "docs/balance.md": {
        "setup": {1: "spikes = rate.open_results('results/demo').spikes(task='mante').arrays(network)"}
    },
    "docs/exports.md": {"instead": {"N=200": "N=40"}, "setup": {1: "ds = written()"}},
    "docs/fixed_points.md": {"setup": {0: "starts = states(8)"}},
    "docs/howto/moving.md": {"instead": {"/data/shared/results": "results"}},
    "docs/perturbations.md": {"of": "go-nogo", "setup": {0: "u = inputs"}},
    "docs/population.md": {"instead": {"range(200)": "range(60)"}},
    "docs/results.md": {
        "instead": {
            "N=200": "N=40",
            'exp.networks(grids="fig1c")': "",
            "trials=50": "trials=5",
            "[3, 141]": "[3, 14]",
            "network=12": "network=good.index[0]",
        }
    },
    "docs/spike_trains.md": {"instead": {"trials=50": "trials=12"}},
    "docs/start_grid.md": {"instead": {"results/sizes": "results/demo"}},
    "docs/start_network.md": {"instead": {"seed=1)": 'seed=1, network={"N": 20}, training={"n_trials": 100})'}},
    "docs/testing.md": {"instead": {'{"delay": 100}': '{"stim_on": 20}'}},
    "docs/timescales.md": {"instead": {"20:250": "5:50", "range(100)": "range(15)"}},
}
ELSEWHERE = {  # and what is run by other tests, or needs what only its reader has
    "config/README.md": "a method: tests/tasks has whole trials",
    "docs/analysis.md": "docs/examples/own_analysis.py",
    "docs/howto/own_task.md": "tests/test_docs.py",
    "docs/migrating.md": "tests/compat/test_migrating.py",
    "docs/originals.md": "networks of the original code: tests/experiment/test_networks_from.py",
    "docs/panels.md": "tests/experiment/test_panels.py",
}
PYTHON = all_blocks("python")
PAGES = sorted({block.page for block in PYTHON} - ELSEWHERE.keys())


def test_every_python_block_of_the_documentation_is_run():
    assert {block.page for block in PYTHON} >= GIVEN.keys() | ELSEWHERE.keys()
    assert not GIVEN.keys() & ELSEWHERE.keys()


@pytest.mark.filterwarnings("ignore:networks that were not converted")
@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(results, page, tmp_path, monkeypatch):
    given = GIVEN.get(page, {})
    exp = rate.open_results(results.root)
    row = exp.networks(task=given.get("of", "mante")).index[0]
    folder = results.root / exp.table["folder"][row]
    (tmp_path / "results").mkdir()
    (tmp_path / "results/demo").symlink_to(results.root)
    (tmp_path / "network.mat").symlink_to(results.root / exp.table["mat"][row])
    for name in ("evaluation.npz", "record.jsonl"):
        (tmp_path / name).symlink_to(folder / name)
    monkeypatch.chdir(tmp_path)
    task, net = exp.tested(row)
    trials = trial_activity(task, net, 0, range(2))

    def written():
        assert main(f"activity results/demo --task {task.name} --trials 4 --spikes --out a.nc".split()) == 0
        with xarray.open_dataset("a.nc", engine="h5netcdf") as file:
            return file.load()

    def states(n):
        return trials.x[0, :: len(trials.x[0]) // n]

    variables = {"written": written, "network": row, "inputs": trials.u[0], "states": states}
    for block in (block for block in PYTHON if block.page == page):
        exec(given.get("setup", {}).get(block.number, ""), variables)
        text = block.text
        for old, new in given.get("instead", {}).items():
            text = text.replace(old, new)
        exec(compile(text, f"{page}, block {block.number}", "exec"), variables)
    assert all(old in "".join(b.text for b in PYTHON if b.page == page) for old in given.get("instead", ()))

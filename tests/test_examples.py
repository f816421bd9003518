"""Every script of docs/examples runs on the results of a small grid, which has all stages and all analyses."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import PATIENCE

from ratecore.experiment.analyses.table import chosen
from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.point_figures import analysis_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.stages.table import stages_of
from ratecore.experiment.summary import summarize, write_summary
from ratecore.formats import load_analysis
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

"""docs/files.md names every array of the `.npz` files of a run, with its shape, and no other; and the record."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.convert import convert_run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_run
from ratecore.spiking.__main__ import main

PAGE = (Path(__file__).parents[2] / "docs/files.md").read_text()
CONFIG = {
    "experiment": "arrays",
    "grid": {"seed": [0]},
    "network": {"N": 12, "P_inh": 0.4, "som_N": 1},
    # A criterion that any network meets, so that it is converted: all trials are correct, see below
    "training": {"n_trials": 30, "eval_freq": 30, "eval_tr": 5, "loss_threshold": 1e6, "accuracy_threshold": 0,
                 "min_trials": 0, "keep_weights": 10, "learning_rate": 1e-6},
    "evaluation": {"n_trials": 6, "psychometric_trials": 2},
    "conversion": {"n_trials": 4, "scaling_factors": [2, 4], "trials_shown": 1, "search": "full",
                   "psychometric_trials": 2},
}  # fmt: skip
LEFT_OUT = ("median", "q25", "q75")  # of response times, where there are none
CASES = {  # one output and graded evidence; two outputs
    "mante": {"T": 30, "stim_on": 5, "stim_dur": 5},
    "pro-anti": {},
}


def tables():
    """The arrays of each section of the page: shape by name."""
    found = {}
    for section in re.split(r"^### ", PAGE, flags=re.M)[1:]:
        title = section.partition("\n")[0]
        rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|([^|]*)\| ([^|]+) \|$", section.partition("\n## ")[0], re.M)
        if title.startswith("`") and ".npz`" in title:
            found[title.split("`")[1]] = {}
            for names, shapes, _, meaning in rows:
                names, shapes = re.findall("`([^`]+)`", names), re.findall(r"\([^()]*\)", shapes)
                assert len(shapes) in (1, len(names)) and meaning.strip()
                shapes = shapes * len(names) if len(shapes) == 1 else shapes
                found[title.split("`")[1]] |= dict(zip(names, shapes, strict=True))
    return found


def check(found, documented, n_out, sizes):
    """Names in both directions; shapes with the same length for the same letter."""
    assert set(found) == set(documented)
    for name, array in found.items():
        axes = documented[name].strip("()")
        axes = axes.replace("[n_out,]", "n_out," if n_out > 1 else "")
        axes = [axis.strip() for axis in axes.split(",") if axis.strip()]
        assert array.ndim == len(axes), (name, array.shape, axes)
        for axis, n in zip(axes, array.shape, strict=True):
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, n)
            assert n == expected, (name, array.shape, axes, sizes)


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory, png_file):
    from ratecore import figures

    config = CONFIG | {"grid": {"task": [request.param], "seed": [0]}, "task_settings": CASES[request.param]}
    experiment = Experiment.from_config({**config, "results": str(tmp_path_factory.mktemp("results"))})
    run = Run.at(experiment, experiment.grid_points[0], 0)
    stages = {"train": lambda run: train_run(run, log=io.StringIO()), "evaluate": evaluate_run, "export": export_run,
              "convert": convert_run}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "png", lambda figure: png_file)
        patch.setattr(type(run.settings.create_task()), "is_correct", lambda self, o, label: True)
        for stage, work in stages.items():
            run_block(stage, [run], work, io.StringIO())
    return run


def test_every_array_of_a_run_is_documented(run):
    task = run.settings.create_task()
    documented, seen = tables(), set()
    for path in run.folder.rglob("*.npz"):
        seen.add(path.name)
        arrays, names = dict(np.load(path)), dict(documented[path.name])
        kinds = ("psychometric_", "chronometric_")
        curves = {name: shape for name, shape in documented["evaluation.npz"].items() if name.startswith(kinds)}
        if task.evidence_levels and path.name == "comparison.npz":
            names |= curves
        elif not task.evidence_levels:
            names = {name: shape for name, shape in names.items() if name not in curves}
        if not np.isfinite(arrays.get("chronometric_times", np.nan)).any():
            names = {name: shape for name, shape in names.items() if name.rpartition("_")[2] not in LEFT_OUT}
        check(arrays, names, task.n_outputs, {"N": 12, "n_in": task.n_inputs, "n_out": task.n_outputs, "T": task.T})
    assert seen == {"evaluation.npz", "comparison.npz", "weights.npz"} == {n for n in documented if "/" not in n}


def test_the_trials_of_a_command_are_documented(run, capsys):
    mat = next(run.root.rglob("*.mat"))
    command = ["evaluate", f"--task={run.settings.task}", f"--model_path={mat}", "--n_trials=2", "--no_plots"]
    assert main([*command, "--all_trial_types"]) == 0
    (path,) = mat.parent.rglob("*_trial_types.npz")
    (names,) = (names for title, names in tables().items() if "trial_types" in title)
    task = run.settings.create_task()
    arrays = np.load(path)
    for kind in task.trial_types:
        of_kind = {name.removeprefix(f"{kind}/"): arrays[name] for name in arrays if name.startswith(f"{kind}/")}
        check(of_kind, names, task.n_outputs, {"N": 12, "n_in": task.n_inputs, "n_out": task.n_outputs})
    assert {name.partition("/")[0] for name in arrays} == set(task.trial_types)


def test_the_examples_of_the_record_run(run):
    section = PAGE[PAGE.index("## The record of a run") :]
    tests = run.record.tests()
    python = re.search(r"```python\n(.*?)```", section, re.S)[1]
    printed = subprocess.run([sys.executable, "-c", python], cwd=run.folder, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str([(step, values["test_accuracy"]) for step, values in tests.items()])
    lines = re.search(r"```bash\n(.*?)```", section, re.S)[1].splitlines()
    assert len(lines) == 3
    if shutil.which("jq"):
        said = [subprocess.run(line, shell=True, cwd=run.folder, capture_output=True, text=True) for line in lines]
        steps, ends, settings = (one.stdout.splitlines() for one in said)
        assert [line.split("\t")[0] for line in steps] == [str(step) for step in tests]
        assert ends == ["train done", "evaluate done", "export done", "convert done"]
        assert json.loads("".join(settings))["network"]["N"] == 12

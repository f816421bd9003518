"""Outputs of jobs for Snakemake; a copy is recognised by the times of its files, which are then put in order."""

import os
import random
import shutil
import time

import pytest

from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import (
    GRID,
    MARK,
    TABLE_WRITTEN,
    mark_times,
    note_grid,
    restore_times,
    stale_files,
    was_copied,
    write_job,
)
from ratecore.experiment.stages.table import STAGES
from ratecore.system.files import sealed_json, write_atomic
from ratecore.tasks import TaskFactory
from ratecore.tracking.mlflow.state import is_tracked_in


def results(root):
    """Files of an experiment whose jobs came one after the other."""
    mark_times(root)
    for stage in STAGES:
        for block in ("0", "1"):
            write_job(root / "jobs" / stage / f"N~10/seeds~{block}.json", [{"seed": int(block), "status": "done"}])
            time.sleep(0.002)
    write_job(root / TABLE_WRITTEN, [])
    for name in (
        "tracking.json",
        "summary.csv",
        "figures/a.png",
        "figures/N~10/b.png",
        "benchmarks/train/N~10/seeds~0.tsv",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    return root


def time_of(path):
    return path.stat().st_mtime_ns


def scramble(root, how):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    random.Random(0).shuffle(files)
    for k, path in enumerate(files):
        times = {"old": 10**9 + k, "one": 10**9, "new": time.time_ns() + 10**10 + k * 10**6}
        os.utime(path, ns=(times[how],) * 2)


@pytest.mark.parametrize("how", ["old", "one", "new"])
def test_times_of_a_copy_are_put_in_order(tmp_path, how):
    root = results(tmp_path / "original")
    copy = shutil.copytree(root, tmp_path / "copy")
    scramble(copy, how)
    assert not was_copied(root) and was_copied(copy)
    assert restore_times(copy) == 2 * len(STAGES) + 1
    assert not was_copied(copy)
    for block in ("0", "1"):
        times = [time_of(copy / "jobs" / stage / f"N~10/seeds~{block}.json") for stage in STAGES]
        assert times == sorted(times) and len(set(times)) == len(STAGES)
    newest = max(time_of(path) for path in copy.glob("jobs/**/*.json"))
    for name in ("tracking.json", "figures/a.png", "figures/N~10/b.png", "benchmarks/train/N~10/seeds~0.tsv"):
        assert time_of(copy / name) > newest, name
    assert not (copy / TABLE_WRITTEN).exists() and (root / TABLE_WRITTEN).exists()  # the table is written again


def test_a_copy_that_keeps_its_times_needs_nothing(tmp_path):
    copy = shutil.copytree(results(tmp_path / "original"), tmp_path / "copy", copy_function=shutil.copy2)
    assert not was_copied(copy)


@pytest.mark.parametrize("text", [None, b"", b"[]", b'{"uri": "x"}'])
def test_without_a_complete_mark_nothing_is_known(tmp_path, text):
    if text is not None:
        (tmp_path / MARK).parent.mkdir()
        (tmp_path / MARK).write_bytes(text)
    assert not was_copied(tmp_path)


def test_what_snakemake_touches_makes_no_copy(tmp_path):
    # After each job it touches the job's outputs; later launches leave the mark as it is.
    root = results(tmp_path)
    later = time.time_ns() + 10**11
    for path in [root / "tracking.json", *root.glob("jobs/*/**/*.json")]:
        os.utime(path, ns=(later, later))
    before = time_of(root / MARK)
    mark_times(root)
    assert not was_copied(root) and time_of(root / MARK) == before


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"written": "x"}', b'{"written": -1}', b"\xff"])
def test_what_holds_no_time_is_left_as_it_is(tmp_path, text):
    root = results(tmp_path)
    path = root / "jobs/train/N~10/seeds~0.json"
    path.write_bytes(text)
    os.utime(path, ns=(5, 5))
    assert restore_times(root) == 2 * len(STAGES) and time_of(path) == 5


TASK = """
from ratecore.tasks import TaskFactory
from ratecore.tasks.go_nogo import GoNogoTask

class Own(GoNogoTask):
    name = "own"
    {0}

TaskFactory.register_task("own", Own)
"""


def experiment_of(folder, **changes):
    config = {"experiment": "e", "results": str(folder), "grid": {"N": [10, 20], "seed": "0..3"}, "seeds_per_job": 2}
    return Experiment.from_config({**config, **changes})


def written_by(experiment, failed=()):
    """Files of all jobs of an experiment, as the stages write them; of networks that failed with that of training."""
    for stage in STAGES:
        for path, grid_point in experiment.grid_points_of(stage).items():
            for name, seeds in experiment.blocks.items():
                depends = [STAGES["train" if seed in failed else stage].settings for seed in seeds]
                rows = [
                    {"seed": s, "identity": grid_point.identity(s, *d)} for s, d in zip(seeds, depends, strict=True)
                ]
                write_job(experiment.root / f"jobs/{stage}/{path}/seeds~{name}.json", rows)
    write_job(experiment.root / TABLE_WRITTEN, [])
    note_grid(experiment, [])
    return experiment


def stages_in(paths):
    return {path.split("/jobs/")[1].split("/")[0].removesuffix(".json") for path in paths}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, set()),
        ({"figures": {"grid_points": 1}, "device": "auto"}, set()),
        ({"training": {"learning_rate": 0.02}}, {*STAGES, "summarize"}),
        ({"evaluation": {"n_trials": 11}}, {"evaluate", "export", "summarize"}),
        ({"spiking": {"refractory": 5}}, {"convert", "summarize"}),
        ({"grid": {"N": [10, 20], "seed": "0..5"}}, {"summarize"}),  # what is missing Snakemake sees itself
        ({"grid": {"N": [10], "seed": "0..3"}}, {"summarize"}),
    ],
)
def test_what_jobs_wrote_for_other_settings_is_made_again(tmp_path, changes, again, known):
    # Results that were moved: Snakemake has no notes of how they were made.
    written_by(experiment_of(tmp_path), failed=[1])
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "e", tmp_path / "moved/e")
    now = experiment_of(tmp_path / "moved", **changes)
    if not known:  # results of an earlier version
        (now.root / GRID).unlink()
    stale = stale_files(now, STAGES)
    assert stages_in(stale) == again | (set() if known else {"summarize"})
    assert all(os.path.isfile(path) for path in stale)
    note_grid(now, stale)
    assert not any(os.path.exists(path) for path in stale) and stale_files(now, STAGES) == []


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"runs": 1}', b'{"runs": [1, 2]}', b'{"runs": []}', b"\xff"])
def test_a_damaged_file_of_a_job_is_of_no_grid(tmp_path, text):
    experiment = written_by(experiment_of(tmp_path))
    path = experiment.root / "jobs/train/task~go-nogo/N~10/taus~4_20/seeds~0-1.json"
    assert path.is_file()
    path.write_bytes(text)
    (experiment.root / GRID).write_bytes(text)
    assert stale_files(experiment, STAGES) == [str(path), str(experiment.root / TABLE_WRITTEN)]


def test_figures_of_grid_points_follow_the_seeds(tmp_path):
    experiment = written_by(experiment_of(tmp_path))
    figure = experiment.root / "figures/N~10/outputs.png"
    figure.parent.mkdir(parents=True)
    figure.touch()
    names = [str(figure), str(figure.with_name("not there.png"))]
    fewer = experiment_of(tmp_path, grid={"N": [10, 20], "seed": "0..1"})
    fewer_points = experiment_of(tmp_path, grid={"N": [10], "seed": "0..3"})
    assert str(figure) in stale_files(fewer, STAGES, names)
    assert str(figure) not in stale_files(fewer_points, STAGES, names)
    assert str(figure.with_name("not there.png")) not in stale_files(fewer, STAGES, names)


def test_other_code_of_a_task_is_another_grid(tmp_path, monkeypatch):
    monkeypatch.setattr(TaskFactory, "_tasks", dict(TaskFactory._tasks))
    files = [tmp_path / name / "own.py" for name in ("before", "after")]
    for file, line in zip(files, ("", "one = 1"), strict=True):
        file.parent.mkdir()
        file.write_text(TASK.format(line))
    grid = {"task": ["own"], "seed": [0, 1]}
    written_by(experiment_of(tmp_path, task_file=str(files[0]), grid=grid))
    del TaskFactory._tasks["own"]  # as in a process of its own
    after = experiment_of(tmp_path, task_file=str(files[1]), grid=grid)
    assert stages_in(stale_files(after, STAGES)) == {*STAGES, "summarize"}


def test_tracking_json_names_its_store_and_experiment(tmp_path):
    path = tmp_path / "tracking.json"
    write_atomic(path, sealed_json({"uri": None, "experiment": "e", "experiment_id": "1"}))
    assert is_tracked_in(path, None, "e")
    assert not is_tracked_in(path, "http://server", "e") and not is_tracked_in(path, None, "renamed")
    path.write_bytes(b"{")
    assert not is_tracked_in(path, None, "e")

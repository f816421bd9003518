"""The final messages of a launch: counts, what broke and why, what was saved, what to change, commands that work."""

import io
import logging
import shlex
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest

from ratecore.experiment import checkpoints, closing, launch
from ratecore.experiment.closing import Closing, count_statuses, last_line, network_statuses, suggest_changes
from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import TABLE_WRITTEN, write_job
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import StageError, run_block
from ratecore.experiment.stages.train import train_run
from ratecore.experiment.summary import log_of, partial_summary, read_summary, summarize, write_summary

pytestmark = pytest.mark.usefixtures("figures_are_not_rendered")

CONFIG = {
    "experiment": "closing",
    "convert": False,
    "grid": {"N": [10, 12], "seed": [0, 1]},
    "seeds_per_job": 1,
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 4, "min_trials": 0, "accuracy_threshold": 1.0},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}


def experiment_in(folder, **changes) -> Experiment:
    return Experiment.from_config({**CONFIG, "results": str(folder), **changes})


def runs_of(experiment) -> list[Run]:
    return [Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in experiment.seeds]


def do(runs, stages=("train", "evaluate", "export"), train=train_run):
    work = {"train": lambda run: train(run, log=io.StringIO()), "evaluate": evaluate_run, "export": export_run}
    for stage in stages:
        run_block(stage, runs, work[stage], io.StringIO())


def full_disk(run, log=None):
    raise OSError(28, "No space left on device", "network.pth")


def interrupted(run, log=None):
    raise checkpoints.Interrupted(130, 10_800)


def words(experiment) -> Closing:
    return Closing(experiment, "`make ui`", "snakemake --report report.html")


@pytest.mark.parametrize(
    ("states", "text"),
    [
        (["trained"], "1 network: 1 trained."),
        (["failed", "trained", "not trained", "trained"], "4 networks: 2 trained, 1 not trained, 1 failed."),
        (["trained", "broke", "broke", "failed"], "2 of 4 networks are done: 1 trained, 1 failed; 2 broke."),
        (["trained", "not done", "broke"], "1 of 3 networks is done: 1 trained; 1 broke, 1 not done."),
        (["not done"] * 1200, "0 of 1,200 networks are done; 1,200 not done."),
    ],
)
def test_counts(states, text):
    assert count_statuses(states) == text


def test_a_network_counts_once_and_by_the_variant_that_is_not_done():
    table = pd.DataFrame({"folder": ["a", "a", "b", "b"], "status": ["trained", "broke", "trained", "trained"]})
    assert sorted(network_statuses(table)) == ["broke", "trained"]


def test_what_is_done_is_in_the_table_beside_what_broke_or_was_saved(tmp_path):
    experiment = experiment_in(tmp_path)
    done, broken, stopped, _untouched = runs_of(experiment)
    do([done])
    with pytest.raises(StageError):
        do([broken], ["train"], full_disk)
    with pytest.raises(checkpoints.Interrupted):
        do([stopped], ["train"], interrupted)
    log = log_of(experiment, experiment.grid_points[0], 1, "train")
    assert log == experiment.root / "logs/train/task~go-nogo/N~10/taus~4_20/seeds~1.log"
    printed = words(experiment).failure([("train", log.as_posix()), ("plot_cell", "no/such.log")])
    assert "1 of 4 networks is done: 1 not trained; 1 broke, 2 not done." in printed
    assert "go-nogo N=10 seed=1: train: OSError: [Errno 28] No space left on device: 'network.pth'" in printed
    assert printed.count(f"log: {log}") == 1 and "plot_cell: its log is empty" in printed
    assert "Run the same command again to retry what failed" in printed and f"{experiment.root}/summary.csv" in printed
    table = read_summary(experiment)
    assert list(table["status"]) == ["not trained", "broke", "not done", "not done"]
    first, second, *others = table.to_dict("records")
    assert first["trained"] is False and first["n_trials"] == 20 and (experiment.root / first["mat"]).is_file()
    assert "No space left" in second["error"] and all(pd.isna(row["trained"]) for row in (second, *others))
    assert [experiment.root / row["folder"] for row in (first, second, *others)] == [
        r.folder for r in runs_of(experiment)
    ]
    assert {p.stem for p in (experiment.root / "figures").glob("*.png")} == {
        "accuracy",
        "trials_to_criterion",
        "trained",
    }
    printed = words(experiment).interrupted()
    assert "  go-nogo N=12 seed=0: saved at trial 10,800 of 20\n" in printed
    assert printed.endswith("Stopped. Run the same command to continue.")


def test_a_table_of_what_is_done_is_no_table_that_is_written(tmp_path):
    # Snakemake makes an output that is missing, whatever times and earlier tables say.
    experiment = experiment_in(tmp_path)
    do(runs_of(experiment))
    write_summary(summarize(experiment), experiment.root)
    write_job(experiment.root / TABLE_WRITTEN, [])
    assert "4 networks: 4 not trained." in words(experiment).success()
    words(experiment).interrupted()
    assert not (experiment.root / TABLE_WRITTEN).exists()
    assert words(experiment).success() == f"\nDone so far: {experiment.root}/runs/"
    assert list(read_summary(experiment)["status"]) == ["not trained"] * 4


def test_a_damaged_record_does_not_hide_the_others(tmp_path):
    experiment = experiment_in(tmp_path)
    runs = runs_of(experiment)
    do(runs)
    data = bytearray(runs[2].record.path.read_bytes())
    data[len(data) // 2] ^= 1
    runs[2].record.path.write_bytes(data)
    table, undone = partial_summary(experiment)
    assert list(table["status"]) == ["not trained"] * 2 + ["broke", "not trained"]
    (left,) = undone
    assert left.log == runs[2].record.path and "record.jsonl, line" in left.error


def test_the_table_that_cannot_be_written_is_reported_with_the_rest(tmp_path):
    experiment = experiment_in(tmp_path)
    (experiment.root / "summary.csv").mkdir(parents=True)
    printed = words(experiment).interrupted()
    assert "could not be written: [Errno 21] Is a directory" in printed and printed.endswith(
        "Run the same command to continue."
    )


def test_the_log_says_why_a_job_without_runs_failed(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("x" * 20_000 + "\nTraceback\nModuleNotFoundError: No module named 'torch'\n\n")
    assert last_line(log) == "ModuleNotFoundError: No module named 'torch'"
    full = "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database or disk is full"
    log.write_text(
        f"Traceback\n  File 'x'\n{full}\n[SQL: UPDATE a]\n(Background on this error at: https://sqlalche.me)\n"
    )
    assert last_line(log) == full


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({}, ["No network of go-nogo was trained. The closest, go-nogo N=1", "accuracy 0", "above 1", "after 20 trials",
              "training.n_trials = 20", "network.taus (now [4, 20])", "learning_rate (now 0.01)"]),
        ({"min_trials": None}, ["does not stop before trial 1,500 (training.min_trials)", "n_trials = 20"]),
        ({"learning_rate": 1e30}, ["every loss overflowed", "learning_rate; it is 1e+30"]),
    ],
    ids=["too_few_trials", "fewer_than_min_trials", "overflow"],
)  # fmt: skip
def test_when_nothing_was_trained_it_says_what_to_change(tmp_path, training, says):
    experiment = experiment_in(tmp_path, training={**CONFIG["training"], **training})
    do(runs_of(experiment))
    text = "\n".join(suggest_changes(experiment, summarize(experiment)))
    assert all(part in text for part in says), text


def test_what_to_change_is_for_tasks_without_a_trained_network(tmp_path):
    experiment = experiment_in(tmp_path)
    do(runs_of(experiment))
    table = summarize(experiment)
    table.loc[1, "status"] = "trained"
    assert suggest_changes(experiment, table) == []


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a repository of ratecore and programs on the path, as a user's shell is in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAKELEVEL", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in (
        "workflow/Snakefile",
        "my grids/a b.yaml",
        "Makefile",
        ".venv/bin/mlflow",
        "bin/snakemake",
        "bin/mlflow",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "configfiles", "expected"),
    [
        ([], [], "snakemake"),
        (["--configfile", "my grids/a b.yaml"], ["my grids/a b.yaml"], "snakemake --configfile 'my grids/a b.yaml'"),
        (["--config", "a=1", "note=a b", "--cores", "2"], [], "snakemake --config a=1 'note=a b'"),
        (["-C", "x=-1", "-n"], [], "snakemake --config x=-1"),
        (["--config=x=1"], [], "snakemake --config x=1"),
    ],
)
def test_the_same_command(here, arguments, configfiles, expected):
    argv = [str(here / "bin/snakemake"), *arguments]
    found = launch.same_snakemake(argv, here / "workflow/Snakefile", [here / f for f in configfiles], None)
    assert launch.shell(found) == expected and shlex.split(expected) == found


def test_the_same_command_from_elsewhere(here, monkeypatch):
    argv, config = [str(here / "bin/snakemake")], here / "my grids/a b.yaml"
    (here / "other place").mkdir()
    monkeypatch.chdir(here / "other place")
    found = launch.shell(launch.same_snakemake(argv, here / "workflow/Snakefile", [config], None))
    assert found == f"snakemake --snakefile {here}/workflow/Snakefile --configfile '{config}'"
    found = launch.shell(launch.same_snakemake(argv, here / "workflow/Snakefile", [config], "other place"))
    assert f"--directory '{here}/other place'" in found
    # Run by a module or by make, whose path is not the shell's, the program has the name that works in a shell.
    monkeypatch.chdir(here)
    assert launch.shell(
        launch.same_snakemake([".../snakemake/__main__.py"], "workflow/Snakefile", [], None)
    ).startswith(f"{sys.executable} -m snakemake")
    monkeypatch.setenv("MAKELEVEL", "1")
    assert launch.same_snakemake(["bin/snakemake"], "workflow/Snakefile", [], None) == ["bin/snakemake"]


def test_no_password_in_the_same_command(here):
    uri = "http://me:sesame@server"
    argv = [str(here / "bin/snakemake"), "--config", f"tracking={{uri: {uri}}}"]
    found = launch.shell(launch.same_snakemake(argv, here / "workflow/Snakefile", [], None, uri))
    assert "sesame" not in found and "server" in found


def test_how_mlflow_is_looked_at(here, monkeypatch):
    def shown(uri, results="results", directory=None):
        return launch.ui_command(uri, results, here, directory).partition(", then")[0]

    own, other = f"sqlite:///{here}/results/mlflow.db", f"sqlite:///{here}/my results/mlflow.db"
    assert shown(own) == "`make ui`" and shown(other, "my results") == "`make ui RESULTS='my results'`"
    server = "`mlflow server --port 5000 --backend-store-uri"
    assert shown(other) == f"{server} '{other}'`"
    assert shown("http://me:sesame@server:5000") == "http://***@server:5000"
    uri = "postgresql://me:sesame@server/mlflow"
    assert shown(uri) == f"{server} <tracking.uri>`"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert shown(uri) == f'{server} "$MLFLOW_TRACKING_URI"`'
    monkeypatch.chdir(here / "bin")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    # There is no Makefile there; `ratecore` is called by its name where that is the one of this Python.
    elsewhere = f"sqlite:///{here}/bin/results/mlflow.db"
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert shown(elsewhere) == "`ratecore ui`" and shown(own, "../results") == "`ratecore ui ../results`"
    assert shown(elsewhere, directory=".") == f"`ratecore ui {here}/bin/results`"
    monkeypatch.setenv("PATH", str(here))
    assert shown(elsewhere) == f"`{sys.executable} -m ratecore.cli ui`"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, []),
        ({"cores": 0}, ["--cores 0: no job can run; it must be at least 1, or 'all'"]),
        ({"nodes": 0, "rate": 0}, ["--jobs 0: no job", "--max-jobs-per-timespan 0: no job"]),
        ({"threads": 0, "cores": 2}, ["--max-threads 0: no job"]),
    ],
)
def test_what_cannot_run(given, says):
    found = launch.cannot_run(**{**dict(cores=1, nodes=None, rate=None, threads=None), **given})
    assert len(found) == len(says) and all(line.startswith(say) for line, say in zip(found, says, strict=True))


@pytest.fixture
def sigint():
    """Restores what Ctrl-C does."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_again_does_not_cut_off_the_last_words(sigint, capfd):
    logger = logging.Logger("snakemake")  # noqa: LOG001  # one of its own
    stop = launch.hide_errors_after_stop(logger)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    logger.info("Terminating processes on user request, this might take some time.")
    for _ in range(3):
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err.count("Saving unfinished networks") == 1
    stop.listen_again()
    with pytest.raises(KeyboardInterrupt):  # MLflow is left to the next launch
        signal.raise_signal(signal.SIGINT)


def test_errors_are_shown_until_snakemake_is_stopped(sigint):
    logger, stream = logging.Logger("snakemake"), io.StringIO()  # noqa: LOG001  # one of its own
    logger.addHandler(logging.StreamHandler(stream))
    stop = launch.hide_errors_after_stop(logger)
    logger.error("a job broke")
    logger.info(None)
    assert not stop.stopped
    logger.info("Terminating processes on user request, this might take some time.")
    logger.error("a job was stopped")
    logger.info("done")
    assert stop.stopped and stream.getvalue().splitlines() == [
        "a job broke",
        "None",
        "Terminating processes on user request, this might take some time.",
        "done",
    ]


def test_many_that_broke_for_one_reason_are_one_line(tmp_path):
    experiment = experiment_in(tmp_path, grid={"N": [10], "seed": "0..14"}, seeds_per_job=15)
    with pytest.raises(StageError):
        do(runs_of(experiment), ["train"], full_disk)
    _, undone = partial_summary(experiment)
    lines = closing.describe_failures(undone, [])
    assert lines[0].startswith("  go-nogo seed=0 and 14 others: train: OSError") and len(lines) == 2

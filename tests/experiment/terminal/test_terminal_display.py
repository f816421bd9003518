"""What is shown of recorded messages of Snakemake and of records that jobs write."""

import io
import logging
from pathlib import Path

import pytest
from messages_of_snakemake import EVENTS, PROSE, job_error, job_finished, job_info, message
from rich.console import Console

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.terminal.board import Row, Status
from ratecore.experiment.terminal.display import MOST_FAILURES, Display
from ratecore.experiment.terminal.lines import Lines
from ratecore.experiment.terminal.progress import Progress, training_of
from ratecore.experiment.terminal.screen import picture

STAGES, FIGURES = ("train", "evaluate", "export"), -1


class Workflow:
    """A workflow of small jobs in a folder, on a clock that the test sets."""

    def __init__(self, folder, **changes):
        config = {"experiment": "e", "results": str(folder), "convert": False, "seeds_per_job": 2,
                  "grid": {"task": ["go-nogo", "xor"], "seed": [0, 1, 2]}, **changes}  # fmt: skip
        self.experiment, self.clock, self.out = Experiment.from_config(config), 1e9, io.StringIO()
        self.root = self.experiment.root.as_posix()
        self.display = Display(Lines(self.out), now=lambda: self.clock)
        self.display.watch(self.experiment)
        self.jobs = {
            number: (stage, f"{self.root}/jobs/{stage}/{path}/seeds~{name}.json")
            for number, (stage, path, name) in enumerate(
                (stage, path, name)
                for stage in STAGES
                for path, point in self.experiment.grid_points_of(stage).items()
                for name in self.experiment.blocks_of(point)
            )
        }
        self.jobs[FIGURES] = ("plot_grid", f"{self.root}/figures/accuracy.png")

    @property
    def printed(self) -> str:
        return self.out.getvalue()

    def begin(self, *numbers):
        self.display.begin([self.jobs[number] for number in numbers or self.jobs] + [("all", "")])

    def start(self, number, log=""):
        self.display.see(job_info(number, *self.jobs[number], log=log))

    def finish(self, number):
        self.display.see(job_finished(number))

    def runs(self, number) -> list[Run]:
        stage, output = self.jobs[number]
        path, _, name = output.removeprefix(f"{self.root}/jobs/{stage}/").removesuffix(".json").rpartition("/seeds~")
        point = self.experiment.grid_points_of(stage)[path]
        return [Run.at(self.experiment, point, seed) for seed in self.experiment.blocks[name]]

    def record(self, run, event, monkeypatch, stage="train", **fields):
        monkeypatch.setattr("ratecore.tracking.record.time.time", lambda: self.clock)
        run.record.append(event, stage, **fields)


def test_the_plan_says_what_is_done_and_what_is_to_do(tmp_path):
    w = Workflow(tmp_path)
    w.begin(1, 5, 9, FIGURES)  # the second block of go-nogo; the other networks are done
    assert w.printed == "5 of 6 networks done; 4 jobs to do: training 1, scoring 1, exporting 1, drawing figures 1.\n"


def test_a_network_is_done_when_all_its_jobs_are(tmp_path):
    w = Workflow(tmp_path)
    w.begin()
    for number, done in ((0, 0), (4, 0), (8, 2), (1, 2), (5, 2), (9, 3)):
        w.start(number)
        w.finish(number)
        assert w.display.board.status().done == done, number
    status = w.display.board.status()
    assert status.kinds == {"train": (2, 4), "evaluate": (2, 4), "export": (2, 4), "figures": (0, 1)}


def test_the_training_of_each_network_of_a_job_is_followed(tmp_path, monkeypatch):
    w = Workflow(tmp_path)
    w.begin()
    w.start(0)
    first, second = w.runs(0)
    assert [(row.who, row.progress) for row in w.display.board.status().rows] == [("go-nogo, seeds 0, 1", None)]
    w.clock += 3
    w.record(first, "start", monkeypatch)
    w.record(first, "metrics", monkeypatch, step=50, values={"loss": 9.0, "test_loss": 8.5, "test_accuracy": 0.25})
    w.record(first, "metrics", monkeypatch, step=100, values={"loss": 7.0, "test_loss": 6.5, "test_accuracy": 0.5})
    (row,) = w.display.board.status().rows
    assert row == Row("training", "go-nogo, seed 0", Progress("training", 100, 6.5, 0.5), 6000, 3.0)
    w.record(first, "end", monkeypatch, status="done", n_trials=150, trained=True)
    w.record(second, "start", monkeypatch)
    with open(second.record.path, "ab") as file:
        file.write(b'{"event": "metrics", "stage": "tra')  # a line that is being written
    (row,) = w.display.board.status().rows
    assert (row.who, row.progress.trial) == ("go-nogo, seed 1", None)
    w.record(second, "end", monkeypatch, status="done", n_trials=6000, trained=False)
    w.finish(0)
    status = w.display.board.status()
    assert (status.trained, status.ended) == (1, 2)


def test_a_record_of_an_earlier_call_or_a_damaged_one_is_no_progress(tmp_path, monkeypatch):
    w = Workflow(tmp_path)
    run = w.runs(0)[0]
    w.record(run, "start", monkeypatch)
    w.record(run, "metrics", monkeypatch, step=50, values={"test_loss": 8.5, "test_accuracy": 0.25})
    assert training_of(run.record.path, w.clock) == Progress("training", 50, 8.5, 0.25)
    assert training_of(run.record.path, w.clock + 1) == Progress()
    run.record.path.write_bytes(run.record.path.read_bytes().replace(b"50", b"60"))
    assert training_of(run.record.path, w.clock) == Progress()
    assert training_of(tmp_path / "missing", 0) == Progress()


def test_of_a_long_record_only_the_end_is_read(tmp_path, monkeypatch):
    w = Workflow(tmp_path)
    run = w.runs(0)[0]
    w.record(run, "start", monkeypatch)
    for trial in range(0, 50_000, 100):
        w.record(run, "metrics", monkeypatch, step=trial, values={"test_loss": 1.0, "test_accuracy": 0.5})
    assert training_of(run.record.path, w.clock) == Progress("training", 49_900, 1.0, 0.5)


def test_the_time_left_is_said_once_a_network_was_trained(tmp_path):
    w = Workflow(tmp_path, threads_per_job=1)
    w.begin(0, 1, 2, 3)
    w.start(0)
    w.clock += 100
    assert w.display.board.status().left is None
    w.finish(0)  # 2 of 6 networks; xor is estimated to take longer
    size = {number: w.display.board._job(*w.jobs[number]).size for number in range(4)}
    assert w.display.board.status().left == pytest.approx(100 * sum(size[k] for k in (1, 2, 3)) / size[0])
    w.start(1)
    w.clock += 20
    assert w.display.board.status().left == pytest.approx(100 * sum(size[k] for k in (1, 2, 3)) / size[0] - 20)


def test_what_a_failed_network_still_needed_is_not_waited_for(tmp_path):
    w = Workflow(tmp_path)
    w.begin(0, 4, 8, 1, 5, 9)
    w.start(0)
    w.clock += 10
    w.finish(0)
    before = w.display.board.status().left
    w.start(1)
    w.display.see(job_error(1, "train"))
    sizes = {number: w.display.board._job(*w.jobs[number]).size for number in (0, 1, 5, 9)}
    lost = 10 * sizes[1] / sizes[0] + sizes[5] + sizes[9]
    assert w.display.board.status().left == pytest.approx(before - lost, abs=0.01)


def test_lines_are_few_and_say_what_is_under_way(tmp_path, monkeypatch):
    w = Workflow(tmp_path)
    w.begin()
    w.start(0)
    w.record(w.runs(0)[0], "start", monkeypatch)
    for second in range(3 * 3600):
        w.clock += 1
        if second % 100 == 0:
            values = {"test_loss": 8.5, "test_accuracy": 0.25}
            w.record(w.runs(0)[0], "metrics", monkeypatch, step=second, values=values)
        w.display.tick() if second % 5 == 0 else None
    lines = w.printed.splitlines()
    assert 15 < len(lines) < 40 and len(w.printed) < 4000
    assert lines[1] == "11 s: 0 of 6 networks done. training go-nogo, seed 0: trial 0 of 6,000, loss 8.5, accuracy 0.25"


def test_a_failure_is_said_at_once_with_its_reason(tmp_path, monkeypatch):
    w = Workflow(tmp_path)
    w.begin()
    log = f"{w.root}/logs/train/x.log"
    w.start(0, log)
    for run in w.runs(0):
        w.record(run, "start", monkeypatch)
        w.record(run, "end", monkeypatch, status="broken", error="OSError: [Errno 28] No space left on device")
    cause = "RuleException:\nCalledProcessError in file \"train.smk\", line 27:\nCommand 'set -euo pipefail; python'"
    w.display.see(message(cause, "error", logging.ERROR, exception="RuleException"))
    w.display.see(job_error(0, "train", log))
    w.display.see(message("Exiting because a job execution failed. Look below for error messages", None, logging.ERROR))
    w.display.see(message("WorkflowError:\nAt least one job did not complete successfully.", "error", logging.ERROR))
    assert w.printed.splitlines()[1:] == [
        "FAILED go-nogo, seed 0 and 1 other: training: OSError: [Errno 28] No space left on device",
        f"  log: {log}",
    ]
    assert w.display.board.status().failed == 1


def test_a_failure_without_a_record_is_explained_by_the_log(tmp_path):
    w = Workflow(tmp_path)
    w.begin()
    log = tmp_path / "plot_grid.log"
    log.write_text("Traceback (most recent call last):\n  File x\nValueError: no columns\n")
    w.start(FIGURES, str(log))
    w.display.see(job_error(FIGURES, "plot_grid", str(log)))
    w.display.see(job_error(7, "not_ours"))
    assert "FAILED drawing figures: ValueError: no columns\n" in w.printed
    assert "FAILED not ours: it has no log\n" in w.printed


def test_many_failures_are_counted(tmp_path):
    w = Workflow(tmp_path)
    w.begin()
    for number in range(1000, 1000 + 5 * MOST_FAILURES):
        w.display.see(job_error(number, "theirs"))
    assert w.printed.count("FAILED") == MOST_FAILURES
    assert w.display.board.status().failed == 5 * MOST_FAILURES


def test_errors_of_the_workflow_are_complete_and_begin_with_the_cause(tmp_path):
    w = Workflow(tmp_path)
    text = 'WorkflowError in file "workflow/rules/common.smk", line 58:\nThe configuration cannot be used:\n  N = -1'
    text += '\n  File "workflow/rules/common.smk", line 53, in <module>'
    w.display.see(message(text, "error", logging.ERROR, exception="WorkflowError"))
    assert w.printed == (
        'The configuration cannot be used:\n  N = -1\n(WorkflowError in file "workflow/rules/common.smk", line 58)\n'
    )
    lone = 'CalledProcessError in file "Snakefile", line 3:\nCommand failed'
    w.display.see(message(lone, "error", logging.ERROR))  # of no job
    w.display.end()
    assert "Command failed\n" in w.printed
    missing = "MissingOutputException in rule train in file x.smk, line 4:\nJob 3 completed, but a file is missing"
    w.display.see(message(missing, "error", logging.ERROR))
    assert "Job 3 completed, but a file is missing\n(MissingOutputException" in w.printed


def test_prose_is_not_shown_and_everything_unknown_is(tmp_path):
    w = Workflow(tmp_path)
    for text in PROSE:
        w.display.see(message(text))
    for event in EVENTS:
        w.display.see(message("text", event, stats={}, jobs=[1], done=1, total=2))
    assert w.printed == ""
    w.display.see(message("Unlocked working directory."))
    w.display.see(message("The code has changed", None, logging.WARNING))
    w.display.see(message(f"Complete log(s): {Path.cwd()}/.snakemake/log/x.log"))
    w.display.see(message("Nothing to be done (all requested files are present and up to date)."))
    assert w.printed.splitlines() == [
        "Unlocked working directory.",
        "The code has changed",
        "Snakemake's log: .snakemake/log/x.log",
        "Nothing to be done: 6 networks done.",
    ]


def test_a_stopped_workflow_shows_no_errors_of_its_jobs(tmp_path):
    w = Workflow(tmp_path)
    w.begin()
    w.start(0)
    w.display.see(message("Terminating processes on user request, this might take some time."))
    w.display.see(job_error(0, "train"))
    w.display.see(message("CalledProcessError", "error", logging.ERROR))
    w.display.tick()
    w.display.end()
    assert w.printed.splitlines()[1:] == ["Terminating processes on user request, this might take some time."]


def test_a_dry_run_counts_jobs_and_reasons(tmp_path):
    w = Workflow(tmp_path, grid={"N": list(range(10, 210)), "seed": "0..9"})
    w.display.dry = True
    for number in w.jobs:
        reason = "Params have changed since last execution: -, +" if 0 <= number < 4 else "Missing output files: a, b"
        w.display.see(job_info(number, *w.jobs[number], reason=reason))
    w.display.end()
    assert w.printed.splitlines() == [
        "0 of 2,000 networks done; 3,001 jobs to do: training 1,000, scoring 1,000, exporting 1,000, drawing figures "
        "1. Nothing was done (--dry-run).",
        f"Results go to {w.root}.",
        "Why: missing output files (2,997); params have changed since last execution (4).",
        "`--logger-ratecore-show snakemake` lists every job.",
    ]


ROWS = [
    Row("training", f"mante, 20 to 150 ms, gain {k}, seed 0", Progress("training", 1200 * k, 3.1, 0.62), 60_000, 9.0)
    for k in range(30)
]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("height", [12, 24, 50])
def test_the_display_fits_the_terminal(width, height):
    kinds = {"train": (6, 120), "evaluate": (5, 120), "export": (4, 120), "convert": (3, 120), "figures": (0, 9)}
    status = Status(1200, 40, 5, 6, 1, kinds, [*ROWS, Row("converting", "xor", None, 0, 12.0)], 7, 4000.0, 5400.0)
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False)
    console.print(picture(status, width, height))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width and len(lines) < height
    text = " ".join(" ".join(lines).split())
    assert "40 of 1,200 networks done" in text and "about 1.5 h left" in text and "1 job failed" in text
    assert "5 of 6 networks trained so far met the criterion" in text and "more" in text
    assert f"and {31 - text.count('trial ') + 7} more" in text
    assert ("loss 3.1" in text) == (width >= 80)


def test_the_display_without_anything_planned_is_empty_but_whole():
    out = io.StringIO()
    Console(file=out, width=80).print(picture(Status(0, 0, 0, 0, 0, {}, [], 0, 0.0, None)))
    assert "0 of 0 networks done" in out.getvalue()


def test_of_hundreds_of_jobs_a_few_records_are_read(tmp_path, monkeypatch):
    w = Workflow(tmp_path, grid={"N": list(range(10, 130)), "seed": [0]})
    w.begin()
    for number in range(120):
        w.start(number)
    read = []
    monkeypatch.setattr("ratecore.experiment.terminal.progress.tail_of", lambda path: read.append(path) or [])
    status = w.display.board.status()
    assert len(read) == len(status.rows) == 20 and status.others == 100
    w.clock += 20
    w.display.tick()
    assert w.printed.splitlines()[-1].endswith("; 118 more")


def test_a_slow_look_at_the_records_is_repeated_seldom(tmp_path, monkeypatch):
    w = Workflow(tmp_path)
    w.begin()
    looks = []

    def slow():
        w.clock += 3
        looks.append(w.clock)

    monkeypatch.setattr(w.display.front, "is_due", lambda seconds: True)
    monkeypatch.setattr(w.display.front, "tick", lambda status: slow())
    start = w.clock
    while w.clock < start + 300:
        w.display.tick()
        w.clock += 1
    assert 4 <= len(looks) <= 6

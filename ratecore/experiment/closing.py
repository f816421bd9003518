"""The closing words of the workflow: results, failures and their reasons, where to look, and how to continue."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import TABLE_WRITTEN
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import TRAIN
from ratecore.experiment.summary import (
    FINISHED,
    Undone,
    all_runs,
    grid_pages,
    partial_summary,
    read_summary,
    write_figures,
    write_summary,
)
from ratecore.tracking.queue import note_deaths

MOST_NAMED = 10  # networks, jobs or tasks that are named; the rest are counted
MOST_READ = 200  # networks of a task whose records are read for the closest to the criterion
MOST_LOOKED_AT = 20_000  # runs that are looked at after Ctrl-C: some seconds
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception): .")
CONTINUE = "Run the same command to continue."


def counted(n: int, noun: str = "network") -> str:
    """'1 network', '12,000 networks'."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def count_statuses(states: list[str]) -> str:
    """'2 of 4 networks are done: 1 trained, 1 not trained; 1 broke, 1 not done', from the status of every network."""
    found = Counter(states)

    def shown(names):
        return ", ".join(f"{found[name]:,} {name}" for name in names if found[name])

    done, left = shown(FINISHED), shown(("broke", "not done"))
    if not left:
        return f"{counted(len(states))}: {done}."
    n = sum(found[name] for name in FINISHED)
    are = "is" if n == 1 else "are"
    return f"{n:,} of {counted(len(states))} {are} done{f': {done}' if done else ''}; {left}."


def network_statuses(table) -> list[str]:
    """The status of every network; of its variants, that of the first that is not done."""
    order = {name: k for k, name in enumerate(("broke", "not done", *FINISHED))}
    rows = sorted(zip(table["folder"], table["status"], strict=True), key=lambda row: order[row[1]])
    return list(dict(reversed(rows)).values())


def list_locations(root: str, ui: str, report: str | None = None) -> list[str]:
    """Lines that say where the results are, and the commands that show them."""
    return [
        f"  table      {root}/summary.csv",
        f"  figures    {root}/figures/",
        f"  networks   {root}/models/   (.mat and .pth; index.csv says which is which)",
        f"  runs       {root}/runs/     (record, scores, figures of each)",
        f"  MLflow     {ui}",
        *([f"  report     {report}"] if report else []),
    ]


def describe_failures(undone: list[Undone], failed: list[tuple[str, str]]) -> list[str]:
    """Lines that say for each job that failed why it did, and where its log is.

    Args:
        undone: of `summary.partial_summary`.
        failed: (rule, log) of the failed jobs of Snakemake, also of those that belong to no network.
    """
    jobs: dict[tuple, list[Undone]] = {}
    for left in undone:
        if left.status == "broke":
            jobs.setdefault((left.stage, left.log.as_posix(), left.error), []).append(left)
    lines = []
    for (stage, log, error), broke in list(jobs.items())[:MOST_NAMED]:
        more = f" and {counted(len(broke) - 1, 'other')}" if len(broke) > 1 else ""
        lines += [f"  {broke[0].name}{more}: {stage}: {error}", f"    log: {log}"]
    known = {log for _, log, _ in jobs}
    others = [(rule, log) for rule, log in failed if log not in known]
    lines += [line for rule, log in others[:MOST_NAMED] for line in (f"  {rule}: {last_line(log)}", f"    log: {log}")]
    left_out = max(0, len(jobs) - MOST_NAMED) + max(0, len(others) - MOST_NAMED)
    return [*lines, f"  ... and {counted(left_out, 'more job')}"] if left_out else lines


def last_line(log) -> str:
    """The line of a job's log that says why it failed: the last that names an exception, or else the last."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 10_000))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    named = [line for line in lines if _EXCEPTION.match(line)]  # SQLAlchemy's, of several lines, end in a link
    return (named or lines)[-1][:300] if lines else "its log is empty: the process was killed or never started"


def list_saved(undone: list[Undone]) -> list[str]:
    """A line for each network whose training was told to end: 'go-nogo seed=0: saved at trial 10,800 of 60,000'."""
    saved = [left for left in undone if left.saved_at is not None]
    lines = [
        f"  {left.name}: saved at trial {left.saved_at:,} of {left.run.settings.training.n_trials:,}"
        for left in saved[:MOST_NAMED]
    ]
    return [*lines, f"  ... and {counted(len(saved) - MOST_NAMED, 'more network')}"] if saved[MOST_NAMED:] else lines


@dataclass(frozen=True)
class Closest:
    """The last test of the network that came closest to the criterion of training."""

    run: Run
    trial: int
    loss: float
    accuracy: float


def closest(runs: list[Run]) -> Closest | None:
    """Of networks that were not trained, the one that came closest to the criterion; None when nothing was recorded."""
    found = []
    for run in runs:
        if tests := run.record.tests():
            last = max(tests)
            found.append(Closest(run, last, tests[last]["test_loss"], tests[last]["test_accuracy"]))
    # Accuracy first: the loss of a network that does the task is small, while a small loss alone can be silence.
    return min(found, key=lambda c: (-c.accuracy, c.loss), default=None)


def suggest_changes(experiment: Experiment, table) -> list[str]:
    """For each task of which no network was trained: by how much the closest missed the criterion, and what helps.

    Args:
        table: of the experiment, see `summary.partial_summary`.
    """
    done = table[table["status"].isin(FINISHED)]
    trained = set(done["task"][done["status"] == "trained"])
    states = {row["folder"]: row["status"] for row in done.to_dict("records") if row["task"] not in trained}
    if not states:
        return []
    runs: dict[str, dict[str, list[Run]]] = {}
    for grid_point, run in all_runs(experiment):
        status = states.pop(run.relative(run.folder), None)  # of several variants the first
        if status is not None:
            runs.setdefault(grid_point.values["task"], {}).setdefault(status, []).append(run)
    lines = []
    for task, found in list(runs.items())[:MOST_NAMED]:
        if best := closest(found.get("not trained", [])[:MOST_READ]):
            lines += _missed(task, best)
        elif "failed" in found:
            rate = found["failed"][0].settings.training.learning_rate
            lines.append(f"No network of {task} was trained: every loss overflowed. Reduce "
                         f"training.learning_rate; it is {rate:g}.")  # fmt: skip
    return lines


def _missed(task: str, best: Closest) -> list[str]:
    training, network = best.run.settings.training, best.run.settings.network
    least = fewest_trials(best.run.settings)
    if training.n_trials < least:
        return [
            f"No network of {task} was trained: training does not stop before trial {least:,} (training.min_trials), "
            f"and training.n_trials = {training.n_trials:,} ends it earlier. Raise n_trials, or lower min_trials."
        ]
    short = []
    if best.loss >= training.loss_threshold:
        short.append(f"loss {best.loss:.3g}, which must be below {training.loss_threshold:g}")
    if best.accuracy <= training.accuracy_threshold:
        short.append(f"accuracy {best.accuracy:.3g}, which must be above {training.accuracy_threshold:g}")
    came = " and ".join(short) or f"loss {best.loss:.3g} and accuracy {best.accuracy:.3g}"
    taus = f"{', '.join(f'{tau:g}' for tau in network.taus)}"
    return [
        f"No network of {task} was trained. The closest, {best.run.name(TRAIN)}, reached {came} after {best.trial:,} "
        "trials.",
        f"  Try more trials (training.n_trials = {training.n_trials:,}), a larger maximum of network.taus "
        f"(now [{taus}]), another training.learning_rate (now {training.learning_rate:g}), more units "
        f"(network.N = {network.N}).",
    ]


def fewest_trials(settings) -> int:
    """Trials before which the training of a run does not stop."""
    least = settings.training.min_trials
    return settings.create_task().min_trials if least is None else least


class Closing:
    """The last words of a launch.

    Args:
        experiment: of the configuration.   ui: how MLflow is looked at.   report: the command that makes the report.
        root: folder of the experiment's results, as the reader can name it; by default as the configuration has it.
    """

    def __init__(self, experiment: Experiment, ui: str, report: str, root: Path | None = None):
        self.experiment, self.ui, self.report = experiment, ui, report
        self.root = (root or experiment.root).as_posix()
        self.earlier: Path | None = None  # where the table of another grid is kept since this launch

    def success(self) -> str:
        """All that was asked for is done."""
        if not Path(self.root, TABLE_WRITTEN).is_file():  # as with --until
            return self._text([f"Done so far: {self.root}/runs/"])
        table = read_summary(self.experiment)
        lines = [count_statuses(network_statuses(table)), *suggest_changes(self.experiment, table)]
        return self._text([*lines, *list_locations(self.root, self.ui, self.report)])

    def failure(self, failed: list[tuple[str, str]]) -> str:
        """Jobs failed: what is done goes into the table and the figures of the grid.

        Args:
            failed: (rule, log) of each.
        """
        note_deaths(self.root)
        table, undone = partial_summary(self.experiment)
        lines = [
            count_statuses(network_statuses(table)),
            *describe_failures(undone, failed),
            *self._write(table, figures=True),
        ]
        lines.append("Run the same command again to retry what failed and finish the rest.")
        return self._text([*lines, *list_locations(self.root, self.ui)])

    def interrupted(self) -> str:
        """Ctrl-C or SIGTERM: what is done goes into the table; where the networks under way were saved."""
        runs = len(self.experiment.grid_points) * len(self.experiment.seeds)
        if runs > MOST_LOOKED_AT:
            return self._text([f"Stopped. Unfinished networks are saved. {CONTINUE}"])
        note_deaths(self.root)
        table, undone = partial_summary(self.experiment)
        lines = [count_statuses(network_statuses(table)), *describe_failures(undone, []), *list_saved(undone)]
        return self._text([*lines, *self._write(table, figures=False), f"Stopped. {CONTINUE}"])

    def _write(self, table, figures: bool) -> list[str]:
        """Writes the table of what is done, which the next launch replaces. Returns what stood in the way."""
        try:
            Path(self.root, TABLE_WRITTEN).unlink(missing_ok=True)  # so that Snakemake makes the table again
            write_summary(table, self.root)
            if figures and table["status"].isin(FINISHED).any():
                made = grid_pages(self.experiment, read_summary(self.experiment))
                write_figures(made, {name: f"{self.root}/figures/{name}.png" for name in made})
        except OSError as error:
            return [f"The table of completed networks could not be written: {error}"]
        return []

    def _text(self, lines: list[str]) -> str:
        kept = f"The table of the previous grid and its configuration are kept in {self.earlier}/"
        return "\n".join(["", *lines, *([kept] if self.earlier else [])])

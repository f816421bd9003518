"""The closing words of the workflow: results, failures and their reasons, where to look, and how to continue."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ratecore.experiment.claims_files import TABLE as CLAIMS
from ratecore.experiment.claims_files import counted_outcomes, remove_claims
from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import TABLE_WRITTEN
from ratecore.experiment.point_figures import write_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import TRAIN
from ratecore.experiment.summary import (
    FINISHED,
    Undone,
    all_runs,
    grid_pages,
    partial_summary,
    read_summary,
    write_summary,
)
from ratecore.tracking.queue import note_deaths

if TYPE_CHECKING:
    import pandas as pd

    from ratecore.settings.run import RunSettings

MOST_NAMED = 10  # networks, jobs or tasks that are named; the rest are counted
MOST_READ = 200  # networks of a task whose records are searched for the closest to the criterion
MOST_READ_AFTER_STOP = 20_000  # runs that are read after Ctrl-C, which takes seconds
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception): .")
CONTINUE = "Run the same command to continue."


def counted(n: int, noun: str = "network") -> str:
    """A count with its noun: '1 network', '12,000 networks'.

    Args:
        n: the count.
        noun: in the singular.

    Returns:
        the words.
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def count_statuses(states: list[str]) -> str:
    """Sum up statuses: '2 of 4 networks are done: 1 trained, 1 not trained; 1 broke, 1 not done.'.

    Args:
        states: the status of every network.

    Returns:
        the sentence.
    """
    found = Counter(states)

    def shown(names: Iterable[str]) -> str:
        return ", ".join(f"{found[name]:,} {name}" for name in names if found[name])

    done, left = shown(FINISHED), shown(("broke", "not done"))
    if not left:
        return f"{counted(len(states))}: {done}."
    n = sum(found[name] for name in FINISHED)
    are = "is" if n == 1 else "are"
    return f"{n:,} of {counted(len(states))} {are} done{f': {done}' if done else ''}; {left}."


def network_statuses(table: pd.DataFrame) -> list[str]:
    """The status of every network; if it has variants, that of the first one that is not done.

    Args:
        table: of `summary.partial_summary`.

    Returns:
        one status per network.
    """
    order = {name: k for k, name in enumerate(("broke", "not done", *FINISHED))}
    rows = sorted(zip(table["folder"], table["status"], strict=True), key=lambda row: order[row[1]])
    return list(dict(reversed(rows)).values())


def list_locations(root: str, ui: str, report: str | None = None) -> list[str]:
    """Where the results are, and the commands that show them.

    Args:
        root: folder of the experiment's results.
        ui: how to open MLflow.
        report: the command that makes the report.

    Returns:
        lines of text.
    """
    return [
        f"  table      {root}/summary.csv",
        f"  figures    {root}/figures/",
        f"  networks   {root}/models/   (.mat and .pth; index.csv says which is which)",
        f"  runs       {root}/runs/     (record, scores, figures of each)",
        f"  MLflow     {ui}",
        *([f"  report     {report}"] if report else []),
    ]


def describe_failures(undone: list[Undone], failed: list[tuple[str, str]]) -> list[str]:
    """Why each failed job failed, and where its log is.

    Args:
        undone: of `summary.partial_summary`.
        failed: (rule, log) of the failed jobs of Snakemake, also of those that belong to no network.

    Returns:
        lines of text.
    """
    jobs: dict[tuple[str, str, str | None], list[Undone]] = {}
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


def last_line(log: str | os.PathLike[str]) -> str:
    """The line of a job's log that says why it failed: the last one that names an exception, or else the last one.

    Args:
        log: path of the log.

    Returns:
        the line, cut to 300 characters.
    """
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 10_000))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    named = [
        line for line in lines if _EXCEPTION.match(line)
    ]  # SQLAlchemy's messages have several lines and end in a link
    return (named or lines)[-1][:300] if lines else "its log is empty: the process was killed or never started"


def list_saved(undone: list[Undone]) -> list[str]:
    """A line for each network whose training was stopped: 'go-nogo seed=0: saved at trial 10,800 of 60,000'.

    Args:
        undone: of `summary.partial_summary`.

    Returns:
        lines of text.
    """
    saved = [left for left in undone if left.saved_at is not None]
    lines = [
        f"  {left.name}: saved at trial {left.saved_at:,} of {left.run.settings.training.most_trials:,}"
        for left in saved[:MOST_NAMED]
    ]
    return [*lines, f"  ... and {counted(len(saved) - MOST_NAMED, 'more network')}"] if saved[MOST_NAMED:] else lines


@dataclass(frozen=True)
class Closest:
    """The last test of the network that came closest to the criterion of training.

    Attributes:
        run: of the network.
        trial: of its last test.
        loss: mean test loss, unitless.
        accuracy: of the test, in [0, 1].
        stage: of a curriculum that it was in, from 1.
    """

    run: Run
    trial: int
    loss: float
    accuracy: float
    stage: int = 1


def closest(runs: list[Run]) -> Closest | None:
    """Of networks that were not trained, the one that came closest to the criterion.

    Args:
        runs: of the networks.

    Returns:
        its last test; None if nothing was recorded.
    """
    found = []
    for run in runs:
        if tests := run.record.tests():
            last = max(tests)
            values = tests[last]
            found.append(Closest(run, last, values["test_loss"], values["test_accuracy"], int(values.get("stage", 1))))
    # Accuracy first: the loss of a network that does the task is small, while a small loss alone can be silence.
    return min(found, key=lambda c: (-c.stage, -c.accuracy, c.loss), default=None)


def suggest_changes(experiment: Experiment, table: pd.DataFrame) -> list[str]:
    """For each task without a trained network: by how much the closest one missed the criterion, and what to try.

    Args:
        experiment: of the networks.
        table: of `summary.partial_summary`.

    Returns:
        lines of text.
    """
    done = table[table["status"].isin(FINISHED)]
    trained = set(done["task"][done["status"] == "trained"])
    states = {row["folder"]: row["status"] for row in done.to_dict("records") if row["task"] not in trained}
    if not states:
        return []
    runs: dict[str, dict[str, list[Run]]] = {}
    for grid_point, run in all_runs(experiment):
        status = states.pop(run.relative(run.folder), None)  # only the first of several variants
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
    stages, settings = len(best.run.settings.training.stages), best.run.settings.in_stage(best.stage - 1)
    training, network = settings.training, settings.network
    where = f" in stage {best.stage} of {stages}" if stages else ""
    least = fewest_trials(settings)
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
        f"No network of {task} was trained. The closest, {best.run.name(TRAIN)}, reached {came}{where} after "
        f"{best.trial:,} trials.",
        f"  Try more trials (training.n_trials = {training.n_trials:,}), a larger maximum of network.taus "
        f"(now [{taus}]), another training.learning_rate (now {training.learning_rate:g}), more units "
        f"(network.N = {network.N}).",
    ]


def fewest_trials(settings: RunSettings) -> int:
    """The number of trials before which the training of a run does not stop.

    Args:
        settings: of the run.

    Returns:
        trials.
    """
    least = settings.training.min_trials
    return int(settings.create_task().min_trials) if least is None else least


class Closing:
    """The closing words of a call of the workflow.

    Args:
        experiment: of the configuration.
        ui: how to open MLflow.
        report: the command that makes the report.
        root: folder of the experiment's results as users can name it; by default as in the configuration.
    """

    def __init__(self, experiment: Experiment, ui: str, report: str, root: Path | None = None):
        self.experiment, self.ui, self.report = experiment, ui, report
        self.root = (root or experiment.root).as_posix()
        self.earlier: Path | None = None  # where this call has kept the table of another grid

    def success(self) -> str:
        """The words after all requested jobs are done.

        Returns:
            the text.
        """
        if not Path(self.root, TABLE_WRITTEN).is_file():  # as with --until
            return self._text([f"Done so far: {self.root}/runs/"])
        table = read_summary(self.experiment)
        lines = [
            count_statuses(network_statuses(table)),
            *self._claims(),
            *suggest_changes(self.experiment, table),
        ]
        return self._text([*lines, *list_locations(self.root, self.ui, self.report)])

    def failure(self, failed: list[tuple[str, str]]) -> str:
        """The words after jobs failed. Writes the table and the figures of the grid from what is done.

        Args:
            failed: (rule, log) of each failed job.

        Returns:
            the text.
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
        """The words after Ctrl-C or SIGTERM: where unfinished networks were saved. Writes the table of what is done.

        Returns:
            the text.
        """
        runs = self.experiment.n_runs
        if runs > MOST_READ_AFTER_STOP:
            return self._text([f"Stopped. Unfinished networks are saved. {CONTINUE}"])
        note_deaths(self.root)
        table, undone = partial_summary(self.experiment)
        lines = [count_statuses(network_statuses(table)), *describe_failures(undone, []), *list_saved(undone)]
        return self._text([*lines, *self._write(table, figures=False), f"Stopped. {CONTINUE}"])

    def _claims(self) -> list[str]:
        """The outcomes of the claims, counted; nothing without claims."""
        import pandas as pd

        path = Path(self.root, CLAIMS)
        if not self.experiment.settings.claims or not path.is_file():  # as with --until
            return []
        return [f"{counted_outcomes(pd.read_csv(path))}: {path.as_posix()}"]

    def _write(self, table: pd.DataFrame, figures: bool) -> list[str]:
        """Write the table of what is done, which the next call replaces. Returns what prevented it."""
        try:
            Path(self.root, TABLE_WRITTEN).unlink(missing_ok=True)  # so that Snakemake makes the table again
            remove_claims(Path(self.root))
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

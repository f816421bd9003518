"""From Snakemake's messages to what is shown."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ratecore.experiment.terminal.board import Board
from ratecore.experiment.terminal.lines import Lines
from ratecore.experiment.terminal.shown import SETTLED
from ratecore.experiment.terminal.words import counted, duration, listed

if TYPE_CHECKING:
    from ratecore.experiment.grid import Experiment
    from ratecore.experiment.terminal.screen import Screen

MOST_FAILURES = 20  # jobs whose failure is shown at once; all are in the closing words and the log
SHARE = 20  # how much longer than a look the time to the next one is, where records are on a slow file system
EVERY = 1.0  # s between two looks at the records
# Messages of Snakemake that say nothing to a person who waits for networks. Everything else that it says is shown.
PROSE = re.compile(
    r"host: |Building DAG|Using shell|Provided (cores|remote|resources)|Rules claiming|Select jobs|Execute \d+ jobs"
    r"|Assuming unrestricted|Conda environments|Singularity|Group jobs|Elapsed time|Job stats|Would remove"
    r"|Removing temp"
    r"|Shell command|Workflow has started|All jobs have ended|Touching output|Resuming incomplete|Waiting at most"
    r"|This was a dry-run|Reasons:|\s*\(check individual jobs|Some jobs were triggered|If you prefer|Rules with "
    r"|\d+ jobs have |Storing output|Deactivating|Activating|The run involves"
)
STOPPED = ("Terminating processes on user request", "Will exit after finishing", "Cancelling snakemake")
NOTHING = "Nothing to be done"
LOG = re.compile(r"Complete log\(s\): (?P<paths>.+)")
PLACE = re.compile(r"(?P<head>\w+ in (file|rule) [^\n]*):\n(?P<rest>.+)", re.DOTALL)
FRAME = re.compile(r"^ +File \"[^\n]*\", line \d+, in [^\n]*$\n?", re.MULTILINE)  # of the Snakefile
# What repeats that a job failed, after the reason.
REPEATED = re.compile(r"(WorkflowError:\s+)?At least one job did not complete|Exiting because a job execution failed")
# What comes before the message that names the job.
BEFORE = re.compile(r".*\b(CalledProcessError|SpawnedJobError)\b", re.DOTALL)


class Display:
    """Shows a workflow on a front end.

    Args:
        front: the terminal, or lines.
        dry: whether nothing is done (`--dry-run`).
        quiet: whether only errors and the display itself are shown (`--quiet`).
        now: function that returns s since 1970.
    """

    def __init__(
        self, front: Screen | Lines, dry: bool = False, quiet: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        self.front, self.dry, self._quiet = front, dry, quiet
        self.board, self._now, self._next = Board(now), now, 0.0
        self._lock = threading.RLock()
        self._active = self._stopped = False
        self._planned: list[tuple[str, str]] = []  # of a dry run
        self._reasons: Counter[str] = Counter()
        self._held: list[str] = []  # errors that are said unless the failure of a job explains them
        self._events: dict[str, Callable[[logging.LogRecord], None]] = {
            "job_info": self._job_info,
            "job_finished": lambda record: self.board.finish(record.__dict__["job_id"]),
            "job_error": self._job_error,
            "group_error": self._error,
            "error": self._error,
        }

    def watch(self, experiment: Experiment) -> None:
        """Show the networks of a grid.

        Args:
            experiment: of the grid.
        """
        with self._lock:
            self.board.watch(experiment)

    def begin(self, outputs: list[tuple[str, str]]) -> None:
        """Say what is to be done, and show from now on how far it is.

        Args:
            outputs: (name of the rule, first output) of each job.
        """
        with self._lock:
            if self._active:
                return  # another grid of the same workflow
            self.board.plan(outputs)
            if not self._quiet:
                self.front.say(self._plan(), wrap=True)
            self._active = True

    def see(self, record: logging.LogRecord) -> None:
        """Take in a message of Snakemake.

        Args:
            record: the message.
        """
        with self._lock:
            if (settled := record.__dict__.get(SETTLED)) is not None:
                self._say_held()
                settled.set()
                return
            event = record.__dict__.get("event")
            if event is None:
                self._message(record)
            elif str(event) in self._events:
                self._events[str(event)](record)

    def tick(self) -> None:
        """Show how far the networks are."""
        with self._lock:
            begun = self._now()
            if not self._active or self._quiet or begun < self._next or not self.front.is_due(self.board.seconds):
                return
            self.front.tick(self.board.status())
            self._next = self._now() + SHARE * (self._now() - begun)

    def stop(self) -> None:
        """Remove the display from the terminal; errors are still said."""
        with self._lock:
            self._active = False
            self.front.stop()

    def end(self) -> None:
        """Say what is left to say at the end of a dry run."""
        with self._lock:
            self.stop()
            self._say_held()
            if self.dry and self._planned:
                self.board.plan(self._planned)
                self.front.say(f"{self._plan()} Nothing was done (--dry-run).", wrap=True)
                self.front.say(f"Results go to {', '.join(self.board.roots)}.")
                if self._reasons:
                    reasons = "; ".join(f"{reason} ({n:,})" for reason, n in self._reasons.most_common(4))
                    self.front.say(f"Why: {reasons}.", wrap=True)
                self.front.say("`--logger-ratecore-show snakemake` lists every job.")
                self._planned = []

    def _plan(self) -> str:
        status = self.board.status()
        jobs = {kind: planned for kind, (_, planned) in status.kinds.items()}
        total = counted(sum(jobs.values()), "job")
        return f"{status.done:,} of {counted(status.networks, 'network')} done; {total} to do: {listed(jobs)}."

    def _job_info(self, record: logging.LogRecord) -> None:
        job: Mapping[str, Any] = record.__dict__
        output = next(iter(job["output"]), "")
        if not self.dry:
            self.board.announce(job["jobid"], job["rule_name"], output, next(iter(job["log"]), ""))
        elif output:
            self._planned.append((job["rule_name"], output))
            reason = str(job["reason"]).partition(":")[0].strip()
            if reason and not reason.startswith("Input files updated by another job"):
                self._reasons[reason[:1].lower() + reason[1:]] += 1

    def _job_error(self, record: logging.LogRecord) -> None:
        self._held = []
        if self._stopped:
            return  # every job ends with an error then
        job, why = self.board.fail(record.__dict__["jobid"], record.__dict__["rule_name"], record.__dict__["log"])
        if len(self.board.failed) > MOST_FAILURES:
            return
        for line in why:
            self.front.say(f"FAILED {line}", "red")
        if job.log:
            self.front.say(f"  log: {job.log}")

    def _error(self, record: logging.LogRecord) -> None:
        text = str(record.msg or "")
        if self._stopped or (self.board.failed and REPEATED.match(text)):
            return
        if (found := PLACE.match(text)) is not None:  # the cause first
            text = f"{FRAME.sub('', found['rest']).rstrip()}\n({found['head']})"
        if BEFORE.match(text):
            self._held.append(text)
        else:
            self.front.say(text, "red")

    def _say_held(self) -> None:
        for text in self._held:
            self.front.say(text, "red")
        self._held = []

    def _message(self, record: logging.LogRecord) -> None:
        text = str(record.msg or "")
        if text.startswith(STOPPED):
            self._stopped = True
            self.stop()
            self.front.say(text)
        elif record.levelno >= logging.ERROR:
            self._error(record)
        elif record.levelno >= logging.WARNING:
            self.front.say(text, "yellow")
        elif self._quiet:
            return
        elif (found := LOG.match(text)) is not None:
            took = f"{duration(self.board.seconds)} in all. " if self.board.begun is not None else ""
            self.front.say(f"{took}Snakemake's log: {os.path.relpath(found['paths'])}")
        elif text.startswith(NOTHING):
            self.front.say(f"{NOTHING}: {counted(self.board.networks, 'network')} done.")
        elif record.levelno >= logging.INFO and text.strip() and not PROSE.match(text):
            self.front.say(text)

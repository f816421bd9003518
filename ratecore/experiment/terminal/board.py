"""What a workflow has planned, done and under way, from Snakemake's messages and the records of networks."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from ratecore.experiment.closing import last_line
from ratecore.experiment.costs import expected_seconds
from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan_grid import network_words
from ratecore.experiment.points import GridPoint
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import STAGES, TRAIN
from ratecore.experiment.terminal.pace import Pace
from ratecore.experiment.terminal.progress import Progress, tail_of, training_of
from ratecore.experiment.terminal.words import OTHERS, counted, doing

Network = tuple[str, str, int]  # root of the results, path of the grid point, seed
START = 4.0  # s in which a job starts Python and reads its input
COUNTED = (*STAGES, "figures")  # kinds of jobs that are counted each
MOST_READ = 20  # jobs whose networks' records are read at once; on a cluster hundreds are under way
MOST_SIZES = 5_000  # jobs whose durations are estimated one by one; the others are taken to last as long as these
_OUTPUT = re.compile(r"jobs/(?P<stage>\w+)/(?P<path>.+)/seeds~(?P<seeds>[0-9a-f+-]+)\.json$")


@dataclass
class Job:
    """One job of the workflow.

    Attributes:
        kind: its stage; 'figures', or the name of another rule.
        pace: kind of jobs that it is compared with in `Pace`.
        networks: that it works on; none of other rules.
        who: its networks in words.
        runs: its networks with their folders and records.
        names: each network in words.
        log: file of its log; '' without one.
        size: s that it is estimated to take.
        started: s since 1970; None if it never began.
    """

    kind: str
    pace: str
    networks: tuple[Network, ...] = ()
    who: str = ""
    runs: tuple[Run, ...] = ()
    names: tuple[str, ...] = ()
    log: str = ""
    size: float = START
    started: float | None = None


@dataclass(frozen=True)
class Row:
    """A line about something that is under way.

    Attributes:
        doing: such as 'training'.
        who: the network or networks.
        progress: of a training; None for other jobs.
        most: trials after which the training stops.
        seconds: s since the job began.
    """

    doing: str
    who: str
    progress: Progress | None
    most: int
    seconds: float


@dataclass(frozen=True)
class Status:
    """All that is shown of a workflow at one moment.

    Attributes:
        networks: of all grids.
        done: networks all of whose jobs are done.
        trained: networks that met the criterion, of those that were trained in this call.
        ended: networks whose training ended in this call.
        failed: jobs that failed.
        kinds: kind of job: (done, all), of this call; those that are not of COUNTED together.
        rows: what is under way, of the first jobs.
        others: jobs under way that have no row.
        seconds: s since the jobs were planned.
        left: s that the rest takes; None if nothing is known of it.
    """

    networks: int
    done: int
    trained: int
    ended: int
    failed: int
    kinds: dict[str, tuple[int, int]]
    rows: list[Row]
    others: int
    seconds: float
    left: float | None


@dataclass
class _Counts:
    """Jobs of a kind."""

    planned: int = 0
    done: int = 0
    waiting: Counter[str] = field(default_factory=Counter)  # sizes of jobs that have not begun, by their pace


class Board:
    """The state of a workflow.

    Args:
        now: function that returns s since 1970.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._experiments: dict[str, Experiment] = {}
        self.networks = 0  # of all grids
        self._pending: dict[Network, int] = {}  # jobs of each network that are planned and not done
        self._shares: dict[Network, Counter[str]] = {}  # ms that the jobs of each take, by their kind
        self._jobs: dict[int, Job] = {}  # that are under way
        self._kinds: dict[str, _Counts] = {}
        self._sizes: dict[tuple[str, str, str, int], tuple[float, str]] = {}
        self._ended: set[Network] = set()
        self._trained: set[Network] = set()
        self.failed: list[Job] = []
        self._again: set[int] = set()  # jobs that have begun, some of which begin again
        self.pace = Pace()
        self.at_once = 0
        self.begun: float | None = None

    def watch(self, experiment: Experiment) -> None:
        """Know the networks of a grid.

        Args:
            experiment: of the grid.
        """
        self._experiments[experiment.root.as_posix()] = experiment
        self.networks = sum(one.n_networks for one in self._experiments.values())

    @property
    def roots(self) -> list[str]:
        """Folders of the results."""
        return list(self._experiments)

    @property
    def seconds(self) -> float:
        """Time since the jobs were planned, in s."""
        return 0.0 if self.begun is None else self._now() - self.begun

    def plan(self, outputs: Iterable[tuple[str, str]]) -> None:
        """Know the jobs that are to be done.

        Args:
            outputs: (name of the rule, first output) of each job.
        """
        self.begun = self._now()
        for rule, output in outputs:
            if not output:  # the rule that asks for everything
                continue
            job = self._job(rule, output)
            for network in job.networks:
                self._pending[network] = self._pending.get(network, 0) + 1
                self._shares.setdefault(network, Counter())[job.kind] += round(1000 * job.size / len(job.networks))
            counts = self._kinds.setdefault(job.kind, _Counts())
            counts.planned += 1
            counts.waiting[job.pace] += round(1000 * job.size)

    def announce(self, number: int, rule: str, output: str, log: str) -> None:
        """Know a job that Snakemake starts.

        Args:
            number: of the job.
            rule: its name.
            output: its first output.
            log: its log; '' without one.
        """
        if not output:
            return
        job = replace(self._job(rule, output, with_runs=True), log=log, started=self._now())
        self._jobs[number] = job
        if number not in self._again and job.kind in self._kinds:
            self._kinds[job.kind].waiting[job.pace] -= round(1000 * job.size)
        self._again.add(number)
        self.at_once = max(self.at_once, len(self._jobs))

    def finish(self, number: int) -> None:
        """Know that a job is done.

        Args:
            number: of the job.
        """
        job = self._jobs.pop(number, None)
        if job is None:
            return
        for network in job.networks:
            left = self._pending.get(network, 1) - 1
            self._pending[network] = left
            if left <= 0:
                del self._pending[network]
                self._shares.pop(network, None)
        self._kinds.setdefault(job.kind, _Counts()).done += 1
        if job.started is not None:
            self.pace.note(job.pace, job.size, self._now() - job.started)
            self._see_trained(job)

    def fail(self, number: int, rule: str, logs: Sequence[str]) -> tuple[Job, list[str]]:
        """Know that a job failed.

        Args:
            number: of the job.
            rule: its name.
            logs: its logs.

        Returns:
            the job, and why it failed: a line for each reason.
        """
        job = self._jobs.pop(number, None) or Job(rule, rule)
        job.log = job.log or (logs[0] if logs else "")
        self.failed.append(job)
        for network in job.networks:  # what needs this job is not done in this call
            for kind in _after(job.kind) & self._shares.get(network, Counter()).keys():
                self._kinds[kind].waiting[kind] -= self._shares[network].pop(kind)
        return job, reasons(job)

    def status(self) -> Status:
        """What there is to show.

        Returns:
            the status at this moment.
        """
        now = self._now()
        running = list(self._jobs.values())
        left = None
        if self._kinds:
            waiting: Counter[str] = Counter()
            for counts in self._kinds.values():
                waiting.update(counts.waiting)
            sizes = {pace: size / 1000 for pace, size in waiting.items() if size > 0}
            under_way = [(job.pace, job.size, now - (job.started or now)) for job in running]
            left = self.pace.left(sizes, under_way, min(self.at_once, len(under_way) + len(sizes)))
        kinds: dict[str, tuple[int, int]] = {}
        for kind in sorted(self._kinds, key=lambda kind: COUNTED.index(kind) if kind in COUNTED else len(COUNTED)):
            done, planned = kinds.get(name := kind if kind in COUNTED else OTHERS, (0, 0))
            kinds[name] = done + self._kinds[kind].done, planned + self._kinds[kind].planned
        shown = sorted(running, key=lambda job: job.kind != TRAIN)[:MOST_READ]
        rows = [row for job in shown for row in _rows(job, now)]
        others = len(running) - len(shown)
        done = self.networks - len(self._pending)
        ended = len(self._trained), len(self._ended), len(self.failed)
        return Status(self.networks, done, *ended, kinds, rows, others, self.seconds, left)

    def _see_trained(self, job: Job) -> None:
        if job.kind != TRAIN:
            return
        for network, run in zip(job.networks, job.runs, strict=True):
            self._ended.add(network)
            if any(event["event"] == "end" and event.get("trained") for event in tail_of(run.record.path)):
                self._trained.add(network)

    def _job(self, rule: str, output: str, with_runs: bool = False) -> Job:
        """The job of an output; what it works on, if that belongs to a grid."""
        for root, experiment in self._experiments.items():
            if not output.startswith(f"{root}/"):
                continue
            inside = output[len(root) + 1 :]
            if (found := _OUTPUT.match(inside)) is None or found["stage"] not in STAGES:
                kind = "figures" if inside.startswith("figures/") else rule
                return Job(kind, kind)
            stage = found["stage"]
            point = experiment.grid_points_of(stage)[found["path"]]
            seeds = experiment.blocks[found["seeds"]]
            path = point.path_in(experiment.columns(TRAIN))
            size, pace = self._size(experiment, stage, point, path, len(seeds))
            job = Job(stage, pace, tuple((root, path, seed) for seed in seeds), size=size)
            if with_runs:
                job.who = network_words(experiment, point, seeds)
                job.runs = tuple(Run.at(experiment, point, seed) for seed in seeds)
                job.names = tuple(network_words(experiment, point, [seed]) for seed in seeds)
            return job
        return Job(rule, rule)

    def _size(self, experiment: Experiment, stage: str, point: GridPoint, path: str, n: int) -> tuple[float, str]:
        key = (experiment.root.as_posix(), stage, path, n)
        pace = f"{stage} {point.settings.task}" if stage == TRAIN else stage
        if key not in self._sizes:
            if len(self._sizes) >= MOST_SIZES:
                sizes = [size for size, known in self._sizes.values() if known == pace] or [START]
                return sum(sizes) / len(sizes), pace
            threads = experiment.settings.threads_per_job
            self._sizes[key] = START + expected_seconds(stage, point.settings, n, threads), pace
        return self._sizes[key]


@cache
def _after(stage: str) -> frozenset[str]:
    """The stages that need a stage, or one that needs it."""
    found = {stage}
    for name, row in STAGES.items():  # in their order
        found |= {name} if found & set(row.needs) else set()
    return frozenset(found - {stage})


def _rows(job: Job, now: float) -> list[Row]:
    seconds = now - (job.started or now)
    if job.kind != TRAIN:
        return [Row(doing(job.kind), job.who, None, 0, seconds)]
    rows = []
    for run, who in zip(job.runs, job.names, strict=True):
        progress = training_of(run.record.path, (job.started or now) - 1)
        if progress.state == "training":
            rows.append(Row(doing(TRAIN), who, progress, run.settings.training.most_trials, seconds))
    return rows or [Row(doing(TRAIN), job.who, None, 0, seconds)]


def reasons(job: Job) -> list[str]:
    """Why a job failed.

    Args:
        job: that failed.

    Returns:
        for each reason in the records of its networks the first network and the error; otherwise what its log says.
    """
    found: dict[str, list[str]] = {}
    for run, name in zip(job.runs, job.names, strict=True):
        ends = [event for event in tail_of(run.record.path) if event["event"] == "end"]
        last = next((end for end in reversed(ends) if end["stage"] == run.step(job.kind)), None)
        if last is not None and last["time"] >= (job.started or 0) - 1 and last["status"] in ("broken", "killed"):
            found.setdefault(str(last.get("error")), []).append(name)
    if found:
        more = {error: f" and {counted(len(names) - 1, 'other')}" * (len(names) > 1) for error, names in found.items()}
        return [f"{names[0]}{more[error]}: {doing(job.kind)}: {error}" for error, names in found.items()]
    who = f"{job.who}: " if job.who else ""
    return [f"{who}{doing(job.kind)}: {last_line(job.log) if job.log and Path(job.log).exists() else 'it has no log'}"]

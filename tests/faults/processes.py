"""Faults of processes: training jobs that are killed or told to stop at any time."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

from faults.harness import fault
from faults.lives import VARIANTS, Life, Truth, problem_of, status_problem
from faults.snakemakes import kill_a_job
from faults.warm import Warm
from ratecore.tracking.queue import note_deaths

SAME = "the same network, record and MLflow run as without it"


class Lives:
    """Lives, one after another, each interrupted at random instants until it is done.

    Args:
        warm: runs the jobs.   rng: random numbers.   folder: an empty folder.
    """

    def __init__(self, warm: Warm, rng: random.Random, folder: Path):
        self.warm, self.rng, self.folder, self.truths, self.number = warm, rng, folder, {}, 0

    def truth(self, variant: str) -> Truth:
        if variant not in self.truths:
            self.truths[variant] = Truth(variant, self.warm, self.folder / f"truth of {variant}")
        return self.truths[variant]

    def mirror(self, life: Life):
        from ratecore.tracking.mlflow.mirror import Mirror

        return Mirror(f"sqlite:///{self.folder}/mlflow.db", life.experiment.settings.experiment, life.folder)

    def instant(self, life: Life, seconds: float) -> dict:
        """Returns a random instant of a job: at its start, around the writing of a file, or at any time."""
        folder, kind = str(self.rng.choice(life.runs).folder), self.rng.random()
        if kind < 0.15:
            return {"after": self.rng.uniform(0, 0.05)}
        for share, name in ((0.3, ".checkpoint.pth"), (0.4, ".network.pth"), (0.5, "network.pth")):
            if kind < share:
                return {"seen": [folder, name], "after": self.rng.uniform(0, 0.006)}
        return {"after": self.rng.uniform(0, seconds)}

    def live(self, most: int, number: int, check) -> Iterator[str | None]:
        """Runs a life with at most `most` signals. After each, `check(life, truth, ended)` returns problems."""
        variant = list(VARIANTS)[self.number % len(VARIANTS)]
        self.number += 1
        truth, life = self.truth(variant), Life(variant, self.folder / f"life {self.number}", self.number)
        problems, count = [], str(life.folder / "updates")
        for _ in range(self.rng.randint(1, min(most, 4))):
            group = self.rng.random() < 0.5
            at = self.instant(life, truth.seconds)
            ended = life.job(self.warm, signal=number, group=group, count=count, **at)
            if ended["told"] and (ended["status"] or number != signal.SIGKILL):
                problem = problem_of(check, life, truth, ended) or problem_of(truth.on_the_way, life)
                problems.append(problem and f"{life.variant}, {at}, {ended}: {problem}")
            if not ended["status"]:
                break
        last = self.job_is_done(life) or problem_of(truth.in_the_end, life) or problem_of(self.mirrored, life, truth)
        if last:
            problems[-1:] = [f"{life.variant}, in the end: {last}"]
        yield from problems

    def job_is_done(self, life: Life) -> str | None:
        """Runs the job again until it is done."""
        ended = life.job(self.warm, count=str(life.folder / "updates"))
        return f"the same job again ends with {ended}" if ended["status"] else None

    def mirrored(self, life: Life, truth: Truth) -> str | None:
        mirror = self.mirror(life)
        for run in life.runs:
            mirror.replay(run.folder)
        return truth.in_mlflow(life, mirror)


@fault("kill-training", 100, 3, f"SIGKILL at any time, repeatedly: {SAME}; KILLED in between")
def kill_training(times: int, rng: random.Random, folder: Path) -> Iterator[str | None]:
    """Kills training jobs; every twentieth runs under a real Snakemake."""

    def check(life, truth, ended):
        if rng.random() < 0.5:
            return None  # start the next job at once, next to what is left of the first
        life.wait_for_orphans()
        note_deaths(life.experiment.root)
        return status_problem(life, lives.mirror(life))

    with Warm(folder / "errors") as warm:
        lives, done = Lives(warm, rng, folder), 0
        while done < times:
            if done % 20 == 19:
                yield kill_a_job(lives.truth("long"), rng, folder / f"snakemake {done}")
                done += 1
            for problem in lives.live(min(times - done, 19 - done % 20), signal.SIGKILL, check) if done < times else ():
                yield problem
                done += 1


@fault("term-training", 20, 2, f"SIGTERM at any time, repeatedly: {SAME}; at most one trial is repeated")
def term_training(times: int, rng: random.Random, folder: Path) -> Iterator[str | None]:
    """Sends SIGTERM to the job only, as its parent does, or to all its processes, as a scheduler does."""

    def check(life, truth, ended):
        life.wait_for_orphans()
        if ended["status"] not in (0, 128 + signal.SIGTERM, -signal.SIGTERM):
            return "the exit status is not that of a job that was told to stop"
        for run in life.runs:
            ends = [e["status"] for e in run.record.events() if e["event"] == "end"]
            if ends and ends[-1] not in ("interrupted", "done"):
                return f"{run.record.path} says {ends}"
        counted = Path(life.folder / "updates")
        twice = (counted.stat().st_size if counted.exists() else 0) - life.updates()
        before, repeated[life] = repeated.get(life, 0), twice
        if twice - before > 1:
            return f"{twice - before} updates are in no checkpoint"
        return status_problem(life, lives.mirror(life))

    repeated = {}
    with Warm(folder / "errors") as warm:
        lives, done = Lives(warm, rng, folder), 0
        while done < times:
            for problem in lives.live(times - done, signal.SIGTERM, check):
                yield problem
                done += 1

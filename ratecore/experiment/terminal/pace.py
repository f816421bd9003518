"""The time that the rest of a workflow takes, from the speed of what has finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ratecore.experiment.stages.table import TRAIN


class Pace:
    """Learns from finished jobs how long the others take.

    A job has a size, its estimated duration in seconds; its measured duration is compared with that. The size of a
    training job is that of all its trials, so that the ratio is also that of trials that are needed.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._sizes: dict[str, float] = defaultdict(float)

    def note(self, kind: str, size: float, seconds: float) -> None:
        """Learn from a finished job.

        Args:
            kind: of the job; jobs of a kind differ in size alone.
            size: s, as it was estimated.
            seconds: s, that it took.
        """
        self._seconds[kind] += seconds
        self._sizes[kind] += size

    def knows(self, kind: str) -> bool:
        """Whether a job of a kind has finished.

        Args:
            kind: of the job.

        Returns:
            True if one has.
        """
        return self._sizes.get(kind, 0.0) > 0

    def seconds(self, kind: str, size: float) -> float:
        """How long a job takes.

        Args:
            kind: of the job.
            size: s, as it was estimated.

        Returns:
            s; of a kind of which none has finished, its size and what other kinds took in comparison.

        Source: none
        """
        stage = kind.partition(" ")[0]
        alike = [kind] if self.knows(kind) else [name for name in self._sizes if name.partition(" ")[0] == stage]
        # How many trials training needs says nothing about other jobs.
        names = alike or [name for name in self._sizes if not name.startswith(TRAIN)]
        known = sum(self._sizes[name] for name in names)
        return size * sum(self._seconds[name] for name in names) / known if known else size

    def left(
        self, waiting: Mapping[str, float], under_way: list[tuple[str, float, float]], at_once: int
    ) -> float | None:
        """How long all jobs take that have not finished.

        Args:
            waiting: kind: sum of the sizes of jobs that have not begun, s.
            under_way: (kind, size, s since it began) of each job.
            at_once: jobs that work at the same time.

        Returns:
            s; None as long as networks are to be trained and none was, so that nothing is known of the trials that
            they need.

        Source: none
        """
        kinds = [*waiting, *(kind for kind, _, _ in under_way)]
        trains = any(kind.startswith(TRAIN) for kind in kinds)
        if not self._sizes or (trains and not any(name.startswith(TRAIN) for name in self._sizes)):
            return None
        rest = [max(self.seconds(kind, size) - elapsed, 0.0) for kind, size, elapsed in under_way]
        later = sum(self.seconds(kind, size) for kind, size in waiting.items())
        return max((sum(rest) + later) / max(at_once, 1), max(rest, default=0.0))

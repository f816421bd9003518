"""Registers and counts real faults: what is done to ratecore, how many times, and what must hold afterwards."""

from __future__ import annotations

import json
import random
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

FAULTS: dict[str, Fault] = {}


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: name in the table and on the command line.   times, quick: how many times, in a full run and in tests.
        must_hold: description of what is checked after each fault.
        inflict: (times, random numbers, an empty folder) -> for each fault None, or what did not hold.
    """

    name: str
    times: int
    quick: int
    must_hold: str
    inflict: Callable[[int, random.Random, Path], Iterator[str | None]]

    @property
    def of_servers(self) -> bool:
        return self.inflict.__module__ == "faults.servers"


def fault(name: str, times: int, quick: int, must_hold: str):
    """Registers a function as a `Fault`."""

    def register(inflict):
        FAULTS[name] = Fault(name, times, quick, must_hold, inflict)
        return inflict

    return register


@dataclass
class Tally:
    """How many times a fault was inflicted, and what did not hold."""

    fault: Fault
    done: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return not self.broken and self.done > 0


def inflict(one: Fault, times: int, seed: int = 0) -> Tally:
    """Inflicts a fault the given number of times. An exception counts as a fault that did not hold."""
    tally, start = Tally(one), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f"ratecore-fault-{one.name}-") as folder:
        try:
            for problem in one.inflict(times, random.Random(f"{one.name} {seed}"), Path(folder)):
                tally.done += 1
                if problem is not None:
                    tally.broken.append(f"number {tally.done}: {problem}")
        except Exception:
            tally.broken.append(f"number {tally.done + 1}: {traceback.format_exc()}")
    if tally.done < times and not tally.broken:
        tally.broken.append(f"only {tally.done} of {times} were inflicted")
    tally.seconds = time.perf_counter() - start
    return tally


def table(tallies: list[Tally]) -> str:
    """Formats the tallies, followed by everything that did not hold."""
    lines = [f"{'fault':28}{'done':>6}{'held':>6}{'s':>8}  must hold"]
    for t in tallies:
        lines.append(f"{t.fault.name:28}{t.done:6}{t.done - len(t.broken):6}{t.seconds:8.0f}  {t.fault.must_hold}")
    lines += [f"{t.fault.name}, {problem}" for t in tallies for problem in t.broken]
    return "\n".join(lines)


def save(tallies: list[Tally], path) -> None:
    """Writes the tallies as JSON."""
    rows = [{"fault": t.fault.name, "done": t.done, "broken": t.broken, "seconds": t.seconds} for t in tallies]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(rows, indent=1))

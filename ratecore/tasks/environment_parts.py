"""What an environment of neurogym consists of: its generators and schedules, and the longest of its periods."""

from __future__ import annotations

import functools
import numbers
from typing import Any

import numpy as np

DRAWS = 64  # of a duration of which neither the distribution nor the largest value is known


class _Largest:
    """Stands for a generator and returns the largest number that a distribution can give."""

    def uniform(self, low: float = 0.0, high: float = 1.0, size: None = None) -> float:
        return high

    def choice(self, a: Any, *more: Any, **named: Any) -> Any:
        return a - 1 if isinstance(a, int) else max(a)

    def randint(self, low: int, high: int | None = None, *more: Any, **named: Any) -> int:
        return (low if high is None else high) - 1


def parts_of(env: Any) -> list[Any]:
    """An environment and all that it consists of: wrappers, environments within it and schedules.

    Args:
        env: the outermost wrapper.

    Returns:
        Each part once, in a fixed order.
    """
    found: list[Any] = []
    waiting = [env]
    while waiting:
        part = waiting.pop(0)
        if any(part is other for other in found):
            continue
        found.append(part)
        held = vars(part)
        waiting += [*held.get("envs", ()), *(held[key] for key in ("env", "schedule") if key in held)]
        if "_has_reset" in held:
            part._has_reset = True  # gymnasium's guard against a step before `reset`, which is not needed here
    return found


def copied(value: Any) -> Any:
    """Copy dictionaries, lists and arrays.

    Args:
        value: of an attribute.

    Returns:
        The copy; all other objects, also within it, are the same.
    """
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value.copy() if isinstance(value, np.ndarray) else value


def reseed(part: Any, states: np.random.RandomState) -> None:
    """Seed every generator of a part, and start its schedule anywhere.

    Args:
        part: of an environment.
        states: generator of the seeds.
    """

    def new() -> int:
        return int(states.randint(2**32, dtype=np.uint32))

    held = vars(part)
    durations = [value for value in (held.get("timing") or {}).values() if hasattr(value, "rng")]
    for owner in (part, *durations):
        for key, value in list(vars(owner).items()):
            if isinstance(value, np.random.RandomState):
                value.seed(new())
            elif isinstance(value, np.random.Generator):
                setattr(owner, key, np.random.default_rng(new()))
    if "schedule" in held:
        first = new() % part.schedule.n
        part.schedule.i = first
        if "envs" in held:
            part.set_i(first)
            part.next_i_env = first


def take_longest(env: Any) -> None:
    """Let an environment draw the longest duration of each period.

    Args:
        env: as new.
    """
    for part in parts_of(env):
        if callable(getattr(type(part), "sample_time", None)) and "timing" in vars(part):
            part.sample_time = functools.partial(_longest, part)


def _longest(part: Any, period: str) -> float:
    given = part.timing[period]
    if isinstance(given, int | float):
        longest: Any = given
    elif hasattr(given, "vmax"):
        longest = given.vmax
    elif callable(given):
        own, part.rng = part.rng, _Largest()
        try:
            longest = given()
        except AttributeError:  # a distribution that has no largest number, or that `_Largest` does not know
            part.rng = own
            longest = max(given() for _ in range(DRAWS))
        finally:
            part.rng = own
    elif isinstance(given[0], int | float):
        longest = max(given)
    else:
        kind, values = given
        ends = {"uniform": lambda: values[1], "choice": lambda: max(values), "constant": lambda: values}
        ends["truncated_exponential"] = lambda: values[2] if len(values) > 2 else float("inf")
        if kind not in ends:
            return float(type(part).sample_time(part, period))
        longest = ends[kind]()
    if not longest < float("inf"):
        raise ValueError(
            f"neurogym's {type(part).__name__}: period '{period}' has no longest duration; set task_settings.max_steps"
        )
    return float(longest // part.dt * part.dt)


def plain(value: Any) -> Any:
    """The default of an argument as a setting.

    Args:
        value: of any type.

    Returns:
        Arrays, tuples and ranges as lists; None for lists and dictionaries that hold anything but numbers or words;
        anything else unchanged.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, tuple | range):
        value = list(value)
    if isinstance(value, list):
        return value if value and all(isinstance(v, numbers.Real | str) for v in value) else None
    if isinstance(value, dict):
        return value if all(isinstance(v, numbers.Real) for v in value.values()) else None
    return value


def is_duration(value: Any) -> bool:
    """Whether a value of `timing` is a number, or a list of numbers of which each trial draws one.

    Args:
        value: as `plain` returns it.

    Returns:
        False for all other distributions.
    """
    numeric = isinstance(value, list) and all(isinstance(v, int | float) for v in value)
    return numeric or (isinstance(value, int | float) and not isinstance(value, bool))

"""State that all code of a process shares: the generators of `random`, `np.random` and torch, the clock, the folder."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

States = dict[str, Any]  # name: state of a shared generator, in that generator's own type


def _torch_generator() -> Any:
    """torch's default generator; None when torch is not imported, since then no code draws from it."""
    return getattr(sys.modules.get("torch"), "default_generator", None)


def shared_states() -> States:
    """The states of the shared generators, for `restore` and `moved`.

    Returns:
        State of each generator by name: 'random', 'np.random' and, when torch is imported, 'torch'.
    """
    states: States = {"random": random.getstate(), "np.random": np.random.get_state(legacy=False)}
    if generator := _torch_generator():
        states["torch"] = generator.get_state()
    return states


def restore(states: States) -> None:
    """Set the shared generators to earlier states.

    Args:
        states: from `shared_states`.
    """
    random.setstate(states["random"])
    np.random.set_state(states["np.random"])
    if "torch" in states:
        _torch_generator().set_state(states["torch"])


def seed_shared(seed: int) -> None:
    """Seed the shared generators.

    Args:
        seed: from 0 to 2^32 - 1, the range that all of them accept.
    """
    random.seed(seed)
    np.random.seed(seed)
    if generator := _torch_generator():
        generator.manual_seed(seed)  # torch.manual_seed would also queue a call for each GPU


def _comparable(state: Any) -> Any:
    """A state as plain values that `==` compares."""
    if isinstance(state, dict):
        return {key: _comparable(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return state.tobytes()
    return state.numpy().tobytes() if hasattr(state, "numpy") else state


def moved(before: States, after: States) -> list[str]:
    """Which shared generators were drawn from or seeded between two states.

    Args:
        before: earlier states.
        after: later states.

    Returns:
        Names of the generators whose states differ.
    """
    return [name for name, state in after.items() if name in before and _comparable(state) != _comparable(before[name])]


def working_folder() -> str | None:
    """The working directory.

    Returns:
        Its path; None when it was deleted.
    """
    try:
        return os.getcwd()
    except OSError:
        return None


@contextlib.contextmanager
def same_folder() -> Iterator[None]:
    """Restore the working directory afterwards, since paths of results are relative to it.

    Yields:
        Nothing.
    """
    before = working_folder()
    try:
        yield
    finally:
        if before is not None and working_folder() != before:
            os.chdir(before)


@contextlib.contextmanager
def later(seconds: int) -> Iterator[None]:
    """Move the clock of `time.time` ahead, which reveals seeds taken from it.

    Args:
        seconds: how far ahead the clock is.

    Yields:
        Nothing.
    """
    now, now_ns = time.time, time.time_ns
    clock: Any = time
    clock.time, clock.time_ns = lambda: now() + seconds, lambda: now_ns() + seconds * 10**9
    try:
        yield
    finally:
        clock.time, clock.time_ns = now, now_ns


@contextlib.contextmanager
def isolated(seed: int | None = None) -> Iterator[None]:
    """Restore the shared generators afterwards.

    Args:
        seed: seed for the meantime; None leaves the generators as they are.

    Yields:
        Nothing.
    """
    states = shared_states()
    try:
        if seed is not None:
            seed_shared(seed)
        yield
    finally:
        restore(states)

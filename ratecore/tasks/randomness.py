"""What all code of a process shares: the generators of `random`, `np.random` and torch, the clock, the folder."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time

import numpy as np


def _torch():
    torch = sys.modules.get("torch")  # code that did not import torch does not draw from it
    return torch if hasattr(torch, "default_generator") else None


def shared_states() -> dict[str, object]:
    """Name: state of each shared generator, for `restore` and `same_states`."""
    states = {"random": random.getstate(), "np.random": np.random.get_state(legacy=False)}
    if torch := _torch():
        states["torch"] = torch.default_generator.get_state()
    return states


def restore(states: dict[str, object]) -> None:
    """Sets the shared generators to these states."""
    random.setstate(states["random"])
    np.random.set_state(states["np.random"])
    if "torch" in states:
        _torch().default_generator.set_state(states["torch"])


def seed_shared(seed: int) -> None:
    """Seeds the shared generators; seed: 0 to 2^32 - 1, which all of them take."""
    random.seed(seed)
    np.random.seed(seed)
    if torch := _torch():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would note a call for each GPU, too


def _plain(state):
    """A state as what can be compared."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return state.tobytes()
    return state.numpy().tobytes() if hasattr(state, "numpy") else state


def moved(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Names of the shared generators whose states differ."""
    return [name for name, state in after.items() if name in before and _plain(state) != _plain(before[name])]


def working_folder() -> str | None:
    """The working directory; None where it was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return None


@contextlib.contextmanager
def same_folder():
    """The working directory, from which results are found, is afterwards what it was before."""
    before = working_folder()
    try:
        yield
    finally:
        if before is not None and working_folder() != before:
            os.chdir(before)


@contextlib.contextmanager
def later(seconds: int):
    """The clock of `time.time` is ahead, by which a seed taken from it shows, also within one second."""
    now, now_ns = time.time, time.time_ns
    time.time, time.time_ns = lambda: now() + seconds, lambda: now_ns() + seconds * 10**9
    try:
        yield
    finally:
        time.time, time.time_ns = now, now_ns


@contextlib.contextmanager
def isolated(seed: int | None = None):
    """The shared generators are afterwards as they were before; meanwhile they are seeded, if a seed is given."""
    states = shared_states()
    try:
        if seed is not None:
            seed_shared(seed)
        yield
    finally:
        restore(states)

"""`ratecore task list`, `show` and `check`: what tasks there are, what their trials look like, and what is wrong."""

from __future__ import annotations

import argparse
import inspect
import shutil
import sys
import textwrap
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ratecore.cli.networks import settings_in
from ratecore.settings.base import SettingsError, path_part, shown
from ratecore.system.files import check_writable, write_atomic
from ratecore.tasks import AbstractTask, TaskFactory
from ratecore.tasks.checks import ready_to_train
from ratecore.tasks.examples import examples_of
from ratecore.tasks.files import load_task_file, registered_by
from ratecore.tasks.settings import allowed

MOST_SHOWN = 12  # conditions in one figure


def list_command(args: argparse.Namespace) -> int:
    """Prints all tasks, one a line. Returns 0."""
    if args.task_file:
        load_task_file(args.task_file)
    rows = [("task", "inputs", "outputs", "steps", "")]
    for name in TaskFactory.list_available_tasks():
        task = TaskFactory.create_task(name)
        rows.append((name, str(task.n_inputs), str(task.n_outputs), str(task.T), _summary(type(task))))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:4], widths[1:], strict=True)),
        ]
        print("  ".join([*cells, row[4]]).rstrip())
    return 0


def show_command(args: argparse.Namespace) -> int:
    """Prints what a task is and draws a trial of each condition. Returns 0."""
    from ratecore import figures

    if args.seed < 0:
        raise ValueError(f"--seed {args.seed}: it must be a whole number, at least 0")
    path = Path(args.out if args.out is not None else f"{path_part(args.name)}.png")
    if path.suffix.lower() != ".png":
        raise ValueError(f"--out {path}: it must end in .png")
    check_writable(path.parent)
    if path.is_dir():
        raise ValueError(f"--out {path}: this is a folder; name a file")
    if args.task_file:
        load_task_file(args.task_file)
    task = TaskFactory.create_task(args.name, settings_in(args.set), strict=True)
    ready_to_train(task)
    trials = examples_of(task, args.seed)
    print("\n".join(description(task)))
    names = [trial.condition for trial in trials]
    print(f"\nconditions: {'; '.join(names[:40])}{'; ...' if len(names) > 40 else ''}")
    write_atomic(path, figures.png(figures.trials_by_condition(trials[:MOST_SHOWN], task.name)))
    left_out = len(trials) - MOST_SHOWN
    print(f"{path}: a trial of each condition" + (f", {left_out} conditions left out" if left_out > 0 else ""))
    return 0


def check_command(args: argparse.Namespace) -> int:
    """Checks the tasks of a file. Returns 2 if one of them has a fault."""
    load_task_file(args.file)
    names = registered_by(args.file)
    if not names:
        raise SettingsError(f"{args.file}: it registers no task: it must call TaskFactory.register_task(name, class)")
    if args.name is not None:
        if args.name not in names:
            raise SettingsError(
                f"{args.file}: it registers no task {shown(args.name)}; it registers {', '.join(names)}"
            )
        names = [args.name]
    given, faults = settings_in(args.set), 0
    for name in names:

        def make(name: str = name) -> AbstractTask:
            return TaskFactory.create_task(name, given, strict=True)

        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                task = make()
                ready_to_train(task, make)
                trials = examples_of(task, 0)
        except ValueError as error:
            faults += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        for warning in said:
            print(f"note: {warning.message}", file=sys.stderr)
        sizes = [_count(task.n_inputs, "input"), _count(task.n_outputs, "output"), f"at most {task.T} steps"]
        print(f"{name}: no fault found; {', '.join(sizes)}, {_count(len(trials), 'condition')}")
    return 2 if faults else 0


def description(task: AbstractTask) -> list[str]:
    """Lines that say what a task is: its documentation, sizes and settings.

    Args:
        task: any.

    Returns:
        Lines without line breaks.
    """
    kind, width = type(task), max(shutil.get_terminal_size((100, 24)).columns, 60)
    first, rest = _summary(kind), inspect.cleandoc(kind.__doc__ or "")
    lines = [f"{task.name}: {first}" if first else task.name]
    lines += [] if rest.startswith(first) and "\n" not in rest else ["", *rest.splitlines()]
    sizes = [_count(task.n_inputs, "input"), _count(task.n_outputs, "output"), f"at most {task.T} steps of 5 ms"]
    lines += ["", f"{', '.join(sizes)}; types of trials: {', '.join(map(str, task.trial_types))}", "", "settings:"]
    for key, default in task.defaults.items():
        value = task.settings[key]
        changed = "" if value == default else f", here {_plain(value)}"
        head = f"  {key} = {_plain(default)}{changed}"
        what = _allowed(kind, key, default)
        said = "; ".join(text for text in (kind.descriptions.get(key, ""), what) if text)
        lines += [head, *textwrap.wrap(said, width, initial_indent="      ", subsequent_indent="      ")]
    return lines if task.defaults else [*lines[:-1], "no settings"]


def _summary(kind: type[AbstractTask]) -> str:
    """First sentence of what documents a task: of a file in the package the file itself, else the class."""
    own = kind.__module__.startswith("ratecore.tasks.")
    text = sys.modules[kind.__module__].__doc__ if own else kind.__doc__
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def _allowed(kind: type[AbstractTask], key: str, default: Any) -> str:
    if not isinstance(default, list | tuple):
        return allowed(kind, key, default)
    return "a list; each: " + allowed(kind, key, default[0] if default else 0.0)


def _plain(value: object) -> str:
    """A value as it is written in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"

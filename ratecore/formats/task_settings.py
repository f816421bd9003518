"""The task that a saved network was trained on: stored with it, or inferred from what a file of others holds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import numpy as np

from ratecore.formats.conform import number, numbers, word
from ratecore.formats.errors import FormatError, say_once
from ratecore.formats.matlab import UnusableError
from ratecore.settings.base import shown, task_key
from ratecore.tasks import TaskFactory

VARIABLES = ("task", "task_settings", "task_settings_names", "u")
NETWORK_KEYS = ("task", "DeltaT", "taus")  # of the port's settings, not of a task
LONGEST_NAME = 63  # letters of a field in MATLAB


@dataclass(frozen=True)
class SavedTask:
    """What a file says of its network's task.

    Attributes:
        source: the file, for messages.   n_in: inputs of the network.
        name: of the task, or None.   settings: all of its settings, or None where they are not held.
        u: (n_in, T) stimulus of an example trial, or None.
    """

    source: str
    n_in: int
    name: str | None = None
    settings: dict[str, float] | None = None
    u: np.ndarray | None = field(default=None, repr=False)

    def create(self, name: str | None = None, given: dict | None = None):
        """The task, with the settings that it was trained with.

        Args:
            name: of a registered task, or None for the one in the file.
            given: settings that are asked for. They win; one that contradicts the file is said in one line.

        Raises:
            ValueError: the network was trained on another task or has other inputs; unknown names.
        """
        if (name or self.name) is None:
            raise FormatError(f"{self.source}: it does not name its task; give it")
        of = TaskFactory.task_class(name or self.name)
        other = "" if name is None or self.name is None or task_key(self.name) == task_key(name) else self.name
        trained = f"the network was not trained on {name} but on {other}: " if other else ""
        if self.n_in != of.n_inputs:
            what = f"{trained}the network has {self.n_in} inputs; task {name or self.name} has {of.n_inputs}"
            raise FormatError(f"{self.source}: {what}")
        if other:
            raise FormatError(f"{self.source}: {trained.removesuffix(': ')}")
        given = {key: value for key, value in (given or {}).items() if key not in NETWORK_KEYS}
        inferred = self.inferred(of) if self.settings is None else self.settings
        try:
            task = TaskFactory.create_task(name or self.name, {**inferred, **given})
        except ValueError as error:
            how = "; T is that of its u, and what else is not given the default" if self._only_length(inferred) else ""
            raise FormatError(f"{self.source}: {error}{how}") from error
        self.compare(task)
        if self.settings is None and (rest := [key for key in task.settings if key not in given]):
            values = ", ".join(f"{key} = {shown(task.settings[key])}" for key in rest)
            seen = ", ".join(key for key in rest if key in inferred)
            known = f"{seen} from its u, the defaults for the rest" if seen else "the defaults"
            known = "from its u" if all(key in inferred for key in rest) else known
            say_once(self.source, [f"it does not hold the settings of its task: {task.name} with {values} ({known})"])
        return task

    def _only_length(self, inferred: dict) -> bool:
        return self.settings is None and set(inferred) == {"T"}

    def compare(self, task) -> None:
        """Says in one line where a task differs from the one that the network was trained on."""
        if self.name is not None and task_key(self.name) != task_key(task.name):
            return
        known = self.inferred(type(task)) if self.settings is None else self.settings
        other = {key: value for key, value in known.items() if task.settings.get(key, value) != value}
        if other:
            now = ", ".join(f"{key} = {shown(task.settings[key])}" for key in other)
            was = ", ".join(f"{key} = {shown(value)}" for key, value in other.items())
            how = "its u shows" if self.settings is None else "it was trained with"
            say_once(self.source, [f"scored with {now}; {how} {was}"])

    def inferred(self, task_class) -> dict[str, int]:
        """Settings that the example stimulus shows: its length, and when its stimuli come."""
        if self.u is None:
            return {}
        windows = [_window(row) for row in self.u]
        found = {"T": self.u.shape[1]}
        known = {"go-nogo": windows[:1], "xor": windows, "mante": windows[:2]}.get(task_class.name, [])
        if known and all(known):
            first, stop = known[0]
            found |= {"stim_on": first, "stim_dur": stop - first}
            if task_class.name == "xor":
                found["delay"] = known[1][0] - stop
                if found["delay"] < 0 or known[1][1] - known[1][0] != stop - first:
                    found = {"T": found["T"]}  # of another kind of xor
        return {key: value for key, value in found.items() if key in task_class.defaults}


def _window(row) -> tuple[int, int] | None:
    steps = np.flatnonzero(row)
    return (int(steps[0]), int(steps[-1]) + 1) if steps.size else None


def task_variables(task) -> dict:
    """What a `.mat` holds of a task: its name, a structure of its settings, and their names where MATLAB's differ."""
    fields = {}
    for key in task.settings:
        name = re.sub(r"\W", "_", key, flags=re.ASCII)[:LONGEST_NAME]
        name = name if re.match(r"[A-Za-z]", name) else f"x{name}"[:LONGEST_NAME]
        while name in fields:
            name = f"{name[: LONGEST_NAME - 3]}_{len(fields)}"
        fields[name] = key
    found = {"task_settings": {name: float(task.settings[key]) for name, key in fields.items()}}
    if any(name != key for name, key in fields.items()):
        found["task_settings_names"] = json.dumps(fields)
    return found


def task_in(content: dict, source: str, n_in: int) -> SavedTask:
    """The task in the variables of a `.mat` file."""
    name = settings = u = None
    try:
        name = word(content, "task") if "task" in content else None
        settings = _settings_in(content)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        settings = None  # variables of others that have these names
    if settings is None and name is not None and task_key(name) not in TaskFactory.list_available_tasks():
        name = None
    try:
        u = numbers(content, "u") if "u" in content else None
    except ValueError:
        u = None
    if u is not None and u.ndim == 2 and len(u) != n_in:
        u = u.T
    return SavedTask(source, n_in, name, settings, u if u is not None and u.ndim == 2 and len(u) == n_in else None)


def _settings_in(content) -> dict[str, float] | None:
    value = content.get("task_settings")
    if value is None or isinstance(value, UnusableError):
        return None
    fields = fields_of(value)
    names = json.loads(word(content, "task_settings_names")) if "task_settings_names" in content else {}
    return {names.get(key, key): _plain(number(fields, key)) for key in fields}


def fields_of(value) -> dict:
    """The fields of a structure of one element. Raises ValueError for anything else."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, np.ndarray) or not value.dtype.names or value.size != 1:
        raise ValueError("this is no structure of one element")
    return {name: value.ravel()[0][name] for name in value.dtype.names}


def _plain(value) -> float | int:
    value = float(value)
    return int(value) if value.is_integer() else value


def task_in_pth(settings: dict, source: str, n_in: int, ours: bool = True) -> SavedTask:
    """The task in the `settings` of a `.pth` file; of those of the port the ones that the task here has, too."""
    name, key = settings.get("task"), task_key(settings.get("task") or "")
    found = {k: v for k, v in settings.items() if k not in NETWORK_KEYS}
    if not ours:
        known = TaskFactory.task_class(key).defaults if key in TaskFactory.list_available_tasks() else {}
        found = {k: _plain(v) for k, v in found.items() if k in known and isinstance(v, int | float | np.number)}
        name = name if known else None
    return SavedTask(source, n_in, name, found or None)

"""The task that a saved network was trained on: stored with it, or inferred from its example stimulus."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.formats.containers import Content
from ratecore.formats.errors import FormatError, UnusableError, say_once
from ratecore.formats.single import numbers, unwrapped, word
from ratecore.settings.base import shown, task_key
from ratecore.tasks import AbstractTask, TaskFactory

VARIABLES = ("task", "task_settings", "task_settings_names", "u")
NETWORK_KEYS = ("task", "DeltaT", "taus")  # in the port's settings, but no settings of a task
LONGEST_NAME = 63  # letters of a field's name in MATLAB


@dataclass(frozen=True)
class SavedTask:
    """What a file says about its network's task.

    Attributes:
        source: the file, for messages.
        n_in: inputs of the network.
        name: of the task, or None.
        settings: all settings of the task, or None where the file has none.
        u: stimulus of an example trial (n_in, T), unitless, or None.
        n_out: outputs of the network.
    """

    source: str
    n_in: int
    name: str | None = None
    settings: dict[str, Any] | None = None
    u: Float[np.ndarray, "n_in T"] | None = field(default=None, repr=False)
    n_out: int = 1

    def create(
        self, name: str | None = None, given: dict[str, Any] | None = None, elsewhere: bool = False
    ) -> AbstractTask:
        """Make the task with the settings that the network was trained with.

        Args:
            name: of a registered task, or None for the one in the file.
            given: settings that replace those in the file; a note on stderr names those that differ.
            elsewhere: whether the network is tested with them on purpose, so that there is no such note.

        Returns:
            the task.

        Raises:
            FormatError: the network was trained on another task or has other inputs or outputs, or the file names no
                task.
            ValueError: unknown names.
        """
        wanted = name or self.name
        if wanted is None:
            raise FormatError(f"{self.source}: it does not name its task; give it")
        task_class = TaskFactory.task_class(wanted)
        other = "" if name is None or self.name is None or task_key(self.name) == task_key(name) else self.name
        trained = f"the network was not trained on {name} but on {other}: " if other else ""
        self._check_sizes(wanted, trained, task_class)
        if other:
            raise FormatError(f"{self.source}: {trained.removesuffix(': ')}")
        given = {key: value for key, value in (given or {}).items() if key not in NETWORK_KEYS}
        inferred = self._known(task_class)
        try:
            task = TaskFactory.create_task(wanted, {**inferred, **given})
        except ValueError as error:
            how = "; T is from its u, the defaults for the rest" if self._only_length(inferred) else ""
            raise FormatError(f"{self.source}: {error}{how}") from error
        self._check_sizes(wanted, trained, task)
        if not elsewhere:
            self.compare(task)
        if self.settings is None and (rest := [key for key in task.settings if key not in given]):
            values = ", ".join(f"{key} = {shown(task.settings[key])}" for key in rest)
            seen = ", ".join(key for key in rest if key in inferred)
            known = f"{seen} from its u, the defaults for the rest" if seen else "the defaults"
            known = "from its u" if all(key in inferred for key in rest) else known
            say_once(self.source, [f"it does not hold the settings of its task: {task.name} with {values} ({known})"])
        return task

    def known_settings(self, name: str) -> dict[str, Any]:
        """The settings of a task that the file tells, or that its example stimulus shows.

        Args:
            name: of a registered task.

        Returns:
            by name; none where the file tells nothing.

        Raises:
            FormatError: the network has other inputs or outputs than the task.
            ValueError: an unknown task.
        """
        task_class = TaskFactory.task_class(name)
        self._check_sizes(name, "", task_class)
        return self._known(task_class)

    def _only_length(self, inferred: dict[str, Any]) -> bool:
        return self.settings is None and set(inferred) == {"T"}

    def compare(self, task: AbstractTask) -> None:
        """Print one line on stderr where a task differs from the one that the network was trained on.

        Args:
            task: that the network is scored on.
        """
        if self.name is not None and task_key(self.name) != task_key(task.name):
            return
        known = self._known(type(task))
        other = {key: value for key, value in known.items() if task.settings.get(key, value) != value}
        if other:
            now = ", ".join(f"{key} = {shown(task.settings[key])}" for key in other)
            was = ", ".join(f"{key} = {shown(value)}" for key, value in other.items())
            how = "its u shows" if self.settings is None else "it was trained with"
            say_once(self.source, [f"scored with {now}; {how} {was}"])

    def _check_sizes(self, name: str, trained: str, task: AbstractTask | type[AbstractTask]) -> None:
        """Raise FormatError for a task of other inputs or outputs; a class whose instances know them is not checked."""
        for what, own in (("inputs", self.n_in), ("outputs", self.n_out)):
            wanted: object = getattr(task, f"n_{what}")
            if isinstance(wanted, int | np.integer) and own != wanted:
                raise FormatError(f"{self.source}: {trained}the network has {own} {what}; task {name} has {wanted}")

    def _known(self, task_class: type[AbstractTask]) -> dict[str, Any]:
        """The settings in the file, of the kinds that the task has, or those that its example stimulus shows."""
        if self.settings is None:
            return self.inferred(task_class)
        return {key: _like(task_class.defaults.get(key), value) for key, value in self.settings.items()}

    def inferred(self, task_class: type[AbstractTask]) -> dict[str, int]:
        """Infer settings from the example stimulus: its length, and when its stimuli come.

        Args:
            task_class: class of the task.

        Returns:
            settings by name, in steps; none without an example.
        """
        if self.u is None:
            return {}
        windows = [_window(row) for row in self.u]
        found = {"T": self.u.shape[1]}
        shown_in = {"go-nogo": windows[:1], "xor": windows, "mante": windows[:2]}.get(task_class.name, [])
        known = [window for window in shown_in if window is not None]
        if known and len(known) == len(shown_in):
            first, stop = known[0]
            found |= {"stim_on": first, "stim_dur": stop - first}
            if task_class.name == "xor":
                found["delay"] = known[1][0] - stop
                if found["delay"] < 0 or known[1][1] - known[1][0] != stop - first:
                    found = {"T": found["T"]}  # another variant of xor
        return {key: value for key, value in found.items() if key in task_class.defaults}


def _like(default: object, value: Any) -> Any:
    """A setting of the kind of its default: MATLAB and SciPy make 1 of true, and one number of a list of one."""
    if isinstance(default, list | tuple):
        values = value if isinstance(value, list) else [value]
        like = next((part for part in default if isinstance(part, float)), default[0] if default else None)
        return [_like(like, part) for part in values]
    if isinstance(default, bool) and value in (0, 1):
        return bool(value)
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def _window(row: Float[np.ndarray, " T"]) -> tuple[int, int] | None:
    steps = np.flatnonzero(row)
    return (int(steps[0]), int(steps[-1]) + 1) if steps.size else None


def task_variables(task: AbstractTask) -> Content:
    """Make the variables of a `.mat` file that describe a task's settings.

    Args:
        task: any.

    Returns:
        `task_settings`, a structure, and `task_settings_names` (JSON) where MATLAB does not allow the settings' names.
    """
    fields: dict[str, str] = {}
    for key in task.settings:
        name = re.sub(r"\W", "_", key, flags=re.ASCII)[:LONGEST_NAME]
        name = name if re.match(r"[A-Za-z]", name) else f"x{name}"[:LONGEST_NAME]
        while name in fields:
            name = f"{name[: LONGEST_NAME - 3]}_{len(fields)}"
        fields[name] = key
    found: Content = {"task_settings": {name: _as_matlab(task.settings[key]) for name, key in fields.items()}}
    if any(name != key for name, key in fields.items()):
        found["task_settings_names"] = json.dumps(fields)
    return found


def _as_matlab(value: Any) -> Any:
    """A number as a double, a word as text, true as a logical, a list as a row or a cell array of words."""
    if isinstance(value, list | tuple):
        if any(isinstance(part, str) for part in value):
            return np.array(value, object)
        return np.array(value, bool if value and all(isinstance(part, bool) for part in value) else float)
    return value if isinstance(value, bool | str) else float(value)


def task_in(content: Content, source: str, n_in: int, n_out: int = 1) -> SavedTask:
    """Read the task in the variables of a `.mat` file.

    Args:
        content: variables by name.
        source: the file, for messages.
        n_in: inputs of the network.
        n_out: its outputs.

    Returns:
        what the file says about the task.
    """
    name = settings = u = None
    try:
        name = word(content, "task") if "task" in content else None
        settings = _settings_in(content)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        settings = None  # another program's variables with these names
    if settings is None and name is not None and task_key(name) not in TaskFactory.list_available_tasks():
        name = None
    try:
        u = numbers(content, "u") if "u" in content else None
    except ValueError:
        u = None
    if u is not None and u.ndim == 2 and len(u) != n_in:
        u = u.T
    u = u if u is not None and u.ndim == 2 and len(u) == n_in else None
    return SavedTask(source, n_in, name, settings, u, n_out)


def _settings_in(content: Content) -> dict[str, Any] | None:
    value = content.get("task_settings")
    if value is None or isinstance(value, UnusableError):
        return None
    fields = fields_of(value)
    names = json.loads(word(content, "task_settings_names")) if "task_settings_names" in content else {}
    settings = {names.get(key, key): _setting(fields, key) for key in fields}
    return settings if isinstance(settings.get("T", 0), int | float) else None  # another program's


def _setting(fields: Content, key: str) -> Any:
    """A number, a word, or a list of them. Raises ValueError for anything else."""
    value = np.asarray(unwrapped(fields, key))
    if value.dtype.kind == "U":
        # Several are rows of one width, as SciPy writes an array of words
        words = [str(part) for part in value.ravel()]
        return [part.rstrip() for part in words] if len(words) > 1 else "".join(words)
    if value.dtype.kind == "O":
        return [_setting({key: part}, key) for part in value.ravel()]
    if not value.size:
        return []
    plain = [_plain(part) for part in numbers(fields, key).ravel()]
    return plain[0] if len(plain) == 1 else plain


def fields_of(value: object) -> Content:
    """Get the fields of a structure of one element.

    Args:
        value: a variable of a `.mat` file.

    Returns:
        by name.

    Raises:
        ValueError: it is anything else.
    """
    if isinstance(value, dict):
        return value
    if not isinstance(value, np.ndarray) or not value.dtype.names or value.size != 1:
        raise ValueError("this is no structure of one element")
    return {name: value.ravel()[0][name] for name in value.dtype.names}


def _plain(value: Any) -> float | int:
    plain = float(value)
    return int(plain) if plain.is_integer() else plain


def task_in_pth(settings: dict[str, Any], source: str, n_in: int, n_out: int = 1, ours: bool = True) -> SavedTask:
    """Read the task in the `settings` of a `.pth` file.

    Args:
        settings: of the file.
        source: the file, for messages.
        n_in: inputs of the network.
        n_out: its outputs.
        ours: whether ratecore wrote the file; the port has settings that the tasks here do not know.

    Returns:
        what the file says about the task.
    """
    name, key = settings.get("task"), task_key(settings.get("task") or "")
    found = {k: v for k, v in settings.items() if k not in NETWORK_KEYS}
    if not ours:
        known = TaskFactory.task_class(key).defaults if key in TaskFactory.list_available_tasks() else {}
        found = {k: _plain(v) for k, v in found.items() if k in known and isinstance(v, int | float | np.number)}
        name = name if known else None
    return SavedTask(source, n_in, name, found or None, n_out=n_out)

"""The registry that returns tasks by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ratecore.settings.base import did_you_mean, shown, task_key
from ratecore.tasks import multi, tracebacks, values
from ratecore.tasks.base import AbstractTask, registered
from ratecore.tasks.environments import PREFIX
from ratecore.tasks.neurogym import neurogym_class
from ratecore.tasks.settings import check_call
from ratecore.tasks.values import TaskError

PUBLISHED = ("go-nogo", "xor", "mante")  # built-in tasks whose names no other task can take


class TaskFactory:
    """The registry of tasks. Names ignore case and the difference of `_` and `-`: `go_nogo` is `go-nogo`.

    Environments of neurogym are tasks, too, `neurogym:GoNogo-v0`, and so are several tasks in one network,
    `go-nogo+xor`.
    """

    _tasks: ClassVar[dict[str, type[AbstractTask]]] = registered
    _registry: ClassVar[Any]  # name of the `rate` package, which `ratecore.tasks` adds

    @classmethod
    def register_task(cls, name: str, task: type[AbstractTask]) -> None:
        """Make a task available by name, also by that of a built-in task other than go-nogo, xor and mante.

        Args:
            name: letters, digits, '-', '_' and '.'.
            task: the class of the task.

        Raises:
            TypeError: `task` is not a subclass of AbstractTask.
            ValueError: the name cannot be part of a path or belongs to another class, or the class's `defaults` are not
                names and numbers.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", task_key(name)):
            raise ValueError(f"register_task: {name!r}; a name is made of letters, digits, '-', '_' and '.'")
        if not (isinstance(task, type) and issubclass(task, AbstractTask)):
            raise TypeError(f"register_task: {task!r} is not a subclass of AbstractTask")
        values.check_defaults(task)
        known = cls._tasks.get(task_key(name))
        replaceable = (
            known is not None and known.__module__.startswith("ratecore.tasks.") and known.name not in PUBLISHED
        )
        if known is not None and known is not task and not replaceable:
            raise ValueError(f"register_task: '{name}' is already the task {known.__module__}.{known.__qualname__}")
        if vars(task).get("_unnamed"):
            task.name, task._unnamed = task_key(name), False
        cls._tasks[task_key(name)] = task

    @classmethod
    def task_class(cls, name: str) -> type[AbstractTask]:
        """The class that is registered under a name.

        Args:
            name: name of the task.

        Returns:
            The class.

        Raises:
            ValueError: there is none; the message suggests the nearest name.
            TaskError: the package neurogym is not installed, or its environment has no supervised targets.
        """
        key = task_key(name)
        if multi.SUM in key:
            names = tuple(key.split(multi.SUM))
            return multi.multi_task_class(names, tuple(cls.task_class(part) for part in names))
        if key.startswith(PREFIX):
            return neurogym_class(key)
        if key not in cls._tasks:
            available = ", ".join(cls.list_available_tasks())
            raise ValueError(f"unknown task {shown(name)}{did_you_mean(key, cls._tasks)}; available: {available}")
        return cls._tasks[key]

    @classmethod
    def knows(cls, name: str) -> bool:
        """Whether there is a task of a name.

        Args:
            name: name of the task.

        Returns:
            False also for an environment of neurogym while neurogym is not installed.
        """
        try:
            cls.task_class(name)
        except ValueError:
            return False
        return True

    @classmethod
    def create_task(
        cls, name: str, settings: Mapping[str, Any] | None = None, strict: bool = False, **named: Any
    ) -> AbstractTask:
        """Make a task.

        Args:
            name: name of the task.
            settings: settings of the task over its defaults.
            strict: whether a setting of another task is an error and not only a warning.
            **named: refused; settings are given in a dict.

        Returns:
            The task.

        Raises:
            TypeError: settings that are not given in a dict.
            ValueError: an unknown name or setting, or settings that do not fit.
            TaskError: any other exception in a user's task.
        """
        check_call("create_task", settings, named, f"{shown(name)}, ")
        task_class = cls.task_class(name)
        if strict:
            task_class.refuse_unknown(settings or {})
            if not task_class.defaults:  # with defaults these tell int from float; a configuration has floats only
                settings = {key: _as_int(v) for key, v in (settings or {}).items()}
        try:
            return task_class(settings)
        except TaskError:
            raise
        except ValueError as error:
            if tracebacks.is_raised_on_purpose(error):  # settings that do not fit
                raise
            raise values.raised(task_class, "__init__", error) from error
        except values.FAULTS as error:
            raise values.raised(task_class, "__init__", error) from error

    @classmethod
    def list_available_tasks(cls) -> list[str]:
        """The names of all tasks.

        Returns:
            Sorted names.
        """
        return sorted(cls._tasks)


def _as_int(value: Any) -> Any:
    """A whole number as int; a configuration has floats only."""
    return int(value) if isinstance(value, float) and value.is_integer() else value

"""Names by which programs of the `rate` package reach tasks and their registry."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any


class TaskRegistry(MutableMapping[str, Any]):
    """`TaskFactory._registry`: classes by name; setting one registers it.

    Args:
        factory: whose tasks they are.
    """

    def __init__(self, factory: Any):
        self._factory = factory

    def __getitem__(self, name: str) -> Any:
        try:
            return self._factory.task_class(name)
        except ValueError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, task: Any) -> None:
        self._factory.register_task(name, task)

    def __delitem__(self, name: str) -> None:
        raise TypeError("tasks are not taken out of the registry")

    def __iter__(self) -> Iterator[str]:
        return iter(self._factory.list_available_tasks())

    def __len__(self) -> int:
        return len(self._factory.list_available_tasks())


def generate_input_stim(self, settings: dict | None = None, seed=None):
    """A stimulus and its label, as `generate_stimulus`; of a task with these settings where some are given."""
    return (self if settings is None else type(self)(settings)).generate_stimulus(seed=seed)


def generate_target_continuous(self, settings: dict, label):
    """The target of a label, as `generate_target`; of a task with these settings where some are given."""
    return (self if settings is None else type(self)(settings)).generate_target(label)

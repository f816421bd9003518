"""Names under which programs of the `rate` package use tasks and their registry."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any


class TaskRegistry(MutableMapping[str, Any]):
    """`TaskFactory._registry` of the `rate` package: classes by name; setting one registers it.

    Args:
        factory: that has the tasks.
    """

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    def __getitem__(self, name: str) -> Any:
        try:
            return self._factory.task_class(name)
        except ValueError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, task: Any) -> None:
        self._factory.register_task(name, task)

    def __delitem__(self, name: str) -> None:
        raise TypeError("tasks cannot be removed from the registry")

    def __iter__(self) -> Iterator[str]:
        return iter(self._factory.list_available_tasks())

    def __len__(self) -> int:
        return len(self._factory.list_available_tasks())


def generate_input_stim(self: Any, settings: dict[str, Any] | None = None, seed: Any = None) -> Any:
    """`generate_input_stim` of the `rate` package: `generate_stimulus`, for other settings where given."""
    return (self if settings is None else type(self)(settings)).generate_stimulus(seed=seed)


def generate_target_continuous(self: Any, settings: dict[str, Any] | None, label: Any) -> Any:
    """`generate_target_continuous` of the `rate` package: `generate_target`, for other settings where given."""
    return (self if settings is None else type(self)(settings)).generate_target(label)

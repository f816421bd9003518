"""Which methods of `AbstractTask` a class overrides, for modules that `ratecore.tasks.base` itself imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_base_methods: list[Callable[..., Any]] = []


def overridable(method: Method) -> Method:
    """Mark a method of the base class, so that `overrides` recognizes it.

    Args:
        method: a method of `AbstractTask`.

    Returns:
        The same method.
    """
    _base_methods.append(method)
    return method


def overrides(method: Callable[..., Any]) -> bool:
    """Whether a method replaces one that is marked as `overridable`.

    Args:
        method: taken from a class, `type(task).is_correct`.

    Returns:
        False for the method of the base class itself.
    """
    return not any(method is marked for marked in _base_methods)

"""Which methods of `AbstractTask` a class overrides, for modules that `ratecore.tasks.base` itself imports."""

from __future__ import annotations

_of_the_base: list = []


def overridable(method):
    """Marks a method of the base class, so that `overrides` recognizes it. Returns the method."""
    _of_the_base.append(method)
    return method


def overrides(method) -> bool:
    """Whether a class's method is its own, or that of a parent, in place of the one marked by `overridable`."""
    return not any(method is marked for marked in _of_the_base)

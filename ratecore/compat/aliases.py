"""Alternative names for the arguments of a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def accepts(**names: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Make a function accept keyword arguments under further names, too: `accepts(old="new")`.

    Args:
        **names: of each further name the argument that it stands for.

    Returns:
        a decorator. The function raises TypeError when an argument is given under both of its names.

    Raises:
        TypeError: see above.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Result:
            for other in names.keys() & kwargs.keys():
                name = names[other]
                if name in kwargs:
                    raise TypeError(f"{function.__name__}() got {other} and {name}, which are the same argument")
                kwargs[name] = kwargs.pop(other)
            return function(*args, **kwargs)

        return call

    return decorate

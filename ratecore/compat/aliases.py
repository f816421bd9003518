"""Other names for the arguments of a function."""

from __future__ import annotations

import functools


def accepts(**names: str):
    """Makes a function take keyword arguments under other names, too: `accepts(old="new")`.

    The function raises TypeError when an argument comes under both of its names.
    """

    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            for other in names.keys() & kwargs.keys():
                name = names[other]
                if name in kwargs:
                    raise TypeError(f"{function.__name__}() got {other} and {name}, which are the same argument")
                kwargs[name] = kwargs.pop(other)
            return function(*args, **kwargs)

        return call

    return decorate

"""Checks of the mapping that a configuration is read into, before any setting is checked."""

from __future__ import annotations

from typing import Any

from ratecore.settings.base import SettingsError, shown

MOST_VALUES, DEEPEST = 200_000, 20  # of a configuration


def check_mapping(values: object) -> None:
    """Check that the keys of a configuration are text and that it is of a reasonable size.

    A few lines of YAML with aliases can stand for more values than there are atoms, or for a list that contains itself.

    Args:
        values: the mapping as it was read.

    Raises:
        SettingsError: a key is not text, or there are too many or too deeply nested values.
    """
    left: list[tuple[tuple[str, ...], Any]] = [((), values)]
    seen = 0
    while left:
        path, value = left.pop()
        seen += 1
        if len(path) > DEEPEST:
            raise SettingsError(
                [(path[:2], f": values are nested more than {DEEPEST} deep; they may be {DEEPEST} deep")]
            )
        if seen > MOST_VALUES:
            raise SettingsError(
                [(path[:1], f": more than {MOST_VALUES:,} values; at most {MOST_VALUES:,} are allowed")]
            )
        if isinstance(value, dict):
            if wrong := [key for key in value if not isinstance(key, str)]:
                message = f": unknown setting; its name must be text{_no_key(wrong[0])}"
                raise SettingsError([((*path, shown(wrong[0])), message)])
            left += [((*path, key[:50]), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple | set | frozenset):
            left += [((*path, ""), inner) for inner in value]


def _no_key(key: object) -> str:
    """A hint for a key that is not text: `{P_inh: 0,2}` and `{N: 10, 20}` have the keys 2 and 20."""
    number = isinstance(key, int | float) and not isinstance(key, bool)
    return " (a decimal point is meant, or brackets around a list?)" if number else ""

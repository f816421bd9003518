"""The setting `grid`: one product of axes, or a list of products with names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ratecore.settings.base import Problem, SettingsError, shortened, shown

NAME = "name"  # of a product, beside its axes
NAMES = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"  # of experiments and products
LONGEST_NAME = 100  # characters
ALLOWED = "it must be a mapping of axis: list of values, or a list of such mappings"


def checked_grid(grid: Any) -> Any:
    """Check the form of a grid, before any axis is looked at.

    Args:
        grid: as it is in the configuration.

    Returns:
        the grid, with arrays, tuples and ranges as lists.

    Raises:
        ValueError: it is neither a mapping nor a list of mappings.
        SettingsError: with every product without a usable name, and every axis without values.
    """
    if isinstance(grid, tuple):
        grid = list(grid)
    products = grid if isinstance(grid, list) else [grid]
    if not all(isinstance(part, Mapping) and all(isinstance(axis, str) for axis in part) for part in products):
        raise ValueError(ALLOWED)
    if not products:
        raise ValueError(f"{ALLOWED}; the list is empty")
    problems: list[Problem] = []
    checked: list[dict[str, Any]] = []
    for number, part in enumerate(products, 1):
        where = (_label(part, number),) if isinstance(grid, list) else ()
        checked.append(_checked_axes(part, where, problems))
    if isinstance(grid, list):
        problems += _wrong_names(checked)
    if problems:
        raise SettingsError(problems)
    return checked if isinstance(grid, list) else checked[0]


def products_in(grid: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The products of a grid.

    Args:
        grid: of `checked_grid`.

    Returns:
        name: axes with their values. A product without a name has its number in the list as its name, from '1'; the
        only product of a grid that is a mapping has the name ''.
    """
    if isinstance(grid, Mapping):
        return {"": dict(grid)}
    return {
        str(part.get(NAME, number)): {axis: values for axis, values in part.items() if axis != NAME}
        for number, part in enumerate(grid, 1)
    }


def _label(part: Mapping[str, Any], number: int) -> str:
    """What messages call a product: its name, or its number where it has no usable one."""
    name = part.get(NAME)
    return name if isinstance(name, str) and name else str(number)


def _checked_axes(part: Mapping[str, Any], where: tuple[str, ...], problems: list[Problem]) -> dict[str, Any]:
    """A product with its values as lists; adds what is wrong with them to `problems`."""
    values_of = {axis: given if where and axis == NAME else _as_values(given) for axis, given in part.items()}
    for axis, values in values_of.items():
        if where and axis == NAME:
            continue
        if isinstance(values, list) and not values:
            problems.append(((*where, axis), " = []: an axis needs at least one value"))
        elif not isinstance(values, list | str):
            message = f" = {shown(values)}: it must be a list of values{_as_list(axis, values)}"
            problems.append(((*where, axis), message))
    return values_of


def _wrong_names(products: list[dict[str, Any]]) -> list[Problem]:
    problems: list[Problem] = []
    numbers: dict[str, list[int]] = {}
    for number, part in enumerate(products, 1):
        name = part.get(NAME, str(number))
        if not isinstance(name, str) or not re.match(NAMES, name) or len(name) > LONGEST_NAME:
            allowed = f"it must be text of at most {LONGEST_NAME} letters, digits, '.', '_' and '-', as fig1c"
            hint = "; an axis cannot be called name" if isinstance(name, list) else ""
            problems.append(((str(number), NAME), f" = {shown(name)}: {allowed}{hint}"))
        else:
            numbers.setdefault(name, []).append(number)
    for name, found in numbers.items():
        if len(found) > 1:
            which = f"{', '.join(map(str, found[:-1]))} and {found[-1]}"
            problems.append(((), f": products {which} of the list have the name '{name}'; each needs another"))
    return problems


def _as_values(values: Any) -> Any:
    """Arrays, tuples and ranges as lists; anything else unchanged."""
    if isinstance(values, np.ndarray):
        return values.tolist()
    return list(values) if isinstance(values, tuple | range) else values


def _as_list(axis: str, values: object) -> str:
    """The hint for an axis whose values are not a list: how they are written."""
    axis = shortened(axis)
    if values is None:
        return f", as {axis}: [...]"
    if isinstance(values, dict):
        return f"; a setting in a section is named with it, as {axis}.{shortened(next(iter(values), 'key'))}: [...]"
    if axis == "seed":
        return f"; {values} seeds are 0..{values - 1}" if type(values) is int and values > 0 else ", or a range as 0..9"
    return f", as [{shown(values)}]"

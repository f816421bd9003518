"""Names of groups of units in settings: types, areas, types within areas, and blocks of connections between them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

TYPES = ("exc", "inh", "som")
GROUPS = ("all", *TYPES)
_NOT_AREAS = (*GROUPS, "within", "between")


def check_areas(areas: Mapping[str, float]) -> None:
    """Check the names and the sizes of areas, as far as they can be without the number of units.

    Args:
        areas: number of units of each area, or its share of all units.

    Raises:
        ValueError: says what is wrong.
    """
    if not areas:
        raise ValueError("name at least one area with its size, as {sensory: 50, motor: 50}")
    for name, size in areas.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name) or name in _NOT_AREAS:
            taken = ", ".join(_NOT_AREAS)
            raise ValueError(f"'{name}' is no name of an area: letters, digits and _, and none of {taken}")
        if not size > 0:
            raise ValueError(f"{name}: {size:g} units; an area needs at least one")


def area_sizes(areas: Mapping[str, float], N: int) -> dict[str, int]:
    """The number of units of each area; areas are blocks of units in this order.

    Args:
        areas: number of units of each area, which together are N, or its share of all units, which together are 1.
        N: number of units.

    Returns:
        units by area, at least one each.

    Raises:
        ValueError: the sizes do not fit, or an area has no unit.
    """
    total = math.fsum(areas.values())
    if math.isclose(total, 1, rel_tol=1e-6):
        ends = [round(N * math.fsum(list(areas.values())[: k + 1]) / total) for k in range(len(areas))]
        sizes = dict(zip(areas, (b - a for a, b in zip([0, *ends], ends, strict=False)), strict=True))
    elif total == N and all(size == int(size) for size in areas.values()):
        sizes = {name: int(size) for name, size in areas.items()}
    else:
        raise ValueError(
            f"the sizes add up to {total:g}; they must be whole numbers that add up to N = {N}, or shares "
            "that add up to 1"
        )
    if empty := [name for name, size in sizes.items() if not size]:
        raise ValueError(f"{empty[0]} has no unit with N = {N}")
    return sizes


def check_group(group: str, areas: Iterable[str]) -> None:
    """Check the name of a group of units.

    Args:
        group: all, exc, inh, som, an area, or a type within an area as 'motor.exc'.
        areas: names of the areas.

    Raises:
        ValueError: there is no such group.
    """
    areas = tuple(areas)
    area, dot, kind = group.partition(".")
    if group in GROUPS or (area in areas and (not dot or kind in TYPES)):
        return
    allowed = ", ".join([*GROUPS, *areas, *([f"{areas[0]}.exc"] if areas else [])])
    raise ValueError(f"'{group}' is no group of units; allowed: {allowed}{' ...' if areas else ''}")


def block_of(text: str) -> tuple[str, str]:
    """The two groups of a block of connections.

    Args:
        text: 'from->to'.

    Returns:
        names of the groups of the sending and of the receiving units.

    Raises:
        ValueError: it is not written so.
    """
    sender, arrow, receiver = (part.strip() for part in text.partition("->"))
    if not (arrow and sender and receiver) or "->" in receiver:
        raise ValueError(f"'{text}' is no block of connections; write from->to, as exc->inh")
    return sender, receiver

"""Which connections, inputs and outputs a network can have: areas, masks and groups of units (docs/model.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float

from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_files import file_array
from ratecore.settings.units import block_of


def units_in(groups: Iterable[str], settings: NetworkSettings, inh: Bool[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Find the units of one or several groups.

    Args:
        groups: names as in `ratecore.settings.units.check_group`.
        settings: of the network.
        inh: inhibitory units (N,).

    Returns:
        units that are in at least one of the groups (N,).

    Source:
        docs/model.md 1.6.
    """
    som = np.zeros_like(inh)
    som[np.flatnonzero(inh)[: settings.som_N]] = True
    kinds = {"all": np.ones_like(inh), "exc": ~inh, "inh": inh, "som": som}
    places = _places(settings)
    chosen = np.zeros_like(inh)
    for group in groups:
        if group in kinds:
            chosen |= kinds[group]
        else:
            area, _, kind = group.partition(".")
            inside = np.zeros_like(inh)
            inside[places[area]] = True
            chosen |= inside & kinds[kind or "all"]
    return chosen


def _places(settings: NetworkSettings) -> dict[str, slice]:
    """Where the units of each area are."""
    places, start = {}, 0
    for name, size in settings.area_sizes().items():
        places[name], start = slice(start, start + size), start + size
    return places


def density(settings: NetworkSettings) -> float | Float[np.ndarray, "N N"]:
    """The probability of each connection before training.

    Args:
        settings: of the network.

    Returns:
        `P_rec`, or (N, N) for a network with areas; row = receiving unit.

    Source:
        docs/model.md 1.6.
    """
    places, given = _places(settings), settings.area_density
    if not places or given is None:
        return settings.P_rec
    probability = np.full((settings.N, settings.N), settings.P_rec)
    for i, (receiver, rows) in enumerate(places.items()):
        for j, (sender, columns) in enumerate(places.items()):
            if isinstance(given, dict):
                general = given.get("within" if i == j else "between", settings.P_rec)
                named = [p for key, p in given.items() if "->" in key and block_of(key) == (sender, receiver)]
                probability[rows, columns] = named[-1] if named else general
            else:
                probability[rows, columns] = given[i][j]
    return probability


def allowed_connections(settings: NetworkSettings, inh: Bool[np.ndarray, " N"]) -> Bool[np.ndarray, "N N"] | None:
    """The connections that a network can have by its areas, its file and its rule on autapses.

    Args:
        settings: of the network.
        inh: inhibitory units (N,).

    Returns:
        (N, N), row = receiving unit; None if all are allowed.

    Source:
        docs/model.md 1.6.
    """
    given = file_array(settings, "mask_file")
    if settings.autapses and not settings.areas and given is None:
        return None
    allowed = np.ones((settings.N, settings.N), bool) if given is None else given == 1
    if not settings.autapses:
        np.fill_diagonal(allowed, False)
    places = list(_places(settings).values())
    for i, rows in enumerate(places):
        for j, columns in enumerate(places):
            if i < j and not settings.feedback:  # from a later area to an earlier one
                allowed[rows, columns] = False
            elif i != j and settings.long_range == "exc":
                allowed[rows, columns] &= ~inh[columns]
    return allowed

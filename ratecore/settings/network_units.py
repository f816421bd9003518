"""Which units the groups and the areas in settings of a network are (docs/model.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool

from ratecore.settings.network import NetworkSettings


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
    places = places_of(settings)
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


def places_of(settings: NetworkSettings) -> dict[str, slice]:
    """Where the units of each area are.

    Args:
        settings: of the network.

    Returns:
        slice of the units, by area; empty without areas.
    """
    places, start = {}, 0
    for name, size in settings.area_sizes().items():
        places[name], start = slice(start, start + size), start + size
    return places

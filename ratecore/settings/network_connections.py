"""Which connections a network can have: areas, masks, autapses and SST units (docs/model.md 1.6)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_files import file_array
from ratecore.settings.network_units import places_of
from ratecore.settings.units import block_of


def density(settings: NetworkSettings) -> float | Float[np.ndarray, "N N"]:
    """The probability of each connection before training.

    Args:
        settings: of the network.

    Returns:
        `P_rec`, or (N, N) for a network with areas, in [0, 1]; row = receiving unit.

    Source:
        docs/model.md 1.6.
    """
    places, given = places_of(settings), settings.area_density
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
    places = list(places_of(settings).values())
    for i, rows in enumerate(places):
        for j, columns in enumerate(places):
            if i < j and not settings.feedback:  # from a later area to an earlier one
                allowed[rows, columns] = False
            elif i != j and settings.long_range == "exc":
                allowed[rows, columns] &= ~inh[columns]
    return allowed


def has_cycle(settings: NetworkSettings, inh: Bool[np.ndarray, " N"]) -> bool:
    """Whether some units can excite or inhibit themselves, directly or through others, before training.

    Without a cycle, every eigenvalue of the recurrent weights is 0.

    Args:
        settings: of the network.
        inh: inhibitory units (N,).

    Returns:
        False if no connection that the settings allow closes a cycle; True does not mean that one is drawn.

    Source:
        docs/model.md 1.3 and 1.6; a matrix whose graph has no cycle can be permuted to a strictly triangular one.
    """
    possible = np.ones((settings.N, settings.N), bool)
    if settings.rank is None or settings.areas:  # otherwise all connections are there, whatever their density
        possible &= np.asarray(density(settings)) > 0
    if (allowed := allowed_connections(settings, inh)) is not None:
        possible &= allowed
    if settings.som_N:
        possible[np.ix_(np.flatnonzero(inh)[: settings.som_N], inh)] = False
    if possible.diagonal().any():
        return True
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    return bool(connected_components(csr_array(possible), connection="strong")[0] < settings.N)

"""Which connections, inputs and outputs a network can have: areas, masks and groups of units (docs/model.md 1.6)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_files import file_array
from ratecore.settings.network_units import places_of, units_in
from ratecore.settings.units import block_of


def gradient_masks(settings: NetworkSettings, inh: Bool[np.ndarray, " N"]) -> dict[str, Float[np.ndarray, ...]]:
    """What the gradients are multiplied by where only some entries of a parameter are trained.

    Args:
        settings: of the network.
        inh: inhibitory units (N,).

    Returns:
        1 for trained entries and 0 for others, by the name of the parameter: w (N, N), w_in and taus_gaus (N, 1), w_out
        (1, N), unitless; parameters that are trained as a whole are missing.

    Source:
        docs/model.md 3.2.
    """
    masks: dict[str, Float[np.ndarray, ...]] = {}
    if settings.frozen:
        masks["w"] = np.ones((settings.N, settings.N))
        for block in settings.frozen:
            senders, receivers = (units_in([group], settings, inh) for group in block_of(block))
            masks["w"][np.ix_(receivers, senders)] = 0
    if "w_in" in settings.trained and settings.input_units != ("all",):
        masks["w_in"] = units_in(settings.input_units, settings, inh)[:, None].astype(float)
    if settings.output_units != ("all",):
        masks["w_out"] = units_in(settings.output_units, settings, inh)[None].astype(float)
    kinds = [name for name in ("taus_exc", "taus_inh") if name in settings.trained]
    if settings.trains_taus and "taus" not in settings.trained and len(kinds) == 1:
        masks["taus_gaus"] = (inh if kinds == ["taus_inh"] else ~inh)[:, None].astype(float)
    return masks


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

"""Which units the groups and the areas in settings of a network are (docs/model.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from ratecore.settings.base import SettingsError, shown
from ratecore.settings.network import NetworkSettings
from ratecore.settings.unit_sets import UnitSet, as_sets, as_units, used_sets

KEYS = ("input_units", "output_units")  # settings of a network that choose units before training


def with_named_units(given: Any) -> Any:
    """Fill in the units of the named sets that settings of the network choose.

    A network has them in its own settings, so that its files and its identity depend on nothing else.

    Args:
        given: values of settings with the sections `network` and `unit_sets`, before they are checked.

    Returns:
        the same with `network.named_units`, where a set is named.

    Raises:
        SettingsError: a set by tuning, which there is only after training.
    """
    network = given.get("network") if isinstance(given, Mapping) else None
    if isinstance(network, NetworkSettings) and all(getattr(network, key) == ("all",) for key in KEYS):
        return given  # fast: a grid makes thousands of settings
    values = network.model_dump() if isinstance(network, NetworkSettings) else network
    if not isinstance(values, Mapping):
        return given
    before = values.get("named_units", {})
    chosen = {key: _readable(values[key]) for key in KEYS if key in values}
    sets = _sets_of(given.get("unit_sets"))
    named = {name: _content(own) for name, own in used_sets(chosen.values(), sets).items()}
    if isinstance(before, Mapping):  # of a network from elsewhere, and only those that are used
        names = {part.partition(".")[0] for which in chosen.values() for part in _names(which)}
        named = {name: units for name, units in before.items() if name in names} | named
        if named == before:
            return given
    for key, which in chosen.items():
        for name in _names(which):
            if (own := sets.get(name.partition(".")[0])) is not None and own.tuning is not None:
                why = (
                    f"'{name}' is a set by tuning, which is measured in the trained network, and the inputs and outputs"
                )
                message = f" = {shown(values[key])}: {why} are chosen before; give a list, a file or groups"
                raise SettingsError([(("network", key), message)])
    return {**given, "network": {**values, "named_units": named}}


def _readable(units: Any) -> Any:
    """Which units a setting chooses; none where that cannot be read, which its own check says."""
    try:
        return as_units(units)
    except ValueError:
        return ()


def _names(units: Any) -> list[str]:
    return [part for part in ((units,) if isinstance(units, str) else units) if isinstance(part, str)]


def _sets_of(given: Any) -> dict[str, UnitSet]:
    """The named sets that can be read; the others have errors of their own."""
    try:
        every = as_sets(given)
    except ValueError:
        return {}
    sets = {}
    for name, own in every.items() if isinstance(every, Mapping) else ():
        try:
            sets[name] = own if isinstance(own, UnitSet) else UnitSet(**own)
        except (SettingsError, TypeError):
            sets[name] = UnitSet(units="all")
    return sets


def _content(own: UnitSet) -> Any:
    """The indices or the groups of a set."""
    try:
        listed = own.listed()
    except SettingsError:  # which the check of the sets says
        listed = None
    return listed if listed is not None else own.units or ("all",)


def units_in(
    groups: Iterable[str | int], settings: NetworkSettings, inh: Bool[np.ndarray, " N"]
) -> Bool[np.ndarray, " N"]:
    """Find the units of one or several groups.

    Args:
        groups: names as in `ratecore.settings.units.check_group`, or those of `settings.named_units`; or indices.
        settings: of the network.
        inh: inhibitory units (N,).

    Returns:
        units that are in at least one of the groups (N,).

    Raises:
        ValueError: an index that the network does not have.

    Source:
        docs/model.md 1.6.
    """
    som = np.zeros_like(inh)
    som[np.flatnonzero(inh)[: settings.som_N]] = True
    kinds = {"all": np.ones_like(inh), "exc": ~inh, "inh": inh, "som": som}
    places = places_of(settings)
    chosen = np.zeros_like(inh)
    for group in groups:
        if isinstance(group, int):
            if group >= settings.N:
                raise ValueError(f"{group} is no unit; indices must be from 0 to {settings.N - 1}")
            chosen[group] = True
            continue
        name, _, kind = group.partition(".")
        inside = np.zeros_like(inh)
        if name in kinds:
            inside = kinds[name]
        elif name in settings.named_units:
            own = settings.named_units[name]
            inside = units_in((own,) if isinstance(own, str) else own, settings, inh)
        else:
            inside[places[name]] = True
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

"""Changes of recurrent weights by groups of synapses, the same for rate and for spiking networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ratecore.settings.base import did_you_mean, shown
from ratecore.settings.perturbation import PerturbationSettings, synapses_between
from ratecore.system.streams import stream

Sets = Mapping[str, Int[np.ndarray, " n"]]


class Types(NamedTuple):
    """The types of the units of a network.

    Attributes:
        inh: inhibitory units (N,).
        som: SST units among them (N,).
    """

    inh: Bool[np.ndarray, " N"]
    som: Bool[np.ndarray, " N"]

    def groups(self) -> dict[str, Bool[np.ndarray, " N"]]:
        """The units of each type.

        Returns:
            all, exc, inh and som: whether each unit is one (N,).

        Source: none
        """
        return {"all": np.ones_like(self.inh), "exc": ~self.inh, "inh": self.inh, "som": self.som}


def units_of(which: str | Iterable[str | int], types: Types, sets: Sets | None = None) -> Int[np.ndarray, " n"]:
    """Find the units that a setting chooses.

    Args:
        which: a group, several groups, or indices from 0. A group is a type (all, exc, inh, som), a name in `sets`, or
            the units of a type in such a set, as 'motor.exc'.
        types: of the units.
        sets: indices of the units of each named set or area, in its order.

    Returns:
        indices (n,), each once: those of types in increasing order, others in the order in which they are given.

    Raises:
        ValueError: an unknown group, or an index outside the network.

    Source: none
    """
    N, kinds, sets = len(types.inh), types.groups(), sets or {}
    found: list[int] = []
    for part in (which,) if isinstance(which, str) else which:
        if not isinstance(part, str):
            found.append(int(part))
            continue
        own, _, kind = part.partition(".")
        if own not in kinds and own not in sets:
            known = [*kinds, *sets]
            raise ValueError(f"'{part}' is no group of units{did_you_mean(own, known)}; allowed: {', '.join(known)}")
        inside = np.flatnonzero(kinds[own]) if own in kinds else np.asarray(sets[own], int)
        if inside.size and not 0 <= inside.min() <= inside.max() < N:
            raise ValueError(f"the set '{own}' has units outside the network, whose indices are 0 to {N - 1}")
        found += inside[kinds[kind or "all"][inside]].tolist()
    units = np.array(list(dict.fromkeys(found)), int)
    if units.size and not 0 <= units.min() <= units.max() < N:
        raise ValueError(f"units = {shown(units.tolist())}: they must be indices from 0 to {N - 1}")
    return units


def mask_of(which: str | Iterable[str | int], types: Types, sets: Sets | None = None) -> Bool[np.ndarray, " N"]:
    """Find the units that a setting chooses, as a mask.

    Args:
        which: as in `units_of`.
        types: of the units.
        sets: as in `units_of`.

    Returns:
        whether each unit is chosen (N,).

    Source: none
    """
    mask = np.zeros(len(types.inh), bool)
    mask[units_of(which, types, sets)] = True
    return mask


def lesioned_units(s: PerturbationSettings, types: Types, sets: Sets | None, seed: int) -> Int[np.ndarray, " n"]:
    """Choose the units that a lesion removes.

    Args:
        s: settings of the perturbation.
        types: of the units.
        sets: as in `units_of`.
        seed: of the run, for its stream `unit_lesion`.

    Returns:
        indices (n,); with the same seed, a larger fraction gives a superset.

    Source:
        docs/model.md 8.
    """
    if s.lesion_units is None:
        return np.zeros(0, int)
    units = units_of(s.lesion_units, types, sets)
    if s.lesion_order == "random":
        # Every unit of the network has its place in one order, so that sets that overlap lose the same units.
        place = stream(seed, "unit_lesion").permutation(len(types.inh))
        units = units[np.argsort(place[units])]
    return units[: round(s.lesion_fraction * units.size)]


def perturbed_weights(
    W: Float[np.ndarray, "N N"],
    allowed: Bool[np.ndarray, "N N"],
    types: Types,
    s: PerturbationSettings,
    seed: int,
    sets: Sets | None = None,
) -> Float[np.ndarray, "N N"]:
    """Change the recurrent weights of a network, in this order: shuffle, scale, noise, lesion.

    Args:
        W: effective weights (N, N), unitless, row = receiving unit.
        allowed: connections that the network can have (N, N), to which a shuffle may move others.
        types: of the units.
        s: settings of the perturbation.
        seed: of the run, for its streams `shuffle`, `weight_noise` and `unit_lesion`.
        sets: as in `units_of`.

    Returns:
        the changed weights (N, N), unitless; `W` stays as it is.

    Raises:
        ValueError: an unknown group of units.

    Source:
        docs/model.md 8.
    """
    W = W.copy()
    for name in s.shuffle_synapses:
        sender, receiver = (mask_of(which, types, sets) for which in synapses_between(name))
        _shuffle(W, allowed, types, sender, receiver, s.shuffle_keeps, seed)
    for name, factor in s.scale_synapses.items():
        sender, receiver = (mask_of(which, types, sets) for which in synapses_between(name))
        W[np.ix_(receiver, sender)] *= factor
    if s.weight_noise:
        # One number for each pair of units, whatever synapses are alive: the same for every SD.
        W *= np.maximum(1 + s.weight_noise * stream(seed, "weight_noise").standard_normal(W.shape), 0)
    gone = lesioned_units(s, types, sets, seed)
    W[gone], W[:, gone] = 0, 0
    return W


def _shuffle(
    W: Float[np.ndarray, "N N"],
    allowed: Bool[np.ndarray, "N N"],
    types: Types,
    sender: Bool[np.ndarray, " N"],
    receiver: Bool[np.ndarray, " N"],
    keeps: str,
    seed: int,
) -> None:
    """Permutes weights in place, those between each pair of types by themselves, so that Dale's law goes on to hold."""
    for k, (of_sender, of_receiver) in enumerate((a, b) for a in (False, True) for b in (False, True)):
        rng = stream(seed, "shuffle", k)
        block = (receiver & (types.inh == of_receiver))[:, None] & (sender & (types.inh == of_sender))[None, :]
        places = block & ((W != 0) if keeps == "graph" else (allowed | (W != 0)))
        if keeps in ("graph", "number"):
            index = np.flatnonzero(places)
            W.flat[index] = W.flat[rng.permutation(index)]
            continue
        lines, free = (W, places) if keeps == "in_degree" else (W.T, places.T)  # views
        for line, here in zip(lines, free, strict=True):
            index = np.flatnonzero(here)
            line[index] = line[rng.permutation(index)]

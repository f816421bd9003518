"""Perturbations of a trained rate network: lesions, synapses, inputs, currents, noise (docs/perturbations.md)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from ratecore.rate.network import RateNetwork
from ratecore.rate.stimulation import Stimulation
from ratecore.rate.synapses import Sets, Types, lesioned_units, mask_of, perturbed_weights
from ratecore.settings.network_units import places_of
from ratecore.settings.perturbation import PerturbationSettings, RatePerturbationSettings


def types_of(net: RateNetwork) -> Types:
    """The types of a network's units.

    Args:
        net: the network.

    Returns:
        inhibitory and SST units.

    Source: none
    """
    inh = net.inh.cpu().numpy()
    som = np.zeros_like(inh)
    som[np.flatnonzero(inh)[: net.settings.som_N]] = True
    return Types(inh, som)


def sets_with_areas(net: RateNetwork, unit_sets: Sets | None) -> Sets:
    """The named sets of units and the areas of a network.

    Args:
        net: the network.
        unit_sets: indices of the units of each set (n,).

    Returns:
        the same, with the units of each area.

    Source: none
    """
    places = places_of(net.settings)
    return {name: np.arange(net.N)[place] for name, place in places.items()} | dict(unit_sets or {})


def perturbed(
    net: RateNetwork,
    settings: PerturbationSettings | Mapping[str, Any],
    seed: int = 0,
    unit_sets: Sets | None = None,
) -> RateNetwork:
    """Change a trained network.

    A lesioned unit has no synapses, no inputs, and the rate 0. Where recurrent weights change, those of the copy are
    the effective ones, without those that Dale's law silences.

    Args:
        net: the network, which stays as it is.
        settings: of the perturbation, or fields of them.
        seed: of the run, from whose streams everything random comes.
        unit_sets: indices of the units of each named set that the settings use (n,).

    Returns:
        a changed copy; `net` itself if the settings change nothing.

    Raises:
        ValueError: an unknown group of units, or an index outside the network.
        SettingsError: fields that are no settings of a perturbation.

    Source:
        docs/model.md 8.
    """
    s = settings if isinstance(settings, PerturbationSettings) else RatePerturbationSettings(**dict(settings))
    if s.changes_nothing:
        return net
    types, sets = types_of(net), sets_with_areas(net, unit_sets)
    changed, gone = copy.deepcopy(net), lesioned_units(s, types, sets, seed)
    with torch.no_grad():
        _change_weights(changed, types, s, seed, sets)
        outside = ~mask_of(s.inputs_to, types, sets)
        outside[gone] = True
        changed.w_in[_tensor(outside, changed)] = 0
        changed.w_out[:, _tensor(gone, changed)] = 0
    if gone.size:
        changed.silent = _together(getattr(net, "silent", None), gone, net.N)
    if s.stimulation_current:
        units = mask_of(s.stimulation_units, types, sets)
        changed.stimulation = Stimulation.of(units, s.stimulation_current, s.stimulation_window)
    if isinstance(s, RatePerturbationSettings) and s.noise_sd is not None:
        sd = np.where(mask_of(s.noise_units, types, sets), s.noise_sd, net.settings.noise_sd)
        changed.noise_sds = sd
    return changed


def _change_weights(net: RateNetwork, types: Types, s: PerturbationSettings, seed: int, sets: Sets) -> None:
    """Gives a network the changed weights, if the settings change any."""
    if not (s.scale_synapses or s.shuffle_synapses or s.weight_noise or s.lesion_units is not None):
        return
    signs = net.connection_signs(True).detach().double().cpu().numpy()
    before = net.effective_weights().detach().double().cpu().numpy()
    W = perturbed_weights(before, signs != 0, types, s, seed, sets)
    # `signs` is +1 or -1 where a connection can be. Weights that were silent stay so, as 0.
    net.w.copy_(torch.as_tensor(W * signs).to(net.w))


def _together(before: Bool[np.ndarray, " N"] | None, gone: Any, N: int) -> Bool[np.ndarray, " N"]:
    silent = np.zeros(N, bool) if before is None else before.copy()
    silent[gone] = True
    return silent


def _tensor(index: Any, net: RateNetwork) -> torch.Tensor:
    return torch.as_tensor(index, device=net.w.device)

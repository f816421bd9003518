"""Perturbations of a spiking network: lesions, synapses, inputs, currents (docs/perturbations.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ratecore.rate.stimulation import Stimulation
from ratecore.rate.synapses import Sets, Types, lesioned_units, mask_of, perturbed_weights
from ratecore.settings.perturbation import PerturbationSettings
from ratecore.spiking.source import RateModel


def perturbed(
    model: RateModel,
    settings: PerturbationSettings | Mapping[str, Any],
    seed: int = 0,
    unit_sets: Sets | None = None,
) -> RateModel:
    """Change what a spiking network takes over from its rate network, as that would be changed with the same seed.

    A lesioned unit has no synapses, no inputs, and does not fire. The weights before training, if there are any, are
    changed in the same way.

    Args:
        model: the network, which stays as it is.
        settings: of the perturbation, or fields of them.
        seed: of the run, from whose streams everything random comes.
        unit_sets: indices of the units of each named set or area that the settings use (n,); by default those of
            `model`.

    Returns:
        a changed copy; `model` itself if the settings change nothing.

    Raises:
        ValueError: an unknown group of units, or an index outside the network.
        SettingsError: fields that are no settings of a perturbation.

    Source:
        docs/model.md 8.
    """
    s = settings if isinstance(settings, PerturbationSettings) else PerturbationSettings(**dict(settings))
    if s.changes_nothing:
        return model
    types, sets = Types(model.inh, model.som), model.sets if unit_sets is None else unit_sets
    gone = lesioned_units(s, types, sets, seed)
    allowed = np.ones_like(model.W, bool) if model.allowed is None else model.allowed
    W, W_initial = perturbed_weights(model.W, allowed, types, s, seed, sets), model.W_initial
    if W_initial is not None:
        W_initial = perturbed_weights(W_initial, allowed, types, s, seed, sets)
    w_in, w_out, silent = model.w_in.copy(), model.w_out.copy(), np.zeros(model.N, bool)
    silent[gone] = True
    w_in[~mask_of(s.inputs_to, types, sets) | silent], w_out[:, silent] = 0, 0
    changed = replace(model, W=W, W_initial=W_initial, w_in=w_in, w_out=w_out)
    if gone.size:
        changed = replace(changed, silent=silent if model.silent is None else silent | model.silent)
    if s.stimulation_current:
        units = mask_of(s.stimulation_units, types, sets)
        changed = replace(changed, stimulation=Stimulation.of(units, s.stimulation_current, s.stimulation_window))
    return changed

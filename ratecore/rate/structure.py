"""Which weights, inputs, outputs and time constants are trained, by groups of units (docs/model.md 1.6)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_units import units_in
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

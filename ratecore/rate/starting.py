"""The weights before training (docs/model.md 1.3), from the random numbers of a network."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ratecore.rate.structure import allowed_connections, density
from ratecore.settings.network import NetworkSettings


def starting_weights(
    settings: NetworkSettings, inh: Bool[np.ndarray, " N"], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "N N"], Float[np.ndarray, "N N"] | None]:
    """Draw the weights before training and the mask of the connections that a network can have.

    Args:
        settings: of the network.
        inh: inhibitory units (N,).
        rng: generator of the network.

    Returns:
        w (N, N), unitless; and the mask (N, N), 0 where there is never a connection, or None if it would be 1
        everywhere. In a network with areas, connections that are not drawn are never there.

    Source:
        docs/model.md 1.3 and 1.6.
    """
    N, P_rec = settings.N, settings.P_rec
    P, allowed = density(settings), allowed_connections(settings, inh)
    present = rng.random((N, N)) < P
    w: Float[np.ndarray, "N N"]
    if settings.w_dist == "gamma":
        w = rng.gamma(2.0, 0.003, (N, N))
    elif allowed is None:
        w = rng.standard_normal((N, N)) * settings.gain / np.sqrt(N * P_rec) if P_rec else np.zeros((N, N))
    else:  # by the connections that each unit can expect, so that its input is as large as without a mask
        expected = (P * allowed).sum(1, keepdims=True)
        w = rng.standard_normal((N, N)) * settings.gain / np.sqrt(np.where(expected > 0, expected, 1))
    w = present * w
    if settings.apply_dale:
        w = np.abs(w)
    if allowed is None:
        return w, None
    mask = (allowed & present if settings.areas else allowed).astype(float)
    return w * mask, mask

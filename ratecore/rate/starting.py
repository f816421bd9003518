"""The weights before training (docs/model.md 1.3), from the random numbers of a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_connections import allowed_connections, density


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


def low_rank(
    settings: NetworkSettings, mask: Float[np.ndarray, "N N"] | None, rng: np.random.Generator
) -> Float[np.ndarray, "N N"]:
    """Draw weights of low rank, with all connections that the mask allows.

    Args:
        settings: of the network, with a `rank`.
        mask: of the connections (N, N), unitless, or None.
        rng: generator of the network.

    Returns:
        w (N, N), unitless; of this rank, unless the mask removes some of its entries.

    Source:
        docs/model.md 1.3.
    """
    left, right = (rng.standard_normal((settings.N, settings.rank or 1)) for _ in range(2))
    if settings.apply_dale:
        left, right = np.abs(left), np.abs(right)
    expected = np.full((settings.N, 1), settings.N) if mask is None else np.maximum(mask.sum(1, keepdims=True), 1)
    w: Float[np.ndarray, "N N"] = settings.gain / np.sqrt(expected * left.shape[1]) * (left @ right.T)
    return w if mask is None else w * mask


def rescaled(
    w: Float[np.ndarray, "N N"], signs: Float[np.ndarray, "N N"], settings: NetworkSettings
) -> Float[np.ndarray, "N N"]:
    """Balance excitation and inhibition, then give the weights their spectral radius, as the settings ask for it.

    Args:
        w: weights (N, N), unitless, none negative with Dale's law.
        signs: what they are multiplied by (N, N), unitless, see `ratecore.rate.parameters.connection_signs`.
        settings: of the network.

    Returns:
        w (N, N), unitless.

    Raises:
        ValueError: there are no weights that could be scaled.

    Source:
        docs/model.md 1.3.
    """
    if settings.balance:
        W = w * signs
        excitation, inhibition = W[W > 0].sum(), -W[W < 0].sum()
        if not excitation or not inhibition:
            missing = "excitatory" if not excitation else "inhibitory"
            raise ValueError(f"balance = true: the network has no {missing} connection to balance the others")
        w = np.where(signs < 0, w * (excitation / inhibition), w)
    if settings.spectral_radius is not None:
        radius = np.abs(np.linalg.eigvals(w * signs)).max()
        # To eight digits, on which all builds and numbers of threads of LAPACK agree
        radius = float(f"{radius:.8g}")
        if radius < 1e-9:
            raise ValueError(
                f"spectral_radius = {settings.spectral_radius:g}: the weights have no eigenvalue but 0 and cannot be "
                "scaled to it"
            )
        w = w * (settings.spectral_radius / radius)
    return w


def parameters_of_taus(tau: Float[np.ndarray, " N"], bounds: Sequence[float]) -> Float[np.ndarray, "N 1"]:
    """The parameters theta whose time constants are the given ones: equation 5, inverted.

    Args:
        tau: time constants (N,), steps, within the bounds.
        bounds: (tau_min, tau_max), steps.

    Returns:
        taus_gaus (N, 1), unitless; +-40 at the bounds, where the logistic function is 0 and 1 in double precision.

    Source:
        docs/model.md 1.4, equation 5.
    """
    low, high = bounds
    with np.errstate(divide="ignore"):
        theta = np.log((tau - low) / (high - tau))
    return np.clip(theta, -40, 40)[:, None]

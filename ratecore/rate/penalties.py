"""Penalties on weights and rates, which are added to the loss of an update (docs/model.md 3.4).

They act on what multiplies the rates, the effective weights, so that a silenced connection costs nothing. The gradients
are written out once for all engines; those of the rates enter the backward pass of each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from ratecore.settings.training import PenaltySettings
from ratecore.system.streams import stream


class RateSlope(NamedTuple):
    """The slope of the penalties on rates, `mean + square * r` for every unit and step.

    Attributes:
        mean: of the mean rate, unitless.
        square: of the mean squared rate, per unit of r, unitless.
    """

    mean: float
    square: float


def positions(seed: int, N: int) -> Float[np.ndarray, "N 3"]:
    """Place the units of a run, uniformly in a cube of edge 1.

    Args:
        seed: of the run.
        N: number of units.

    Returns:
        (N, 3), unitless.

    Source:
        docs/model.md 3.4.
    """
    return stream(seed, "positions").random((N, 3))


def distances(places: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N N"]:
    """Compute the distance of every two units.

    Args:
        places: (N, 3), unitless.

    Returns:
        (N, N), unitless.

    Source:
        docs/model.md 3.4.
    """
    return np.sqrt(np.square(places[:, None] - places[None]).sum(-1))


def add_weight_slopes(
    W: Float[torch.Tensor, "*K N N"],
    g_W: Float[torch.Tensor, "*K N N"],
    penalties: PenaltySettings,
    d: Float[torch.Tensor, "*K N N"] | None,
) -> None:
    """Add the gradient of the penalties on weights to that of the loss.

    Args:
        W: effective weights (N, N), with a leading K for K networks; unitless.
        g_W: gradient of W, the shape of `W`, unitless, added to.
        penalties: their factors.
        d: distances of the units, the shape of `W`, unitless; None where they cost nothing.

    Source:
        docs/model.md 3.4, equation 6c, differentiated.
    """
    N = W.shape[-1]
    pairs = N * N
    if penalties.weight_l1:
        g_W.add_(W.sign(), alpha=penalties.weight_l1 / pairs)
    if penalties.weight_l2:
        g_W.add_(W, alpha=2 * penalties.weight_l2 / pairs)
    if penalties.distance and d is not None:
        g_W.addcmul_(W.sign(), d, value=penalties.distance / pairs)
    if penalties.balance:
        g_W.add_(W.sum(-1, keepdim=True), alpha=2 * penalties.balance / N)


def rate_slope(penalties: PenaltySettings, N: int, steps: float) -> RateSlope:
    """Compute the slope of the penalties on the rates of a trial.

    Args:
        penalties: their factors.
        N: number of units.
        steps: whose rates count: all of the trial but the first.

    Returns:
        the slope for every r, unitless.

    Source:
        docs/model.md 3.4, equation 6c, differentiated.
    """
    return RateSlope(penalties.rate_mean / (N * steps), 2 * penalties.rate_square / (N * steps))

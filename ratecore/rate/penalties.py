"""Penalties on weights and rates, which are added to the loss of an update (docs/model.md 3.4).

They act on what multiplies the rates, the effective weights, so that a silenced connection costs nothing. The gradients
are written out once for all engines; those of the rates enter the backward pass of each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_files import file_array
from ratecore.settings.network_units import places_of
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


def places_of_units(settings: NetworkSettings, seed: int) -> Float[np.ndarray, "N 3"]:
    """Place the units of a run as the settings of its network say.

    Args:
        settings: of the network.
        seed: of the run.

    Returns:
        (N, 3), unitless: those of a file; or at random in a cube of edge 1, or in the cube of each area.

    Raises:
        SettingsError: the file cannot be used.

    Source:
        docs/model.md 3.4.
    """
    if (given := file_array(settings, "positions_file")) is not None:
        return given
    places = positions(seed, settings.N)
    for k, (name, units) in enumerate(places_of(settings).items() if settings.positions != "random" else ()):
        if isinstance(settings.positions, dict):
            places[units] += np.array(settings.positions[name]) - 0.5
        else:
            places[units, 0] += k
    return places


def distances(places: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N N"]:
    """Compute the distance of every two units.

    Args:
        places: (N, 3), unitless.

    Returns:
        (N, N), unitless.

    Source:
        docs/model.md 3.4.
    """
    d: np.ndarray = np.sqrt(np.square(places[:, None] - places[None]).sum(-1))
    return d


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
        docs/model.md 3.4, differentiated.
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


def weight_penalty(
    W: Float[torch.Tensor, "*K N N"], penalties: PenaltySettings, d: Float[torch.Tensor, "*K N N"] | None
) -> Float[torch.Tensor, "*K"]:
    """Compute the penalties on weights; differentiable.

    Args:
        W: effective weights (N, N), with a leading K for K networks; unitless.
        penalties: their factors.
        d: distances of the units, the shape of `W`, unitless; None where they cost nothing.

    Returns:
        a scalar, or (K,), unitless.

    Source:
        docs/model.md 3.4.
    """
    size, value = W.abs(), W.new_zeros(W.shape[:-2])
    if penalties.weight_l1:
        value = value + penalties.weight_l1 * size.mean((-2, -1))
    if penalties.weight_l2:
        value = value + penalties.weight_l2 * W.square().mean((-2, -1))
    if penalties.distance and d is not None:
        value = value + penalties.distance * (size * d).mean((-2, -1))
    if penalties.balance:
        value = value + penalties.balance * W.sum(-1).square().mean(-1)
    return value


def rate_penalty(
    r: Float[torch.Tensor, "*K T N"], penalties: PenaltySettings, steps: Float[torch.Tensor, "*K"] | None = None
) -> Float[torch.Tensor, "*K"]:
    """Compute the penalties on the rates of trials; differentiable.

    Args:
        r: rates (T, N), with leading dimensions; unitless.
        penalties: their factors.
        steps: length of each trial, in the shape of the leading dimensions, steps; T when None.

    Returns:
        a number for each trial, in the shape of the leading dimensions, unitless.

    Source:
        docs/model.md 3.4.
    """
    of_step = penalties.rate_mean * r[..., 1:, :].mean(-1) + penalties.rate_square * r[..., 1:, :].square().mean(-1)
    if steps is None:
        return of_step.mean(-1)
    lasting = torch.arange(1, r.shape[-2], device=r.device) < steps[..., None]
    return torch.where(lasting, of_step, 0).sum(-1) / (steps - 1).clamp(min=1)


def rate_slope(penalties: PenaltySettings, N: int, steps: float) -> RateSlope:
    """Compute the slope of the penalties on the rates of a trial.

    Args:
        penalties: their factors.
        N: number of units.
        steps: number of steps whose rates count, all of the trial but the first; steps.

    Returns:
        the slope for every r, unitless.

    Source:
        docs/model.md 3.4, differentiated.
    """
    return RateSlope(penalties.rate_mean / (N * steps), 2 * penalties.rate_square / (N * steps))

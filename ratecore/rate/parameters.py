"""From trained parameters to the numbers that multiply and decay (docs/model.md 1), each equation once.

The functions take torch tensors and numpy arrays alike and keep their precision; of torch tensors they are
differentiable. The compiled loops of `ratecore.rate.dynamics.training_kernels` apply them entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.settings.network import ACTIVATIONS

if TYPE_CHECKING:  # those who have tensors have imported torch
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")


def activation_function(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return phi of docs/model.md 1.

    Args:
        name: 'sigmoid', 'clipped_relu' or 'softplus'.

    Returns:
        a function of a tensor of any shape, unitless.

    Raises:
        ValueError: unknown name.

    Source:
        docs/model.md 1.
    """
    import torch

    if name == "sigmoid":
        return torch.sigmoid
    if name == "clipped_relu":
        return lambda x: x.clamp(0.0, 20.0)
    if name == "softplus":
        return lambda x: torch.nn.functional.softplus(x).clamp(max=20.0)
    raise ValueError(f"unknown activation '{name}'; allowed: {', '.join(ACTIVATIONS)}")


def rectified(w: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The weights without the values that Dale's law silences.

    Args:
        w: trained weights, any shape, unitless.

    Returns:
        max(w, 0), the shape of `w`, unitless.

    Source:
        docs/model.md 1.
    """
    weights: Array = np.maximum(w, 0) if isinstance(w, np.ndarray) else w.relu()
    return weights


def connection_signs(
    m: Float[Array, "*K N N"], som_m: Float[Array, "*K N N"], masked: bool = True
) -> Float[Array, "*K _ N"]:
    """What the rectified weights are multiplied by: the sign of the presynaptic unit, and 0 where a mask forbids it.

    Args:
        m: (N, N), unitless, +1 or -1 on its diagonal; other entries are not read.
        som_m: (N, N), unitless, 0 from inhibitory units onto SST units, 1 elsewhere.
        masked: whether `som_m` has zeros; without them the signs of the columns are enough.

    Returns:
        (N, N), or (1, N) if not `masked`; unitless.

    Source:
        docs/model.md 1.
    """
    signs = m.diagonal()
    return signs * som_m if masked else signs[None]


def effective_weights(
    w: Float[Array, "*K N N"], signs: Float[Array, "*K _ N"], apply_dale: bool
) -> Float[Array, "*K N N"]:
    """The matrix W that multiplies r.

    Args:
        w: trained weights (N, N), or (K, N, N) of K networks; unitless.
        signs: from `connection_signs`, (N, N) or (1, N), with a leading K for K networks; unitless.
        apply_dale: whether Dale's law holds.

    Returns:
        W, the shape of `w`, unitless.

    Source:
        docs/model.md 1.
    """
    weights: Array = (rectified(w) if apply_dale else w) * signs
    return weights


def time_constants(taus_gaus: Float[Array, "*shape"], taus: Sequence[float]) -> Float[Array, "*shape"]:
    """Synaptic decay times from their trained parameters: a sigmoid between the two bounds.

    Args:
        taus_gaus: any shape, unitless.
        taus: (tau,), which all units then share, or (tau_min, tau_max); steps.

    Returns:
        tau, the shape of `taus_gaus`, in steps.

    Source:
        docs/model.md 1; Kim et al. 2019, Eq. 5.
    """
    low, *high = taus
    if not isinstance(taus_gaus, np.ndarray):
        return taus_gaus.sigmoid() * (high[0] - low) + low if high else taus_gaus.new_full(taus_gaus.shape, low)
    if not high:
        return np.full(taus_gaus.shape, low)
    with np.errstate(over="ignore"):  # far below 0 the share is 0
        tau: Array = low + (high[0] - low) / (1 + np.exp(-taus_gaus))
    return tau


def share_of_span(taus_gaus: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """sigmoid(taus_gaus): where `time_constants` lie between their bounds. Without overflow, whatever the precision.

    d tau / d taus_gaus is (tau_max - tau_min) share (1 - share).

    Args:
        taus_gaus: any shape, unitless.

    Returns:
        the shape of `taus_gaus`, a fraction in [0, 1], in its precision.

    Source:
        docs/model.md 1; Kim et al. 2019, Eq. 5.
    """
    half = taus_gaus.dtype.type(0.5)
    share: NDArray[Any] = half + half * np.tanh(half * taus_gaus)
    return share

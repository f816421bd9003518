"""Trials of one network side by side, without gradients: their outputs, and their states where these are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from ratecore.rate.dynamics.kernels import CODES, Units
from ratecore.rate.dynamics.lanes import Kept, Trials, forward, states_of
from ratecore.rate.dynamics.live import LANES, LiveMatrix
from ratecore.system.arrays import STEPS, array_of

if TYPE_CHECKING:
    import torch

    from ratecore.rate.network import RateNetwork
    from ratecore.rate.saved import SavedNetwork


def outputs_over(
    live: LiveMatrix,
    net: RateNetwork | SavedNetwork,
    u: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike,
) -> Float[np.ndarray, "B *out T"]:
    """Compute the outputs of trials without gradients; the states are not kept.

    NaN and infinity in the arguments are not checked.

    Args:
        live: effective weights of the network.
        net: the network, on the CPU, or as arrays.
        u: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.

    Returns:
        o (B, T), or (B, n_out, T) of several outputs, unitless; o[..., 0] is the readout of r[0].

    Raises:
        ValueError: an array has the wrong shape; names the array.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    _, _, o = _simulated(live, net, u, x0, noise, keep=False)
    return o


def states_over(
    live: LiveMatrix,
    net: RateNetwork | SavedNetwork,
    u: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike,
) -> tuple[Float[np.ndarray, "B T N"], Float[np.ndarray, "B T N"], Float[np.ndarray, "B *out T"]]:
    """Compute outputs and states of trials without gradients, the outputs equal to those of `outputs_over` to the bit.

    The bits of a trial do not depend on the other trials.

    Args:
        live: effective weights of the network.
        net: the network, on the CPU, or as arrays.
        u: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.

    Returns:
        x and r (B, T, N), and o as `outputs_over` returns it; unitless.

    Raises:
        ValueError: an array has the wrong shape; names the array.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    return _simulated(live, net, u, x0, noise, keep=True)


def _simulated(
    live: LiveMatrix, net: RateNetwork | SavedNetwork, u: object, x0: object, noise: object, keep: bool
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """x and r of the trials, both empty without `keep`, and their outputs."""
    N, n_in, n_out, dtype = len(live.start) - 1, net.w_in.shape[1], net.n_out, live.value.dtype

    def array(name: str, value: object, *shape: int | tuple[str, int]) -> NDArray[Any]:
        return array_of(name, value, shape, dtype, finite=False)

    alpha = 1 / array("tau", net.time_constants(), N)
    w_in, w_out, b_out = (
        array("w_in", net.w_in, N, n_in),
        array("w_out", net.w_out, n_out, N),
        array("b_out", net.b_out, n_out),
    )
    stimuli = array("u", u, ("B", 0), n_in, STEPS)
    B, _, T = stimuli.shape
    first_x, eta = array("x0", x0, B, N), array("noise", noise, B, T - 1, N)
    o, lanes = np.empty((B, n_out, T), dtype), np.empty((n_out, T, LANES), dtype)
    unused = np.empty((0, 0, 0), dtype)
    x, r = (np.empty((B, T, N) if keep else (0, 0, 0), dtype) for _ in range(2))
    units = Units(alpha, w_out, b_out, CODES[net.activation])
    for first in range(0, B, LANES):
        k = slice(first, min(first + LANES, B))
        trials = Trials(stimuli[k], first_x[k], eta[k])
        if keep:
            states_of(live.parts, w_in, units, trials, lanes, x[k], r[k])
        else:
            forward(live.parts, w_in, units, trials, lanes, False, Kept(unused, unused, unused))
        o[k] = lanes.transpose(2, 0, 1)[: k.stop - first]
    return x, r, o[:, 0] if n_out == 1 else o

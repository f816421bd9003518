"""What is given to a simulation, checked: networks, stimuli, states at the first step and noise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.rate.dynamics.noise import draw_noise, noise_of_units, noise_settings, stimulated, with_input_noise
from ratecore.rate.network import RateNetwork
from ratecore.system.arrays import STEPS, tensor_of
from ratecore.tasks.values import describe


def _fit(net: RateNetwork, stim: Any, x0: Any, noise: Any) -> bool:
    """Whether trials are tensors of a network's type, device and sizes, to which nothing has to be added.

    All other checks together would take as long as a small trial, as would the attributes of a module.
    """
    if not type(stim) is type(x0) is type(noise) is torch.Tensor:
        return False
    parameters, buffers = net._parameters, net._buffers
    w, w_in = parameters["w"], parameters["w_in"] if "w_in" in parameters else buffers["w_in"]
    if w is None or w_in is None or "x0_mean" in parameters or buffers.get("x0_mean") is not None:
        return False
    shape, N, dtype = stim.shape, net.N, w.dtype
    return (
        (stim.dtype is dtype and x0.dtype is dtype and noise.dtype is dtype)
        and (
            (stim.is_cpu and x0.is_cpu and noise.is_cpu and w.is_cpu)
            or stim.device == x0.device == noise.device == w.device
        )
        and (len(shape) == 3 and shape[1] == w_in.shape[1] and STEPS[1] <= shape[2])
        and (x0.shape == (shape[0], N) and noise.shape == (shape[0], shape[2] - 1, N))
    )


def checked_trials(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike | None,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike | None,
    rng: np.random.Generator | int | None = None,
    finite: bool = True,
    *,
    taus: ArrayLike | None = None,
    DeltaT: float = 1,
) -> tuple[Float[torch.Tensor, "B n_in T"], Float[torch.Tensor, "B N"], Float[torch.Tensor, "B T-1 N"]]:
    """Check trials and draw what is not given.

    Args:
        net: the network.
        stim: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless; drawn when None.
        noise: (B, T-1, N), unitless; drawn when None, as is then the noise of the inputs, if the network has any.
        rng: numpy generator or seed of what is drawn; None for fresh entropy.
        finite: whether NaN and infinity are refused.
        taus: (tau,) or (tau_min, tau_max), steps, in place of the network's own.
        DeltaT: step of integration, steps.

    Returns:
        stim (B, n_in, T), x0 (B, N) and noise (B, T-1, N), unitless, as tensors of the network's dtype and device; the
        noise with the current of a stimulation.

    Raises:
        ValueError: an array has the wrong shape, is not of real numbers, or contains NaN or infinity.

    Source:
        docs/model.md 1.1.
    """
    trials = _checked(net, stim, x0, noise, rng, finite)
    if getattr(net, "stimulation", None) is not None:
        return *trials[:2], stimulated(net, trials[2], DeltaT / net.time_constants(taus))
    return trials


def _checked(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike | None,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike | None,
    rng: np.random.Generator | int | None,
    finite: bool,
) -> tuple[Float[torch.Tensor, "B n_in T"], Float[torch.Tensor, "B N"], Float[torch.Tensor, "B T-1 N"]]:
    """As `checked_trials`, without stimulation."""
    if _fit(net, stim, x0, noise):
        return stim, x0, noise  # type: ignore[return-value]  # tensors
    w = net.w
    dtype, device = w.dtype, w.device
    stim = tensor_of("stim", stim, (("B", 0), net.w_in.shape[1], STEPS), dtype, device, finite)
    B, _, T = stim.shape
    if x0 is None or noise is None:
        rng, s = np.random.default_rng(rng), noise_settings(net)
        sd, scale = noise_of_units(net, s.noise_sd)
        drawn = draw_noise(B, T, net.N, rng, dtype, device, noise_sd=sd, x0_sd=s.x0_sd)
        drawn = drawn if scale is None else (drawn[0], drawn[1] * torch.as_tensor(scale).to(drawn[1]))
        if noise is None:
            stim = with_input_noise(stim, [rng] * B, s.input_noise_sd)
        x0, noise = (new if given is None else given for given, new in zip((x0, noise), drawn, strict=True))
    state = tensor_of("x0", x0, (B, net.N), dtype, device, finite)
    if (own := getattr(net, "x0_mean", None)) is not None:
        state = state + own
    return stim, state, tensor_of("noise", noise, (B, T - 1, net.N), dtype, device, finite)


def check_finite(trials: Sequence[torch.Tensor], finite: bool) -> None:
    """Check that trials hold neither NaN nor infinity.

    Args:
        trials: stim (B, n_in, T), x0 (B, N) and noise (B, T-1, N), unitless.
        finite: whether it is checked at all.

    Raises:
        ValueError: names the array.

    Source: none
    """
    if finite:
        for name, value in zip(("stim", "x0", "noise"), trials, strict=True):
            tensor_of(name, value, value.shape, value.dtype, value.device)


def check_arguments(net: object, stim: object) -> None:
    """Check that a network and a stimulus are given, in this order.

    Args:
        net: anything.
        stim: anything.

    Raises:
        TypeError: `net` is no network, or `stim` clearly no stimulus.
    """
    if not all(hasattr(net, name) for name in ("w_in", "w_out", "effective_weights")):
        read = ", as ratecore.load_network(path) returns it" if isinstance(net, str | os.PathLike) else ""
        raise TypeError(f"net is {describe(net)}; it must be a network{read}: run(net, stim)")
    if isinstance(stim, tuple) and len(stim) == 2 and np.ndim(stim[0]) == 2 and np.ndim(stim[1]) == 0:
        raise TypeError(
            "stim is a stimulus and its label; give the stimulus alone: u, label = task.generate_stimulus()"
        )
    if stim is None or not (hasattr(stim, "__len__") or hasattr(stim, "u")) or isinstance(stim, str):
        raise TypeError(f"stim is {describe(stim)}; it must be an array (n_in, T): u, label = task.generate_stimulus()")


def is_one_trial(net: RateNetwork, stim: Any) -> bool:
    """Whether a stimulus is that of one trial.

    Args:
        net: gives n_in.
        stim: array, tensor or nested list.

    Returns:
        True for (n_in, T), False for (B, n_in, T) and for what is no array.

    Raises:
        ValueError: another shape.
    """
    try:
        shape = np.shape(stim)
    except ValueError:  # parts that differ in length, which `simulate` refuses
        return False
    n_in = net.w_in.shape[1]
    if len(shape) == 3 or (len(shape) == 2 and shape[0] == n_in):
        return len(shape) == 2
    swapped = "; it seems to be transposed, give stim.T" if len(shape) == 2 and shape[1] == n_in else ""
    raise ValueError(
        f"stim has shape {tuple(shape)}; it must be (n_in, T) for one trial or (B, n_in, T) for B trials, with n_in = "
        f"{n_in} inputs of the network{swapped}"
    )


def as_batch(value: Any, dimensions: int) -> Any:
    """An array of one trial with the axis of a batch, if it has none.

    Args:
        value: array, tensor, nested list or None.
        dimensions: number of axes without that of a batch.

    Returns:
        The array; what is none is left to `checked_trials`.
    """
    if value is not None and not hasattr(value, "ndim"):
        try:
            value = np.asarray(value)
        except ValueError:
            return value
    return value[None] if value is not None and value.ndim == dimensions else value

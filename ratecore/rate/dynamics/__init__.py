"""Computes x, r and o from parameters, stimulus and noise, with one of two engines: torch, or fused (CPU only)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.rate.dynamics.noise import (
    draw_noise,
    noise_of_units,
    noise_settings,
    stimulated,
    trial_noise,
    with_input_noise,
)
from ratecore.rate.dynamics.stepwise import Activity, outputs_of_all_steps, stacked_step, torch_engine
from ratecore.rate.network import RateNetwork, compiled_loops_take, is_standard
from ratecore.rate.parameters import activation_function
from ratecore.settings.network import ACTIVATIONS
from ratecore.system.arrays import STEPS, tensor_of

if TYPE_CHECKING:
    from ratecore.rate.dynamics.live import LiveMatrix

__all__ = [
    "draw_noise",
    "noise_of_units",
    "noise_settings",
    "outputs",
    "outputs_of_all_steps",
    "run",
    "stacked_step",
    "states",
    "torch_engine",
    "trial_noise",
    "trials_are_independent",
    "with_input_noise",
]

LANES_PAY = 6  # from this number of trials on, running them side by side is faster than one by one
FEW = 8  # from this number of trials on, one matrix product per step for all of them is faster without gradients
DENSE = 0.5  # above this fraction of live connections, dense matrix products are faster in large networks


def _trials(
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
    """Checked stim, x0 and noise, with the current of a stimulation added to the noise."""
    trials = _checked(net, stim, x0, noise, rng, finite)
    if getattr(net, "stimulation", None) is not None:
        return *trials[:2], stimulated(net, trials[2], DeltaT / net.time_constants(taus))
    return trials


def _checked(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike | None,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike | None,
    rng: np.random.Generator | int | None = None,
    finite: bool = True,
) -> tuple[Float[torch.Tensor, "B n_in T"], Float[torch.Tensor, "B N"], Float[torch.Tensor, "B T-1 N"]]:
    """Checked stim (B, n_in, T), x0 (B, N) and noise (B, T-1, N) as tensors of the network's dtype and device."""
    w = net.w
    dtype, device = w.dtype, w.device
    if (
        type(stim) is type(x0) is type(noise) is torch.Tensor
        and stim.dtype == x0.dtype == noise.dtype == dtype
        and stim.device == x0.device == noise.device == device
        and not finite
        and stim.ndim == 3
        and getattr(net, "x0_mean", None) is None
    ):
        (B, n_in, T), N = stim.shape, net.N
        if n_in == net.w_in.shape[1] and STEPS[1] <= T and x0.shape == (B, N) and noise.shape == (B, T - 1, N):
            return stim, x0, noise  # as they are, without the checks below, which take as long as a small trial
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


def outputs(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    x0: Float[torch.Tensor, "B N"] | ArrayLike | None,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike | None,
    *,
    finite: bool = True,
) -> Float[torch.Tensor, "B *out T"]:
    """Compute the outputs of a batch of trials without gradients; the states are not kept.

    Args:
        net: the network.
        stim: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless; drawn when None.
        noise: (B, T-1, N), unitless; drawn when None, as is then the noise of the inputs, if the network has any.
        finite: whether NaN and infinity in the arrays are refused; not needed for the results of `draw_trials`.

    Returns:
        o (B, T), or (B, n_out, T) of several outputs, unitless; o[..., 0] is the readout of r[0].

    Raises:
        ValueError: as in `run`.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    with torch.no_grad():
        trials = _trials(net, stim, x0, noise, None, finite=False)
        if (alone := _alone(net, trials, finite, net.activation, "", first=0)) is not None:
            return alone[0]
        _check_finite(trials, finite)
        if (live := _side_by_side(net, len(trials[0]))) is not None:
            from ratecore.rate.dynamics.side_by_side import outputs_over  # compiled on first use

            return torch.from_numpy(outputs_over(live, net, *trials))
        _, r, o = _run(net, *trials)
        return outputs_of_all_steps(r, o, net.w_out, net.b_out)


def _side_by_side(net: RateNetwork, B: int) -> LiveMatrix | None:
    """The live connections of a network for which a batch of trials runs fastest side by side; None for others."""
    if not (is_standard(net) and compiled_loops_take(net) and B >= LANES_PAY):
        return None
    from ratecore.rate.dynamics.live import LiveMatrix  # compiled on first use

    live = LiveMatrix.of(net.effective_weights())
    return live if live.share < DENSE else None


def trials_are_independent(net: RateNetwork, batch: int) -> bool:
    """Tell whether `outputs` gives each trial of a batch bits that do not depend on the other trials.

    It does in compiled loops. Matrix products sum in an order that depends on the size of the batch.

    Args:
        net: the network.
        batch: number of trials in the batch.

    Returns:
        True where `states` gives any of the trials alone to the bit.
    """
    with torch.no_grad():
        return _one_by_one(net, batch) or _side_by_side(net, batch) is not None


def _one_by_one(net: RateNetwork, B: int) -> bool:
    """Whether `outputs` simulates each trial of a batch alone."""
    if B >= FEW or not is_standard(net) or net.activation not in ACTIVATIONS:
        return False
    from ratecore.rate.dynamics import alone  # compiled on first use

    return alone.takes(net)


def states(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"],
    x0: Float[torch.Tensor, "B N"],
    noise: Float[torch.Tensor, "B T-1 N"],
    batch: int | None = None,
) -> tuple[Float[torch.Tensor, "B T N"], Float[torch.Tensor, "B T N"], Float[torch.Tensor, "B *out T"]]:
    """Compute x, r and o of trials without gradients, in the loops of `outputs`, so that o has the same bits.

    Args:
        net: the network.
        stim: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.
        batch: number of trials in the batch whose outputs are meant, of which these trials are a part; B when None.
            With another number than B, bits are only the same where `trials_are_independent`.

    Returns:
        x and r (B, T, N), and o (B, T), or (B, n_out, T) of several outputs; unitless.

    Raises:
        ValueError: an array has the wrong shape; names the array.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    with torch.no_grad():
        trials = _trials(net, stim, x0, noise, None, finite=False)
        batch = len(trials[0]) if batch is None else batch
        if _one_by_one(net, batch):
            from ratecore.rate.dynamics import alone

            if (kept := alone.simulated(net, *trials, False, net.activation, "xr", 0)) is not None:
                return kept[1], _without_silent(net, kept[2]), kept[0]
        if (live := _side_by_side(net, batch)) is not None:
            from ratecore.rate.dynamics.side_by_side import states_over

            x, r, o = map(torch.from_numpy, states_over(live, net, *trials))
            return x, _without_silent(net, r), o
        x, r, o = _run(net, *trials)
        o = outputs_of_all_steps(r, o, net.w_out, net.b_out)
        return x, _without_silent(net, r), o


def run(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"] | ArrayLike,
    *,
    x0: Float[torch.Tensor, "B N"] | ArrayLike | None = None,
    noise: Float[torch.Tensor, "B T-1 N"] | ArrayLike | None = None,
    rng: np.random.Generator | int | None = None,
    taus: ArrayLike | None = None,
    activation: str | None = None,
    DeltaT: float = 1,
    engine: str | None = None,
    finite: bool = True,
) -> Activity:
    """Simulate a batch of trials; differentiable in w, w_out, b_out and taus_gaus.

    Args:
        net: the network.
        stim: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless; drawn from `rng` when None. Where the first state is
            trained, `net.x0_mean` is added.
        noise: (B, T-1, N), unitless; drawn from `rng` when None, as is then the noise of the inputs, if the network
            has any.
        rng: numpy generator or seed; None for fresh entropy.
        taus: (tau,) or (tau_min, tau_max), steps, in place of the network's own.
        activation: name of phi, in place of the network's own.
        DeltaT: step of integration, steps; alpha = DeltaT / tau.
        engine: 'torch', 'fused' (CPU only), or None for the fastest on the network's device.
        finite: whether NaN and infinity in stim, x0 and noise are refused.

    Returns:
        x and r (B, T, N), o (B, T-1), or (B, n_out, T-1) of several outputs; unitless.

    Raises:
        ValueError: an array has the wrong shape, is not of real numbers, or contains NaN or infinity; a time constant
            is below DeltaT; or the activation or engine is unknown or cannot run the network.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    trials = _trials(net, stim, x0, noise, rng, finite=False, taus=taus, DeltaT=DeltaT)
    x, r, o = _activity(net, trials, taus, activation, DeltaT, engine, finite)
    return x, _without_silent(net, r), o


def _without_silent(net: RateNetwork, r: Float[torch.Tensor, "B T N"]) -> Float[torch.Tensor, "B T N"]:
    """The rates, 0 of units that are lesioned; nothing reads these units, so that all else is as it is."""
    silent = getattr(net, "silent", None)
    return r if silent is None else r * torch.as_tensor(~silent).to(r)


def _activity(
    net: RateNetwork,
    trials: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    taus: ArrayLike | None,
    activation: str | None,
    DeltaT: float,
    engine: str | None,
    finite: bool,
) -> Activity:
    """`run` for trials that `_trials` has checked, by the fastest engine."""
    if taus is None and DeltaT == 1 and engine is None:
        phi, graph = activation or net.activation, torch.is_grad_enabled() and _wants_gradients(net, trials)
        alone = None if graph is None else _alone(net, trials, finite, phi, "xrh" if graph else "xr", first=1)
        if alone is not None:
            if graph:
                from ratecore.rate.dynamics.fused import with_gradients

                return with_gradients(net, alone, phi)
            return alone[1], alone[2], alone[0]
    _check_finite(trials, finite)
    return _run(net, *trials, taus=taus, activation=activation, DeltaT=DeltaT, engine=engine)


def _alone(
    net: RateNetwork,
    trials: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    finite: bool,
    activation: str,
    kept: str,
    first: int,
) -> tuple[torch.Tensor, ...] | None:
    """o and the states in `kept` of few trials, in one compiled call, as `alone.simulated`; None where it cannot."""
    if trials[0].shape[0] >= FEW or not is_standard(net) or activation not in ACTIVATIONS:
        return None
    from ratecore.rate.dynamics import alone  # compiled on first use

    return alone.simulated(net, *trials, finite, activation, kept, first)


def _wants_gradients(net: RateNetwork, trials: Sequence[torch.Tensor]) -> bool | None:
    """Whether a parameter wants a gradient; None where the stimulus, the noise, w_in or a buffer wants one."""
    if any(v.requires_grad for v in (*trials, net.w_in, net.m, net.som_m)):
        return None
    return any(p.requires_grad for p in (net.w, net.w_out, net.b_out, net.taus_gaus))


def _check_finite(trials: Sequence[torch.Tensor], finite: bool) -> None:
    """Raises the ValueError of `tensor_of` where trials hold NaN or infinity."""
    if finite:
        for name, value in zip(("stim", "x0", "noise"), trials, strict=True):
            tensor_of(name, value, value.shape, value.dtype, value.device)


def _run(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"],
    x0: Float[torch.Tensor, "B N"],
    noise: Float[torch.Tensor, "B T-1 N"],
    taus: ArrayLike | None = None,
    activation: str | None = None,
    DeltaT: float = 1,
    engine: str | None = None,
) -> Activity:
    """`run` for trials that `_trials` has checked."""
    w, (B, _, T) = net.w, stim.shape
    tau = net.time_constants(taus)
    shortest = float(tau.detach().min())
    if not 0 < DeltaT <= shortest:  # nor NaN
        raise ValueError(f"DeltaT = {DeltaT}; it must be above 0 and at most the smallest tau, {shortest:g}")
    drive = stim[:, :, : T - 1].transpose(1, 2) @ net.w_in.T
    activation = activation or net.activation
    activation_function(activation)  # names an unknown one before any work
    if engine not in (None, "torch", "fused"):
        raise ValueError(f"unknown engine '{engine}'; allowed: torch, fused")
    if engine == "fused" and not compiled_loops_take(net):
        raise ValueError(f"engine 'fused' runs float32 and float64 on the CPU; the network is {w.dtype} on {w.device}")
    # Without gradients, one matrix product per step for many trials is faster than running them one by one.
    batched = B >= FEW and not torch.is_grad_enabled()
    if engine == "fused" or (engine is None and compiled_loops_take(net) and not batched):
        from ratecore.rate.dynamics.fused import fused_engine as simulate  # compiled on first use
    else:
        simulate = torch_engine
    return simulate(net.effective_weights(), drive, DeltaT / tau, activation, x0, noise, net.w_out, net.b_out)

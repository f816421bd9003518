"""The engines for networks of PyTorch: torch, or fused (CPU only), whichever is the fastest."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.rate.dynamics.arguments import (
    as_batch,
    check_arguments,
    check_finite,
    checked_trials,
    is_one_trial,
)
from ratecore.rate.dynamics.limits import DENSE, FEW, LANES_PAY
from ratecore.rate.dynamics.noise import (
    draw_noise,
    noise_of_units,
    noise_settings,
    trial_noise,
    with_input_noise,
)
from ratecore.rate.dynamics.stepwise import Activity, outputs_of_all_steps, stacked_step, torch_engine
from ratecore.rate.network import RateNetwork, compiled_loops_take, is_standard
from ratecore.rate.parameters import activation_function
from ratecore.settings.network import ACTIVATIONS

if TYPE_CHECKING:
    from ratecore.rate.dynamics.live import LiveMatrix

__all__ = [
    "draw_noise",
    "noise_of_units",
    "noise_settings",
    "outputs",
    "outputs_of_all_steps",
    "run",
    "simulate",
    "stacked_step",
    "states",
    "torch_engine",
    "trial_noise",
    "trials_are_independent",
    "with_input_noise",
]


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
    trials = checked_trials(net, stim, x0, noise, None, finite=False)
    if (alone := _alone(net, trials, finite, net.activation, "", first=0)) is not None:
        return alone[0]
    with torch.no_grad():
        check_finite(trials, finite)
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
        trials = checked_trials(net, stim, x0, noise, None, finite=False)
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


def simulate(
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
    """Simulate a batch of trials, with the outputs that the loss compares: all but that of the first step.

    It is what training runs, and is differentiable in w, w_out, b_out and taus_gaus.

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
    trials = checked_trials(net, stim, x0, noise, rng, finite=False, taus=taus, DeltaT=DeltaT)
    x, r, o = _activity(net, trials, taus, activation, DeltaT, engine, finite, first=1)
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
    first: int,
) -> Activity:
    """x, r and, from step `first` on, o, by the fastest engine, for trials that `checked_trials` has checked."""
    if taus is None and DeltaT == 1 and engine is None:
        phi, graph = activation or net.activation, torch.is_grad_enabled() and _wants_gradients(net, trials)
        alone = None if graph is None else _alone(net, trials, finite, phi, "xrh" if graph else "xr", first)
        if alone is not None:
            if graph:
                from ratecore.rate.dynamics.fused import with_gradients

                return with_gradients(net, alone, phi)
            return alone[1], alone[2], alone[0]
    check_finite(trials, finite)
    x, r, o = _run(net, *trials, taus=taus, activation=activation, DeltaT=DeltaT, engine=engine)
    return x, r, o if first else outputs_of_all_steps(r, o, net.w_out, net.b_out)


def run(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"] | Float[torch.Tensor, "n_in T"] | ArrayLike,
    *,
    x0: Float[torch.Tensor, "*B N"] | ArrayLike | None = None,
    noise: Float[torch.Tensor, "*B T-1 N"] | ArrayLike | None = None,
    rng: np.random.Generator | int | None = None,
    taus: ArrayLike | None = None,
    activation: str | None = None,
    DeltaT: float = 1,
    engine: str | None = None,
    finite: bool = True,
) -> tuple[Float[torch.Tensor, "*B T N"], Float[torch.Tensor, "*B T N"], Float[torch.Tensor, "*shape T"]]:
    """Run a network on a trial, or on a batch of trials; differentiable in w, w_out, b_out and taus_gaus.

    Within `torch.no_grad()` it is faster, and the results are ready for `numpy` and matplotlib.

    Args:
        net: the network.
        stim: stimulus (n_in, T) of one trial, or (B, n_in, T) of B trials, unitless: an array, tensor or nested list,
            or what `generate_batch` of a task returns.
        x0: synaptic currents at the first step (N,), or (B, N), unitless; drawn from `rng` when None. Where the first
            state is trained, `net.x0_mean` is added.
        noise: (T-1, N), or (B, T-1, N), unitless; drawn from `rng` when None, as is then the noise of the inputs, if
            the network has any.
        rng: numpy generator or seed; None for fresh entropy.
        taus: (tau,) or (tau_min, tau_max), steps, in place of the network's own.
        activation: name of phi, in place of the network's own.
        DeltaT: step of integration, steps; alpha = DeltaT / tau.
        engine: 'torch', 'fused' (CPU only), or None for the fastest on the network's device.
        finite: whether NaN and infinity in stim, x0 and noise are refused.

    Returns:
        x and r (T, N) and o (T,), or (n_out, T) of several outputs, with o[..., t] the readout of r[t]; with a leading
        axis B where `stim` has one; unitless.

    Raises:
        TypeError: `net` is no network, or `stim` no array.
        ValueError: an array has the wrong shape, is not of real numbers, or contains NaN or infinity; a time constant
            is below DeltaT; or the activation or engine is unknown or cannot run the network.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    check_arguments(net, stim)
    stim = getattr(stim, "u", stim)
    alone = is_one_trial(net, stim)
    if alone:
        stim, x0, noise = as_batch(stim, 2), as_batch(x0, 1), as_batch(noise, 2)
    trials = checked_trials(net, stim, x0, noise, rng, finite=False, taus=taus, DeltaT=DeltaT)
    x, r, o = _activity(net, trials, taus, activation, DeltaT, engine, finite, first=0)
    r = _without_silent(net, r)
    return (x[0], r[0], o[0]) if alone else (x, r, o)


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
    return _simulated()(net, *trials, finite, activation, kept, first)


@functools.cache
def _simulated() -> Callable[..., tuple[torch.Tensor, ...] | None]:
    from ratecore.rate.dynamics.alone import simulated  # compiled on first use

    return simulated


def _wants_gradients(net: RateNetwork, trials: Sequence[torch.Tensor]) -> bool | None:
    """Whether a parameter wants a gradient; None where the stimulus, the noise, w_in or a buffer wants one."""
    arrays: dict[str, Any] = {**net._buffers, **net._parameters}  # attributes of a module take longer
    if any(v.requires_grad for v in (*trials, arrays["w_in"], arrays["m"], arrays["som_m"])):
        return None
    return any(arrays[name].requires_grad for name in ("w", "w_out", "b_out", "taus_gaus"))


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
    """`run` for trials that `checked_trials` has checked."""
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

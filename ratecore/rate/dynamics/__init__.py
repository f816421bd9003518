"""x, r and o from parameters, stimulus and noise: one interface, two engines (torch, and fused for the CPU)."""

from __future__ import annotations

import numpy as np
import torch

from ratecore.rate.network import NOISE_SD, X0_SD, activation_function, is_standard
from ratecore.system.arrays import STEPS, tensor_of

LANES_PAY = 6  # from so many trials on, running them side by side costs less than one by one
DENSE = 0.5  # with more of the connections alive, dense matrix products are faster in large networks


def trial_noise(generators, T: int, N: int, dtype=torch.float32, device="cpu"):
    """The randomness of trials (docs/model.md 1), each from its own generator.

    Args:
        generators: B numpy generators.   T, N: steps, units.

    Returns:
        x0 (B, N) ~ N(0, 0.01^2), noise (B, T-1, N) ~ N(0, 0.1^2); noise[:, t-1] is added to x[t]. The same numbers,
        to single precision, for every dtype.
    """
    from ratecore.system.noise import normal  # compiled on first use

    B = len(generators)
    x0, noise = np.empty((B, N), np.float32), np.empty((B, T - 1, N), np.float32)
    for b, rng in enumerate(generators):
        normal(rng, X0_SD, x0[b])
        normal(rng, NOISE_SD, noise[b])
    drawn = torch.from_numpy(x0), torch.from_numpy(noise)
    if dtype == torch.float32 and torch.device(device).type == "cpu":
        return drawn
    return tuple(v.to(device=device, dtype=dtype) for v in drawn)


def draw_noise(batch: int, T: int, N: int, rng=None, dtype=torch.float32, device="cpu"):
    """The randomness of a batch of trials from one numpy generator or seed (None: fresh entropy), as `trial_noise`."""
    rng = np.random.default_rng(rng)
    return trial_noise([rng] * batch, T, N, dtype, device)


def readout(r, w_out, b_out):
    """o (B, T) of rates r (B, T, N) by w_out (1, N), b_out (1,); of K networks all have a leading K."""
    if w_out.ndim == 2:
        return r @ w_out[0] + b_out
    return (r @ w_out[:, None].mT)[..., 0] + b_out[..., None]


def outputs_of_all_steps(r, o, w_out, b_out):
    """The outputs of a trial with that of its first state, from which training takes no loss, before them.

    Args:
        r: rates (B, T, N), unitless.
        o: outputs (B, T-1) of the steps after the first, unitless.
        w_out: (1, N), unitless.
        b_out: (1,), unitless. Of K networks all four have a leading K.

    Returns:
        (B, T), of K networks (K, B, T); unitless.

    Source:
        docs/model.md 1.
    """
    return torch.cat([readout(r[..., :1, :], w_out, b_out), o], -1)


def stacked_step(activation):
    """One step of stacked networks as a function that `torch.compile` can take.

    Args:
        activation: name of phi.

    Returns:
        step(x, r, outside, keep, W_t) -> x, r of the next step: x, r, outside (K, B, N); keep = 1 - alpha (K, 1, N);
        W_t (K, N, N), the transposed effective weights with each unit's alpha in its column.
    """
    phi = activation_function(activation)

    def step(x, r, outside, keep, W_t):
        x = torch.baddbmm(torch.addcmul(outside, keep, x), r, W_t)
        return x, phi(x)

    return step


def torch_engine(W, drive, alpha, activation, x0, noise, w_out, b_out, step=None):
    """The equations of docs/model.md 1, step by step in torch: of one network, or of K networks in one batched program.

    Args:
        W: effective weights (N, N).   drive: W_in u (B, T-1, N), of u[0] .. u[T-2].   alpha: (N,).
        activation: name of phi.
        x0: (B, N).   noise: (B, T-1, N).   w_out: (1, N).   b_out: (1,).
            Of K networks each of these has a leading K, such as W (K, N, N).
        step: `stacked_step(activation)`, or the same compiled; used with K networks only.

    Returns:
        x, r (B, T, N), o (B, T-1); of K networks with a leading K.
    """
    phi, stacked = activation_function(activation), W.ndim == 3
    if stacked:
        alpha, step = alpha[:, None], step or stacked_step(activation)
        # With alpha in the weights a step is a product that adds, and phi: the calls are what a GPU waits for.
        W_t = (alpha.mT * W).mT
    else:
        W_t = W.T
    x, r, keep = [x0], [phi(x0)], 1 - alpha
    # Without the recurrent part, so that each step is one matrix product and one sum. Taken apart at once: a slice a
    # step would cost a gradient of all steps a step.
    for outside in (alpha.unsqueeze(-2) * drive + noise).unbind(-2):
        if stacked:
            next_x, next_r = step(x[-1], r[-1], outside, keep, W_t)
        else:
            next_x = keep * x[-1] + alpha * (r[-1] @ W_t) + outside
            next_r = phi(next_x)
        x.append(next_x)
        r.append(next_r)
    x, r = torch.stack(x, -2), torch.stack(r, -2)
    return x, r, readout(r[..., 1:, :], w_out, b_out)


def compiled_loops_take(net) -> bool:
    """Whether the compiled loops can run this network: on the CPU, in single or double precision."""
    return net.w.device.type == "cpu" and net.w.dtype in (torch.float32, torch.float64)


def _trials(net, stim, x0, noise, rng=None, finite: bool = True):
    """Checked stim (B, n_in, T), x0 (B, N) and noise (B, T-1, N) as tensors of the network's dtype and device."""
    dtype, device = net.w.dtype, net.w.device
    stim = tensor_of("stim", stim, (("B", 0), net.w_in.shape[1], STEPS), dtype, device, finite)
    B, _, T = stim.shape
    if x0 is None or noise is None:
        drawn = draw_noise(B, T, net.N, rng, dtype, device)
        x0, noise = (new if given is None else given for given, new in zip((x0, noise), drawn, strict=True))
    x0 = tensor_of("x0", x0, (B, net.N), dtype, device, finite)
    return stim, x0, tensor_of("noise", noise, (B, T - 1, net.N), dtype, device, finite)


def outputs(net, stim, x0, noise, *, finite: bool = True):
    """Outputs of a batch of trials without gradients; the states are not kept.

    Args:
        net, stim (B, n_in, T), x0 (B, N), noise (B, T-1, N): as in `run`.
        finite: whether these are checked for NaN and infinity; not needed for what `draw_trials` gives.

    Returns:
        o (B, T) tensor, o[:, 0] the readout of r[0].

    Raises:
        ValueError: as in `run`.
    """
    stim, x0, noise = _trials(net, stim, x0, noise, None, finite)
    with torch.no_grad():
        if is_standard(net) and compiled_loops_take(net) and len(stim) >= LANES_PAY:
            from ratecore.rate.dynamics.lanes import LiveMatrix, outputs_over  # compiled on first use

            live = LiveMatrix.of(net.effective_weights())
            if live.share < DENSE:
                return torch.from_numpy(outputs_over(live, net, stim, x0, noise))
        _, r, o = _run(net, stim, x0, noise)
        return outputs_of_all_steps(r, o, net.w_out, net.b_out)


def run(net, stim, *, x0=None, noise=None, rng=None, taus=None, activation=None, DeltaT=1, engine=None,
        finite=True):  # fmt: skip
    """Runs a batch of trials; differentiable in w, w_out, b_out and taus_gaus.

    Args:
        net: a network with `effective_weights`, `time_constants`, w_in, w_out, b_out.
        stim: (B, n_in, T).   x0: (B, N).   noise: (B, T-1, N); both drawn from `rng` when None.
        taus: one or two time constants in steps in place of the network's.
        activation: name in place of the network's.
        DeltaT: step of integration; alpha = DeltaT / tau.
        engine: 'torch', 'fused' (CPU only) or None, the fastest for the network's device.
        finite: whether stim, x0 and noise are checked for NaN and infinity.

    Returns:
        x (B, T, N), r (B, T, N), o (B, T-1).

    Raises:
        ValueError: a shape that does not fit, no real numbers, NaN or infinity, or a time constant below DeltaT.
    """
    return _run(net, *_trials(net, stim, x0, noise, rng, finite), taus, activation, DeltaT, engine)


def _run(net, stim, x0, noise, taus=None, activation=None, DeltaT=1, engine=None):
    """`run` of trials that `_trials` has checked."""
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
    # Without gradients many trials together are cheaper as one matrix product a step than one after another.
    batched = B >= 8 and not torch.is_grad_enabled()
    if engine == "fused" or (engine is None and compiled_loops_take(net) and not batched):
        from ratecore.rate.dynamics.fused import fused_engine as simulate  # compiled on first use
    else:
        simulate = torch_engine
    return simulate(net.effective_weights(), drive, DeltaT / tau, activation, x0, noise, net.w_out, net.b_out)

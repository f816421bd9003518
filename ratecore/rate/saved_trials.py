"""Trials of saved networks, drawn and simulated without PyTorch, to the bit as the evaluation does."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.rate.dynamics.draws import drawn_input_noise, drawn_states
from ratecore.rate.dynamics.limits import DENSE, FEW
from ratecore.rate.results import Scores
from ratecore.rate.saved import SavedNetwork
from ratecore.rate.trials import drawn_arrays, scores_of_outputs
from ratecore.settings.network import ACTIVATIONS
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.trials import Trials

Arrays = tuple[Float[np.ndarray, "B T N"], Float[np.ndarray, "B T N"], Float[np.ndarray, "B *out T"]]


def side_by_side(net: SavedNetwork, fewest: int) -> bool:
    """Tell whether the evaluation runs the trials of a network side by side, as `states` does.

    Args:
        net: the network.
        fewest: trials of the smallest batch.

    Returns:
        False where it takes another engine, which sums in another order.
    """
    if fewest < FEW or net.activation not in ACTIVATIONS or net.w.dtype not in (np.float32, np.float64):
        return False
    return bool(np.count_nonzero(net.effective_weights()) < DENSE * net.w.size)


def draw_trials(
    task: AbstractTask, net: SavedNetwork, generators: list[np.random.Generator], trials: Any = None
) -> tuple[Trials, Float[np.ndarray, "B N"], Float[np.ndarray, "B T-1 N"]]:
    """Draw trials and their noise, each from its own generator.

    Args:
        task: draws the trials.
        net: gives N, the type of the numbers and the standard deviations of the noise.
        generators: B of them, see `ratecore.system.streams`.
        trials: Trials drawn already from the same generators; drawn here when None.

    Returns:
        Trials, x0 (B, N) and noise (B, T-1, N); unitless.

    Raises:
        ValueError: the task's trials do not have the shapes that it declares, or no finite numbers.

    Source:
        docs/model.md 1 and 2.
    """
    exact, s = net.w.dtype.type, net.settings
    trials, u, z = drawn_arrays(task, generators, exact, trials)
    steps = getattr(trials, "steps", None)
    x0, noise = drawn_states(generators, u.shape[2], net.N, steps, s.noise_sd, s.x0_sd)
    if s.input_noise_sd:
        u = u + drawn_input_noise(u.shape, generators, s.input_noise_sd, steps).astype(exact)
    batch = Trials(u, z, trials.labels, trials.conditions, None, steps, getattr(trials, "trials", None))
    return batch, x0.astype(exact, copy=False), noise.astype(exact, copy=False)


def states(
    net: SavedNetwork,
    u: Float[np.ndarray, "B n_in T"],
    x0: Float[np.ndarray, "B N"],
    noise: Float[np.ndarray, "B T-1 N"],
) -> Arrays:
    """Compute x, r and o of trials that `side_by_side` takes.

    Args:
        net: the network.
        u: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.

    Returns:
        x and r (B, T, N), and o (B, T), or (B, n_out, T) of several outputs; unitless.

    Raises:
        ValueError: an array has the wrong shape; names the array.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    from ratecore.rate.dynamics.live import LiveMatrix  # compiled on first use
    from ratecore.rate.dynamics.side_by_side import states_over

    return states_over(LiveMatrix.of(net.effective_weights()), net, u, _first(net, x0), noise)


def _first(net: SavedNetwork, x0: Float[np.ndarray, "B N"]) -> Float[np.ndarray, "B N"]:
    return x0 if net.x0_mean is None else x0 + net.x0_mean


def alone_takes(net: SavedNetwork) -> bool:
    """Tell whether `states_alone` simulates a network, as `ratecore.run` would for single trials.

    Args:
        net: the network.

    Returns:
        False where matrix products are faster, or time constants are too short.
    """
    if net.activation not in ACTIVATIONS:
        return False
    from ratecore.rate.dynamics import alone  # compiled on first use

    return alone.takes(net)


def states_alone(
    net: SavedNetwork,
    u: Float[np.ndarray, "B n_in T"],
    x0: Float[np.ndarray, "B N"],
    noise: Float[np.ndarray, "B T-1 N"],
) -> tuple[Float[np.ndarray, "B T N"], Float[np.ndarray, "B *out T"]]:
    """Compute r and o of few trials of a network that `alone_takes`.

    Args:
        net: the network.
        u: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.

    Returns:
        r (B, T, N), and o (B, T), or (B, n_out, T) of several outputs; unitless.

    Raises:
        ValueError: the trials hold NaN or infinity.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    from ratecore.rate.dynamics.alone import simulated_arrays

    arrays = [np.ascontiguousarray(array) for array in (u, _first(net, x0), noise)]
    found = simulated_arrays(net, arrays)
    if found is None:
        raise ValueError("the stimulus, the first state or the noise holds NaN or infinity")
    o, _, r = found
    return r, o


def scores_of(task: AbstractTask, trials: Any, o: Float[np.ndarray, "B *out T"]) -> Scores:
    """Score the outputs of trials, without their losses.

    Args:
        task: scores the trials.
        trials: Trials.
        o: outputs (B, T), or (B, n_out, T) of several outputs, unitless, o[..., 0] the readout of r[0].

    Returns:
        scores of the B trials; their losses are NaN.

    Source:
        docs/model.md 2.
    """
    return scores_of_outputs(task, trials, o.astype(np.float64), np.full(len(o), np.nan))

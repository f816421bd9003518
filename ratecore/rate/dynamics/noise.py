"""The random numbers of trials besides those of the task: first state, noise of the units, noise of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ratecore.rate.dynamics.draws import drawn_input_noise, drawn_states, noise_settings
from ratecore.settings.network import NOISE_SD, X0_SD

__all__ = ["draw_noise", "noise_of_units", "noise_settings", "stimulated", "trial_noise", "with_input_noise"]


def trial_noise(
    generators: Sequence[np.random.Generator],
    T: int,
    N: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    steps: Sequence[int] | None = None,
    *,
    noise_sd: float = NOISE_SD,
    x0_sd: float = X0_SD,
) -> tuple[Float[torch.Tensor, "B N"], Float[torch.Tensor, "B T-1 N"]]:
    """Draw the first state and the noise of trials, each from its own generator.

    Args:
        generators: B numpy generators.
        T: steps.
        N: units.
        dtype: of the results; the numbers are the same for every dtype, in single precision.
        device: of the results.
        steps: length of each trial, at most T; the noise after its end is 0. All have T steps when None.
        noise_sd: standard deviation of the noise, unitless.
        x0_sd: standard deviation of the first state, unitless.

    Returns:
        x0 (B, N) ~ N(0, x0_sd^2) and noise (B, T-1, N) ~ N(0, noise_sd^2), unitless; noise[:, t-1] is added to x[t].

    Source:
        docs/model.md 1.1.
    """
    x0, noise = drawn_states(generators, T, N, steps, noise_sd, x0_sd)
    drawn = torch.from_numpy(x0), torch.from_numpy(noise)
    if dtype == torch.float32 and torch.device(device).type == "cpu":
        return drawn
    return drawn[0].to(device=device, dtype=dtype), drawn[1].to(device=device, dtype=dtype)


def draw_noise(
    batch: int,
    T: int,
    N: int,
    rng: np.random.Generator | int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    *,
    noise_sd: float = NOISE_SD,
    x0_sd: float = X0_SD,
) -> tuple[Float[torch.Tensor, "B N"], Float[torch.Tensor, "B T-1 N"]]:
    """Draw the first state and the noise of a batch of trials from one generator, as `trial_noise`.

    Args:
        batch: number of trials B.
        T: steps.
        N: units.
        rng: numpy generator or seed; None for fresh entropy.
        dtype: of the results.
        device: of the results.
        noise_sd: standard deviation of the noise, unitless.
        x0_sd: standard deviation of the first state, unitless.

    Returns:
        x0 (B, N) and noise (B, T-1, N), unitless.

    Source:
        docs/model.md 1.1.
    """
    rng = np.random.default_rng(rng)
    return trial_noise([rng] * batch, T, N, dtype, device, noise_sd=noise_sd, x0_sd=x0_sd)


def with_input_noise(
    u: Float[torch.Tensor, "B n_in T"],
    generators: Sequence[np.random.Generator],
    sd: float,
    steps: Sequence[int] | None = None,
) -> Float[torch.Tensor, "B n_in T"]:
    """Add noise to the inputs at every step, drawn by each trial's own generator after everything else of the trial.

    Args:
        u: stimuli (B, n_in, T), unitless; not modified.
        generators: B numpy generators, those of `trial_noise` after it.
        sd: standard deviation, unitless; with 0, nothing is drawn and `u` itself is returned.
        steps: length of each trial, after which nothing is added. All have T steps when None.

    Returns:
        (B, n_in, T), unitless.

    Source:
        docs/model.md 1.1.
    """
    if not sd:
        return u
    B, n_in, T = u.shape
    return u + torch.from_numpy(drawn_input_noise((B, n_in, T), generators, sd, steps)).to(u)


def noise_of_units(net: torch.nn.Module, noise_sd: float) -> tuple[float, Float[np.ndarray, " N"] | None]:
    """The noise of a network whose units differ in it, as perturbed ones may.

    Args:
        net: the network.
        noise_sd: standard deviation by its settings, unitless.

    Returns:
        the standard deviation with which the noise is drawn, unitless; and factors by which it is then multiplied (N,),
        None where all units have the same noise. They are 1 for units that have what the settings say.

    Source:
        docs/model.md 8.
    """
    own = getattr(net, "noise_sds", None)
    if own is None:
        return noise_sd, None
    drawn = noise_sd or 1.0
    return drawn, own / drawn


def stimulated(
    net: torch.nn.Module, noise: Float[torch.Tensor, "B T-1 N"], alpha: Float[torch.Tensor, " N"]
) -> Float[torch.Tensor, "B T-1 N"]:
    """Add the current of a stimulation to what enters the units besides their inputs.

    Args:
        net: a network with a stimulation.
        noise: (B, T-1, N), unitless; not modified.
        alpha: step divided by decay time (N,), a fraction.

    Returns:
        (B, T-1, N), unitless: the noise, plus alpha times the current at the steps of its window.

    Source:
        docs/model.md 8.
    """
    stimulation: Any = net.stimulation
    on = torch.as_tensor(stimulation.on(noise.shape[1])).to(noise)
    return noise + on[:, None] * (alpha * torch.as_tensor(stimulation.current).to(noise))

"""The random numbers of trials besides those of the task, as arrays: first states, noise of units and of inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ratecore.settings.network import NetworkSettings

_DEFAULTS = NetworkSettings()


def noise_settings(net: object) -> NetworkSettings:
    """The settings that say how much noise a network has.

    Args:
        net: the network.

    Returns:
        its own, or the defaults for a user's network that has none.
    """
    own = getattr(net, "settings", None)
    return own if isinstance(own, NetworkSettings) else _DEFAULTS


def drawn_states(
    generators: Sequence[np.random.Generator],
    T: int,
    N: int,
    steps: Sequence[int] | None,
    noise_sd: float,
    x0_sd: float,
) -> tuple[Float[np.ndarray, "B N"], Float[np.ndarray, "B T-1 N"]]:
    """Draw the first state and the noise of trials, each from its own generator.

    Args:
        generators: B numpy generators.
        T: steps.
        N: units.
        steps: length of each trial, at most T; the noise after its end is 0. All have T steps when None.
        noise_sd: standard deviation of the noise, unitless.
        x0_sd: standard deviation of the first state, unitless.

    Returns:
        x0 (B, N) ~ N(0, x0_sd^2) and noise (B, T-1, N) ~ N(0, noise_sd^2), float32, unitless; noise[:, t-1] is added to
        x[t].

    Source:
        docs/model.md 1.1.
    """
    from ratecore.system.noise import normal  # compiled on first use

    B = len(generators)
    x0, noise = np.empty((B, N), np.float32), np.empty((B, T - 1, N), np.float32)
    for b, rng in enumerate(generators):
        normal(rng, x0_sd, x0[b])
        if steps is None:
            normal(rng, noise_sd, noise[b])
        else:
            normal(rng, noise_sd, noise[b, : steps[b] - 1])
            noise[b, steps[b] - 1 :] = 0
    return x0, noise


def drawn_input_noise(
    shape: tuple[int, int, int], generators: Sequence[np.random.Generator], sd: float, steps: Sequence[int] | None
) -> Float[np.ndarray, "B n_in T"]:
    """Draw the noise of the inputs, by each trial's own generator after everything else of the trial.

    Args:
        shape: (B, n_in, T).
        generators: B numpy generators, those of `drawn_states` after it.
        sd: standard deviation, unitless.
        steps: length of each trial, after which the noise is 0. All have T steps when None.

    Returns:
        (B, n_in, T), float32, unitless.

    Source:
        docs/model.md 1.1.
    """
    from ratecore.system.noise import normal  # compiled on first use

    added = np.zeros(shape, np.float32)
    for b, rng in enumerate(generators):
        length = shape[2] if steps is None else steps[b]
        added[b, :, :length] = normal(rng, sd, np.empty((shape[1], length), np.float32))
    return added

"""A constant current into chosen units during a window of a trial, of rate and of spiking networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Stimulation:
    """A current that is added to W_in u at the steps of a window.

    Attributes:
        current: into each unit (N,), in units of x in a rate network, in mV in a spiking one.
        window: first step, and first step after it, in steps of 5 ms; None for the entire trial.
    """

    current: Float[np.ndarray, " N"]
    window: tuple[int, int] | None = None

    def on(self, T: int) -> Bool[np.ndarray, " T"]:
        """Find the steps at which the current flows. As u[t], it acts on x[t + 1].

        Args:
            T: number of steps.

        Returns:
            whether it flows at each step (T,).

        Source: none
        """
        first, stop = (0, T) if self.window is None else self.window
        steps = np.arange(T)
        return (first <= steps) & (steps < stop)

    @classmethod
    def of(cls, units: Bool[np.ndarray, " N"], current: float, window: tuple[float, float] | None) -> Stimulation:
        """Make the current into some units.

        Args:
            units: those that get it (N,).
            current: into each, in units of x, or mV.
            window: start and end in ms; None for the entire trial.

        Returns:
            the stimulation.

        Source: none
        """
        steps = None if window is None else (round(window[0] / 5), round(window[1] / 5))
        return cls(np.where(units, float(current), 0.0), steps)

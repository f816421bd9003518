"""How far excitatory and inhibitory currents of units balance each other, and which of them follows the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from ratecore.analysis.cross_correlation import correlation, cross_correlation, peak_lags
from ratecore.analysis.currents import Currents, weights_of
from ratecore.analysis.trials import STEP_MS, categories, labels_of, mean_there


@dataclass(frozen=True)
class Balance:
    """How far excitation and inhibition of each unit balance each other, over all trials and steps.

    With E >= 0 and I <= 0 the currents onto a unit, and < > the mean over trials and steps. A measure is NaN for a unit
    for which it is not defined, such as one without inhibitory synapses.

    Attributes:
        excitatory: <E> of each unit (N,), in units of x.
        inhibitory: <I> of each unit (N,), in units of x.
        ratio: <|E + I|> / <E + |I|> (N,), in [0, 1]: 0 if both cancel at every moment, 1 if one of them is 0.
        mean_ratio: |<E> + <I>| / (<E> + |<I>|) (N,), in [0, 1], at most `ratio`: 0 if their means cancel.
        correlation: of E and |I| over time, after removing the mean of each trial (N,), unitless: 1 if inhibition
            follows excitation at every moment (tight), near 0 if only the means balance (loose), below 0 if one rises
            where the other falls (push and pull).
        lag_ms: by how much |I| follows E (N,), ms: where their cross-correlation is largest and above 0; negative if it
            leads, NaN without such a peak.
        lags: of the cross-correlation (L,), ms.
        cross_correlation: correlation of E(t) and |I|(t + lag) (L, N), unitless, in [-1, 1].
    """

    excitatory: Float[np.ndarray, " N"]
    inhibitory: Float[np.ndarray, " N"]
    ratio: Float[np.ndarray, " N"]
    mean_ratio: Float[np.ndarray, " N"]
    correlation: Float[np.ndarray, " N"]
    lag_ms: Float[np.ndarray, " N"]
    lags: Float[np.ndarray, " L"]
    cross_correlation: Float[np.ndarray, "L N"]

    @property
    def ei_ratio(self) -> Float[np.ndarray, " N"]:
        """<E> / |<I>| of each unit (N,), unitless; NaN without inhibition."""
        return _quotient(self.excitatory, -self.inhibitory)


def balance(given: Currents, *, max_lag_ms: float = 50.0, step_ms: float = STEP_MS) -> Balance:
    """Measure how far the excitatory and inhibitory currents of each unit balance each other.

    External currents do not count; `given.with_external()` counts them by their sign.

    Args:
        given: the currents.
        max_lag_ms: largest lag of inhibition behind or before excitation, ms. A larger one is NaN.
        step_ms: time step of the currents, ms.

    Returns:
        the measures of each unit.

    Raises:
        ValueError: the largest lag is shorter than a step or too long for the trials.

    Source:
        Denève & Machens 2016 (Nature Neuroscience 19:375), tight and loose balance; Okun & Lampl 2008 (Nature
        Neuroscience 11:535), correlation and lag of both currents.
    """
    E, inhibition = given.excitatory, -given.inhibitory
    lags, found = cross_correlation(E, inhibition, max_lag_ms, step_ms)
    exc, inh = mean_there(E, (0, 1)), mean_there(inhibition, (0, 1))
    return Balance(
        excitatory=exc,
        inhibitory=-inh,
        ratio=_quotient(mean_there(np.abs(E - inhibition), (0, 1)), exc + inh),
        mean_ratio=_quotient(np.abs(exc - inh), exc + inh),
        correlation=found[len(lags) // 2].copy(),
        lag_ms=peak_lags(lags, found),
        lags=lags,
        cross_correlation=found,
    )


def noise_correlation(given: Currents, conditions: Sequence[Any] | Shaped[np.ndarray, " B"]) -> Float[np.ndarray, " N"]:
    """Correlate the fluctuations of E and |I| around the mean courses of their conditions.

    What inputs and choices do to both currents is left out, so that this is about the balance of fluctuations alone.

    Args:
        given: the currents; external ones do not count.
        conditions: of each trial (B,); those with one trial are left out.

    Returns:
        of each unit (N,), unitless, in [-1, 1], as `Balance.correlation`; NaN where no condition has two trials.

    Raises:
        ValueError: there is not one condition for each trial.

    Source:
        Okun & Lampl 2008 (Nature Neuroscience 11:535).
    """
    of_trials = categories(labels_of(conditions, len(given.excitatory), "conditions"))[1]
    E, inhibition = (np.full(given.excitatory.shape, np.nan) for _ in range(2))
    for k in range(of_trials.max() + 1):
        same = of_trials == k
        if same.sum() > 1:
            for rest, whole in ((E, given.excitatory[same]), (inhibition, -given.inhibitory[same])):
                rest[same] = whole - mean_there(whole, 0)
    if np.isnan(E).all():
        return np.full(given.excitatory.shape[2], np.nan)
    return correlation(E, inhibition)


def weight_balance(W: ArrayLike) -> Float[np.ndarray, " N"]:
    """Compute how far the synapses onto each unit balance each other, whatever the activity.

    Args:
        W: effective weights (N, N), unitless.

    Returns:
        the sum of each row over the sum of its absolute values (N,), unitless, in [-1, 1]: 0 if both kinds cancel, 1 if
        all are excitatory, -1 if all are inhibitory; NaN for a unit without synapses.

    Raises:
        ValueError: W is not square or not finite.

    Source:
        docs/model.md 3.4; Rajan & Abbott 2006 (Physical Review Letters 97:188104), balance of each row.
    """
    weights = weights_of(W, len(np.asarray(W)), None)
    return _quotient(weights.sum(1), np.abs(weights).sum(1))


def _quotient(over: Float[np.ndarray, " N"], under: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    found = np.full(len(over), np.nan)
    np.divide(over, under, out=found, where=under > 0)
    return found

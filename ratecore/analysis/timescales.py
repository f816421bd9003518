"""Intrinsic timescales: how fast the autocorrelation of a unit's fluctuations decays, and how well that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft

from ratecore.analysis.decay import Timescales, fit_timescale, fit_timescales
from ratecore.analysis.trials import STEP_MS, activity_of, categories, checked_activity, labels_of, mean_there

__all__ = [
    "IntrinsicTimescales",
    "Timescales",
    "autocorrelation",
    "bootstrap_interval",
    "fit_timescale",
    "fit_timescales",
    "intrinsic_timescales",
]

METHODS = ("across", "within")
FEWEST_TRIALS = 3  # at both times of a pair, for their correlation across trials
UNITS_AT_ONCE = 10  # whose residuals and spectra are in memory together
NO_VARIANCE = 1e-6  # SD as a fraction of a unit's largest activity, below which it is rounding of float32


@dataclass(frozen=True)
class IntrinsicTimescales:
    """Autocorrelations of N units with their fits.

    Attributes:
        lags: (L,), ms, from 0.
        acf: autocorrelation of each unit (L, N), unitless; NaN for a unit without variance.
        units: the fits of the units.
        mean_acf: mean of the units' autocorrelations (L,), unitless.
        population: the fit of this mean, a Timescales of one.
    """

    lags: Float[np.ndarray, " L"]
    acf: Float[np.ndarray, "L N"]
    units: Timescales
    mean_acf: Float[np.ndarray, " L"]
    population: Timescales


def intrinsic_timescales(
    activity: ArrayLike,
    step_ms: float = STEP_MS,
    *,
    conditions: Sequence[Any] | NDArray[Any] | None = None,
    method: str = "across",
    max_lag_ms: float | None = None,
    zero_lag: bool = False,
    skip_dip: bool = False,
    least_r2: float = 0.5,
) -> IntrinsicTimescales:
    """Compute the autocorrelation of each unit and fit its decay.

    Args:
        activity: (B, T, N) over trials, time and units: rates, or spike counts in bins, of a window in which the units
            are to be compared; NaN after the end of shorter trials.
        step_ms: time between two values, ms: the width of the bins.
        conditions: of each trial (B,), as for `autocorrelation`.
        method: as for `autocorrelation`.
        max_lag_ms: largest lag, ms; half of the window when None, beyond which few pairs of times are left.
        zero_lag: as for `fit_timescales`.
        skip_dip: as for `fit_timescales`.
        least_r2: as for `fit_timescales`.

    Returns:
        autocorrelations and fits.

    Raises:
        ValueError: names the argument, its value and what is allowed.

    Source:
        Murray et al. 2014 (Nature Neuroscience 17:1661), Fig. 1 and Methods.
    """
    values = checked_activity(activity)
    lags = _lags_of(values.shape[1], step_ms, max_lag_ms)
    acf = autocorrelation(values, len(lags) - 1, conditions, method)
    mean_acf = mean_there(acf, 1)
    units = fit_timescales(lags, acf, zero_lag=zero_lag, skip_dip=skip_dip, least_r2=least_r2)
    population = fit_timescale(lags, mean_acf, zero_lag=zero_lag, skip_dip=skip_dip, least_r2=least_r2)
    return IntrinsicTimescales(lags, acf, units, mean_acf, population)


def _lags_of(T: int, step_ms: float, max_lag_ms: float | None) -> Float[np.ndarray, " L"]:
    if not step_ms > 0:
        raise ValueError(f"step_ms = {step_ms:g}; it must be above 0")
    most = T // 2 if max_lag_ms is None else round(max_lag_ms / step_ms)
    if not 1 <= most < T:
        given = "" if max_lag_ms is None else f"max_lag_ms = {max_lag_ms:g}; "
        raise ValueError(
            f"{given}the largest lag must be from {step_ms:g} ms (one bin) to less than the window of "
            f"{T * step_ms:g} ms"
        )
    return np.arange(most + 1) * float(step_ms)


def autocorrelation(
    activity: ArrayLike,
    max_lag: int | None = None,
    conditions: Sequence[Any] | NDArray[Any] | None = None,
    method: str = "across",
) -> Float[np.ndarray, "L N"]:
    """Correlate each unit's fluctuations with those some time later.

    The mean over the trials of a condition is first subtracted at each time, so that what a stimulus evokes does not
    count. Conditions of a single trial are left out.

    Across trials, each pair of times gives a correlation over the trials, and a lag has the mean over its pairs. Trials
    need not be long: the estimate is unbiased but for terms of order 1 / B. Changes from trial to trial that last for
    the trial become an offset. Within trials, the mean of each trial is subtracted, too, and products are averaged over
    times and trials. Since this mean is that of a finite trial, the estimate is too low by about 2 tau / T at all lags,
    and timescales come out too short; it is for trials of many timescales, or a single long one.

    Args:
        activity: (B, T, N) over trials, time and units: rates, or spike counts in bins; NaN after the end of shorter
            trials and for units that do not exist.
        max_lag: largest lag, steps or bins; half of T when None.
        conditions: of each trial (B,); all are one condition when None.
        method: 'across' or 'within' trials.

    Returns:
        (L, N) for lags of 0 to max_lag, unitless, 1 at lag 0; NaN for units without variance, and at lags of which no
        pair of times has three trials.

    Raises:
        ValueError: names the argument, its value and what is allowed.

    Source:
        across: Murray et al. 2014 (Nature Neuroscience 17:1661), Methods; within and its bias: Marriott & Pope 1954
        (Biometrika 41:390), Zeraati et al. 2022 (Nature Computational Science 2:193).
    """
    values = checked_activity(activity)
    B, T, N = values.shape
    if method not in METHODS:
        raise ValueError(f"method = {method!r}; it must be one of {', '.join(METHODS)}")
    most = T // 2 if max_lag is None else max_lag
    if not 0 <= most < T:
        raise ValueError(f"max_lag = {most}; it must be from 0 to {T - 1}, one less than the {T} times")
    needed = FEWEST_TRIALS if method == "across" else 1
    if needed > B:
        raise ValueError(f"activity: {B} trials; correlations {method} trials need at least {needed}")
    index = categories(labels_of([0] * B if conditions is None else conditions, B, "conditions"))[1]
    trials = _several(index) if B > 1 else [np.zeros(1, np.int64)]
    complete, found = not np.isnan(values).any(), np.full((most + 1, N), np.nan)
    for first in range(0, N, UNITS_AT_ONCE):
        units = slice(first, first + UNITS_AT_ONCE)
        own = np.ascontiguousarray(np.moveaxis(values[:, :, units], 2, 0), np.float64)  # (n, B, T)
        small = NO_VARIANCE * np.max(np.abs(own), (1, 2), initial=0.0, where=~np.isnan(own))
        residuals = np.concatenate([own[:, rows] - _mean_trial(own[:, rows], alone=B == 1) for rows in trials], 1)
        if method == "across" and complete:
            found[:, units] = _across_complete(residuals, most, small)
            continue
        of_unit = _across if method == "across" else _within
        found[:, units] = np.transpose([of_unit(*one, most) for one in zip(residuals, small.tolist(), strict=True)])
    return found


def _several(index: Int[np.ndarray, " B"]) -> list[Int[np.ndarray, " _"]]:
    """The trials of each condition that has at least two, of all if there is one condition."""
    rows = [np.flatnonzero(index == k) for k in range(index.max() + 1)]
    if len(rows) == 1:
        return rows
    several = [own for own in rows if len(own) > 1]
    if sum(map(len, several)) < FEWEST_TRIALS:
        raise ValueError(f"conditions: {len(rows)} in {len(index)} trials; one must have at least {FEWEST_TRIALS}")
    return several


def _mean_trial(own: Float[np.ndarray, "n B T"], alone: bool) -> Float[np.ndarray, "n 1 T"]:
    """Mean over the trials of a condition; 0 for a trial alone, whose mean is itself."""
    return np.zeros((len(own), 1, own.shape[2])) if alone else mean_there(own, 1)[:, None]


def _across_complete(
    residuals: Float[np.ndarray, "n B T"], most: int, small: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "L n"]:
    """As `_across`, of units whose trials all last equally long.

    Values are divided by their SD over trials at each time, so that correlations of all pairs of times with a lag add
    up to the products of such values, which are sums over trials of Fourier transforms.
    """
    B, T = residuals.shape[1:]
    variance = np.einsum("nbt,nbt->nt", residuals, residuals)
    varies = variance > B * np.square(small)[:, None]
    z = residuals * np.divide(1, np.sqrt(variance), out=np.zeros_like(variance), where=varies)[:, None]
    length = next_fast_len(T + most, real=True)

    def products(x: NDArray[np.float64]) -> NDArray[np.float64]:
        spectrum = rfft(x, length, axis=-1)
        power = np.einsum("nbf,nbf->nf", spectrum.real, spectrum.real)
        power += np.einsum("nbf,nbf->nf", spectrum.imag, spectrum.imag)
        return np.asarray(irfft(power, length, axis=-1)[:, : most + 1])

    pairs = np.rint(products(varies[:, None].astype(np.float64)))
    return (products(z) / np.where(pairs > 0, pairs, np.nan)).T


def _across(residuals: Float[np.ndarray, "B T"], small: float, most: int) -> Float[np.ndarray, " L"]:
    """Mean over pairs of times of the correlation across trials, of trials of different lengths."""
    there = ~np.isnan(residuals)
    v = np.where(there, residuals, 0)
    m = there.astype(np.float64)
    n = m.T @ m  # of each pair, the trials that have both times
    n = np.where(n >= FEWEST_TRIALS, n, np.nan)
    sums = v.T @ m
    covariance = v.T @ v - sums * sums.T / n
    variance = np.square(v).T @ m - np.square(sums) / n
    variance = np.where(variance > n * small**2, variance, np.nan)
    correlation = covariance / np.sqrt(variance * variance.T)
    n_pairs, filled = (~np.isnan(correlation)).astype(np.float64), np.nan_to_num(correlation)
    totals, pairs = (np.array([a.diagonal(lag).sum() for lag in range(most + 1)]) for a in (filled, n_pairs))
    return np.asarray(totals / np.where(pairs > 0, pairs, np.nan))


def _within(residuals: Float[np.ndarray, "B T"], small: float, most: int) -> Float[np.ndarray, " L"]:
    """Products of deviations from the trial's own mean, averaged over times and trials, as fractions of that at 0."""
    T = residuals.shape[1]
    there: Bool[np.ndarray, "B T"] = ~np.isnan(residuals)
    v = np.where(there, residuals - mean_there(residuals, 1)[:, None], 0)

    def products(x: NDArray[np.float64]) -> NDArray[np.float64]:  # of each lag, over times and trials
        spectrum = np.fft.rfft(x, 2 * T, axis=1)
        return np.fft.irfft(np.square(np.abs(spectrum)).sum(0), 2 * T)[: most + 1]

    pairs = np.rint(products(there.astype(np.float64)))
    mean = products(v) / np.where(pairs > 0, pairs, np.nan)
    return mean / (mean[0] if mean[0] > small**2 else np.nan)


def bootstrap_interval(
    activity: ArrayLike,
    step_ms: float = STEP_MS,
    *,
    conditions: Sequence[Any] | NDArray[Any] | None = None,
    method: str = "across",
    max_lag_ms: float | None = None,
    n: int = 200,
    level: float = 0.95,
    seed: int = 0,
    **options: Any,
) -> tuple[float, float]:
    """Draw trials again with replacement, for an interval of the population's timescale.

    The points of an autocorrelation are correlated, so that the standard error of a fit is too small; this is not.

    Args:
        activity: (B, T, N), as for `intrinsic_timescales`.
        step_ms: time between two values, ms.
        conditions: of each trial (B,); trials are drawn within conditions.
        method: as for `autocorrelation`.
        max_lag_ms: largest lag, ms; half of the window when None.
        n: number of draws.
        level: of the interval, a fraction.
        seed: of the draws.
        **options: as for `fit_timescales`.

    Returns:
        ends of the interval of the population's timescale, ms; NaN if fewer than half of the draws have a usable fit.

    Raises:
        ValueError: names the argument, its value and what is allowed.

    Source:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13 (percentile interval).
    """
    values = activity_of(activity)
    if n < 2 or not 0 < level < 1:
        raise ValueError(f"n = {n}, level = {level:g}; n must be at least 2, and level above 0 and below 1")
    lags = _lags_of(values.shape[1], step_ms, max_lag_ms)
    labels = labels_of([0] * len(values) if conditions is None else conditions, len(values), "conditions")
    index = categories(labels)[1]
    rng = np.random.default_rng(seed)
    found = np.full(n, np.nan)
    for k in range(n):
        chosen = np.arange(len(values))
        for c in range(index.max() + 1):
            own = np.flatnonzero(index == c)
            chosen[own] = rng.choice(own, len(own))
        mean_acf = mean_there(autocorrelation(values[chosen], len(lags) - 1, labels, method), 1)
        drawn = fit_timescale(lags, mean_acf, **options)
        found[k] = drawn.tau[0] if drawn.usable[0] else np.nan
    kept = found[~np.isnan(found)]
    if 2 * len(kept) < n:
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

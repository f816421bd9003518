"""Cross-correlation of two signals of each unit over trials, and the lag of one behind the other."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from ratecore.analysis.trials import STEP_MS, activity_of

CONSTANT = 1e-20  # variance, as a fraction of the mean square, below which a signal is constant but for rounding
UNITS_AT_ONCE = 8  # whose signals are in memory in another order


def cross_correlation(
    a: ArrayLike, b: ArrayLike, max_lag_ms: float, step_ms: float = STEP_MS
) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, "L N"]]:
    """Correlate a(t) with b(t + lag) of each unit.

    Sums run over trials and over the times at which both are there; the mean of each trial in these times is removed
    from each signal, so that differences between trials do not count.

    Args:
        a: (B, T, N) over trials, time and units, in any units of currents; NaN after the end of shorter trials.
        b: the same of the other signal (B, T, N), in any units of currents.
        max_lag_ms: largest lag, ms.
        step_ms: time step, ms.

    Returns:
        the lags (L,), ms, an odd number around 0, and Pearson's correlation (L, N), unitless, in [-1, 1]; NaN
        where a signal does not change.

    Raises:
        ValueError: both have different shapes, or the largest lag is shorter than a step or too long for the trials.

    Source:
        Okun & Lampl 2008 (Nature Neuroscience 11:535).
    """
    first, second = activity_of(a, "a"), activity_of(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"b has shape {second.shape}; it must be that of a, {first.shape}")
    steps = (~np.isnan(first.sum(2) + second.sum(2))).sum(1)
    longest, most = int(steps.max()), round(max_lag_ms / step_ms) if max_lag_ms < 1e9 else 10**9
    if not 1 <= most <= longest - 3:
        raise ValueError(
            f"max_lag_ms = {max_lag_ms:g}; it must be from {step_ms:g} (one step) to {(longest - 3) * step_ms:g}, as "
            f"the activity lasts {longest * step_ms:g} ms"
        )
    lags = np.arange(-most, most + 1)
    return lags * step_ms, _at_lags(first, second, steps, lags)


def correlation(a: Float[np.ndarray, "B T N"], b: Float[np.ndarray, "B T N"]) -> Float[np.ndarray, " N"]:
    """Correlate two signals of each unit at the same times, as `cross_correlation` at a lag of 0.

    Args:
        a: (B, T, N) over trials, time and units, in any units of currents; NaN after the end of shorter trials.
        b: the same of the other signal (B, T, N), in any units of currents.

    Returns:
        (N,), unitless, in [-1, 1]; NaN where a signal does not change.

    Source:
        Okun & Lampl 2008 (Nature Neuroscience 11:535).
    """
    steps = (~np.isnan(a.sum(2) + b.sum(2))).sum(1)
    found: Float[np.ndarray, " N"] = _at_lags(a, b, steps, np.zeros(1, int))[0]
    return found


def _at_lags(
    first: Float[np.ndarray, "B T N"],
    second: Float[np.ndarray, "B T N"],
    steps: Int[np.ndarray, " B"],
    lags: Int[np.ndarray, " L"],
) -> Float[np.ndarray, "L N"]:
    """The correlation at some lags, in steps."""
    correlation = np.full((len(lags), first.shape[2]), np.nan)
    for start in range(0, first.shape[2], UNITS_AT_ONCE):
        units = slice(start, start + UNITS_AT_ONCE)
        own = [np.ascontiguousarray(np.moveaxis(signal[:, :, units], 2, 0)) for signal in (first, second)]
        correlation[:, units] = _of_units(own[0], own[1], steps, lags)
    return correlation


def _of_units(
    a: Float[np.ndarray, "n B T"],
    b: Float[np.ndarray, "n B T"],
    steps: Int[np.ndarray, " B"],
    lags: Int[np.ndarray, " L"],
) -> Float[np.ndarray, "L n"]:
    """The correlation of some units, whose arrays fit into the processor's cache."""
    sums = np.zeros((3, len(lags), len(a)))  # products, and squares of each
    for length in np.unique(steps[steps >= 2]):
        same = steps == length
        alike = [signal if same.all() else signal[:, same] for signal in (a, b)]
        sums += _sums(alike[0][..., :length], alike[1][..., :length], lags)
    whole = [np.nansum(np.square(signal), (1, 2)) for signal in (a, b)]
    changes = np.logical_and.reduce([own > CONSTANT * square for own, square in zip(sums[1:], whole, strict=True)])
    found = np.full(sums.shape[1:], np.nan)
    np.divide(sums[0], np.sqrt(sums[1] * sums[2]), out=found, where=changes)
    return np.clip(found, -1, 1)


def _sums(
    a: Float[np.ndarray, "n B T"], b: Float[np.ndarray, "n B T"], lags: Int[np.ndarray, " L"]
) -> Float[np.ndarray, "3 L n"]:
    """Sums of products and squares at each lag, about the means of the overlapping parts of each trial."""
    T = a.shape[2]
    a, b = a - a.mean(2, keepdims=True), b - b.mean(2, keepdims=True)
    squares = [np.einsum("nbt,nbt->n", signal, signal) for signal in (a, b)]
    sums = np.zeros((3, len(lags), len(a)))
    for k, lag in enumerate(lags.tolist()):
        n = T - abs(lag)
        if n < 2:
            continue
        # What is left out: the end of the earlier signal and the start of the later one. Sums over whole trials are 0.
        parts = (slice(0, n), slice(T - n, T)) if lag >= 0 else (slice(T - n, T), slice(0, n))
        rest = (slice(n, T), slice(0, T - n)) if lag >= 0 else (slice(0, T - n), slice(n, T))
        left = [signal[..., part] for signal, part in zip((a, b), rest, strict=True)]
        of_a, of_b = (-own.sum(2) for own in left)
        sums[0, k] = np.einsum("nbt,nbt->n", a[..., parts[0]], b[..., parts[1]]) - (of_a * of_b).sum(1) / n
        for row, own, square, total in zip((1, 2), left, squares, (of_a, of_b), strict=True):
            sums[row, k] = square - np.square(own).sum((1, 2)) - np.square(total).sum(1) / n
    return sums


def peak_lags(lags: Float[np.ndarray, " L"], correlation: Float[np.ndarray, "L N"]) -> Float[np.ndarray, " N"]:
    """Find the lag at which each unit's correlation is largest, between steps by a parabola through three points.

    Args:
        lags: (L,), ms, evenly spaced.
        correlation: (L, N), unitless, in [-1, 1].

    Returns:
        (N,), ms; NaN where nothing is positive, or the largest is at the first or last lag, so that the peak is further
        out.

    Source: none
    """
    units = np.arange(correlation.shape[1])
    values = np.where(np.isnan(correlation), -np.inf, correlation)
    top = values.argmax(0)
    inside = (top > 0) & (top < len(lags) - 1)
    place = np.clip(top, 1, len(lags) - 2)
    before, peak, after = (values[place + k, units] for k in (-1, 0, 1))
    there = inside & (peak > 0) & np.isfinite(before) & np.isfinite(after)
    found = np.full(len(units), np.nan)
    before, peak, after = before[there], peak[there], after[there]
    bend = before - 2 * peak + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    found[there] = lags[place[there]] + shift * (lags[1] - lags[0])
    return found

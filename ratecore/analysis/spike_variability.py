"""How much spike counts vary between trials, alone (Fano factor) and together (correlations, synchrony)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.trials import categories, labels_of

LEAST_TRIALS = 5  # of a condition
LEAST_SPIKES = 1  # of a unit in all trials of a condition
MATCHING_BINS = 10  # of the mean count, per factor of 10
SMALLEST_MEAN = 0.01  # spikes; means below weigh no more in the regression than this one

Labels = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True)
class MatchedFano:
    """Mean-matched Fano factor over time.

    Attributes:
        fano: slope of variance against mean of the matched points (K,), mean over the draws, unitless; NaN where no
            points are left.
        unmatched: the same of all points (K,), unitless.
        mean: mean count of the matched points (K,), spikes; about the same in all windows.
        kept: number of points that are kept in each window, as a fraction of those in the window with the fewest.
    """

    fano: Float[np.ndarray, " K"]
    unmatched: Float[np.ndarray, " K"]
    mean: Float[np.ndarray, " K"]
    kept: float


def fano_factor(
    counts: ArrayLike,
    conditions: Labels | None = None,
    least_trials: int = LEAST_TRIALS,
    least_spikes: int = LEAST_SPIKES,
) -> Float[np.ndarray, "*K N"]:
    """Fano factor of each unit: variance (with n - 1) / mean of its count over trials of a condition.

    It is 1 for a Poisson process whose rate is the same in all trials, for any rate and number of trials: given its
    number of spikes, the expected value of variance / mean is exactly 1. Rates that differ between trials add their own
    variance, mean count times squared coefficient of variation of the rate.

    Args:
        counts: spikes of each unit (B, N), or (B, K, N) in K windows; NaN in windows after the end of a trial.
        conditions: of each trial (B,); one condition when None.
        least_trials: trials below which a condition does not count, at least 2.
        least_spikes: spikes of a unit in all trials of a condition, and in that window, below which the condition does
            not count for it, at least 1.

    Returns:
        (N,), or (K, N), unitless: mean over the conditions that count, NaN if there is none.

    Raises:
        ValueError: counts have another shape or are negative, or arguments are none of these.

    Source:
        Fano 1947 (Physical Review 72:26); Cox & Lewis 1966, The Statistical Analysis of Series of Events, 6.3 (index of
        dispersion).
    """
    values, alone = _counts(counts)
    _least(least_trials, least_spikes)
    moments = [(mean, variance) for mean, variance, _ in _by_condition(values, conditions, least_trials, least_spikes)]
    K, N = values.shape[1:]
    sums, n = np.zeros((K, N)), np.zeros((K, N))
    for mean, variance in moments:
        there = ~np.isnan(mean)
        sums[there] += variance[there] / mean[there]
        n += there
    found: Float[np.ndarray, "K N"] = sums / np.where(n > 0, n, np.nan)
    return found[0] if alone else found


def pooled_fano(
    counts: ArrayLike, conditions: Labels | None = None, least_trials: int = LEAST_TRIALS
) -> Float[np.ndarray, " N"]:
    """One Fano factor of each unit: the sum of its variances in all windows and conditions over that of its means.

    Each window counts by its spikes. The mean of `fano_factor` over windows depends on the number of trials where units
    fire rarely: a window with a single spike in all trials of a condition has a Fano factor of 1, whatever the unit
    does, and one without spikes has none, so that more trials bring more windows close to 1.

    Args:
        counts: spikes of each unit (B, N), or (B, K, N) in K windows; NaN in windows after the end of a trial.
        conditions: of each trial (B,); one condition when None.
        least_trials: trials below which a condition does not count in a window, at least 2.

    Returns:
        (N,), unitless; NaN for a unit without spikes.

    Raises:
        ValueError: counts have another shape or are negative, or `least_trials` is below 2.

    Source:
        Fano 1947 (Physical Review 72:26), with pooled variances within conditions.
    """
    values, _ = _counts(counts)
    _least(least_trials, 1)
    sums = np.zeros((2, values.shape[2]))
    for mean, variance, _ in _by_condition(values, conditions, least_trials, 1):
        sums += np.nansum(variance, 0), np.nansum(mean, 0)
    found: Float[np.ndarray, " N"] = sums[0] / np.where(sums[1] > 0, sums[1], np.nan)
    return found


def mean_matched_fano(
    counts: ArrayLike,
    conditions: Labels | None = None,
    least_trials: int = LEAST_TRIALS,
    least_spikes: int = LEAST_SPIKES,
    draws: int = 20,
    seed: int = 0,
) -> MatchedFano:
    """Fano factor of a population over time, free of changes of the rates.

    A point is a unit in a condition. Points are dropped at random in each window until the distribution of their mean
    counts is the same in all: the largest that the distributions of all windows have in common. The Fano factor is the
    slope of a regression through the origin of variance on mean, in which a point has the weight of its trials /
    (mean + 0.01)^2.

    Args:
        counts: spikes of each unit (B, K, N) in K windows; NaN in windows after the end of a trial.
        conditions: of each trial (B,); one condition when None.
        least_trials: trials below which a condition does not count, at least 2.
        least_spikes: spikes of a unit in all trials of a condition, and in that window, below which a point does not
            count, at least 1.
        draws: number of times that points are dropped.
        seed: of the draws.

    Returns:
        the Fano factors, matched and not. Windows in which no point counts, such as those after the end of all trials,
        do not take part.

    Raises:
        ValueError: counts have another shape or are negative, or arguments are none of these.

    Source:
        Churchland et al. 2010 (Nature Neuroscience 13:369). Here, bins of the mean count are tenths of a factor of
        10.
    """
    values, _ = _counts(counts)
    _least(least_trials, least_spikes)
    if draws < 1:
        raise ValueError(f"draws = {draws}; it must be 1 or more")
    parts = list(_by_condition(values, conditions, least_trials, least_spikes))
    K = values.shape[1]
    if not parts:
        none = np.full(K, np.nan)
        return MatchedFano(none, none, none, 0.0)
    mean, variance, n = (np.concatenate([part[k] for part in parts], axis=1) for k in range(3))  # (K, points)
    bins = _bins(mean)
    some = (bins >= 0).any(1)
    occupancy = np.array([np.bincount(row[row >= 0], minlength=int(bins.max(initial=0)) + 1) for row in bins])
    common = occupancy[some].min(0) if some.any() else np.zeros(occupancy.shape[1], np.int64)
    rng = np.random.default_rng(seed)
    fano, unmatched, matched_mean = np.full((3, K), np.nan)
    weights = n / np.square(mean + SMALLEST_MEAN)  # of a weighted regression through the origin
    products = weights * mean * variance, weights * mean * mean
    for k in np.flatnonzero(some):
        over, under = (part[k] for part in products)
        unmatched[k] = over[bins[k] >= 0].sum() / under[bins[k] >= 0].sum()
        if common.sum():
            chosen = [_drop(bins[k], common, rng) for _ in range(draws)]
            fano[k] = np.mean([over[own].sum() / under[own].sum() for own in chosen])
            matched_mean[k] = np.mean([mean[k][own].mean() for own in chosen])
    fewest = occupancy[some].sum(1).min() if some.any() else 0
    return MatchedFano(fano, unmatched, matched_mean, float(common.sum() / fewest) if fewest else 0.0)


def count_correlations(
    counts: ArrayLike,
    conditions: Labels | None = None,
    least_trials: int = LEAST_TRIALS,
    least_spikes: int = 10,
) -> Float[np.ndarray, "N N"]:
    """Correlation of the spike counts of each pair of units over trials of the same condition ('noise correlation').

    Counts are standardised within each condition and window, and all are taken together, so that what the condition
    and the time do to the rates does not count.

    Args:
        counts: spikes of each unit (B, N), or (B, K, N) in K windows; NaN in windows after the end of a trial.
        conditions: of each trial (B,); one condition when None.
        least_trials: trials below which a condition does not count, at least 2.
        least_spikes: spikes in all trials and windows below which a unit has no correlations, at least 1.

    Returns:
        (N, N), Pearson's r, unitless; NaN on the diagonal, and for units with too few spikes or a constant count.

    Raises:
        ValueError: counts have another shape or are negative, or arguments are none of these.

    Source:
        Cohen & Kohn 2011 (Nature Neuroscience 14:811).
    """
    values, _ = _counts(counts)
    _least(least_trials, least_spikes)
    rows = []
    for own in _groups(len(values), conditions):
        for k in range(values.shape[1]):
            window = values[own, k]
            window = window[~np.isnan(window).any(1)]
            if len(window) >= least_trials:
                centred = window - window.mean(0)
                sd = centred.std(0)
                rows.append(np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0))
    N = values.shape[2]
    scored = np.concatenate(rows) if rows else np.zeros((0, N))
    products = scored.T @ scored
    size = np.sqrt(np.diagonal(products))
    usable: Bool[np.ndarray, " N"] = (size > 0) & (np.nansum(values, axis=(0, 1)) >= least_spikes)
    scale = np.where(usable, size, np.nan)
    r: Float[np.ndarray, "N N"] = products / np.outer(scale, scale)
    np.fill_diagonal(r, np.nan)
    return r


def population_synchrony(counts: ArrayLike, conditions: Labels | None = None) -> float:
    """Synchrony of a population: variance of its mean count over that of its units, as means over units.

    Counts are taken as deviations from their mean over the trials of a condition, so that responses to a stimulus do
    not count.

    Args:
        counts: spikes of each unit (B, N), or (B, K, N) in K windows; NaN in windows after the end of a trial.
        conditions: of each trial (B,); one condition when None.

    Returns:
        chi^2, unitless: 1 if all units do the same and 1 / N if they are independent; NaN if no count varies.

    Raises:
        ValueError: counts have another shape or are negative.

    Source:
        Golomb & Hansel 2000 (Neural Computation 12:1095), with trials and windows as times.
    """
    values, _ = _counts(counts)
    rows = []
    for own in _groups(len(values), conditions):
        for k in range(values.shape[1]):
            window = values[own, k]
            window = window[~np.isnan(window).any(1)]
            if len(window):
                rows.append(window - window.mean(0))
    deviations = np.concatenate(rows) if rows else np.zeros((1, values.shape[2]))
    of_units = float(np.square(deviations).mean())
    return float(np.square(deviations.mean(1)).mean()) / of_units if of_units > 0 else float("nan")


def _counts(counts: ArrayLike) -> tuple[Float[np.ndarray, "B K N"], bool]:
    """Checked counts with an axis of windows, and whether that is new. Raises ValueError."""
    given = np.asarray(counts)
    if given.ndim not in (2, 3) or 0 in given.shape or given.dtype.kind not in "fiub":
        raise ValueError(
            f"counts: shape {given.shape}, dtype {given.dtype}; they must be numbers of shape (trials, units) or "
            "(trials, windows, units), with at least one of each"
        )
    values = given.astype(np.float64)
    if np.isinf(values).any() or (values < 0).any():
        raise ValueError(f"counts: from {np.nanmin(values):g} to {np.nanmax(values):g}; they must be finite and >= 0")
    return (values[:, None], True) if given.ndim == 2 else (values, False)


def _least(trials: int, spikes: int) -> None:
    if trials < 2:
        raise ValueError(f"least_trials = {trials}; it must be 2 or more")
    if spikes < 1:
        raise ValueError(f"least_spikes = {spikes}; it must be 1 or more")


def _groups(B: int, conditions: Labels | None) -> Iterator[NDArray[np.int64]]:
    """The trials of each condition."""
    index = np.zeros(B, np.int64) if conditions is None else categories(labels_of(conditions, B, "conditions"))[1]
    for k in range(index.max() + 1):
        yield np.flatnonzero(index == k)


Moments = tuple[Float[np.ndarray, "K N"], Float[np.ndarray, "K N"], Float[np.ndarray, "K N"]]


def _by_condition(
    values: Float[np.ndarray, "B K N"], conditions: Labels | None, least_trials: int, least_spikes: int
) -> Iterator[Moments]:
    """Mean, variance and number of trials of each condition; NaN where there are too few trials or spikes."""
    for own in _groups(len(values), conditions):
        there = ~np.isnan(values[own])
        n = there.sum(0).astype(np.float64)
        sums = np.where(there, values[own], 0).sum(0)
        usable = (n >= least_trials) & (sums >= least_spikes)
        mean = sums / np.where(usable, n, np.nan)
        squares = np.where(there, np.square(values[own] - mean), 0).sum(0)
        yield mean, squares / np.where(usable, n - 1, np.nan), n


def _bins(mean: Float[np.ndarray, "K P"]) -> Int[np.ndarray, "K P"]:
    """The bin of each mean count on a logarithmic scale; -1 where there is none."""
    there = ~np.isnan(mean)
    if not there.any():
        return np.full(mean.shape, -1)
    place = np.floor(np.log10(np.where(there, mean, 1)) * MATCHING_BINS + 1e-9).astype(np.int64)
    place -= place[there].min()
    return np.where(there, place, -1)


def _drop(
    bins: Int[np.ndarray, " P"], common: Int[np.ndarray, " Q"], rng: np.random.Generator
) -> Int[np.ndarray, " R"]:
    """A random choice of points, as many in each bin as all windows have."""
    order = rng.permutation(len(bins))
    mixed = bins[order]
    there = mixed >= 0
    order, mixed = order[there], mixed[there]
    small = len(common) <= np.iinfo(np.uint16).max  # which are sorted fastest
    sorting = np.argsort(mixed.astype(np.uint16) if small else mixed, kind="stable")
    order, own = order[sorting], mixed[sorting]
    first = np.cumsum(np.bincount(own, minlength=len(common))) - np.bincount(own, minlength=len(common))
    kept: Int[np.ndarray, " R"] = order[np.arange(len(own)) - first[own] < common[own]]
    return kept

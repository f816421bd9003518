"""What single units respond to: tuning, d', ROC area, and pure and mixed selectivity (Rigotti et al. 2013)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc

from ratecore.analysis.ranking import adjusted_p, average_ranks
from ratecore.analysis.trials import categories, full_design, labels_of

KINDS = ("none", "pure", "linear mixed", "nonlinear mixed")


@dataclass(frozen=True)
class Selectivity:
    """Selectivity of units for factors and their interactions.

    Attributes:
        terms: M names: the factors, then interactions such as 'motion x context'.
        F: F statistic of each term and unit (M, N), unitless; NaN for units without variance.
        p: its p value (M, N), probabilities; 1 for units without variance.
        explained: share of the unit's variance that each term explains (M, N), fractions.
        significant: after control of the false-discovery rate over units and terms (M, N), and with `least` explained.
        kinds: index into `KINDS` of each unit (N,): 0 none, 1 pure (one factor), 2 linear mixed (several factors, no
            interaction), 3 nonlinear mixed (an interaction).
        preferred: term with the largest F of each unit (N,), an index into `terms`.
    """

    terms: tuple[str, ...]
    F: Float[np.ndarray, "M N"]
    p: Float[np.ndarray, "M N"]
    explained: Float[np.ndarray, "M N"]
    significant: Bool[np.ndarray, "M N"]
    kinds: Int[np.ndarray, " N"]
    preferred: Int[np.ndarray, " N"]

    def shares(self) -> dict[str, float]:
        """Count the units of each kind.

        Returns:
            share of all units by kind, fractions.

        Source:
            Rigotti et al. 2013 (Nature 497:585).
        """
        return {kind: float((self.kinds == k).mean()) for k, kind in enumerate(KINDS)}


def rates_of(rates: ArrayLike) -> Float[np.ndarray, "B N"]:
    """Check one number for each trial and unit.

    Args:
        rates: (B, N), unitless: mean activity of each trial in a window (`analysis.trials.window_mean`).

    Returns:
        (B, N), unitless.

    Raises:
        ValueError: another shape, or numbers that are not finite.

    Source: none
    """
    values = np.asarray(rates)
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        raise ValueError(
            f"rates: shape {values.shape}, dtype {values.dtype}; they must be finite numbers of shape (trials, units): "
            "leave out trials that end before the window, and units that do not exist"
        )
    return values.astype(np.float64)


def classify_selectivity(
    rates: ArrayLike,
    factors: Mapping[str, Sequence[Any] | NDArray[Any]],
    alpha: float = 0.05,
    max_order: int = 2,
    least: float = 0.0,
) -> Selectivity:
    """Determine by analysis of variance which units respond to which factors, alone or in combination.

    Each unit is a linear model of all factors and their interactions, as categories. The F test of a term compares the
    model with all terms to that without this one, with contrasts that sum to 0 (type III sums of squares).
    Benjamini and Hochberg's procedure bounds the share of false discoveries over all units and terms.

    Args:
        rates: (B, N), unitless: mean activity of each trial in a window.
        factors: by name: a value for each trial (B,), numbers or words; every combination of values needs a trial.
        alpha: bound of the false-discovery rate, in (0, 1).
        max_order: factors in an interaction, at most; 1 tests no interactions.
        least: share of a unit's variance that a term must explain to count, in [0, 1). Units of networks have so little
            noise that almost any effect is significant.

    Returns:
        F, p and kind of each unit.

    Raises:
        ValueError: no factor, a combination without trials, no more trials than coefficients, or a bad number.

    Source:
        Rigotti et al. 2013 (Nature 497:585); Benjamini & Hochberg 1995 (JRSS B 57:289).
    """
    values = rates_of(rates)
    B, N = values.shape
    if not factors or not 0 < alpha < 1 or max_order < 1 or not 0 <= least < 1:
        raise ValueError(
            f"factors: {', '.join(factors) or 'none'}; alpha = {alpha!r}; max_order = {max_order!r}; least = {least!r}"
            "; there must be at least one factor, alpha must be in (0, 1), max_order at least 1, and least in [0, 1)"
        )
    levels, indices = full_design(factors, B)
    terms, columns = _terms(list(factors), levels, indices, max_order)
    X = np.column_stack([np.ones(B), *columns])
    freedom = B - X.shape[1]
    if freedom < 1:
        raise ValueError(f"rates: {B} trials; a model with {X.shape[1]} coefficients needs more")
    residual, total = _residual(X, values), np.square(values - values.mean(0)).sum(0)
    silent = values.std(0) <= 1e-12 * np.maximum(np.abs(values).max(0), 1e-300)
    F, p, explained = np.full((len(terms), N), np.nan), np.ones((len(terms), N)), np.zeros((len(terms), N))
    for k, own in enumerate(columns):
        others = np.column_stack([np.ones(B), *(c for j, c in enumerate(columns) if j != k)])
        gained = np.maximum(_residual(others, values) - residual, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            F[k] = np.where(silent, np.nan, gained / own.shape[1] / (residual / freedom))
            explained[k] = np.where(silent, 0, gained / total)
        p[k] = np.where(silent, 1, fdtrc(own.shape[1], freedom, F[k]))
    significant = adjusted_p(p) <= alpha
    significant &= explained >= least
    main = np.array([" x " not in term for term in terms])
    n_main, interacts = significant[main].sum(0), significant[~main].any(0)
    kinds = np.where(interacts, 3, np.minimum(n_main, 2))
    return Selectivity(tuple(terms), F, p, explained, significant, kinds, np.nan_to_num(F, nan=-1.0).argmax(0))


def _terms(
    names: list[str], levels: list[list[Any]], indices: Int[np.ndarray, "P B"], max_order: int
) -> tuple[list[str], list[Float[np.ndarray, "B K"]]]:
    """Names of factors and interactions, and the columns of each, with contrasts that sum to 0."""
    main = []
    for own, index in zip(levels, indices, strict=True):
        contrasts = np.vstack([np.eye(len(own) - 1), -np.ones(len(own) - 1)])
        main.append(contrasts[index])
    terms, columns = [], []
    for order in range(1, min(max_order, len(names)) + 1):
        for chosen in itertools.combinations(range(len(names)), order):
            product = main[chosen[0]]
            for k in chosen[1:]:
                product = (product[:, :, None] * main[k][:, None, :]).reshape(len(product), -1)
            terms.append(" x ".join(names[k] for k in chosen))
            columns.append(product)
    return terms, columns


def _residual(X: Float[np.ndarray, "B K"], values: Float[np.ndarray, "B N"]) -> Float[np.ndarray, " N"]:
    """Residual sum of squares of each unit, in float64 from an orthonormal basis of the columns."""
    basis, sizes, _ = np.linalg.svd(X, full_matrices=False)
    basis = basis[:, sizes > 1e-10 * sizes[0]]
    rest: Float[np.ndarray, " N"] = np.square(values - basis @ (basis.T @ values)).sum(0)
    return rest


def d_prime(rates: ArrayLike, labels: Sequence[Any] | NDArray[Any]) -> Float[np.ndarray, " N"]:
    """Difference of the means of two classes in units of their standard deviation.

    Args:
        rates: (B, N), unitless.
        labels: of each trial (B,), with two values.

    Returns:
        d' of each unit (N,), unitless: positive if the class that is second in ascending order has the larger mean; 0
        for a unit without variance whose means are equal, infinite if they are not.

    Raises:
        ValueError: there are not two classes with at least two trials each.

    Source:
        Green & Swets 1966; (m1 - m0) / sqrt((s0^2 + s1^2) / 2) with sample variances.
    """
    low, high = _two_classes(rates, labels, 2)
    difference = high.mean(0) - low.mean(0)
    spread = np.sqrt((high.var(0, ddof=1) + low.var(0, ddof=1)) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((spread == 0) & (difference == 0), 0.0, difference / spread)


def roc_area(rates: ArrayLike, labels: Sequence[Any] | NDArray[Any]) -> Float[np.ndarray, " N"]:
    """Area under the receiver operating characteristic of two classes.

    Args:
        rates: (B, N), unitless.
        labels: of each trial (B,), with two values.

    Returns:
        Probability that a trial of the second class in ascending order has the larger rate, ties counting half (N,),
        probabilities; 0.5 for no selectivity.

    Raises:
        ValueError: there are not two classes.

    Source:
        Green & Swets 1966; Mann & Whitney 1947 (Annals of Mathematical Statistics 18:50).
    """
    low, high = _two_classes(rates, labels, 1)
    ranks = average_ranks(np.concatenate([low, high]))
    n0, n1 = len(low), len(high)
    area: Float[np.ndarray, " N"] = (ranks[n0:].sum(0) - n1 * (n1 + 1) / 2) / (n0 * n1)
    return area


def choice_probability(
    rates: ArrayLike, choices: Sequence[Any] | NDArray[Any], conditions: Sequence[Any] | NDArray[Any]
) -> Float[np.ndarray, " N"]:
    """ROC area of choices among trials of the same condition, over all conditions with both choices.

    Rates are z-scored within each condition, with the mean and variance of equally many trials of either choice, so
    that conditions with few trials of one choice do not bias the result.

    Args:
        rates: (B, N), unitless.
        choices: of each trial (B,), with two values.
        conditions: of each trial (B,); those with fewer than two trials of either choice are left out.

    Returns:
        Grand choice probability of each unit (N,), probabilities.

    Raises:
        ValueError: there are not two choices, or no condition has two trials of either.

    Source:
        Britten et al. 1996 (Visual Neuroscience 13:87); Kang & Maunsell 2012 (J. Neurophysiology 108:3403).
    """
    values = rates_of(rates)
    chosen = categories(labels_of(choices, len(values), "choices"))
    _require_two(chosen[0], "choices")
    index = categories(labels_of(conditions, len(values), "conditions"))[1]
    scored, kept = np.zeros_like(values), np.zeros(len(values), bool)
    for k in range(index.max() + 1):
        low, high = (np.flatnonzero((index == k) & (chosen[1] == c)) for c in (0, 1))
        if min(len(low), len(high)) < 2:
            continue
        means, variances = ([f(values[own], axis=0) for own in (low, high)] for f in (np.mean, np.var))
        mean = (means[0] + means[1]) / 2
        variance = (variances[0] + variances[1]) / 2 + np.square(means[0] - means[1]) / 4
        both = np.concatenate([low, high])
        scored[both] = (values[both] - mean) / np.sqrt(np.where(variance > 0, variance, 1))
        kept[both] = True
    if not kept.any():
        raise ValueError("conditions: none has two trials of either choice; errors are needed for choice probabilities")
    return roc_area(scored[kept], chosen[1][kept])


def _two_classes(
    rates: ArrayLike, labels: Sequence[Any] | NDArray[Any], least: int
) -> tuple[Float[np.ndarray, "B0 N"], Float[np.ndarray, "B1 N"]]:
    values = rates_of(rates)
    names, index = categories(labels_of(labels, len(values)))
    _require_two(names, "labels")
    low, high = values[index == 0], values[index == 1]
    if min(len(low), len(high)) < least:
        raise ValueError(f"labels: {len(low)} trials of {names[0]!r} and {len(high)} of {names[1]!r}; at least {least}")
    return low, high


def _require_two(names: list[Any], what: str) -> None:
    if len(names) != 2:
        raise ValueError(f"{what}: {len(names)} distinct values; there must be two")

"""Psychometric functions and response times: a logistic fit with lapses, and when an output crosses a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real
from numpy.typing import ArrayLike

from ratecore.system.crossings import first_crossings
from ratecore.system.intervals import wilson_interval

STEP_MS = 5
LARGEST_LAPSE = 0.4  # share of lapses to each side; at 0.5 choices would not depend on the evidence
STEEPEST = 20.0  # largest slope, divided by the smallest distance of two levels
FEWEST_LEVELS = 3  # strengths of evidence of a fit
FITTED = ("threshold", "bias", "slope", "lapse", "levels")  # what `fit_numbers` says of a fit
STARTS = (0.5, 2.0, 10.0)  # slopes from which the fit starts, divided by the range of the levels


@dataclass(frozen=True)
class PsychometricFit:
    """A logistic function p(x) = lapse + (1 - 2 lapse) / (1 + exp(-slope (x - bias))), fitted to choices.

    Attributes:
        bias: evidence at which both choices are equally frequent, in the unit of the evidence.
        slope: of the log odds without lapses, per unit of the evidence; negative where choices go against it.
        lapse: share of choices, to either side, that do not depend on the evidence, in [0, 0.4].
        log_likelihood: of the fit, natural logarithm, without binomial coefficients.
        determined: whether the data determine the slope; False where choices change at once from all to none, so that
            the slope is the largest that is tried, and the bias only known to lie between two levels.
    """

    bias: float
    slope: float
    lapse: float
    log_likelihood: float
    determined: bool

    @property
    def threshold(self) -> float:
        """Evidence beyond the bias at which three of four choices without lapses are positive (or negative), > 0."""
        return float(np.log(3) / abs(self.slope)) if self.slope else float("inf")

    def __call__(self, evidence: ArrayLike) -> Float[np.ndarray, ...]:
        """Share of positive choices at some strengths of evidence.

        Args:
            evidence: any shape, in its unit.

        Returns:
            shares in the same shape, in [0, 1].

        Source:
            Wichmann & Hill 2001, Percept Psychophys 63:1293.
        """
        return _logistic(np.asarray(evidence, float), self.bias, self.slope, self.lapse)


def fit_psychometric(
    evidence: Sequence[float] | Real[np.ndarray, " P"],
    p_positive: Sequence[float] | Real[np.ndarray, " P"],
    n: int | Sequence[int] | Real[np.ndarray, " P"],
) -> PsychometricFit:
    """Fit a logistic psychometric function with lapses by maximum likelihood.

    Args:
        evidence: signed strength of evidence at P points, in any unit.
        p_positive: share of positive choices at each point, in [0, 1].
        n: number of trials at each point, or at all.

    Returns:
        the fit.

    Raises:
        ValueError: fewer than three different strengths, a share outside [0, 1], or a number of trials below 1.

    Source:
        Wichmann & Hill 2001, Percept Psychophys 63:1293, with the same lapse rate for both choices.
    """
    from scipy.optimize import minimize

    x, p = np.asarray(evidence, float).ravel(), np.asarray(p_positive, float).ravel()
    trials = np.broadcast_to(np.asarray(n, float), x.shape)
    _check(x, p, trials)
    levels = np.unique(x)
    center, spread = (levels[0] + levels[-1]) / 2, levels[-1] - levels[0]
    steepest = STEEPEST * spread / float(np.diff(levels).min())

    def cost(theta: Any) -> float:  # bias and slope in units of the range
        at = np.clip(_logistic((x - center) / spread, *theta), 1e-12, 1 - 1e-12)
        return -float(np.sum(trials * (p * np.log(at) + (1 - p) * np.log1p(-at))))

    bounds = [(-1.0, 1.0), (-steepest, steepest), (0.0, LARGEST_LAPSE)]
    rising = 1.0 if np.sum(trials * (x - np.average(x, weights=trials)) * p) >= 0 else -1.0
    starts = [(bias, rising * slope, lapse) for bias in (-0.2, 0.0, 0.2) for slope in STARTS for lapse in (0.01, 0.1)]
    found = [minimize(cost, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(found, key=lambda result: result.fun)
    bias, slope, lapse = (float(v) for v in best.x)
    # Where a steeper curve is as likely, the data do not say how steep it is.
    determined = cost((bias, np.sign(slope) * steepest, lapse)) - best.fun > 0.1
    found_bias, found_slope = float(bias * spread + center), float(slope / spread)
    return PsychometricFit(found_bias, found_slope, lapse, -float(best.fun), bool(determined))


def fit_numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Fit the psychometric function of each trial type.

    Args:
        rows: a row for each trial type and strength of evidence: trial_type, evidence, p_positive and n, as of
            `Evaluation.psychometric`.

    Returns:
        `psychometric/<name>` of threshold, bias and slope (in the unit of the evidence, or per unit), lapse (a share)
        and levels (number of strengths of evidence), the mean over trial types; of several, also
        `psychometric/<name>/<trial type>`. Threshold and slope are missing where the data do not determine the slope;
        all is missing for trial types with fewer than three strengths.

    Source:
        `fit_psychometric`.
    """
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_type.setdefault(str(row["trial_type"]), []).append(row)
    found: dict[str, dict[str, float]] = {name: {} for name in FITTED}
    for kind, own in by_type.items():
        x, p, n = (np.array([row[key] for row in own], float) for key in ("evidence", "p_positive", "n"))
        if (levels := np.unique(x).size) < FEWEST_LEVELS:
            continue
        fit = fit_psychometric(x, p, n)
        if fit.determined:
            found["threshold"][kind], found["slope"][kind] = fit.threshold, fit.slope
        found["bias"][kind], found["lapse"][kind], found["levels"][kind] = fit.bias, fit.lapse, float(levels)
    numbers = {f"psychometric/{name}": float(np.mean(list(own.values()))) for name, own in found.items() if own}
    if len(by_type) > 1:
        numbers |= {f"psychometric/{name}/{kind}": value for name, own in found.items() for kind, value in own.items()}
    return numbers


def _logistic(x: Float[np.ndarray, ...], bias: float, slope: float, lapse: float) -> Float[np.ndarray, ...]:
    from scipy.special import expit

    return np.asarray(lapse + (1 - 2 * lapse) * expit(slope * (x - bias)))


def _check(x: Float[np.ndarray, " P"], p: Float[np.ndarray, " P"], trials: Float[np.ndarray, " P"]) -> None:
    if p.shape != x.shape:
        raise ValueError(f"p_positive has {p.size} values; it must have one for each of {x.size} strengths of evidence")
    if np.unique(x).size < FEWEST_LEVELS or not np.isfinite(x).all():
        raise ValueError(f"evidence has {np.unique(x).size} strengths; it must have at least three, all finite")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p_positive = {p[~((p >= 0) & (p <= 1))][0]:g}; it must be a share in [0, 1]")
    if not (trials >= 1).all():
        raise ValueError(f"n = {trials.min():g}; it must be at least one trial at each strength of evidence")


def binomial_intervals(
    p: Sequence[float] | Real[np.ndarray, " P"],
    n: int | Sequence[int] | Real[np.ndarray, " P"],
    confidence: float = 0.95,
) -> Float[np.ndarray, "P 2"]:
    """Compute Wilson's interval of each share.

    Args:
        p: shares in [0, 1] at P points.
        n: number of trials at each point, or at all.
        confidence: level of the intervals, in (0, 1).

    Returns:
        lower and upper end (P, 2), shares in [0, 1].

    Source:
        Wilson 1927, Journal of the American Statistical Association 22:209.
    """
    shares = np.asarray(p, float).ravel()
    trials = np.broadcast_to(np.asarray(n, int), shares.shape)
    pairs = zip(shares, trials, strict=True)
    return np.array([wilson_interval(round(share * total), int(total), confidence) for share, total in pairs])


def response_times(
    o: Float[np.ndarray, "B T"], threshold: float, onsets: int | Int[np.ndarray, " B"] | Sequence[int] = 0
) -> Float[np.ndarray, " B"]:
    """Find when outputs first cross a threshold, on either side.

    Args:
        o: outputs (B, T), unitless, in steps of 5 ms; NaN after the end of shorter trials.
        threshold: absolute output that has to be passed, unitless.
        onsets: step of each trial (B,), or of all, from which times count and before which nothing counts.

    Returns:
        times (B,), ms, 0 where the output is beyond the threshold from the start; NaN where it never is.

    Raises:
        ValueError: a threshold that is not above 0, or outputs of another shape.

    Source:
        Mante et al. 2013, Nature 503:78.
    """
    return STEP_MS * first_crossings(o, threshold, onsets)

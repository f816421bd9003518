"""Exponential decays with an offset, fitted to autocorrelations, and why a fit is not to be used."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray

FEWEST_LAGS = 5  # a fit has three parameters
REASONS = ("no variance", "few lags", "flat", "negative", "fast", "slow", "uncertain")
N_TAUS = 80  # at which the sum of squares is computed, to start from its minima
MOST_STARTS = 3
MOST_LOG = 700.0  # whose exponential is finite
TINY = 1e-9  # SD of an autocorrelation that is constant to rounding


@dataclass(frozen=True)
class Timescales:
    """Fits `amplitude * exp(-lag / tau) + offset` of N autocorrelations.

    Attributes:
        tau: (N,), ms; NaN without a fit. It is also given where the fit is not usable.
        amplitude: (N,), unitless.
        offset: (N,), unitless. In Murray et al. 2014 it is the product of the amplitude and B.
        r2: share of the variance over lags that the fit explains (N,), unitless.
        se: standard error of tau by linearisation (N,), ms. It takes the points of an autocorrelation as independent,
            which they are not, and is rather a lower bound.
        reason: why the fit is not usable (N,), '' if it is: 'no variance' of the unit; 'few lags', fewer than five;
            'flat', it explains too little; 'negative', the amplitude is, as of an autocorrelation that grows; 'fast',
            tau is below a bin; 'slow', it is beyond the largest lag; 'uncertain', its standard error exceeds tau.
    """

    tau: Float[np.ndarray, " N"]
    amplitude: Float[np.ndarray, " N"]
    offset: Float[np.ndarray, " N"]
    r2: Float[np.ndarray, " N"]
    se: Float[np.ndarray, " N"]
    reason: Shaped[np.ndarray, " N"]

    @property
    def usable(self) -> Bool[np.ndarray, " N"]:
        """Whether each fit is (N,)."""
        good: Bool[np.ndarray, " N"] = self.reason == ""
        return good

    def curve(self, lags: Float[np.ndarray, " L"], k: int) -> Float[np.ndarray, " L"]:
        """Compute one of the fitted decays.

        Args:
            lags: (L,), ms.
            k: which one, from 0.

        Returns:
            (L,), unitless.

        Source: none
        """
        found: Float[np.ndarray, " L"] = self.amplitude[k] * np.exp(-lags / self.tau[k]) + self.offset[k]
        return found


def fit_timescales(
    lags: Float[np.ndarray, " L"],
    acf: Float[np.ndarray, "L N"],
    *,
    zero_lag: bool = False,
    skip_dip: bool = False,
    least_r2: float = 0.5,
) -> Timescales:
    """Fit an exponential decay with an offset to each of N autocorrelations, by least squares from several starts.

    Args:
        lags: (L,), ms, ascending.
        acf: (L, N), unitless; NaN is left out.
        zero_lag: whether lag 0 counts. It is 1 by definition; noise of single values, such as that of spike counts,
            makes all other lags smaller.
        skip_dip: whether the fit begins at the largest value in the first half of the lags, so that a dip at short
            lags by refractoriness or adaptation does not count.
        least_r2: R^2 below which a fit is not usable, unitless.

    Returns:
        the fits.

    Raises:
        ValueError: lags do not ascend, or are not those of the autocorrelations.

    Source:
        Murray et al. 2014 (Nature Neuroscience 17:1661), Methods, equation 2.
    """
    lags, acf = np.asarray(lags, np.float64), np.asarray(acf, np.float64)
    if lags.ndim != 1 or acf.ndim != 2 or len(acf) != len(lags) or not (np.diff(lags) > 0).all():
        raise ValueError(
            f"lags of shape {lags.shape}, acf of shape {acf.shape}; they must be ascending lags (L,) and (L, units)"
        )
    rows, reasons = np.full((acf.shape[1], 5), np.nan), []
    for k, own in enumerate(acf.T):
        kept = ~np.isnan(own) & (zero_lag | (lags > 0))
        if skip_dip and kept.any():
            half = kept & (lags <= lags[-1] / 2)
            kept &= lags >= lags[half][np.argmax(own[half])] if half.any() else True
        if not kept.any():
            reasons.append("no variance")
        elif kept.sum() < FEWEST_LAGS:
            reasons.append("few lags")
        else:
            rows[k] = _fitted(lags[kept], own[kept])
            reasons.append(_reason(rows[k], float(np.diff(lags).min()), float(lags[kept][-1]), least_r2))
    tau, amplitude, offset, r2, se = rows.T.copy()
    return Timescales(tau, amplitude, offset, r2, se, np.array(reasons))


def fit_timescale(
    lags: Float[np.ndarray, " L"],
    acf: Float[np.ndarray, " L"],
    *,
    zero_lag: bool = False,
    skip_dip: bool = False,
    least_r2: float = 0.5,
) -> Timescales:
    """Fit one autocorrelation.

    Args:
        lags: (L,), ms, ascending.
        acf: (L,), unitless; NaN is left out.
        zero_lag: as for `fit_timescales`.
        skip_dip: as for `fit_timescales`.
        least_r2: as for `fit_timescales`.

    Returns:
        a Timescales of one.

    Raises:
        ValueError: as `fit_timescales`.

    Source:
        as `fit_timescales`.
    """
    one = np.asarray(acf, np.float64)[..., None]
    return fit_timescales(lags, one, zero_lag=zero_lag, skip_dip=skip_dip, least_r2=least_r2)


def _reason(row: NDArray[np.float64], step: float, largest: float, least_r2: float) -> str:
    tau, amplitude, _, r2, se = row
    if not r2 >= least_r2:
        return "flat"
    if amplitude <= 0:
        return "negative"
    if tau < step:
        return "fast"
    if tau > largest:
        return "slow"
    return "" if se <= tau else "uncertain"


def _fitted(lags: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """tau, amplitude, offset, R^2 and the standard error of tau, from log tau, amplitude and offset as parameters."""
    from scipy.optimize import least_squares

    centred = y - y.mean()
    total = float(centred @ centred)
    if total <= len(y) * TINY**2:
        return np.nan, 0.0, float(y.mean()), np.nan, np.nan
    first, x = lags[0], lags - lags[0]  # the amplitude is that at the first lag, so that no decay is 0 throughout
    log_taus = np.linspace(np.log(np.diff(lags).min() / 5), np.log(50 * x[-1]), N_TAUS)

    def rate_of(p: NDArray[np.float64]) -> float:
        return float(np.exp(-min(max(p[0], log_taus[0]), log_taus[-1])))

    def residuals(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(p[1] * np.exp(-x * rate_of(p)) + p[2] - y)

    def jacobian(p: NDArray[np.float64]) -> NDArray[np.float64]:
        decay = np.exp(-x * rate_of(p))
        return np.stack([p[1] * decay * x * rate_of(p), decay, np.ones_like(x)], 1)

    found = [least_squares(residuals, p, jacobian, method="lm") for p in _starts(x, y, log_taus)]
    p, squares = min(((own.x, 2 * float(own.cost)) for own in found), key=itemgetter(1))
    J, tau = jacobian(p), 1 / rate_of(p)
    try:
        variance = squares / max(len(y) - 3, 1) * float(np.linalg.inv(J.T @ J)[0, 0])
    except np.linalg.LinAlgError:
        variance = np.inf
    se = tau * float(np.sqrt(variance)) if variance >= 0 else np.inf
    amplitude = float(p[1]) * float(np.exp(min(first / tau, MOST_LOG)))
    return tau, amplitude, float(p[2]), 1 - squares / total, se


def _starts(
    x: NDArray[np.float64], y: NDArray[np.float64], log_taus: NDArray[np.float64]
) -> list[tuple[float, float, float]]:
    """The lowest minima of the sum of squares over tau; for a given tau, the best amplitude and offset are known."""
    decays = np.exp(-x[:, None] / np.exp(log_taus))
    e, c = decays - decays.mean(0), y - y.mean()
    amplitudes = (c @ e) / np.square(e).sum(0)
    squares = np.square(c[:, None] - amplitudes * e).sum(0)
    padded = np.concatenate([[np.inf], squares, [np.inf]])
    minima = np.flatnonzero((squares <= padded[:-2]) & (squares <= padded[2:]))
    chosen = minima[np.argsort(squares[minima], kind="stable")][:MOST_STARTS]
    offsets = y.mean() - amplitudes * decays.mean(0)
    return [(float(log_taus[k]), float(amplitudes[k]), float(offsets[k])) for k in chosen]

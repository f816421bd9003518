"""Exponential decays with an offset, fitted to autocorrelations, and why a fit is not to be used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray

FEWEST_LAGS = 5  # a fit has three parameters
REASONS = ("no variance", "few lags", "flat", "negative", "fast", "slow", "uncertain")
N_TAUS = 80  # at which the sum of squares is computed, to start from its minima
MOST_STARTS = 3
MOST_STEPS, PRECISION = 60, 1e-9  # of the search for a minimum: of log tau
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
    """Fit an exponential decay with an offset to each of N autocorrelations, by least squares.

    For a given tau, the best amplitude and offset are known, so that the sum of squares is a function of tau alone
    (variable projection). Its lowest minima on a fine grid are brackets, in which secants lead to the minimum.

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
        Murray et al. 2014 (Nature Neuroscience 17:1661), Methods, equation 2; Golub & Pereyra 1973 (SIAM Journal on
        Numerical Analysis 10:413), variable projection.
    """
    lags, acf = np.asarray(lags, np.float64), np.asarray(acf, np.float64)
    if lags.ndim != 1 or acf.ndim != 2 or len(acf) != len(lags) or not (np.diff(lags) > 0).all():
        raise ValueError(
            f"lags of shape {lags.shape}, acf of shape {acf.shape}; they must be ascending lags (L,) and (L, units)"
        )
    rows, reasons = np.full((acf.shape[1], 5), np.nan), np.full(acf.shape[1], "few lags", "<U16")
    kept = ~np.isnan(acf) & (zero_lag | (lags > 0))[:, None]
    if skip_dip:
        for k in np.flatnonzero((kept & (lags <= lags[-1] / 2)[:, None]).any(0)):
            half = kept[:, k] & (lags <= lags[-1] / 2)
            kept[:, k] &= lags >= lags[half][np.argmax(acf[half, k])]
    reasons[~kept.any(0)] = "no variance"
    several = np.flatnonzero(kept.sum(0) >= FEWEST_LAGS)
    patterns, of_unit = np.unique(kept[:, several], axis=1, return_inverse=True)
    for k, own in enumerate(patterns.T):
        units = several[of_unit.reshape(-1) == k]
        rows[units] = _fitted(lags[own], acf[np.ix_(own, units)])
        for unit in units:
            reasons[unit] = _reason(rows[unit], float(np.diff(lags).min()), float(lags[own][-1]), least_r2)
    tau, amplitude, offset, r2, se = rows.T.copy()
    return Timescales(tau, amplitude, offset, r2, se, reasons)


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


def _fitted(lags: Float[np.ndarray, " L"], y: Float[np.ndarray, "L M"]) -> Float[np.ndarray, "M 5"]:
    """tau, amplitude, offset, R^2 and the standard error of tau of each autocorrelation."""
    mean = y.mean(0)
    c = y - mean
    total = np.square(c).sum(0)
    found = np.stack([np.full(len(mean), np.nan), np.zeros(len(mean)), mean, *np.full((2, len(mean)), np.nan)], 1)
    (varies,) = np.nonzero(total > len(y) * TINY**2)
    if not varies.size:
        return found
    c, total = c[:, varies], total[varies]
    first, x = lags[0], lags - lags[0]  # the amplitude is that at the first lag, so that no decay is 0 throughout
    log_taus = np.linspace(np.log(np.diff(lags).min() / 5), np.log(50 * x[-1]), N_TAUS)
    p, squares = _lowest(x, c, log_taus)
    fit = _Projection(x, c, p)
    e, q, tau = fit.decay, fit.change, np.exp(p)
    rest = q - e * (np.einsum("lm,lm->m", e, q) / fit.size)  # the part that amplitude and offset cannot make up for
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares / max(len(y) - 3, 1) / (np.square(fit.amplitude) * np.square(rest).sum(0))
    se = tau * np.sqrt(np.where(np.isnan(variance), np.inf, variance))
    amplitude = fit.amplitude * np.exp(np.minimum(first / tau, MOST_LOG))
    offset = mean[varies] - fit.amplitude * fit.mean_decay
    found[varies] = np.stack([tau, amplitude, offset, 1 - squares / total, se], 1)
    return found


class _Projection:
    """The best fits of decays with given time constants to centred autocorrelations.

    Args:
        x: lags (L,), ms, from 0.
        c: centred autocorrelations (L, M), unitless.
        p: log of tau in ms (M,).

    Attributes:
        decay: exp(-x / tau) without its mean over lags (L, M), unitless.
        mean_decay: this mean (M,), unitless.
        size: sum of squares of `decay` (M,), unitless.
        amplitude: (M,), unitless.
        change: derivative of `decay` by log tau (L, M), unitless.
    """

    def __init__(
        self, x: Float[np.ndarray, " L"], c: Float[np.ndarray, "L M"], p: Float[np.ndarray, " M"]
    ) -> None:
        self._c, self._scaled = c, x[:, None] * np.exp(-p)
        self._whole = np.exp(-self._scaled)
        self.mean_decay = self._whole.mean(0)
        self.decay = self._whole - self.mean_decay
        self.size = np.square(self.decay).sum(0)
        self.amplitude = np.einsum("lm,lm->m", c, self.decay) / self.size
        change = self._whole * self._scaled
        self.change = change - change.mean(0)

    def slope(self) -> Float[np.ndarray, " M"]:
        """Half of the derivative of the sum of squares by log tau (M,), unitless."""
        rest = self._c - self.amplitude * self.decay
        found: Float[np.ndarray, " M"] = -self.amplitude * np.einsum("lm,lm->m", rest, self.change)
        return found

    def squares(self) -> Float[np.ndarray, " M"]:
        """Sum of squares of what is left (M,), unitless."""
        left: Float[np.ndarray, " M"] = np.square(self._c - self.amplitude * self.decay).sum(0)
        return left


def _lowest(
    x: Float[np.ndarray, " L"], c: Float[np.ndarray, "L M"], log_taus: Float[np.ndarray, " P"]
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Log tau of the lowest sum of squares of each autocorrelation, and this sum."""
    decays = np.exp(-x[:, None] / np.exp(log_taus))
    e = decays - decays.mean(0)
    squares = np.square(c).sum(0) - np.square(e.T @ c) / np.square(e).sum(0)[:, None]  # (P, M)
    padded = np.pad(squares, ((1, 1), (0, 0)), constant_values=np.inf)
    ranked = np.where((squares <= padded[:-2]) & (squares <= padded[2:]), squares, np.inf)
    chosen = np.argsort(ranked, axis=0, kind="stable")[:MOST_STARTS]
    places, units = np.nonzero(np.isfinite(np.take_along_axis(ranked, chosen, 0)))
    at = chosen[places, units]
    low, high = log_taus[np.maximum(at - 1, 0)], log_taus[np.minimum(at + 1, len(log_taus) - 1)]
    p, own = _minimum(x, c[:, units], low, high, log_taus[at]), np.full((2, MOST_STARTS, c.shape[1]), np.inf)
    own[:, places, units] = p, _Projection(x, c[:, units], p).squares()
    best = own[1].argmin(0)
    return own[0][best, np.arange(c.shape[1])], own[1].min(0)


def _minimum(
    x: Float[np.ndarray, " L"],
    c: Float[np.ndarray, "L M"],
    low: Float[np.ndarray, " M"],
    high: Float[np.ndarray, " M"],
    p: Float[np.ndarray, " M"],
) -> Float[np.ndarray, " M"]:
    """Where the derivative of the sum of squares is 0 between two values of log tau, or the end to which it falls."""
    low, high, p = low.copy(), high.copy(), p.copy()
    before, slope_before = np.full((2, len(p)), np.nan)
    going = np.arange(len(p))
    for _ in range(MOST_STEPS):
        slope = _Projection(x, c[:, going], p[going]).slope()
        down = slope < 0
        low[going[down]], high[going[~down]] = p[going[down]], p[going[~down]]
        with np.errstate(divide="ignore", invalid="ignore"):  # no step before the first
            secant = p[going] - slope * (p[going] - before[going]) / (slope - slope_before[going])
        inside = (secant > low[going]) & (secant < high[going])
        new = np.where(inside, secant, (low[going] + high[going]) / 2)
        before[going], slope_before[going] = p[going], slope
        p[going] = np.where(slope == 0, p[going], new)
        going = going[np.abs(p[going] - before[going]) > PRECISION]
        if not going.size:
            break
    return p

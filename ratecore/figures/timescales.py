"""Figures of intrinsic timescales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ratecore.figures.style import COLORS, axes_or_new, color_of, legend

N_EXAMPLES = 3  # units whose autocorrelations are drawn


def autocorrelations(
    ax: Axes | None,
    lags: Float[np.ndarray, " L"],
    acf: Float[np.ndarray, "L N"],
    fits: Float[np.ndarray, "3 N"],
    usable: Bool[np.ndarray, " N"],
    mean_acf: Float[np.ndarray, " L"] | None = None,
    population: Float[np.ndarray, " 3"] | None = None,
) -> Axes:
    """Draw autocorrelations as dots and the fitted decays as lines: of a fast, a middle and a slow unit, and the mean.

    Args:
        ax: to draw into; a new one when None.
        lags: (L,), ms.
        acf: of each unit (L, N), unitless.
        fits: timescale (ms), amplitude and offset of each unit (3, N).
        usable: whether each unit's fit is (N,).
        mean_acf: mean over units (L,), unitless.
        population: timescale (ms), amplitude and offset of the mean (3,); NaN without a usable fit.

    Returns:
        the axes.

    Source:
        Murray et al. 2014 (Nature Neuroscience 17:1661), Fig. 1.
    """
    ax = axes_or_new(ax)
    order = np.flatnonzero(usable)[np.argsort(fits[0, usable], kind="stable")]
    places = np.linspace(0.1, 0.9, N_EXAMPLES) * max(len(order) - 1, 0)
    chosen = order[np.unique(np.rint(places).astype(int))] if len(order) else order
    rows = [(acf[:, k], fits[:, k], f"unit {k}", color_of(i)) for i, k in enumerate(chosen)]
    if mean_acf is not None:
        rows.append((mean_acf, np.full(3, np.nan) if population is None else population, "mean", "k"))
    later, fine = lags > 0, np.linspace(lags[lags > 0].min(), lags.max(), 200)
    for values, (tau, amplitude, offset), name, color in rows:
        fitted = not np.isnan(tau)
        label = f"{name}: {tau:.0f} ms" if fitted else name
        ax.plot(lags[later], values[later], "o", ms=2.5, mew=0, color=color, label=label)
        if fitted:
            ax.plot(fine, amplitude * np.exp(-fine / tau) + offset, lw=1, color=color)
    ax.axhline(0, color="0.7", lw=0.6, zorder=0)
    ax.set(xlabel="lag (ms)", ylabel="autocorrelation", xlim=(0, None))
    if rows:
        legend(ax)
    return ax


def timescale_distribution(
    ax: Axes | None,
    taus: Sequence[Float[np.ndarray, " _"]],
    usable: Sequence[Bool[np.ndarray, " _"]],
    synaptic: Sequence[Float[np.ndarray, " _"]] | None = None,
    labels: Sequence[str] = (),
) -> Axes:
    """Draw the cumulative distribution of timescales over units, a line per network, and that of synaptic decay times.

    Args:
        ax: to draw into; a new one when None.
        taus: of each network: timescales of its units (N,), ms.
        usable: of each network: whether the fits are (N,). The lines end at the share of units that have one.
        synaptic: of each network: synaptic decay times (N,), ms, thin and grey.
        labels: of the networks; without them, or with more than there are colours, one stands for all.

    Returns:
        the axes.

    Source: none
    """
    ax = axes_or_new(ax)
    if len(labels) != len(taus) or len(labels) > len(COLORS):
        labels = ["intrinsic", *[""] * (len(taus) - 1)]
    for k, values in enumerate(synaptic or []):
        _steps(ax, values, len(values), color="0.6", lw=0.8, label="" if k else "synaptic")
    for k, (values, good) in enumerate(zip(taus, usable, strict=True)):
        _steps(ax, values[good], len(values), color=color_of(k), lw=1.3, label=labels[k])
    ax.set(xscale="log", xlabel="time constant (ms)", ylabel="share of units", ylim=(0, 1.03))
    _plain_ticks(ax, [*taus, *(synaptic or [])], [*usable, *(np.ones(len(s), bool) for s in synaptic or [])], "x")
    legend(ax)
    return ax


def timescales_against_synapses(
    ax: Axes | None,
    taus: Sequence[Float[np.ndarray, " _"]],
    synaptic: Sequence[Float[np.ndarray, " _"]],
    usable: Sequence[Bool[np.ndarray, " _"]],
    inhibitory: Sequence[Bool[np.ndarray, " _"]],
) -> Axes:
    """Draw each unit's timescale against its synaptic decay time, of the units of all networks with a usable fit.

    Args:
        ax: to draw into; a new one when None.
        taus: of each network: timescales of its units (N,), ms.
        synaptic: of each network: synaptic decay times (N,), ms.
        usable: of each network: whether the fits are (N,).
        inhibitory: of each network: whether its units are (N,).

    Returns:
        the axes. The dashed line is where both are the same.

    Source:
        Kim & Sejnowski 2021 (Nature Neuroscience 24:129).
    """
    ax = axes_or_new(ax)
    x, y, good, inh = (np.concatenate(list(parts)) for parts in (synaptic, taus, usable, inhibitory))
    for kind, chosen, marker, color in (
        ("excitatory", good & ~inh, "o", COLORS[1]),
        ("inhibitory", good & inh, "s", COLORS[0]),
    ):
        ax.plot(x[chosen], y[chosen], marker, ls="", ms=3.5, mew=0, alpha=0.6, color=color, label=kind)
    if x.size:
        ends = np.array([x.min(), x.max()])
        ax.plot(ends, ends, color="0.4", lw=0.8, ls="--", label="equal")
    ax.set(xscale="log", yscale="log", xlabel="synaptic decay time (ms)", ylabel="intrinsic timescale (ms)")
    _plain_ticks(ax, [x], [np.ones(len(x), bool)], "x")
    _plain_ticks(ax, [y, x], [good, np.ones(len(x), bool)], "y")
    legend(ax)
    return ax


def _steps(ax: Axes, values: Float[np.ndarray, " _"], n: int, color: str, lw: float, label: str) -> None:
    x = np.sort(values)
    if x.size:
        share = np.arange(1, len(x) + 1) / n
        ax.plot(
            np.concatenate([x[:1], x]), np.concatenate([[0.0], share]), color=color, lw=lw, label=label, ds="steps-post"
        )


def _plain_ticks(
    ax: Axes, values: Sequence[Float[np.ndarray, " _"]], kept: Sequence[Bool[np.ndarray, " _"]], which: str
) -> None:
    """Ticks of a logarithmic axis at 1, 2, 5, 10 ... ms, in plain numbers, since decades are too few."""
    shown = np.concatenate([v[k] for v, k in zip(values, kept, strict=True)])
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_minor_locator(NullLocator())
    if shown.size:
        low, high = float(shown.min()) / 1.1, float(shown.max()) * 1.1
        ticks = [m * 10.0**d for d in range(-1, 7) for m in (1, 2, 5) if low <= m * 10.0**d <= high]
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        (ax.set_xlim if which == "x" else ax.set_ylim)(low, high)

"""Fixed and slow points: with trajectories in a plane, their modes, and what their slowest mode takes up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex, Float, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ratecore.figures.style import STEP_MS, axes_or_new, color_of

# Marker, whether it is filled, and name of each kind of point
MARKERS = {
    "stable": ("o", True, "stable point"),
    "saddle": ("X", False, "saddle"),
    "unstable": ("s", False, "unstable point"),
    "marginal": ("D", False, "marginal point"),
    "kink": ("P", False, "point at a kink"),
    "slow": ("^", False, "slow point"),
}
SPEED_COLORS = "cividis"  # for all eyes


def slow_points(
    axis: Axes | None,
    trajectories: Float[np.ndarray, "C T 2"],
    names: Sequence[str],
    slow: Float[np.ndarray, "M 2"],
    speed: Float[np.ndarray, " M"],
    fixed: Float[np.ndarray, "K 2"],
    kinds: Shaped[np.ndarray, " K"],
    *,
    limits: tuple[float, float] | None = None,
    colorbar: bool = True,
) -> Axes:
    """Draw trajectories, slow points coloured by their speed, and fixed points in a plane.

    Args:
        axis: a new one when None.
        trajectories: of each condition (C, T, 2), in units of x, such as its first principal components; from the
            filled end of each to the dot.
        names: of the conditions.
        slow: slow points (M, 2), in units of x.
        speed: |dx/dt| of each (M,), 1/ms.
        fixed: fixed points (K, 2), in units of x.
        kinds: of the fixed points (K,), as in `ratecore.analysis.fixed_points.KINDS`.
        limits: speeds of the first and the last colour, 1/ms, such as those of several panels; the panel's own when
            None.
        colorbar: whether to explain the colours of the speed.

    Returns:
        the axis.

    Source:
        Mante et al. 2013, Nature 503:78, Fig. 5.
    """
    axis = axes_or_new(axis, 4.6, 3.4)
    for k, (trajectory, name) in enumerate(zip(trajectories, names, strict=True)):
        there = trajectory[~np.isnan(trajectory).any(1)]
        axis.plot(*there.T, color=color_of(k), lw=1, alpha=0.8, label=name)
        axis.plot(*there[-1:].T, ".", color=color_of(k), ms=6)
    if len(slow):
        norm = LogNorm(*(limits or speed_limits(speed)), clip=True)
        drawn = axis.scatter(slow[:, 0], slow[:, 1], c=speed, norm=norm, cmap=SPEED_COLORS, s=9, zorder=3, lw=0)
        if colorbar:
            axis.figure.colorbar(drawn, ax=axis, label="speed (1/ms)", pad=0.02)
    for kind in in_order(kinds):
        marker, filled, label = MARKERS[kind]
        axis.plot(
            *fixed[kinds == kind].T, marker, ms=8, mew=1.3, mec="k", mfc="k" if filled else "w", zorder=4, label=label
        )
    axis.set(xlabel="PC 1 of x", ylabel="PC 2 of x")
    return axis


def speed_limits(speed: Float[np.ndarray, " M"]) -> tuple[float, float]:
    """Choose the range of colours for speeds, so that points that are all but at rest do not take up most of it.

    Args:
        speed: of slow points (M,), 1/ms.

    Returns:
        smallest and largest, 1/ms.

    Source: none
    """
    top = max(float(speed.max()), 1e-12)
    return min(max(float(np.percentile(speed, 5)), top / 100), top / 2), top


def in_order(kinds: Shaped[np.ndarray, " K"]) -> list[str]:
    """Kinds of points that there are, as legends list them.

    Args:
        kinds: of points (K,).

    Returns:
        each kind once.

    Source: none
    """
    there = set(kinds.tolist())
    return [kind for kind in MARKERS if kind in there]


def modes(
    axis: Axes | None,
    multipliers: Sequence[Complex[np.ndarray, " N"]],
    kinds: Shaped[np.ndarray, " K"],
) -> Axes:
    """Draw the modes of fixed points by time constant and frequency.

    Args:
        axis: a new one when None.
        multipliers: eigenvalues mu of one step at each of K points, (N,) each, unitless.
        kinds: of the points (K,).

    Returns:
        the axis: time constants -5 ms / ln|mu| on x, frequencies on y. Open symbols are modes that grow.

    Source:
        docs/model.md 1.1, equation 1.
    """
    axis = axes_or_new(axis, 4.2, 3.0)
    for k, kind in enumerate(in_order(kinds)):
        mu = np.concatenate([m for m, own in zip(multipliers, kinds, strict=True) if own == kind])
        with np.errstate(divide="ignore"):
            tau = -STEP_MS / np.log(np.abs(mu))
        hertz = np.abs(np.angle(mu)) / (2 * np.pi * STEP_MS) * 1e3
        shown = np.isfinite(tau) & (tau != 0)
        for growing in (False, True):
            chosen = shown & ((tau < 0) == growing)
            if chosen.any():
                label = f"{MARKERS[kind][2]}{', growing' if growing else ''}"
                face = "none" if growing else color_of(k)
                axis.plot(
                    np.abs(tau[chosen]),
                    hertz[chosen],
                    "o",
                    ms=6 if growing else 3,
                    mec=color_of(k),
                    mfc=face,
                    mew=1.2 if growing else 0,
                    alpha=1 if growing else 0.5,
                    label=label,
                )
    axis.set(xscale="log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(xlabel="time constant of the mode (ms)", ylabel="frequency (Hz)")
    return axis


def selection(
    axis: Axes | None,
    cosines: Sequence[Float[np.ndarray, "L n_in"]],
    contexts: Sequence[str],
    inputs: Sequence[str] | None = None,
) -> Axes:
    """Draw how far the slowest modes take up each input, by context.

    Args:
        axis: a new one when None.
        cosines: of the selection vectors and each input at several points or of several networks (L, n_in) for each
            context, in [-1, 1], unitless.
        contexts: their names.
        inputs: names of the inputs; numbers when None.

    Returns:
        the axis: a group for each input, a colour for each context, and bars at the means.

    Source:
        Mante et al. 2013, Nature 503:78, Fig. 5.
    """
    axis = axes_or_new(axis, 4.2, 3.0)
    n_in = cosines[0].shape[1]
    width = 0.8 / len(cosines)
    axis.axhline(0, color="0.7", lw=0.8, zorder=0)
    for k, (values, name) in enumerate(zip(cosines, contexts, strict=True)):
        if not len(values):
            continue
        middle = np.arange(n_in) + (k - (len(cosines) - 1) / 2) * width
        spread = np.linspace(-0.3, 0.3, len(values))[:, None] * width  # so that points do not hide each other
        axis.plot((middle + spread).ravel(), values.ravel(), "o", ms=3, mew=0, alpha=0.5, color=color_of(k))
        axis.hlines(values.mean(0), middle - 0.4 * width, middle + 0.4 * width, color=color_of(k), lw=2, label=name)
    labels = [f"input {i}" for i in range(n_in)] if inputs is None else list(inputs)
    axis.set_xticks(range(n_in), labels)
    axis.set(ylabel="cosine with the selection vector")
    return axis

"""Outputs of one network by condition, and the spikes of one of its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from ratecore.figures.style import COLORS, STEP_MS, Window, Windows, axes_or_new, color_of, mark_windows

UNIT_COLORS = {"E": COLORS[0], "I": COLORS[1], "SST": COLORS[2]}
Outputs = Mapping[str, tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]]


def example_outputs(
    ax: Axes | None,
    outputs: Outputs,
    stimulus_windows: Windows,
    response: Window,
    thresholds: Sequence[float] = (),
) -> Axes:
    """Draw the mean output of each condition with a band of one SD over trials.

    Args:
        ax: axes to draw into; new ones when None.
        outputs: by condition: mean and SD (T,), unitless, in rate steps; NaN is not drawn.
        stimulus_windows: (K, 2), rate steps, shaded.
        response: (2,), rate steps, a bar at the bottom.
        thresholds: outputs of the task's criterion, unitless, dashed.

    Returns:
        the axes; time is in ms.

    Source:
        Kim et al. 2019, Fig. 1B and 2B.
    """
    ax = axes_or_new(ax)
    for i, (name, (mean, sd)) in enumerate(outputs.items()):
        time = np.arange(len(mean)) * STEP_MS
        ax.plot(time, mean, color=color_of(i), lw=1.0, label=name)
        ax.fill_between(time, mean - sd, mean + sd, color=color_of(i), alpha=0.2, lw=0)
    for k, level in enumerate(thresholds):
        label = "" if k else "threshold" if len(thresholds) == 1 else "thresholds"
        ax.axhline(level, color="0.5", lw=0.7, ls=(0, (3, 2)), zorder=1, label=label)
    longest = max((len(mean) for mean, _ in outputs.values()), default=1)
    ax.set_xlim(0, longest * STEP_MS)
    mark_windows(ax, stimulus_windows, response)
    ax.set(xlabel="time (ms)", ylabel="output")
    return ax


def example_raster(
    ax: Axes | None,
    times: Float[np.ndarray, " S"],
    units: Int[np.ndarray, " S"],
    unit_type: Sequence[str],
    stimulus_windows: Windows,
    duration: float,
) -> Axes:
    """Draw the spikes of one trial, excitatory units below, then inhibitory and SST units.

    Args:
        ax: axes to draw into; new ones when None.
        times: of the spikes (S,), ms.
        units: of the spikes (S,), from 0.
        unit_type: 'E', 'I' or 'SST' of each unit.
        stimulus_windows: (K, 2), rate steps, shaded.
        duration: of the trial, ms.

    Returns:
        the axes, with the number of units of each type in their labels.

    Source:
        Kim et al. 2019, Fig. 2B.
    """
    ax = axes_or_new(ax)
    types = np.asarray(unit_type)
    order = np.concatenate([np.flatnonzero(types == kind) for kind in UNIT_COLORS])
    row = np.empty(len(types), int)
    row[order] = np.arange(len(types))
    for kind, color in UNIT_COLORS.items():
        if not (types == kind).any():
            continue
        own = types[units] == kind
        label = f"{kind} units ({int((types == kind).sum())})"
        ax.plot(
            times[own], row[units[own]], ls="", marker=".", ms=1.6, mew=0, color=color, label=label, rasterized=True
        )
    for start, stop in stimulus_windows:
        ax.axvspan(start * STEP_MS, stop * STEP_MS, color="0.9", zorder=0, lw=0)
    ax.set(xlabel="time (ms)", ylabel="unit", xlim=(0, duration), ylim=(-1, len(types)))
    return ax

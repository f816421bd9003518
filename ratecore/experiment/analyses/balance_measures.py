"""What the analyses of balance share, of rate and of spiking networks: measures in parts, arrays, and figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray

from ratecore.experiment.analyses.results import Arrays, Networks
from ratecore.experiment.analyses.selectivity import window_of
from ratecore.settings.analysis import BalanceSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.analysis.currents import Currents
    from ratecore.tasks.base import AbstractTask

STEP_MS = 5  # of rate networks
AT_ONCE = 100  # receiving units whose currents of all trials are in memory together
LEAST = 0.1  # share of units with a lag below which their median says nothing about the network
MEASURES = ("ratio", "mean_ratio", "correlation", "lag_ms")
KINDS = ("excitatory", "inhibitory", "external")

Groups = dict[str, Bool[np.ndarray, " N"]]


def window_steps(
    task: AbstractTask, settings: BalanceSettings, T: int, step_ms: float, analysis: str
) -> tuple[int, int]:
    """Find the steps of the trial that count.

    Args:
        task: as it is tested.
        settings: of the analysis.
        T: number of steps.
        step_ms: length of a step, ms.
        analysis: its name, for messages.

    Returns:
        first step of the window, and first step after it.

    Raises:
        ValueError: there is none.

    Source: none
    """
    first, end = (round(time / step_ms) for time in window_of(task, settings.window))
    start, stop = max(first, round(settings.skip_ms / step_ms)), min(end, T)
    if start >= stop:
        raise ValueError(
            f"analysis.{analysis}.skip_ms = {settings.skip_ms:g}: nothing is left of the window '{settings.window}', "
            f"which ends at {stop * step_ms:g} ms"
        )
    return start, stop


def measured(
    currents_onto: Callable[[Bool[np.ndarray, " N"]], Currents],
    groups: Groups,
    conditions: Shaped[np.ndarray, " B"],
    window: tuple[int, int],
    settings: BalanceSettings,
    step_ms: float,
) -> dict[str, NDArray[Any]]:
    """Measure the balance of all units, some at a time.

    Args:
        currents_onto: gives the currents onto some units (N,), whose conditions are those below.
        groups: the units of each type (N,).
        conditions: of the trials (B,).
        window: first step that counts, and first step after it.
        settings: of the analysis.
        step_ms: length of a step, ms.

    Returns:
        by name, measures of each unit (..., N), and mean courses of the currents onto units of each type (C, G, T).

    Source: none
    """
    units = np.arange(len(next(iter(groups.values()))))
    parts = []
    for first in range(0, len(units), AT_ONCE):
        onto = (units >= first) & (units < first + AT_ONCE)
        shares = np.array([own[onto] / own.sum() for own in groups.values()])
        parts.append(_part(currents_onto(onto), shares, conditions, window, settings, step_ms))
    whole = {name: np.concatenate([part[name] for part in parts], -1) for name in parts[0] if name not in KINDS}
    return {**{kind: np.sum([part[kind] for part in parts], 0) for kind in KINDS}, **whole}


def _part(
    found: Currents,
    shares: Float[np.ndarray, "G M"],
    conditions: Shaped[np.ndarray, " B"],
    window: tuple[int, int],
    settings: BalanceSettings,
    step_ms: float,
) -> dict[str, NDArray[Any]]:
    """Measures of some units, and their contribution to the means over all units of each type (C, G, T)."""
    from ratecore.analysis.balance import balance, noise_correlation
    from ratecore.analysis.trials import condition_means, mean_there

    if settings.external:
        found = found.with_external()
    inside = found.between(*window)
    of_units = balance(inside, max_lag_ms=settings.max_lag_ms, step_ms=step_ms)
    courses = {
        kind: condition_means(getattr(found, kind) @ shares.T, conditions)[1].transpose(0, 2, 1) for kind in KINDS
    }
    return {
        **courses,
        "unit_excitatory": of_units.excitatory,
        "unit_inhibitory": of_units.inhibitory,
        "unit_external": mean_there(inside.external, (0, 1)),
        **{name: getattr(of_units, name) for name in (*MEASURES, "ei_ratio", "cross_correlation")},
        "noise_correlation": noise_correlation(inside, conditions),
    }


def arrays_of(found: Arrays, groups: Groups, W: Float[np.ndarray, "N N"], T: int, step_ms: float) -> Arrays:
    """The arrays that both analyses have.

    Args:
        found: as of `measured`.
        groups: the units of each type (N,).
        W: effective weights (N, N), unitless.
        T: number of steps.
        step_ms: length of a step, ms.

    Returns:
        by name, as the table of the analyses says.

    Source: none
    """
    from ratecore.analysis.balance import weight_balance
    from ratecore.analysis.currents import onto_types

    crossed = found["cross_correlation"]
    return {
        "times": np.arange(T) * step_ms,
        "types": np.array(list(groups)),
        **{name: array for name, array in found.items() if name not in ("cross_correlation", "ei_ratio")},
        "unit_type": np.select(list(groups.values()), list(groups), ""),
        "lags": np.arange(-(len(crossed) // 2), len(crossed) // 2 + 1) * step_ms,
        "cross_correlation": onto_types(crossed, groups).T,
        "weights": weight_balance(W),
    }


def numbers_of(measures: Arrays, groups: Groups) -> dict[str, float]:
    """Medians and means over units.

    Args:
        measures: as of `measured`, with `weights`.
        groups: the units of each type (N,).

    Returns:
        numbers by name, as the table of the analyses says.

    Source: none
    """
    numbers = {name: _median(measures[name]) for name in (*MEASURES, "noise_correlation", "ei_ratio", "weights")}
    for name, units in (("exc", groups.get("E", groups.get("all"))), ("inh", groups.get("I"))):
        for kind in KINDS[:2]:
            own = measures[f"unit_{kind}"][units] if units is not None else np.array([])
            numbers[f"{kind[:3]}_onto_{name}"] = float(own.mean()) if own.size else float("nan")
    numbers["with_lag"] = float((~np.isnan(measures["lag_ms"])).mean())
    if numbers["with_lag"] < LEAST:
        numbers["lag_ms"] = float("nan")
    return numbers


def _median(values: Float[np.ndarray, " N"]) -> float:
    there = values[~np.isnan(values)]
    return float(np.median(there)) if there.size else float("nan")


def balance_figures(networks: Networks, analysis: str, unit: str = "units of x") -> dict[str, Figure]:
    """Draw currents over time of the first network, and the balance of the units of all of them.

    Args:
        networks: the arrays of each.
        analysis: its name, with which those of the figures begin.
        unit: of the currents.

    Returns:
        figures by name.
    """
    from ratecore.figures.balance import correlations, exc_against_inh
    from ratecore.figures.style import new_figure

    figure, axes = new_figure(8.0, 3.2, columns=2)
    joined = {
        name: np.concatenate([a[name] for a in networks.values()])
        for name in ("unit_excitatory", "unit_inhibitory", "unit_type", "correlation")
    }
    exc_against_inh(axes[0], joined["unit_excitatory"], joined["unit_inhibitory"], joined["unit_type"], unit)
    correlations(axes[1], joined["correlation"], joined["unit_type"])
    label, first = next(iter(networks.items()))
    return {f"{analysis}_currents": currents_figure(first, label, unit), f"{analysis}_units": figure}


def currents_figure(arrays: Arrays, title: str = "", unit: str = "units of x") -> Figure:
    """Draw the mean currents of a network over time, a panel for each type of units.

    Args:
        arrays: of the analysis.
        title: of the network.
        unit: of the currents.

    Returns:
        the figure.
    """
    from ratecore.figures.balance import currents_over_time
    from ratecore.figures.style import legend, mark_windows, new_figure, title_over

    types = arrays["types"].tolist()
    figure, axes = new_figure(1.6 + 3.4 * len(types), 3.2, columns=len(types), squeeze=False, sharey=True)
    windows = np.rint(arrays["stimulus"] / STEP_MS).astype(int)
    for g, (axis, name) in enumerate(zip(axes[0], types, strict=True)):
        exc, inh, external = (arrays[kind][:, g] for kind in KINDS)
        currents_over_time(axis, arrays["times"], exc, inh, external, arrays["conditions"].tolist(), unit)
        title_over(axis, f"onto {name} units" + (f", {title}" if title else ""))
    for axis in axes[0]:
        mark_windows(axis, windows)
    legend(axes[0, -1])
    for axis in axes[0, 1:]:
        axis.set_ylabel("")
    return figure

"""Analysis 'balance': excitatory and inhibitory currents, and how far they balance each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Arrays, Networks
from ratecore.experiment.analyses.selectivity import window_of
from ratecore.settings.analysis import BalanceSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.analysis.balance import Balance
    from ratecore.analysis.currents import Currents
    from ratecore.rate.network import RateNetwork
    from ratecore.rate.results import Activity

STEP_MS = 5
LEAST = 0.1  # share of units with a lag below which their median says nothing about the network
MEASURES = ("ratio", "mean_ratio", "correlation", "lag_ms")
KINDS = ("excitatory", "inhibitory", "external")

Groups = dict[str, Bool[np.ndarray, " N"]]


def analyse(material: Material, settings: BalanceSettings) -> AnalysisResult:
    """Compute the currents in the network as the evaluation tests it, and their balance.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Raises:
        ValueError: the window has no steps after `skip_ms`, or is too short for `max_lag_ms`.

    Source:
        docs/model.md 1.1, equation 1; `ratecore.analysis.balance`.
    """
    from ratecore.analysis import balance as bal
    from ratecore.analysis import currents as cur

    net, drawn = material.tested_net, material.activity(settings.n_trials)
    inh = material.inhibitory if net.settings.apply_dale else None
    W = weights_of(net)
    groups = cur.units_by_type(inh, len(W))
    found = currents_of(net, drawn, inh)
    if settings.external:
        found = found.with_external()
    start, stop = _window(material, settings)
    inside = found.between(start, stop)
    measured = bal.balance(inside, max_lag_ms=settings.max_lag_ms)
    noise = bal.noise_correlation(inside, drawn.scores.conditions)
    of_rows = bal.weight_balance(W)
    sizes = net.settings.area_sizes()
    of_units = [area for area, n in sizes.items() for _ in range(n)]
    names, *by_area = cur.mean_currents_by_area(drawn.r[:, start:stop], W, of_units or np.zeros(len(W), int), inh)
    arrays = {
        "times": np.arange(drawn.r.shape[1]) * float(STEP_MS),
        "stimulus": np.array(material.task.stimulus_windows, float).reshape(-1, 2) * STEP_MS,
        "window": np.array([start, stop], float) * STEP_MS,
        **_courses(found, drawn.scores.conditions, groups),
        **_of_units(inside, measured, groups),
        "noise_correlation": noise,
        "weights": of_rows,
        "areas": np.array(names if sizes else [], str),
        "area_excitatory": by_area[0][: len(sizes), : len(sizes)],
        "area_inhibitory": by_area[1][: len(sizes), : len(sizes)],
    }
    return AnalysisResult(_numbers(measured, noise, of_rows, groups), arrays)


def weights_of(net: RateNetwork) -> Float[np.ndarray, "N N"]:
    """The effective weights of a network.

    Args:
        net: the network.

    Returns:
        (N, N), unitless, row = receiving unit.

    Source:
        docs/model.md 1.2, equation 4.
    """
    W: Float[np.ndarray, "N N"] = net.effective_weights().detach().double().cpu().numpy()
    return W


def currents_of(net: RateNetwork, drawn: Activity, inhibitory: Bool[np.ndarray, " N"] | None) -> Currents:
    """The currents of a network in trials, with that of a stimulation among the external ones.

    Args:
        net: the network.
        drawn: its activity.
        inhibitory: which units are inhibitory (N,); None without Dale's law.

    Returns:
        the currents.

    Source:
        docs/model.md 1.1, equation 1, and 8.
    """
    from ratecore.analysis.currents import currents

    T = drawn.r.shape[1]
    stimulation: Any = getattr(net, "stimulation", None)
    added = None if stimulation is None else stimulation.on(T)[:, None] * stimulation.current
    w_in = net.w_in.detach().double().cpu().numpy()
    return currents(drawn.r, weights_of(net), inhibitory, u=drawn.u, w_in=w_in, added=added)


def _window(material: Material, settings: BalanceSettings) -> tuple[int, int]:
    """First step of the window, and first step after it."""
    first, end = (round(time / STEP_MS) for time in window_of(material.task, settings.window))
    start, stop = max(first, round(settings.skip_ms / STEP_MS)), min(end, material.task.T)
    if start >= stop:
        raise ValueError(
            f"analysis.balance.skip_ms = {settings.skip_ms:g}: nothing is left of the window '{settings.window}', "
            f"which ends at {stop * STEP_MS} ms"
        )
    return start, stop


def _courses(found: Currents, conditions: NDArray[Any], groups: Groups) -> dict[str, NDArray[Any]]:
    """Mean currents over time by condition and type of units."""
    from ratecore.analysis.currents import onto_types
    from ratecore.analysis.trials import condition_means

    courses: dict[str, NDArray[Any]] = {"types": np.array(list(groups))}
    for kind in KINDS:
        names, means = condition_means(onto_types(getattr(found, kind), groups), conditions)
        courses[kind] = means.transpose(0, 2, 1)
    return {"conditions": np.array([str(name) for name in names]), **courses}


def _of_units(inside: Currents, measured: Balance, groups: Groups) -> dict[str, NDArray[Any]]:
    """Means and measures of each unit."""
    from ratecore.analysis.currents import onto_types
    from ratecore.analysis.trials import mean_there

    kinds = np.select(list(groups.values()), list(groups), "")
    return {
        "unit_excitatory": measured.excitatory,
        "unit_inhibitory": measured.inhibitory,
        "unit_external": mean_there(inside.external, (0, 1)),
        "unit_type": kinds,
        **{name: getattr(measured, name) for name in MEASURES},
        "lags": measured.lags,
        "cross_correlation": onto_types(measured.cross_correlation, groups).T,
    }


def _numbers(
    measured: Balance, noise: Float[np.ndarray, " N"], of_rows: Float[np.ndarray, " N"], groups: Groups
) -> dict[str, float]:
    numbers = {name: _median(getattr(measured, name)) for name in MEASURES}
    for name, units in (("exc", groups.get("E", groups.get("all"))), ("inh", groups.get("I"))):
        for kind in KINDS[:2]:
            own = getattr(measured, kind)[units] if units is not None else np.array([])
            numbers[f"{kind[:3]}_onto_{name}"] = float(own.mean()) if own.size else float("nan")
    with_lag = float((~np.isnan(measured.lag_ms)).mean())
    return {
        **numbers,
        "noise_correlation": _median(noise),
        "lag_ms": numbers["lag_ms"] if with_lag >= LEAST else float("nan"),
        "with_lag": with_lag,
        "ei_ratio": _median(measured.ei_ratio),
        "weights": _median(of_rows),
    }


def _median(values: Float[np.ndarray, " N"]) -> float:
    there = values[~np.isnan(values)]
    return float(np.median(there)) if there.size else float("nan")


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw currents over time of the first network, and the balance of the units of all of them.

    Args:
        networks: the arrays of each.

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
    exc_against_inh(axes[0], joined["unit_excitatory"], joined["unit_inhibitory"], joined["unit_type"])
    correlations(axes[1], joined["correlation"], joined["unit_type"])
    label, first = next(iter(networks.items()))
    return {"balance_currents": currents_figure(first, label), "balance_units": figure}


def currents_figure(arrays: Arrays, title: str = "") -> Figure:
    """Draw the mean currents of a network over time, a panel for each type of units.

    Args:
        arrays: of the analysis.
        title: of the network.

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
        currents_over_time(axis, arrays["times"], exc, inh, external, arrays["conditions"].tolist())
        title_over(axis, f"onto {name} units" + (f", {title}" if title else ""))
    for axis in axes[0]:
        mark_windows(axis, windows)
    legend(axes[0, -1])
    for axis in axes[0, 1:]:
        axis.set_ylabel("")
    return figure

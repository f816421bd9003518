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

    from ratecore.analysis.currents import Currents
    from ratecore.rate.network import RateNetwork
    from ratecore.rate.results import Activity

STEP_MS = 5
AT_ONCE = 100  # receiving units whose currents of all trials are in memory together
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
    from ratecore.analysis.balance import weight_balance
    from ratecore.analysis.currents import mean_currents_by_area, onto_types, units_by_type

    net, drawn = material.tested_net, material.activity(settings.n_trials)
    inh = material.inhibitory if net.settings.apply_dale else None
    W, (start, stop) = weights_of(net), _window(material, settings)
    groups = units_by_type(inh, len(W))
    units = np.arange(len(W))
    parts = [
        _part((units >= first) & (units < first + AT_ONCE), net, drawn, inh, groups, (start, stop), settings)
        for first in range(0, len(W), AT_ONCE)
    ]
    measured = {name: np.concatenate([part[name] for part in parts], -1) for name in parts[0] if name not in KINDS}
    of_rows = weight_balance(W)
    sizes = net.settings.area_sizes()
    of_units = [area for area, n in sizes.items() for _ in range(n)]
    names, *by_area = mean_currents_by_area(drawn.r[:, start:stop], W, of_units or np.zeros(len(W), int), inh)
    crossed = measured.pop("cross_correlation")
    numbers = _numbers({**measured, "weights": of_rows}, groups)
    del measured["ei_ratio"]
    lags = np.arange(-(len(crossed) // 2), len(crossed) // 2 + 1) * float(STEP_MS)
    arrays = {
        "times": np.arange(drawn.r.shape[1]) * float(STEP_MS),
        "stimulus": np.array(material.task.stimulus_windows, float).reshape(-1, 2) * STEP_MS,
        "window": np.array([start, stop], float) * STEP_MS,
        "conditions": np.unique(drawn.scores.conditions).astype(str),
        "types": np.array(list(groups)),
        **{kind: np.sum([part[kind] for part in parts], 0) for kind in KINDS},
        **measured,
        "unit_type": np.select(list(groups.values()), list(groups), ""),
        "lags": lags,
        "cross_correlation": onto_types(crossed, groups).T,
        "weights": of_rows,
        "areas": np.array(names if sizes else [], str),
        "area_excitatory": by_area[0][: len(sizes), : len(sizes)],
        "area_inhibitory": by_area[1][: len(sizes), : len(sizes)],
    }
    return AnalysisResult(numbers, arrays)


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


def currents_of(
    net: RateNetwork,
    drawn: Activity,
    inhibitory: Bool[np.ndarray, " N"] | None,
    onto: Bool[np.ndarray, " N"] | None = None,
) -> Currents:
    """The currents of a network in trials, with that of a stimulation among the external ones.

    Args:
        net: the network.
        drawn: its activity.
        inhibitory: which units are inhibitory (N,); None without Dale's law.
        onto: which units receive them (N,); all by default.

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
    return currents(drawn.r, weights_of(net), inhibitory, u=drawn.u, w_in=w_in, added=added, onto=onto)


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


def _part(
    onto: Bool[np.ndarray, " N"],
    net: RateNetwork,
    drawn: Activity,
    inhibitory: Bool[np.ndarray, " N"] | None,
    groups: Groups,
    window: tuple[int, int],
    settings: BalanceSettings,
) -> dict[str, NDArray[Any]]:
    """Measures of some units, and their contribution to the means over all units of each type (C, G, T)."""
    from ratecore.analysis.balance import balance, noise_correlation
    from ratecore.analysis.trials import condition_means, mean_there

    found = currents_of(net, drawn, inhibitory, onto)
    if settings.external:
        found = found.with_external()
    inside, conditions = found.between(*window), drawn.scores.conditions
    measured = balance(inside, max_lag_ms=settings.max_lag_ms)
    shares = np.array([units[onto] / units.sum() for units in groups.values()])
    courses = {
        kind: condition_means(getattr(found, kind) @ shares.T, conditions)[1].transpose(0, 2, 1) for kind in KINDS
    }
    return {
        **courses,
        "unit_excitatory": measured.excitatory,
        "unit_inhibitory": measured.inhibitory,
        "unit_external": mean_there(inside.external, (0, 1)),
        **{name: getattr(measured, name) for name in (*MEASURES, "ei_ratio", "cross_correlation")},
        "noise_correlation": noise_correlation(inside, conditions),
    }


def _numbers(measured: Arrays, groups: Groups) -> dict[str, float]:
    """Medians and means over units."""
    numbers = {name: _median(measured[name]) for name in (*MEASURES, "noise_correlation", "ei_ratio", "weights")}
    for name, units in (("exc", groups.get("E", groups.get("all"))), ("inh", groups.get("I"))):
        for kind in KINDS[:2]:
            own = measured[f"unit_{kind}"][units] if units is not None else np.array([])
            numbers[f"{kind[:3]}_onto_{name}"] = float(own.mean()) if own.size else float("nan")
    numbers["with_lag"] = float((~np.isnan(measured["lag_ms"])).mean())
    if numbers["with_lag"] < LEAST:
        numbers["lag_ms"] = float("nan")
    return numbers


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

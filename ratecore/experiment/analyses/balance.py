"""Analysis 'balance': excitatory and inhibitory currents, and how far they balance each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from ratecore.experiment.analyses.balance_measures import arrays_of, balance_figures, measured, numbers_of, window_steps
from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import BalanceSettings
from ratecore.system.arrays import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.analysis.currents import Currents
    from ratecore.rate.network import RateNetwork
    from ratecore.rate.results import Activity
    from ratecore.rate.saved import SavedNetwork

STEP_MS = 5.0


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
    from ratecore.analysis.currents import mean_currents_by_area, units_by_type

    net, drawn = material.tested, material.activity(settings.n_trials)
    inh = material.inhibitory if net.settings.apply_dale else None
    W = weights_of(net)
    groups = units_by_type(inh, len(W))
    start, stop = window_steps(material.task, settings, material.task.T, STEP_MS, "balance")

    def onto(units: Bool[np.ndarray, " N"]) -> Currents:
        return currents_of(net, drawn, inh, units)

    found = measured(onto, groups, drawn.scores.conditions, (start, stop), settings, STEP_MS)
    sizes = net.settings.area_sizes()
    of_units = [area for area, n in sizes.items() for _ in range(n)]
    names, *by_area = mean_currents_by_area(drawn.r[:, start:stop], W, of_units or np.zeros(len(W), int), inh)
    arrays = {
        **arrays_of(found, groups, W, drawn.r.shape[1], STEP_MS),
        "stimulus": np.array(material.task.stimulus_windows, float).reshape(-1, 2) * STEP_MS,
        "window": np.array([start, stop], float) * STEP_MS,
        "conditions": np.unique(drawn.scores.conditions).astype(str),
        "areas": np.array(names if sizes else [], str),
        "area_excitatory": by_area[0][: len(sizes), : len(sizes)],
        "area_inhibitory": by_area[1][: len(sizes), : len(sizes)],
    }
    return AnalysisResult(numbers_of({**found, "weights": arrays["weights"]}, groups), arrays)


def weights_of(net: RateNetwork | SavedNetwork) -> Float[np.ndarray, "N N"]:
    """The effective weights of a network.

    Args:
        net: the network.

    Returns:
        (N, N), unitless, row = receiving unit.

    Source:
        docs/model.md 1.2, equation 4.
    """
    W: Float[np.ndarray, "N N"] = numbers(net.effective_weights()).astype(np.float64)
    return W


def currents_of(
    net: RateNetwork | SavedNetwork,
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
    w_in = numbers(net.w_in).astype(np.float64)
    return currents(drawn.r, weights_of(net), inhibitory, u=drawn.u, w_in=w_in, added=added, onto=onto)


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw currents over time of the first network, and the balance of the units of all of them.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    return balance_figures(networks, "balance")

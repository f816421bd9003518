"""Analysis 'spike_trains': how much the spike trains of a converted network vary, between trials and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import SpikeTrainsSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.spiking.results import SpikeTrials

STEP_MS = 5.0
EDGES_MS = np.logspace(0, 4, 61)  # of the histogram of intervals


def analyse(material: Material, settings: SpikeTrainsSettings) -> AnalysisResult:
    """Measure the variability of the spike trains of a converted network.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says; none of a network that was not converted.

    Raises:
        ValueError: no window lies within the trials.

    Source:
        Churchland et al. 2010 (Nature Neuroscience 13:369); Shinomoto et al. 2003 (Neural Computation 15:2823);
        `ratecore.analysis.spike_trains` and `ratecore.analysis.spike_variability`.
    """
    if material.not_converted:
        return AnalysisResult(skipped=f"there are no spikes: {material.not_converted}")
    drawn = material.spikes(settings.n_trials)
    inh = np.array(drawn.unit_type) != "E"
    stimulus = _stimuli(material)
    numbers, arrays = _counted(drawn, settings, stimulus)
    own_numbers, own_arrays = _between_spikes(drawn, settings, inh)
    return AnalysisResult({**numbers, **own_numbers}, {**arrays, **own_arrays, "inhibitory": inh, "stimulus": stimulus})


def _stimuli(material: Material) -> Float[np.ndarray, "M 2"]:
    """Start and end of each stimulus as the conversion tests the task, ms."""
    windows = material.settings.tested_task("conversion").stimulus_windows
    return np.array(windows, np.float64).reshape(-1, 2) * STEP_MS


def _counted(
    drawn: SpikeTrials, settings: SpikeTrainsSettings, stimulus: Float[np.ndarray, "M 2"]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """What follows from numbers of spikes in windows."""
    from ratecore.analysis.spike_trains import sliding_windows, spike_counts
    from ratecore.analysis.spike_variability import (
        count_correlations,
        fano_factor,
        mean_matched_fano,
        pooled_fano,
        population_synchrony,
    )
    from ratecore.analysis.trials import mean_there

    (B, N), end = drawn.counts.shape, float(drawn.duration.max())
    train = drawn.times, drawn.units, drawn.trials
    window, least, start = settings.window_ms, settings.least_trials, settings.start_ms
    windows = sliding_windows(end, window, settings.step_ms, start)
    counts = spike_counts(*train, windows, B, N, drawn.duration)
    fano = fano_factor(counts, drawn.condition, least)
    matched = mean_matched_fano(counts, drawn.condition, least).fano
    apart = spike_counts(*train, sliding_windows(end, window, None, start), B, N, drawn.duration)
    correlations = count_correlations(apart, drawn.condition, least)
    within = np.zeros(len(windows), bool)
    for on, off in stimulus:
        within |= (windows[:, 0] >= on) & (windows[:, 1] <= off)
    before = windows[:, 1] <= (stimulus[:, 0].min() if len(stimulus) else -np.inf)
    numbers = {
        **{
            name: _median(pooled_fano(counts[:, some], drawn.condition, least)) if some.any() else float("nan")
            for name, some in {"fano": np.ones_like(within), "fano_before": before, "fano_stimulus": within}.items()
        },
        "fano_matched": _mean(matched),
        "correlation": _mean(correlations.ravel()),
        "synchrony": population_synchrony(apart, drawn.condition),
    }
    arrays = {
        "times": windows.mean(1),
        "fano": fano,
        "fano_matched": matched,
        "rate": mean_there(counts, 0) / (window / 1000),
        "correlation": mean_there(correlations, 1),
    }
    return numbers, arrays


def _between_spikes(
    drawn: SpikeTrials, settings: SpikeTrainsSettings, inh: Bool[np.ndarray, " N"]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """What follows from the spikes of whole trials: rates and intervals."""
    from ratecore.analysis.spike_trains import interval_measures

    late = drawn.times > settings.start_ms
    train = drawn.times[late], drawn.units[late], drawn.trials[late]
    N, least = len(inh), settings.least_intervals
    n = np.bincount(train[1], minlength=N)
    rates = n / (np.maximum(drawn.duration - settings.start_ms, 0).sum() / 1000)
    measures = interval_measures(*train, N, EDGES_MS, least)
    arrays, cv, histogram = (
        {name: getattr(measures, name) for name in ("cv", "cv2", "lv")},
        measures.cv,
        measures.counts,
    )
    numbers = {
        **{name: _median(values) for name, values in arrays.items()},
        "cv_exc": _median(cv[~inh]),
        "cv_inh": _median(cv[inh]),
        "rate_exc": float(rates[~inh].mean()) if not inh.all() else float("nan"),
        "rate_inh": float(rates[inh].mean()) if inh.any() else float("nan"),
        "silent": float((n == 0).mean()),
    }
    arrays["interval_edges"] = EDGES_MS
    arrays["intervals"] = np.array([histogram[~inh].sum(0), histogram[inh].sum(0)])
    return numbers, arrays


def _median(values: Float[np.ndarray, " N"]) -> float:
    there = values[~np.isnan(values)]
    return float(np.median(there)) if there.size else float("nan")


def _mean(values: Float[np.ndarray, " N"]) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the Fano factor and the rates over time, and the intervals, of all networks together.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.spike_trains import fano_over_time, interval_histogram, rates_over_time, variation_histogram
    from ratecore.figures.style import new_figure

    first = next(iter(networks.values()))
    alike = [a for a in networks.values() if np.array_equal(a["times"], first["times"])]
    over_time, axes = new_figure(7.6, 3.0, columns=2)
    kinds = [(a, {"E": ~a["inhibitory"], "I": a["inhibitory"]}) for a in alike]
    rates = {kind: [a["rate"][:, units[kind]].mean(1) for a, units in kinds if units[kind].any()] for kind in "EI"}
    fano = {kind: [a["fano"][:, units[kind]] for a, units in kinds if units[kind].any()] for kind in "EI"}
    rates_over_time(axes[0], first["times"], rates, first["stimulus"])
    matched = [a["fano_matched"] for a in alike]
    fano_over_time(axes[1], first["times"], fano, matched, first["stimulus"])
    of_intervals, axes = new_figure(9.2, 2.8, columns=3)
    every = list(networks.values())
    for axis, name, label in ((axes[0], "cv", "CV of intervals"), (axes[1], "lv", "local variation LV")):
        values = {
            "E": np.concatenate([a[name][~a["inhibitory"]] for a in every]),
            "I": np.concatenate([a[name][a["inhibitory"]] for a in every]),
        }
        variation_histogram(axis, values, label, labelled=False)
    counts = dict(zip("EI", np.sum([a["intervals"] for a in every], axis=0), strict=True))
    interval_histogram(axes[2], first["interval_edges"], counts)
    return {"spike_trains_fano": over_time, "spike_trains_intervals": of_intervals}

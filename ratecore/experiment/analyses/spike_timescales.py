"""Analysis 'spike_timescales': the intrinsic timescales of the units of a converted network, from numbers of spikes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.experiment.analyses.timescales import fits_figure, fitted, median_of, no_window, result_of, windows_of
from ratecore.settings.analysis import SpikeTimescalesSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.spiking.results import SpikeTrials

STEP_MS = 5.0  # of rate networks, in which tasks are


def analyse(material: Material, settings: SpikeTimescalesSettings) -> AnalysisResult:
    """Fit the decay of the autocorrelation of each unit's numbers of spikes in a window of the trials.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says; none of a network that was not converted.

    Raises:
        ValueError: no trial is correct, or bins or lags are longer than the window.

    Source:
        Murray et al. 2014 (Nature Neuroscience 17:1661); `ratecore.analysis.timescales`.
    """
    from ratecore.experiment.analyses.spiking import converted, stimuli_of  # not for figures: it imports compiled loops

    if material.not_converted:
        return AnalysisResult(skipped=f"there are no spikes: {material.not_converted}")
    drawn, own = material.spikes(settings.n_trials), converted(material.settings, material.converted_from)
    trials = [trial for _, trial in stimuli_of(own, material.settings.seed, len(drawn.numbers))]
    steps = np.rint(drawn.duration / STEP_MS).astype(np.int64)
    windows = windows_of(own.task, None if None in trials else trials, steps, settings)
    if windows is None:
        return AnalysisResult(skipped=no_window(settings))
    kept = (windows[:, 1] - windows[:, 0]) * STEP_MS >= 2 * settings.bin_ms
    if settings.correct_only:
        kept &= drawn.correct
        if not kept.any():
            raise ValueError(f"correct_only = true: none of the {len(kept)} trials is correct")
    counts = counts_in(drawn, windows, settings.bin_ms)[kept]
    conditions = np.array(drawn.condition)[kept]
    found, interval = fitted(counts, settings.bin_ms, conditions, settings, material.settings.seed)
    inh = np.array(drawn.unit_type) != "E"
    result = result_of(found, drawn.tau, inh, windows[kept], interval)
    first = found.acf[1][~np.isnan(found.acf[1])]
    return AnalysisResult({**result.numbers, "next_bin": median_of(first)}, result.arrays)


def counts_in(drawn: SpikeTrials, windows: Int[np.ndarray, "B 2"], bin_ms: float) -> Float[np.ndarray, "B K N"]:
    """Count the spikes of each trial in bins that begin with its window.

    Args:
        drawn: the trials.
        windows: first step of 5 ms and first step after the window, of each trial (B, 2).
        bin_ms: length of a bin, ms.

    Returns:
        (B, K, N), numbers of spikes (unitless) in the bins that the longest window fills; NaN after the end of shorter
        ones.

    Source: none
    """
    from ratecore.analysis.spike_trains import spike_counts

    (B, N), start, length = drawn.counts.shape, windows[:, 0] * STEP_MS, (windows[:, 1] - windows[:, 0]) * STEP_MS
    times = drawn.times - start[drawn.trials]
    edges = np.arange(int(length.max() / bin_ms + 1e-9) + 1) * bin_ms
    inside = times > 0  # a spike has the time of the end of its simulated step
    train = times[inside], drawn.units[inside], drawn.trials[inside]
    return spike_counts(*train, np.stack([edges[:-1], edges[1:]], 1), B, N, length)


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw autocorrelations with their fits, the distribution of timescales, and how they follow from synapses.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    return {"spike_timescales_fits": fits_figure(networks)}

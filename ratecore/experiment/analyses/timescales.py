"""Analysis 'timescales': the intrinsic timescales of the units, from the decay of their autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import FitSettings, TimescalesSettings
from ratecore.system.arrays import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.analysis.timescales import IntrinsicTimescales
    from ratecore.tasks.base import AbstractTask

STEP_MS = 5
FEWEST_UNITS = 3  # of which a rank correlation says something


def analyse(material: Material, settings: TimescalesSettings) -> AnalysisResult:
    """Fit the decay of each unit's autocorrelation in a window of the trials.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Raises:
        ValueError: no trial is correct, or bins or lags are longer than the window.

    Source:
        Murray et al. 2014 (Nature Neuroscience 17:1661); `ratecore.analysis.timescales`.
    """
    from ratecore.analysis.trials import binned

    drawn = material.activity(settings.n_trials)
    windows = windows_of(material.task, drawn.scores.trials, drawn.steps, settings)
    if windows is None:
        return AnalysisResult(skipped=no_window(settings))
    kept = (windows[:, 1] - windows[:, 0]) * STEP_MS >= 2 * settings.bin_ms
    if settings.correct_only:
        kept &= np.asarray(drawn.scores.correct, np.float64) == 1
        if not kept.any():
            raise ValueError(f"correct_only = true: none of the {len(kept)} trials is correct")
    values = aligned(getattr(drawn, settings.signal), windows)
    values = values if kept.all() else values[kept]
    bins, bin_ms = binned(values, settings.bin_ms), float(max(1, round(settings.bin_ms / STEP_MS)) * STEP_MS)
    found, interval = fitted(bins, bin_ms, np.asarray(drawn.scores.conditions)[kept], settings, material.settings.seed)
    synaptic = numbers(material.tested.time_constants()).astype(np.float64) * STEP_MS
    return result_of(found, synaptic, material.inhibitory, windows[kept], interval)


def no_window(settings: FitSettings) -> str:
    """Why a task is left out that has no such window.

    Args:
        settings: of the analysis.

    Returns:
        the reason.
    """
    return f"no trial of this task has a window '{settings.window}' of at least two bins"


def fitted(
    bins: Float[np.ndarray, "B T N"],
    bin_ms: float,
    conditions: Shaped[np.ndarray, " B"],
    settings: FitSettings,
    seed: int,
) -> tuple[IntrinsicTimescales, tuple[float, float]]:
    """Fit the decays of autocorrelations, as the settings say.

    Args:
        bins: (B, T, N), rates or numbers of spikes, unitless.
        bin_ms: length of a bin, ms.
        conditions: of the trials (B,).
        settings: of the analysis.
        seed: of the draws of trials.

    Returns:
        autocorrelations and fits, and the interval of the population's timescale, ms; NaN without draws.

    Source: none
    """
    from ratecore.analysis.timescales import bootstrap_interval, intrinsic_timescales

    options = settings.model_dump(include={"method", "max_lag_ms", "skip_dip", "least_r2"})
    options["conditions"] = conditions
    found, interval = intrinsic_timescales(bins, bin_ms, **options), (float("nan"), float("nan"))
    if settings.n_bootstrap:
        interval = bootstrap_interval(bins, bin_ms, n=settings.n_bootstrap, seed=seed, **options)
    return found, interval


def windows_of(
    task: AbstractTask, own: Sequence[Any] | None, n_steps: Sequence[int] | NDArray[Any], settings: FitSettings
) -> NDArray[np.int64] | None:
    """The steps of each trial that count.

    Args:
        task: of the trials.
        own: what each trial says about itself (B,), of a task whose trials are a `Trial`; None of others.
        n_steps: steps of each trial (B,).
        settings: of the analysis.

    Returns:
        first step and first step after the window, of each trial (B, 2); equal where a trial has none. None if no trial
        has two bins.

    Source: none
    """
    from ratecore.tasks.trials import response_of

    steps = np.asarray(n_steps, np.int64)
    trials: Sequence[Any] = own or [None] * len(steps)
    skipped = min(round(settings.skip_ms / STEP_MS), int(steps.min()) - 1)
    whole = np.stack([np.full(len(steps), skipped), steps], 1)
    windows = whole.copy()
    for k, trial in enumerate(trials):
        stimuli = [*task.stimulus_windows] if trial is None else [*trial.stimuli]
        response = response_of(task, trial).start or 0
        if settings.window in ("auto", "before"):
            windows[k, 1] = min((start for start, _ in stimuli), default=steps[k])
        elif settings.window == "delay":
            windows[k] = _delay(stimuli, response)
    windows = np.clip(windows, whole[:, :1], whole[:, 1:])
    windows[:, 1] = np.maximum(windows[:, 0], windows[:, 1])
    lengths = (windows[:, 1] - windows[:, 0]) * STEP_MS
    if settings.window == "auto" and np.median(lengths) < settings.least_ms:
        windows, lengths = whole, (whole[:, 1] - whole[:, 0]) * STEP_MS
    return windows if (lengths >= 2 * settings.bin_ms).any() else None


def _delay(stimuli: Sequence[tuple[int, int]], response: int) -> tuple[int, int]:
    """The longest time without a stimulus between the first one and the response."""
    found, end = (0, 0), None
    for start, stop in [*sorted((int(a), int(b)) for a, b in stimuli if a < response), (response, response)]:
        if end is not None and start - end > found[1] - found[0]:
            found = end, start
        end = stop if end is None else max(end, stop)
    return found


def aligned(activity: Float[np.ndarray, "B T N"], windows: NDArray[np.int64]) -> Float[np.ndarray, "B W N"]:
    """Take a window of its own from each trial.

    Args:
        activity: (B, T, N), unitless.
        windows: first step and first step after it, of each trial (B, 2).

    Returns:
        (B, W, N), as long as the longest window and NaN after the end of shorter ones, unitless; without a copy where
        all are the same.

    Source: none
    """
    if (windows == windows[0]).all():
        return activity[:, windows[0, 0] : windows[0, 1]]
    W = int((windows[:, 1] - windows[:, 0]).max())
    found = np.full((len(activity), W, activity.shape[2]), np.nan)
    for row, own, (start, stop) in zip(found, activity, windows.tolist(), strict=True):
        row[: stop - start] = own[start:stop]
    return found


def result_of(
    found: IntrinsicTimescales,
    synaptic: Float[np.ndarray, " N"],
    inhibitory: Bool[np.ndarray, " N"],
    windows: NDArray[np.int64],
    interval: tuple[float, float],
) -> AnalysisResult:
    """The numbers and arrays of fits.

    Args:
        found: autocorrelations and fits.
        synaptic: synaptic decay time of each unit (N,), ms.
        inhibitory: whether a unit is inhibitory (N,).
        windows: first step and first step after the window, of each trial (B, 2).
        interval: of the population's timescale, ms.

    Returns:
        the result, as the table of the analyses says.

    Source: none
    """
    units, usable = found.units, found.units.usable
    window = np.array([windows[:, 0].min(), windows[:, 1].max()]) * float(STEP_MS)
    one = found.population
    population = np.array([one.tau[0], one.amplitude[0], one.offset[0]]) if one.usable[0] else np.full(3, np.nan)
    numbers = {
        "tau_ms": median_of(units.tau[usable]),
        "tau_exc_ms": median_of(units.tau[usable & ~inhibitory]),
        "tau_inh_ms": median_of(units.tau[usable & inhibitory]),
        "population_ms": float(population[0]),
        "population_low_ms": interval[0],
        "population_high_ms": interval[1],
        "usable": float(usable.mean()),
        "r2": median_of(units.r2[usable]),
        "synaptic": _rank_correlation(units.tau[usable], synaptic[usable]),
        "window_ms": float((windows[:, 1] - windows[:, 0]).max() * STEP_MS),
    }
    arrays = {
        "lags": found.lags,
        "acf": found.acf,
        "mean_acf": found.mean_acf,
        "tau": units.tau,
        "amplitude": units.amplitude,
        "offset": units.offset,
        "r2": units.r2,
        "se": units.se,
        "reason": units.reason,
        "population": population,
        "synaptic": synaptic,
        "inhibitory": inhibitory,
        "window": window,
    }
    return AnalysisResult(numbers, arrays)


def median_of(values: NDArray[np.float64]) -> float:
    """The median.

    Args:
        values: (n,), ms or unitless.

    Returns:
        their median, ms or unitless; NaN of none.

    Source: none
    """
    return float(np.median(values)) if values.size else float("nan")


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's; NaN for few units, or where all are the same."""
    from ratecore.analysis.ranking import rank_correlation

    if len(a) < FEWEST_UNITS or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return rank_correlation(a, b)


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw autocorrelations with their fits, the distribution of timescales, and how they follow from synapses.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    return {"timescales_fits": fits_figure(networks)}


def fits_figure(networks: Networks) -> Figure:
    """Draw autocorrelations with their fits, the distribution of timescales, and how they follow from synapses.

    Args:
        networks: the arrays of each.

    Returns:
        the figure.
    """
    from ratecore.figures.style import new_figure
    from ratecore.figures.timescales import autocorrelations, timescale_distribution, timescales_against_synapses

    figure, axes = new_figure(10.5, 3.0, columns=3)
    first, label = next(iter(networks.values())), next(iter(networks))
    fits = np.stack([first[name] for name in ("tau", "amplitude", "offset")])
    usable = [arrays["reason"] == "" for arrays in networks.values()]
    autocorrelations(axes[0], first["lags"], first["acf"], fits, usable[0], first["mean_acf"], first["population"])
    if len(networks) > 1:
        axes[0].set_title(label, fontsize=9)
    taus, synaptic = ([arrays[name] for arrays in networks.values()] for name in ("tau", "synaptic"))
    timescale_distribution(axes[1], taus, usable, synaptic, list(networks) if len(networks) > 1 else ())
    inhibitory = [arrays["inhibitory"] for arrays in networks.values()]
    timescales_against_synapses(axes[2], taus, synaptic, usable, inhibitory)
    if not np.concatenate(usable).any():
        reasons = zip(*np.unique([r for a in networks.values() for r in a["reason"]], return_counts=True), strict=True)
        text = "\n".join(["no usable fit", *(f"{reason}: {n}" for reason, n in reasons)])
        axes[2].text(0.04, 0.97, text, va="top", fontsize=7, transform=axes[2].transAxes)
    return figure

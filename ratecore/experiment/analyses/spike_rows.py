"""The rows of the analyses of spiking networks in the table of analyses."""

from __future__ import annotations

from ratecore.experiment.analyses.row import Analysis
from ratecore.experiment.analyses.shared_results import (
    BALANCE_ARRAYS,
    BALANCE_NUMBERS,
    TIMESCALES_ARRAYS,
    TIMESCALES_NUMBERS,
)
from ratecore.experiment.report_figures import SHARE, GridFigure


def _in_mv(words: dict[str, str]) -> dict[str, str]:
    """The same of currents in mV."""
    return {name: text.replace("in units of x", "mV") for name, text in words.items()}


SPIKE_ROWS = (
    Analysis(
        "spike_trains",
        title="variability of the spike trains of the converted networks",
        numbers={
            "fano": "median over units of the Fano factor, the sum of variances in all windows over that of means; 1 "
            "for Poisson processes, unitless",
            "fano_before": "the same in windows before the first stimulus",
            "fano_stimulus": "the same in windows within a stimulus",
            "fano_matched": "mean-matched Fano factor of all units, mean over windows, unitless",
            "cv": "median over units of the coefficient of variation of their intervals, unitless",
            "cv_exc": "the same of excitatory units",
            "cv_inh": "the same of inhibitory units",
            "cv2": "median over units of CV2, which compares adjacent intervals, unitless",
            "lv": "median over units of the local variation LV, unitless",
            "rate_exc": "mean firing rate of excitatory units, 1/s",
            "rate_inh": "mean firing rate of inhibitory units, 1/s",
            "correlation": "mean correlation of the counts of pairs of units over trials of a condition, unitless",
            "synchrony": "variance of the population's mean count over that of units: 1 / N to 1, unitless",
            "silent": "share of units without a spike, in [0, 1]",
        },
        arrays={
            "times": "(K,) centres of the windows, ms",
            "fano": "(K, N) Fano factor of each unit in each window, mean over conditions, unitless",
            "fano_matched": "(K,) mean-matched Fano factor of all units, unitless; NaN if no means are in all windows",
            "rate": "(K, N) firing rate of each unit in each window, mean over trials, 1/s",
            "stimulus": "(M, 2) start and end of each stimulus of the task, ms",
            "inhibitory": "(N,) whether a unit is inhibitory",
            "cv": "(N,) coefficient of variation of the intervals, unitless",
            "cv2": "(N,) CV2, unitless",
            "lv": "(N,) local variation, unitless",
            "correlation": "(N,) mean correlation of each unit's counts with those of the others, unitless",
            "interval_edges": "(Q + 1,) edges of the bins of intervals, ms",
            "intervals": "(2, Q) number of intervals of excitatory and of inhibitory units",
        },
        columns=("fano", "cv", "lv", "rate_exc", "correlation", "silent"),
        figures=("spike_trains_fano", "spike_trains_intervals"),
        grid_figures=(
            GridFigure("spike_trains_median_fano", "spike_trains_fano", "median Fano factor", (0, None)),
            GridFigure("spike_trains_median_cv", "spike_trains_cv", "median CV of intervals", (0, None)),
        ),
        seconds=3.0,
    ),
    Analysis(
        "spike_timescales",
        title="intrinsic timescales of the units of the converted networks, from their numbers of spikes",
        numbers={
            **TIMESCALES_NUMBERS,
            "next_bin": "median autocorrelation of counts one bin apart, unitless; below 0 of regular trains",
        },
        arrays=TIMESCALES_ARRAYS,
        columns=("tau_ms", "population_ms", "usable", "r2", "next_bin"),
        figures=("spike_timescales_fits",),
        grid_figures=(
            GridFigure("spike_timescales_tau", "spike_timescales_tau_ms", "median timescale (ms)", (0, None)),
        ),
        seconds=3.5,
    ),
    Analysis(
        "spike_balance",
        title="excitatory and inhibitory synaptic currents in the converted networks, and their balance",
        numbers=_in_mv(BALANCE_NUMBERS),
        arrays=_in_mv({name: words for name, words in BALANCE_ARRAYS.items() if "area" not in name}),
        columns=("ratio", "correlation", "noise_correlation", "lag_ms", "ei_ratio"),
        figures=("spike_balance_currents", "spike_balance_units"),
        grid_figures=(GridFigure("spike_balance_net", "spike_balance_ratio", "net current / all currents", SHARE),),
        seconds=5.0,
    ),
)

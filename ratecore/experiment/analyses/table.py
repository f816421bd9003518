"""The analyses of stage `analyse`, one row each. Everything else reads this table: the stage, its figures, the docs.

A new analysis is a row here, a file beside this one, a class in `ratecore/settings/analysis.py` and captions of its
figures in `workflow/report/`. Functions are named as 'module:function' and imported when called.
"""

from __future__ import annotations

from collections.abc import Iterable

from ratecore.experiment.analyses.row import HERE, Analysis
from ratecore.experiment.analyses.shared_results import (
    BALANCE_ARRAYS,
    BALANCE_NUMBERS,
    TIMESCALES_ARRAYS,
    TIMESCALES_NUMBERS,
)
from ratecore.experiment.analyses.spike_rows import SPIKE_ROWS
from ratecore.experiment.report_figures import SHARE, GridFigure

SPIKES = (f"{HERE}.spiking:spikes_of", f"{HERE}.spiking:first_spikes")  # what draws the spikes that analyses share

ROWS = (
    Analysis(
        "spectrum",
        title="eigenvalues of the recurrent weights before and after training",
        numbers={
            "radius": "largest absolute value of an eigenvalue after training, unitless",
            "radius_before": "the same before training",
            "abscissa": "largest real part of an eigenvalue after training, unitless",
            "abscissa_before": "the same before training",
            "bulk_radius": "radius of the disc that random weights with the same variances fill, after training",
            "bulk_radius_before": "the same before training",
            "outliers": "number of eigenvalues outside of the bulk after training",
            "outliers_before": "the same before training",
        },
        arrays={
            "before": "(N,) complex, eigenvalues before training, unitless, the largest first",
            "after": "(N,) complex, eigenvalues after training, unitless, the largest first",
            "bulk": "(2,) radius of the bulk before and after training, unitless",
        },
        columns=("radius", "abscissa", "outliers"),
        figures=("spectrum_eigenvalues",),
        grid_figures=(GridFigure("spectrum_radius", "spectrum_radius", "spectral radius", (0, None)),),
        seconds=0.3,
    ),
    Analysis(
        "fixed_points",
        title="fixed and slow points of the noiseless dynamics, for inputs held constant",
        numbers={
            "inputs": "number of different inputs that were held constant",
            "stable": "stable fixed points per input",
            "saddle": "saddles per input",
            "unstable": "fixed points from which every direction leads away, per input",
            "marginal": "fixed points with a mode that neither decays nor grows, per input",
            "kink": "fixed points with a unit where the activation has no derivative that matters, per input",
            "slow": "minima of the speed that are slow but no fixed points, per input",
            "slowest_ms": "time constant of the slowest mode of all stable points, ms",
            "line": "share of the slow points' variance along their first principal component, mean over inputs",
            "line_of_activity": "the same of the states from which they were reached",
            "line_length": "SD of the slow points as a fraction of that of these states; small around a single point",
            "line_output": "|correlation| of the first output and the place on this line, mean over inputs",
            "line_ms": "median |time constant| of the slowest mode along the line, ms",
            "lost": "share of the starts that ended nowhere",
        },
        arrays={
            "u": "(I, n_in) inputs that were held constant, unitless",
            "conditions": "(I,) text, the conditions that each input stands for",
            "points": "(K, N) fixed points, and minima of the speed, x, unitless",
            "points_input": "(K,) number of the input of each point",
            "points_kind": "(K,) text, stable, saddle, unstable, marginal, kink or slow",
            "points_speed": "(K,) |dx/dt| of each point, 1/ms",
            "points_unstable": "(K,) number of directions that lead away from each point",
            "points_slowest_ms": "(K,) time constant of the slowest mode of each point, ms; negative if it grows",
            "points_reached": "(K,) number of starts that ended at each point",
            "points_output": "(K, n_out) outputs at each point, unitless",
            "multipliers": "(K, N) complex, eigenvalues of one step at each point, unitless, the largest first",
            "slow_place": "(M, 2) slow points in the plane of `components`, in units of x",
            "slow_input": "(M,) number of the input of each slow point",
            "slow_speed": "(M,) |dx/dt| of each slow point, 1/ms",
            "slow_output": "(M, n_out) outputs at each slow point, unitless",
            "selection": "(I, n_in) cosine of selection vector and each input, mean along the line of slow points",
            "mean": "(N,) mean of the conditions' mean activity, x, unitless",
            "components": "(2, N) its first two principal components, unitless",
            "trajectories": "(C, T, 2) mean activity of each condition in their plane, in units of x",
            "trajectory_names": "(C,) text, names of the conditions",
            "trajectory_input": "(C,) number of the input that stands for each condition; -1 if it was left out",
        },
        columns=("stable", "saddle", "slow", "slowest_ms", "line", "line_length"),
        figures=("fixed_points_slow", "fixed_points_modes"),
        grid_figures=(
            GridFigure("fixed_points_slowest_ms", "fixed_points_slowest_ms", "slowest mode (ms)", (0, None)),
        ),
        seconds=1.5,
    ),
    Analysis(
        "dimensionality",
        title="principal components of the activity",
        numbers={
            "participation_ratio": "number of dimensions, unitless",
            "components_90": "number of components that explain 90 % of the variance",
            "explained_1": "share of the variance along the first component, in [0, 1]",
            "explained_3": "the same of the first three together",
        },
        arrays={
            "axes": "(K, N) unit vectors of the first 10 components, unitless",
            "mean": "(N,) mean activity of each unit, unitless",
            "explained": "(N,) share of the variance along each component, in [0, 1]",
            "times": "(T,) centres of the time bins, ms",
            "conditions": "(C,) names of the conditions",
            "paths": "(C, T, K) mean activity of each condition along the components, unitless",
        },
        columns=("participation_ratio", "components_90"),
        figures=("dimensionality_components",),
        grid_figures=(
            GridFigure("dimensionality_ratio", "dimensionality_participation_ratio", "participation ratio", (0, None)),
        ),
        seconds=0.5,
    ),
    Analysis(
        "tdr",
        title="axes along which task variables move the activity",
        numbers={
            "share": "share of the variance of the condition means along the axes, in [0, 1]",
            "smallest_angle": "smallest angle between two axes before orthogonalisation, degrees",
            "peak_ms": "time at which the first variable moves the activity most, ms",
        },
        arrays={
            "variables": "(V,) names of the variables",
            "axes": "(V, N) unit vectors of the denoised coefficients where they are longest, unitless",
            "orthogonal": "(V, N) the same, orthogonalised in this order, unitless",
            "angles": "(V, V) angles between the axes, degrees",
            "norms": "(V, T) length of the denoised coefficients over time, unitless",
            "peaks": "(V,) times of the axes, ms",
            "times": "(T,) centres of the time bins, ms",
            "conditions": "(C,) names of the conditions",
            "paths": "(C, T, V) mean activity of each condition along the orthogonal axes, in SD of units, unitless",
        },
        columns=("share", "smallest_angle"),
        figures=("tdr_axes",),
        grid_figures=(GridFigure("tdr_share", "tdr_share", "share of the variance along the axes", SHARE),),
        seconds=0.5,
    ),
    Analysis(
        "dpca",
        title="activity taken apart by time, task variables and their combinations",
        numbers={
            "share_time": "share of the variance of the condition means that depends on time alone, in [0, 1]",
            "share_mixed": "share that depends on combinations of variables, in [0, 1]",
            "content": "share of the first components' variance that is of their own marginalisation, in [0, 1]",
            "penalty": "regularisation as a fraction of the variance, unitless",
            "significant": "share of the marginalisations of variables whose first component is significant at some "
            "time, with `shuffles`, in [0, 1]",
            "significant_ms": "time in which that of the first variable is significant, with `shuffles`, ms",
        },
        arrays={
            "marginalisations": "(M,) names of the marginalisations",
            "shares": "(M,) share of the variance of each, in [0, 1]",
            "explained": "(M, K) share of the variance that each component explains, in [0, 1]",
            "encoders": "(M, K, N) unit vectors along which components add to the activity, unitless",
            "decoders": "(M, K, N) weights that read the components, unitless",
            "mean": "(N,) mean activity of each unit, unitless",
            "conditions": "(C,) names of the combinations of the variables",
            "courses": "(M, K, C, T) components of the condition means, unitless",
            "accuracy": "(M, K, T) share of left-out trials that each component classifies correctly, in [0, 1]; NaN "
            "of time alone; empty without `shuffles`, as the next two",
            "shuffles_most": "(M, K, T) the largest of these accuracies with shuffled trials, in [0, 1]",
            "significant": "(M, K, T) whether the accuracy exceeds it for at least `least_bins`",
            "times": "(T,) centres of the time bins, ms",
        },
        columns=("share_time", "share_mixed"),
        figures=("dpca_components",),
        grid_figures=(GridFigure("dpca_mixed", "dpca_share_mixed", "share of the variance that is mixed", SHARE),),
        seconds=1.5,
    ),
    Analysis(
        "decoding",
        title="what can be read from the activity, and when",
        numbers={
            "accuracy": "largest accuracy over time of the first variable, in [0, 1]",
            "peak_ms": "time of this accuracy, ms",
            "onset_ms": "first time at which the accuracy is above the interval of chance, ms",
            "chance": "accuracy of guesses, in [0, 1]",
            "chance_high": "end of the interval of chance, in which 95 % of shuffles are, in [0, 1]",
        },
        arrays={
            "variables": "(V,) names of the variables",
            "times": "(T,) centres of the time bins, ms",
            "accuracy": "(V, T) accuracy on held-out trials, mean over classes, in [0, 1]",
            "chance": "(V,) accuracy of guesses, in [0, 1]",
            "interval": "(V, 2) where 95 % of the accuracies of shuffled labels are, in [0, 1]",
            "matrix": "(V, T, T) accuracy of decoders trained at one time (first) and tested at another, in [0, 1]; "
            "none without `across_time`",
            "graded": "(G,) names of the graded variables that the settings name",
            "r2": "(G, T) share of the variance of their held-out values that is predicted, unitless",
        },
        columns=("accuracy", "peak_ms", "onset_ms"),
        figures=("decoding_accuracy",),
        grid_figures=(GridFigure("decoding_peak", "decoding_accuracy", "peak decoding accuracy", SHARE),),
        seconds=4,
        packages=("sklearn",),
    ),
    Analysis(
        "selectivity",
        title="which units respond to which task variables",
        numbers={
            "selective": "share of units with any selectivity, in [0, 1]",
            "pure": "share of units that respond to one variable, in [0, 1]",
            "linear_mixed": "share of units that respond to several variables, but not to combinations, in [0, 1]",
            "nonlinear_mixed": "share of units that respond to combinations of variables, in [0, 1]",
        },
        arrays={
            "terms": "(M,) names of the variables and their combinations",
            "F": "(M, N) F statistic of each term and unit, unitless",
            "p": "(M, N) its p value, before the control of false discoveries",
            "explained": "(M, N) share of the variance of a unit that the term explains, in [0, 1]",
            "significant": "(M, N) whether the term is significant and explains enough",
            "kinds": "(N,) index of each unit's kind",
            "kind_names": "(4,) names of the kinds",
            "pairs": "(Q,) variables with two values",
            "d_prime": "(Q, N) d' of each unit for these, unitless",
            "roc_area": "(Q, N) area under the ROC, in [0, 1]",
        },
        columns=("selective", "linear_mixed", "nonlinear_mixed"),
        figures=("selectivity_units",),
        grid_figures=(
            GridFigure("selectivity_mixed", "selectivity_nonlinear_mixed", "share of nonlinear mixed units", SHARE),
        ),
        seconds=0.5,
    ),
    Analysis(
        "timescales",
        title="intrinsic timescales of the units, from the decay of their autocorrelation",
        numbers=TIMESCALES_NUMBERS,
        arrays=TIMESCALES_ARRAYS,
        columns=("tau_ms", "tau_exc_ms", "tau_inh_ms", "usable", "r2"),
        figures=("timescales_fits",),
        grid_figures=(GridFigure("timescales_tau", "timescales_tau_ms", "median timescale (ms)", (0, None)),),
        seconds=1.0,
    ),
    Analysis(
        "balance",
        title="excitatory and inhibitory currents, and how far they balance each other",
        numbers=BALANCE_NUMBERS,
        arrays=BALANCE_ARRAYS,
        columns=("ratio", "correlation", "noise_correlation", "lag_ms", "ei_ratio"),
        figures=("balance_currents", "balance_units"),
        grid_figures=(GridFigure("balance_net", "balance_ratio", "net current / all currents", SHARE),),
        seconds=0.6,
    ),
    Analysis(
        "learning",
        title="change of the recurrent weights during training, from copies that `training.keep_weights` keeps",
        numbers={
            "change": "norm of the change of all weights by the end, as a fraction of that of the first weights",
            "change_exc": "the same of the weights from excitatory units",
            "change_inh": "the same of the weights from inhibitory units",
            "dimensionality": "participation ratio of the path of the weights: its effective number of dimensions",
            "trials_to_half": "trials after which half of the change is reached",
        },
        arrays={
            "trials": "(S,) trials before each copy of the weights",
            "change": "(S,) norm of the change of all weights so far, as a fraction of that of the first weights",
            "change_exc": "(S,) the same of the weights from excitatory units",
            "change_inh": "(S,) the same of the weights from inhibitory units, NaN without any",
            "overlap": "(S,) cosine of the angle between the change so far and the whole change",
            "spectrum_trials": "(K,) trials before the copies with eigenvalues",
            "radius": "(K,) largest absolute value of their eigenvalues, unitless",
            "abscissa": "(K,) largest real part of their eigenvalues, unitless",
        },
        columns=("change", "change_exc", "change_inh", "dimensionality"),
        figures=("learning_course",),
        grid_figures=(
            GridFigure("learning_change", "learning_change", "change of weights (fraction)", (0, None)),
            GridFigure("learning_dimensionality", "learning_dimensionality", "dimensions of learning", (0, None)),
        ),
        seconds=2.0,
    ),
    *SPIKE_ROWS,
)
ANALYSES = {analysis.name: analysis for analysis in ROWS}
COLUMNS = {column: number for analysis in ROWS for column, number in analysis.summary.items()}


def chosen(names: Iterable[str]) -> list[Analysis]:
    """The rows of some analyses, in the order of the table.

    Args:
        names: of the analyses.

    Returns:
        their rows.
    """
    names = set(names)
    return [row for row in ROWS if row.name in names]

"""The analyses of stage `analyse`, one row each. Everything else reads this table: the stage, its figures, the docs.

A new analysis is a row here, a file beside this one, a class in `ratecore/settings/analysis.py` and captions of its
figures in `workflow/report/`. Functions are named as 'module:function' and imported when called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ratecore.experiment.report_figures import SHARE, GridFigure

HERE = "ratecore.experiment.analyses"
SPIKES = f"{HERE}.spiking:spikes_of"  # what draws the spikes that analyses share


@dataclass(frozen=True)
class Analysis:
    """An analysis of a trained network.

    Attributes:
        name: of the analysis, of its settings in the section `analysis` and of its file here.
        title: what it asks, a few words for people.
        numbers: name: description with the unit, of each number that it gives.
        arrays: name: '(shape) description, unit', of each array that it gives.
        columns: the numbers that are columns of summary.csv, as `<analysis>_<number>`; a handful.
        figures: names of its figures of a grid point over its seeds, each with a caption in
            `workflow/report/`; the name begins with that of the analysis.
        grid_figures: figures of the grid, of its columns.
        seconds: that it takes for a network of 200 units with the default settings, measured; more units take more.
        packages: optional packages that it imports, all in the extra `analysis`.
    """

    name: str
    title: str
    numbers: Mapping[str, str]
    arrays: Mapping[str, str]
    columns: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    grid_figures: tuple[GridFigure, ...] = ()
    seconds: float = 1.0
    packages: tuple[str, ...] = field(default=())

    @property
    def work(self) -> str:
        """The function that does it: of a Material and the settings, gives an AnalysisResult."""
        return f"{HERE}.{self.name}:analyse"

    @property
    def draw(self) -> str:
        """The function that draws it: of Networks, gives figures by name."""
        return f"{HERE}.{self.name}:draw"

    @property
    def module(self) -> str:
        """The module of both functions, where the hash of its code begins."""
        return f"{HERE}.{self.name}"

    @property
    def summary(self) -> dict[str, str]:
        """Column of summary.csv: number as the record has it."""
        return {f"{self.name}_{number}": f"{self.name}/{number}" for number in self.columns}


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
        numbers={
            "tau_ms": "median timescale of the units with a usable fit, ms",
            "tau_exc_ms": "the same of excitatory units",
            "tau_inh_ms": "the same of inhibitory units",
            "population_ms": "timescale of the mean autocorrelation of all units, ms",
            "population_low_ms": "lower end of its interval of 95 % by bootstrap over trials, with `n_bootstrap`, ms",
            "population_high_ms": "upper end of it, ms",
            "usable": "share of units with a usable fit, in [0, 1]",
            "r2": "median R^2 of the usable fits, unitless",
            "synaptic": "rank correlation of timescales and synaptic decay times over units with a usable fit",
            "window_ms": "length of the window, ms",
        },
        arrays={
            "lags": "(L,) ms, from 0",
            "acf": "(L, N) autocorrelation of each unit, unitless; NaN without variance",
            "mean_acf": "(L,) mean over units, unitless",
            "tau": "(N,) timescale of each unit, ms; also where the fit is not usable",
            "amplitude": "(N,) amplitude of the decay, unitless",
            "offset": "(N,) offset of the decay, unitless",
            "r2": "(N,) share of the variance over lags that the fit explains, unitless",
            "se": "(N,) standard error of the timescale, ms",
            "reason": "(N,) text, why a fit is not usable; '' if it is",
            "population": "(3,) timescale (ms), amplitude and offset of the mean; NaN if its fit is not usable",
            "synaptic": "(N,) synaptic decay time of each unit, ms",
            "inhibitory": "(N,) whether a unit is inhibitory",
            "window": "(2,) earliest start and latest end of the window in the trials, ms",
        },
        columns=("tau_ms", "tau_exc_ms", "tau_inh_ms", "usable", "r2"),
        figures=("timescales_fits",),
        grid_figures=(GridFigure("timescales_tau", "timescales_tau_ms", "median timescale (ms)", (0, None)),),
        seconds=1.0,
    ),
    Analysis(
        "balance",
        title="excitatory and inhibitory currents, and how far they balance each other",
        numbers={
            "ratio": "median over units of <|E + I|> / <E + |I|>, in [0, 1]: 0 if both currents cancel at every moment",
            "mean_ratio": "median of |<E> + <I>| / (<E> + |<I>|), in [0, 1]: 0 if their means cancel",
            "correlation": "median correlation of E and |I| over time, in [-1, 1]",
            "noise_correlation": "median correlation of their fluctuations around the condition means, in [-1, 1]",
            "lag_ms": "median lag of |I| behind E, ms, over the units that have one, if a tenth of all have",
            "with_lag": "share of units that have one: a positive peak of the cross-correlation, in [0, 1]",
            "exc_onto_exc": "mean E onto excitatory units, in units of x; onto all units without Dale's law",
            "inh_onto_exc": "mean I onto excitatory units, <= 0, in units of x; onto all units without Dale's law",
            "exc_onto_inh": "mean E onto inhibitory units, in units of x",
            "inh_onto_inh": "mean I onto inhibitory units, <= 0, in units of x",
            "ei_ratio": "median of <E> / |<I>|, unitless",
            "weights": "median of the sum of a unit's synapses over the sum of their absolute values, in [-1, 1]",
        },
        arrays={
            "times": "(T,) time of each step, ms",
            "stimulus": "(K, 2) start and end of each stimulus, ms",
            "window": "(2,) start and end of the part of the trial that counts, ms",
            "conditions": "(C,) names of the conditions",
            "types": "(G,) types of units, E and I, or `all` without Dale's law",
            "excitatory": "(C, G, T) mean excitatory current onto units of each type, in units of x",
            "inhibitory": "(C, G, T) the same of the inhibitory current, <= 0",
            "external": "(C, G, T) the same of the current from inputs; 0 with `external`, where it is in the others",
            "unit_excitatory": "(N,) mean excitatory current onto each unit in the window, in units of x",
            "unit_inhibitory": "(N,) the same of the inhibitory current, <= 0",
            "unit_external": "(N,) the same of the current from inputs",
            "unit_type": "(N,) type of each unit",
            "ratio": "(N,) <|E + I|> / <E + |I|> of each unit, in [0, 1]",
            "mean_ratio": "(N,) |<E> + <I>| / (<E> + |<I>|) of each unit, in [0, 1]",
            "correlation": "(N,) correlation of E and |I| over time, in [-1, 1]",
            "noise_correlation": "(N,) correlation of their fluctuations around the condition means, in [-1, 1]",
            "lag_ms": "(N,) lag of |I| behind E, ms; negative if it leads, NaN without a positive peak",
            "lags": "(L,) lags of the cross-correlation, ms",
            "cross_correlation": "(G, L) correlation of E(t) and |I|(t + lag), mean over units of a type, in [-1, 1]",
            "weights": "(N,) sum of each unit's synapses over the sum of their absolute values, in [-1, 1]",
            "areas": "(A,) names of the areas; none without areas",
            "area_excitatory": "(A, A) mean E onto a unit of each area (row) from each area (column), in units of x",
            "area_inhibitory": "(A, A) the same of I",
        },
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
    Analysis(
        "spike_trains",
        title="variability of the spike trains of the converted networks",
        numbers={
            "fano": "median over units of the Fano factor, mean over windows; 1 for Poisson processes, unitless",
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

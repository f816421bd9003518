"""Settings of the analyses of stage `analyse`: one class each, which is a section of the section `analysis`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ratecore.settings.base import Settings, SettingsError, did_you_mean, shown
from ratecore.settings.own_analyses import BUILT_IN, OWN, OneAnalysis, with_own

MOST_TRIALS = 1_000_000  # of activity that one analysis draws
CHOICE = "choice"  # the variable that the network decides, which every task with one output has
SPIKES = ("spiking", "conversion")  # sections on which analyses of spikes depend


class SpectrumSettings(OneAnalysis):
    """The eigenvalues of the weights before and after training."""

    depends_on = ()

    margin: float = Field(
        0.1, ge=0, description="an eigenvalue is an outlier if it is further out than the bulk by this fraction of it"
    )


class FixedPointsSettings(OneAnalysis):
    """Fixed and slow points of the noiseless dynamics."""

    n_trials: int = Field(50, ge=1, le=MOST_TRIALS, description="trials whose activity gives inputs and starts")
    n_starts: int = Field(40, ge=3, le=1_000_000, description="states of activity that each input's search starts from")
    n_random: int = Field(10, ge=0, le=1_000_000, description="random states from which it starts besides")
    input: Literal["response", "stimulus", "zero"] = Field(
        "response",
        description="input that is held constant: a condition's mean in the response window, or during the last "
        "stimulus, or 0",
    )
    n_inputs: int = Field(4, ge=1, le=1000, description="largest number of inputs, those of most trials first")
    tolerance: float = Field(1e-9, gt=0, le=1e-3, description="largest |tau dx/dt| of any unit at a fixed point")
    slow_speed: float = Field(0.01, gt=0, description="largest |dx/dt| of a slow point, 1/ms")
    merge: float = Field(1e-3, gt=0, description="distance below which two fixed points are one, unitless")
    marginal_ms: float = Field(
        1e4, gt=0, description="time constant above which a mode neither decays nor grows: the point is marginal; ms"
    )


class PopulationSettings(OneAnalysis):
    """What the analyses of populations share: trials of the evaluation, in bins of time."""

    n_trials: int = Field(100, ge=2, le=MOST_TRIALS, description="trials of the evaluation")
    bin_ms: float = Field(50.0, ge=5, description="length of a time bin, ms")
    signal: Literal["r", "x"] = Field("r", description="firing rates r or synaptic currents x")
    correct_only: bool = Field(False, description="whether only correct trials count")


def _variable_names(names: Any) -> Any:
    return (names,) if isinstance(names, str) else tuple(names) if isinstance(names, list) else names


VariableNames = Annotated[
    tuple[str, ...], BeforeValidator(_variable_names, json_schema_input_type=str | tuple[str, ...])
]


class VariablesSettings(PopulationSettings):
    """Settings of the analyses that relate activity to variables of the task."""

    variables: VariableNames = Field(
        (), description="names of the task's variables (docs/population.md), the main one first; none: all that fit"
    )


class DimensionalitySettings(PopulationSettings):
    """Principal components of the activity, and how many dimensions it has."""

    of: Literal["trials", "conditions"] = Field("trials", description="components of single trials or condition means")
    z_score: bool = Field(False, description="whether each unit is divided by its standard deviation")


class TdrSettings(VariablesSettings):
    """Targeted dimensionality reduction (Mante et al. 2013)."""

    n_components: int = Field(12, ge=1, description="principal components that are left by the denoising")


class DpcaSettings(VariablesSettings):
    """Demixed principal components (Kobak et al. 2016)."""

    n_components: int = Field(5, ge=1, description="of each marginalisation")
    penalty: float | None = Field(
        None, ge=0, description="regularisation as a fraction of the variance; ~: by cross-validation"
    )
    shuffles: int = Field(
        0, ge=0, le=10_000, description="shuffles of the trials, for the significance of the components; 0: none"
    )
    repeats: int = Field(
        10, ge=1, le=10_000, description="with shuffles, times that a trial of each condition is left out"
    )
    least_bins: int = Field(3, ge=1, description="with shuffles, bins in a row in which accuracy exceeds all shuffles")

    newer = ("shuffles", "repeats", "least_bins")


class DecodingSettings(VariablesSettings):
    """Decoding of variables in time and across time, cross-validated."""

    classifier: Literal["lda", "logistic", "svm"] = Field("lda", description="kind of decoder; lda is the fastest")
    folds: int = Field(5, ge=2, description="folds of the cross-validation")
    shuffles: int = Field(20, ge=0, description="shuffles of the labels, for the interval of chance")
    across_time: bool = Field(True, description="whether decoders are tested at all times")


class SelectivitySettings(VariablesSettings):
    """Pure and mixed selectivity of single units (Rigotti et al. 2013)."""

    window: Literal["stimulus", "response", "trial"] = Field("stimulus", description="time whose mean activity counts")
    alpha: float = Field(0.05, gt=0, lt=1, description="bound of the false-discovery rate")
    least: float = Field(
        0.05, ge=0, lt=1, description="share of a unit's variance that a variable must explain to count"
    )
    max_order: int = Field(2, ge=1, le=3, description="variables in an interaction, at most")


class FitSettings(OneAnalysis):
    """What the analyses of timescales share: the window, and the fits of autocorrelations.

    Attributes:
        bin_ms: length of a time bin, ms; its default is that of the analysis.
    """

    bin_ms: float

    window: Literal["auto", "before", "delay", "trial"] = Field(
        "auto",
        description="time that counts: before the first stimulus, the longest delay between stimuli or before the "
        "response, or the trial; auto: before the stimulus if that is at least `least_ms`, else the trial",
    )
    least_ms: float = Field(400.0, gt=0, description="with auto, the shortest time before the stimulus that counts, ms")
    skip_ms: float = Field(
        100.0, ge=0, description="time at the start of the trial that is left out, in which activity builds up, ms"
    )
    method: Literal["across", "within"] = Field("across", description="correlations across trials or within trials")
    max_lag_ms: float | None = Field(None, gt=0, description="largest lag, ms; ~: half of the window")
    skip_dip: bool = Field(False, description="whether fits begin at the peak of the autocorrelation, after a dip")
    least_r2: float = Field(0.5, ge=0, le=1, description="R^2 below which a fit is not usable")
    n_bootstrap: int = Field(
        0, ge=0, le=100_000, description="draws of trials for the interval of the population's timescale; 0: none"
    )

    @field_validator("n_bootstrap")
    @classmethod
    def _several(cls, n: int) -> int:
        if n == 1:
            raise ValueError("it must be 0 or at least 2")
        return n


class TimescalesSettings(FitSettings, PopulationSettings):
    """Intrinsic timescales of the units, from the decay of their autocorrelation (Murray et al. 2014)."""

    bin_ms: float = Field(5.0, ge=5, description="length of a time bin, ms")


class BalanceSettings(OneAnalysis):
    """Excitatory and inhibitory currents, and how far they balance each other."""

    n_trials: int = Field(25, ge=1, le=MOST_TRIALS, description="trials of the evaluation")
    window: Literal["trial", "stimulus", "response"] = Field(
        "trial", description="part of the trial that counts; `stimulus` is from the first to the end of the last"
    )
    skip_ms: float = Field(
        100.0,
        ge=0,
        description="start of the trial that does not count, in which the network leaves its first state; ms",
    )
    external: bool = Field(
        False, description="whether currents from inputs count, too: as excitation where positive, else as inhibition"
    )
    max_lag_ms: float = Field(50.0, ge=5, description="largest lag of inhibition behind or before excitation, ms")


class LearningSettings(OneAnalysis):
    """How the weights change during training, from copies that `training.keep_weights` keeps."""

    depends_on = ()

    n_spectra: int = Field(
        50, ge=2, le=100_000, description="largest number of copies of the weights whose eigenvalues are computed"
    )


class SpikeTrainsSettings(OneAnalysis):
    """Variability of the spike trains of converted networks, between trials and between intervals."""

    depends_on = SPIKES

    n_trials: int = Field(50, ge=2, le=MOST_TRIALS, description="trials of the conversion")
    window_ms: float = Field(100.0, gt=0, description="length of the windows in which spikes are counted, ms")
    step_ms: float = Field(25.0, gt=0, description="from one window of the Fano factor to the next, ms")
    start_ms: float = Field(
        100.0, ge=0, description="start of the time that counts, ms; units that start close to threshold fire before it"
    )
    least_trials: int = Field(5, ge=2, description="trials that a condition needs for the Fano factor and correlations")
    least_intervals: int = Field(5, ge=2, description="intervals that a unit needs for CV, CV2 and LV")


class SpikeTimescalesSettings(FitSettings):
    """Intrinsic timescales of the units of converted networks, from their numbers of spikes (Murray et al. 2014)."""

    depends_on = SPIKES

    n_trials: int = Field(50, ge=2, le=MOST_TRIALS, description="trials of the conversion")
    bin_ms: float = Field(25.0, ge=1, description="length of a time bin in which spikes are counted, ms")
    correct_only: bool = Field(False, description="whether only correct trials count")


class SpikeBalanceSettings(BalanceSettings):
    """Excitatory and inhibitory synaptic currents in converted networks, and how far they balance each other."""

    depends_on = SPIKES

    n_trials: int = Field(25, ge=1, le=MOST_TRIALS, description="trials of the conversion")


class AnalysisSettings(Settings):
    """What the analyses do: a section for each, also for those that the user's file registered."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _add_own(cls, given: Any) -> Any:
        return with_own(given)

    spectrum: SpectrumSettings = SpectrumSettings()
    fixed_points: FixedPointsSettings = FixedPointsSettings()
    dimensionality: DimensionalitySettings = DimensionalitySettings()
    tdr: TdrSettings = TdrSettings()
    dpca: DpcaSettings = DpcaSettings()
    decoding: DecodingSettings = DecodingSettings()
    selectivity: SelectivitySettings = SelectivitySettings()
    timescales: TimescalesSettings = TimescalesSettings()
    balance: BalanceSettings = BalanceSettings()
    learning: LearningSettings = LearningSettings()
    spike_trains: SpikeTrainsSettings = SpikeTrainsSettings()
    spike_timescales: SpikeTimescalesSettings = SpikeTimescalesSettings()
    spike_balance: SpikeBalanceSettings = SpikeBalanceSettings()


KNOWN = tuple(AnalysisSettings.model_fields)
BUILT_IN.update(KNOWN)


def _as_tuple(names: Any) -> Any:
    if isinstance(names, str):
        raise ValueError(f"it must be a list of analyses, as [{names}]")
    if not isinstance(names, list | tuple):
        raise ValueError("it must be a list of analyses")
    return tuple(names)


def _check(names: tuple[str, ...]) -> tuple[str, ...]:
    known = [*KNOWN, *OWN]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SettingsError([((), f": unknown analysis {shown(name)}{hint}; available: {', '.join(known)}")])
    if twice := [name for name in known if names.count(name) > 1]:
        raise SettingsError([((), f": {twice[0]} is listed twice; list it once")])
    return names


# The names of the chosen analyses.
Analyses = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(_check),
    WithJsonSchema({"type": "array", "items": {"anyOf": [{"enum": list(KNOWN)}, {"type": "string"}]}}),
]


def settings_of(analyses: Iterable[str], given: AnalysisSettings) -> dict[str, OneAnalysis]:
    """The settings of some analyses.

    Args:
        analyses: their names.
        given: the settings of all.

    Returns:
        name: settings.
    """
    return {name: getattr(given, name) for name in analyses}


def sections_of(analyses: Iterable[str]) -> tuple[str, ...]:
    """The sections of the settings, besides those of the analyses, on which the numbers of some analyses depend.

    Args:
        analyses: their names.

    Returns:
        some of 'evaluation', 'spiking' and 'conversion', in this order.
    """
    kinds: list[type[OneAnalysis]] = [type(getattr(AnalysisSettings(), name)) for name in analyses]
    found = {section for kind in kinds for section in kind.depends_on}
    return tuple(section for section in ("evaluation", *SPIKES) if section in found)


def of_spikes(analyses: Iterable[str]) -> list[str]:
    """Which of some analyses need the spiking networks.

    Args:
        analyses: their names.

    Returns:
        those that do.
    """
    return [name for name in analyses if "conversion" in sections_of([name])]

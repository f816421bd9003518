"""Settings of spiking networks and of the conversion to them (docs/model.md 5)."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ratecore.settings.base import Settings, SettingsError
from ratecore.settings.elsewhere import ElsewhereSettings
from ratecore.settings.perturbation import PerturbationSettings
from ratecore.settings.unit_sets import Units, as_window

RATE_STEP = 5.0  # ms per step of the rate network
THRESHOLDS, BIASES = {"lif": -40.0, "qif": 30.0}, {"lif": -40.0, "qif": 0.0}  # mV
SIGMOID_SCALING = tuple(float(k) for k in range(20, 76, 5))
UNBOUNDED_SCALING = tuple(float(k) for k in range(4, 27, 2))
Positive = Annotated[float, Field(gt=0)]
Window = tuple[float, float] | None
ScalingFactors = tuple[float, ...] | None


class StimulationSettings(Settings):
    """Artificial stimulation of chosen units of a spiking network, as by light (docs/model.md 5)."""

    mode: Literal["none", "exc", "inh"] = Field("none", description="none, depolarising (exc) or hyperpolarising (inh)")
    units: Units = Field(
        "all",
        description="indices of the stimulated units, from 0; all, exc, inh, som for every unit of a type; an area; "
        "or a named set",
    )
    window: Window = Field(None, description="start and end of the stimulation in ms; by default the entire trial")
    amplitude: float = Field(0.5, ge=0, description="size of a kick to the membrane, in mV")
    probability: float = Field(0.5, ge=0, le=1, description="probability of a kick at each step")

    @field_validator("window", mode="before")
    @classmethod
    def _check_window(cls, window: Any) -> tuple[float, ...] | None:
        return as_window(window)


class SpikingSettings(Settings):
    """A spiking network, except its weights and decay times (docs/model.md 5; Kim et al. 2019, SI Table S1)."""

    model: Literal["lif", "qif"] = Field("lif", description="leaky or quadratic integrate-and-fire units")
    dt: float = Field(0.05, gt=0, le=5, description="step in ms; a whole number of them makes a rate step of 5 ms")
    downsample: int = Field(
        1, ge=1, le=1_000_000, description="steps k times as long, with every k-th column of the input"
    )
    tau_m: float = Field(10.0, gt=0, description="membrane time constant in ms")
    refractory: float = Field(2.0, ge=0, description="absolute refractory period in ms")
    tau_rise: float = Field(2.0, ge=0, description="synaptic rise time in ms; 0 is the single-exponential filter")
    threshold: float | None = Field(None, description="in mV; by default -40 for lif, 30 for qif")
    v_reset: float = Field(-65.0, description="membrane after a spike, in mV")
    v_peak: float = Field(30.0, description="membrane that is recorded at a spike, in mV")
    bias: float | None = Field(None, description="constant current in mV; by default -40 for lif, 0 for qif")
    noise_sd: float = Field(0.1, ge=0, description="SD of the noise on the membrane at each step, in mV")
    v_init_low: float = Field(-65.0, description="lowest membrane at the start, in mV")
    v_init_high: float = Field(30.0, description="highest membrane at the start, in mV")
    readout_bias: bool = Field(False, description="whether b_out is added to the output; it is not in the paper")
    use_initial_weights: bool = Field(False, description="whether to use the weights before training")
    stimulation: StimulationSettings = StimulationSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        steps = RATE_STEP / self.dt
        if abs(steps - round(steps)) > 1e-9 * steps:
            raise SettingsError.for_key(
                "dt", self.dt, "it must divide the rate step of 5 ms into a whole number of steps"
            )
        if self.downsample > self.steps_per_column:
            allowed = f"it must be at most 5 ms / dt = {self.steps_per_column}"
            raise SettingsError.for_key("downsample", self.downsample, allowed)
        if self.v_init_low > self.v_init_high:
            allowed = f"it must be at most v_init_high = {self.v_init_high:g}"
            raise SettingsError.for_key("v_init_low", self.v_init_low, allowed)
        if self.v_reset >= self.spike_threshold:
            allowed = f"it must be below the threshold, {self.spike_threshold:g}"
            raise SettingsError.for_key("v_reset", self.v_reset, allowed)
        if self.v_peak < self.spike_threshold:
            allowed = f"it must be at least the threshold, {self.spike_threshold:g}"
            raise SettingsError.for_key("v_peak", self.v_peak, allowed)
        return self

    @property
    def steps_per_column(self) -> int:
        """Number of steps for each column of the input that is kept."""
        return round(RATE_STEP / self.dt)

    @property
    def step(self) -> float:
        """Length of a step in ms, downsampling included."""
        return self.dt * self.downsample

    @property
    def spike_threshold(self) -> float:
        """Membrane potential at which a unit fires, in mV."""
        return THRESHOLDS[self.model] if self.threshold is None else self.threshold

    @property
    def constant_current(self) -> float:
        """Constant current, in mV."""
        return BIASES[self.model] if self.bias is None else self.bias


class LesionSettings(Settings):
    """Synapses removed from a converted network before it is scored."""

    fraction: float = Field(0.0, ge=0, le=1, description="of the live synapses, chosen at random")
    synapses: Literal["all", "E-E", "E-I", "I-E", "I-I"] = Field(
        "all", description="kind of synapse: all, or those from - to excitatory (E) and inhibitory (I) units"
    )


class ConversionSettings(ElsewhereSettings):
    """How lambda, the one parameter of a conversion to a spiking network, is searched (docs/model.md 5)."""

    newer: ClassVar[tuple[str, ...]] = (*ElsewhereSettings.newer, "psychometric_trials", "perturbation")

    scaling_factors: ScalingFactors = Field(
        None,
        description="values of lambda; by default 20, 25 .. 75 for sigmoid and 4, 6 .. 26 for other activations",
    )
    n_trials: int = Field(100, ge=1, le=1_000_000, description="trials per value of lambda, the same for all values")
    search: Literal["full", "racing"] = Field(
        "racing",
        description="full: all trials of all values, as published; racing: a value that can no longer win is dropped, "
        "with the same best value",
    )
    refine: int = Field(
        0,
        ge=0,
        le=1000,
        description="further values between the best and each of its neighbours, or beyond it where it has none",
    )
    fresh_trials: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="separate trials on which the best value is scored; by default those of the search",
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="confidence level of the accuracy's interval")
    output_of_step: Literal["peak", "mean", "last"] | None = Field(
        None,
        description="summary of the output within a rate step of 5 ms that is scored; by default peak (the "
        "output farthest from 0) for go-nogo, xor and mante, as published, and mean for other tasks",
    )

    trials_shown: int = Field(
        20, ge=1, le=10_000, description="trials of each type on which figures compare the rate and the spiking network"
    )
    lesion: LesionSettings = LesionSettings()
    perturbation: PerturbationSettings = PerturbationSettings()
    psychometric_trials: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="trials of the spiking network at each strength of evidence and context; by default none",
    )

    @field_validator("scaling_factors", mode="before", json_schema_input_type=Positive | tuple[Positive, ...] | None)
    @classmethod
    def _check_scaling_factors(cls, values: Any) -> tuple[float, ...] | None:
        if values is None:
            return None
        values = list(values) if isinstance(values, list | tuple | range) else [values]
        if not values or not all(type(v) in (int, float) and 0 < v < math.inf for v in values):
            raise ValueError("each scaling factor must be a number above 0")
        if len(set(values)) < len(values):
            raise ValueError("a scaling factor is given twice")
        return tuple(float(v) for v in values)

    def values_for(self, activation: str) -> tuple[float, ...]:
        """The values of lambda that are tried.

        Args:
            activation: activation function of the rate network.

        Returns:
            Values in increasing order, unitless.

        Source:
            docs/model.md 5.1, equation 7.
        """
        default = SIGMOID_SCALING if activation == "sigmoid" else UNBOUNDED_SCALING
        return tuple(sorted(self.scaling_factors or default))

"""Settings of a rate network."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ratecore.settings.base import Settings, SettingsError

NOISE_SD, X0_SD = 0.1, 0.01  # of the noise added to x at every step, and of the state at the first step
MOST_UNITS = 100_000  # the weights alone are 40 GB then

Activation = Literal["sigmoid", "clipped_relu", "softplus"]
ACTIVATIONS = get_args(Activation)


def _as_tuple(taus: Any) -> tuple[Any, ...]:
    if not isinstance(taus, int | float | list | tuple):
        raise ValueError("give one time constant, or a minimum and a maximum as [4, 20], in steps of 5 ms")
    return tuple(taus) if isinstance(taus, list | tuple) else (taus,)


Taus = Annotated[tuple[float, ...], BeforeValidator(_as_tuple, json_schema_input_type=float | tuple[float, ...])]


class NetworkSettings(Settings):
    """A network before training (docs/model.md 1)."""

    N: int = Field(200, ge=1, le=MOST_UNITS, description="number of units")
    P_inh: float = Field(0.2, ge=0, le=1, description="probability that a unit is inhibitory")
    P_rec: float = Field(0.2, ge=0, le=1, description="probability that a connection is present before training")
    som_N: int = Field(0, ge=0, le=MOST_UNITS, description="number of SST units among the inhibitory units")
    gain: float = Field(1.5, gt=0, description="scale of the weights before training (gaus)")
    apply_dale: bool = Field(True, description="whether Dale's law holds")
    w_dist: Literal["gaus", "gamma"] = Field("gaus", description="distribution of the weights before training")
    taus: Taus = Field((4.0, 20.0), description="decay time, or its bounds [minimum, maximum], in steps of 5 ms")
    activation: Activation = Field("sigmoid", description="activation function phi")
    noise_sd: float = Field(NOISE_SD, ge=0, description="SD of the noise that is added to each unit at every step")
    x0_sd: float = Field(X0_SD, ge=0, description="SD of the state at the first step")
    input_noise_sd: float = Field(0.0, ge=0, description="SD of the noise that is added to each input at every step")

    # Newer than the first networks, whose identity and files stay as they are: none has one of these at its default.
    newer: ClassVar[tuple[str, ...]] = ("noise_sd", "x0_sd", "input_noise_sd")

    def newer_values(self) -> dict[str, Any]:
        """The settings that are newer than the first networks and not at their defaults.

        Returns:
            Values by name, as in JSON.
        """
        fields, values = type(self).model_fields, self.model_dump(mode="json", include=set(self.newer))
        return {key: values[key] for key in self.newer if getattr(self, key) != fields[key].default}

    @field_validator("taus")
    @classmethod
    def _check_taus(cls, taus: tuple[float, ...]) -> tuple[float, ...]:
        if len(taus) not in (1, 2):
            raise ValueError("give one time constant, or a minimum and a maximum as [4, 20]")
        if not all(math.isfinite(t) and t >= 1 for t in taus):
            raise ValueError("each time constant must be at least one step (DeltaT = 1, 5 ms)")
        if len(taus) == 2 and taus[0] >= taus[1]:
            raise ValueError("the minimum must be below the maximum")
        return taus

    @model_validator(mode="after")
    def _check_som(self) -> Self:
        if self.som_N > 0 and not self.apply_dale:
            allowed = "without Dale's law there are 0 inhibitory units; it must be 0"
            raise SettingsError.for_key("som_N", self.som_N, allowed)
        if self.som_N > self.N:
            raise SettingsError.for_key("som_N", self.som_N, f"it must be at most N = {self.N}")
        return self

"""Settings of a rate network."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ratecore.settings.base import Settings, SettingsError

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

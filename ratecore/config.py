"""Typed, frozen, validated settings. Every default has its one home here."""

from __future__ import annotations

import difflib
import math
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Activation = Literal["sigmoid", "clipped_relu", "softplus"]
LossFunction = Literal["l2", "l1"]
ACTIVATIONS = get_args(Activation)
LOSS_FUNCTIONS = get_args(LossFunction)


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each key, its value and what is allowed."""


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown key, errors in plain words."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError("; ".join(self._explain(e) for e in error.errors())) from None

    @classmethod
    def _explain(cls, error: dict) -> str:
        key = ".".join(str(part) for part in error["loc"] if part not in ("float", "int"))
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, cls.model_fields, 1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            return f"unknown setting '{key}'{hint}; allowed: {', '.join(cls.model_fields)}"
        if not key:
            return error["msg"].removeprefix("Value error, ")
        return f"{key} = {error.get('input')!r}: {error['msg'].removeprefix('Value error, ')}"


class NetworkSettings(Settings):
    """What a network is before training (SPEC 1)."""

    N: int = Field(200, ge=1, description="number of units")
    P_inh: float = Field(0.2, ge=0, le=1, description="probability that a unit is inhibitory")
    P_rec: float = Field(0.2, ge=0, le=1, description="probability that a connection is present at the start")
    som_N: int = Field(0, ge=0, description="number of SST units, taken from the inhibitory ones")
    gain: float = Field(1.5, gt=0, description="scale of the starting weights (gaus)")
    apply_dale: bool = Field(True, description="whether Dale's law holds")
    w_dist: Literal["gaus", "gamma"] = Field("gaus", description="distribution of the starting weights")
    taus: tuple[float, ...] = Field((4.0, 20.0), description="tau or tau_min, tau_max, in steps of 5 ms")
    activation: Activation = Field("sigmoid", description="phi")

    @field_validator("taus")
    @classmethod
    def _check_taus(cls, taus):
        if len(taus) not in (1, 2):
            raise ValueError("give one time constant, or a minimum and a maximum")
        if not all(math.isfinite(t) and t >= 1 for t in taus):
            raise ValueError("each time constant must be at least one step (DeltaT = 1, 5 ms)")
        if len(taus) == 2 and taus[0] >= taus[1]:
            raise ValueError("the minimum must be below the maximum")
        return taus

    @model_validator(mode="after")
    def _check_som(self):
        if self.som_N > 0 and not self.apply_dale:
            raise ValueError(f"som_N = {self.som_N}: without Dale's law there are 0 inhibitory units; it must be 0")
        if self.som_N > self.N:
            raise ValueError(f"som_N = {self.som_N}: it must be at most N = {self.N}")
        return self


class TrainingSettings(Settings):
    """How a network is trained and when it counts as trained (SPEC 3)."""

    n_trials: int = Field(6000, ge=1, description="most trials")
    batch_size: int = Field(1, ge=1, description="trials an update")
    learning_rate: float = Field(0.01, gt=0, description="of Adam")
    loss_fn: LossFunction = Field("l2", description="loss of a trial")
    loss_threshold: float = Field(7.0, gt=0, description="mean test loss below which training may stop")
    accuracy_threshold: float = Field(0.95, ge=0, le=1, description="test accuracy above which training may stop")
    eval_freq: int = Field(100, ge=1, description="trials between tests")
    eval_tr: int = Field(100, ge=1, description="trials of a test")

"""Typed, frozen, validated settings. Every default has its one home here."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import math
from pathlib import Path
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
    batch_size: int = Field(1, ge=1, description="trials an update; 1 reproduces the paper")
    learning_rate: float = Field(0.01, gt=0, description="of Adam")
    loss_fn: LossFunction = Field("l2", description="loss of a trial")
    loss_threshold: float = Field(7.0, gt=0, description="mean test loss below which training may stop")
    accuracy_threshold: float = Field(0.95, ge=0, le=1, description="test accuracy above which training may stop")
    eval_freq: int = Field(100, ge=1, description="trials between tests")
    eval_tr: int = Field(100, ge=1, description="trials of a test")


class EvaluationSettings(Settings):
    """How a trained network is scored."""

    n_trials: int = Field(100, ge=1, description="fresh trials")


class RunSettings(Settings):
    """Everything that can change the numbers of one run: one network, one seed."""

    task: str = Field("go-nogo", description="name of a registered task")
    task_file: str | None = Field(None, description="Python file that registers the task, when it is your own")
    task_settings: dict[str, float] = Field({}, description="settings of the task over its defaults, in steps of 5 ms")
    seed: int = Field(0, ge=0, description="seed of everything random in the run")
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _check_task(self):
        self.create_task()
        return self

    def create_task(self):
        """The task of this run. Raises ValueError: an unknown task, or settings it cannot have."""
        from ratecore.tasks import TaskFactory

        if self.task_file:
            load_task_file(self.task_file)
        return TaskFactory.create_task(self.task, self.task_settings)

    def identity(self, *stages: str) -> str:
        """Hash of every setting that can change the numbers of the given stages (default: all)."""
        names = stages or ("training", "evaluation")
        values = self.model_dump(mode="json", exclude={"training", "evaluation"} - set(names))
        values["task"] = self.task.lower().replace("_", "-")
        values["task_settings"] = self.create_task().settings
        if values.pop("task_file"):
            values["task_code"] = hashlib.sha256(Path(self.task_file).read_bytes()).hexdigest()
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_loaded: dict[Path, object] = {}


def load_task_file(path) -> None:
    """Runs a user's Python file once, so that it registers its task.

    Raises:
        SettingsError: the file is not there or cannot be run.
    """
    path = Path(path).resolve()
    if path in _loaded:
        return
    if not path.is_file():
        raise SettingsError(f"task_file = {str(path)!r}: there is no such file")
    spec = importlib.util.spec_from_file_location(f"ratecore_user_task_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SettingsError(f"task_file = {str(path)!r}: {type(error).__name__}: {error}") from error
    _loaded[path] = module

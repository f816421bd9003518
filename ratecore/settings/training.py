"""Settings of training and of the evaluation that follows it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from ratecore.settings.base import Settings, SettingsError, flat_settings, shown
from ratecore.settings.elsewhere import ElsewhereSettings
from ratecore.settings.network_from import NetworkFromSettings
from ratecore.settings.paths import LocalPathAsWritten
from ratecore.settings.perturbation import RatePerturbationSettings
from ratecore.settings.reading import local_path
from ratecore.settings.task_values import TaskValue, task_values
from ratecore.system.files import sha256_of

MOST = 1_000_000_000  # of any count; more is a slip of the pen, and no job would end
MOST_STAGES = 1000
_INHERITED = "; by default that of `training`"

LossFunction = Literal["l2", "l1", "mse", "huber", "cross_entropy", "task"]
LOSS_FUNCTIONS = get_args(LossFunction)
OptimizerName = Literal["adam", "adamw", "sgd", "eg"]
Schedule = Literal["constant", "step", "cosine", "exponential"]


class PenaltySettings(Settings):
    """What is added to the loss of an update, each times a mean (docs/model.md 3.4)."""

    rate_mean: float = Field(0.0, ge=0, description="times the mean firing rate")
    rate_square: float = Field(0.0, ge=0, description="times the mean squared firing rate")
    weight_l1: float = Field(0.0, ge=0, description="times the mean absolute recurrent weight")
    weight_l2: float = Field(0.0, ge=0, description="times the mean squared recurrent weight")
    distance: float = Field(
        0.0, ge=0, description="times the mean of absolute weight times distance, of units placed in a cube of edge 1"
    )
    balance: float = Field(0.0, ge=0, description="times the mean squared sum of the weights onto a unit")

    @property
    def of_rates(self) -> bool:
        """Whether firing rates are penalised."""
        return self.rate_mean > 0 or self.rate_square > 0

    @property
    def of_weights(self) -> bool:
        """Whether recurrent weights are penalised."""
        return self.weight_l1 > 0 or self.weight_l2 > 0 or self.distance > 0 or self.balance > 0


class StageSettings(Settings):
    """One stage of a curriculum: what it changes in the task and in training."""

    task_settings: dict[str, TaskValue] = Field(
        {}, description="settings of the task in this stage, over those of the run"
    )
    n_trials: int | None = Field(None, ge=1, le=MOST, description="largest number of trials of the stage" + _INHERITED)
    min_trials: int | None = Field(
        None, ge=0, le=MOST, description="trials of the stage before which it does not end" + _INHERITED
    )
    batch_size: int | None = Field(None, ge=1, le=MOST, description="trials per update" + _INHERITED)
    learning_rate: float | None = Field(None, gt=0, description="learning rate" + _INHERITED)
    loss_fn: LossFunction | None = Field(None, description="loss of a trial" + _INHERITED)
    loss_threshold: float | None = Field(
        None, gt=0, description="mean test loss below which the stage may end" + _INHERITED
    )
    accuracy_threshold: float | None = Field(
        None, ge=0, le=1, description="test accuracy above which the stage may end" + _INHERITED
    )
    eval_freq: int | None = Field(None, ge=1, le=MOST, description="trials between tests" + _INHERITED)
    eval_tr: int | None = Field(None, ge=1, le=MOST, description="trials per test" + _INHERITED)

    @field_validator("task_settings", mode="before")
    @classmethod
    def _convert(cls, given: Any) -> Any:
        return task_values(flat_settings(given))

    def changes(self) -> dict[str, Any]:
        """The settings of training that this stage changes.

        Returns:
            values by name.
        """
        return self.model_dump(exclude={"task_settings"}, exclude_none=True)


def _as_tuple(stages: Any) -> Any:
    if not isinstance(stages, list | tuple):
        raise ValueError("give a list of stages, each a mapping of settings, as [{task_settings: {...}}, {...}]")
    return tuple(stages)


def _file_or_point(start: Any) -> Any:
    if start is None or (isinstance(start, str | dict) and start):
        return start
    raise ValueError("it must be the path of a .mat or .pth file, or settings of another grid point: {N: 100}")


class TrainingSettings(Settings):
    """How a network is trained and when it counts as trained (docs/model.md 3)."""

    newer: ClassVar[tuple[str, ...]] = (  # settings that networks of release 0.1 did not have
        *("optimizer", "momentum", "weight_decay", "revive", "clip", "schedule", "schedule_trials", "schedule_factor"),
        *("penalties", "stages", "start_from", "keep_weights", "network_from"),
    )

    n_trials: int = Field(6000, ge=1, le=MOST, description="largest number of trials; with stages, of each stage")
    min_trials: int | None = Field(
        None,
        ge=0,
        le=MOST,
        description="trials before which training does not stop; by default 1,500 for go-nogo, else 0",
    )
    batch_size: int = Field(1, ge=1, le=MOST, description="trials per update; 1 reproduces the paper")
    learning_rate: float = Field(0.01, gt=0, description="learning rate of the optimizer")
    loss_fn: LossFunction = Field("l2", description="loss of a trial")
    loss_threshold: float = Field(7.0, gt=0, description="mean test loss below which training may stop")
    accuracy_threshold: float = Field(0.95, ge=0, le=1, description="test accuracy above which training may stop")
    eval_freq: int = Field(100, ge=1, le=MOST, description="trials between tests")
    eval_tr: int = Field(100, ge=1, le=MOST, description="trials per test")
    optimizer: OptimizerName = Field("adam", description="how an update follows from the gradient")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd")
    weight_decay: float = Field(0.0, ge=0, description="decay of the recurrent weights and those of the readout")
    revive: bool = Field(False, description="whether eg lets absent and silenced connections grow")
    clip: float | None = Field(
        None, gt=0, description="largest norm of the gradient of all parameters together; by default no limit"
    )
    schedule: Schedule = Field("constant", description="how the learning rate falls with the number of trials")
    schedule_trials: int = Field(1000, ge=1, le=MOST, description="trials in which a schedule falls by its factor")
    schedule_factor: float = Field(0.1, gt=0, le=1, description="factor by which a schedule falls")
    penalties: PenaltySettings = PenaltySettings()
    stages: Annotated[
        tuple[StageSettings, ...],
        BeforeValidator(_as_tuple, json_schema_input_type=list[StageSettings]),
        Field(max_length=MOST_STAGES),
    ] = Field((), description="stages of a curriculum, in their order; the next begins when the criterion is met")
    start_from: Annotated[LocalPathAsWritten | dict[str, Any] | None, BeforeValidator(_file_or_point)] = Field(
        None,
        description=".mat or .pth file of a network whose weights training starts from; or, in a grid, the settings in "
        "which another of its points differs, whose networks training starts from",
    )
    keep_weights: int | None = Field(
        None, ge=1, le=MOST, description="trials between two copies of the weights in weights.npz; by default none"
    )
    network_from: SkipJsonSchema[NetworkFromSettings | None] = Field(
        None, description="file of a network that is not trained here; `grid.networks_from` sets it"
    )

    @model_validator(mode="after")
    def _check_decay(self) -> Self:
        if self.optimizer in ("adamw", "sgd", "eg") and self.learning_rate * self.weight_decay >= 1:
            allowed = f"times learning_rate = {self.learning_rate:g} it must be below 1"
            raise SettingsError.for_key("weight_decay", self.weight_decay, allowed)
        return self

    @property
    def most_trials(self) -> int:
        """Largest number of trials of a whole training."""
        return sum(self.in_stage(k).n_trials for k in range(len(self.stages))) or self.n_trials

    def in_stage(self, number: int) -> TrainingSettings:
        """The settings of training in one stage.

        Args:
            number: of the stage, from 0; not used without stages.

        Returns:
            these settings with the changes of that stage, and without stages.
        """
        if not self.stages:
            return self
        return self.model_copy(update={**self.stages[number].changes(), "stages": ()})

    @property
    def last(self) -> TrainingSettings:
        """The settings of the last stage, by which a trained network is scored."""
        return self.in_stage(-1)

    def identity_values(self) -> dict[str, Any]:
        """What these settings add to the identity of a run.

        Returns:
            their values; a setting that older networks did not have is left out at its default, so that they keep
            their identity.
        """
        if (
            self.network_from is not None
        ):  # nothing is trained; the criterion decides whether the network counts as trained
            judged = self.model_dump(mode="json", include={"loss_fn", "loss_threshold", "accuracy_threshold"})
            return {"network_from": self.network_from.sha256, **judged}
        values = self.model_dump(mode="json")
        if values["min_trials"] is None:
            del values["min_trials"]
        for name in self.newer:
            if getattr(self, name) == TrainingSettings.model_fields[name].default:
                del values[name]
        if isinstance(self.start_from, str):
            values["start_from"] = contents_of(self.start_from)
        for stage, given in zip(values.get("stages", ()), self.stages, strict=True):
            unset = [name for name in stage if getattr(given, name) is None]
            for name in unset:
                del stage[name]
        return values


def contents_of(path: str) -> str:
    """SHA-256 of the file that training starts from, which is part of the identity instead of its path.

    Args:
        path: as the setting has it.

    Returns:
        64 hexadecimal digits.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        file = Path(local_path(path) or "")
        state = file.stat()
        return _sha256(file, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise SettingsError([(("training", "start_from"), f" = {shown(path)}: {error.strerror}")]) from None


@functools.lru_cache(1024)
def _sha256(file: Path, changed: int, size: int) -> str:
    return sha256_of(file)


class EvaluationSettings(ElsewhereSettings):
    """How a trained network is scored."""

    newer: ClassVar[tuple[str, ...]] = (*ElsewhereSettings.newer, "noise_sd", "perturbation")

    n_trials: int = Field(100, ge=1, le=MOST, description="fresh trials")
    psychometric_trials: int = Field(
        25,
        ge=0,
        le=MOST,
        description="trials at each strength of evidence and context, for tasks that grade their evidence",
    )
    noise_sd: float | None = Field(
        None, ge=0, description="SD of the noise that is added to each unit at every step; by default the network's"
    )
    perturbation: RatePerturbationSettings = RatePerturbationSettings()

    @property
    def keeps_the_network(self) -> bool:
        """Whether the trained network is tested as it is."""
        return self.noise_sd is None and self.input_gain == 1 and self.perturbation.changes_nothing

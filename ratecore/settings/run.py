"""Settings of one run: one network, one seed."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from ratecore.settings.base import Settings, SettingsError, shown, task_key
from ratecore.settings.hints import in_steps
from ratecore.settings.network import NetworkSettings
from ratecore.settings.paths import LocalPathAsWritten
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.settings.task_values import TaskValue, for_another_kind, task_values
from ratecore.settings.training import EvaluationSettings, TrainingSettings
from ratecore.system.streams import draw_inhibitory, stream
from ratecore.tasks import AbstractTask, TaskFactory
from ratecore.tasks.checks import check_task, other_folder
from ratecore.tasks.files import load_task_file, registered_by, task_code
from ratecore.tasks.losses import why_not
from ratecore.tasks.randomness import same_folder, working_folder

AFTER_TRAINING = ("evaluation", "spiking", "conversion")  # sections that no trained network depends on


class RunSettings(Settings):
    """Everything that can change the numbers of a run, which is one network with one seed."""

    task: str = Field("go-nogo", description="name of a registered task")
    task_file: LocalPathAsWritten | None = Field(
        None, description="Python file that registers the task, when it is your own"
    )
    task_settings: dict[str, TaskValue] = Field(
        {}, description="settings of the task over its defaults; durations are in steps of 5 ms"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="seed of everything random in the run")
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    spiking: SpikingSettings = SpikingSettings()
    conversion: ConversionSettings = ConversionSettings()

    @field_validator("task_settings", mode="before")
    @classmethod
    def _convert(cls, given: Any) -> Any:
        return task_values(given)

    @field_validator("task")
    @classmethod
    def _spell(cls, task: str) -> str:
        return task_key(task)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_task()
        net = self.network
        self.spiking.stimulation.check_units(net.N, net.som_N)
        if net.som_N and net.som_N <= net.N:
            # The types are the first draw of the network's stream, so the number of inhibitory units is known here.
            n_inh = int(draw_inhibitory(net.N, net.P_inh, net.apply_dale, stream(self.seed, "initialisation")).sum())
            if net.som_N > n_inh:
                allowed = (
                    f" = {net.som_N}: it must be at most the number of inhibitory units, which is {n_inh} with "
                    f"N = {net.N}, P_inh = {net.P_inh:g}, seed = {self.seed}"
                )
                raise SettingsError([(("network", "som_N"), allowed)])
        return self

    def _check_task(self) -> None:
        """Check that the task can be made; the error names the key that prevents it."""
        folder = working_folder()
        try:
            with same_folder():
                task = self.create_task()
                moved = working_folder() != folder
        except SettingsError:
            raise
        except ValueError as error:
            if task_key(self.task) not in TaskFactory.list_available_tasks():
                raise SettingsError([(("task",), f": {self._not_registered() or error}")]) from None
            hint = in_steps(self.task_settings, partial(TaskFactory.create_task, self.task, strict=True))
            hint = hint or for_another_kind(self.task_settings, TaskFactory.task_class(self.task).defaults)
            raise SettingsError([(("task_settings",), f": {error}{hint}")]) from error.__cause__
        if moved:
            raise other_folder(f"task '{task.name}': its __init__ changes")
        check_task(task, self.create_task)
        if reason := why_not(task, self.training.loss_fn):
            raise SettingsError([(("training", "loss_fn"), f" = {shown(self.training.loss_fn)}: {reason}")])

    def _not_registered(self) -> str:
        """The message for an unknown task when there is a file that should have registered it."""
        if not self.task_file:
            return ""
        file, available = f"task_file {shown(self.task_file)}", ", ".join(TaskFactory.list_available_tasks())
        if names := registered_by(self.task_file):
            return f"unknown task {shown(self.task)}; {file} registers {', '.join(names)}; available: {available}"
        line = f"TaskFactory.register_task({shown(self.task)}, <the class>)"
        return f"unknown task {shown(self.task)}; {file} registers no task: it must call {line} when it is imported"

    def create_task(self) -> AbstractTask:
        """Make the task of this run.

        Returns:
            The task.

        Raises:
            ValueError: an unknown task, or settings that it cannot have.
        """
        if self.task_file:
            load_task_file(self.task_file)
        return TaskFactory.create_task(self.task, self.task_settings, strict=True)

    def identity(self, *stages: str) -> str:
        """Hash of every setting that can change the numbers of some stages.

        Args:
            *stages: sections among 'training', 'evaluation', 'spiking' and 'conversion', by default all. The network,
                its task and the seed are always included.

        Returns:
            16 hexadecimal digits.
        """
        return hash_of(self.identity_values(*stages))

    def identity_values(self, *stages: str) -> dict[str, Any]:
        """The values that `identity` hashes.

        Args:
            *stages: as in `identity`.

        Returns:
            Settings by section, with all settings of the task and the hash of its code.
        """
        every = {"training", *AFTER_TRAINING}
        values = self.model_dump(mode="json", exclude=every - set(stages or every))
        task = self.create_task()
        values["task_settings"] = task.settings
        del values["task_file"]
        if "training" in values and values["training"]["min_trials"] is None:
            del values["training"]["min_trials"]  # so that networks older than this setting keep their identity
        if code := task_code(type(task)):
            values["task_code"] = code
        return values


def hash_of(values: dict[str, Any]) -> str:
    """Hash of a dictionary, independent of the order of its keys.

    Args:
        values: can be written as JSON.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

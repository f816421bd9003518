"""Typed, frozen, validated settings. Every default has its one home here."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from ratecore.hints import in_steps, look_in
from ratecore.reading import expanded_uri, local_path
from ratecore.reading import load_yaml as load_yaml
from ratecore.settings import Settings, SettingsError, did_you_mean, shortened, shown, task_key
from ratecore.spiking.settings import ConversionSettings as ConversionSettings
from ratecore.spiking.settings import SpikingSettings as SpikingSettings
from ratecore.spiking.settings import StimulationSettings as StimulationSettings
from ratecore.streams import draw_inhibitory, stream
from ratecore.tasks import TaskFactory
from ratecore.tasks.checks import check_task, other_folder
from ratecore.tasks.files import load_task_file as load_task_file
from ratecore.tasks.files import registered_by, task_code
from ratecore.tasks.randomness import same_folder, working_folder

MOST_UNITS = 100_000  # the weights alone are 40 GB then
MOST = 1_000_000_000  # of anything that is counted: more is a slip, and no job would end
AFTER_TRAINING = ("evaluation", "spiking", "conversion")  # sections that no trained network depends on

Activation = Literal["sigmoid", "clipped_relu", "softplus"]
LossFunction = Literal["l2", "l1"]
ACTIVATIONS = get_args(Activation)
LOSS_FUNCTIONS = get_args(LossFunction)


def _as_tuple(taus):
    if not isinstance(taus, int | float | list | tuple):
        raise ValueError("give one time constant, or a minimum and a maximum as [4, 20], in steps of 5 ms")
    return tuple(taus) if isinstance(taus, list | tuple) else (taus,)


Taus = Annotated[tuple[float, ...], BeforeValidator(_as_tuple, json_schema_input_type=float | tuple[float, ...])]


class NetworkSettings(Settings):
    """What a network is before training (docs/model.md 1)."""

    N: int = Field(200, ge=1, le=MOST_UNITS, description="number of units")
    P_inh: float = Field(0.2, ge=0, le=1, description="probability that a unit is inhibitory")
    P_rec: float = Field(0.2, ge=0, le=1, description="probability that a connection is present at the start")
    som_N: int = Field(0, ge=0, le=MOST_UNITS, description="number of SST units, taken from the inhibitory ones")
    gain: float = Field(1.5, gt=0, description="scale of the starting weights (gaus)")
    apply_dale: bool = Field(True, description="whether Dale's law holds")
    w_dist: Literal["gaus", "gamma"] = Field("gaus", description="distribution of the starting weights")
    taus: Taus = Field((4.0, 20.0), description="tau or tau_min, tau_max, in steps of 5 ms")
    activation: Activation = Field("sigmoid", description="phi")

    @field_validator("taus")
    @classmethod
    def _check_taus(cls, taus):
        if len(taus) not in (1, 2):
            raise ValueError("give one time constant, or a minimum and a maximum as [4, 20]")
        if not all(math.isfinite(t) and t >= 1 for t in taus):
            raise ValueError("each time constant must be at least one step (DeltaT = 1, 5 ms)")
        if len(taus) == 2 and taus[0] >= taus[1]:
            raise ValueError("the minimum must be below the maximum")
        return taus

    @model_validator(mode="after")
    def _check_som(self):
        if self.som_N > 0 and not self.apply_dale:
            raise SettingsError.of("som_N", self.som_N, "without Dale's law there are 0 inhibitory units; it must be 0")
        if self.som_N > self.N:
            raise SettingsError.of("som_N", self.som_N, f"it must be at most N = {self.N}")
        return self


class TrainingSettings(Settings):
    """How a network is trained and when it counts as trained (docs/model.md 3)."""

    n_trials: int = Field(6000, ge=1, le=MOST, description="most trials")
    min_trials: int | None = Field(
        None,
        ge=0,
        le=MOST,
        description="trials before which training does not stop; by default 1,500 for go-nogo, else 0",
    )
    batch_size: int = Field(1, ge=1, le=MOST, description="trials an update; 1 reproduces the paper")
    learning_rate: float = Field(0.01, gt=0, description="of Adam")
    loss_fn: LossFunction = Field("l2", description="loss of a trial")
    loss_threshold: float = Field(7.0, gt=0, description="mean test loss below which training may stop")
    accuracy_threshold: float = Field(0.95, ge=0, le=1, description="test accuracy above which training may stop")
    eval_freq: int = Field(100, ge=1, le=MOST, description="trials between tests")
    eval_tr: int = Field(100, ge=1, le=MOST, description="trials of a test")


class EvaluationSettings(Settings):
    """How a trained network is scored."""

    n_trials: int = Field(100, ge=1, le=MOST, description="fresh trials")
    psychometric_trials: int = Field(
        25,
        ge=0,
        le=MOST,
        description="trials at each strength of evidence and context, for tasks that grade their evidence",
    )


class RunSettings(Settings):
    """Everything that can change the numbers of one run: one network, one seed."""

    task: str = Field("go-nogo", description="name of a registered task")
    task_file: str | None = Field(None, description="Python file that registers the task, when it is your own")
    task_settings: dict[str, float] = Field({}, description="settings of the task over its defaults, in steps of 5 ms")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of everything random in the run")
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    spiking: SpikingSettings = SpikingSettings()
    conversion: ConversionSettings = ConversionSettings()

    @field_validator("task")
    @classmethod
    def _one_spelling(cls, task):
        return task_key(task)

    @field_validator("task_file")
    @classmethod
    def _check_expansion(cls, task_file):
        local_path(task_file)
        return task_file

    @model_validator(mode="after")
    def _check(self):
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
        """The task as it is asked for can be made, or the key that stands in the way is named."""
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
            raise SettingsError([(("task_settings",), f": {error}{hint}")]) from error.__cause__
        if moved:
            raise other_folder(f"task '{task.name}': its __init__ changes")
        check_task(task, self.create_task)

    def _not_registered(self) -> str:
        """The words for an unknown task when there is a file that should have registered it."""
        if not self.task_file:
            return ""
        file, available = f"task_file {shown(self.task_file)}", ", ".join(TaskFactory.list_available_tasks())
        if names := registered_by(self.task_file):
            return f"unknown task {shown(self.task)}; {file} registers {', '.join(names)}; available: {available}"
        line = f"TaskFactory.register_task({shown(self.task)}, <the class>)"
        return f"unknown task {shown(self.task)}; {file} registers no task: it must call {line} when it is imported"

    def create_task(self):
        """The task of this run. Raises ValueError: an unknown task, or settings it cannot have."""
        if self.task_file:
            load_task_file(self.task_file)
        return TaskFactory.create_task(self.task, self.task_settings, strict=True)

    def identity(self, *stages: str) -> str:
        """Hash (16 hex digits) of every setting that can change the numbers of the given stages (default: all).

        Args:
            stages: names among 'training', 'evaluation', 'spiking' and 'conversion'. The network, its task and the seed
                are always part of it.
        """
        return hash_of(self.identity_values(*stages))

    def identity_values(self, *stages: str) -> dict:
        """What `identity` is the hash of."""
        every = {"training", *AFTER_TRAINING}
        values = self.model_dump(mode="json", exclude=every - set(stages or every))
        task = self.create_task()
        values["task_settings"] = task.settings
        del values["task_file"]
        if "training" in values and values["training"]["min_trials"] is None:
            del values["training"]["min_trials"]  # as if there were no such setting, of which networks are older
        if code := task_code(type(task)):
            values["task_code"] = code
        return values


def hash_of(values: dict) -> str:
    """16 hex digits for a dictionary, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


class TrackingSettings(Settings):
    """Where the runs are mirrored."""

    uri: str | None = Field(
        None,
        description="MLflow tracking URI; the environment's MLFLOW_TRACKING_URI comes first, and without either it "
        "is a SQLite file in the results folder",
    )

    @field_validator("uri")
    @classmethod
    def _expand(cls, uri):
        return expanded_uri(uri)


class FigureSettings(Settings):
    """What is drawn for the report."""

    grid_points: int = Field(
        50, ge=0, le=MOST, description="grid points that get figures of their own, the first of the grid"
    )


class ExperimentSettings(Settings):
    """A whole experiment: the file `config/config.yaml`."""

    experiment: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="name of the experiment: of its folder in the results and of the experiment in MLflow",
    )
    results: str = Field(
        "results", min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$", description="folder of all results"
    )
    grid: dict[str, Annotated[list, Field(min_length=1)] | str] = Field(
        {}, description="axis: list of values. Any setting can be an axis; `seed` can also be a range, '0..99'"
    )
    seeds_per_job: int = Field(10, ge=1, le=MOST, description="seeds of one grid point that one job takes")
    threads_per_job: int = Field(
        1, ge=1, le=MOST, description="cores that a training job takes: so many of its seeds are trained at once"
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu", description="where networks are trained; 'auto' is a GPU when there is one"
    )
    jobs_per_gpu: int = Field(1, ge=1, description="jobs that may share a GPU")
    gpu_frac: float | None = Field(
        None, gt=0, le=1, description="fraction of a GPU's memory that a job may take; by default its share of the GPU"
    )
    task: str = Field("go-nogo", description="task of every run, unless it is an axis")
    task_file: str | None = Field(None, description="Python file that registers your own task")
    task_settings: dict[str, float | dict[str, float]] = Field(
        {}, description="settings over the task's defaults, in steps of 5 ms; under a task's name: of that task only"
    )
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    convert: bool = Field(True, description="whether trained networks are converted to spiking ones")
    spiking: SpikingSettings = SpikingSettings()
    conversion: ConversionSettings = ConversionSettings()
    tracking: TrackingSettings = TrackingSettings()
    figures: FigureSettings = FigureSettings()

    @field_validator("results")
    @classmethod
    def _expand(cls, results):
        return local_path(results)

    @field_validator("task_file")
    @classmethod
    def _check_expansion(cls, task_file):
        local_path(task_file)  # kept as it is written: every run records it
        return task_file

    @field_validator("task_settings")
    @classmethod
    def _check_names(cls, given):
        names: dict[str, str] = {}
        for name in (name for name, own in given.items() if isinstance(own, dict)):
            if (first := names.setdefault(task_key(name), name)) != name:
                raise SettingsError([((name,), f": it is the task '{first}', which is there already; give it once")])
        return given

    @field_validator("grid", mode="before")
    @classmethod
    def _check_axes(cls, grid):
        if not isinstance(grid, dict) or not all(isinstance(axis, str) for axis in grid):
            dashes = isinstance(grid, list) and any(isinstance(part, dict) for part in grid)
            hint = " (without the dashes in front of them)" if dashes else ""
            raise ValueError(f"it must be a mapping of axis: list of values{hint}")
        problems = []
        grid = {axis: _as_values(values) for axis, values in grid.items()}
        for axis, values in grid.items():
            if isinstance(values, list) and not values:
                problems.append(((axis,), " = []: an axis needs at least one value"))
            elif not isinstance(values, list | str):
                problems.append(((axis,), f" = {shown(values)}: it must be a list of values{_as_list(axis, values)}"))
        if problems:
            raise SettingsError(problems)
        return grid


look_in(ExperimentSettings)


def _as_values(values):
    """What Python has for a list of values, as a list."""
    if isinstance(values, np.ndarray):
        return values.tolist()
    return list(values) if isinstance(values, tuple | range) else values


def _as_list(axis: str, values) -> str:
    """What follows an axis whose values are no list: how they are written."""
    axis = shortened(axis)
    if values is None:
        return f", as {axis}: [...]"
    if isinstance(values, dict):
        return f"; a setting in a section is named with it, as {axis}.{shortened(next(iter(values), 'key'))}: [...]"
    if axis == "seed":
        return f"; {values} seeds are 0..{values - 1}" if type(values) is int and values > 0 else ", or a range as 0..9"
    return f", as [{shown(values)}]"


def schema_yaml() -> str:
    """The JSON schema of `config/config.yaml`, as YAML; `make schema` writes it to workflow/schemas/."""
    import yaml

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentSettings.model_json_schema()}
    head = "# Generated from ratecore/config.py by `make schema`; a test fails when the two drift.\n"
    return head + yaml.safe_dump(schema, sort_keys=False, width=120)


@dataclass
class RNNConfig:
    """Parameters of a network, as in the seed package.

    Attributes:
        N: number of units.   P_inh: probability that a unit is inhibitory.   P_rec: of a connection at the start.
        som_N: number of SST units.   gain: scale of the starting weights.   apply_dale: whether Dale's law holds.
        w_dist: 'gaus' or 'gamma'.   device: torch device.
    """

    N: int
    P_inh: float
    P_rec: float
    som_N: int = 0
    gain: float = 1.5
    apply_dale: bool = True
    w_dist: str = "gaus"
    device: str = "cpu"

    def network_settings(self) -> NetworkSettings:
        """The same as validated settings."""
        return NetworkSettings(**{f.name: getattr(self, f.name) for f in fields(self) if f.name != "device"})


def validate_config(config: RNNConfig) -> None:
    """Raises ValueError with every problem of `config`: key, value and what is allowed."""
    config.network_settings()
    if not re.fullmatch(r"cpu|cuda(:\d+)?", str(config.device)):
        raise SettingsError(f"device = {config.device!r}: it must be 'cpu', 'cuda' or 'cuda:<index>'")


def create_default_config(**changes) -> RNNConfig:
    """The default network's configuration with `changes`, validated. Raises ValueError, also for an unknown key."""
    known = [f.name for f in fields(RNNConfig)]
    for key in changes.keys() - set(known):
        raise SettingsError(f"unknown setting '{key}'{did_you_mean(key, known)}; allowed: {', '.join(known)}")
    default = NetworkSettings()
    config = RNNConfig(**{"N": default.N, "P_inh": default.P_inh, "P_rec": default.P_rec, **changes})
    validate_config(config)
    return config

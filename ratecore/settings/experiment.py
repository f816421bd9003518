"""Settings of an experiment, the schema of its file, and its error messages."""

from __future__ import annotations

from os import PathLike
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ratecore.settings.analysis import Analyses, AnalysisSettings, of_spikes
from ratecore.settings.base import Settings, SettingsError, TaskName, shown
from ratecore.settings.claims import ClaimSettings, check_names
from ratecore.settings.elsewhere import checked_names
from ratecore.settings.grid import LONGEST_NAME, NAMES, checked_grid
from ratecore.settings.hints import look_in
from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_units import with_named_units
from ratecore.settings.panels import Panels
from ratecore.settings.paths import LocalPathAsWritten
from ratecore.settings.reading import expanded_uri, local_path
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.settings.task_values import TaskValue, task_values
from ratecore.settings.training import MOST, EvaluationSettings, TrainingSettings
from ratecore.settings.unit_sets import UnitSets
from ratecore.tasks.files import load_analysis_file

Product = dict[str, Annotated[list[Any], Field(min_length=1)] | str]  # axis: values


class TrackingSettings(Settings):
    """Where the runs are mirrored."""

    uri: str | None = Field(
        None,
        description="MLflow tracking URI; the environment's MLFLOW_TRACKING_URI comes first, and without either it "
        "is a SQLite file in the results folder",
    )

    @field_validator("uri")
    @classmethod
    def _expand(cls, uri: str | None) -> str | None:
        return expanded_uri(uri)


class FigureSettings(Settings):
    """Figures of the networks and of the report."""

    networks: bool = Field(
        True,
        description="whether every evaluated and every converted network gets figures of its own, in its folder and "
        "in MLflow; they can be switched on later",
    )
    grid_points: int = Field(
        50, ge=0, le=MOST, description="number of grid points with figures of their own, the first of the grid"
    )


class ExperimentSettings(Settings):
    """An experiment: the file `config/config.yaml`."""

    experiment: str = Field(
        pattern=NAMES,
        max_length=LONGEST_NAME,
        description="name of the experiment, of its folder in the results and of the experiment in MLflow",
    )
    results: str = Field(
        "results", min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$", description="folder of all results"
    )
    grid: Product | Annotated[list[Product], Field(min_length=1)] = Field(
        {},
        description="axis: list of values. Any setting can be an axis; `seed` can also be a range, '0..99'. Or a list "
        "of such mappings, the products of the grid, each with a `name`",
    )
    seeds_per_job: int = Field(10, ge=1, le=MOST, description="seeds of a grid point that one job handles")
    threads_per_job: int = Field(
        1, ge=1, le=MOST, description="cores per training job; that many seeds train in parallel"
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu", description="where networks are trained; 'auto' is a GPU when there is one"
    )
    jobs_per_gpu: int = Field(1, ge=1, description="number of jobs that may share a GPU")
    gpu_frac: float | None = Field(
        None, gt=0, le=1, description="fraction of a GPU's memory that a job may use; by default its share of the GPU"
    )
    task: TaskName = Field(
        "go-nogo", description="task of every run, unless it is an axis; a list of tasks is done by one network"
    )
    task_file: LocalPathAsWritten | None = Field(None, description="Python file that registers your own task")
    task_settings: dict[str, TaskValue | dict[str, TaskValue]] = Field(
        {},
        description="settings over the task's defaults; durations are in steps of 5 ms; under a task's name: of that "
        "task only",
    )
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    convert: bool = Field(True, description="whether trained networks are converted to spiking networks")
    spiking: SpikingSettings = SpikingSettings()
    conversion: ConversionSettings = ConversionSettings()
    analyses: Analyses = Field((), description="analyses of every trained network, by their names; none by default")
    analysis: AnalysisSettings = AnalysisSettings()
    analysis_file: LocalPathAsWritten | None = Field(None, description="Python file that registers your own analyses")
    unit_sets: UnitSets = Field(
        {},
        description="named sets of units, for settings that choose units: a list of indices, {file: units.csv}, "
        "{tuning: {condition_a: ..., condition_b: ...}}, or {units: [groups]}",
    )
    tracking: TrackingSettings = TrackingSettings()
    figures: FigureSettings = FigureSettings()
    claims: dict[str, ClaimSettings] = Field(
        {}, description="claims of a publication about these networks, by their ids, each with the rule that judges it"
    )
    panels: Panels = Field({}, description="figures in the terms of a paper, by name, drawn when the grid is done")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        file = given.get("analysis_file") if isinstance(given, dict) else None
        if isinstance(file, str | PathLike):
            load_analysis_file(file)  # before the names of analyses and their settings are checked
        return with_named_units(given)

    @model_validator(mode="after")
    def _check_analyses(self) -> Self:
        if not self.convert and (needy := of_spikes(self.analyses)):
            are = f"{', '.join(needy)} {'is' if len(needy) == 1 else 'are'}"
            message = f" = {shown(list(self.analyses))}: {are} of spiking networks, which convert = False leaves out"
            raise SettingsError([(("analyses",), message)])
        return self

    @field_validator("claims")
    @classmethod
    def _check_claims(cls, given: dict[str, ClaimSettings]) -> dict[str, ClaimSettings]:
        return check_names(given)

    @field_validator("results")
    @classmethod
    def _expand(cls, results: str) -> str | None:
        return local_path(results)

    @field_validator("task_settings", mode="before")
    @classmethod
    def _convert(cls, given: Any) -> Any:
        return task_values(given, by_task=True)

    @field_validator("task_settings")
    @classmethod
    def _check_names(cls, given: dict[str, Any]) -> dict[str, Any]:
        return checked_names(given)

    @field_validator("grid", mode="before")
    @classmethod
    def _check_axes(cls, grid: Any) -> Any:
        return checked_grid(grid)


look_in(ExperimentSettings)


def schema_yaml() -> str:
    """The JSON schema of `config/config.yaml`; `make schema` writes it to workflow/schemas/.

    Returns:
        The schema as YAML.
    """
    import yaml

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentSettings.model_json_schema()}
    head = "# Generated from ratecore/settings/experiment.py by `make schema`; a test fails when the two drift.\n"
    return head + yaml.safe_dump(schema, sort_keys=False, width=120)

"""Conditions under which a trained network is tested: other settings of its task, weaker inputs, finer evidence."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from ratecore.settings.base import Settings, SettingsError, task_key
from ratecore.settings.task_values import TaskValue, task_values

MOST_LEVELS = 1000


def _as_levels(levels: Any) -> Any:
    """A list as a tuple; anything else unchanged."""
    return tuple(levels) if isinstance(levels, list) else levels


Levels = Annotated[
    tuple[float, ...],
    Field(min_length=1, max_length=MOST_LEVELS),
    BeforeValidator(_as_levels, json_schema_input_type=tuple[float, ...]),
]


class ElsewhereSettings(Settings):
    """What evaluation and conversion have in common: tests elsewhere than where the network was trained."""

    task_settings: dict[str, TaskValue | dict[str, TaskValue]] = Field(
        {},
        description="settings of the task over those that the network was trained with; under a task's name: of that "
        "task only",
    )
    input_gain: float = Field(1.0, ge=0, description="factor of the input weights")
    evidence_levels: Levels | None = Field(
        None, description="strengths of evidence of the psychometric and chronometric curves; by default the task's"
    )
    decision_threshold: float | None = Field(
        None, gt=0, description="absolute output at which a choice is made; by default the task's criterion"
    )

    response_time_from: Literal["stimulus", "response"] = Field(
        "stimulus",
        description="what response times count from: the onset of the last stimulus, or that of the response window",
    )

    # Newer than the first networks: left out of the identity at their defaults, and axes only by their full names.
    newer: ClassVar[tuple[str, ...]] = (
        *("task_settings", "input_gain", "evidence_levels", "decision_threshold", "response_time_from"),
    )

    @field_validator("task_settings", mode="before")
    @classmethod
    def _convert(cls, given: Any) -> Any:
        return task_values(given, by_task=True)

    @field_validator("task_settings")
    @classmethod
    def _check_names(cls, given: dict[str, Any]) -> dict[str, Any]:
        return checked_names(given)

    @field_validator("evidence_levels")
    @classmethod
    def _check_levels(cls, levels: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if levels is not None and len(set(levels)) < len(levels):
            raise ValueError("a level is given twice")
        return levels

    def identity_values(self) -> dict[str, Any]:
        """What these settings add to the identity of a stage.

        Returns:
            their values; a setting that the first networks did not have is left out at its default.
        """
        values, fields = self.model_dump(mode="json"), type(self).model_fields
        for name in self.newer:
            if (own := getattr(self, name)) == fields[name].default:
                del values[name]
            elif isinstance(own, Settings):
                values[name] = own.model_dump(mode="json", exclude_defaults=True)
        return values


def checked_names(given: dict[str, Any]) -> dict[str, Any]:
    """Check that no task has its own settings twice, under two spellings of its name.

    Args:
        given: settings of tasks, some of them under a task's name.

    Returns:
        the same.

    Raises:
        SettingsError: names the second spelling.
    """
    names: dict[str, str] = {}
    for name in (name for name, own in given.items() if isinstance(own, dict)):
        if (first := names.setdefault(task_key(name), name)) != name:
            raise SettingsError([((name,), f": it is the task '{first}', which is given already; give it once")])
    return given

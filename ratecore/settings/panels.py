"""Settings of panels, figures of an experiment in the terms of a paper (docs/panels.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ratecore.settings.base import Settings, SettingsError, did_you_mean, shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # of a panel, which is the name of its files
TWO_COLUMNS, ONE_COLUMN = 174.0, 85.0  # widths of a figure, mm


def _as_names(given: Any) -> Any:
    if isinstance(given, list | tuple) and not given:
        raise ValueError("it needs at least one name")
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else given


Names = Annotated[tuple[str, ...], BeforeValidator(_as_names, json_schema_input_type=str | tuple[str, ...])]


def _as_tuple(given: Any) -> Any:
    return tuple(given) if isinstance(given, list) else given


class PublishedValue(Settings):
    """A published value, drawn beside ours: a number with its SD, or a band."""

    at: Any = Field(None, description="value of the axis, or the group; by default the whole axis")
    by: Any = Field(None, description="value of the column `by` that it belongs to; by default none")
    measure: str | None = Field(None, description="measure that it is of; by default the first one of the panel")
    value: float | None = Field(None, description="in the unit of the table: shares as fractions, 0.939 for 93.9 %")
    sd: float | None = Field(None, ge=0, description="SD over networks, in the same unit")
    n: int | None = Field(None, ge=1, description="number of networks")
    low: float | None = Field(None, description="lower end of a band")
    high: float | None = Field(None, description="upper end of a band")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high are the two ends of a band; give both")
        if self.value is None and self.low is None:
            raise ValueError("give a value, or the ends of a band, low and high")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise SettingsError.for_key("low", self.low, f"it must be below high = {self.high:g}")
        if self.sd is not None and self.value is None:
            raise ValueError("sd is that of a value; give value, too")
        return self


Published = Annotated[
    tuple[PublishedValue, ...],
    BeforeValidator(_as_tuple, json_schema_input_type=list[PublishedValue]),
    Field(description="published values of the same quantity"),
]


class PanelSettings(Settings):
    """What all panels have.

    Attributes:
        columns_in: keys that name columns of the table.
    """

    columns_in: ClassVar[tuple[str, ...]] = ()

    kind: str
    title: str = Field(min_length=1, max_length=300, description="title in words")
    source: str | None = Field(
        None, min_length=1, max_length=200, description="figure of the publication that it stands beside, 'Fig. 2E'"
    )
    grid: str | None = Field(None, description="name of the product of the grid whose networks are shown; all of them")
    where: dict[str, Any] = Field(
        {}, description="networks that are shown, as column: value, or a list of values; a column of the grid, seed"
    )
    networks: Literal["trained", "all"] = Field(
        "trained", description="whether only trained networks count, or all that are done"
    )
    names: dict[str, str] = Field(
        {}, description="words for values of the axis and groups in place of the values, as text"
    )
    note: str | None = Field(None, max_length=2000, description="what the caption says besides")
    columns: Literal[1, 2] = Field(1, description="width in print: one column of a page, 85 mm, or two, 174 mm")
    height: float | None = Field(None, ge=25, le=240, description="height in mm; by default by what is shown")

    @property
    def width(self) -> float:
        """Width in print, in units of mm."""
        return ONE_COLUMN if self.columns == 1 else TWO_COLUMNS


class ByAxisSettings(PanelSettings):
    """Measures of networks over an axis of the grid."""

    columns_in = ("axis", "by")

    kind: Literal["by_axis"]
    axis: str = Field(description="column of the horizontal axis")
    measures: Names = Field(description="measures that are shown: numbers of the table, or computed from them")
    by: str | None = Field(None, description="a second column of the grid, whose values have colours of their own")
    style: Literal["mean", "boxes"] = Field("mean", description="mean with SD, or boxes with median and quartiles")
    scale: Literal["auto", "categories", "linear", "log"] = Field(
        "auto", description="of the horizontal axis; auto: categories for boxes and words, log for values that double"
    )
    limits: tuple[float, float] | None = Field(
        None, description="limits of the vertical axis, in the unit of the table; of a panel with one such axis"
    )
    axis_label: str | None = Field(None, description="label of the horizontal axis")
    published: Published = ()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, values: Any) -> Any:
        return _pairs(values, "limits")


class GroupsSettings(PanelSettings):
    """Boxes of a few groups of networks, with a test."""

    columns_in = ("by",)

    kind: Literal["groups"]
    by: str = Field(description="column of the grid whose values are the groups")
    measure: str = Field(description="measure that is compared: a number of the table, or computed from them")
    test: Literal["none", "rank_sum", "signed_rank"] = Field(
        "none",
        description="Wilcoxon's rank-sum test of independent networks, or his signed-rank test of the same networks "
        "or seeds; each group against the first, with Holm's correction for several",
    )
    limits: tuple[float, float] | None = Field(
        None, description="limits of the vertical axis, in the unit of the table"
    )
    published: Published = ()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, values: Any) -> Any:
        return _pairs(values, "limits")


class ExampleOutputsSettings(PanelSettings):
    """Outputs of one network by condition, and spikes of one trial."""

    columns_in = ("by",)

    kind: Literal["example_outputs"]
    network: Literal["rate", "spiking"] = Field("rate", description="the rate network, or its spiking network")
    by: str | None = Field(None, description="column of the grid: an example of each value, side by side")
    scaling: Annotated[
        tuple[Literal["none", "chosen"], ...],
        BeforeValidator(_as_names, json_schema_input_type=str | tuple[str, ...]),
    ] = Field(("chosen",), description="of a spiking network: weights as they are (lambda 1), or divided by its lambda")
    raster: str | None = Field(
        None, description="condition of whose first trial the spikes are shown, of a spiking network; by default none"
    )
    trials: int = Field(50, ge=1, le=10_000, description="trials, of all conditions, that the mean and SD are of")


class ByEvidenceSettings(PanelSettings):
    """Choices against the strength of the evidence of the cued modality."""

    columns_in = ("by",)

    kind: Literal["by_evidence"]
    network: Literal["rate", "spiking", "both"] = Field("rate", description="of which networks")
    measure: Literal["p_positive", "accuracy"] = Field(
        "p_positive", description="share of positive choices, or of correct trials"
    )
    by: str | None = Field(None, description="column of the grid whose values have colours of their own")


class LambdaCurvesSettings(PanelSettings):
    """Accuracy of spiking networks by lambda, from their searches."""

    columns_in = ("by",)

    kind: Literal["lambda_curves"]
    by: str | None = Field(None, description="column of the grid whose values have curves of their own")


class DistributionSettings(PanelSettings):
    """Histograms of trained time constants or weights, or of a measure of networks."""

    columns_in = ("by",)

    kind: Literal["distribution"]
    of: str = Field(description="taus (ms), weights (effective, not 0), or a measure of networks")
    by: str | None = Field(None, description="column of the grid whose values have histograms of their own")
    bins: int = Field(25, ge=2, le=1000, description="number of bins")


Panel = (
    ByAxisSettings
    | GroupsSettings
    | ExampleOutputsSettings
    | ByEvidenceSettings
    | LambdaCurvesSettings
    | DistributionSettings
)
KINDS: dict[str, type[PanelSettings]] = {
    "by_axis": ByAxisSettings,
    "groups": GroupsSettings,
    "example_outputs": ExampleOutputsSettings,
    "by_evidence": ByEvidenceSettings,
    "lambda_curves": LambdaCurvesSettings,
    "distribution": DistributionSettings,
}


def _pairs(values: Any, *keys: str) -> Any:
    """Lists under some keys as tuples of two. Raises SettingsError for other lengths."""
    if not isinstance(values, dict):
        return values
    pairs = {key: tuple(values[key]) for key in keys if isinstance(values.get(key), list)}
    for key, pair in pairs.items():
        if len(pair) != 2:
            raise SettingsError.for_key(key, values[key], "it must be two numbers, [lower, upper]")
    return values | pairs


def as_panels(given: Any) -> Any:
    """Read panels, each as its kind says.

    Args:
        given: panels by name.

    Returns:
        the same with settings for each; anything but a mapping as it is.

    Raises:
        SettingsError: with every problem of every panel.
    """
    if not isinstance(given, Mapping):
        return given
    panels: dict[str, PanelSettings] = {}
    problems = []
    for name, values in given.items():
        try:
            panels[name] = _as_panel(name, values)
        except SettingsError as error:
            problems += [((str(name), *path), message) for path, message in error.problems]
    if problems:
        raise SettingsError(problems)
    return panels


def _as_panel(name: Any, values: Any) -> PanelSettings:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise SettingsError(": it names the panel's files; letters, digits, '_', '-' and '.' make a name")
    if isinstance(values, PanelSettings):
        return values
    if not isinstance(values, Mapping):
        raise SettingsError(f" = {shown(values)}: it must be a mapping of settings: kind, title ...")
    kind, allowed = values.get("kind"), ", ".join(KINDS)
    if kind is None:
        raise SettingsError([(("kind",), f": it is required and missing; allowed: {allowed}")])
    if not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(str(kind), KINDS)
        raise SettingsError([(("kind",), f" = {shown(kind)}: there is no such panel{hint}; allowed: {allowed}")])
    return KINDS[kind](**values)


Panels = Annotated[dict[str, Panel], BeforeValidator(as_panels)]

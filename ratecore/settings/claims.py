"""Claims of a publication about the networks of a grid, and by what they are judged (docs/claims.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ratecore.settings.base import Problem, Settings, SettingsError, shown
from ratecore.system.published import published_half_width

Kind = Literal["mean", "share", "range", "equal", "greater", "differ", "trend", "best"]
Direction = Literal["rising", "falling", "highest", "lowest"]
TRAINED, GAP = "trained", "gap"
GAP_OF = ("accuracy", "spiking_accuracy")  # columns whose difference it is
SHARE = re.compile(r"share of (?P<column>\w+) (?P<sign>>=|<=|>|<) (?P<threshold>-?(\d+\.?\d*|\.\d+))")
# What each kind needs, and what it can have, besides what every claim has.
NEEDS: dict[str, tuple[str, ...]] = {
    "mean": ("published", "margin"),
    "share": ("published", "margin"),
    "range": ("published",),
    "equal": ("margin",),
    "greater": ("groups",),
    "differ": (),
    "trend": ("over", "direction"),
    "best": ("over", "at"),
}
MAY_HAVE: dict[str, tuple[str, ...]] = {
    "mean": ("over",),
    "share": ("over",),
    "range": ("over",),
    "equal": ("over", "groups", "paired"),
    "greater": ("margin", "paired"),
    "differ": ("over", "groups", "margin", "paired"),
    "trend": ("margin", "paired"),
    "best": ("margin", "paired", "direction"),
}
SPECIFIC = ("published", "margin", "over", "groups", "direction", "at", "paired")
DIRECTIONS: dict[str, tuple[str, ...]] = {"trend": ("rising", "falling"), "best": ("highest", "lowest")}
PUBLISHED: dict[str, tuple[str, ...]] = {
    "mean": ("value", "sd", "n"),
    "share": ("value", "n"),
    "range": ("low", "high"),
}


@dataclass(frozen=True)
class Measure:
    """What a claim is about: a number of each network.

    Attributes:
        columns: of the table; of two, the number is the first minus the second.
        sign: of a share: '>=', '<=', '>' or '<'; None for other measures.
        threshold: of a share, in units of the column.
    """

    columns: tuple[str, ...]
    sign: str | None = None
    threshold: float = 0.0

    @property
    def is_share(self) -> bool:
        """Whether the number is 0 or 1."""
        return self.sign is not None or self.columns == (TRAINED,)

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest possible number, in units of the measure."""
        if self.is_share or self.columns[0] in GAP_OF:
            return (0.0, 1.0) if len(self.columns) == 1 else (-1.0, 1.0)
        return (-float("inf"), float("inf"))


def measure_of(text: str) -> Measure:
    """Read a measure.

    Args:
        text: a column, 'gap', or 'share of COLUMN >= NUMBER'.

    Returns:
        the measure.

    Raises:
        ValueError: says what is allowed.
    """
    if text == GAP:
        return Measure(GAP_OF)
    if found := SHARE.fullmatch(" ".join(text.split())):
        return Measure((found["column"],), found["sign"], float(found["threshold"]))
    if re.fullmatch(r"\w+", text):
        return Measure((text,))
    raise ValueError("it must be a column of summary.csv, 'gap', or as 'share of spiking_accuracy >= 0.95'")


class PublishedSettings(Settings):
    """What a publication reports."""

    value: float | None = Field(None, description="mean, or share in [0, 1], in the units of summary.csv")
    sd: float | None = Field(None, ge=0, description="SD over networks of a mean")
    n: int | None = Field(None, ge=2, description="number of networks")
    low: float | None = Field(None, description="lower limit of a range")
    high: float | None = Field(None, description="upper limit of a range")


class ClaimSettings(Settings):
    """A claim, and the rule by which it is judged."""

    says: str = Field(min_length=1, max_length=500, description="claim in words")
    source: str = Field("", max_length=100, description="where it is made, 'Fig. 2E'")
    kind: Kind = Field(description="kind of the claim: mean, share, range, equal, greater, differ, trend or best")
    measure: str = Field(
        description="column of summary.csv, 'gap' (accuracy - spiking_accuracy), or 'share of COLUMN >= NUMBER'"
    )
    grid: str | None = Field(
        None, description="name of the product of the grid whose networks are meant; by default all"
    )
    where: dict[str, Any] = Field(
        {}, description="column of summary.csv: value, or list of values, of the networks that are meant"
    )
    networks: Literal["all", "trained"] | None = Field(
        None, description="whether networks that are not trained count; by default only for the measure 'trained'"
    )
    over: str | None = Field(None, description="column whose values are the groups")
    groups: Annotated[list[dict[str, Any]], Field(min_length=2)] | None = Field(
        None, description="two groups or more, each as {column: value}; 'greater': each is greater than the next"
    )
    published: PublishedSettings = PublishedSettings()
    margin: float | None = Field(
        None, ge=0, description="difference that is too small to count, in units of the measure"
    )
    confidence: float = Field(0.95, ge=0.5, lt=1, description="of the intervals")
    direction: Direction | None = Field(None, description="of a trend: rising, falling; of the best: highest, lowest")
    at: Any = Field(None, description="value of the column `over` at which the mean is the best")
    paired: bool | None = Field(
        None, description="whether groups are compared seed by seed; by default where they are the same networks"
    )
    least_sd: float = Field(0.0, ge=0, description="SD over networks that is assumed at least")

    @field_validator("measure")
    @classmethod
    def _check_measure(cls, text: str) -> str:
        measure_of(text)
        return " ".join(text.split())

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [*self._key_problems(), *self._published_problems()]
        if problems:
            raise SettingsError(problems)
        return self

    @property
    def read_measure(self) -> Measure:
        """The measure."""
        return measure_of(self.measure)

    @property
    def only_trained(self) -> bool:
        """Whether networks that are not trained are left out."""
        return self.measure != TRAINED if self.networks is None else self.networks == TRAINED

    @property
    def smallest(self) -> float:
        """The margin, in units of the measure; 0 without one."""
        return self.margin or 0.0

    def _key_problems(self) -> list[Problem]:
        """Keys that a kind lacks, does not know, or cannot use."""
        kind, measure = self.kind, f" = '{self.measure}': "
        known, problems = (*NEEDS[kind], *MAY_HAVE[kind]), list[Problem]()
        for key in SPECIFIC:
            given = key in self.model_fields_set and getattr(self, key) is not None
            if key in NEEDS[kind] and not given:
                problems.append(((key,), f": it is missing; kind: {kind} needs {' and '.join(NEEDS[kind])}"))
            elif given and key not in known:
                problems.append(((key,), f": kind: {kind} has none; it has {', '.join(known)}"))
        if kind in ("equal", "differ") and (self.over is None) == (self.groups is None):
            problems.append(((), f"kind: {kind} needs one of over: COLUMN and groups: [{{COLUMN: VALUE}}, ...]"))
        allowed = DIRECTIONS.get(kind, ())
        if self.direction is not None and allowed and self.direction not in allowed:
            problems.append((("direction",), f" = '{self.direction}': of kind: {kind} it is {' or '.join(allowed)}"))
        if self.measure == TRAINED == self.networks:
            problems.append((("networks",), " = 'trained': of these all are trained; leave it out"))
        if kind == "share" and not self.read_measure.is_share:
            problems.append((("measure",), f"{measure}kind: share needs 'trained' or 'share of COLUMN >= NUMBER'"))
        if kind == "mean" and self.read_measure.is_share:
            problems.append((("measure",), f"{measure}it is a share; write kind: share"))
        if kind in ("mean", "share", "equal") and self.margin == 0:
            problems.append((("margin",), " = 0: it must be above 0; no difference is ever known to be exactly 0"))
        return problems

    def _published_problems(self) -> list[Problem]:
        """Published numbers that a kind lacks or cannot use."""
        kind, p = self.kind, self.published
        if kind not in PUBLISHED or "published" not in self.model_fields_set:
            return []
        given = {key: getattr(p, key) for key in type(p).model_fields if getattr(p, key) is not None}
        own = PUBLISHED[kind]
        problems: list[Problem] = [
            (("published", key), f": kind: {kind} has none; it has {', '.join(own)}") for key in given if key not in own
        ]
        if kind == "range" and not {"low", "high"} & given.keys():
            problems.append((("published",), ": kind: range needs low, high or both"))
        if kind == "range" and p.low is not None and p.high is not None and p.low >= p.high:
            problems.append((("published", "high"), f" = {p.high:g}: it must be above low = {p.low:g}"))
        if kind in ("mean", "share") and p.value is None:
            problems.append((("published", "value"), f": it is missing; kind: {kind} needs it"))
        if kind == "mean" and (p.sd is None) != (p.n is None):
            problems.append((("published",), ": sd and n belong together; give both, or neither if one is not known"))
        least, most = self.read_measure.bounds
        for key, value in given.items():
            if key in ("value", "low", "high") and not least <= value <= most:
                percent = f"; a fraction, not per cent: {value / 100:g}" if 1 < value <= 100 else ""
                problems.append((("published", key), f" = {value:g}: '{self.measure}' is in [{least:g}, {most:g}]"
                                 f"{percent}"))  # fmt: skip
        return problems or self._margin_problems()

    def _margin_problems(self) -> list[Problem]:
        """A margin within which no number of seeds would ever bring the interval."""
        p = self.published
        if self.margin is None or p.value is None:
            return []
        left = published_half_width(p.value, p.sd, p.n, self.confidence)
        if self.margin > left:
            return []
        return [
            (("margin",), f" = {self.margin:g}: it must be above {left:.3g}, the half of the interval of the published "
             "number alone: no number of seeds brings the interval of the difference within it")
        ]  # fmt: skip


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def check_names(given: dict[str, ClaimSettings]) -> dict[str, ClaimSettings]:
    """Check the ids of claims.

    Args:
        given: id: claim.

    Returns:
        the same.

    Raises:
        SettingsError: an id that is no name.
    """
    wrong = [name for name in given if not NAME.fullmatch(name)]
    if wrong:
        allowed = "the id of a claim must be letters, digits, '.', '_' and '-', as fig2e-share"
        raise SettingsError([((shown(name),), f": {allowed}") for name in wrong])
    return given

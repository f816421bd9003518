"""Sets of units: as a setting names them, and the named sets of an experiment (docs/perturbations.md)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from ratecore.settings.base import Settings, SettingsError, did_you_mean, shown
from ratecore.settings.paths import LocalPathAsWritten
from ratecore.settings.reading import local_path
from ratecore.settings.units import GROUPS, TYPES
from ratecore.system.array_files import read_indices

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_ALLOWED = f"a list of indices >= 0, or one of {', '.join(GROUPS)}, an area, or a name in unit_sets"


def as_units(given: Any) -> str | tuple[str, ...] | tuple[int, ...]:
    """Read which units a setting chooses, as far as it can be without the network.

    Args:
        given: a group, a list of groups, or indices from 0. A group is a type (all, exc, inh, som), an area, a named
            set, or the units of a type within one, as 'motor.exc'.

    Returns:
        a group as it is; groups or indices as a tuple.

    Raises:
        ValueError: says what is allowed.
    """
    if isinstance(given, np.ndarray | range):
        given = given.tolist() if isinstance(given, np.ndarray) else list(given)
    if isinstance(given, str) and _is_group(given):
        return given
    parts = tuple(given) if isinstance(given, list | tuple) else (None,)
    if all(type(k) is int and k >= 0 for k in parts) or (parts and all(map(_is_group, parts))):
        return parts
    raise ValueError(f"it must be {_ALLOWED}")


def _is_group(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    own, dot, kind = name.partition(".")
    return bool(NAME.fullmatch(own)) and (not dot or kind in TYPES)


Units = Annotated[
    str | tuple[str, ...] | tuple[int, ...],
    BeforeValidator(as_units, json_schema_input_type=str | list[str] | list[int]),
]


class TuningSettings(Settings):
    """Units by how much their rates differ between two conditions of the task."""

    condition_a: str = Field(min_length=1, description="a condition of the task, as in the scores of the evaluation")
    condition_b: str = Field(min_length=1, description="the condition that it is compared with")
    prefers: Literal["either", "a", "b"] = Field(
        "either", description="units that fire more in condition a, in b, or that differ in either direction"
    )
    measure: Literal["difference", "d_prime"] = Field(
        "difference", description="of mean rates, or divided by their SD over trials"
    )
    top: float = Field(0.1, gt=0, le=1, description="share of the units, those that differ most")
    among: str = Field("all", description="units that are compared: all, exc, inh, som, an area, or a type within one")
    window: tuple[float, float] | None = Field(
        None, description="start and end in ms, over which rates are averaged; by default the response window"
    )
    n_trials: int = Field(200, ge=2, le=1_000_000, description="trials, of all conditions")

    @field_validator("window", mode="before")
    @classmethod
    def _check_window(cls, window: Any) -> tuple[float, ...] | None:
        return as_window(window)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.condition_a == self.condition_b:
            raise SettingsError.for_key("condition_b", self.condition_b, "it must be another one than condition_a")
        return self


def as_window(window: Any) -> tuple[float, ...] | None:
    """Read a window of time.

    Args:
        window: [start, end] in ms, or None.

    Returns:
        start and end in ms, or None.

    Raises:
        ValueError: says what is allowed.

    Source: none
    """
    if window is None:
        return None
    ends = list(window) if isinstance(window, list | tuple | np.ndarray) else []
    ends = [t.item() if isinstance(t, np.generic) else t for t in ends]
    if len(ends) != 2 or not all(type(t) in (int, float) for t in ends) or not 0 <= ends[0] < ends[1] < float("inf"):
        raise ValueError("it must be [start, end] in ms, with a start >= 0 and a later end")
    return tuple(float(t) for t in ends)


class UnitSet(Settings):
    """A named set of units: a list, a file, or by tuning."""

    units: Units | None = Field(None, description="indices from 0, or groups of units")
    file: LocalPathAsWritten | None = Field(None, description="file (.csv, .npy) with indices from 0")
    tuning: TuningSettings | None = Field(None, description="the units whose rates differ most between two conditions")

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [key for key in type(self).model_fields if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("give a list of indices, or one of {file: ...}, {tuning: {...}}, {units: ...}")
        return self

    def listed(self) -> tuple[int, ...] | None:
        """The indices of a set that is a list or a file.

        Returns:
            indices in their order; None for groups and for sets by tuning, which depend on the network.

        Raises:
            SettingsError: the file cannot be used.
        """
        if self.file is not None:
            try:
                return read_indices(local_path(self.file) or "")
            except ValueError as error:
                raise SettingsError([(("file",), f" = {shown(self.file)}: {error}")]) from None
        if isinstance(self.units, tuple) and all(isinstance(k, int) for k in self.units):
            return self.units  # type: ignore[return-value]  # all are int
        return None

    def identity_values(self) -> Any:
        """What the set adds to the identity of a run that uses it.

        Returns:
            its indices, whatever file they are from, or its settings.
        """
        listed = self.listed()
        return list(listed) if listed is not None else self.model_dump(mode="json", exclude_defaults=True)


def as_sets(given: Any) -> Any:
    """Read named sets; a list stands for `{units: [...]}`.

    Args:
        given: sets by name.

    Returns:
        the same with a mapping for each set; anything but a mapping as it is.

    Raises:
        ValueError: a name cannot be one.
    """
    if not isinstance(given, Mapping):
        return given
    for name in given:
        if not NAME.fullmatch(str(name)) or name in GROUPS:
            raise ValueError(f"'{name}' is no name of a set: letters, digits and _, and none of {', '.join(GROUPS)}")
    plain = (list, tuple, np.ndarray, range, str)
    return {name: {"units": value} if isinstance(value, plain) else value for name, value in given.items()}


UnitSets = Annotated[
    dict[str, UnitSet],
    BeforeValidator(as_sets, json_schema_input_type=dict[str, UnitSet | list[int] | list[str] | str]),
]


class Known:
    """What sets of units can be made of in a run, to check those that its settings name.

    Args:
        N: number of units.
        som_N: number of SST units.
        areas: names of the areas.
        sets: the named sets.
    """

    def __init__(self, N: int, som_N: int, areas: Iterable[str], sets: Mapping[str, UnitSet]) -> None:
        self.N, self.som_N, self.areas, self.sets = N, som_N, tuple(areas), sets

    def check_sets(self) -> None:
        """Check that the named sets fit the network.

        Raises:
            SettingsError: names the set and what is wrong.
        """
        for name, own in self.sets.items():
            where = ("unit_sets", name)
            if name in self.areas:
                raise SettingsError([(where, f": network.areas has an area '{name}'; a set needs another name")])
            try:
                listed = own.listed()
            except SettingsError as error:
                raise SettingsError([((*where, *path), text) for path, text in error.problems]) from None
            if listed is not None:
                self.check(listed, where)
            elif own.tuning is not None:
                self.check(own.tuning.among, (*where, "tuning", "among"), sets=())
            else:
                self.check(own.units or (), (*where, "units"), sets=())

    def check(
        self,
        units: str | tuple[str, ...] | tuple[int, ...],
        where: tuple[str, ...],
        sets: Collection[str] | None = None,
    ) -> None:
        """Check that a network has some units.

        Args:
            units: as `as_units` returns them.
            where: path of the setting.
            sets: names of the sets that may be used; None for all.

        Raises:
            SettingsError: it does not.
        """
        names = (units,) if isinstance(units, str) else units
        sets, value = self.sets if sets is None else sets, f" = {shown(units)}: "
        for name in names:
            if isinstance(name, int):
                if name >= self.N:
                    allowed = f"they must be indices from 0 to {self.N - 1}"
                    raise SettingsError([(where, f"{value}{allowed}")])
                continue
            own, _, kind = name.partition(".")
            if not self.som_N and "som" in (own, kind):
                raise SettingsError([(where, f"{value}the network has no SST units (network.som_N = 0)")])
            known = [*GROUPS, *self.areas, *sets]
            if own not in known:
                text = f"{value}'{own}' is no group of units{did_you_mean(own, known)}; allowed: {', '.join(known)}"
                raise SettingsError([(where, f"{text}, or indices; unit_sets gives a list a name")])


def used_sets(units: Iterable[Any], sets: Mapping[str, UnitSet]) -> dict[str, UnitSet]:
    """The named sets that some settings use.

    Args:
        units: values of settings that choose units.
        sets: all named sets.

    Returns:
        those that are used, in the order of `sets`.
    """
    names: set[str] = set()
    for which in units:
        parts = (which,) if isinstance(which, str) else which or ()
        names |= {part.partition(".")[0] for part in parts if isinstance(part, str)}
    return {name: own for name, own in sets.items() if name in names}

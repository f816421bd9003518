"""Analyses that a user's file registers: their names, functions and settings (docs/analysis.md)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, create_model

from ratecore.settings.base import Settings, SettingsError, did_you_mean, shown

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
MOST_COLUMNS = 6  # of the table, the first numbers of an analysis
OF = {"activity": ("evaluation",), "weights": (), "spikes": ("spiking", "conversion")}


class OneAnalysis(Settings):
    """Base class of the settings of one analysis.

    Attributes:
        depends_on: sections, besides its own, that its numbers depend on: 'evaluation' if it draws activity, as most
            do, 'spiking' and 'conversion' if it draws spikes. They are part of its identity, and their axes repeat it.
    """

    depends_on: ClassVar[tuple[str, ...]] = ("evaluation",)
    newer: ClassVar[tuple[str, ...]] = ()  # settings that are left out of the identity at their defaults

    def identity_values(self) -> dict[str, Any]:
        """What the settings add to the identity of a run.

        Returns:
            the settings, without newer ones that have their defaults.
        """
        values, fields = self.model_dump(mode="json"), type(self).model_fields
        return {
            key: value
            for key, value in values.items()
            if key not in self.newer or getattr(self, key) != fields[key].default
        }


class OwnSettings(OneAnalysis):
    """Base class of the settings of an analysis of a user.

    Attributes:
        analysis: its name.
    """

    analysis: ClassVar[str] = ""

    def identity_values(self) -> dict[str, Any]:
        """What the analysis adds to the identity of a run.

        Returns:
            its settings, and the hash of the user's code.
        """
        return {**super().identity_values(), "code": OWN[self.analysis].code}


@dataclass
class OwnAnalysis:
    """An analysis that a user's file registered.

    Attributes:
        name: of the analysis and of its section of settings.
        analyse: function of a Material and the settings, that gives numbers, or numbers and arrays.
        draw: function of the arrays of networks, by their label, that gives a figure; None without one.
        model: class of its settings.
        title: what it asks, a few words.
        numbers: name: description of each number.
        seconds: time that it takes for a network, s.
        of: 'activity', 'weights' or 'spikes': what it looks at.
        file: that registered it.
        code: SHA-256 of the file and of those in its folder that it imports.
    """

    name: str
    analyse: Callable[..., Any]
    draw: Callable[..., Any] | None
    model: type[OwnSettings]
    title: str
    numbers: Mapping[str, str]
    seconds: float
    of: str = "activity"
    file: str = field(default="", init=False)
    code: str = field(default="", init=False)


OWN: dict[str, OwnAnalysis] = {}  # by name, in the order in which they were registered
BUILT_IN: set[str] = set()  # names that are taken, which `ratecore.settings.analysis` fills


def register_analysis(
    name: str,
    analyse: Callable[..., Any],
    *,
    numbers: Mapping[str, str],
    settings: Mapping[str, Any] | None = None,
    draw: Callable[..., Any] | None = None,
    of: Literal["activity", "weights", "spikes"] = "activity",
    title: str = "",
    seconds: float = 1.0,
) -> None:
    """Register an analysis of your own, which `analyses` then chooses by its name.

    Args:
        name: lower-case letters, digits and _.
        analyse: `analyse(material, settings)`, which returns the numbers by name, or a tuple of numbers and arrays by
            name, or a sentence that says why this network has none. docs/analysis.md says what `material` has.
        numbers: name: description with the unit, of each number that it gives. The first six are columns of the table.
        settings: name: default of each setting: a number, a word, true or false, or a list of numbers or words. A value
            must have the type of its default. `n_trials`, if there is one, is the number of trials that it takes.
        draw: `draw(networks)`, which returns a matplotlib figure of the arrays of one or several networks, by their
            label and their name; none without it.
        of: 'activity', 'weights' or 'spikes': what it looks at, and so whether settings of the evaluation, of none, or
            of both do it again. Nothing else of the material can be read: of the weights alone no task and no
            activity, and spikes only with 'spikes'.
        title: what it asks, a few words.
        seconds: time that it takes for a network, s, by which jobs ask for time.

    Raises:
        ValueError: names the argument and what is allowed; or another function of the file has this name.
    """
    start = f"register_analysis({name!r}, ...): "
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{start}the name must have lower-case letters, digits and _, and begin with a letter")
    if name in BUILT_IN:
        raise ValueError(f"{start}ratecore has an analysis of this name; take another one")
    if of not in OF:
        raise ValueError(f"{start}of = {shown(of)}; it must be one of {', '.join(OF)}")
    _check_function(f"{start}analyse", analyse, ("material", "settings"))
    if draw is not None:
        _check_function(f"{start}draw", draw, ("networks",))
    if not isinstance(numbers, Mapping) or not numbers:
        raise ValueError(f"{start}numbers = {shown(numbers)}; it must be a mapping of names to descriptions")
    for key, words in numbers.items():
        if not isinstance(key, str) or not NAME.fullmatch(key) or not isinstance(words, str):
            raise ValueError(f"{start}numbers: {shown(key)}: {shown(words)}; it must be a lower-case name and a text")
    model = _model(name, start, dict(settings or {}), OF[of])
    if both := sorted(set(numbers) & set(model.model_fields)):
        raise ValueError(f"{start}'{both[0]}' is a number and a setting; columns need two names")
    if not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise ValueError(f"{start}seconds = {shown(seconds)}; it must be a time above 0")
    before = OWN.get(name)
    if before and not before.file and not _is_same(before.analyse, analyse):  # of this file; another one replaces it
        known = getattr(before.analyse, "__qualname__", shown(before.analyse))
        raise ValueError(f"{start}{known} is registered by this name already; take another one")
    title = title or f"analysis of {name}"
    OWN[name] = OwnAnalysis(name, analyse, draw, model, title, dict(numbers), float(seconds), of)


def _is_same(a: Callable[..., Any], b: Callable[..., Any]) -> bool:
    """Whether two functions are the same one, which may have been changed in a notebook meanwhile."""
    names = [(f.__module__, getattr(f, "__qualname__", None)) for f in (a, b)]
    return a is b or (names[0] == names[1] and "<lambda>" not in str(names[0][1]))


def _check_function(what: str, function: Any, arguments: tuple[str, ...]) -> None:
    call = f"{arguments[-1] if len(arguments) == 1 else ', '.join(arguments)}"
    if not callable(function):
        raise ValueError(f"{what} is {shown(function)}; it must be a function of ({call})")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        name = getattr(function, "__name__", shown(function))
        raise ValueError(f"{what}: {name}{inspect.signature(function)} cannot be called as {name}({call})") from None


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _model(name: str, start: str, defaults: dict[Any, Any], depends_on: tuple[str, ...]) -> type[OwnSettings]:
    """The class of an analysis's settings, of the types of their defaults."""
    fields: dict[str, Any] = {}
    for key, default in defaults.items():
        if not isinstance(key, str) or not NAME.fullmatch(key) or hasattr(OwnSettings, key):
            raise ValueError(f"{start}settings: {shown(key)} is no name of a setting; take lower-case letters and _")
        value = _as_tuple(default)
        kind: Any = type(value)
        if isinstance(value, tuple):
            kinds = {float if type(part) is int else type(part) for part in value}
            if kinds not in ({float}, {str}):
                raise ValueError(f"{start}settings: {key} = {shown(default)}; a list must have numbers or words")
            kind = Annotated[tuple[kinds.pop(), ...], BeforeValidator(_as_tuple)]  # type: ignore[misc]
        elif kind not in (bool, int, float, str):
            raise ValueError(f"{start}settings: {key} = {shown(default)}; it must be a number, a word or a list")
        fields[key] = (kind, Field(value))
    model: type[OwnSettings] = create_model(f"{name}Settings", __base__=OwnSettings, **fields)
    model.analysis, model.depends_on = name, depends_on
    return model


def with_own(given: Any) -> Any:
    """Check the sections of registered analyses, and add those that are not given.

    Args:
        given: the section `analysis`, before it is checked.

    Returns:
        the same with the settings of each registered analysis.

    Raises:
        SettingsError: an unknown setting, a value that is not allowed, or an unknown section.
    """
    if not isinstance(given, Mapping):
        return given
    values = dict(given)
    for name, own in OWN.items():
        section = values.get(name, {})
        if isinstance(section, own.model):
            continue
        section = section.model_dump() if isinstance(section, OwnSettings) else section
        if not isinstance(section, Mapping):
            keys = ", ".join(own.model.model_fields) or "it has none"
            raise SettingsError([((name,), f" = {shown(section)}: it must be a mapping of settings: {keys}")])
        try:
            values[name] = own.model(**section)
        except SettingsError as error:
            raise SettingsError([((name, *path), message) for path, message in error.problems]) from None
    known = [*BUILT_IN, *OWN]
    for name in values:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SettingsError(
                [((str(name),), f"unknown setting '{{key}}'{hint}; allowed: {', '.join(sorted(known))}")]
            )
    return values

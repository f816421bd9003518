"""What all settings have in common: frozen, strict, with errors in plain words."""

from __future__ import annotations

import functools
import math
import os
import re

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ratecore.settings import hints
from ratecore.system.redaction import without_secrets

# A number with an exponent that YAML 1.1 hands over as text: `1e4`, `1.5e3`, `2e-3`.
EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,4}")
_PLAIN = frozenset({int, bool, type(None)})
LARGEST_WHOLE = 2**53  # up to which every whole number is a float


class Lines(str):
    """A message with line breaks of its own, such as the traceback of a user's task. All others are one line each."""


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each key, its value and what is allowed.

    Attributes:
        problems: one (path of keys, message) for each thing that is wrong. The path goes where the message says
            `{key}`, or in front of it.
    """

    def __init__(self, problems: str | list[tuple[tuple[str, ...], str]]):
        self.problems = [((), problems)] if isinstance(problems, str) else problems
        super().__init__("; ".join(self.lines()))

    @classmethod
    def of(cls, key: str, value, allowed: str) -> SettingsError:
        """One setting of a section whose value does not go with another: 'key = value: what is allowed'."""
        text = f"{value:g}" if isinstance(value, float) else shown(value)
        return cls([((key,), f" = {text}: {allowed}")])

    def lines(self) -> list[str]:
        """One sentence for each problem, without the password of a tracking URI in the wrong place."""
        return [without_secrets(_sentence(path, message)) for path, message in self.problems]


def _sentence(path, message: str) -> str:
    """'section.key = value: what is allowed', in one line whatever is in the keys, except for `Lines`."""
    key = ".".join(_printable(shortened(str(part))) for part in path)
    text = message.replace("{key}", key) if "{key}" in message else key + message
    if path and key and "{key}" not in message and not re.match(r"[ :.\[]", message):
        text = f"{key}: {message}"  # of a check that named no setting
    return "\n".join(map(_printable, text.split("\n") if isinstance(message, Lines) else [text]))


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown key, errors in plain words."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    def __init__(self, /, **values):
        # Strict, so that YAML's `N: true` is no number; what can be read in one way only is read so.
        numbers = _numbers(type(self))
        for key, value in values.items():  # changed in place, and quickly: a grid makes thousands of settings
            kinds, given = numbers.get(key, frozenset()), type(value)
            plain = given in _PLAIN or (given is float and float in kinds) or (given is dict and not kinds)
            if not plain:
                values[key] = as_number(value, kinds)
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = [e.get("ctx", {}).get("error") for e in error.errors()]
            causes = [cause for cause in (getattr(e, "__cause__", None) for e in found) if cause]  # in a user's task
            problems = _one_each([p for e in error.errors() for p in self._problems(e)])
            raise SettingsError(problems) from (causes[0] if causes else None)

    @classmethod
    def _problems(cls, error: dict) -> list[tuple[tuple[str, ...], str]]:
        """What pydantic found wrong, as problems in our words; those of nested settings get their key in front."""
        path = cls._path(error["loc"])
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            return [(path + inner, message) for inner, message in cause.problems]
        if error["type"] == "extra_forbidden":
            hint, allowed = hints.for_key(path[-1], cls), ", ".join(cls.model_fields)
            return [(path, f"unknown setting '{{key}}'{hint}; allowed: {allowed}")]
        if not path:
            return [((), error["msg"].removeprefix("Value error, "))]
        if error["type"] == "missing":
            return [(path, f": it is required and missing; it is the {cls.model_fields[path[0]].description}")]
        return [(path, f" = {shown(error.get('input'))}: {cls._allowed(path, error)}")]

    @classmethod
    def _path(cls, loc) -> tuple[str, ...]:
        """The keys of a place, without pydantic's names for the types that it tried; `taus.1` is `taus[1]`."""
        path: list[str] = []
        for part in loc:
            if isinstance(part, int) and path:
                path[-1] += f"[{part}]"
            elif not path or not re.fullmatch(r"float|int|str|bool|(dict|tuple|list)\[.*", part):
                path.append(str(part))
        return tuple(path)

    @classmethod
    def _allowed(cls, path: tuple[str, ...], error: dict) -> str:
        """What is allowed for a value, with a hint where it is clear what was meant."""
        value, said = error.get("input"), error["msg"].removeprefix("Value error, ")
        key = path[0].partition("[")[0]
        field = cls.model_fields.get(key)
        if field is None:
            return said
        if hasattr(field.annotation, "model_fields"):
            return "it must be a mapping of settings" + _for_section(path[0], field.annotation, value)
        options = re.findall(r"'([^']+)'", error["ctx"]["expected"]) if error["type"] == "literal_error" else []
        said = said.replace("a valid dictionary", "a mapping, `key: value`")
        if error["type"] in ("less_than_equal", "less_than"):
            said += hints.for_bound(*error["ctx"].values(), value)
        return said + hints.for_value(key, field.annotation, field.default, options, value)


def _one_each(problems: list) -> list:
    """Of a value that may have one of several types each type complains: the first of the innermost says it."""
    paths = {path for path, _ in problems}
    outer = {path[:k] for path in paths for k in range(1, len(path))}
    kept: dict = {}
    for path, message in problems:
        if path not in outer or not path:
            kept.setdefault(path or message, (path, message))
    return list(kept.values())


def _for_section(name: str, model, value) -> str:
    """What follows something that is no section where one should be."""
    keys = ", ".join(model.model_fields)
    if value is None:
        return f" ({keys}) indented below {name}:, or be left out"
    if isinstance(value, str) and value[:1] in ("{", "["):
        return f" (is a bracket closed?): {keys}"
    if isinstance(value, str) and len(model.model_fields) == 1:
        return f", as {name}: {{{keys}: ...}}"
    if isinstance(value, str) and re.match(r"\w+\s*[:=]\s*\S", value):
        return f" (a colon needs a space after it): {keys}"
    if isinstance(value, list | tuple) and value and all(isinstance(part, dict) for part in value):
        return f" (without the dashes in front of them): {keys}"
    return f": {keys}"


@functools.cache
def _numbers(model) -> dict[str, frozenset[type]]:
    """The settings of a section that are numbers, or have them in lists, and the plain types of their values."""
    every = {key: frozenset(hints.kinds_of(field.annotation)) for key, field in model.model_fields.items()}
    return {key: kinds for key, kinds in every.items() if kinds & {int, float} and str not in kinds}


def as_number(value, kinds: frozenset[type]):
    """A value as the setting has it, where it can be read in one way only.

    `1e4`, which YAML 1.1 takes for text, is a number where a setting is one; a whole number such as 1e4 or 200.0 is
    one where a count is wanted; numpy's scalars and arrays are what they stand for, and a path is its text. Anything
    else stays what it is.

    Args:
        value: as it was given.   kinds: the plain types that the setting's value can have.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    elif isinstance(value, os.PathLike):
        value = os.fspath(value)
    if str in kinds or not (int in kinds or float in kinds):
        return value
    if type(value) in (list, tuple):
        return type(value)(as_number(v, kinds) for v in value)
    if type(value) is dict:
        return {key: as_number(v, kinds) for key, v in value.items()}
    if not isinstance(value, str | float):
        return value
    if isinstance(value, str):
        if not EXPONENT.fullmatch(value) or not math.isfinite(float(value)):
            return value
        value = float(value)
    whole = float not in kinds and abs(value) <= LARGEST_WHOLE and value == math.floor(value)
    return int(value) if whole else value


def task_key(name: str) -> str:
    """The one spelling of a task's name: 'Go_NoGo' is 'go-nogo'."""
    return str(name).lower().replace("_", "-")


def shortened(text: str, most: int = 100) -> str:
    """A text that is cut where it is long."""
    return text if len(text) <= most else f"{text[:most]} ..."


def shown(value) -> str:
    """A value for a message: cut where it is long, and not spelled out where it is a number of thousands of digits."""
    try:
        text = without_secrets(repr(value))  # before it is cut, for half a URI does not look like one
    except ValueError:
        return "a whole number of more than 4,300 digits"
    # Arrays have line breaks, and objects addresses, which differ each time and make two messages of one.
    return shortened(re.sub(r"\s*\n\s*| at 0x[0-9a-f]+", lambda m: " " if "\n" in m[0] else "", text), 200)


def did_you_mean(given, names) -> str:
    """' (did you mean ...?)' when one of `names` is near what was given, '' otherwise."""
    found = hints.near(given if isinstance(given, str) else shown(given), names)
    return f" (did you mean '{found}'?)" if found else ""

"""The base of all settings: frozen, strict, with errors in plain words."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from ratecore.settings import hints
from ratecore.settings.hints import is_section
from ratecore.system.redaction import without_secrets

# Numbers with an exponent that YAML 1.1 reads as text: `1e4`, `1.5e3`, `2e-3`.
EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,4}")
_PLAIN = frozenset({int, bool, type(None)})
LONGEST_VALUE, LONGEST_START = 180, 60  # characters of a name in a path, and of those in front of a hash
LARGEST_WHOLE = 2**53  # up to which floats represent every integer

Problem = tuple[tuple[str, ...], str]  # path of keys, message


class Lines(str):
    """A message with line breaks, such as one with a user's traceback; all other messages are one line each."""


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each key, its value and what is allowed.

    Args:
        problems: a message, or the path of keys and the message of each problem. The path replaces `{key}` in the
            message, or precedes it.
    """

    def __init__(self, problems: str | Sequence[Problem]):
        self.problems: list[Problem] = [((), problems)] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.lines()))

    @classmethod
    def for_key(cls, key: str, value: object, allowed: str) -> SettingsError:
        """The error for one setting of a section: 'key = value: what is allowed'.

        Args:
            key: name of the setting within its section.
            value: its value.
            allowed: what is allowed.

        Returns:
            An error, not yet raised.
        """
        text = f"{value:g}" if isinstance(value, float) else shown(value)
        return cls([((key,), f" = {text}: {allowed}")])

    def lines(self) -> list[str]:
        """The message of each problem, without passwords of tracking URIs.

        Returns:
            One sentence for each problem.
        """
        return [without_secrets(_sentence(path, message)) for path, message in self.problems]


def _sentence(path: tuple[str, ...], message: str) -> str:
    """'section.key = value: what is allowed', in one line unless the message is `Lines`."""
    key = ".".join(_printable(shortened(str(part))) for part in path)
    text = message.replace("{key}", key) if "{key}" in message else key + message
    if path and key and "{key}" not in message and not re.match(r"[ :.\[]", message):
        text = f"{key}: {message}"  # from a check that names no setting
    return "\n".join(map(_printable, text.split("\n") if isinstance(message, Lines) else [text]))


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Settings(BaseModel):
    """Base class of all settings: frozen, no unknown keys, errors in plain words.

    Args:
        *unnamed: refused; settings are given by name.
        **values: settings by name; all others have their defaults.

    Raises:
        TypeError: a setting without its name.
        SettingsError: names each problem.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    def __init__(self, /, *unnamed: Any, **values: Any):
        if unnamed:
            kind, first = type(self).__name__, next(iter(type(self).model_fields))
            raise TypeError(f"{kind}({shown(unnamed[0])}): settings are given by name, such as {kind}({first}=...)")
        # Strict, so that YAML's `N: true` is not a number; values that can be read in only one way are converted.
        numbers = _numbers(type(self))
        for key, value in values.items():  # in place and fast: a grid makes thousands of settings
            kinds, given = numbers.get(key, frozenset()), type(value)
            plain = given in _PLAIN or (given is float and float in kinds) or (given is dict and not kinds)
            if not plain:
                values[key] = as_number(value, kinds)
        try:
            super().__init__(**values)
        except ValidationError as error:
            errors = [e.get("ctx", {}).get("error") for e in error.errors()]
            causes = [cause for cause in (getattr(e, "__cause__", None) for e in errors) if cause]  # in a user's task
            problems = _innermost([p for e in error.errors() for p in self._problems(e)])
            raise SettingsError(problems) from (causes[0] if causes else None)

    @classmethod
    def _problems(cls, error: ErrorDetails) -> list[Problem]:
        """An error of pydantic as problems in our words; those of nested settings get their key in front."""
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
    def _path(cls, loc: Iterable[int | str]) -> tuple[str, ...]:
        """The keys of a location, without pydantic's names for the types that it tried; `taus.1` is `taus[1]`."""
        path: list[str] = []
        for part in loc:
            if isinstance(part, int) and path:
                path[-1] += f"[{part}]"
            elif not path or not re.fullmatch(r"float|int|str|bool|(dict|tuple|list)\[.*", str(part)):
                path.append(str(part))
        return tuple(path)

    @classmethod
    def _allowed(cls, path: tuple[str, ...], error: ErrorDetails) -> str:
        """What is allowed for a value, with a hint where it is clear what was meant."""
        value, allowed = error.get("input"), error["msg"].removeprefix("Value error, ")
        key = path[0].partition("[")[0]
        field = cls.model_fields.get(key)
        if field is None:
            return allowed
        if is_section(field.annotation):
            return "it must be a mapping of settings" + _for_section(path[0], field.annotation, value)
        options = re.findall(r"'([^']+)'", error["ctx"]["expected"]) if error["type"] == "literal_error" else []
        allowed = allowed.replace("a valid dictionary", "a mapping, `key: value`")
        if error["type"] in ("less_than_equal", "less_than"):
            (bound,) = error["ctx"].values()
            allowed += hints.for_bound(bound, value)
        return allowed + hints.for_value(key, field.annotation, field.default, options, value)


def _innermost(problems: list[Problem]) -> list[Problem]:
    """One problem for each value: where several types are allowed, pydantic reports one for each type."""
    paths = {path for path, _ in problems}
    outer = {path[:k] for path in paths for k in range(1, len(path))}
    kept: dict[object, Problem] = {}
    for path, message in problems:
        if path not in outer or not path:
            kept.setdefault(path or message, (path, message))
    return list(kept.values())


def _for_section(name: str, model: type[BaseModel], value: object) -> str:
    """The hint for a value that should be a section."""
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
def _numbers(model: type[BaseModel]) -> dict[str, frozenset[Any]]:
    """The settings of a section that are numbers or lists of numbers, with the plain types of their values."""
    every = {key: frozenset(hints.kinds_of(field.annotation)) for key, field in model.model_fields.items()}
    return {key: kinds for key, kinds in every.items() if kinds & {int, float} and str not in kinds}


def as_number(value: Any, kinds: frozenset[Any]) -> Any:
    """Convert a value to the type of its setting, where it can be read in only one way.

    `1e4`, which YAML 1.1 reads as text, becomes a number; integers such as 1e4 or 200.0 become ints where a count is
    wanted; numpy's scalars and arrays become numbers and lists, and paths become text.

    Args:
        value: as it was given.
        kinds: the plain types that the setting's value can have.

    Returns:
        The converted value, or `value` itself.
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
    """The canonical spelling of a task's name.

    Args:
        name: any spelling, 'Go_NoGo', also of several tasks in one network, 'Go_NoGo+xor'.

    Returns:
        Lower case with dashes, 'go-nogo'; a name of neurogym with its version, 'neurogym:gonogo-v0'.
    """
    key = str(name).lower().replace("_", "-")
    if "neurogym:" not in key:
        return key
    return re.sub(r"(neurogym:[^+]*?)(-v\d+)?(?=\+|$)", lambda found: found[1] + (found[2] or "-v0"), key)


def task_name(value: Any) -> Any:
    """The name of a task, or of several tasks in one network, in its canonical spelling.

    Args:
        value: as it was given: a name, or a list of names.

    Returns:
        'go-nogo', or 'go-nogo+xor' for a list; any other value as it is.
    """
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
        return task_key("+".join(value))
    return task_key(value) if isinstance(value, str) else value


TaskName = Annotated[
    str,
    BeforeValidator(task_name),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


def flat_settings(given: Any) -> Any:
    """Settings of several tasks in one network, each under its task's name, as settings of all: 'go-nogo.T'.

    Args:
        given: name of a task: its settings; other settings as they are.

    Returns:
        The same without dictionaries inside; anything but a dictionary as it is.
    """
    if not isinstance(given, dict):
        return given
    flat: dict[Any, Any] = {}
    for name, value in given.items():
        flat |= {f"{task_key(name)}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def hashed(start: str, text: str) -> str:
    """A name for a text that cannot be in a path.

    Args:
        start: of the name, of which usable characters remain.
        text: full text.

    Returns:
        The start and a hash of the text.
    """
    start = re.sub(r"[^A-Za-z0-9_.+-]+", "-", start)[:LONGEST_START].strip("-._+")
    return "-".join(filter(None, [start, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]]))


def path_part(text: str) -> str:
    """A text as the name of a folder, or part of that of a file.

    Args:
        text: a value.

    Returns:
        The text, with 'neurogym.' for 'neurogym:'; one that is too long or has characters unfit for a path becomes its
        usable start and a hash, so that different texts never share a path.
    """
    text = text.replace("neurogym:", "neurogym.")
    if len(text) > LONGEST_VALUE or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*|-?[0-9][0-9.e_+-]*", text):
        return hashed(text, text)
    return text


def shortened(text: str, most: int = 100) -> str:
    """Cut a long text.

    Args:
        text: any text.
        most: number of characters that are kept.

    Returns:
        The text, or its start and ' ...'.
    """
    return text if len(text) <= most else f"{text[:most]} ..."


def shown(value: object) -> str:
    """A value as messages show it.

    Args:
        value: any value.

    Returns:
        Its `repr` in one line, cut where it is long, without secrets.
    """
    try:
        text = without_secrets(repr(value))  # before it is cut, since half a URI does not look like one
    except ValueError:
        return "a whole number of more than 4,300 digits"
    # Arrays have line breaks. Objects have addresses, which would make two messages of one.
    return shortened(re.sub(r"\s*\n\s*| at 0x[0-9a-f]+", lambda m: " " if "\n" in m[0] else "", text), 200)


def did_you_mean(given: object, names: Iterable[str]) -> str:
    """The hint for an unknown name.

    Args:
        given: the unknown name.
        names: the known ones.

    Returns:
        ' (did you mean ...?)' when one of `names` is similar, else ''.
    """
    name = hints.near(given if isinstance(given, str) else shown(given), names)
    return f" (did you mean '{name}'?)" if name else ""

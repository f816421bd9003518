"""What all settings have in common: frozen, strict, with errors in plain words."""

from __future__ import annotations

import difflib
import re

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ratecore.redaction import without_secrets


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each key, its value and what is allowed.

    Attributes:
        problems: one (path of keys, message) for each thing that is wrong. The path goes where the message says
            `{key}`, or in front of it.
    """

    def __init__(self, problems: str | list[tuple[tuple[str, ...], str]]):
        self.problems = [((), problems)] if isinstance(problems, str) else problems
        super().__init__("; ".join(self.lines()))

    def lines(self) -> list[str]:
        """One sentence for each problem, without the password of a tracking URI in the wrong place."""
        keys = [".".join(map(str, path)) for path, _ in self.problems]
        return [
            without_secrets(message.replace("{key}", key) if "{key}" in message else key + message)
            for key, (_, message) in zip(keys, self.problems, strict=True)
        ]


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown key, errors in plain words."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    def __init__(self, /, **values):
        # Strict, so that YAML's `N: true` is no number; numpy's scalars are what they stand for.
        values = {key: v.item() if isinstance(v, np.generic) else v for key, v in values.items()}
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = [e.get("ctx", {}).get("error") for e in error.errors()]
            causes = [cause for cause in (getattr(e, "__cause__", None) for e in found) if cause]  # in a user's task
            problems = [p for e in error.errors() for p in self._problems(e)]
            raise SettingsError(problems) from (causes[0] if causes else None)

    @classmethod
    def _problems(cls, error: dict) -> list[tuple[tuple[str, ...], str]]:
        """What pydantic found wrong, as problems in our words; those of nested settings get their key in front."""
        path = tuple(str(part) for part in error["loc"] if part not in ("float", "int", "str", "bool"))
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            return [(path + inner, message) for inner, message in cause.problems]
        if error["type"] == "extra_forbidden":
            hint, allowed = did_you_mean(path[-1], cls.model_fields), ", ".join(cls.model_fields)
            return [(path, f"unknown setting '{{key}}'{hint}; allowed: {allowed}")]
        said = error["msg"].removeprefix("Value error, ")
        if not path:
            return [((), said)]
        hint = ""
        if error["type"] == "literal_error":
            hint = did_you_mean(error["input"], re.findall(r"'([^']+)'", error["ctx"]["expected"]))
        elif isinstance(error.get("input"), str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", error["input"]):
            hint = f" (YAML reads this as text; write {error['input'].replace('e', '.0e')})"
        return [(path, f" = {shown(error.get('input'))}: {said}{hint}")]


def task_key(name: str) -> str:
    """The one spelling of a task's name: 'Go_NoGo' is 'go-nogo'."""
    return str(name).lower().replace("_", "-")


def shown(value) -> str:
    """A value for a message: cut where it is long, and not spelled out where it is a number of thousands of digits."""
    try:
        text = without_secrets(repr(value))  # before it is cut, for half a URI does not look like one
    except ValueError:
        return "a whole number of more than 4,300 digits"
    return text if len(text) <= 200 else f"{text[:200]} ..."


def did_you_mean(given, names) -> str:
    """' (did you mean ...?)' when one of `names` is near what was given, '' otherwise."""
    given = given if isinstance(given, str) else shown(given)
    near = difflib.get_close_matches(given[:100], list(names), 1)
    return f" (did you mean '{near[0]}'?)" if near else ""

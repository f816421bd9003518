"""The reference of all settings, from the models that read a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ratecore.settings.experiment import ExperimentSettings

Schema = dict[str, Any]
LONGEST = 90  # characters of the values that are allowed
TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "object": "mapping",
    "null": "none",
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
UNITS = (
    (r"steps? of 5 ms|\bin steps\b|durations are in steps", "steps of 5 ms"),
    (r"\bin ms\b|, ms\b|\bms$|; ms\b|\(ms\)", "ms"),
    (r"\bmV\b", "mV"),
)


@dataclass
class Section:
    """A section of a configuration.

    Attributes:
        path: its key, with NAME for what the user names and [] for an entry of a list; '' for the whole file.
        models: that read it: one, or one of each `kind`.
    """

    path: str
    models: list[type[BaseModel]]


def nested(annotation: Any) -> list[tuple[str, type[BaseModel]]]:
    """The models in a type, each with the path to it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [("", annotation)]
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return nested(arguments[0])
    step = {dict: ".NAME", tuple: "[]", list: "[]"}.get(get_origin(annotation), "")
    return [(step + path, model) for one in arguments for path, model in nested(one)]


def sections(path: str = "", models: tuple[type[BaseModel], ...] = (ExperimentSettings,)) -> Iterator[Section]:
    """All sections, each before those within it."""
    yield Section(path, list(models))
    for model in models:
        for name, one in model.model_fields.items():
            if any(name in before.model_fields for before in models[: models.index(model)]):
                continue
            found: dict[str, list[type[BaseModel]]] = {}
            for inner, kind in nested(one.annotation):
                found.setdefault(f"{path}.{name}{inner}".lstrip("."), []).append(kind)
            if name in model.model_json_schema()["properties"]:
                for inner, kinds in found.items():
                    yield from sections(inner, tuple(kinds))


def _kind(schema: Schema, whole: Schema) -> str:
    """A schema in words."""
    if "$ref" in schema:
        return _kind(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_kind(one, whole) for one in schema[key]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(TYPES[one] for one in kind)
    if kind == "array":
        items = schema.get("items")
        inner = _kind(items, whole) if isinstance(items, dict) and items else ""
        return f"list of {inner}" if inner else "list"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"mapping to {_kind(values, whole)}" if isinstance(values, dict) and values else "mapping"
    if kind is None:
        return "any value"
    bounds = " and ".join(f"{sign} {_number(schema[key])}" for key, sign in BOUNDS.items() if key in schema)
    return f"{TYPES[kind]} {bounds}".strip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def default(one: FieldInfo) -> str:
    """The default of a setting in the words of YAML."""
    value = one.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value is None or value == () or value == {}:
        return "none" if value is None else "`[]`" if value == () else "`{}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(_shown, value))}]`"
    return f"`{_shown(value)}`"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def unit(name: str, one: FieldInfo) -> str:
    """The unit of a setting, or ''."""
    if name.endswith("_ms"):
        return "ms"
    return next((unit for pattern, unit in UNITS if re.search(pattern, one.description or "")), "")


def _sentence(text: str) -> str:
    """A description with a capital letter, unless it begins with a name."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+\b(?![_.=])", text) else text


def entries(section: Section) -> Iterator[str]:
    """The settings of one section, as Markdown."""
    kinds = [(model, model.model_json_schema()) for model in section.models]
    names = dict.fromkeys(name for model, _ in kinds for name in model.model_fields)
    for name in names:
        having = [(model, schema) for model, schema in kinds if name in schema["properties"]]
        if not having:
            continue  # filled in by ratecore, and not for users
        model, schema = having[0]
        one = model.model_fields[name]
        if any(path == "" for path, _ in nested(one.annotation)) and not one.description:
            continue  # a section of its own, below
        given = default(one)
        facts = ["**required**" if given == "required" else f"default {given}"]
        kind = _kind(schema["properties"][name], schema)
        facts.append(kind if len(kind) <= LONGEST else "several kinds of values")
        if measured := unit(name, one):
            facts.append(f"in {measured}")
        if len(having) < len(kinds):
            facts.append("of " + ", ".join(f"`kind: {_name_of(each)}`" for each, _ in having))
        key = f"{section.path}.{name}".lstrip(".")
        inner = [f"{key}{path}" for path, _ in nested(one.annotation) if path]
        more = f" Each has the keys of `{inner[0]}`." if inner else ""
        if not one.description and name != "kind":
            raise ValueError(f"{model.__name__}.{name} has no description")
        text = _sentence(one.description or "What it is.")
        yield f":::{{setting}} {key}\n{' · '.join(facts)}\n\n{text}{'.' * bool(more and text)}{more}\n:::\n"


def _name_of(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["kind"].annotation)[0])


def text() -> str:
    """All sections, as Markdown."""
    out = []
    for section in sections():
        own = list(entries(section))
        if own or section.models[0].__doc__:
            docs = [" ".join((model.__doc__ or "").partition("\n\n")[0].split()) for model in section.models]
            docs = [re.sub(r"\bdocs/(\w+)\.md", r"[docs/\1.md](../\1.md)", text) for text in docs]
            words = (
                docs[:1]
                if len(docs) == 1
                else [f"- `kind: {_name_of(m)}`: {d}" for m, d in zip(section.models, docs, strict=True)]
            )
            level = "#" * min(4, 2 + section.path.count("."))
            out += [f"{level} {f'`{section.path}`' if section.path else 'The experiment'}\n", *words, "", *own]
    return "\n".join(out)

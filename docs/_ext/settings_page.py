"""The reference of all settings, from the models that read a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ratecore.settings.experiment import ExperimentSettings

Schema = dict[str, Any]
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


def sections(model: type[BaseModel] = ExperimentSettings, path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Path and model of each section, the outermost first with the path ''."""
    yield path, model
    for name, one in model.model_fields.items():
        if (inner := section_of(one)) is not None:
            yield from sections(inner, f"{path}.{name}".lstrip("."))


def section_of(one: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section, or None."""
    candidates = [one.annotation, *get_args(one.annotation)]
    models = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return models[0] if len(models) == 1 else None


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
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def unit(name: str, one: FieldInfo) -> str:
    """The unit of a setting, or ''."""
    if name.endswith("_ms"):
        return "ms"
    return next((unit for pattern, unit in UNITS if re.search(pattern, one.description or "")), "")


def entries(path: str, model: type[BaseModel], whole: Schema) -> Iterator[str]:
    """The settings of one section, as Markdown."""
    properties = model.model_json_schema()
    for name, one in model.model_fields.items():
        key = f"{path}.{name}".lstrip(".")
        if section_of(one) is not None and "dict" not in str(one.annotation):
            continue
        schema = properties["properties"].get(one.alias or name, {})
        facts = [f"default {default(one)}" if default(one) != "required" else "**required**", _kind(schema, properties)]
        if measured := unit(name, one):
            facts.append(f"in {measured}")
        yield f":::{{setting}} {key}\n{' · '.join(facts)}\n\n{one.description or 'See below.'}\n:::\n"


def text() -> str:
    """All sections, as Markdown."""
    whole = ExperimentSettings.model_json_schema()
    out = []
    for path, model in sections():
        own = list(entries(path, model, whole))
        if not own:
            continue
        words = " ".join((model.__doc__ or "").partition("\n\n")[0].split())
        out += [f"{'#' * (2 + path.count('.'))} {f'`{path}`' if path else 'The experiment'}\n", f"{words}\n", *own]
    return "\n".join(out)

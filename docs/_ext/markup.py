"""Docstrings and signatures as the site shows them.

Docstrings are plain text with names in `backticks` and the sections Args, Attributes, Returns, Yields, Raises and
Source, which `tests/docstrings.py` checks. Shapes are written as jaxtyping has them; `Float[np.ndarray, "B T"]` is
shown as `Float["B T"]`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ForwardRef

import public
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Source")
TITLES = {"Args": "Parameters", "Attributes": "Attributes"}
ENTRY = re.compile(r"^ {4}([*`\w.][^:]*?): *(.*)$")
SHAPES = re.compile(r'\b(Float|Int|Bool|Shaped|Complex|Num|Real|Inexact|UInt8)\[[^\[\]"\',]+, *["\'] *([^"\']*)["\']\]')
LONGEST = 60  # characters of a default value


def readable(annotation: str) -> str:
    """An annotation as it is shown: shapes without the type of array."""
    return SHAPES.sub(lambda m: f'{m[1]}["{m[2]}"]', annotation)


def _annotation(given: Any, names: Mapping[str, Any]) -> Any:
    """An annotation for the page; names of described objects in full, so that they become links."""
    if given is inspect.Parameter.empty:
        return given
    if isinstance(given, ForwardRef):  # as in the signature of a NamedTuple
        given = given.__forward_arg__
    text = readable(given if isinstance(given, str) else inspect.formatannotation(given))
    parts = re.split(r"""("[^"]*"|'[^']*'|[\w.]+)""", text)
    described = [public.by_identity().get(id(names[part])) if part in names else None for part in parts]
    return _Text("".join(full or part for full, part in zip(described, parts, strict=True)))


@cache
def _names(module: str) -> dict[str, Any]:
    """What names stand for in a module's annotations, those that are imported for types alone included."""
    names = dict(vars(sys.modules[module]))
    if not module.startswith("ratecore"):
        return names
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("ratecore"):
            own = vars(importlib.import_module(str(node.module)))
            names |= {
                alias.asname or alias.name: own.get(alias.name) for alias in node.names if alias.name not in names
            }
    return names


class _Text:
    """Something whose repr is the text itself."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _default(value: Any) -> Any:
    text = repr(value)
    if value is inspect.Parameter.empty or (len(text) <= LONGEST and " at 0x" not in text and "<" not in text):
        return value
    return _Text(f"{type(value).__name__}()" if isinstance(value, BaseModel) else "...")


def signature(thing: Any) -> tuple[str, str] | None:
    """The arguments of a callable with annotations, and what it returns; None if it has no signature."""
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        return "(**settings)", ""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    names = _names(getattr(inspect.unwrap(thing), "__module__", None) or "builtins")
    parameters = [
        one.replace(annotation=_annotation(one.annotation, names), default=_default(one.default))
        for one in found.parameters.values()
        if one.name not in ("self", "cls")
    ]
    returns = _annotation(found.return_annotation, names)
    text = re.sub(
        r" at 0x[0-9a-f]+", "", str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    )
    return text, "" if inspect.isclass(thing) or returns is inspect.Parameter.empty else repr(returns)  # fmt: skip


def escaped(line: str) -> str:
    """A line of plain text as reStructuredText: names in backticks become code, or links to what they name."""
    parts = re.split(r"(`+[^`]+`+)", line)
    for k, part in enumerate(parts):
        if not part.startswith("`"):
            plain = re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", part)
            parts[k] = re.sub(r"\bdocs/(\w+)\.md\b", r":doc:`docs/\1.md </\1>`", plain)
            continue
        text = part.strip("`")
        short = re.sub(r"^(ratecore|rate)\.", "", text).partition("(")[0]
        if short in public.by_short_name() and re.fullmatch(r"[\w.]+(\(.*\))?", text):
            parts[k] = f":py:obj:`{text} <{public.by_short_name()[short]}>`"
        else:
            parts[k] = f"``{text}``"
        if k + 1 < len(parts) and parts[k + 1][:1].isalnum():
            parts[k] += "\\ "
    return "".join(parts)


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each section; the first has no title."""
    title, own = "", list[str]()
    for line in lines:
        found = re.match(rf"^({'|'.join(SECTIONS)}):(?: +(.*))?$", line)
        if found:
            yield title, own
            title, own = found[1], ["    " + found[2]] if found[2] else []
        else:
            own.append(line)
    yield title, own


def _entries(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Name and lines of each entry of a section."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        entry = ENTRY.match(line)
        if entry and not line.startswith(" " * 5):
            found.append((entry[1], [entry[2]]))
        elif found and line.strip():
            found[-1][1].append(line.strip())
    return found


def converted(lines: list[str]) -> list[str]:
    """A docstring as reStructuredText.

    Args:
        lines: of the docstring, without the indentation of the code.

    Returns:
        The lines of the page.
    """
    out: list[str] = []
    for title, own in _sections(lines):
        text = " ".join(line.strip() for line in own if line.strip())
        if not title:
            out += [escaped(line) for line in own]
        elif title in TITLES or title == "Raises":
            out += ["", f":{TITLES.get(title, title)}:"]
            for name, words in _entries(own):
                shown = (
                    f"``{name}``" if title == "Raises" else "**" + name.replace("*", r"\*").replace("_", r"\_") + "**"
                )
                out.append(f"    * {shown.replace('`' * 3, '``')} -- {escaped(' '.join(words).strip())}")
            if title == "Raises" and not _entries(own):
                out.append(f"    {escaped(text)}")
        elif not (title == "Source" and text.startswith("none")):
            out += ["", f":{title}: {escaped(text)}"]
    return [*out, ""]


def _fields(model: type[BaseModel]) -> list[str]:
    """The settings of a class of settings, with their defaults."""
    out = ["", ":Settings:"]
    for name, one in model.model_fields.items():
        default = one.get_default(call_default_factory=True)
        shown = "" if default is PydanticUndefined else f" (``{default!r}``)" if len(repr(default)) <= LONGEST else ""
        out.append(f"    * **{name.replace('_', chr(92) + '_')}**{shown} -- {escaped(one.description or 'a section')}")
    return [*out, ""]


def process_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Handler of `autodoc-process-docstring`."""
    lines[:] = converted(lines)
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        lines += _fields(thing)


def process_signature(app: Sphinx, what: str, name: str, thing: Any, options: Any, args: str, returns: str) -> Any:
    """Handler of `autodoc-process-signature`."""
    if what in ("module", "attribute", "property", "data"):
        return None
    return signature(thing)

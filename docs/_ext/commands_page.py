"""The reference of the commands, from their parsers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import ratecore.cli
import ratecore.main
import ratecore.spiking.__main__


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Name and parser of each command, those of the existing packages last."""
    waiting = [
        ("ratecore", ratecore.cli.parser()),
        ("python -m ratecore.main", ratecore.main.parser()),
        ("python -m ratecore.spiking", ratecore.spiking.__main__.parser()),
    ]
    while waiting:
        name, parser = waiting.pop(0)
        inner: dict[int, tuple[str, argparse.ArgumentParser]] = {}
        for word, one in _subcommands(parser).items():
            inner.setdefault(id(one), (f"{name} {word}", one))  # without further names of a command
        waiting = [*inner.values(), *waiting]
        if not inner:
            yield name, parser


def _plain(text: str) -> str:
    """Text of a help message as Markdown: options and names in capitals are code."""
    parts = re.split(r"(`[^`]*`)", text)
    for k in range(0, len(parts), 2):
        parts[k] = re.sub(r"([*<\[])", r"\\\1", re.sub(r"(?<![\w-])(--[a-z][\w-]*)", r"`\1`", parts[k]))
    return "".join(parts)


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    text = " ".join(parser._get_formatter()._expand_help(action).split()) if action.help else ""
    return _plain(text[:1].upper() + text[1:])


def option(name: str, action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """One argument of a command, as Markdown."""
    values = parser._get_formatter()._format_args(action, action.dest.upper())
    if action.choices is not None and action.metavar is None:
        values = "{" + ",".join(map(str, action.choices)) + "}"
    shown = ", ".join(action.option_strings)
    title = f"{shown} {values}".strip() if shown else str(action.metavar or action.dest)
    facts = " **required**" if action.required and action.option_strings else ""
    return f":::{{command-option}} {name} | {title}\n{_help(action, parser)}{facts}\n:::\n"


def section(name: str, parser: argparse.ArgumentParser) -> str:
    """One command, as Markdown."""
    usage = parser.format_usage().removeprefix("usage: ").strip()
    example = (parser.epilog or "").partition("example:\n")[2].strip()
    lines = [f"### `{name}`\n", _plain(" ".join((parser.description or "").split())) + "\n", f"```text\n{usage}\n```\n"]
    lines += [option(name, one, parser) for one in parser._actions if not isinstance(one, argparse._HelpAction)]
    return "\n".join([*lines, f"```bash\n{example}\n```\n" if example else ""])


def text() -> str:
    """All commands, as Markdown."""
    found = list(commands())
    own = [section(name, parser) for name, parser in found if name.startswith("ratecore")]
    existing = [section(name, parser) for name, parser in found if not name.startswith("ratecore")]
    return "\n".join(["## `ratecore`\n", *own, "## Commands of the existing packages\n", *existing])

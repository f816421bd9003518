"""Captions of panels: what is shown, of how many networks, and how to draw it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratecore.settings.base import shown
from ratecore.settings.panels import PanelSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.figures.boxes import Mark


@dataclass(frozen=True)
class Drawn:
    """A panel.

    Attributes:
        figure: as it is printed.
        caption: in reStructuredText.
    """

    figure: Figure
    caption: str


def escaped(text: str) -> str:
    """A text that reStructuredText and Jinja take as it is.

    Args:
        text: any.

    Returns:
        the text with a backslash before each character of markup.
    """
    return re.sub(r"([\\*`|_<>{}])", r"\\\1", text)


def caption_of(name: str, panel: PanelSettings, root: str, sentences: Sequence[str]) -> str:
    """The caption of a panel.

    Args:
        name: of the panel.
        panel: its settings.
        root: folder of the experiment's results.
        sentences: what is shown, and of how many networks.

    Returns:
        reStructuredText.
    """
    title = f"**{escaped(panel.title)}**"
    beside = f" ({escaped(panel.source)})" if panel.source else ""
    where = [f"{key} = {shown(value)}" for key, value in panel.where.items()]
    chosen = [f"product {panel.grid}"] if panel.grid else []
    shown_are = [f"Shown are networks with {', '.join(chosen + where)}."] if chosen or where else []
    told = " ".join(filter(None, [*sentences, *shown_are, panel.note or ""]))
    command = shlex.join(["ratecore", "panels", root, "--only", name])
    return f"{title}{beside}\n\n{escaped(told)}\n\nDraw it again: ``{command}``\n"


def counted_at(counts: Mapping[str, int], what: str = "networks") -> str:
    """Numbers of networks at the positions of an axis, in words.

    Args:
        counts: by position.
        what: in the plural.

    Returns:
        'n = 12 networks at each position', or a list of them.
    """
    numbers = set(counts.values())
    if len(numbers) == 1 and len(counts) > 1:
        return f"n = {numbers.pop()} {what} at each position"
    return "n = " + ", ".join(f"{n} ({at})" for at, n in counts.items()) + f" {what}"


def with_published(panel: PanelSettings, marks: Sequence[Mark]) -> str:
    """The sentence about published values.

    Args:
        panel: its settings.
        marks: the values.

    Returns:
        a sentence; '' without values.
    """
    looks = {
        "open diamonds": any(mark.value is not None and mark.position is not None for mark in marks),
        "dashed lines": any(mark.value is not None and mark.position is None for mark in marks),
        "bands": any(mark.low is not None for mark in marks),
    }
    found = [look for look, used in looks.items() if used]
    if not found:
        return ""
    words = " and ".join(filter(None, [", ".join(found[:-1]), found[-1]]))
    of = f" of {panel.source}" if panel.source else ""
    bars = ", bars their SD" if any(mark.sd is not None for mark in marks) else ""
    return f"{words[0].upper()}{words[1:]} are the published values{of}{bars}."

"""Figures at their size in print: widths in mm, letters of at least 6 pt, labels that do not touch, PDF files."""

from __future__ import annotations

import io
import itertools
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ratecore.figures.style import PictureFigure

MM = 1 / 25.4  # inches
SMALLEST = 6.0  # pt
SIZE, TITLE_SIZE = 7.0, 8.0  # pt
DPI = 300
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that figures are the same everywhere
    "font.size": SIZE,
    "axes.labelsize": SIZE,
    "axes.titlesize": SIZE,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.borderaxespad": 0.2,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,  # letters stay letters, which programs for drawing can change
}
PUBLISHED = "0.35"  # colour of published values
BAND = "0.88"


def print_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, title: str = "", **options: Any
) -> tuple[Figure, Any]:
    """Make a figure at its size in print.

    Args:
        width: in units of mm.
        height: in units of mm.
        rows: of axes.
        columns: of axes.
        title: over the figure, in as many lines as it needs.
        **options: as for `Figure.subplots`.

    Returns:
        the figure, and an array (rows, columns) of its axes.

    Source: none
    """
    with rc_context(STYLE):
        figure = PictureFigure(figsize=(width * MM, height * MM), layout="constrained")
        FigureCanvasAgg(figure)
        engine: Any = figure.get_layout_engine()
        engine.set(w_pad=1.2 * MM, h_pad=1.2 * MM, hspace=0.04, wspace=0.04)
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        if title:
            text = wrapped(title, width - 4, TITLE_SIZE)
            figure.suptitle(text, x=2 / width, ha="left", fontsize=TITLE_SIZE, fontweight="bold")
        return figure, axes


def wrapped(text: str, width: float, size: float = SIZE) -> str:
    """Break a text into lines that fit.

    Args:
        text: any.
        width: in units of mm.
        size: of the letters, in units of pt.

    Returns:
        the text with line breaks.
    """
    letter = 0.60 * size / 72 * 25.4  # mm; bold capitals are wider, small letters narrower
    return "\n".join(textwrap.fill(line, max(10, int(width / letter))) for line in text.split("\n"))


def legend_below(axis: Axes, handles: Sequence[Any] | None = None, columns: int = 2, **options: Any) -> None:
    """Add a legend below an axis and its label, where it hides nothing.

    Args:
        axis: with labelled artists.
        handles: of the legend; None for all labelled artists.
        columns: of the legend.
        **options: as for `Figure.legend`.

    Source: none
    """
    figure = axis.figure
    found = axis.get_legend_handles_labels()[0] if handles is None else list(handles)
    if found:
        with rc_context(STYLE):
            defaults: dict[str, Any] = {
                "loc": "outside lower center",
                "ncols": min(columns, len(found)),
                "frameon": False,
            }
            figure.legend(handles=found, **{**defaults, "fontsize": 6.5, "columnspacing": 1.2, **options})


def settle_ticks(figure: Figure) -> None:
    """Turn the labels of horizontal axes that would touch one another.

    Args:
        figure: complete.

    Source: none
    """
    canvas: Any = figure.canvas
    _draw(figure)
    for axis in figure.axes:
        labels = [label for label in axis.get_xticklabels() if label.get_text() and label.get_visible()]
        if touching(labels, canvas.get_renderer()):
            for label in labels:
                label.set(rotation=40, ha="right", rotation_mode="anchor")
    _draw(figure)


def touching(texts: Sequence[Text], renderer: Any, gap: float = 1.0) -> bool:
    """Whether any two neighbouring texts touch.

    Args:
        texts: from left to right.
        renderer: of the canvas.
        gap: smallest distance, in units of pt.

    Returns:
        True if two are closer than this.
    """
    boxes = [text.get_window_extent(renderer) for text in texts]
    space = gap * (texts[0].figure.dpi / 72 if texts else 1)
    return any(right.x0 - left.x1 < space for left, right in itertools.pairwise(boxes))


def _draw(figure: Figure) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # they are about how a figure looks
        figure.canvas.draw()


def pdf(figure: Figure) -> bytes:
    """Draw a figure as a PDF file, a vector graphic with letters that stay letters.

    Args:
        figure: any.

    Returns:
        the file, the same bytes for the same data.
    """
    return _saved(figure, "pdf", metadata={"CreationDate": None, "ModDate": None, "Producer": None, "Creator": None})


def print_png(figure: Figure) -> bytes:
    """Draw a figure as a PNG file of 300 dots an inch, at its size in print.

    Args:
        figure: any.

    Returns:
        the file, the same bytes for the same data.
    """
    return _saved(figure, "png", metadata={"Software": None})


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), rc_context(STYLE):
        warnings.simplefilter("default")
        figure.savefig(buffer, format=kind, dpi=DPI, **options)
    return buffer.getvalue()


def say_instead(axis: Axes, text: str) -> None:
    """Say in words why there is nothing to draw.

    Args:
        axis: where the data would be.
        text: the reason.

    Source: none
    """
    axis.set_axis_off()
    width = axis.get_position().width * axis.figure.get_figwidth() / MM  # type: ignore[union-attr]
    text = wrapped(text, 0.9 * width)
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, fontsize=SIZE, color="0.3")


def spread_evenly(n: int, width: float) -> Float[np.ndarray, " n"]:
    """Places of n things side by side.

    Args:
        n: number.
        width: of all of them, in the unit of an axis.

    Returns:
        distances from the middle (n,), in the unit of the width.

    Source: none
    """
    return (np.arange(n) - (n - 1) / 2) * (width / max(n, 1))

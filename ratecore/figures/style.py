"""What all figures share: colours, sizes, marks for the windows of a trial, and PNG files."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STEP_MS = 5
# Okabe & Ito's palette, which colour-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
LIF = COLORS[0]  # colour of the spiking network
DPI = 150  # of PNG files
COMPRESSION = 3  # of PNG files: level 6, zlib's default, takes twice as long for a twelfth of their size
STYLE: dict[Any, Any] = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}

# First step and first step after it, in rate steps of 5 ms: as saved with a comparison (arrays) or as tasks have them.
Window = tuple[int, int] | Int[np.ndarray, " 2"]
Windows = Iterable[tuple[int, int]] | Int[np.ndarray, "K 2"]


class PictureFigure(Figure):
    """A figure that notebooks show as a picture, whether or not pyplot has been imported there."""

    def _repr_png_(self) -> bytes:  # the name that IPython looks for
        return png(self)


def new_figure(
    width: float = 5.0, height: float = 3.2, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """Make a figure in the style of all others.

    Args:
        width: inches.
        height: inches.
        rows: of axes.
        columns: of axes.
        **options: as for `Figure.subplots`.

    Returns:
        the figure, and its axes as `Figure.subplots` gives them: `Axes` or an array of them.

    Source: none
    """
    with rc_context(STYLE):
        figure = PictureFigure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **options)


def axes_or_new(ax: Axes | None, width: float = 4.5, height: float = 3.2) -> Axes:
    """The axes to draw into.

    Args:
        ax: given by the caller, or None.
        width: of a new figure, inches.
        height: of a new figure, inches.

    Returns:
        these, or those of a new figure.

    Source: none
    """
    if ax is not None:
        return ax
    new: Axes = new_figure(width, height)[1]
    return new


def png(figure: Figure) -> bytes:
    """Draw a figure as a PNG file.

    Args:
        figure: any.

    Returns:
        the file, the same bytes for the same data.
    """
    canvas, dpi = figure.canvas, figure.dpi
    with warnings.catch_warnings():
        # They are about how a figure looks or how long it took. With Python's -W error they would lose the figure.
        warnings.simplefilter("default")
        figure.dpi = DPI
        try:  # by the canvas: `savefig` draws the whole figure twice, the first time for the layout alone
            agg: Any = FigureCanvasAgg(figure)  # it has no types
            agg.draw()
            pixels = np.asarray(agg.buffer_rgba())
        finally:
            figure.dpi = dpi
            figure.set_canvas(canvas)
    return _png_file(pixels)


def _png_file(pixels: UInt8[np.ndarray, "height width 4"]) -> bytes:
    """Pixels as a PNG file, without alpha where all are opaque.

    Rows are packed as they are. Matplotlib's writer tries five filters on each, which takes longer than drawing many a
    figure; areas of one colour are smaller without them.
    """
    height, width, _ = pixels.shape
    channels = 3 if (pixels[..., 3] == 255).all() else 4
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with the number of its filter, 0
    rows[:, 1:] = pixels[..., :channels].reshape(height, -1)
    per_metre = round(DPI / 0.0254)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0),
        b"pHYs": struct.pack(">IIB", per_metre, per_metre, 1),
        b"IDAT": zlib.compress(rows.tobytes(), COMPRESSION),
        b"IEND": b"",
    }
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def mean_and_sd(
    courses: Sequence[Float[np.ndarray, "*out T"]],
) -> tuple[Float[np.ndarray, "*out T"], Float[np.ndarray, "*out T"]]:
    """Compute mean and SD of several courses; NaN, as after the end of short trials, is left out.

    Args:
        courses: (T,) or (n_out, T) each, unitless or spikes/s.

    Returns:
        mean and SD in the shape of a course, unitless or spikes/s, NaN where all courses are NaN.

    Source: none
    """
    values = np.array(courses)
    there = ~np.isnan(values)
    if there.all():
        return values.mean(0), values.std(0)
    n = np.where(there.any(0), there.sum(0), np.nan)
    mean = np.where(there, values, 0).sum(0) / n
    return mean, np.sqrt(np.where(there, np.square(values - mean), 0).sum(0) / n)


def legend(axis: Axes, **options: Any) -> None:
    """Add a legend to the right of its axes, where it hides nothing.

    matplotlib's default, "best", weighs the legend against every point: slow with many of them, and on a busy machine
    a warning.

    Args:
        axis: with labelled artists.
        **options: as for `Axes.legend`.
    """
    defaults = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "fontsize": 8, "frameon": False}
    axis.legend(**{**defaults, **options})


def seeds_legend(axis: Axes, labels: Sequence[str]) -> None:
    """Name networks by their colours, in the order of the palette, to the right of an axis; not too many of them.

    Args:
        axis: the last one of a row.
        labels: of the networks.
    """
    from matplotlib.lines import Line2D

    if 1 < len(labels) <= len(COLORS):
        dots = [
            Line2D([], [], ls="", marker="o", ms=4, color=color_of(k), label=label) for k, label in enumerate(labels)
        ]
        kept = axis.get_legend()
        legend(axis, handles=dots)
        if kept is not None:
            axis.add_artist(kept)


def title_over(axis: Axes, text: str) -> None:
    """Set the title of one panel of several, or a title of more than a few words.

    Args:
        axis: panel.
        text: title.
    """
    axis.set_title(text, fontsize=9)  # explicit, since matplotlib looks up the size outside of STYLE


def color_of(i: int) -> str:
    """The i-th colour; the palette repeats.

    Args:
        i: from 0.

    Returns:
        a colour in hexadecimal.
    """
    return COLORS[i % len(COLORS)]


def mark_windows(axis: Axes, stimulus_windows: Windows, response: Window | None = None) -> None:
    """Shade each stimulus and draw a bar along the bottom under the response window.

    Args:
        axis: time in ms on x.
        stimulus_windows: (K, 2), rate steps: first step and first step after each stimulus.
        response: (2,), rate steps: the same for the response window.

    Source: none
    """
    low, high = axis.get_ylim()
    for k, (start, stop) in enumerate(stimulus_windows):
        axis.axvspan(start * STEP_MS, stop * STEP_MS, color="0.9", zorder=0, lw=0, label="" if k else "stimulus")
    if response is not None:
        ends, bottom = np.array(response) * STEP_MS, [low, low]
        (bar,) = axis.plot(ends, bottom, color="k", lw=3, label="response window", clip_on=False)
        bar.set_solid_capstyle("butt")
    axis.set_ylim(low, high)


def note(text: str) -> Figure:
    """Make a figure that holds one sentence.

    Args:
        text: the sentence.

    Returns:
        the figure.
    """
    figure, axis = new_figure(5, 2)
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center")
    return figure

"""What all figures share: colours, sizes, the marks of a trial's windows, and how they become files."""

from __future__ import annotations

import io
import warnings

import numpy as np
from matplotlib.figure import Figure

STEP_MS = 5
# Okabe & Ito's palette, which colour-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}


def new_figure(width=5.0, height=3.2, rows=1, columns=1, **options):
    """A figure of this size in inches and its axes; options as of `Figure.subplots`."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **options)


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, the same for the same data."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # About how a figure looks or how long it took: with Python's -W error no reason to lose what it is drawn from
        warnings.simplefilter("default")
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def legend(axis, **options):
    """A legend to the right of its axes, where it hides nothing.

    matplotlib's own choice, "best", weighs it against every point: slow with many of them, and on a busy machine a
    warning.
    """
    place = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    axis.legend(**{**place, "fontsize": 8, "frameon": False, **options})


def title_over(axis, text: str) -> None:
    """A title of one panel of several, or of more than a few words."""
    axis.set_title(text, fontsize=9)  # named, since matplotlib looks up the size outside of STYLE


def color_of(i: int) -> str:
    """The i-th colour, again from the first where there are no more."""
    return COLORS[i % len(COLORS)]


def mark_windows(axis, stimulus_windows, response=None) -> None:
    """Shades each stimulus and draws a bar along the bottom under the response window.

    Args:
        stimulus_windows: (start, stop) in steps.   response: (start, stop) in steps.
    """
    low, high = axis.get_ylim()
    for k, (start, stop) in enumerate(stimulus_windows):
        axis.axvspan(start * STEP_MS, stop * STEP_MS, color="0.9", zorder=0, lw=0, label="" if k else "stimulus")
    if response is not None:
        axis.plot(np.array(response) * STEP_MS, [low, low], color="k", lw=3, solid_capstyle="butt",
                  label="response window", clip_on=False)  # fmt: skip
    axis.set_ylim(low, high)


def note(text: str) -> Figure:
    """A figure that holds nothing but a sentence."""
    figure, axis = new_figure(5, 2)
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center")
    return figure

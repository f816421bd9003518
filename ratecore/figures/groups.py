"""Boxes of a few groups of networks, with the outcome of tests between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from ratecore.figures.boxes import Mark, draw_box, draw_published
from ratecore.figures.print_style import SMALLEST
from ratecore.figures.style import axes_or_new, color_of

WIDTH = 0.45  # of a box
BESIDE = 0.38  # distance of a published value from the middle of its group


def groups(
    ax: Axes | None,
    values: Mapping[str, Float[np.ndarray, " _"]],
    *,
    tests: Mapping[int, str] | None = None,
    published: Sequence[Mark] = (),
    digits: int = 1,
) -> Axes:
    """Draw a box of each group with its points, and number, mean and SD in words.

    Args:
        ax: axes to draw into; new ones when None.
        values: by group: (n,), in the unit of the vertical axis.
        tests: number of a group: outcome of its test against the first group, over a bracket.
        published: values beside ours.
        digits: decimals of mean and SD.

    Returns:
        the axes.

    Source:
        Kim et al. 2019, Fig. 5 to 7.
    """
    ax = axes_or_new(ax)
    for k, own in enumerate(values.values()):
        draw_box(ax, k, own, WIDTH, color_of(k))
    places: dict[tuple[int | None, int | None], float] = {(k, None): k + BESIDE for k in range(len(values))}
    draw_published(ax, published, places, 0.8)
    labels = [f"{name}\n{in_words(own, digits)}" for name, own in values.items()]
    ax.set_xticks(range(len(values)), labels)
    ax.set_xlim(-0.6, len(values) - 0.4)
    for level, (k, text) in enumerate((tests or {}).items()):
        _bracket(ax, k, text, level)
    return ax


def in_words(values: Float[np.ndarray, " n"], digits: int = 1) -> str:
    """Number, mean and SD of some values.

    Args:
        values: (n,), without NaN, in the unit of any measure.
        digits: decimals.

    Returns:
        'n = 12' and '97.0 ± 6.6' in a line of its own; the SD has n - 1 in the denominator.

    Source: none
    """
    n = len(values)
    if not n:
        return "n = 0"
    sd = f" ± {values.std(ddof=1):.{digits}f}" if n > 1 else ""
    return f"n = {n}\n{values.mean():.{digits}f}{sd}"


def _bracket(ax: Axes, k: int, text: str, level: int) -> None:
    """A bracket above the axes from the first group to group k, with a text on it."""
    bottom, across = 1.02 + 0.1 * level, ax.get_xaxis_transform()
    ends = [bottom, bottom + 0.02, bottom + 0.02, bottom]
    ax.plot([0, 0, k, k], ends, color="0.3", lw=0.6, transform=across, clip_on=False)
    ax.text(k / 2, bottom + 0.025, text, ha="center", va="bottom", fontsize=SMALLEST, transform=across)

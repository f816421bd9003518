"""Which figures the report has of a stage."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = (-0.03, 1.03)  # limits of an axis that shows a fraction


@dataclass(frozen=True)
class GridFigure:
    """A figure of the grid: a column of its table against the axes.

    Attributes:
        name: of its file and of its caption in `workflow/report/`.
        column: of the table.
        label: of the vertical axis.
        limits: of the vertical axis, in units of the column; None if the values decide.
    """

    name: str
    column: str
    label: str
    limits: tuple[float | None, float | None]


@dataclass(frozen=True)
class PointFigures:
    """The figures of a grid point, drawn over its seeds from what a stage has written.

    Attributes:
        draw: function that gives figures by name, of an Experiment and a GridPoint.
        names: of the figures, each with a caption in `workflow/report/`.
    """

    draw: str
    names: tuple[str, ...]


def caption_of(figure: str) -> str:
    """The file of a figure's caption in `workflow/report/`.

    Args:
        figure: its name.

    Returns:
        name of the file; figures of analyses that users registered share one.
    """
    return f"{'own_analysis' if figure.endswith('_own') else figure}.rst"

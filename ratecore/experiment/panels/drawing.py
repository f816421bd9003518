"""Draws panels and writes their files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.experiment.grid import Experiment
from ratecore.experiment.panels.captions import Drawn, caption_of
from ratecore.experiment.panels.cells import Cells
from ratecore.experiment.panels.networks import Networks, networks_of, read_table
from ratecore.settings.panels import PanelSettings
from ratecore.system.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "figures/panels"  # below that of the experiment
SUFFIXES = (".pdf", ".png", ".rst")
DRAW = {
    "by_axis": "tables:draw_by_axis",
    "groups": "tables:draw_groups",
    "example_outputs": "examples:draw_examples",
    "by_evidence": "trials:draw_by_evidence",
    "lambda_curves": "trials:draw_lambda_curves",
    "distribution": "trials:draw_distribution",
}


@dataclass(frozen=True)
class Source:
    """Where panels take their networks from.

    Attributes:
        experiment: of the grid.
        partial: whether the table is made from the records, as far as the grid is done.
    """

    experiment: Experiment
    partial: bool = False

    @cached_property
    def cells(self) -> Cells:
        """Grid point and seed of each network."""
        return Cells.of(self.experiment)

    @cached_property
    def _table(self) -> pd.DataFrame:
        return read_table(self.experiment, self.partial)

    def networks(self, panel: PanelSettings, everyone: bool = False) -> Networks:
        """The networks that a panel shows.

        Args:
            panel: its settings.
            everyone: whether networks that are not trained count, whatever the panel says.

        Returns:
            the networks.
        """
        return networks_of(self.cells, self._table, panel, everyone)


def draw_panel(source: Source, name: str) -> Drawn:
    """Draw a panel.

    Args:
        source: of the networks.
        name: of the panel in the configuration.

    Returns:
        the figure and its caption.

    Raises:
        ValueError: the table is that of another grid.
        FormatError: the file of a network is damaged.
    """
    from ratecore import figures
    from ratecore.experiment.stages.table import function_of

    panel: Any = source.experiment.settings.panels[name]
    draw = function_of(f"ratecore.experiment.panels.{DRAW[panel.kind]}")
    figure, sentences = draw(source, panel)
    figures.settle_ticks(figure)
    return Drawn(figure, caption_of(name, panel, source.experiment.root.as_posix(), sentences))


def write_panel(source: Source, name: str, folder: str | os.PathLike[str] | None = None) -> list[Path]:
    """Draw a panel and write its files, each whole or not at all.

    Args:
        source: of the networks.
        name: of the panel in the configuration.
        folder: of the files; None for that of panels in the experiment's results.

    Returns:
        the paths: PDF, PNG and caption.

    Raises:
        ValueError: the table is that of another grid.
        OSError: a file cannot be written.
    """
    from ratecore import figures

    drawn = draw_panel(source, name)
    contents = (figures.pdf(drawn.figure), figures.print_png(drawn.figure), drawn.caption.encode())
    start = Path(folder) if folder is not None else source.experiment.root / FOLDER
    paths = [start / f"{name}{suffix}" for suffix in SUFFIXES]
    for path, data in zip(paths, contents, strict=True):
        write_atomic(path, data)
    return paths

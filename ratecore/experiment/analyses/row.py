"""What a row of the table of analyses says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ratecore.experiment.report_figures import GridFigure

HERE = "ratecore.experiment.analyses"


@dataclass(frozen=True)
class Analysis:
    """An analysis of a trained network.

    Attributes:
        name: of the analysis, of its settings in the section `analysis` and of its file here.
        title: what it asks, a few words for people.
        numbers: name: description with the unit, of each number that it gives.
        arrays: name: '(shape) description, unit', of each array that it gives.
        columns: the numbers that are columns of summary.csv, as `<analysis>_<number>`; a handful.
        figures: names of its figures of a grid point over its seeds, each with a caption in
            `workflow/report/`; the name begins with that of the analysis.
        grid_figures: figures of the grid, of its columns.
        seconds: time that it takes for a network of 200 units with the default settings, s, measured; more units take
            more.
        packages: optional packages that it imports, all in the extra `analysis`.
    """

    name: str
    title: str
    numbers: Mapping[str, str]
    arrays: Mapping[str, str]
    columns: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    grid_figures: tuple[GridFigure, ...] = ()
    seconds: float = 1.0
    packages: tuple[str, ...] = field(default=())

    @property
    def work(self) -> str:
        """The function that does it: of a Material and the settings, gives an AnalysisResult."""
        return f"{HERE}.{self.name}:analyse"

    @property
    def draw(self) -> str:
        """The function that draws it: of Networks, gives figures by name."""
        return f"{HERE}.{self.name}:draw"

    @property
    def module(self) -> str:
        """The module of both functions, where the hash of its code begins."""
        return f"{HERE}.{self.name}"

    @property
    def summary(self) -> dict[str, str]:
        """Column of summary.csv: number as the record has it."""
        return {f"{self.name}_{number}": f"{self.name}/{number}" for number in self.columns}


class OwnRow(Analysis):
    """The row of an analysis that a user's file registered."""

    @property
    def work(self) -> str:
        """The function that calls the user's, with checks."""
        return f"{HERE}.own:analyse_{self.name}"

    @property
    def draw(self) -> str:
        """The function that calls the user's for a figure."""
        return f"{HERE}.own:draw_{self.name}"

    @property
    def module(self) -> str:
        """The module of both; the user's code is in the identity of the analysis."""
        return f"{HERE}.own"

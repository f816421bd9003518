"""Checks of panels against the grid, before any work starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.experiment.panels.cells import Cells
from ratecore.experiment.panels.columns import axis_of, in_order, listed, measure_of, same_value
from ratecore.settings.base import Problem, SettingsError, did_you_mean, shown
from ratecore.settings.claims import GAP, TRAINED
from ratecore.settings.panels import (
    ByAxisSettings,
    ByEvidenceSettings,
    DistributionSettings,
    ExampleOutputsSettings,
    GroupsSettings,
    LambdaCurvesSettings,
    PanelSettings,
)

if TYPE_CHECKING:
    from ratecore.experiment.axes import Axis
    from ratecore.experiment.grid import Experiment

MOST_GROUPS, MOST_EXAMPLES, MOST_LINES = 8, 4, 8
OF_NETWORKS = ("taus", "weights")  # distributions of what is in a network


def check_panels(experiment: Experiment) -> None:
    """Check all panels of an experiment.

    Args:
        experiment: of the grid.

    Raises:
        SettingsError: with every problem: an unknown column, measure, product or value.
    """
    panels = experiment.settings.panels
    if not panels:
        return
    cells = Cells.of(experiment)
    problems: list[Problem] = []
    for name, panel in panels.items():
        found: list[Problem] = []
        _Check(experiment, cells, panel, found).all()
        problems += [(("panels", name, *path), message) for path, message in found]
    if problems:
        raise SettingsError(problems)


class _Check:
    """The check of one panel; problems are added to a list."""

    def __init__(self, experiment: Experiment, cells: Cells, panel: PanelSettings, problems: list[Problem]):
        self.experiment, self.cells, self.panel, self.problems = experiment, cells, panel, problems
        self.chosen: list[int] = []  # rows of the panel

    def all(self) -> None:
        self._rows()
        if self.problems:
            return
        for key in self.panel.columns_in:
            if (name := getattr(self.panel, key)) is not None:
                self._axis((key,), name)
        checks: dict[type[PanelSettings], Any] = {
            ByAxisSettings: self._by_axis,
            GroupsSettings: self._groups,
            ExampleOutputsSettings: self._examples,
            ByEvidenceSettings: self._evidence,
            LambdaCurvesSettings: self._lambda_curves,
            DistributionSettings: self._distribution,
        }
        if not self.problems:
            checks[type(self.panel)](self.panel)

    def _add(self, path: tuple[str, ...], value: Any, message: str) -> None:
        self.problems.append((path, f" = {shown(value)}: {message}"))

    def _rows(self) -> None:
        panel, keep = self.panel, np.ones(len(self.cells.points), bool)
        if panel.grid is not None:
            pairs = list(zip(self.cells.points, self.cells.seeds, strict=True))
            keep = np.array([panel.grid in point.grids(seed) for point, seed in pairs], bool)
            if not keep.any():
                known = [product.name for product in self.experiment.products if product.name]
                allowed = (
                    f"products: {', '.join(known)}" if known else "the grid is one product without a name; leave it out"
                )
                self._add(
                    ("grid",), panel.grid, f"there is no such product{did_you_mean(panel.grid, known)}; {allowed}"
                )
                return
        for name, wanted in panel.where.items():
            try:
                keep &= self.cells.having(name, wanted)
            except ValueError as error:
                self._add(("where", name), wanted, str(error))
        if not keep.any() and not self.problems:
            self._add(("where",), panel.where, "no network of the grid has all of these")
        self.chosen = np.flatnonzero(keep).tolist()

    def _axis(self, path: tuple[str, ...], name: str) -> Axis | None:
        try:
            return axis_of(name, self.experiment)
        except ValueError as error:
            self._add(path, name, str(error))
            return None

    def _values(self, name: str) -> list[Any]:
        """The values of an axis that the networks of the panel have."""
        values = self.cells.values(axis_of(name, self.experiment))
        return in_order(values[k] for k in self.chosen)

    def _measure(self, path: tuple[str, ...], name: str) -> None:
        try:
            measure_of(name, self.experiment.settings)
        except ValueError as error:
            self._add(path, name, str(error))

    def _few(self, name: str | None, most: int, what: str) -> None:
        if name is not None and len(values := self._values(name)) > most:
            allowed = f"it has {len(values)} values here, and at most {most} {what}; choose some in where"
            self._add(("by",), name, f"{allowed}, of {listed(values)}")

    def _by_axis(self, panel: ByAxisSettings) -> None:
        for k, name in enumerate(panel.measures):
            self._measure((f"measures[{k}]",), name)
        if panel.by is not None and axis_of(panel.by, self.experiment) == axis_of(panel.axis, self.experiment):
            self._add(("by",), panel.by, "it is the horizontal axis already; name another column, or leave it out")
        self._few(panel.by, MOST_LINES, "colours can be told apart")
        if panel.scale in ("linear", "log"):
            values = self._values(panel.axis)
            numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
            if not numbers or (panel.scale == "log" and min(values) <= 0):
                wanted = "numbers above 0" if panel.scale == "log" else "numbers"
                self._add(("scale",), panel.scale, f"the values of {panel.axis} are not all {wanted}: {listed(values)}")
        self._limits(panel.limits)
        if not self.problems:
            self._published(panel, panel.axis, panel.by, panel.measures)

    def _limits(self, limits: tuple[float, float] | None) -> None:
        if limits is not None and limits[0] >= limits[1]:
            self._add(("limits",), list(limits), "the first must be below the second")

    def _published(
        self, panel: ByAxisSettings | GroupsSettings, axis: str, by: str | None, measures: tuple[str, ...]
    ) -> None:
        for k, one in enumerate(panel.published):
            where = f"published[{k}]"
            for key, value, column in (("at", one.at, axis), ("by", one.by, by)):
                if value is None:
                    continue
                if column is None:
                    self._add((where, key), value, "the panel has no column `by`; leave it out")
                    continue
                values = self._values(column)
                if not any(same_value(known, value) for known in values):
                    self._add((where, key), value, f"no network here has it; values of {column}: {listed(values)}")
            if one.measure is not None and one.measure not in measures:
                self._add((where, "measure"), one.measure, f"it must be one of the panel's: {', '.join(measures)}")
            self._fraction(where, one.measure or measures[0], {"value": one.value, "low": one.low, "high": one.high})

    def _fraction(self, where: str, name: str, numbers: dict[str, float | None]) -> None:
        """Report percentages where the table has fractions."""
        measure = measure_of(name, self.experiment.settings)
        if measure.factor != 100:
            return
        for key, value in numbers.items():
            if value is not None and abs(value) > 1:
                hint = f"; {value / 100:g} is {value:g} %" if abs(value) <= 100 else ""
                self._add((where, key), value, f"{name} is a fraction, as in the table{hint}")

    def _groups(self, panel: GroupsSettings) -> None:
        self._measure(("measure",), panel.measure)
        self._few(panel.by, MOST_GROUPS, "groups fit")
        self._limits(panel.limits)
        if self.problems:
            return
        if len(self._values(panel.by)) < 2 and panel.test != "none":
            self._add(("test",), panel.test, f"{panel.by} has one value here, and a test needs two groups")
        if measure_of(panel.measure, self.experiment.settings).is_share:
            self._add(("measure",), panel.measure, "shares of networks have no boxes; show them with kind: by_axis")
            return
        self._published(panel, panel.by, None, (panel.measure,))

    def _spiking(self, key: str, value: Any) -> bool:
        """Report a panel of spiking networks where there are none."""
        if not self.experiment.settings.convert:
            self._add((key,), value, "spiking networks are left out (convert: false); set it to true")
        return self.experiment.settings.convert

    def _examples(self, panel: ExampleOutputsSettings) -> None:
        if panel.network == "spiking":
            self._spiking("network", panel.network)
        else:
            for key, given in (("raster", panel.raster), ("scaling", list(panel.scaling))):
                if key in panel.model_fields_set and given is not None:
                    self._add((key,), given, "it is of spiking networks; set network: spiking, or leave it out")
        self._few(panel.by, MOST_EXAMPLES, "examples fit")
        if self.problems:
            return
        self._one_point_each(panel.by)
        if panel.raster is not None:
            tasks = {self.cells.points[k].settings.task: k for k in self.chosen}
            for task, k in tasks.items():
                known = self._conditions(k)
                if panel.raster not in known:
                    hint = did_you_mean(panel.raster, known)
                    self._add(
                        ("raster",), panel.raster, f"{task} has no such condition{hint}; it has {', '.join(known)}"
                    )

    def _conditions(self, row: int) -> list[str]:
        from ratecore.system.streams import stream

        task = self.cells.points[row].settings.tested_task("conversion")
        batch = task.generate_batch([stream(0, "lif_trial", k) for k in range(60)])
        return sorted(set(map(str, batch.conditions)))

    def _one_point_each(self, by: str | None) -> None:
        """Report examples that could be of several grid points."""
        own = [None] * len(self.cells.points) if by is None else self.cells.values(axis_of(by, self.experiment))
        for value in in_order(own[k] for k in self.chosen):
            rows = [k for k in self.chosen if same_value(own[k], value)]
            points = {self.cells.points[k].number for k in rows}
            if len(points) > 1:
                differ = [
                    axis.column
                    for axis in self.experiment.axes
                    if len({self.cells.points[k].values[axis.column] for k in rows}) > 1
                ]
                of = "" if by is None else f" with {by} = {value!r}"
                message = f"{len(points)} grid points are left{of}, and an example is of one: choose a value of "
                self._add(("where",), self.panel.where, message + ", ".join(differ))
                return

    def _evidence(self, panel: ByEvidenceSettings) -> None:
        if panel.network != "rate" and not self._spiking("network", panel.network):
            return
        self._few(panel.by, MOST_LINES, "colours can be told apart")
        points = {self.cells.points[k].number: self.cells.points[k] for k in self.chosen}
        settings = [point.settings for point in points.values()]
        graded = [s for s in settings if getattr(s.create_task(), "evidence_levels", ())]
        if not graded:
            tasks = ", ".join(dict.fromkeys(s.task for s in settings))
            self._add(("kind",), panel.kind, f"{tasks} does not grade its evidence (docs/testing.md)")
            return
        wanted = {"rate": ("evaluation",), "spiking": ("conversion",), "both": ("evaluation", "conversion")}
        for section in wanted[panel.network]:
            if not any(getattr(s, section).psychometric_trials for s in graded):
                needed = f"it needs {section}.psychometric_trials above 0"
                self._add(("network",), panel.network, needed)

    def _lambda_curves(self, panel: LambdaCurvesSettings) -> None:
        if self._spiking("kind", panel.kind):
            self._few(panel.by, MOST_LINES, "colours can be told apart")

    def _distribution(self, panel: DistributionSettings) -> None:
        if panel.of not in OF_NETWORKS:
            try:
                measure = measure_of(panel.of, self.experiment.settings)
            except ValueError as error:
                text = str(error).replace("allowed: ", f"allowed: {', '.join(OF_NETWORKS)}, ")
                self._add(("of",), panel.of, text.partition(", or 'share")[0])
            else:
                if measure.is_share or measure.column == TRAINED:
                    numbers = f"a share has no distribution; show it with kind: by_axis, or take a number such as {GAP}"
                    self._add(("of",), panel.of, numbers)
        self._few(panel.by, MOST_LINES, "colours can be told apart")

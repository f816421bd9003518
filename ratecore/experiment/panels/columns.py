"""Columns that panels name: axes of the grid, their values in words with units, and measures of networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ratecore.experiment.axes import axis_path, format_value
from ratecore.experiment.stages.table import stages_of
from ratecore.figures.rate import axis_label
from ratecore.settings.base import SettingsError, did_you_mean, shown
from ratecore.settings.claims import GAP, TRAINED
from ratecore.settings.claims import measure_of as read_measure
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.spiking import RATE_STEP

if TYPE_CHECKING:
    from ratecore.experiment.axes import Axis
    from ratecore.experiment.grid import Experiment

SEED, STATUS = "seed", "status"
SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}
# Keys of a setting: its name in words, and the unit of its values
WORDS: dict[tuple[str, ...], tuple[str, str]] = {
    ("network", "N"): ("number of units", ""),
    ("network", "taus"): ("synaptic decay time constants", "ms"),
    ("network", "gain"): ("gain of the initial weights", ""),
    ("network", "activation"): ("activation function", ""),
    ("network", "P_rec"): ("connection probability at the start", ""),
    ("network", "apply_dale"): ("Dale's law", ""),
    ("network", "som_N"): ("SST units", ""),
    ("spiking", "model"): ("model of the spiking units", ""),
    ("spiking", "refractory"): ("absolute refractory period", "ms"),
    ("spiking", "tau_rise"): ("synaptic rise time", "ms"),
    ("spiking", "noise_sd"): ("noise on the membrane at each step", "mV"),
    ("spiking", "dt"): ("time step", "ms"),
}
VALUES: dict[tuple[str, ...], dict[Any, str]] = {
    ("network", "activation"): {"clipped_relu": "ReLU"},
    ("network", "apply_dale"): {True: "with Dale's law", False: "without Dale's law"},
    ("spiking", "model"): {"lif": "LIF", "qif": "QIF"},
}


@dataclass(frozen=True)
class Measure:
    """A number of each network, as it is drawn.

    Attributes:
        name: in the configuration.
        column: of the table.
        label: of the vertical axis, with the unit; measures with the same one share an axis.
        words: in legends.
        told: in captions, and on an axis of its own.
        factor: from the table's unit to that of the axis.
        sign: of a share of networks: how the column is compared; None for a number.
        threshold: what it is compared with, in the unit of the table.
    """

    name: str
    column: str
    label: str
    words: str
    told: str
    factor: float = 1.0
    sign: str | None = None
    threshold: float = 0.0

    @property
    def is_share(self) -> bool:
        """Whether it is a share of networks."""
        return self.sign is not None or self.column == TRAINED

    @property
    def alone(self) -> str:
        """The label of an axis that shows nothing else, with the unit."""
        _, bracket, unit = self.label.rpartition(" (")
        return f"{self.told.removeprefix('share of ')}{bracket}{unit if bracket else ''}"


# Column: label of the axis, words in legends, words in captions, factor
NUMBERS = {
    "accuracy": ("accuracy (%)", "rate network", "accuracy of the rate network", 100.0),
    "spiking_accuracy": ("accuracy (%)", "spiking network", "accuracy of the spiking network", 100.0),
    GAP: ("accuracy lost (%)", "lost by the conversion", "accuracy lost by the conversion", 100.0),
    TRAINED: ("networks (%)", "trained", "share of trained networks", 100.0),
    "n_trials": ("trials until trained", "trials until trained", "trials until trained", 1.0),
    "seconds": ("training (s)", "training", "time of training", 1.0),
    "lambda": ("best λ", "best λ", "best λ", 1.0),
    "mean_rate_exc": ("mean rate (spikes/s)", "E units", "mean rate of E units", 1.0),
    "mean_rate_inh": ("mean rate (spikes/s)", "I units", "mean rate of I units", 1.0),
}


def numbers_of(settings: ExperimentSettings) -> list[str]:
    """The columns of the table that are measures of a network, and those that are computed from them.

    Args:
        settings: of the experiment.

    Returns:
        their names.
    """
    columns = [column for stage in stages_of(settings).values() for column in stage.columns if column != "device"]
    return [*columns, TRAINED, *([GAP] if "spiking_accuracy" in columns else [])]


def measure_of(name: str, settings: ExperimentSettings) -> Measure:
    """Read a measure.

    Args:
        name: a column with numbers, 'gap', 'trained', or 'share of COLUMN >= NUMBER'.
        settings: of the experiment.

    Returns:
        the measure.

    Raises:
        ValueError: there is no such measure; the message lists those that there are.

    Source: none
    """
    known = numbers_of(settings)
    column, sign, threshold = _read(name)
    if column not in known or (sign and column == TRAINED):
        hint = did_you_mean(column, known)
        extra = "spiking networks are left out (convert: false); " if "spiking" in name and not settings.convert else ""
        raise ValueError(
            f"there is no such measure{hint}; {extra}allowed: {', '.join(known)}, or 'share of COLUMN >= NUMBER'"
        )
    plain = column.replace("_", " ")
    label, words, told, factor = NUMBERS.get(column, (plain, plain, plain, 1.0))
    if sign is None:
        return Measure(name, column, label, words, told, factor)
    unit = " %" if factor == 100 else ""
    what = {"accuracy": "rate accuracy", "spiking_accuracy": "spiking accuracy"}.get(column, words)
    limit = f"{what} {SIGNS[sign]} {threshold * factor:g}{unit}"
    told = f"share of networks with {limit}"
    return Measure(name, column, "networks (%)", limit, told, 100.0, sign, threshold)


def _read(name: str) -> tuple[str, str | None, float]:
    """The column of a measure, and the limit if it is a share; text that is none is taken for a column."""
    try:
        read = read_measure(name)
    except ValueError:
        return name, None, 0.0
    return GAP if name == GAP else read.columns[0], read.sign, read.threshold


def axis_of(name: str, experiment: Experiment) -> Axis:
    """The axis of the grid that a panel names, by its column or by its setting.

    Args:
        name: 'noise_sd' or 'spiking.noise_sd'.
        experiment: of the grid.

    Returns:
        the axis.

    Raises:
        ValueError: the grid has no such axis; the message lists those that it has.
    """
    by_column = {axis.column: axis for axis in experiment.axes}
    if name in by_column:
        return by_column[name]
    path = _path(name)
    for axis in experiment.axes:
        if axis.path == path:
            return axis
    hint = "" if path else did_you_mean(name, by_column)
    fixed = "; it has one value in all networks" if path else ""
    raise ValueError(f"the grid has no such axis{hint}{fixed}; axes: {', '.join(by_column)}")


def _path(name: str) -> tuple[str, ...] | None:
    try:
        return axis_path(name)
    except SettingsError:
        return None


def fixed_setting(name: str, experiment: Experiment) -> tuple[str, ...] | None:
    """The keys of a setting that is no axis of the grid, so that all networks have one value of it.

    Args:
        name: of the setting, 'gain' or 'network.gain'.
        experiment: of the grid.

    Returns:
        the keys; None for an axis, and for anything that is no setting.
    """
    path = _path(name)
    is_axis = path is None or path == ("seed",) or any(path == axis.path for axis in experiment.axes)
    return None if is_axis else path


def words_of_axis(axis: Axis) -> str:
    """The label of an axis, with the unit of its values.

    Args:
        axis: of the grid.

    Returns:
        'synaptic decay time constants (ms)'.
    """
    if axis.path not in WORDS:
        return axis_label(axis.column, in_steps=True)
    words, unit = WORDS[axis.path]
    return f"{words} ({unit})" if unit else words


def words_of_value(axis: Axis, value: Any, names: dict[str, str], unit: bool = True) -> str:
    """A value of an axis in words.

    Args:
        axis: of the grid.
        value: of its setting.
        names: words of the panel, by the value as text.
        unit: whether the unit is added, as in legends.

    Returns:
        '20' to '50 ms' for taus of (4, 10) steps, 'ReLU' for 'clipped_relu'.
    """
    for key in (format_value(value), str(value)):
        if key in names:
            return names[key]
    of_setting = VALUES.get(axis.path, {})
    if isinstance(value, str | bool) and value in of_setting:
        return of_setting[value]
    _, of_unit = WORDS.get(axis.path, ("", ""))
    after = f" {of_unit}" if unit and of_unit else ""
    if axis.path == ("network", "taus"):
        ends = [f"{RATE_STEP * tau:g}" for tau in (value if isinstance(value, tuple | list) else (value,))]
        return "–".join(ends) + after
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "default"}[value]
    if isinstance(value, int | float):
        return f"{value:g}{after}"
    if isinstance(value, tuple | list):
        return ", ".join(str(part) for part in value)
    return str(value)


def as_value(axis: Axis, given: Any) -> Any:
    """A value as the settings have it.

    Args:
        axis: of the grid.
        given: as a panel names it: 4 for taus of (4,), [4, 10] for (4.0, 10.0), or '4_10'.

    Returns:
        the value of the axis that is meant; `given` itself where none is.
    """
    for value in axis.values:
        if same_value(value, given):
            return value
    return given


def same_value(value: Any, given: Any) -> bool:
    """Whether a panel means a value.

    Args:
        value: of a setting.
        given: as the panel has it.

    Returns:
        True for the same value, also written as in paths.
    """
    value, given = _plain(value), _plain(given)
    if isinstance(value, bool) != isinstance(given, bool):
        return False
    return bool(value == given) or (isinstance(given, str) and given == format_value(value))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        inner = tuple(_plain(part) for part in value)
        return inner[0] if len(inner) == 1 and isinstance(inner[0], int | float) else inner
    return value


def in_order(values: Iterable[Any]) -> list[Any]:
    """Values of an axis in the order in which they are drawn.

    Args:
        values: in the order of the grid, some of them several times.

    Returns:
        each once: numbers and lists of numbers by size, words in the order of the grid.
    """
    once: dict[str, Any] = {}
    for value in values:
        once.setdefault(repr(_plain(value)), value)
    kept = list(once.values())

    def key(value: Any) -> tuple[float, ...]:
        parts = value if isinstance(value, tuple | list) else (value,)
        return tuple(float(part) for part in parts)

    try:
        return sorted(kept, key=key) if not any(isinstance(v, bool | str) for v in kept) else kept
    except (TypeError, ValueError):
        return kept


def listed(values: Iterable[Any]) -> str:
    """Values for a message.

    Args:
        values: any.

    Returns:
        at most 20 of them.
    """
    found = [shown(value) for value in values]
    return ", ".join(found[:20]) + (", ..." if len(found) > 20 else "")

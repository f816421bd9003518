"""Which settings can be axes of a grid, and how their values are parts of paths."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ratecore.config import (
    ConversionSettings,
    EvaluationSettings,
    NetworkSettings,
    SettingsError,
    SpikingSettings,
    TrainingSettings,
    shown,
)
from ratecore.hints import for_axis
from ratecore.settings import shortened

SECTIONS = {"network": NetworkSettings, "training": TrainingSettings, "evaluation": EvaluationSettings,
            "spiking": SpikingSettings, "conversion": ConversionSettings}  # fmt: skip
# Columns of summary.csv and wildcards of the workflow that no axis may take.
RESERVED = {"seed", "seeds", "status", "trained", "n_trials", "accuracy", "loss", "seconds", "device", "mlflow_run_id",
            "mat", "pth", "folder", "error", "lambda", "spiking_accuracy", "spiking_ci_low", "spiking_ci_high",
            "mean_rate_exc", "mean_rate_inh"}  # fmt: skip
LONGEST_VALUE = 180  # characters of a value in a path, whose parts file systems bound to 255 with the axis's name
# Axes that every grid has, swept or not, so that a path always says what a network is.
FIRST_AXES = {"task": ("task",), "N": ("network", "N"), "taus": ("network", "taus")}


def format_value(value) -> str:
    """A setting's value as part of a path: 4.0 is '4', (4.0, 20.0) is '4_20'. Raises SettingsError."""
    if value is None:
        return "default"
    parts = isinstance(value, list | tuple) and len(value) > 0
    text = "_".join(format_value(v) for v in value) if parts else str(value)
    if isinstance(value, float) and text.endswith(".0"):
        text = text[:-2]
    if len(text) > LONGEST_VALUE:
        raise SettingsError(
            f"{shown(value)} cannot be a value of a grid axis: as a part of a path it has {len(text)} characters; at "
            f"most {LONGEST_VALUE} are allowed"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*|-?[0-9.e+-]+", text):
        raise SettingsError(f"{shown(value)} cannot be a value of a grid axis: it would have to be part of a path")
    return text


def path_of(values: dict[str, str]) -> str:
    """Column: value as one folder each: task~xor/N~200."""
    return "/".join(f"{column}~{value}" for column, value in values.items())


def _setting_paths(model, path=()) -> list[tuple[str, ...]]:
    """The paths of all settings of a section, those of sections in it included."""
    found = []
    for key, field_ in model.model_fields.items():
        inner = hasattr(field_.annotation, "model_fields")
        found += _setting_paths(field_.annotation, (*path, key)) if inner else [(*path, key)]
    return found


def axis_path(name: str) -> tuple[str, ...]:
    """The path of keys of a grid axis: 'gain' or 'network.gain' is ('network', 'gain').

    Raises:
        SettingsError: unknown, with the nearest name; or a short name that two sections have.
    """
    every = [path for section, model in SECTIONS.items() for path in _setting_paths(model, (section,))]
    places: dict[str, list[tuple[str, ...]]] = {key: [(key,)] for key in ("task", "seed")}
    for path in every:
        for start in range(1, len(path)):
            places.setdefault(".".join(path[start:]), []).append(path)
    section, _, key = name.partition(".")
    full = {".".join(path): path for path in every}
    if name in full:
        return full[name]
    if name in places:
        if len(places[name]) == 1:
            return places[name][0]
        choice = " or ".join(".".join(path) for path in places[name])
        raise SettingsError(f"grid: axis '{name}' could be {choice}; say which")
    if section == "task_settings" and key:
        return section, key
    allowed = f"task, seed, any setting of {', '.join(SECTIONS)}, or task_settings.<key>"
    raise SettingsError(f"grid: unknown axis '{shortened(name)}'{for_axis(name, [*places, *full])}; allowed: {allowed}")


@dataclass(frozen=True)
class Axis:
    """One axis of the grid: its column in tables and paths, the path of its setting, its values."""

    column: str
    path: tuple[str, ...]
    values: tuple

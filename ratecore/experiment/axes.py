"""Which settings can be axes of a grid, and how their values are parts of paths."""

from __future__ import annotations

import hashlib
import json
import keyword
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ratecore.experiment.stages.table import STAGES
from ratecore.settings.analysis import AnalysisSettings
from ratecore.settings.base import LONGEST_START, SettingsError, hashed, path_part, shortened
from ratecore.settings.hints import for_axis
from ratecore.settings.network import NetworkSettings
from ratecore.settings.run import AFTER_TRAINING
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.settings.training import EvaluationSettings, TrainingSettings

SECTIONS: dict[str, type[BaseModel]] = {
    "network": NetworkSettings,
    "training": TrainingSettings,
    "evaluation": EvaluationSettings,
    "spiking": SpikingSettings,
    "conversion": ConversionSettings,
    "analysis": AnalysisSettings,
}
TESTS = ("evaluation.task_settings", "conversion.task_settings")  # mappings, any key of which can be an axis
# Mappings that can be axes themselves, too
FACTORS = ("evaluation.perturbation.scale_synapses", "conversion.perturbation.scale_synapses")
# Columns of summary.csv and wildcards of the workflow that no axis may take.
RESERVED = {"seed", "seeds", "status", "trained", "mlflow_run_id", "folder", "error"}
RESERVED |= {column for stage in STAGES.values() for column in (*stage.columns, *stage.paths)}
MISSING = "-"  # in paths: `ABSENT`
LONGEST_COLUMN = 74  # characters; file systems limit names to 255
# Axes of every grid, even if not swept, so that a path always tells what a network is.
FIRST_AXES = {"task": ("task",), "N": ("network", "N"), "taus": ("network", "taus")}
# Methods of Snakemake's wildcards, which no axis can be named after.
METHODS = {*dir(list), "get", "items", "keys", "values", "update", "fromdict", "size", "size_mb"}


class Absent:
    """The value of a setting that a grid point does not have, such as one of another task."""


ABSENT = Absent()


def format_value(value: Any) -> str:
    """Format a setting's value as part of a path: 4.0 is '4', (4.0, 20.0) is '4_20'.

    A value that is too long or has characters unfit for a path becomes its readable start and a hash, so that
    different values never share a path.

    Args:
        value: of a setting.

    Returns:
        the part of the path.
    """
    if value is None or value is ABSENT:
        return MISSING if value is ABSENT else "default"
    if isinstance(value, dict):
        text = "_".join(f"{name.rpartition('.')[2]}={format_value(v)}" for name, v in value.items())
        return hashed(text, json.dumps(value, sort_keys=True))  # '=' is not in paths
    is_list = isinstance(value, list | tuple)
    text = "_".join(format_value(v) for v in value) or "empty" if is_list else str(value)
    if is_list and any(isinstance(v, str) and ("_" in v or v == "empty") for v in value):
        return hashed(text, json.dumps(value))  # [a_b] and [a, b] are two values
    if isinstance(value, float) and text.endswith(".0"):
        text = text[:-2]
    return path_part(text)


def plain_name(name: str) -> str:
    """Replace every character of a name that is not a letter or digit by '_'.

    Args:
        name: any text.

    Returns:
        at most `LONGEST_START` characters, without '_' at either end.
    """
    return re.sub(r"\W", "_", name, flags=re.ASCII)[:LONGEST_START].strip("_")


def column_name(name: str, taken: set[str]) -> str:
    """The name of an axis as a table column, a part of paths and a wildcard of the workflow.

    Args:
        name: of the setting; 'go-prob' becomes 'go_prob'.
        taken: names of other axes and settings: beside a setting 'go_prob', 'go-prob' becomes 'go_prob_' and a hash.

    Returns:
        a Python identifier.
    """
    safe = name
    # As namedtuples and Python's code have it, a letter such as the ligature of f and i is two letters.
    if not name.isidentifier() or len(name) > LONGEST_COLUMN or name != unicodedata.normalize("NFKC", name):
        safe = plain_name(name)
        if not safe or safe in taken:
            safe = f"{safe or 'setting'}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    if not safe.isidentifier() or keyword.iskeyword(safe) or safe.startswith("_") or safe in METHODS:
        safe = f"task_settings_{safe.lstrip('_')}"
    return safe


def path_of(values: dict[str, str]) -> str:
    """Join the values of axes to a path with one folder per axis: task~xor/N~200.

    Args:
        values: column: value as part of a path.

    Returns:
        the path.
    """
    return "/".join(f"{column}~{value}" for column, value in values.items())


def _setting_paths(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all settings of a section, including those of nested sections."""
    found = []
    for key, field_ in model.model_fields.items():
        kind: Any = field_.annotation
        inner = hasattr(kind, "model_fields")
        found += _setting_paths(kind, (*path, key)) if inner else [(*path, key)]
    return found


def setting_paths() -> list[tuple[str, ...]]:
    """The keys of every setting of a section, from the section to the setting.

    Returns:
        the keys of each.
    """
    return [path for section, model in SECTIONS.items() for path in _setting_paths(model, (section,))]


def is_elsewhere(path: tuple[str, ...]) -> bool:
    """Whether a setting says where else than in training a network is tested, or is one like it.

    It is an axis by its full name alone, and the column has the name of the section: `evaluation.noise_sd` is not
    `network.noise_sd`.

    Args:
        path: keys of the setting.

    Returns:
        True for those that evaluation and conversion did not have from the start.
    """
    return len(path) > 1 and path[1] in getattr(SECTIONS.get(path[0]), "newer", ()) and path[0] in AFTER_TRAINING


def short_name(path: tuple[str, ...]) -> str:
    """The name of an axis as a column, where nothing else has it.

    Args:
        path: keys of the setting.

    Returns:
        its key; with those before it, of settings within a section's section and of tests elsewhere:
        'evaluation_delay'.
    """
    if is_elsewhere(path):
        return "_".join(part for part in path if part != "task_settings")
    return "_".join(path[-1:] if len(path) < 3 else path[1:])


def axis_path(name: str) -> tuple[str, ...]:
    """The path of keys of a grid axis: 'gain' or 'network.gain' is ('network', 'gain').

    Args:
        name: of the axis in the configuration.

    Returns:
        the keys, from the section to the setting.

    Raises:
        SettingsError: the axis is unknown (names the nearest one), or two sections have a setting of this short name.
    """
    every = setting_paths()
    places: dict[str, list[tuple[str, ...]]] = {key: [(key,)] for key in ("task", "seed")}
    for path in sorted(every, key=is_elsewhere):  # those that were there before come first
        # Settings of analyses have names such as `n_trials`, which say little without that of the analysis.
        for start in range(1, len(path) - (path[0] == "analysis")):
            places.setdefault(".".join(path[start:]), []).append(path)
    for short, found in places.items():
        places[short] = [path for path in found if not is_elsewhere(path)] or found
    section, _, key = name.partition(".")
    full = {".".join(path): path for path in every}
    tested = next((start for start in TESTS if name.startswith(f"{start}.") or name == start), None)
    if tested is not None:
        if name[len(tested) + 1 :]:
            return *tested.split("."), name[len(tested) + 1 :]
        raise SettingsError(f"grid: axis '{name}' is a mapping; name a setting of the task in it, as {name}.delay")
    for factors in FACTORS:
        if name.startswith(f"{factors}.") and name[len(factors) + 1 :]:
            return *factors.split("."), name[len(factors) + 1 :]
    if name in full:
        return full[name]
    if name in places:
        if len(places[name]) == 1:
            return places[name][0]
        choice = " or ".join(".".join(path) for path in places[name])
        raise SettingsError(f"grid: axis '{name}' could be {choice}; say which")
    if section == "task_settings" and key:
        return section, key
    allowed = f"task, seed, any setting of {', '.join(SECTIONS)}, task_settings.<key>, or {TESTS[0]}.<key>"
    raise SettingsError(f"grid: unknown axis '{shortened(name)}'{for_axis(name, [*places, *full])}; allowed: {allowed}")


@dataclass(frozen=True)
class Axis:
    """One axis of the grid.

    Attributes:
        column: its name in tables and paths.
        path: keys of its setting.
        values: of the setting.
    """

    column: str
    path: tuple[str, ...]
    values: tuple[Any, ...]

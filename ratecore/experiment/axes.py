"""Which settings can be axes of a grid, and how their values are parts of paths."""

from __future__ import annotations

import hashlib
import keyword
import re
import unicodedata
from dataclasses import dataclass

from ratecore.experiment.stages.table import STAGES
from ratecore.settings.base import SettingsError, shortened
from ratecore.settings.hints import for_axis
from ratecore.settings.network import NetworkSettings
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.settings.training import EvaluationSettings, TrainingSettings

SECTIONS = {"network": NetworkSettings, "training": TrainingSettings, "evaluation": EvaluationSettings,
            "spiking": SpikingSettings, "conversion": ConversionSettings}  # fmt: skip
# Columns of summary.csv and wildcards of the workflow that no axis may take.
RESERVED = {"seed", "seeds", "status", "trained", "mlflow_run_id", "folder", "error"}
RESERVED |= {column for stage in STAGES.values() for column in (*stage.columns, *stage.paths)}
LONGEST_VALUE, LONGEST_COLUMN = 180, 74  # characters in a path, whose parts file systems bound to 255
LONGEST_START = 60  # characters of a value that stay readable where the rest is a hash
# Axes that every grid has, swept or not, so that a path always says what a network is.
FIRST_AXES = {"task": ("task",), "N": ("network", "N"), "taus": ("network", "taus")}
# Names that Snakemake's wildcards have as methods.
METHODS = {*dir(list), "get", "items", "keys", "values", "update", "fromdict", "size", "size_mb"}


def _hashed(start: str, whole: str) -> str:
    """What stands for a text that cannot be in a path: its start, as far as it can be, and a hash of all of it."""
    start = re.sub(r"[^A-Za-z0-9_.+-]+", "-", start)[:LONGEST_START].strip("-._+")
    return "-".join(filter(None, [start, hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]]))


def format_value(value) -> str:
    """A setting's value as part of a path: 4.0 is '4', (4.0, 20.0) is '4_20'.

    A value that is too long or has letters that no path should have is its readable start and a hash: two different
    values never have the same path, see `Experiment`.
    """
    if value is None:
        return "default"
    is_list = isinstance(value, list | tuple)
    text = "_".join(format_value(v) for v in value) or "empty" if is_list else str(value)
    if isinstance(value, float) and text.endswith(".0"):
        text = text[:-2]
    if len(text) > LONGEST_VALUE or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*|-?[0-9][0-9.e_+-]*", text):
        return _hashed(text, text)
    return text


def plain_name(name: str) -> str:
    """A name with '_' for whatever is no letter or digit."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)[:LONGEST_START].strip("_")


def column_name(name: str, taken: set[str]) -> str:
    """The name of an axis as a column of tables, a part of paths and a wildcard of the workflow.

    Args:
        name: of the setting; 'go-prob' is 'go_prob'.
        taken: names of other axes and settings: 'go-prob' is 'go_prob_' and a hash beside a setting 'go_prob'.
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

"""A single file as a table of one network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.experiment.axes import format_value
from ratecore.experiment.opened import Opened
from ratecore.experiment.selection import typed_column
from ratecore.formats import load_mat, load_pth, read_network
from ratecore.formats.pth import network_from_state
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings

if TYPE_CHECKING:
    import pandas as pd

# Variables of a `.mat` file with the columns of the table that they fill.
_OF_MAT = {"tr": "n_trials", "eval_perf_mean": "accuracy", "eval_loss_mean": "loss"}
_OF_MAT |= {"opt_scaling_factor": "lambda", "spiking_accuracy": "spiking_accuracy"}


def row_of_file(path: Path) -> tuple[pd.DataFrame, list[Opened | None], dict[str, list[Any]]]:
    """Open the file of a network.

    Args:
        path: of a `.mat` or `.pth` file.

    Returns:
        a table of one row, the network, and the values of columns that are axes elsewhere.

    Raises:
        FormatError: the file is missing, damaged, or not that of a network.
    """
    import pandas as pd

    file = read_network(path)
    values: dict[str, Any] = {"task": file.task.name, "N": None, "taus": None, "seed": 0}
    found: dict[str, Any] = {"trained": None, "n_trials": None}
    n_trials, settings = EvaluationSettings().n_trials, None
    if file.content is not None:
        content = load_pth(path) if "run_settings" not in file.content else file.content
        settings = _settings_in(content)
        net = network_from_state(content["model_state_dict"], "cpu").settings
        values |= {"seed": (content.get("run_settings") or {}).get("seed", 0)}
        found |= {"trained": bool(content["trained"]), "n_trials": content["trial"]}
    else:
        net = (file.arrays or {})["settings"]
        names = ("seed", "trained", "eval_labels", *_OF_MAT)
        stored = {key: np.ravel(value) for key, value in load_mat(path, names).items() if key in names}
        numbers = {key: float(value[0]) for key, value in stored.items() if value.size and value.dtype.kind in "fiub"}
        values |= {"seed": int(numbers.get("seed", 0))}
        found |= {column: numbers[key] for key, column in _OF_MAT.items() if key in numbers}
        found |= {"trained": bool(numbers["trained"])} if "trained" in numbers else {}
        n_trials = stored["eval_labels"].size if "eval_labels" in stored else n_trials
    values |= {"N": net.N, "taus": net.taus}
    status = {True: "trained", False: "not trained", None: "not known"}[found["trained"]]
    row = {**values, "status": status, **found, "file": str(path), "folder": str(path.parent)}
    table = pd.DataFrame([{**row, "taus": format_value(values["taus"])}])
    table = table.astype({"trained": "boolean", "n_trials": "Int64"})
    for column in ("task", "taus", "status"):
        table[column] = pd.Categorical(table[column])
    table["N"], table["seed"] = typed_column([values["N"]]), typed_column([values["seed"]])
    opened = Opened(path, str(path.parent), values["seed"], n_trials, settings)
    return table, [opened], {column: [values[column]] for column in ("task", "N", "taus")}


def _settings_in(content: dict[str, Any]) -> RunSettings | None:
    """The settings of the run in a `.pth` file; None where they cannot be used here, as without the task's file."""
    given = content.get("run_settings")
    if not isinstance(given, dict):
        return None
    try:
        return RunSettings(**given)
    except (SettingsError, TypeError):
        return None

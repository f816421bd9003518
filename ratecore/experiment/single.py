"""A single file as a table of one network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.experiment.axes import format_value
from ratecore.experiment.opened import Opened
from ratecore.experiment.selection import typed_column
from ratecore.formats import load_mat, load_pth
from ratecore.formats.errors import say_once
from ratecore.formats.pth import network_from_state
from ratecore.formats.told import told_by
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings

if TYPE_CHECKING:
    import pandas as pd


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

    file, told = told_by(path)
    for source, notes in file.notes:
        say_once(source, notes)
    values: dict[str, Any] = {"task": file.task.name, "N": None, "taus": None, "seed": told.seed or 0}
    found: dict[str, Any] = {"trained": told.trained, "n_trials": told.n_trials, "origin": told.origin}
    n_trials, settings = EvaluationSettings().n_trials, None
    if file.content is not None:
        content = load_pth(path) if "run_settings" not in file.content else file.content
        settings = _settings_in(content)
        net = network_from_state(content["model_state_dict"], "cpu").settings
    else:
        net = (file.arrays or {})["settings"]
        labels = load_mat(path.with_suffix(".mat"), ("eval_labels",)).get("eval_labels")
        n_trials = n_trials if labels is None else np.size(labels)
        found |= told.published
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

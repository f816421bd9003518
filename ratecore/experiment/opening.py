"""Opens results: `rate.open_results("results/demo")`."""

from __future__ import annotations

import os
from pathlib import Path

from ratecore.experiment.opened import ALLOWED, SUFFIXES, open_experiment
from ratecore.experiment.results import Results
from ratecore.experiment.together import ResultsTogether
from ratecore.system.extras import needed


def open_results(
    path: str | os.PathLike[str], *others: str | os.PathLike[str], task_file: str | os.PathLike[str] | None = None
) -> Results:
    """Open the results of an experiment, or a single network, or several of them as one table.

    Nothing is written or locked: the folder may be read-only, moved to another place, or still being filled by a
    running workflow. Neither Snakemake nor MLflow is needed.

    Args:
        path: folder of an experiment, such as results/demo, or a `.mat` or `.pth` file.
        *others: more of them, whose rows follow.
        task_file: Python file that registers your own task, where it is no longer at the place that the configuration
            names.

    Returns:
        the results.

    Raises:
        FileNotFoundError: there is nothing at this path.
        ValueError: it holds no results of ratecore; the message says what is missing.
        ImportError: pandas is not installed.

    Source: none
    """
    if others:
        return ResultsTogether([open_results(one, task_file=task_file) for one in (path, *others)])
    path = Path(path).expanduser()
    needed("pandas", "analysis", "tables of results")
    if path.is_dir():
        return Results(experiment=open_experiment(path, task_file))
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder; it must be {ALLOWED}")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: not the file of a network; it must be {ALLOWED}")
    if task_file is not None:
        from ratecore.tasks.files import load_task_file

        load_task_file(os.fspath(task_file))
    return Results(file=path)

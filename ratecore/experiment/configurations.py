"""The configuration of an experiment, kept with its results, and those of earlier grids with their tables."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import hash_of
from ratecore.system.files import write_atomic
from ratecore.system.redaction import without_secrets

# Settings of how the work is done, which do not change the table.
OF_THE_WORK = {
    "results",
    "seeds_per_job",
    "threads_per_job",
    "device",
    "jobs_per_gpu",
    "gpu_frac",
    "tracking",
    "figures",
    "claims",
}
CONFIG, TABLE, EARLIER = "config.yaml", "summary.csv", "earlier"


def keep_configuration(root: str | os.PathLike[str], config: dict[str, Any]) -> Path | None:
    """Write an experiment's configuration to `config.yaml` in its results.

    If a configuration of another grid is there, it is first kept with its table in `earlier/<date>_<hash>/`: its
    networks stay in `runs/`, and the new table no longer lists them.

    Args:
        root: folder of the experiment's results.
        config: as the workflow was given it. Passwords are left out.

    Returns:
        the folder with the earlier configuration and table; None if there were none, or if they are already kept.

    Raises:
        OSError: a file cannot be written.
        SettingsError: `config` is not a configuration.
    """
    root = Path(root)
    settings = ExperimentSettings(**config)
    kept = _keep_earlier(root, grid_hash(settings))
    text = _as_yaml(config, settings.tracking.uri or "")
    path = root / CONFIG
    if not path.is_file() or _body(path.read_text(errors="replace")) != text:
        date = time.strftime("%Y-%m-%d %H:%M:%S")
        head = f"# The configuration of these results since {date}; `--configfile` takes it. Passwords are left out.\n"
        write_atomic(path, (head + text).encode())
    return kept


def grid_hash(settings: ExperimentSettings) -> str:
    """A hash of everything that decides which rows the table has and what is in them.

    Args:
        settings: of the experiment.

    Returns:
        16 hex digits.
    """
    return hash_of(settings.model_dump(mode="json", exclude=OF_THE_WORK))


def _keep_earlier(root: Path, now: str) -> Path | None:
    config, table = root / CONFIG, root / TABLE
    if not config.is_file() or not table.is_file():
        return None
    text = config.read_text(errors="replace")
    try:
        earlier = grid_hash(ExperimentSettings(**load_yaml(config)))
    except SettingsError:  # of another version, or edited by hand: kept as it is
        earlier = hash_of({"text": _body(text)})
    if earlier == now:
        return None
    date = re.search(r"since (\d{4}-\d\d-\d\d) (\d\d):(\d\d):(\d\d)", text.partition("\n")[0])
    name = "_".join([*(["{}_{}{}{}".format(*date.groups())] if date else []), earlier[:8]])
    folder = root / EARLIER / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in (config, table):
        shutil.copyfile(path, folder / f".{path.name}.part")
        Path(folder, f".{path.name}.part").replace(folder / path.name)
    return folder


def _as_yaml(config: dict[str, Any], uri: str) -> str:
    import yaml

    plain = json.loads(json.dumps(config, default=str))  # turns Snakemake's mappings and paths into plain ones
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10**6)
    return without_secrets(text, uri)


def _body(text: str) -> str:
    return text.partition("\n")[2] if text.startswith("# The configuration of these results") else text

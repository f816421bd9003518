"""The workflow as a Snakemake module of another workflow: its configuration and its results folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.reading import local_path

Config = Mapping[str, Any]


def module_overrides(main: Config, config: Config, given: Config) -> Config:
    """The values of `--config` that apply to a module.

    Args:
        main: configuration of the main workflow.
        config: of the module: `main`, or a section of it, as with `config: config["networks"]`.
        given: what Snakemake read from `--config`, with the keys of `main`.

    Returns:
        the values of `given` for `config`; none if the main workflow assembled `config`.
    """
    if config is main:
        return given
    for key, section in main.items():
        if isinstance(section, Mapping) and isinstance(given.get(key), Mapping):
            if found := module_overrides(section, config, given[key]):
                return found
    return {}


def apply_prefix(config: Config, prefixed: Callable[[str], str]) -> tuple[Config, str]:
    """Move the results folder of a configuration as `prefix:` or `replace_prefix:` of a module requests.

    Snakemake puts the prefix before the paths of rules, but knows nothing about paths in a configuration: scripts, the
    mirror and the closing words would look for the results elsewhere. `config` itself belongs to the main workflow and
    is not changed.

    Args:
        config: of the module, not checked yet.
        prefixed: returns what Snakemake makes of a path of a rule; the same path if there is no prefix.

    Returns:
        the configuration, and the folder of the experiment's results as rules name it, without the prefix.

    Raises:
        SettingsError: `replace_prefix` changes the last folder, which must keep the experiment's name.
    """
    results, name = config.get("results", ExperimentSettings.model_fields["results"].default), config.get("experiment")
    if not isinstance(results, str) or not isinstance(name, str | int):
        return config, ""  # invalid, which the check of the configuration reports
    try:
        root = Path(local_path(results) or "", str(name)).as_posix()
    except ValueError:
        return config, ""
    # With a file behind it, so that `replace_prefix: {"results/": "x/"}` finds what it replaces.
    end = f"/{name}/jobs"
    path = str(prefixed(f"{root}/jobs"))
    if path == f"{root}/jobs":
        return config, root
    path = f".{end}" if path == end[1:] else path
    if not path.endswith(end):
        raise SettingsError(
            f"replace_prefix: it makes {path.removesuffix('/jobs')!r} of {root!r}; the last folder must stay {name!r}, "
            f"as with {{{results.rstrip('/') + '/'!r}: 'elsewhere/'}}"
        )
    return {**config, "results": path.removesuffix(end) or "/"}, root

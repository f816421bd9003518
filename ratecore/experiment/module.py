"""The workflow as a Snakemake module of another workflow: its part of the configuration, and where its results are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.reading import local_path


def module_overrides(whole: Mapping, config: Mapping, given: Mapping) -> Mapping:
    """The values of `--config` that a module is given.

    Args:
        whole: configuration of the main workflow.
        config: that of the module: `whole`, or a section of it; `config: config["networks"]`.
        given: what Snakemake made of `--config`, with `whole`'s keys.

    Returns:
        the values of `given` at the place of `config`; none where `config` was put together by the main workflow.
    """
    if config is whole:
        return given
    for key, section in whole.items():
        if isinstance(section, Mapping) and isinstance(given.get(key), Mapping):
            if found := module_overrides(section, config, given[key]):
                return found
    return {}


def apply_prefix(config: Mapping, prefixed: Callable[[str], str]) -> tuple[Mapping, str]:
    """The configuration with its results folder where `prefix:` or `replace_prefix:` of a module puts it.

    Snakemake puts the prefix before the paths of rules, and knows nothing of the paths in a configuration: scripts, the
    mirror and the closing words would look for the results elsewhere. `config` itself, which belongs to the main
    workflow, stays as it is.

    Args:
        config: of the module, not checked yet.
        prefixed: gives what Snakemake makes of a path of a rule; the same path without a prefix.

    Returns:
        the configuration, and the folder of the experiment's results as rules name it, without the prefix.

    Raises:
        SettingsError: `replace_prefix` names the folder of the experiment, whose name it must keep.
    """
    results, name = config.get("results", ExperimentSettings.model_fields["results"].default), config.get("experiment")
    if not isinstance(results, str) or not isinstance(name, str | int):
        return config, ""  # which whoever checks the configuration refuses
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

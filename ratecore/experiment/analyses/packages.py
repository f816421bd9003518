"""The optional packages that analyses import."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from ratecore.experiment.analyses.table import chosen
from ratecore.settings.base import SettingsError, shown


def require_packages(analyses: Iterable[str]) -> None:
    """Check that the packages of some analyses are installed, without importing them.

    Args:
        analyses: names of the analyses.

    Raises:
        SettingsError: a package is missing; the message names the extra that installs it.
    """
    names = list(analyses)
    for row in chosen(names):
        if missing := [package for package in row.packages if find_spec(package) is None]:
            are = f"{', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed"
            how = "pip install 'ratecore[analysis]'"
            raise SettingsError([(("analyses",), f" = {shown(names)}: {row.name} needs {are}: {how}")])

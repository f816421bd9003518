"""Optional packages: what is said where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needed(module: str, extra: str, what: str) -> Any:
    """Import a package that an extra of ratecore installs.

    Args:
        module: name of the package.
        extra: that installs it.
        what: is done with it, as in 'tables of results'.

    Returns:
        the module.

    Raises:
        ImportError: it is not installed; the message names the extra.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise
        package = module.partition(".")[0]
        raise ImportError(f"{what} need {package}, which is not installed: pip install 'ratecore[{extra}]'") from None

"""Packages that are needed for some things only, and installed with an extra of ratecore."""

from __future__ import annotations

import importlib
from types import ModuleType


def extra_package(name: str, extra: str, what: str) -> ModuleType:
    """Import a package that an extra installs.

    Args:
        name: of the module.
        extra: of ratecore that installs it.
        what: needs it, as the subject of a sentence: '.nwb files'.

    Returns:
        the module.

    Raises:
        ValueError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        raise ValueError(f"{what} need {missing}, which is not installed: pip install 'ratecore[{extra}]'") from None

"""The hash of the code that draws panels."""

from __future__ import annotations

from functools import cache

from ratecore.experiment.stages.table import FIGURES, PACKAGE, WITHOUT_NUMBERS
from ratecore.system.source_code import code_hash_of


@cache
def panels_hash() -> str:
    """Hash of the code that draws panels, with that of the trials that they simulate. If it changes, they are redrawn.

    Returns:
        hex digits.
    """
    modules = [f"ratecore.experiment.panels.{name}" for name in ("drawing", "tables", "trials", "examples")]
    return code_hash_of(PACKAGE, modules, [name for name in WITHOUT_NUMBERS if name != FIGURES])

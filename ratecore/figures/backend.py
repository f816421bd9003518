"""matplotlib, imported whatever MPLBACKEND says and without choosing a backend for anybody.

Figures here are made without pyplot and need no backend. MPLBACKEND may come from a notebook, which leaves its own to
the jobs that it starts; where that one is not installed, the import of matplotlib is an error. A backend that can be
used still holds for the user's pyplot.
"""

from __future__ import annotations

import contextlib
import os
import sys


def import_matplotlib() -> None:
    """Imports matplotlib, unless it has been imported before."""
    if "matplotlib" in sys.modules:
        return
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    if wanted:
        with contextlib.suppress(ValueError):  # there is no such backend
            matplotlib.rcParams["backend"] = wanted


import_matplotlib()

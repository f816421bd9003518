"""The arrays of analyses for their figures, read without PyTorch, whose import takes as long as drawing all of them."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ratecore.experiment.analyses.results import Arrays


def arrays_of(path: str | Path) -> dict[str, Arrays]:
    """Read the arrays of the analyses of a network, as `ratecore.formats.load_analysis` does.

    Args:
        path: of `analysis.npz`.

    Returns:
        analysis: its arrays by name, in the units of docs/analysis.md.

    Raises:
        ValueError: it is no such file, or it was damaged: every array is compared with its checksum.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for name in file.files:
                analysis, _, key = name.partition("/")
                found.setdefault(analysis, {})[key] = file[name]
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a readable file of analyses: {error}") from error
    return dict(found)

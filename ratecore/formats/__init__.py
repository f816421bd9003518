"""The layouts of `.pth` and `.mat` files (docs/model.md 4 and docs/migrating.md), which only this folder knows.

Files are read as data: no code in them runs, and a file that is not complete and valid is refused by name. Checksums
are compared before a number is used: a flipped bit is an error and never another network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.formats.containers import StrPath
from ratecore.formats.errors import DamagedError, FormatError
from ratecore.settings.base import path_part

if TYPE_CHECKING:  # some of them import PyTorch, which takes longer than most jobs: they are imported when first used
    from ratecore.formats.mat import (
        add_to_mat,
        load_mat,
        sha256_without_additions,
    )
    from ratecore.formats.npz import (
        analysis_bytes,
        comparison_bytes,
        evaluation_bytes,
        load_analysis,
        load_comparison,
        load_scores,
    )
    from ratecore.formats.pth import (
        CHECKPOINT_FORMAT,
        PTH_FORMAT,
        checkpoint_bytes,
        load_pth,
        pth_bytes,
        result_from_checkpoint,
        result_from_pth,
        save_pth,
        training_params,
    )
    from ratecore.formats.reading import NetworkFile, load_network, load_task, read_network
    from ratecore.formats.starting import start_of
    from ratecore.formats.task_settings import SavedTask
    from ratecore.formats.weights import load_weights
    from ratecore.settings.run import RunSettings

__all__ = [
    "CHECKPOINT_FORMAT",
    "PTH_FORMAT",
    "DamagedError",
    "FormatError",
    "NetworkFile",
    "SavedTask",
    "add_to_mat",
    "analysis_bytes",
    "checkpoint_bytes",
    "comparison_bytes",
    "evaluation_bytes",
    "export_stem",
    "load_analysis",
    "load_comparison",
    "load_mat",
    "load_network",
    "load_pth",
    "load_scores",
    "load_task",
    "load_weights",
    "pth_bytes",
    "read_network",
    "result_from_checkpoint",
    "result_from_pth",
    "save_pth",
    "sha256_without_additions",
    "start_of",
    "training_params",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ratecore.formats import mat, npz, pth, reading, starting, weights

    return next(getattr(home, name) for home in (mat, npz, pth, reading, starting, weights) if hasattr(home, name))


def export_stem(output_dir: StrPath, settings: RunSettings) -> Path:
    """Folder and name of a network's files, without the time (docs/model.md 4).

    Args:
        output_dir: folder of all exports.
        settings: of the run.

    Returns:
        the path without time and suffix.
    """
    s = settings.network
    taus = ("Taus_" if len(s.taus) == 2 else "Tau_") + "_".join(str(t) for t in s.taus)
    dale = () if s.apply_dale else ("NoDale",)
    task = path_part(settings.task)
    folder = Path(output_dir, "models", task, *dale, f"P_rec_{s.P_rec}_{taus}")
    return folder / f"Task_{task}_N_{s.N}_{taus}_Act_{s.activation}"

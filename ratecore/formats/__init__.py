"""The layouts of `.pth` and `.mat` files (SPEC 4 and 9): the only place that knows them.

Files of others are read as data alone: no code in them runs, and a file is taken whole or refused by name. Their
checksums are compared before a number is used: a flipped bit is an error and never another network.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from ratecore.config import RunSettings
from ratecore.files import write_atomic, write_new
from ratecore.formats.errors import DamagedError, FormatError
from ratecore.formats.mat import (
    add_to_mat,
    example_trial,
    load_mat,
    mat_bytes,
    sha256_without_additions,
)
from ratecore.formats.npz import comparison_bytes, evaluation_bytes, load_comparison, load_scores
from ratecore.formats.pth import (
    ACCURACY_AMPLITUDE,
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
from ratecore.formats.reading import NetworkFile, load_network, read_network
from ratecore.formats.task_settings import SavedTask, load_task

__all__ = [
    "ACCURACY_AMPLITUDE",
    "CHECKPOINT_FORMAT",
    "PTH_FORMAT",
    "DamagedError",
    "FormatError",
    "NetworkFile",
    "SavedTask",
    "add_to_mat",
    "checkpoint_bytes",
    "comparison_bytes",
    "evaluation_bytes",
    "example_trial",
    "export",
    "export_stem",
    "load_comparison",
    "load_mat",
    "load_network",
    "load_pth",
    "load_scores",
    "load_task",
    "mat_bytes",
    "pth_bytes",
    "read_network",
    "result_from_checkpoint",
    "result_from_pth",
    "save_pth",
    "sha256_without_additions",
    "training_params",
]


def export_stem(output_dir, settings: RunSettings) -> Path:
    """Folder and name of a network's files up to the time in it (SPEC 4)."""
    s = settings.network
    taus = ("Taus_" if len(s.taus) == 2 else "Tau_") + "_".join(str(t) for t in s.taus)
    dale = () if s.apply_dale else ("NoDale",)
    folder = Path(output_dir, "models", settings.task, *dale, f"P_rec_{s.P_rec}_{taus}")
    return folder / f"Task_{settings.task}_N_{s.N}_{taus}_Act_{s.activation}"


def export(output_dir, settings: RunSettings, result, scores) -> tuple[Path, Path]:
    """Writes a network's `.mat` and `.pth` under the names of SPEC 4.

    Exporting the same network again writes the same two files. A name that another network of the same second has is
    followed by `_2`, `_3` ...; no file of another network is ever written over.

    Args:
        output_dir: the folder above `models`.   settings, result, scores: as in `mat_bytes`.

    Returns:
        paths of the .mat and the .pth.
    """
    finished = time.strftime("%Y_%m_%d_%H%M%S", time.localtime(result.finished))
    stem = f"{export_stem(output_dir, settings)}_{finished}"
    mat, pth = mat_bytes(settings, result, scores), pth_bytes(settings, result)
    for k in itertools.count(1):
        name = stem if k == 1 else f"{stem}_{k}"
        mat_path, pth_path = Path(f"{name}.mat"), Path(f"{name}.pth")
        if mat_path.exists() and not pth_path.exists():
            continue  # of a network whose .pth was moved away
        try:
            write_new(pth_path, pth)  # whose .pth it is has the name
        except FileExistsError:
            if pth_path.read_bytes() != pth:
                continue
        write_atomic(mat_path, mat)
        return mat_path, pth_path

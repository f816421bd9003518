"""Stage 'export': a network's files for others."""

from __future__ import annotations

from typing import Any

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import record_file

STAGE = "export"


def export_run(run: Run) -> dict[str, Any]:
    """Write the `.mat` and `.pth` of a run in the `models` folder of the experiment or variant (docs/model.md 4).

    Args:
        run: to export.

    Returns:
        the fields of the stage's `end`.
    """
    from ratecore.experiment.exporting import export
    from ratecore.formats.npz import load_scores
    from ratecore.formats.pth import result_from_pth
    from ratecore.system.files import sha256_of

    result, variant = result_from_pth(run.network), run.variants.get(STAGE)
    folder = run.root / "variants" / variant if variant else run.root
    mat, pth = export(folder, run.settings, result, load_scores(run.evaluation))
    files: dict[str, str] = {}
    for path in (mat, pth):
        files |= record_file(run, STAGE, path, sha256_of(path))
    return {"mat": run.relative(mat), "pth": run.relative(pth), "files": files}

"""Stage 'export': a network's files for others."""

from __future__ import annotations

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import record_file


def export_run(run: Run) -> dict:
    """Writes the run's `.mat` and `.pth` in the experiment's `models` folder (model.md 4), of a variant in its own."""
    from ratecore.experiment.exporting import export
    from ratecore.formats import load_scores, result_from_pth
    from ratecore.system.files import sha256_of

    result, variant = result_from_pth(run.network), run.variants.get("export")
    place = run.root / "variants" / variant if variant else run.root
    mat, pth = export(place, run.settings, result, load_scores(run.evaluation))
    files = {}
    for path in (mat, pth):
        files |= record_file(run, "export", path, sha256_of(path))
    return {"mat": run.relative(mat), "pth": run.relative(pth), "files": files}

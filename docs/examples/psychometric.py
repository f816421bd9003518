"""Psychometric and chronometric curves of the networks of a results folder: psychometric.py RESULTS [OUT.png]."""

import sys
from pathlib import Path

import numpy as np

from ratecore import figures
from ratecore.analysis.psychometrics import fit_psychometric

results, out = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "psychometric.png")
choices: dict[tuple[str, float], list[float]] = {}
times: dict[tuple[str, float], list[float]] = {}
for path in sorted(sorted(results.glob("**/evaluation.npz")), key=lambda path: len(str(path))):  # 50 before 100
    arrays = np.load(path)
    if "psychometric_evidence" not in arrays:
        continue  # a task without graded evidence
    variant = "" if path.parent.parent.name.startswith("seed~") else f", {path.parent.name}"
    kinds = [f"{kind}{variant}" for kind in arrays["psychometric_trial_type"]]
    points = zip(kinds, arrays["psychometric_evidence"].tolist(), strict=True)
    for k, point in enumerate(points):
        choices.setdefault(point, []).append(float(arrays["psychometric_p_positive"][k]))
        times.setdefault(point, []).extend(arrays["chronometric_times"][k])
if not choices:
    sys.exit(f"{results}: no network was scored on graded evidence")

shown: list[dict[str, object]] = []
for (kind, level), shares in choices.items():
    own = np.array(times[kind, level])
    row = {"trial_type": kind, "evidence": level, "n": own.size, "p_positive": float(np.mean(shares))}
    if not np.isnan(own).all():
        row |= dict(zip(("q25", "median", "q75"), np.nanquantile(own, (0.25, 0.5, 0.75)), strict=True))
    shown.append(row)
for kind in dict.fromkeys(kind for kind, _ in choices):
    x, p, n = np.array([(r["evidence"], r["p_positive"], r["n"]) for r in shown if r["trial_type"] == kind]).T
    print(f"{kind}: {figures.fit_text(fit_psychometric(x, p, n))}")
figure, axes = figures.new_figure(9, 3.5, columns=2)
figures.choices(axes[0], shown)
figures.times(axes[1], shown)
out.write_bytes(figures.png(figure))

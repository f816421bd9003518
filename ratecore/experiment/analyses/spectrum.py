"""Analysis 'spectrum': the eigenvalues of the recurrent weights before and after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import SpectrumSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def analyse(material: Material, settings: SpectrumSettings) -> AnalysisResult:
    """Compute the eigenvalues of the network's effective weights, and how many are outside of the bulk.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Source:
        docs/model.md 1.2; `ratecore.analysis.spectrum`.
    """
    from ratecore.analysis.spectrum import spectrum

    before, after = (
        spectrum(W, material.inhibitory, settings.margin) for W in (material.initial_weights, material.weights)
    )
    numbers: dict[str, float] = {}
    for suffix, found in (("", after), ("_before", before)):
        numbers |= {
            f"radius{suffix}": found.radius,
            f"abscissa{suffix}": found.abscissa,
            f"bulk_radius{suffix}": found.bulk_radius,
            f"outliers{suffix}": int(found.outliers.sum()),
        }
    bulk = np.array([before.bulk_radius, after.bulk_radius])
    return AnalysisResult(numbers, {"before": before.eigenvalues, "after": after.eigenvalues, "bulk": bulk})


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the eigenvalues of all networks together.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.spectrum import eigenvalues
    from ratecore.figures.style import new_figure, seeds_legend

    figure, axes = new_figure(6.8, 3.2, columns=2, sharex=True, sharey=True)
    for k, (axis, name) in enumerate(zip(axes, ("before", "after"), strict=True)):
        bulks = [arrays["bulk"][k] for arrays in networks.values()]
        eigenvalues(axis, [arrays[name] for arrays in networks.values()], float(np.mean(bulks)))
        axis.set_title(f"{name} training", fontsize=9)
    axes[1].set_ylabel("")
    seeds_legend(axes[1], list(networks))
    return {"spectrum_eigenvalues": figure}

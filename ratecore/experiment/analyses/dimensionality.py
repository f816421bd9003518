"""Analysis 'dimensionality': principal components of the activity, and how many dimensions it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.recording import paths_of, recording
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.analysis import DimensionalitySettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = 10  # components


def analyse(material: Material, settings: DimensionalitySettings) -> AnalysisResult:
    """Compute the principal components of the network's activity, and the courses of its conditions along them.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Source:
        Gao et al. 2017 (bioRxiv 214262); `ratecore.analysis.dimensionality`.
    """
    from ratecore.analysis.dimensionality import principal_components
    from ratecore.analysis.trials import condition_means

    drawn = recording(material, settings)
    activity = drawn.activity
    if settings.of == "conditions":
        activity = condition_means(activity, drawn.conditions)[1]
    found = principal_components(activity, min(KEPT, activity.shape[2]), settings.z_score)
    names, paths = paths_of(found.project(drawn.activity), drawn.conditions)
    numbers = {
        "participation_ratio": found.participation_ratio,
        "components_90": found.components_for(0.9),
        "explained_1": float(found.explained[0]),
        "explained_3": float(found.explained[:3].sum()),
    }
    arrays = {
        "axes": found.axes,
        "mean": found.mean,
        "explained": found.explained,
        "times": drawn.times,
        "conditions": names,
        "paths": paths,
    }
    return AnalysisResult(numbers, arrays)


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw the courses of the conditions of the first network, and the explained variance of all.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.population import explained_variance, trajectories
    from ratecore.figures.style import new_figure

    label, first = next(iter(networks.items()))
    wide = first["paths"].shape[2] > 2
    figure, axes = new_figure(9.5, 3.0, columns=3)
    paths = dict(zip(first["conditions"].tolist(), first["paths"], strict=True))
    if first["paths"].shape[2] > 1:
        trajectories(axes[0], paths, first["explained"], (0, 1), labelled=False)
        trajectories(axes[1], paths, first["explained"], (0, 2) if wide else (0, 1))
        axes[0].set_title(label, fontsize=9)
    explained_variance(axes[2], [arrays["explained"] for arrays in networks.values()])
    return {"dimensionality_components": figure}

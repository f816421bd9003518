"""The figures of grid points over their seeds, from the files and records of runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ratecore.experiment.analyses.results import Arrays
from ratecore.experiment.analyses.table import chosen
from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan_grid import point_words
from ratecore.experiment.points import GridPoint
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import ANALYSE, TRAIN, WRITTEN_BY
from ratecore.system.files import read_sealed_json, write_atomic
from ratecore.tracking.record import tests_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.spiking.results import SearchSummary


def loss_curve(run: Run) -> tuple[list[int], list[float], bool]:
    """The test losses of a run's training, from its record.

    Args:
        run: the run.

    Returns:
        trials, mean test losses (unitless), and whether the network was trained.

    Source: none
    """
    events = run.record.events()
    tests, ends = tests_of(events), [e for e in events if (e["event"], e["stage"]) == ("end", TRAIN)]
    end = ends[-1] if ends else {}
    trials = [trial for trial in sorted(tests) if trial <= end.get("n_trials", trial)]
    return trials, [tests[trial]["test_loss"] for trial in trials], bool(end.get("trained", False))


def point_figures(experiment: Experiment, grid_point: GridPoint) -> dict[str, Figure]:
    """The figures of a grid point over its seeds: loss curves, outputs, taus, weights and their spectrum (of the first
    seed).

    Args:
        experiment: of the grid.
        grid_point: to draw.

    Returns:
        name: figure; only 'loss_curves' if every run of the grid point failed.
    """
    import numpy as np

    from ratecore import figures
    from ratecore.formats.npz import load_scores
    from ratecore.formats.pth_arrays import saved_network

    runs = [Run.at(experiment, grid_point, seed) for seed in grid_point.seeds]
    settings = grid_point.settings
    title = point_words(experiment, grid_point, WRITTEN_BY["evaluation"].name)
    curves = {f"seed {run.settings.seed}": loss_curve(run) for run in runs}
    made = {"loss_curves": figures.loss_curves(curves, settings.training.last.loss_threshold, title)}
    scored = [run for run in runs if run.evaluation.is_file()]
    task = settings.tested_task("evaluation")
    pooled: dict[str, list[Any]] = {}
    before: list[Any] = []
    after: list[Any] = []
    first = None
    for run in scored:
        for name, row in load_scores(run.evaluation).by_condition().items():
            pooled.setdefault(name, []).append(row["output_mean"])
        net = saved_network(run.network)
        first = first or net
        for values, new in zip((before, after), figures.taus_before_and_after(net), strict=True):
            values.append(new)
    if first is None:
        return made
    outputs = {name: figures.mean_and_sd(means) for name, means in sorted(pooled.items())}
    made["outputs"] = figures.outputs_by_condition(outputs, task.stimulus_windows, task.response_steps, title)
    made["taus"] = figures.tau_distribution(np.concatenate(before), np.concatenate(after), settings.network.taus)
    made["weights"] = figures.weight_matrix(first)
    made["spectrum"] = figures.spectrum(*figures.eigenvalues_before_and_after(first))
    return made


def spiking_figures(experiment: Experiment, grid_point: GridPoint) -> dict[str, Figure]:
    """The figures of a grid point's spiking networks over its seeds, see `figures.grid_point_figures`.

    Args:
        experiment: of the grid.
        grid_point: to draw.

    Returns:
        name: figure; none if no network was trained.
    """
    from ratecore import figures
    from ratecore.formats.npz import load_comparison

    runs = [Run.at(experiment, grid_point, seed) for seed in grid_point.seeds]
    stage = WRITTEN_BY["conversion"].name
    converted = [run for run in runs if "lambda" in (run.outcome(stage, verify=False) or {})]
    searches = {
        f"seed {run.settings.seed}": cast("SearchSummary", read_sealed_json(run.conversion)) for run in converted
    }
    comparisons = [load_comparison(run.comparison) for run in converted]
    return figures.grid_point_figures(searches, comparisons, point_words(experiment, grid_point, stage))


def analysis_figures(experiment: Experiment, grid_point: GridPoint) -> dict[str, Figure]:
    """The figures of a grid point's analyses over its seeds.

    Args:
        experiment: of the grid.
        grid_point: to draw.

    Returns:
        name: figure; for an analysis without results a page that says why.
    """
    from ratecore import figures
    from ratecore.experiment.analyses.arrays import arrays_of
    from ratecore.experiment.stages.analyse import figures_of

    networks: dict[str, dict[str, Arrays]] = {}
    reasons: dict[str, str] = {}
    for run in (Run.at(experiment, grid_point, seed) for seed in grid_point.seeds):
        end = run.outcome(ANALYSE, verify=False) or {}
        if "files" in end:
            for name, arrays in arrays_of(run.file("analysis")).items():
                networks.setdefault(name, {})[f"seed {run.settings.seed}"] = arrays
            reasons |= end.get("left_out", {}) | end.get("errors", {})
    made = figures_of(networks)
    for row in chosen(reasons.keys() - networks.keys()):
        made |= {name: figures.note(f"{row.name}: {reasons[row.name]}") for name in row.figures}
    return made


def write_figures(made: dict[str, Figure], paths: Mapping[str, str | Path]) -> None:
    """Write each figure to its path, or a page that says why it could not be made.

    Args:
        made: name: figure.
        paths: name: path.
    """
    from ratecore import figures

    for name, path in paths.items():
        figure = made.get(name) or figures.note("no network of this grid point was trained")
        write_atomic(path, figures.png(figure))

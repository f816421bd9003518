"""The stages, one row each. Everything else reads this table: grid, runs, jobs, summary, plan, workflow.

A new stage is a row here, a file beside this one with the function that does it, and `workflow/rules/<name>.smk`.
Functions are named as 'module:function' and imported when called, so that the workflow reads the table without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ratecore.experiment.analyses import table as analyses_table
from ratecore.experiment.report_figures import SHARE, GridFigure, PointFigures
from ratecore.settings.analysis import of_spikes, sections_of
from ratecore.settings.experiment import ExperimentSettings
from ratecore.system.source_code import code_hash_of

PACKAGE = Path(__file__).resolve().parents[2]
FIGURES = "ratecore.figures"
# Modules that change no number of a stage: they handle files, messages and processes, or names that no stage uses.
# Modules that only they import are left out, too.
WITHOUT_NUMBERS = (
    FIGURES,
    "ratecore.compat",
    "ratecore.experiment.analyses.kept",
    "ratecore.experiment.analyses.table",
    "ratecore.experiment.checkpoints",
    "ratecore.experiment.continuation",
    "ratecore.experiment.grid",
    "ratecore.experiment.progress",
    "ratecore.experiment.report_figures",
    "ratecore.experiment.runs",
    "ratecore.experiment.training_files",
    "ratecore.experiment.stages.running",
    "ratecore.experiment.stages.table",
    "ratecore.settings.analysis",  # each analysis has its settings in its identity
    "ratecore.settings.experiment",
    "ratecore.settings.hints",
    "ratecore.settings.reading",
    "ratecore.system.devices",
    "ratecore.system.files",
    "ratecore.system.processes",
    "ratecore.system.redaction",
    "ratecore.tasks.checks",
    "ratecore.tasks.tracebacks",
    "ratecore.tracking",
)
ANALYSE = "analyse"
SCORED_BY = ("evaluation", "spiking", "conversion")  # sections by which a network is scored or converted


@dataclass(frozen=True)
class Stage:
    """A step of the work on a run that can be repeated on its own.

    Attributes:
        name: of the stage, its rule and its file in `workflow/rules/`.
        work: function that does the stage for a run and returns the fields of its `end` event; with `threads` it also
            takes the number of processes.
        settings: sections of the settings that its numbers depend on, besides task, network and seed.
        needs: stages that must be done first.
        variants: sections whose axes repeat the stage for the same network.
        files: names and files that it writes into the folder of a run or variant; `Run.file` returns them by name.
        paths: keys of its `end` event with files elsewhere; they are also columns of the table.
        adds_to: a stage and one of its `paths`: the file of that stage to which this one adds.
        reads: names of files of other stages that it reads; if their contents change, it is redone.
        reads_if_there: the same of files that not every network has.
        switch: setting of the experiment that turns it off if false or empty.
        columns: columns of the table, each with the key of the stage's `end` event; 'a/b' is in its `numbers`.
        verb: what the plan calls it if there are several variants, such as 'scored'.
        redraw: function that redraws a run's figures from its files and returns the same as `write_figures`; None for a
            stage without figures of single runs.
        point_figures: figures of grid points.
        grid_figures: figures of the grid.
        resumes_from: patterns of files in the folder of a run or variant from which it resumes after an interruption.
        polls_signals: whether its work polls for SIGTERM and SIGINT and saves its state.
        lasts: whether its results are kept when the code changes; otherwise it is redone, which is cheap.
        block: function of runs, settings of the experiment and threads that does the stage for a block in its own way.
        threads: whether its jobs take `threads_per_job` cores.
        minutes: function of a run's settings, the number of runs and, with `threads`, the threads, that estimates the
            duration of a job.
    """

    name: str
    work: str
    settings: tuple[str, ...]
    needs: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    adds_to: tuple[str, str] | None = None
    reads: tuple[str, ...] = ()
    reads_if_there: tuple[str, ...] = ()
    switch: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    verb: str | None = None
    redraw: str | None = None
    point_figures: PointFigures | None = None
    grid_figures: tuple[GridFigure, ...] = ()
    resumes_from: tuple[str, ...] = ()
    polls_signals: bool = False
    lasts: bool = False
    block: str | None = None
    threads: bool = False
    minutes: str = "ratecore.experiment.costs:scoring_minutes"


ROWS = (
    Stage(
        "train",
        work="ratecore.experiment.stages.train:train_run",
        block="ratecore.experiment.stages.train:train_job",
        settings=("training",),
        files={"network": "network.pth"},
        columns={"n_trials": "n_trials", "seconds": "seconds", "device": "device"},
        grid_figures=(
            GridFigure("trials_to_criterion", "needed", "trials to criterion", (0, None)),
            GridFigure("trained", "trained", "trained (share of seeds)", SHARE),
        ),
        resumes_from=("checkpoint.pth", "checkpoint.previous.pth", "weights.*.npz"),
        polls_signals=True,
        lasts=True,
        threads=True,
        minutes="ratecore.experiment.costs:training_minutes",
    ),
    Stage(
        "evaluate",
        work="ratecore.experiment.stages.evaluate:evaluate_run",
        settings=("training", "evaluation"),
        needs=("train",),
        variants=("evaluation",),
        files={"evaluation": "evaluation.npz", "scores": "scores.json"},
        reads=("network",),
        columns={"accuracy": "accuracy", "loss": "loss"},
        verb="scored",
        redraw="ratecore.experiment.stages.evaluate:redraw_run",
        point_figures=PointFigures(
            "ratecore.experiment.point_figures:point_figures", ("loss_curves", "outputs", "taus", "weights", "spectrum")
        ),
        grid_figures=(GridFigure("accuracy", "accuracy", "accuracy on fresh trials", SHARE),),
    ),
    Stage(
        "export",
        work="ratecore.experiment.stages.export:export_run",
        settings=("training", "evaluation"),
        needs=("evaluate",),
        variants=SCORED_BY,  # every variant of a conversion adds its lambda to its own `.mat`
        paths=("mat", "pth"),
        reads=("network", "evaluation"),
    ),
    Stage(
        "convert",
        work="ratecore.experiment.stages.convert:convert_run",
        settings=("training", "spiking", "conversion"),
        needs=("export",),
        variants=SCORED_BY,
        files={"conversion": "conversion.json", "comparison": "comparison.npz"},
        adds_to=("export", "mat"),
        reads=("network",),
        switch="convert",
        columns={  # empty for a network that was not trained
            "lambda": "lambda",
            "spiking_accuracy": "spiking_accuracy",
            "spiking_ci_low": "ci_low",
            "spiking_ci_high": "ci_high",
            "mean_rate_exc": "mean_rate_exc",
            "mean_rate_inh": "mean_rate_inh",
        },
        verb="converted",
        redraw="ratecore.experiment.stages.convert:redraw_run",
        point_figures=PointFigures(
            "ratecore.experiment.point_figures:spiking_figures",
            ("scaling", "raster", "spiking_outputs", "firing_rates", "units", "components"),
        ),
        grid_figures=(
            GridFigure("spiking_accuracy", "spiking_accuracy", "accuracy of the spiking network", SHARE),
            GridFigure("lambda", "lambda", "best lambda", (0, None)),
        ),
        resumes_from=("search-*.json",),
        threads=True,
        minutes="ratecore.experiment.costs:conversion_minutes",
    ),
    Stage(  # of all analyses; `row_of` has the parts that those of an experiment need
        ANALYSE,
        work="ratecore.experiment.stages.analyse:analyse_run",
        settings=("training", "analysis"),  # the identity of the analyses has the sections that they depend on
        needs=("train",),
        variants=("analysis",),
        files={"analysis": "analysis.npz"},
        reads=("network",),
        switch="analyses",
        columns=analyses_table.COLUMNS,
        verb="analysed",
        point_figures=PointFigures(
            "ratecore.experiment.point_figures:analysis_figures",
            tuple(name for analysis in analyses_table.ROWS for name in analysis.figures),
        ),
        grid_figures=tuple(figure for analysis in analyses_table.ROWS for figure in analysis.grid_figures),
        resumes_from=("analysis-*.npz",),
        minutes="ratecore.experiment.costs:analysis_minutes",
    ),
)
STAGES = {stage.name: stage for stage in ROWS}
TRAIN = ROWS[0].name  # makes the network that all other stages work on
WRITTEN_BY = {name: stage for stage in ROWS for name in stage.files}


def stages_of(settings: ExperimentSettings) -> dict[str, Stage]:
    """The stages that every network of an experiment goes through.

    Args:
        settings: of the experiment.

    Returns:
        name: row, in their order.
    """
    chosen: dict[str, Stage] = {}
    for name in STAGES:
        stage = row_of(name, settings.analyses)
        if (stage.switch is None or getattr(settings, stage.switch)) and chosen.keys() >= set(stage.needs):
            chosen[name] = stage
    return chosen


@cache
def row_of(stage: str, analyses: tuple[str, ...] = ()) -> Stage:
    """A stage as an experiment with some analyses needs it; only stage `analyse` depends on them.

    Args:
        stage: its name.
        analyses: names of the chosen analyses.

    Returns:
        the row, which needs a conversion and has its variants only if an analysis is of spikes.
    """
    row, drawn = STAGES[stage], STAGES[stage].point_figures
    if stage != ANALYSE or not analyses or drawn is None:
        return row
    found, sections = analyses_table.chosen(analyses), sections_of(analyses)
    if of_spikes(analyses):
        sections = SCORED_BY  # the networks that are converted differ in all of them
        row = replace(row, needs=(*row.needs, "convert"), reads_if_there=("conversion",))
    return replace(
        row,
        settings=("training", *sections, "analysis"),
        variants=(*sections, "analysis"),
        columns={column: key for analysis in found for column, key in analysis.summary.items()},
        point_figures=replace(drawn, names=tuple(name for analysis in found for name in analysis.figures)),
        grid_figures=tuple(figure for analysis in found for figure in analysis.grid_figures),
    )


def last_of(stages: Mapping[str, Stage]) -> list[str]:
    """The stages that no other stage needs.

    Args:
        stages: name: row.

    Returns:
        their names.
    """
    needed = {name for stage in stages.values() for name in stage.needs}
    return [name for name in stages if name not in needed]


def function_of(name: str) -> Callable[..., Any]:
    """The function that a row names.

    Args:
        name: 'module:function'.

    Returns:
        the function.
    """
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


@cache
def code_hash(stage: str, package: Path = PACKAGE, analyses: tuple[str, ...] = ()) -> str:
    """Hash of the code that computes a stage's results. If it changes, the stage is redone, see `Stage.lasts`.

    Args:
        stage: its name.
        package: folder of the source code.
        analyses: names of the analyses that the stage does, if it is `analyse`.

    Returns:
        hex digits.
    """
    module, _, _ = STAGES[stage].work.partition(":")
    roots = [module, *(analysis.module for analysis in analyses_table.chosen(analyses))]
    roots += [analyses_table.SPIKES[0].partition(":")[0]] if of_spikes(analyses) else []
    return code_hash_of(package, roots, WITHOUT_NUMBERS)


@cache
def figures_hash(package: Path = PACKAGE) -> str:
    """Hash of the code that draws figures. If it changes, only figures are redrawn.

    Args:
        package: folder of the source code.

    Returns:
        hex digits.
    """
    return code_hash_of(package, [FIGURES], [name for name in WITHOUT_NUMBERS if name != FIGURES])

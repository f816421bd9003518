# How the workflow begins and ends, on the machine of its launch.
import sys
import threading
from pathlib import Path

from snakemake.logging import logger

from ratecore.experiment.closing import Closing
from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.jobs import (
    mark_times,
    note_grid,
    of_other_grids,
    restore_times,
    was_copied,
)
from ratecore.experiment.launch import (
    cannot_run,
    quieten,
    same_snakemake,
    shell,
    ui_command,
)
from ratecore.tracking.mlflow.sqlite import has_artifacts_elsewhere
from ratecore.tracking.mlflow.state import is_place_of

told_to_end = quieten(logger)


def closing_words():
    """What says the last words, with the commands that fit this launch."""
    directory, repository = (
        workflow.overwrite_workdir,
        Path(workflow.main_snakefile).parents[1],
    )
    same = same_snakemake(
        sys.argv,
        workflow.main_snakefile,
        workflow.overwrite_configfiles,
        directory,
        uri,
    )
    ui = ui_command(uri, experiment.settings.results, repository, directory)
    # With --directory, paths from there are of no use in the folder of the launch.
    seen = None if directory is None else experiment.root.resolve()
    return Closing(experiment, ui, shell([*same, "--report", "report.html"]), seen)


closing = closing_words()

# Now, since Snakemake looks at the times of all files before anything else is run.
if workflow.is_main_process and was_copied(ROOT):
    try:
        print(
            f"{ROOT} is a copy: the times of {restore_times(ROOT)} files are put in order, so that no job runs again for them.",
            file=sys.stderr,
        )
    except OSError as error:
        print(
            f"{ROOT} is a copy whose times cannot be put in order, so that all jobs may run again: {error}",
            file=sys.stderr,
        )

stale = None  # files of other grids that Snakemake makes again; None until it was told


def remake_what_is_of_another_grid(wildcards):
    """An input function without inputs: tells Snakemake, before it looks at the times of files, what is of other settings.

    They are removed in `onstart`, when no other launch is at work here, and not by a dry run.
    """
    global stale
    if stale is None and not workflow.touch:
        stale = of_other_grids(experiment, CHOSEN, point_figures())
        results, name = experiment.settings.results, experiment.settings.experiment
        place, table = f"{ROOT}/tracking.json", f"{ROOT}/{TABLE_WRITTEN}"
        if Path(place).exists():
            if not is_place_of(place, stored_uri(uri, results), name):
                stale.append(place)
        if Path(table).exists() and has_artifacts_elsewhere(uri, results):
            stale.append(table)
        workflow.dag.forcefiles.update(stale)
    return []


def refuse_what_cannot_run():
    """Raises WorkflowError where no job can ever start."""
    rate = workflow.scheduling_settings.max_jobs_per_timespan
    problems = cannot_run(
        workflow.cores if workflow.local_exec else None,
        None if workflow.local_exec else workflow.nodes,
        rate and rate.max_jobs,
        workflow.resource_settings.max_threads,
    )
    if experiment.settings.device == "cuda" and any(
        "gpu" in job.rule.resources for job in workflow.dag.needrun_jobs()
    ):
        if workflow.scheduler.global_resources.get("gpu") == 0:
            problems.append("--resources gpu=0: device = 'cuda' needs at least 1")
        if workflow.local_exec and not device_pool():
            problems.append(
                "device = 'cuda': no GPU is visible here; allowed: 'cpu', 'auto'"
            )
    if problems:
        raise WorkflowError("\n".join(problems))


def failed_jobs():
    """(rule, log) of the jobs that failed."""
    return [
        (job.rule.name, str(next(iter(job.log), "no log")))
        for job in workflow.scheduler.failed
    ]


def stop_following():
    """Has MLflow brought up to date; a second Ctrl-C leaves that to the next call."""
    saying = "MLflow is brought up to date; Ctrl-C again leaves that to the next call."
    slow = threading.Timer(2.0, print, [saying], {"flush": True})
    slow.start()
    try:
        told_to_end.listen_again()
        follower.stop()
    except KeyboardInterrupt:
        print("The next call, or `ratecore replay`, brings MLflow up to date.")
    finally:
        slow.cancel()

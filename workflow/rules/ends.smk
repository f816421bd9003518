# What the workflow does at its start and end, on the machine where it was launched.
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
from ratecore.experiment.launch import cannot_run, quieten, same_snakemake, shell, ui_command
from ratecore.tracking.mlflow.sqlite import has_artifacts_elsewhere
from ratecore.tracking.mlflow.state import is_tracked_in

told_to_end = quieten(logger)


def closing_words():
    """Creates the object that formats the final messages, with the commands that fit this launch."""
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
    # With --directory, relative paths would not be valid in the folder of the launch.
    seen = None if directory is None else experiment.root.resolve()
    return Closing(experiment, ui, shell([*same, "--report", "report.html"]), seen)


closing = closing_words()

# Done here because Snakemake checks the times of all files before it runs anything else.
if workflow.is_main_process and was_copied(ROOT):
    try:
        print(
            f"{ROOT} is a copy: the times of {restore_times(ROOT)} files are put in order, so that no job runs again because of them.",
            file=sys.stderr,
        )
    except OSError as error:
        print(
            f"{ROOT} is a copy whose times cannot be put in order, so that all jobs may run again: {error}",
            file=sys.stderr,
        )

# Files of other grids that Snakemake has to recreate; None until Snakemake was told.
stale = None


def remake_what_is_of_another_grid(wildcards):
    """Tells Snakemake which files belong to other settings, before it checks the times of files.

    This is an input function that returns no inputs. The files are removed in `onstart`, when no other launch is active
    in this folder, and not in a dry run.
    """
    global stale
    if stale is None and not workflow.touch:
        stale = of_other_grids(experiment, STAGES, cell_figures())
        results, name = experiment.settings.results, experiment.settings.experiment
        place, table = f"{ROOT}/tracking.json", f"{ROOT}/{TABLE_WRITTEN}"
        if Path(place).exists():
            if not is_tracked_in(place, stored_uri(uri, results), name):
                stale.append(place)
        if Path(table).exists() and has_artifacts_elsewhere(uri, results):
            stale.append(table)
        workflow.dag.forcefiles.update(stale)
    return []


def refuse_what_cannot_run():
    """Raises WorkflowError if no job can ever start."""
    rate = workflow.scheduling_settings.max_jobs_per_timespan
    problems = cannot_run(
        workflow.cores if workflow.local_exec else None,
        None if workflow.local_exec else workflow.nodes,
        rate and rate.max_jobs,
        workflow.resource_settings.max_threads,
    )
    if experiment.settings.device == "cuda" and any(
        job.rule.name == "train" for job in workflow.dag.needrun_jobs()
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
    """Returns (rule, log) of the jobs that failed."""
    return [
        (job.rule.name, str(next(iter(job.log), "no log")))
        for job in workflow.scheduler.failed
    ]


def stop_following():
    """Waits until MLflow is up to date; a second Ctrl-C leaves this to the next call."""
    saying = "Updating MLflow; press Ctrl-C again to leave this to the next call."
    slow = threading.Timer(2.0, print, [saying], {"flush": True})
    slow.start()
    try:
        told_to_end.listen_again()
        follower.stop()
    except KeyboardInterrupt:
        print("The next call, or `ratecore replay`, will update MLflow.")
    finally:
        slow.cancel()

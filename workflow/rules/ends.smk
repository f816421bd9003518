# How the workflow begins and ends, on the machine of its launch.
import sys
import threading
from itertools import islice
from pathlib import Path

from snakemake.logging import logger

from ratecore.closing import Closing
from ratecore.configurations import keep_configuration
from ratecore.jobs import restore_times, was_copied
from ratecore.launch import cannot_run, quieten, same_snakemake, shell, ui_command

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
    return Closing(experiment, ui, shell([*same, "--report", "report.html"]))


closing = closing_words()

# Now, since Snakemake looks at the times of all files before anything else is run.
if workflow.is_main_process and was_copied(ROOT):
    try:
        print(
            f"{ROOT} is a copy: the times of {restore_times(ROOT)} jobs are put in order again, so that none of them runs again.",
            file=sys.stderr,
        )
    except OSError as error:
        print(
            f"{ROOT} is a copy whose times cannot be put in order, so that all jobs may run again: {error}",
            file=sys.stderr,
        )


def refuse_what_cannot_run():
    """Raises WorkflowError where a job can never start."""
    jobs = islice(workflow.dag.needrun_jobs(), 1000)
    rate = workflow.scheduling_settings.max_jobs_per_timespan
    problems = cannot_run(
        workflow.scheduler.global_resources,
        ((job.rule.name, dict(job.scheduler_resources.items())) for job in jobs),
        rate and rate.max_jobs,
    )
    if problems:
        raise WorkflowError("No job can run:\n  " + "\n  ".join(problems))


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
        follower.stop()
    except KeyboardInterrupt:
        print("The next call, or `ratecore replay`, brings MLflow up to date.")
    finally:
        slow.cancel()

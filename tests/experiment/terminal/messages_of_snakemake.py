"""Messages as Snakemake 9 hands them to a logger plugin: with the events, levels and fields of a real call."""

import logging


def message(text=None, event=None, level=logging.INFO, **fields):
    record = logging.LogRecord("snakemake.logging", level, "workflow.py", 1, text, (), None)
    if event is not None:
        record.event = event
    vars(record).update(fields)
    return record


def job_info(number, rule, output, log="", reason="Missing output files: x"):
    return message(
        f" Rule: {rule}, Jobid: {number}",
        "job_info",
        jobid=number,
        rule_msg=None,
        rule_name=rule,
        local=False,
        input=[],
        output=[output],
        log=[log] if log else [],
        benchmark=None,
        wildcards={},
        reason=reason,
        resources={},
        priority=0,
        threads=1,
        indent=False,
        is_checkpoint=False,
        printshellcmd=False,
        is_handover=False,
        shellcmd=None,
    )


def job_finished(number):
    return message(f"Finished jobid: {number} (Rule: x)", "job_finished", job_id=number)


def job_error(number, rule, log=""):
    return message(
        f"Error in rule {rule}, jobid: {number}",
        "job_error",
        logging.ERROR,
        rule_name=rule,
        rule_msg=None,
        jobid=number,
        input=[],
        output=[],
        log=[log] if log else [],
        conda_env=None,
        container_img=None,
        aux={},
        indent=False,
        shellcmd=None,
    )


# What Snakemake says before its first job, after a job and at its end.
PROSE = (
    "host: somewhere",
    "Building DAG of jobs...",
    "Using shell: /usr/bin/bash",
    "Provided cores: 2",
    "Rules claiming more threads will be scaled down.",
    "Conda environments: ignored",
    "Select jobs to execute...",
    "Execute 2 jobs...",
    "Elapsed time: 0:03:34.5",
)
EVENTS = ("workflow_started", "run_info", "resources_info", "progress", "shellcmd", "job_started")

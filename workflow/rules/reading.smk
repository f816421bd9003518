# Checks the text of the configuration before Snakemake parses the YAML, because Snakemake silently keeps the last of
# duplicate keys and reports no line numbers. Jobs do not check it again.
import sys

from snakemake.exceptions import WorkflowError

from ratecore.settings.reading import check_arguments, check_files
from ratecore.settings.base import SettingsError


def main_configuration():
    """The configuration of the main workflow, which may have given a module of it a section or something else."""
    return workflow.modifier_stack[0].globals["config"]


if not config and not workflow.modifier.is_main_snakefile():
    config = main_configuration()  # of a module that was given none

if workflow.is_main_process and config is main_configuration():
    try:
        check_files(workflow.configfiles or ["config/config.yaml"])
        check_arguments(sys.argv[1:], workflow.config_settings.config)
    except SettingsError as error:
        raise WorkflowError(
            "The configuration cannot be used:\n  " + "\n  ".join(error.lines())
        )

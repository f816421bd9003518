# Checks the text of the configuration before Snakemake parses the YAML, because Snakemake silently keeps the last of
# duplicate keys and reports no line numbers. Jobs do not check it again.
import sys

from snakemake.exceptions import WorkflowError

from ratecore.settings.reading import check_arguments, check_files
from ratecore.settings.base import SettingsError

if workflow.is_main_process:
    try:
        check_files(workflow.overwrite_configfiles or ["config/config.yaml"])
        check_arguments(sys.argv[1:], workflow.config_settings.config)
    except SettingsError as error:
        raise WorkflowError(
            "The configuration cannot be used:\n  " + "\n  ".join(error.lines())
        )

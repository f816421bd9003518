"""Real faults: see `python -m faults --help`."""

from faults.harness import FAULTS, Fault, Tally, fault, inflict, save, table

# Each registers its faults.
from faults import configs, data, hostile, hostile_files, hostile_settings  # noqa: F401  # isort: skip
from faults import disks, processes, servers, snakemakes  # noqa: F401  # isort: skip

__all__ = ["FAULTS", "Fault", "Tally", "fault", "inflict", "save", "table"]

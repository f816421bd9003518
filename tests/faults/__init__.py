"""Real faults: see `python -m faults --help`."""

from faults.harness import FAULTS, Fault, Tally, fault, inflict, save, table

from faults import data, disks, processes, servers, snakemakes  # isort: skip  # each registers its faults

__all__ = [
    "FAULTS",
    "Fault",
    "Tally",
    "data",
    "disks",
    "fault",
    "inflict",
    "processes",
    "save",
    "servers",
    "snakemakes",
    "table",
]

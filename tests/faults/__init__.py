"""Real faults: see `python -m faults --help`."""

from faults.harness import FAULTS, Fault, Tally, fault, inflict, save, table

from faults import configs, data, processes, servers  # isort: skip  # each registers its faults

__all__ = ["FAULTS", "Fault", "Tally", "configs", "data", "fault", "inflict", "processes", "save", "servers", "table"]

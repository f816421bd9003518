"""Snakemake finds logger plugins by the names of packages; all of this one is in `ratecore.experiment.terminal`."""

from ratecore.experiment.terminal.handler import LogHandler, LogHandlerSettings

__all__ = ["LogHandler", "LogHandlerSettings"]

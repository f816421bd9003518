"""The `spiking` package's import path of its tasks."""

from ratecore.compat.spiking_tasks import (
    AbstractSpikingTask,
    GoNogoSpikingTask,
    ManteSpikingTask,
    SpikingTaskFactory,
    XORSpikingTask,
)

__all__ = ["AbstractSpikingTask", "GoNogoSpikingTask", "ManteSpikingTask", "SpikingTaskFactory", "XORSpikingTask"]

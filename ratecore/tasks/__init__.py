"""The cognitive tasks and their registry. Importing this package registers the built-in tasks."""

from ratecore.compat import task_names
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.go_nogo import GoNogoTask
from ratecore.tasks.mante import ManteTask
from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.trials import Trial
from ratecore.tasks.xor import XORTask

__all__ = ["AbstractTask", "GoNogoTask", "ManteTask", "TaskFactory", "Trial", "XORTask"]

TaskFactory._registry = task_names.TaskRegistry(TaskFactory)
AbstractTask.generate_input_stim = task_names.generate_input_stim
AbstractTask.generate_target_continuous = task_names.generate_target_continuous

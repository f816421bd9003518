"""The cognitive tasks and their registry. Importing this package registers the built-in tasks."""

from ratecore.tasks.base import AbstractTask, TaskFactory
from ratecore.tasks.go_nogo import GoNogoTask
from ratecore.tasks.mante import ManteTask
from ratecore.tasks.xor import XORTask

__all__ = ["AbstractTask", "GoNogoTask", "ManteTask", "TaskFactory", "XORTask"]

"""The cognitive tasks and their registry. Importing this package registers the built-in tasks."""

from ratecore.compat import task_names
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.delayed_match import DelayedMatchTask
from ratecore.tasks.go_nogo import GoNogoTask
from ratecore.tasks.mante import ManteTask
from ratecore.tasks.mante_features import ManteFeaturesTask
from ratecore.tasks.n_back import NBackTask
from ratecore.tasks.oddball import OddballTask
from ratecore.tasks.oscillation import OscillationTask
from ratecore.tasks.parametric_memory import ParametricMemoryTask
from ratecore.tasks.pro_anti import ProAntiTask
from ratecore.tasks.random_dots import RandomDotsTask
from ratecore.tasks.random_dots_delay import DelayedRandomDotsTask
from ratecore.tasks.ready_set_go import ReadySetGoTask
from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.sternberg import SternbergTask
from ratecore.tasks.trials import Trial
from ratecore.tasks.xor import XORTask

__all__ = [
    "AbstractTask",
    "DelayedMatchTask",
    "DelayedRandomDotsTask",
    "GoNogoTask",
    "ManteFeaturesTask",
    "ManteTask",
    "NBackTask",
    "OddballTask",
    "OscillationTask",
    "ParametricMemoryTask",
    "ProAntiTask",
    "RandomDotsTask",
    "ReadySetGoTask",
    "SternbergTask",
    "TaskFactory",
    "Trial",
    "XORTask",
]

TaskFactory._registry = task_names.TaskRegistry(TaskFactory)
AbstractTask.generate_input_stim = task_names.generate_input_stim
AbstractTask.generate_target_continuous = task_names.generate_target_continuous

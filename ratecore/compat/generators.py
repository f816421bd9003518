"""Interfaces of the `rate` package for stimuli, targets and losses that no part of ratecore asks for.

Classes that were derived from them run as before. What ratecore trains on is a task: `ratecore.tasks.AbstractTask`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class AbstractTaskGenerator(ABC):
    """What draws the stimuli of a task."""

    @abstractmethod
    def generate_stimulus(self, settings: dict):
        """A stimulus u (n_in, T) and its label."""

    @abstractmethod
    def get_task_info(self) -> dict[str, str]:
        """What the task is, in words."""


class AbstractTargetGenerator(ABC):
    """What gives the target of a label."""

    @abstractmethod
    def generate_targets(self, settings: dict, labels):
        """The target output of each step."""


class AbstractLossFunction(ABC):
    """What compares outputs with targets."""

    @abstractmethod
    def compute_loss(self, outputs, targets, training_params: dict):
        """The loss, a scalar tensor."""

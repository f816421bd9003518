"""Interfaces of the `rate` package for stimuli, targets and losses, which ratecore itself does not use.

Subclasses of them run as before. ratecore trains on tasks: `ratecore.tasks.AbstractTask`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class AbstractTaskGenerator(ABC):
    """`AbstractTaskGenerator` of the `rate` package: draws the stimuli of a task."""

    @abstractmethod
    def generate_stimulus(self, settings: dict[str, Any]) -> Any:
        """Draw a stimulus u (n_in, T), unitless, and its label."""

    @abstractmethod
    def get_task_info(self) -> dict[str, str]:
        """Describe the task in words."""


class AbstractTargetGenerator(ABC):
    """`AbstractTargetGenerator` of the `rate` package: makes the target of a label."""

    @abstractmethod
    def generate_targets(self, settings: dict[str, Any], labels: Any) -> Any:
        """Make the target output of each step."""


class AbstractLossFunction(ABC):
    """`AbstractLossFunction` of the `rate` package: compares outputs with targets."""

    @abstractmethod
    def compute_loss(self, outputs: Any, targets: Any, training_params: dict[str, Any]) -> Any:
        """Compute the loss, a scalar tensor."""

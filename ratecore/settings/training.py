"""Settings of training and of the evaluation that follows it."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from ratecore.settings.base import Settings

MOST = 1_000_000_000  # of any count; more is a slip of the pen, and no job would end

LossFunction = Literal["l2", "l1", "mse", "huber", "cross_entropy", "task"]
LOSS_FUNCTIONS = get_args(LossFunction)


class TrainingSettings(Settings):
    """How a network is trained and when it counts as trained (docs/model.md 3)."""

    n_trials: int = Field(6000, ge=1, le=MOST, description="largest number of trials")
    min_trials: int | None = Field(
        None,
        ge=0,
        le=MOST,
        description="trials before which training does not stop; by default 1,500 for go-nogo, else 0",
    )
    batch_size: int = Field(1, ge=1, le=MOST, description="trials per update; 1 reproduces the paper")
    learning_rate: float = Field(0.01, gt=0, description="learning rate of Adam")
    loss_fn: LossFunction = Field("l2", description="loss of a trial")
    loss_threshold: float = Field(7.0, gt=0, description="mean test loss below which training may stop")
    accuracy_threshold: float = Field(0.95, ge=0, le=1, description="test accuracy above which training may stop")
    eval_freq: int = Field(100, ge=1, le=MOST, description="trials between tests")
    eval_tr: int = Field(100, ge=1, le=MOST, description="trials per test")


class EvaluationSettings(Settings):
    """How a trained network is scored."""

    n_trials: int = Field(100, ge=1, le=MOST, description="fresh trials")
    psychometric_trials: int = Field(
        25,
        ge=0,
        le=MOST,
        description="trials at each strength of evidence and context, for tasks that grade their evidence",
    )

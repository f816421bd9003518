"""What training and evaluating a network gave, as plain data: nothing here trains, runs or reads anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from ratecore.rate.network import RateNetwork


@dataclass
class Scores:
    """Outputs and scores of B trials.

    Attributes:
        losses: of each trial (B,), unitless.
        correct: whether each trial is correct (B,), bool; NaN for a task without `is_correct`.
        outputs: (B, T), unitless, step t in column t; column 0 is the readout of r[0].
        labels: B labels.
        conditions: names of the conditions (B,).
    """

    losses: Float[np.ndarray, " B"]
    correct: Shaped[np.ndarray, " B"]
    outputs: Float[np.ndarray, "B T"]
    labels: Sequence[Any]
    conditions: Shaped[np.ndarray, " B"]

    @property
    def loss(self) -> float:
        """Mean loss of the trials, unitless (docs/model.md 3)."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """Share of correct trials, in [0, 1] (docs/model.md 2)."""
        return float(self.correct.mean())

    def by_condition(self) -> dict[str, dict[str, Any]]:
        """Summarise the trials of each condition.

        Returns:
            for each condition, in alphabetical order: n, accuracy, loss, output_mean (T,) and output_sd (T,), unitless.

        Source: none
        """
        table: dict[str, dict[str, Any]] = {}
        for name in sorted(set(self.conditions.tolist())):
            chosen = self.conditions == name
            outputs = self.outputs[chosen]
            table[name] = {
                "n": int(chosen.sum()),
                "accuracy": float(self.correct[chosen].mean()),
                "loss": float(self.losses[chosen].mean()),
                "output_mean": outputs.mean(0),
                "output_sd": outputs.std(0),
            }
        return table


@dataclass
class Evaluation:
    """Scores of a trained network on fresh trials.

    Attributes:
        scores: of the trials.
        response: (start, stop) of the response window, steps.
        psychometric: a row for each trial type and strength of evidence, for tasks that grade it: trial_type,
            evidence (signed, as a multiple of the task's offset), n, accuracy, p_positive (share of trials with a
            positive mean output in the response window).
    """

    scores: Scores
    response: tuple[int, int]
    psychometric: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Summarise the scores in plain numbers to six decimals, for people and JSON.

        Returns:
            n_trials, accuracy, loss, a dict for each condition, and the rows of `psychometric`.
        """
        window = slice(*self.response)
        conditions = {
            name: {
                "n": row["n"],
                "accuracy": round(row["accuracy"], 6),
                "loss": round(row["loss"], 6),
                "response_mean": round(float(row["output_mean"][window].mean()), 6),
                "response_sd": round(float(row["output_sd"][window].mean()), 6),
            }
            for name, row in self.scores.by_condition().items()
        }
        s = self.scores
        return {
            "n_trials": len(s.losses),
            "accuracy": round(s.accuracy, 6),
            "loss": round(s.loss, 6),
            "conditions": conditions,
            "psychometric": self.psychometric,
        }


@dataclass
class TrainingResult:
    """The network and the course of its training, complete or so far.

    Attributes:
        net: the trained network.
        initial: its state_dict before training.
        optimizer: Adam's state_dict.
        losses: of every update, unitless.
        tests: dicts with trial, updates (so far), train_loss (mean since the last test), loss, accuracy.
        last_test: scores of the last test.
        trained: whether the criterion was met.
        n_trials: trials used.
        seconds: time spent training, s.
        finished: when it ended, s since 1970.
    """

    net: RateNetwork
    initial: dict[str, Any]
    optimizer: dict[str, Any] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    tests: list[dict[str, Any]] = field(default_factory=list)
    last_test: Scores | None = None
    trained: bool = False
    n_trials: int = 0
    seconds: float = 0.0
    finished: float = 0.0

"""What training and evaluating a network gave, as plain data: nothing here trains, runs or reads anything."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ratecore.rate.network import RateNetwork


@dataclass
class Scores:
    """What trials gave.

    Attributes:
        losses: (B,).   correct: (B,) bool, NaN for a task without `is_correct`.
        outputs: (B, T), of step t in column t; column 0 is the readout of r[0].
        labels: B labels.   conditions: (B,) names.
    """

    losses: np.ndarray
    correct: np.ndarray
    outputs: np.ndarray
    labels: list
    conditions: np.ndarray

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())

    def by_condition(self) -> dict[str, dict]:
        """Condition: n, accuracy, loss, output_mean (T,), output_sd (T,); conditions in alphabetical order."""
        table = {}
        for name in sorted(set(self.conditions.tolist())):
            of = self.conditions == name
            outputs = self.outputs[of]
            table[name] = {
                "n": int(of.sum()),
                "accuracy": float(self.correct[of].mean()),
                "loss": float(self.losses[of].mean()),
                "output_mean": outputs.mean(0),
                "output_sd": outputs.std(0),
            }
        return table


@dataclass
class Evaluation:
    """Scores of a trained network on fresh trials.

    Attributes:
        scores: of the trials.
        psychometric: a row for each trial type and strength of evidence, for tasks that grade it: trial_type,
            evidence (signed, as a multiple of the task's offset), n, accuracy, p_positive (share of trials with a
            positive mean output in the response window).
        response: (start, stop) of the response window in steps.
    """

    scores: Scores
    response: tuple[int, int]
    psychometric: list[dict] = field(default_factory=list)

    def summary(self) -> dict:
        """The scores in plain numbers to six decimals, for people and JSON."""
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
    """What training a network gave, or has given so far.

    Attributes:
        net: the trained network.   initial: its state_dict before training.   optimizer: Adam's state_dict.
        losses: of every update, (n_updates,).
        tests: dicts with trial, updates (so far), train_loss (mean since the last test), loss, accuracy.
        last_test: scores of the last test.
        trained: whether the criterion was met.   n_trials: trials used.   seconds: of training.
        finished: when it ended, in seconds since 1970.
    """

    net: RateNetwork
    initial: dict
    optimizer: dict = field(default_factory=dict)
    losses: list = field(default_factory=list)
    tests: list[dict] = field(default_factory=list)
    last_test: Scores | None = None
    trained: bool = False
    n_trials: int = 0
    seconds: float = 0.0
    finished: float = 0.0
